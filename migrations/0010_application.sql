-- Applications for subsidies: what is claimed, what it costs, what was decided. See docs/decisions/0019.
-- Rollout: creates only. Needs the extension btree_gist, which the owner of the database may create (it is a trusted extension of
-- PostgreSQL's own contrib modules), or which is there already.

CREATE EXTENSION IF NOT EXISTS btree_gist;

-- What a programme may cost for applications that are filed within some days.
CREATE TABLE budget (
    budget_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bureau_id      bigint NOT NULL REFERENCES participant,
    programme      text NOT NULL COLLATE "C",
    filed_on       daterange NOT NULL CONSTRAINT budget_has_days CHECK (NOT isempty(filed_on)),
    currency       text NOT NULL,
    -- All in minor units.
    cap            bigint NOT NULL,
    clawed_back    bigint NOT NULL DEFAULT 0 CONSTRAINT budget_clawed_back_not_negative CHECK (clawed_back >= 0),
    revision       bigint NOT NULL DEFAULT 1,
    CONSTRAINT budget_once EXCLUDE USING gist (programme WITH =, filed_on WITH &&)
);

-- A budget's shares are its guard: nothing is reserved beyond a share's room, and the rooms add up to the cap. Whoever files holds one
-- share until the commit is on disk, so that as many can file at once as there are shares.
CREATE TABLE budget_share (
    budget_id      bigint NOT NULL REFERENCES budget,
    share          smallint NOT NULL,
    room           bigint NOT NULL DEFAULT 0,
    reserved       bigint NOT NULL DEFAULT 0,
    committed      bigint NOT NULL DEFAULT 0,
    paid           bigint NOT NULL DEFAULT 0,
    revision       bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (budget_id, share),
    CONSTRAINT budget_share_not_negative CHECK (least(room, reserved, committed, paid) >= 0),
    CONSTRAINT budget_share_within_room CHECK (reserved + committed + paid <= room)
-- Every claim changes one: room for versions of the row on its page.
) WITH (fillfactor = 10);

-- An application, or an offer of a bureau. What it states is sealed with the worker's own key, so that erasing the worker destroys it.
CREATE TABLE application (
    application_id uuid PRIMARY KEY,
    number         bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT application_number_unique UNIQUE,
    revision       bigint NOT NULL DEFAULT 1,
    -- Numbers of peshub.subsidies.v1.ApplicationState.
    state          smallint NOT NULL CONSTRAINT application_state_known CHECK (state BETWEEN 1 AND 10),
    programme      text NOT NULL COLLATE "C",
    edition        bigint NOT NULL,
    bureau_id      bigint NOT NULL REFERENCES participant,
    -- Who filed it; absent for an offer that nobody has accepted.
    platform_id    bigint REFERENCES participant,
    -- Where: the token of the division; absent: without overlays.
    division       text COLLATE "C",
    -- Pseudonym of the worker; absent where it is about none.
    worker_id      uuid,
    -- The keyed digest of the employer; absent where it is about none.
    employer       uuid,
    -- The facts and the determination with values, peshub.subsidies.v1, encoded and sealed.
    sealed         bytea NOT NULL,
    -- peshub.subsidies.v1.Determination without values, encoded.
    determination  bytea NOT NULL,
    determined_on  date NOT NULL,
    filed_on       date NOT NULL,
    -- What is reserved, granted or paid, and from which budget; of a budget as long as `stage` says so:
    -- 0 nothing, 1 reserved, 2 committed, 3 paid.
    amount         bigint NOT NULL CONSTRAINT application_amount_sound CHECK (amount >= 0),
    currency       text NOT NULL,
    budget_id      bigint REFERENCES budget,
    stage          smallint NOT NULL DEFAULT 0 CONSTRAINT application_stage_known CHECK (stage BETWEEN 0 AND 3),
    clawed_back    bigint NOT NULL DEFAULT 0,
    answer_by      date,
    asked          text[] NOT NULL DEFAULT '{}',
    remark         text NOT NULL DEFAULT '',
    reopened       boolean NOT NULL DEFAULT false,
    proactive      boolean NOT NULL,
    -- Since when the last decision or clawback stands, for appeals.
    decided_on     date,
    submitted_at   timestamptz NOT NULL,
    changed_at     timestamptz NOT NULL
);
CREATE INDEX application_platform ON application (platform_id, number) WHERE platform_id IS NOT NULL;
CREATE INDEX application_bureau ON application (bureau_id, number);
CREATE INDEX application_worker ON application (worker_id) WHERE worker_id IS NOT NULL;

-- What an application has taken. It is deleted when the application ends without a grant: what is free is not there.
CREATE TABLE claim (
    application_id uuid NOT NULL,
    participant_id bigint NOT NULL,
    -- Once for what: the programme's key, or a pair of programmes that exclude each other.
    grp            uuid NOT NULL,
    -- Whom and what it is about: a keyed digest of the key's values.
    subject        uuid NOT NULL,
    period         daterange NOT NULL CONSTRAINT claim_has_days CHECK (NOT isempty(period)),
    -- Of a pair: which of the two. Absent for a key of one programme.
    programme      text COLLATE "C",
    -- The same thing is claimed once. The database says so, whoever asks at the same time.
    CONSTRAINT claim_once EXCLUDE USING gist (subject WITH =, grp WITH =, period WITH &&) WHERE (programme IS NULL),
    -- What excludes each other is not claimed together; claims of one programme do not exclude each other by their pair.
    CONSTRAINT claim_exclusive EXCLUDE USING gist (subject WITH =, grp WITH =, period WITH &&, programme WITH <>)
        WHERE (programme IS NOT NULL)
);
CREATE INDEX claim_application ON claim (application_id);

CREATE TABLE decision (
    decision_id    uuid PRIMARY KEY,
    number         bigint GENERATED ALWAYS AS IDENTITY,
    application_id uuid NOT NULL REFERENCES application,
    bureau_id      bigint NOT NULL,
    -- peshub.subsidies.v1.DecisionRecord, encoded; without values.
    record         bytea NOT NULL,
    -- peshub.common.v1.Receipt, encoded.
    receipt        bytea NOT NULL,
    -- The salt, the facts and the determination with values, encoded and sealed with the worker's own key.
    sealed         bytea NOT NULL,
    decided_at     timestamptz NOT NULL
);
CREATE INDEX decision_application ON decision (application_id, number);

-- Credentials that applications rest on. When one of them does not stand any more, the application is opened again.
CREATE TABLE application_credential (
    application_id uuid NOT NULL REFERENCES application,
    fact           text NOT NULL COLLATE "C",
    -- The place in its status list.
    list_id        bigint NOT NULL,
    idx            bigint NOT NULL,
    -- The entry of the audit trail of its verification.
    entry_id       uuid NOT NULL,
    ended_at       timestamptz,
    PRIMARY KEY (application_id, fact)
);
CREATE INDEX application_credential_place ON application_credential (list_id, idx) WHERE ended_at IS NULL;

-- How far the feed has been read for credentials that applications rest on.
CREATE TABLE application_follow (
    is_only        boolean PRIMARY KEY DEFAULT true CONSTRAINT application_follow_only CHECK (is_only),
    epoch          uuid NOT NULL,
    seq            bigint NOT NULL
);

-- The second wall, see 0007.
ALTER TABLE budget ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON budget USING (bureau_id = (SELECT peshub_participant()));

ALTER TABLE budget_share ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON budget_share USING (EXISTS (SELECT FROM budget b WHERE b.budget_id = budget_share.budget_id));

ALTER TABLE application ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON application USING ((SELECT peshub_participant()) IN (bureau_id, platform_id));
-- An offer that nobody has accepted is for every platform that knows the worker.
CREATE POLICY offered ON application FOR SELECT USING (state = 4 AND platform_id IS NULL AND EXISTS (
    SELECT FROM worker_reference r WHERE r.worker_id = application.worker_id AND r.participant_id = (SELECT peshub_participant())));
CREATE POLICY accepted ON application FOR UPDATE USING (state = 4 AND platform_id IS NULL AND EXISTS (
    SELECT FROM worker_reference r WHERE r.worker_id = application.worker_id AND r.participant_id = (SELECT peshub_participant())))
    WITH CHECK (platform_id = (SELECT peshub_participant()));

-- Nobody sees what others have taken. Claims of an application are replaced and freed by whoever acts on it.
ALTER TABLE claim ENABLE ROW LEVEL SECURITY;
CREATE POLICY made ON claim FOR INSERT WITH CHECK (participant_id = (SELECT peshub_participant()));
CREATE POLICY seen ON claim FOR SELECT USING (EXISTS (
    SELECT FROM application a WHERE a.application_id = claim.application_id));
CREATE POLICY freed ON claim FOR DELETE USING (EXISTS (
    SELECT FROM application a WHERE a.application_id = claim.application_id));

ALTER TABLE decision ENABLE ROW LEVEL SECURITY;
CREATE POLICY made ON decision FOR INSERT WITH CHECK (true);
CREATE POLICY seen ON decision FOR SELECT USING (EXISTS (
    SELECT FROM application a WHERE a.application_id = decision.application_id));

ALTER TABLE application_credential ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON application_credential USING (EXISTS (
    SELECT FROM application a WHERE a.application_id = application_credential.application_id));

ALTER TABLE application_follow ENABLE ROW LEVEL SECURITY;

-- Sets a budget's cap, or keeps it where none is given, and gives each share what it uses and an equal part of what is left; `more` of it goes to the share `own` besides.
-- Returns false when the cap is less than what is used and `more`: then nothing is changed.
CREATE FUNCTION budget_level(budget bigint, new_cap bigint, own integer DEFAULT 0, more bigint DEFAULT 0)
RETURNS boolean LANGUAGE plpgsql VOLATILE SET search_path = public, pg_temp AS $$
DECLARE
    shares bigint;
    spare bigint;
    capped bigint;
BEGIN
    -- In the same order for everybody; what follows sees what those have committed that had a share before.
    PERFORM FROM budget_share s WHERE s.budget_id = budget_level.budget ORDER BY s.share FOR UPDATE;
    -- The cap too: whoever sets it holds the shares.
    SELECT coalesce(new_cap, b.cap) INTO capped FROM budget b WHERE b.budget_id = budget_level.budget;
    SELECT count(*), capped - more - sum(s.reserved + s.committed + s.paid) INTO shares, spare
    FROM budget_share s WHERE s.budget_id = budget_level.budget;
    IF spare IS NULL OR spare < 0 THEN
        RETURN false;
    END IF;
    UPDATE budget_share s SET room = s.reserved + s.committed + s.paid + spare / shares
        + CASE WHEN s.share < spare % shares THEN 1 ELSE 0 END + CASE WHEN s.share = own THEN more ELSE 0 END
    WHERE s.budget_id = budget_level.budget;
    UPDATE budget b SET cap = capped, revision = b.revision + 1 WHERE b.budget_id = budget_level.budget AND b.cap <> capped;
    RETURN true;
END
$$;

-- Gives a new budget its shares.
CREATE FUNCTION budget_shares() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO budget_share (budget_id, share) SELECT NEW.budget_id, number FROM generate_series(0, 15) AS number;
    PERFORM budget_level(NEW.budget_id, NEW.cap);
    RETURN NULL;
END
$$;
CREATE TRIGGER budget_shares AFTER INSERT ON budget FOR EACH ROW EXECUTE FUNCTION budget_shares();

-- Budgets are their bureau's to see; whoever files is told whether there is enough, and no more. Moves what an application has of a
-- budget from one stage to another: takes `old_amount` out of `old_stage` and puts `new_amount` into `new_stage`. Returns false when that is
-- beyond the cap: then nothing is changed.
CREATE FUNCTION budget_move(budget bigint, application uuid, old_stage smallint, old_amount bigint, new_stage smallint, new_amount bigint)
RETURNS boolean LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    -- The last byte of an application's id is random, and it stays: what was put into a share is taken out of it.
    own integer := get_byte(uuid_send(application), 15) % 16;
    more bigint := CASE WHEN new_stage > 0 THEN new_amount ELSE 0 END - CASE WHEN old_stage > 0 THEN old_amount ELSE 0 END;
BEGIN
    LOOP
        UPDATE budget_share s SET
            reserved  = s.reserved  - CASE old_stage WHEN 1 THEN old_amount ELSE 0 END + CASE new_stage WHEN 1 THEN new_amount ELSE 0 END,
            committed = s.committed - CASE old_stage WHEN 2 THEN old_amount ELSE 0 END + CASE new_stage WHEN 2 THEN new_amount ELSE 0 END,
            paid      = s.paid      - CASE old_stage WHEN 3 THEN old_amount ELSE 0 END + CASE new_stage WHEN 3 THEN new_amount ELSE 0 END,
            revision  = s.revision + 1
        WHERE s.budget_id = budget_move.budget AND s.share = own AND s.reserved + s.committed + s.paid + more <= s.room;
        IF FOUND THEN
            RETURN true;
        END IF;
        -- The share is used up: what others have left is divided anew, if there is enough of it.
        IF NOT budget_level(budget, NULL, own, more) THEN
            RETURN false;
        END IF;
    END LOOP;
END
$$;

-- Which budget pays for applications of a programme that are filed on a day.
CREATE FUNCTION budget_of(programme_name text, bureau bigint, day date) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT b.budget_id FROM budget b
    WHERE b.programme = programme_name AND b.bureau_id = bureau AND b.filed_on @> day
$$;

-- Until when something is taken, exclusive; NULL when it is free. The only thing that anybody learns of others' claims.
CREATE FUNCTION claims_taken_until(own uuid, grps uuid[], subjects uuid[], from_days date[], until_days date[], programmes text[])
RETURNS date LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT max(coalesce(upper(c.period), 'infinity'::date))
    FROM unnest(grps, subjects, from_days, until_days, programmes) AS k(grp, subject, from_day, until_day, programme)
    JOIN claim c ON c.subject = k.subject AND c.grp = k.grp AND c.period && daterange(k.from_day, k.until_day)
         AND ((c.programme IS NULL AND k.programme = '') OR (c.programme IS NOT NULL AND c.programme <> k.programme AND k.programme <> ''))
    WHERE c.application_id IS DISTINCT FROM own
$$;

-- Which platforms know a worker: they are told of offers.
CREATE FUNCTION worker_platforms(worker uuid) RETURNS bigint[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT coalesce(array_agg(r.participant_id), '{}') FROM worker_reference r
    JOIN participant p ON p.participant_id = r.participant_id AND p.kind = 2
    WHERE r.worker_id = worker
$$;

GRANT SELECT, INSERT, UPDATE ON budget, application TO peshub_participant;
GRANT SELECT, UPDATE ON budget_share TO peshub_participant;
GRANT SELECT, INSERT, DELETE ON claim TO peshub_participant;
GRANT SELECT, INSERT ON decision TO peshub_participant;
GRANT SELECT, INSERT, UPDATE, DELETE ON application_credential TO peshub_participant;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO peshub_participant;
