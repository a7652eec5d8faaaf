-- Workers: found by a keyed digest of their national identity number, known to each participant by a reference of its own, and
-- readable only with a key that is destroyed when they are erased.
-- Rollout: creates only.

CREATE TABLE worker (
    -- The pseudonym that stays in the audit trail after erasure. It rises with time, so that 120 million of them are written at the
    -- end of an index and not all over it; no participant is ever told it.
    worker_id      uuid PRIMARY KEY,
    -- The identity number, sealed with the worker's own key; absent after erasure.
    sealed         bytea,
    created_at     timestamptz NOT NULL,
    erased_at      timestamptz,
    CONSTRAINT worker_sealed_until_erased CHECK ((sealed IS NULL) = (erased_at IS NOT NULL))
);

-- A worker's own key, wrapped by a master key that is not in this database. Erasure deletes the row. A table of its own, so that
-- long-lived backups can leave it out.
CREATE TABLE worker_key (
    worker_id      uuid PRIMARY KEY REFERENCES worker,
    master_key_id  text NOT NULL COLLATE "C",
    wrapped        bytea NOT NULL
-- Room on each page, so that wrapping all keys anew touches no index.
) WITH (fillfactor = 50);

-- Keyed digests (HMAC-SHA-256) of national identity numbers. Erasure deletes the row.
CREATE TABLE worker_index (
    index_key_id   text NOT NULL COLLATE "C",
    digest         bytea NOT NULL CONSTRAINT worker_index_digest_length CHECK (octet_length(digest) = 32),
    worker_id      uuid NOT NULL REFERENCES worker,
    PRIMARY KEY (index_key_id, digest)
);
CREATE INDEX worker_index_worker ON worker_index (worker_id);

-- The index keys under which every worker must be found: who registers workers must have all of these that are not retired.
CREATE TABLE worker_index_key (
    index_key_id   text PRIMARY KEY COLLATE "C",
    first_used_at  timestamptz NOT NULL,
    retired_at     timestamptz
);

-- The name by which a participant knows a worker: random, and another for each participant. It stays after erasure.
CREATE TABLE worker_reference (
    reference      uuid PRIMARY KEY,
    participant_id bigint NOT NULL REFERENCES participant,
    worker_id      uuid NOT NULL REFERENCES worker,
    -- What this participant states about the worker, sealed with the worker's own key; absent if nothing, and after erasure.
    sealed         bytea,
    stated_at      timestamptz,
    created_at     timestamptz NOT NULL,
    CONSTRAINT worker_reference_pair_unique UNIQUE (worker_id, participant_id)
);
