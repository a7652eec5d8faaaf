-- The trail of what was done and what was refused, its hash chain, and the signed checkpoints over it.
-- Rollout: creates only.

-- One row per change, written in the transaction of the change; one per kind of refusal and second. Rows are never changed.
CREATE TABLE audit (
    audit_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- Names the row in receipts and proofs.
    entry_id       uuid NOT NULL CONSTRAINT audit_entry_id_unique UNIQUE,
    at             timestamptz NOT NULL,
    -- Who: absent for the hub itself, `(hub)`, and for callers that it does not know, `(unknown)`.
    participant_id bigint,
    participant    text NOT NULL,
    system         text NOT NULL,
    -- What they called, as the contract names the action.
    action         text NOT NULL,
    -- Which thing, and what happened to it.
    subject        text NOT NULL,
    event          text NOT NULL,
    -- Empty when it was done; otherwise the reason of the refusal.
    refusal        text NOT NULL,
    -- How often within the second, for refusals; 1 for changes.
    times          bigint NOT NULL,
    -- SHA-256 of the body that was accepted; absent where there is none.
    body_sha256    bytea,
    -- Whose data was disclosed: the pseudonym of a worker, with purpose and legal basis; all three or none.
    worker_id      uuid,
    purpose        text,
    legal_basis    text,
    CONSTRAINT audit_access_complete CHECK (num_nonnulls(worker_id, purpose, legal_basis) IN (0, 3))
);
CREATE INDEX audit_participant ON audit (participant_id, audit_id);
CREATE INDEX audit_participant_name ON audit (participant, audit_id);
CREATE INDEX audit_worker ON audit (worker_id, audit_id) WHERE worker_id IS NOT NULL;
CREATE INDEX audit_at ON audit (at, audit_id);

-- Rows that have no place in the chain yet. Writers insert, the sealer deletes; nobody waits for anybody.
CREATE TABLE audit_pending (
    audit_id       bigint PRIMARY KEY
);

-- The place of each row in the chain, and the hash of the chain up to it.
CREATE TABLE audit_link (
    seq            bigint PRIMARY KEY,
    audit_id       bigint NOT NULL CONSTRAINT audit_link_audit_id_unique UNIQUE REFERENCES audit,
    chain          bytea NOT NULL
);

-- Signed statements over the rows `first_seq` to `last_seq`; each names the hash of the one before.
CREATE TABLE audit_checkpoint (
    number         bigint PRIMARY KEY,
    first_seq      bigint NOT NULL,
    last_seq       bigint NOT NULL CONSTRAINT audit_checkpoint_last_seq_unique UNIQUE,
    -- The statement as it was signed, see docs/guides/audit.md.
    statement      text NOT NULL,
    key_id         text NOT NULL,
    signature      bytea NOT NULL
);

-- Public halves of every key that this hub has signed with.
CREATE TABLE signing_key (
    key_id         text PRIMARY KEY,
    algorithm      text NOT NULL,
    public_key     bytea NOT NULL,
    first_used_at  timestamptz NOT NULL
);
