-- Participants, how they prove who they are, and what they may do.
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

-- A program of a participant that calls the hub: each has its own identities and its own roles.
CREATE TABLE participant_system (
    system_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    participant_id bigint NOT NULL REFERENCES participant,
    name           text NOT NULL COLLATE "C",
    -- 1 production, 2 test, 3 development; a hub knows only systems of its own environment
    environment    smallint NOT NULL CONSTRAINT participant_system_environment_known CHECK (environment BETWEEN 1 AND 3),
    disabled_at    timestamptz,
    created_at     timestamptz NOT NULL,
    CONSTRAINT participant_system_name_unique UNIQUE (participant_id, name)
);

-- How a system proves who it is. `issuer` is empty for client certificates, whose one URI name is `subject`; otherwise it is
-- the `iss` of signed tokens whose `sub` is `subject`.
CREATE TABLE system_identity (
    issuer         text NOT NULL COLLATE "C",
    subject        text NOT NULL COLLATE "C",
    system_id      bigint NOT NULL REFERENCES participant_system,
    valid_from     timestamptz NOT NULL,
    valid_until    timestamptz,
    created_at     timestamptz NOT NULL,
    PRIMARY KEY (issuer, subject)
);
CREATE INDEX system_identity_system ON system_identity (system_id);

-- Bearer tokens that the hub made itself; only their SHA-256 is kept.
CREATE TABLE system_token (
    token_sha256   bytea PRIMARY KEY CONSTRAINT system_token_length CHECK (octet_length(token_sha256) = 32),
    system_id      bigint NOT NULL REFERENCES participant_system,
    created_at     timestamptz NOT NULL,
    expires_at     timestamptz
);
CREATE INDEX system_token_system ON system_token (system_id);

-- What a system may do; numbers are those of peshub.common.v1.Role. The hub itself grants when `granted_by` is null.
CREATE TABLE system_role (
    system_id      bigint NOT NULL REFERENCES participant_system,
    role           smallint NOT NULL,
    granted_at     timestamptz NOT NULL,
    granted_by     bigint REFERENCES participant_system,
    PRIMARY KEY (system_id, role)
);
-- Separation of duties: nobody has two of the administrative roles.
CREATE UNIQUE INDEX system_role_one_duty ON system_role (system_id) WHERE role >= 100;

-- Limits that differ from the hub's own; numbers of `quota` are those of peshub.common.v1.QuotaClass.
CREATE TABLE participant_quota (
    participant_id bigint NOT NULL REFERENCES participant,
    quota          smallint NOT NULL,
    -- Most a minute for classes of unary calls, most at the same time for streams, most a day for records.
    most           bigint NOT NULL CONSTRAINT participant_quota_positive CHECK (most >= 0),
    PRIMARY KEY (participant_id, quota)
);

-- Secrets that all replicas of the hub share, made on first start.
CREATE TABLE hub_secret (
    name           text PRIMARY KEY,
    value          bytea NOT NULL,
    created_at     timestamptz NOT NULL
);

-- The first answer to each request id, kept seven days.
CREATE TABLE replay (
    participant_id bigint NOT NULL,
    method         text NOT NULL,
    -- Keyed digests of the request id and of the body: either may hold what is known of a person.
    request_mac    bytea NOT NULL CONSTRAINT replay_request_mac_length CHECK (octet_length(request_mac) = 32),
    body_mac       bytea NOT NULL CONSTRAINT replay_body_mac_length CHECK (octet_length(body_mac) = 32),
    -- Sealed under the hub's keys: an answer may hold a token or what is known of a person.
    response       bytea NOT NULL,
    created_at     timestamptz NOT NULL,
    PRIMARY KEY (participant_id, method, request_mac)
);
CREATE INDEX replay_created_at ON replay (created_at);
