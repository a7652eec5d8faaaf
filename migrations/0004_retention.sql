-- Dropping changes past their time.
-- Rollout: creates only.

-- Drops partitions of change_log whose every row is older than `before` and has a position, oldest first. What a posting
-- still needs of them is moved to posting_body. Returns how many were dropped. The partition that is being written stays.
CREATE FUNCTION change_log_drop_before(before timestamptz) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    width   CONSTANT bigint := 4194304;
    slot    bigint;
    next_id bigint;
    newest  timestamptz;
    dropped integer := 0;
    oldest  bigint;
BEGIN
    IF NOT pg_try_advisory_xact_lock(7305, 2) THEN
        RETURN 0;
    END IF;
    SELECT last_value INTO next_id FROM change_log_id_seq;
    FOR slot IN
        SELECT substring(c.relname FROM 'change_log_(\d+)$')::bigint
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'change_log'::regclass ORDER BY 1
    LOOP
        EXIT WHEN (slot + 1) * width > next_id;
        EXECUTE format('SELECT max(at) FROM change_log_%s', slot) INTO newest;
        EXIT WHEN newest >= before;
        -- A row without a position is one whose tick is still to come.
        EXIT WHEN EXISTS (SELECT 1 FROM feed_head h, change_log c WHERE h.feed = 1
                          AND c.id >= slot * width AND c.id < (slot + 1) * width
                          AND NOT pg_visible_in_snapshot(c.xid, h.snap));
        INSERT INTO posting_body (posting_id, header, body)
        SELECT p.posting_id, c.header, coalesce(b.body, kept.body)
        FROM posting p
        JOIN change_log c ON c.id = p.change_id
        LEFT JOIN change_log b ON b.id = p.body_id
        LEFT JOIN posting_body kept ON kept.posting_id = p.posting_id
        WHERE p.body_id >= slot * width AND p.body_id < (slot + 1) * width
           OR p.change_id >= slot * width AND p.change_id < (slot + 1) * width
        ON CONFLICT (posting_id) DO UPDATE SET header = excluded.header, body = excluded.body;
        DELETE FROM feed_tick WHERE feed = 1 AND upper(ids) <= (slot + 1) * width;
        SELECT min(seq_from) INTO oldest FROM feed_tick WHERE feed = 1 AND lower(ids) >= (slot + 1) * width;
        UPDATE feed_head SET oldest_seq = coalesce(oldest, seq + 1) WHERE feed = 1;
        EXECUTE format('DROP TABLE change_log_%s', slot);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END $$;
