-- Participants, how they prove who they are, and the trail of what they did.
-- Rollout: creates only; old code does not know these tables.

CREATE TABLE participant (
    participant_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name           text NOT NULL COLLATE "C" CONSTRAINT participant_name_unique UNIQUE,
    display_name   text NOT NULL,
    -- 1 bureau, 2 platform, 3 issuer, 4 operator
    kind           smallint NOT NULL CONSTRAINT participant_kind_known CHECK (kind BETWEEN 1 AND 4),
    disabled_at    timestamptz,
    created_at     timestamptz NOT NULL
);

-- A bureau's jurisdiction. `token` is the division's stable token, see src/codes/divisions.rs.
CREATE TABLE participant_division (
    participant_id bigint NOT NULL REFERENCES participant,
    scheme         smallint NOT NULL,
    code           text NOT NULL,
    token          text NOT NULL,
    PRIMARY KEY (participant_id, token)
);

-- URI names (SPIFFE style) of client certificates.
CREATE TABLE participant_certificate (
    uri            text PRIMARY KEY,
    participant_id bigint NOT NULL REFERENCES participant,
    created_at     timestamptz NOT NULL
);

-- Bearer tokens; only their SHA-256 is kept.
CREATE TABLE participant_token (
    token_sha256   bytea PRIMARY KEY CONSTRAINT participant_token_length CHECK (octet_length(token_sha256) = 32),
    participant_id bigint NOT NULL REFERENCES participant,
    created_at     timestamptz NOT NULL
);

-- Secrets that all replicas of the hub share, made on first start.
CREATE TABLE hub_secret (
    name           text PRIMARY KEY,
    value          bytea NOT NULL,
    created_at     timestamptz NOT NULL
);

-- One row per change, written in the transaction of the change.
CREATE TABLE audit (
    audit_id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at             timestamptz NOT NULL,
    participant_id bigint,
    action         text NOT NULL,
    subject        text NOT NULL,
    event          text NOT NULL
);

-- The first answer to each request id, kept seven days.
CREATE TABLE replay (
    participant_id bigint NOT NULL,
    method         text NOT NULL,
    request_id     text NOT NULL,
    body_sha256    bytea NOT NULL,
    response       bytea NOT NULL,
    created_at     timestamptz NOT NULL,
    PRIMARY KEY (participant_id, method, request_id)
);
CREATE INDEX replay_created_at ON replay (created_at);
