-- Dropping changes past their time.
-- Rollout: creates only.

-- Returns the number of the oldest partition of change_log if its every row is older than `before` and has a position, after
-- moving what postings still need of it to posting_body; null if there is none. The partition that is being written stays.
CREATE FUNCTION change_log_retire(before timestamptz) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    width   CONSTANT bigint := 4194304;
    slot    bigint;
    next_id bigint;
    newest  timestamptz;
BEGIN
    IF NOT pg_try_advisory_xact_lock(7305, 2) THEN
        RETURN NULL;
    END IF;
    SELECT last_value INTO next_id FROM change_log_id_seq;
    SELECT min(substring(c.relname FROM 'change_log_(\d+)$')::bigint) INTO slot
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'change_log'::regclass;
    IF slot IS NULL OR (slot + 1) * width > next_id THEN
        RETURN NULL;
    END IF;
    -- Ids rise with time, but for the moments that transactions take.
    EXECUTE format('SELECT at FROM change_log_%s ORDER BY id DESC LIMIT 1', slot) INTO newest;
    IF newest >= before THEN
        RETURN NULL;
    END IF;
    -- A row without a position is one whose tick is still to come.
    IF EXISTS (SELECT 1 FROM feed_head h, change_log c WHERE h.feed = 1
               AND c.id >= slot * width AND c.id < (slot + 1) * width
               AND (c.xid >= pg_snapshot_xmax(h.snap) OR c.xid IN (SELECT pg_snapshot_xip(h.snap)))) THEN
        RETURN NULL;
    END IF;
    INSERT INTO posting_body (posting_id, header, body)
    SELECT p.posting_id, c.header, coalesce(b.body, kept.body)
    FROM posting p
    JOIN change_log c ON c.id = p.change_id
    LEFT JOIN change_log b ON b.id = p.body_id
    LEFT JOIN posting_body kept ON kept.posting_id = p.posting_id
    WHERE p.body_id >= slot * width AND p.body_id < (slot + 1) * width
       OR p.change_id >= slot * width AND p.change_id < (slot + 1) * width
    ON CONFLICT (posting_id) DO UPDATE SET header = excluded.header, body = excluded.body;
    RETURN slot;
END $$;

-- Drops a partition that was retired. It must have change_log to itself for a moment: rather than make every writer wait
-- behind a long reader it gives up after 200 ms, to be tried again.
CREATE FUNCTION change_log_drop(slot bigint) RETURNS void LANGUAGE plpgsql SET lock_timeout = '200ms' AS $$
DECLARE
    width  CONSTANT bigint := 4194304;
    oldest bigint;
BEGIN
    EXECUTE format('DROP TABLE change_log_%s', slot);
    DELETE FROM feed_tick WHERE feed = 1 AND upper(ids) <= (slot + 1) * width;
    -- A tick that reaches over the boundary has lost a part: what is kept begins after it.
    SELECT min(seq_from) INTO oldest FROM feed_tick WHERE feed = 1 AND lower(ids) >= (slot + 1) * width;
    UPDATE feed_head SET oldest_seq = coalesce(oldest, seq + 1) WHERE feed = 1;
END $$;
