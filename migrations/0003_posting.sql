-- Postings, their sources, and the batches that brought them.
-- Rollout: creates only.

CREATE TABLE source (
    source_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    participant_id bigint NOT NULL REFERENCES participant,
    name           text NOT NULL COLLATE "C" CONSTRAINT source_name_unique UNIQUE,
    created_at     timestamptz NOT NULL
);
CREATE INDEX source_participant ON source (participant_id);

-- A numbered series of batches. The counters tell how many postings this lane opened and closed; a source's open postings
-- are the sum over its lanes, so that lanes never wait for one another.
CREATE TABLE sync_lane (
    lane_id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_id         bigint NOT NULL REFERENCES source,
    name              text NOT NULL COLLATE "C",
    last_batch_id     bigint NOT NULL DEFAULT 0,
    last_committed_at timestamptz,
    -- Names the stream that may write; a newer stream takes over.
    holder            uuid,
    opened            bigint NOT NULL DEFAULT 0,
    closed            bigint NOT NULL DEFAULT 0,
    -- Records received on the day (UTC) of the last batch. What a participant sent today is the sum over its lanes.
    records_on        date,
    records           bigint NOT NULL DEFAULT 0,
    CONSTRAINT sync_lane_name_unique UNIQUE (source_id, name)
);

-- What was answered to each batch, kept seven days.
CREATE TABLE sync_batch (
    lane_id         bigint NOT NULL REFERENCES sync_lane,
    batch_id        bigint NOT NULL,
    body_sha256     bytea NOT NULL,
    acknowledgement bytea NOT NULL,
    committed_at    timestamptz NOT NULL,
    PRIMARY KEY (lane_id, batch_id)
);
CREATE INDEX sync_batch_committed_at ON sync_batch (committed_at);

-- Closes by the hour, to know what is usual.
CREATE TABLE lane_close_hour (
    lane_id        bigint NOT NULL REFERENCES sync_lane,
    hour           timestamptz NOT NULL,
    closes         bigint NOT NULL,
    PRIMARY KEY (lane_id, hour)
);

-- The head of each posting. Its content is the `body` of change_log row `body_id` and is written nowhere else, until
-- retention moves it to posting_body.
CREATE TABLE posting (
    posting_id          bigint PRIMARY KEY,
    source_id           bigint NOT NULL,
    external_id         text NOT NULL COLLATE "C",
    -- 1 open, 2 closed
    state               smallint NOT NULL,
    revision            bigint NOT NULL,
    source_revision     bigint,
    -- First 16 bytes of the SHA-256 of the content as it was sent, and as it is stored.
    sent_digest         uuid NOT NULL,
    content_digest      uuid NOT NULL,
    facets              text[] NOT NULL,
    change_id           bigint NOT NULL,
    body_id             bigint NOT NULL,
    created_at          timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL,
    pay_month_minor_min bigint,
    pay_month_minor_max bigint,
    pay_currency        text,
    -- Title and employer's name in lower case.
    search_text         text NOT NULL,
    CONSTRAINT posting_source_external_id_unique UNIQUE (source_id, external_id)
) WITH (fillfactor = 90);
CREATE INDEX posting_facets ON posting USING gin (facets);
CREATE INDEX posting_updated_at ON posting (updated_at, posting_id);

-- Contents whose change_log rows were dropped by retention while the posting still stands.
CREATE TABLE posting_body (
    posting_id     bigint PRIMARY KEY,
    header         bytea NOT NULL,
    body           bytea NOT NULL
);

-- Numbers for new postings are handed out in blocks of 1,000 to each hub process.
CREATE SEQUENCE posting_id_block AS bigint;

-- Closes above what is usual for their source, until somebody releases or discards them.
CREATE TABLE held_close (
    posting_id      bigint PRIMARY KEY,
    source_id       bigint NOT NULL REFERENCES source,
    external_id     text NOT NULL COLLATE "C",
    reason          smallint NOT NULL,
    closed_at       timestamptz NOT NULL,
    source_revision bigint,
    held_at         timestamptz NOT NULL
);
CREATE INDEX held_close_source ON held_close (source_id, posting_id);
