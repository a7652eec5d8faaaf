-- Subsidies: populations whose facts bureaus keep, how their subjects stand, and sweeps.
-- Rollout: creates only; a trigger on `worker` that does nothing where there are no populations.
--
-- What is kept of a worker is sealed under the worker's own key, so that erasure makes it unreadable wherever a copy of it lies, and
-- the rows go with the erasure's own transaction.

CREATE TABLE population (
    population_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    participant_id bigint NOT NULL REFERENCES participant,
    name           text NOT NULL COLLATE "C",
    purpose        text NOT NULL,
    -- Raised by each batch of facts, which orders them: what a subject has changed since a sweep is told by it.
    revision       bigint NOT NULL DEFAULT 0,
    created_at     timestamptz NOT NULL,
    CONSTRAINT population_name_unique UNIQUE (participant_id, name)
);

CREATE TABLE population_subject (
    subject_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    population_id  bigint NOT NULL REFERENCES population,
    -- The worker; absent: the facts are of an employer alone.
    worker_id      uuid REFERENCES worker,
    -- Keyed digest of the employer's registration number; absent: none.
    employer       uuid,
    -- Token of the division.
    division       text NOT NULL COLLATE "C",
    -- The population's when something of the subject changed last.
    revision       bigint NOT NULL,
    -- Facts, sealed with the worker's key, or with the hub's where there is no worker.
    sealed         bytea NOT NULL,
    CONSTRAINT population_subject_somebody CHECK (num_nonnulls(worker_id, employer) > 0),
    CONSTRAINT population_subject_unique UNIQUE NULLS NOT DISTINCT (population_id, worker_id, employer)
);
CREATE INDEX population_subject_place ON population_subject (population_id, subject_id);
CREATE INDEX population_subject_revision ON population_subject (population_id, revision);
CREATE INDEX population_subject_worker ON population_subject (worker_id);

-- How a subject stood when it was swept last, sealed like its facts. No foreign key: each row that is written would lock, and so write,
-- the subject's.
CREATE TABLE subject_standing (
    subject_id     bigint PRIMARY KEY,
    sealed         bytea NOT NULL
);

CREATE TABLE sweep (
    sweep_id       uuid PRIMARY KEY,
    population_id  bigint NOT NULL REFERENCES population,
    -- peshub.subsidies.v1.SweepState.
    state          smallint NOT NULL,
    -- peshub.subsidies.v1.Sweep, encoded, as it stands.
    content        bytea NOT NULL,
    -- Everything up to this revision of the population has been looked at when it is done.
    to_revision    bigint NOT NULL,
    -- The last subject that was looked at, and the last one to look at.
    done_to        bigint NOT NULL,
    last_subject   bigint NOT NULL,
    -- Which hub has it, and until when unless it says so again.
    holder         uuid,
    held_until     timestamptz,
    started_at     timestamptz NOT NULL
);
CREATE UNIQUE INDEX sweep_running_unique ON sweep (population_id) WHERE state = 1;
CREATE INDEX sweep_population ON sweep (population_id, started_at DESC);

-- Up to where a programme has been swept: what has changed since is what the next sweep evaluates.
CREATE TABLE population_swept (
    population_id  bigint NOT NULL REFERENCES population,
    programme_id   bigint NOT NULL REFERENCES programme,
    edition        bigint NOT NULL,
    revision       bigint NOT NULL,
    swept_for      date NOT NULL,
    -- Whether offers were made.
    offers         boolean NOT NULL,
    PRIMARY KEY (population_id, programme_id)
);

ALTER TABLE population ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON population USING (participant_id = (SELECT peshub_participant()));
ALTER TABLE population_subject ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON population_subject USING (population_id IN (
    SELECT p.population_id FROM population p WHERE p.participant_id = (SELECT peshub_participant())));
ALTER TABLE subject_standing ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON subject_standing USING (EXISTS (
    SELECT FROM population_subject s WHERE s.subject_id = subject_standing.subject_id));
ALTER TABLE sweep ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON sweep USING (population_id IN (
    SELECT p.population_id FROM population p WHERE p.participant_id = (SELECT peshub_participant())));
ALTER TABLE population_swept ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON population_swept USING (population_id IN (
    SELECT p.population_id FROM population p WHERE p.participant_id = (SELECT peshub_participant())));
GRANT SELECT, INSERT, UPDATE, DELETE ON population, population_subject, subject_standing, sweep, population_swept TO peshub_participant;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO peshub_participant;

-- Erasure reaches what populations keep of a worker, whosever they are: it runs as the tables' owner.
CREATE FUNCTION population_forget() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    DELETE FROM subject_standing s USING population_subject p
    WHERE p.worker_id = NEW.worker_id AND s.subject_id = p.subject_id;
    DELETE FROM population_subject WHERE worker_id = NEW.worker_id;
    RETURN NULL;
END $$;
CREATE TRIGGER population_forget AFTER UPDATE OF erased_at ON worker
    FOR EACH ROW WHEN (NEW.erased_at IS NOT NULL) EXECUTE FUNCTION population_forget();
