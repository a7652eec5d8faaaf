-- The second wall: what a participant's transactions reach, held by the database as well. The first is the predicate in every
-- query; this one stands where a query should ever lack it.
--
-- A participant's transaction runs as the role `peshub_participant` and says for whom it is: `peshub.actor` is `administrator`,
-- `auditor` or `participant`; `peshub.participant` and `peshub.scope` are those of the permit that opened it. One that says nothing
-- reaches nothing. The hub's own work runs as the tables' owner, for whom the policies do not count: behind them, only leakproof
-- comparisons use an index, and the sequencer's are none.
--
-- Rollout: needs the right to create a role, or that a role `peshub_participant` is there and granted to the owner. Creates only.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'peshub_participant') THEN
        CREATE ROLE peshub_participant NOLOGIN;
    END IF;
    IF NOT pg_has_role(current_user, 'peshub_participant', 'MEMBER') THEN
        EXECUTE format('GRANT peshub_participant TO %I', current_user);
    END IF;
END $$;

CREATE FUNCTION peshub_actor() RETURNS text LANGUAGE sql STABLE AS
$$ SELECT current_setting('peshub.actor', true) $$;
CREATE FUNCTION peshub_participant() RETURNS bigint LANGUAGE sql STABLE AS
$$ SELECT nullif(current_setting('peshub.participant', true), '')::bigint $$;
CREATE FUNCTION peshub_scope() RETURNS text[] LANGUAGE sql STABLE AS
$$ SELECT nullif(current_setting('peshub.scope', true), '')::text[] $$;

-- Heads may be looked through, so that every index serves every list; contents may not. Only the owner writes.
-- Functions stand in sub-selects so that they are evaluated once a statement.
ALTER TABLE posting ENABLE ROW LEVEL SECURITY;
CREATE POLICY found ON posting FOR SELECT USING (true);
CREATE POLICY made ON posting FOR INSERT
    WITH CHECK (facets @> (SELECT ARRAY['p:' || peshub_participant()]));
CREATE POLICY changed ON posting FOR UPDATE
    USING (facets @> (SELECT ARRAY['p:' || peshub_participant()]));

ALTER TABLE change_log ENABLE ROW LEVEL SECURITY;
CREATE POLICY reached ON change_log FOR SELECT USING (facets && (SELECT peshub_scope()));
CREATE POLICY made ON change_log FOR INSERT
    WITH CHECK (facets @> (SELECT ARRAY['p:' || peshub_participant()]));

ALTER TABLE posting_body ENABLE ROW LEVEL SECURITY;
CREATE POLICY reached ON posting_body FOR SELECT USING (EXISTS (
    SELECT FROM posting p
    WHERE p.posting_id = posting_body.posting_id AND p.facets && (SELECT peshub_scope())));

-- Names of sources are looked up by bureaus, too; lanes, batches and held closes are their owner's alone.
ALTER TABLE source ENABLE ROW LEVEL SECURITY;
CREATE POLICY found ON source FOR SELECT USING (true);
CREATE POLICY made ON source FOR INSERT WITH CHECK (participant_id = (SELECT peshub_participant()));

ALTER TABLE sync_lane ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON sync_lane USING (source_id IN (
    SELECT s.source_id FROM source s WHERE s.participant_id = (SELECT peshub_participant())));

ALTER TABLE sync_batch ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON sync_batch USING (lane_id IN (
    SELECT l.lane_id FROM sync_lane l JOIN source s ON s.source_id = l.source_id
    WHERE s.participant_id = (SELECT peshub_participant())));

ALTER TABLE lane_close_hour ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON lane_close_hour USING (lane_id IN (
    SELECT l.lane_id FROM sync_lane l JOIN source s ON s.source_id = l.source_id
    WHERE s.participant_id = (SELECT peshub_participant())));

ALTER TABLE held_close ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON held_close USING (source_id IN (
    SELECT s.source_id FROM source s WHERE s.participant_id = (SELECT peshub_participant())));

ALTER TABLE consumer ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON consumer USING (participant_id = (SELECT peshub_participant()));

ALTER TABLE replay ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON replay USING (participant_id = (SELECT peshub_participant()));

-- How somebody proves who they are is for administrators to see.
ALTER TABLE system_identity ENABLE ROW LEVEL SECURITY;
CREATE POLICY administered ON system_identity USING ((SELECT peshub_actor()) = 'administrator');
CREATE POLICY looked_at ON system_identity FOR SELECT USING ((SELECT peshub_actor()) = 'auditor');

CREATE POLICY own ON system_identity FOR SELECT USING (system_id IN (
    SELECT s.system_id FROM participant_system s WHERE s.participant_id = (SELECT peshub_participant())));

ALTER TABLE system_token ENABLE ROW LEVEL SECURITY;
CREATE POLICY administered ON system_token USING ((SELECT peshub_actor()) = 'administrator');
CREATE POLICY looked_at ON system_token FOR SELECT USING ((SELECT peshub_actor()) = 'auditor');

ALTER TABLE system_role ENABLE ROW LEVEL SECURITY;
CREATE POLICY administered ON system_role USING ((SELECT peshub_actor()) = 'administrator');
CREATE POLICY looked_at ON system_role FOR SELECT USING ((SELECT peshub_actor()) = 'auditor');

ALTER TABLE hub_secret ENABLE ROW LEVEL SECURITY;

-- The trail is written and read, never changed: not by the hub either.
CREATE FUNCTION audit_unchanged() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail is never changed' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_unchanged BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_unchanged();
ALTER TABLE audit ENABLE ROW LEVEL SECURITY;
CREATE POLICY read_all ON audit FOR SELECT USING ((SELECT peshub_actor()) = 'auditor');
CREATE POLICY read_own ON audit FOR SELECT USING (participant_id = (SELECT peshub_participant()));
CREATE POLICY written ON audit FOR INSERT
    WITH CHECK (participant_id = (SELECT peshub_participant()));

-- A participant's name for a worker.
ALTER TABLE worker_reference ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON worker_reference USING (participant_id = (SELECT peshub_participant()));

-- What others state about a worker, and to whom one was disclosed, is reached by a transaction that says which worker it is about:
-- it says so once it has found the worker by a reference of its participant.
CREATE FUNCTION peshub_worker() RETURNS uuid LANGUAGE sql STABLE AS
$$ SELECT nullif(current_setting('peshub.worker', true), '')::uuid $$;
CREATE POLICY about_read ON worker_reference FOR SELECT USING (worker_id = (SELECT peshub_worker()));
CREATE POLICY about_changed ON worker_reference FOR UPDATE USING (worker_id = (SELECT peshub_worker()));
CREATE POLICY about_read ON audit FOR SELECT USING (worker_id = (SELECT peshub_worker()));

-- Every table, and none of the partitions, on which the policies of their parents do not count. A later table must be granted by
-- its own step.
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace
                AND relkind IN ('r', 'p') AND NOT relispartition AND relname <> '_sqlx_migrations' LOOP
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO peshub_participant', name);
    END LOOP;
END $$;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO peshub_participant;
