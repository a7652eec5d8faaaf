-- Workers: found by a keyed digest of their national identity number, known to each participant by a reference of its own, and
-- readable only with a key that is destroyed when they are erased.
-- Rollout: creates only.

CREATE TABLE worker (
    -- Random; the pseudonym that stays in the audit trail after erasure.
    worker_id      uuid PRIMARY KEY,
    -- Personal data, encoded and sealed with the worker's own key; absent after erasure.
    sealed         bytea,
    revision       bigint NOT NULL,
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    erased_at      timestamptz
);

-- A worker's own key, wrapped by a master key that is not in this database. Erasure deletes the row.
CREATE TABLE worker_key (
    worker_id      uuid PRIMARY KEY REFERENCES worker,
    master_key_id  text NOT NULL,
    wrapped        bytea NOT NULL
);
CREATE INDEX worker_key_master ON worker_key (master_key_id);

-- Keyed digests (HMAC-SHA-256) of national identity numbers. Erasure deletes the row.
CREATE TABLE worker_index (
    index_key_id   text NOT NULL,
    digest         bytea NOT NULL CONSTRAINT worker_index_digest_length CHECK (octet_length(digest) = 32),
    worker_id      uuid NOT NULL REFERENCES worker,
    PRIMARY KEY (index_key_id, digest)
);
CREATE INDEX worker_index_worker ON worker_index (worker_id);

-- The name by which a participant knows a worker: random, and another for each participant.
CREATE TABLE worker_reference (
    reference      uuid PRIMARY KEY,
    participant_id bigint NOT NULL REFERENCES participant,
    worker_id      uuid NOT NULL REFERENCES worker,
    created_at     timestamptz NOT NULL,
    CONSTRAINT worker_reference_pair_unique UNIQUE (participant_id, worker_id)
);
CREATE INDEX worker_reference_worker ON worker_reference (worker_id);
