-- Subsidies: the catalogue of facts, programmes as they are drafted, and the editions that were published.
-- Rollout: creates only.
--
-- Nothing that was published is overwritten: a fact and an edition are ended, never changed. Facts and editions are public knowledge
-- among participants; a draft is its bureau's.

-- What readers compare: the book of programmes has moved, or it has not. It is raised in the transaction of each change of the catalogue
-- and the book, which orders them.
CREATE TABLE programme_epoch (
    is_only  boolean PRIMARY KEY DEFAULT true CONSTRAINT programme_epoch_only CHECK (is_only),
    revision bigint NOT NULL
);
INSERT INTO programme_epoch (revision) VALUES (0);

CREATE TABLE fact (
    fact_id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name           text NOT NULL COLLATE "C",
    -- peshub.subsidies.v1.FactDefinition, encoded.
    content        bytea NOT NULL,
    participant_id bigint NOT NULL REFERENCES participant,
    defined_at     timestamptz NOT NULL,
    retired_at     timestamptz,
    revision       bigint NOT NULL
);
CREATE UNIQUE INDEX fact_name_unique ON fact (name) WHERE retired_at IS NULL;
CREATE INDEX fact_name ON fact (name, fact_id);

CREATE TABLE programme (
    programme_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name           text NOT NULL COLLATE "C" CONSTRAINT programme_name_unique UNIQUE,
    -- The bureau whose it is.
    participant_id bigint NOT NULL REFERENCES participant,
    created_at     timestamptz NOT NULL,
    -- Number of the newest edition; 0 before the first.
    edition        bigint NOT NULL DEFAULT 0
);

CREATE TABLE programme_edition (
    programme_id   bigint NOT NULL REFERENCES programme,
    number         bigint NOT NULL CONSTRAINT programme_edition_positive CHECK (number > 0),
    -- peshub.subsidies.v1.Edition, encoded, and its SHA-256.
    content        bytea NOT NULL,
    sha256         bytea NOT NULL,
    drafted_by     bigint NOT NULL REFERENCES participant_system,
    published_by   bigint NOT NULL REFERENCES participant_system,
    published_at   timestamptz NOT NULL,
    retired_at     timestamptz,
    retired_by     bigint REFERENCES participant_system,
    retired_because text,
    -- Tokens of the divisions where it holds, with all below.
    division       text[] NOT NULL,
    revision       bigint NOT NULL,
    PRIMARY KEY (programme_id, number),
    CONSTRAINT programme_edition_four_eyes CHECK (drafted_by <> published_by),
    CONSTRAINT programme_edition_retired_completely CHECK (num_nonnulls(retired_at, retired_by, retired_because) IN (0, 3))
);

CREATE TABLE programme_draft (
    programme_id   bigint PRIMARY KEY REFERENCES programme,
    -- peshub.subsidies.v1.Programme, encoded, and its SHA-256.
    content        bytea NOT NULL,
    sha256         bytea NOT NULL,
    drafted_by     bigint NOT NULL REFERENCES participant_system,
    drafted_at     timestamptz NOT NULL
);
ALTER TABLE programme_draft ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON programme_draft USING (programme_id IN (
    SELECT p.programme_id FROM programme p WHERE p.participant_id = (SELECT peshub_participant())));

-- Everybody reads the catalogue and the book; a bureau writes what is its own.
ALTER TABLE fact ENABLE ROW LEVEL SECURITY;
CREATE POLICY found ON fact FOR SELECT USING (true);
CREATE POLICY made ON fact FOR INSERT WITH CHECK (participant_id = (SELECT peshub_participant()));
CREATE POLICY changed ON fact FOR UPDATE USING (participant_id = (SELECT peshub_participant()));
ALTER TABLE programme ENABLE ROW LEVEL SECURITY;
CREATE POLICY found ON programme FOR SELECT USING (true);
CREATE POLICY made ON programme FOR INSERT WITH CHECK (participant_id = (SELECT peshub_participant()));
CREATE POLICY changed ON programme FOR UPDATE USING (participant_id = (SELECT peshub_participant()));
ALTER TABLE programme_edition ENABLE ROW LEVEL SECURITY;
CREATE POLICY found ON programme_edition FOR SELECT USING (true);
CREATE POLICY made ON programme_edition FOR INSERT WITH CHECK (programme_id IN (
    SELECT p.programme_id FROM programme p WHERE p.participant_id = (SELECT peshub_participant())));
CREATE POLICY changed ON programme_edition FOR UPDATE USING (programme_id IN (
    SELECT p.programme_id FROM programme p WHERE p.participant_id = (SELECT peshub_participant())));

GRANT SELECT, INSERT, UPDATE, DELETE ON programme_draft TO peshub_participant;
-- What was defined and published is ended, never changed.
GRANT SELECT, INSERT ON fact, programme, programme_edition TO peshub_participant;
GRANT UPDATE (retired_at) ON fact TO peshub_participant;
GRANT UPDATE (edition) ON programme TO peshub_participant;
GRANT UPDATE (retired_at, retired_by, retired_because) ON programme_edition TO peshub_participant;
GRANT SELECT, UPDATE ON programme_epoch TO peshub_participant;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO peshub_participant;
