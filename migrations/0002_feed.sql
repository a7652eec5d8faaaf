-- The change feed: what happened, and at which position. See docs/ARCHITECTURE.md, "The feed".
-- Rollout: creates only.

CREATE SEQUENCE change_log_id_seq AS bigint CACHE 1;

-- One row per change of an entity, in every exchange. Writers lock the entity first and draw the id afterwards, so that
-- ids rise with the revisions of one entity. Rows are never changed.
CREATE TABLE change_log (
    id             bigint NOT NULL DEFAULT nextval('change_log_id_seq'),
    xid            xid8 NOT NULL DEFAULT pg_current_xact_id(),
    at             timestamptz NOT NULL,
    -- 1 posting, 2 status of a credential
    topic          smallint NOT NULL,
    entity_id      bigint NOT NULL,
    revision       bigint NOT NULL,
    -- The record without its content, encoded.
    header         bytea NOT NULL,
    -- The content, encoded; absent when this change did not touch it.
    body           bytea,
    -- What the entity can be found by after the change, and before it where that differs. Empty before the first change.
    facets         text[] NOT NULL,
    facets_before  text[],
    -- The trace that the change belongs to, as a W3C `traceparent`; only if it is sampled. The transaction says it.
    trace          text COLLATE "C" DEFAULT nullif(current_setting('peshub.trace', true), ''),
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);
CREATE INDEX change_log_xid ON change_log (xid);

-- Creates the partitions that hold the next `ahead` ids. Returns how many were made.
CREATE FUNCTION change_log_extend(ahead bigint) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    width   CONSTANT bigint := 4194304;
    next_id bigint;
    slot    bigint;
    made    integer := 0;
BEGIN
    SELECT CASE WHEN is_called THEN last_value + 1 ELSE last_value END INTO next_id FROM change_log_id_seq;
    FOR slot IN SELECT generate_series(next_id / width, (next_id + ahead) / width) LOOP
        IF to_regclass('change_log_' || slot) IS NULL THEN
            -- Two replicas may come here at once; the lock lets one of them through.
            PERFORM pg_advisory_xact_lock(7305, 1);
            IF to_regclass('change_log_' || slot) IS NULL THEN
                -- Made apart and attached: PARTITION OF would wait for every reader of change_log, and every writer
                -- would wait behind it.
                EXECUTE format('CREATE TABLE change_log_%s (LIKE change_log INCLUDING ALL)', slot);
                -- Compression costs the writer more than it saves: contents are small.
                EXECUTE format('ALTER TABLE change_log_%s ALTER COLUMN body SET STORAGE EXTERNAL', slot);
                EXECUTE format('ALTER TABLE change_log ATTACH PARTITION change_log_%s FOR VALUES FROM (%s) TO (%s)',
                               slot, slot * width, (slot + 1) * width);
                made := made + 1;
            END IF;
        END IF;
    END LOOP;
    RETURN made;
END $$;
SELECT change_log_extend(4194304);

-- Where each feed stands. `snap` is the snapshot of the last tick: what it did not see has no position yet.
CREATE TABLE feed_head (
    feed              smallint PRIMARY KEY,
    seq               bigint NOT NULL,
    -- The first position that is still kept.
    oldest_seq        bigint NOT NULL DEFAULT 1,
    snap              pg_snapshot NOT NULL,
    epoch             uuid NOT NULL DEFAULT gen_random_uuid(),
    system_identifier bigint NOT NULL
);
INSERT INTO feed_head (feed, seq, snap, system_identifier)
SELECT 1, 0, pg_current_snapshot(), system_identifier FROM pg_control_system();

-- Positions. A row gives `seq_from` … `seq_to` to the ids it names, in the order of the ids; at most 1,000 to a row.
CREATE TABLE feed_tick (
    feed           smallint NOT NULL,
    seq_from       bigint NOT NULL,
    seq_to         bigint NOT NULL,
    ids            int8multirange NOT NULL,
    PRIMARY KEY (feed, seq_to)
);

-- How far named consumers have come.
CREATE TABLE consumer (
    participant_id  bigint NOT NULL REFERENCES participant,
    name            text NOT NULL COLLATE "C",
    feed            smallint NOT NULL,
    epoch           uuid NOT NULL,
    seq             bigint NOT NULL,
    acknowledged_at timestamptz NOT NULL,
    PRIMARY KEY (participant_id, feed, name)
);
