-- Credentials: who may issue what (the trust registry), what was issued and how it stands, status lists, consents.
-- Rollout: creates only. What a credential says is never stored.
--
-- Nothing of the registry is overwritten. Every row has the revision of the registry at which it came in, and those at which it was
-- ended, so that the registry can be read as it stood at any revision.

-- What readers compare: it has moved, or it has not. Both counters are raised in the transaction of the change, which orders them.
CREATE TABLE credential_epoch (
    is_only        boolean PRIMARY KEY DEFAULT true CONSTRAINT credential_epoch_only CHECK (is_only),
    -- Revision of the registry: issuers, keys, accreditations, status signers, types.
    trust          bigint NOT NULL,
    -- Rises when a status list has a new version.
    status         bigint NOT NULL
);
INSERT INTO credential_epoch (trust, status) VALUES (0, 0);

CREATE TABLE credential_type (
    type_id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name             text NOT NULL COLLATE "C",
    version          integer NOT NULL CONSTRAINT credential_type_version_positive CHECK (version > 0),
    vct              text NOT NULL COLLATE "C" CONSTRAINT credential_type_vct_unique UNIQUE,
    -- Who published it; other participants publish no version of it.
    participant_id   bigint NOT NULL REFERENCES participant,
    -- peshub.credentials.v1.CredentialType, encoded.
    content          bytea NOT NULL,
    created_at       timestamptz NOT NULL,
    retired_at       timestamptz,
    revision         bigint NOT NULL,
    retired_revision bigint,
    CONSTRAINT credential_type_name_version_unique UNIQUE (name, version)
);

CREATE TABLE issuer (
    issuer_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name           text NOT NULL COLLATE "C" CONSTRAINT issuer_name_unique UNIQUE,
    -- `iss`.
    identifier     text NOT NULL COLLATE "C" CONSTRAINT issuer_identifier_unique UNIQUE,
    display_name   text NOT NULL,
    -- Who owns it; absent when it issues elsewhere.
    participant_id bigint REFERENCES participant,
    registered_by  bigint NOT NULL REFERENCES participant,
    -- Numbers of peshub.credentials.v1.CredentialProfile.
    profile        smallint NOT NULL,
    discovers_keys boolean NOT NULL,
    created_at     timestamptz NOT NULL,
    revision       bigint NOT NULL
);
CREATE INDEX issuer_participant ON issuer (participant_id);

-- The next number for a place in the issuer's status lists. Replicas take blocks of them in transactions of their own; a table of its
-- own, so that nobody who reads an issuer waits.
CREATE TABLE issuer_status_place (
    issuer_id      bigint PRIMARY KEY REFERENCES issuer,
    next           bigint NOT NULL DEFAULT 0
);

CREATE TABLE issuer_key (
    issuer_key_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    issuer_id      bigint NOT NULL REFERENCES issuer,
    key_id         text NOT NULL COLLATE "C",
    -- Numbers of peshub.credentials.v1.KeyAlgorithm; 0 for an authority.
    algorithm      smallint NOT NULL,
    -- JSON Web Key; empty for an authority.
    public_jwk     text NOT NULL,
    -- DER; absent for anything but an authority.
    authority      bytea,
    -- Numbers of peshub.credentials.v1.KeyHolding and .KeyUse.
    holding        smallint NOT NULL,
    use            smallint NOT NULL,
    -- For a key that the hub holds: which provider has the secret half, and how the provider finds it.
    provider       text,
    handle         bytea,
    valid_from     timestamptz NOT NULL,
    retired_at     timestamptz,
    compromised_at timestamptz,
    added_at       timestamptz NOT NULL,
    revision             bigint NOT NULL,
    retired_revision     bigint,
    compromised_revision bigint,
    CONSTRAINT issuer_key_unique UNIQUE (issuer_id, key_id),
    CONSTRAINT issuer_key_held_completely CHECK ((holding = 1) = (num_nonnulls(provider, handle) = 2)
                                                 AND num_nonnulls(provider, handle) IN (0, 2))
);

CREATE TABLE accreditation (
    accreditation_id   uuid PRIMARY KEY,
    issuer_id          bigint NOT NULL REFERENCES issuer,
    type_name          text NOT NULL COLLATE "C",
    -- peshub.credentials.v1.Accreditation, encoded: occupations and divisions as they were named.
    content            bytea NOT NULL,
    valid_from         timestamptz NOT NULL,
    valid_until        timestamptz,
    granted_by         bigint NOT NULL REFERENCES participant,
    granted_at         timestamptz NOT NULL,
    withdrawn_at       timestamptz,
    withdrawn_because  text,
    revision           bigint NOT NULL,
    withdrawn_revision bigint
);
CREATE INDEX accreditation_issuer ON accreditation (issuer_id);

-- From where status lists of an issuer's credentials come, and whose keys sign them.
CREATE TABLE status_signer (
    issuer_id      bigint NOT NULL REFERENCES issuer,
    uri_prefix     text NOT NULL COLLATE "C",
    signer_id      bigint NOT NULL REFERENCES issuer,
    added_at       timestamptz NOT NULL,
    revision       bigint NOT NULL,
    PRIMARY KEY (issuer_id, uri_prefix)
);

CREATE TABLE status_list (
    list_id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uri            text NOT NULL COLLATE "C" CONSTRAINT status_list_uri_unique UNIQUE,
    issuer_id      bigint NOT NULL REFERENCES issuer,
    -- Which of the issuer's lists that the hub keeps; absent for one that is kept elsewhere.
    shard          bigint,
    -- 1, 2, 4 or 8 for each entry.
    bits           smallint NOT NULL,
    -- The entries, compressed as in the token (zlib, RFC 1950). Absent: every entry is 0 in a list that the hub keeps, and nothing is
    -- known of one that is kept elsewhere.
    entries        bytea,
    -- The signed token, and what its HTTP answer says; absent until it is published or fetched.
    token          bytea,
    issued_at      timestamptz,
    expires_at     timestamptz,
    ttl_s          integer,
    published_at   timestamptz,
    -- Rises with `entries`, and whenever one that is kept elsewhere was had.
    version        bigint NOT NULL DEFAULT 0,
    -- Which version the token says.
    signed_version bigint,
    -- For one that is kept elsewhere: when somebody last asked for it, and when it was had last.
    wanted_at      timestamptz,
    fetched_at     timestamptz,
    -- Not before then is it fetched, or after a failure signed, again.
    due_at         timestamptz,
    -- How often in a row that failed, and why.
    failures       integer NOT NULL DEFAULT 0,
    failure        text,
    created_at     timestamptz NOT NULL,
    CONSTRAINT status_list_shard_unique UNIQUE (issuer_id, shard),
    CONSTRAINT status_list_bits_known CHECK (bits IN (1, 2, 4, 8))
);
CREATE INDEX status_list_due ON status_list (due_at) WHERE shard IS NULL;

-- Earlier tokens of lists that are kept elsewhere, so that a verdict can be given again.
CREATE TABLE status_list_version (
    list_id        bigint NOT NULL REFERENCES status_list,
    version        bigint NOT NULL,
    entries        bytea NOT NULL,
    bits           smallint NOT NULL,
    fetched_at     timestamptz NOT NULL,
    PRIMARY KEY (list_id, version)
);

-- What was issued or deposited.
CREATE TABLE credential (
    credential_id  uuid PRIMARY KEY,
    -- Owner of the issuer then.
    participant_id bigint NOT NULL REFERENCES participant,
    issuer_id      bigint NOT NULL REFERENCES issuer,
    type_id        bigint NOT NULL REFERENCES credential_type,
    issuer_key_id  bigint NOT NULL REFERENCES issuer_key,
    -- SHA-256 of the issuer-signed part.
    digest         bytea NOT NULL CONSTRAINT credential_digest_unique UNIQUE
                   CONSTRAINT credential_digest_length CHECK (octet_length(digest) = 32),
    -- Pseudonym of the worker; absent when the hub does not know.
    worker_id      uuid,
    issued_at      timestamptz NOT NULL,
    valid_from     timestamptz,
    valid_until    timestamptz,
    list_id        bigint REFERENCES status_list,
    idx            bigint,
    -- Numbers of peshub.credentials.v1.CredentialStatus.
    status         smallint NOT NULL DEFAULT 1 CONSTRAINT credential_status_known CHECK (status BETWEEN 1 AND 3),
    deposited      boolean NOT NULL,
    -- Since when the hub can prove that it was there.
    registered_at  timestamptz NOT NULL,
    CONSTRAINT credential_place_unique UNIQUE (list_id, idx)
);
CREATE INDEX credential_issuer ON credential (issuer_id, credential_id);
CREATE INDEX credential_worker ON credential (worker_id, credential_id) WHERE worker_id IS NOT NULL;

-- Places that were given to issuers who sign by themselves, until a deposit takes them.
CREATE TABLE status_reservation (
    list_id        bigint NOT NULL REFERENCES status_list,
    idx            bigint NOT NULL,
    participant_id bigint NOT NULL REFERENCES participant,
    reserved_at    timestamptz NOT NULL,
    PRIMARY KEY (list_id, idx)
);

CREATE TABLE credential_status_change (
    change_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    credential_id  uuid NOT NULL REFERENCES credential,
    status         smallint NOT NULL,
    -- Numbers of peshub.credentials.v1.StatusReason.
    reason         smallint NOT NULL,
    at             timestamptz NOT NULL
);
CREATE INDEX credential_status_change_credential ON credential_status_change (credential_id, change_id);

-- Changes that are not in their list yet. Writers insert, publishers delete; nobody waits for anybody.
CREATE TABLE status_pending (
    change_id      bigint PRIMARY KEY,
    list_id        bigint NOT NULL,
    idx            bigint NOT NULL,
    status         smallint NOT NULL
);
CREATE INDEX status_pending_list ON status_pending (list_id, change_id);

-- Who wants to be told of changes.
CREATE TABLE credential_follow (
    list_id        bigint NOT NULL REFERENCES status_list,
    idx            bigint NOT NULL,
    participant_id bigint NOT NULL REFERENCES participant,
    -- The participant's own name for the credential.
    handle         text NOT NULL COLLATE "C",
    digest         bytea NOT NULL,
    until          timestamptz NOT NULL,
    PRIMARY KEY (list_id, idx, participant_id, handle)
);
CREATE INDEX credential_follow_handle ON credential_follow (participant_id, handle);
CREATE INDEX credential_follow_until ON credential_follow (until);

CREATE TABLE consent (
    consent_id     uuid PRIMARY KEY,
    recipient_id   bigint NOT NULL REFERENCES participant,
    recorded_by    bigint NOT NULL REFERENCES participant,
    -- Pseudonym of the worker; absent when the hub does not know.
    worker_id      uuid,
    -- peshub.credentials.v1.ConsentTerms and .Evidence, encoded: nothing about the person.
    terms          bytea NOT NULL,
    evidence       bytea NOT NULL,
    until          timestamptz NOT NULL,
    recorded_at    timestamptz NOT NULL,
    -- Since when it holds; absent while it waits for the holder's signature.
    given_at       timestamptz,
    holder_key     bytea,
    withdrawn_at   timestamptz
);
CREATE INDEX consent_recipient ON consent (recipient_id, consent_id);
CREATE INDEX consent_recorded_by ON consent (recorded_by, consent_id);
CREATE INDEX consent_worker ON consent (worker_id, consent_id) WHERE worker_id IS NOT NULL;

-- Nonces that were given out, each good once.
CREATE TABLE presentation_request (
    nonce_sha256   bytea PRIMARY KEY CONSTRAINT presentation_request_length CHECK (octet_length(nonce_sha256) = 32),
    participant_id bigint NOT NULL REFERENCES participant,
    consent_id     uuid NOT NULL REFERENCES consent,
    expires_at     timestamptz NOT NULL,
    used_at        timestamptz
);
CREATE INDEX presentation_request_expires_at ON presentation_request (expires_at);

-- The second wall, see 0007. The registry and the lists are public knowledge; what was issued, who follows what and who consented to
-- what is not.
ALTER TABLE credential ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON credential USING (participant_id = (SELECT peshub_participant()));
ALTER TABLE credential_status_change ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON credential_status_change USING (credential_id IN (
    SELECT c.credential_id FROM credential c WHERE c.participant_id = (SELECT peshub_participant())));
ALTER TABLE status_reservation ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON status_reservation USING (participant_id = (SELECT peshub_participant()));
ALTER TABLE status_pending ENABLE ROW LEVEL SECURITY;
CREATE POLICY made ON status_pending FOR INSERT WITH CHECK (true);
ALTER TABLE credential_follow ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON credential_follow USING (participant_id = (SELECT peshub_participant()));
ALTER TABLE consent ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON consent USING ((SELECT peshub_participant()) IN (recipient_id, recorded_by));
-- A bureau that has found a worker by a reference of its own sees that worker's consents.
CREATE POLICY about ON consent USING (worker_id = (SELECT peshub_worker()));
ALTER TABLE presentation_request ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON presentation_request USING (participant_id = (SELECT peshub_participant()));

-- Who follows a place: asked by whoever changes the status, who must not see more of it than whom to tell.
CREATE FUNCTION status_followers(list bigint, place bigint, now timestamptz) RETURNS bigint[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT coalesce(array_agg(DISTINCT f.participant_id), '{}') FROM credential_follow f
    WHERE f.list_id = list AND f.idx = place AND f.until > now
$$;

-- How credentials stand that somebody begins to follow: counted from 0, those only that the hub knows. Until the transaction ends
-- nobody changes them, nor takes in lists of theirs that are kept elsewhere, so that a change has either been made, or finds the
-- follower.
CREATE FUNCTION status_standing(uris text[], places bigint[]) RETURNS TABLE (item bigint, status smallint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM FROM status_list l WHERE l.uri = ANY (uris) AND l.shard IS NULL ORDER BY l.list_id FOR SHARE;
    RETURN QUERY
        SELECT a.item - 1, c.status
        FROM unnest(uris, places) WITH ORDINALITY AS a(uri, place, item)
        JOIN status_list l ON l.uri = a.uri
        JOIN credential c ON c.list_id = l.list_id AND c.idx = a.place
        ORDER BY c.credential_id FOR SHARE OF c;
END $$;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['credential', 'status_reservation', 'credential_status_change', 'credential_follow', 'consent',
                                'presentation_request'] LOOP
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO peshub_participant', name);
    END LOOP;
END $$;
-- Lists and their earlier versions are the hub's work, and so are the numbers of places once there is an issuer.
GRANT SELECT ON status_list TO peshub_participant;
GRANT INSERT ON issuer_status_place, status_pending TO peshub_participant;
-- What stands in the registry is ended, never changed.
GRANT SELECT, INSERT ON credential_type, issuer, issuer_key, accreditation, status_signer TO peshub_participant;
GRANT UPDATE (retired_at, retired_revision) ON credential_type TO peshub_participant;
GRANT UPDATE (retired_at, retired_revision, compromised_at, compromised_revision) ON issuer_key TO peshub_participant;
GRANT UPDATE (withdrawn_at, withdrawn_because, withdrawn_revision) ON accreditation TO peshub_participant;
GRANT SELECT, UPDATE ON credential_epoch TO peshub_participant;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO peshub_participant;
