-- What is claimed is told in checks and sweeps, of many subjects at a time; whose claims have moved is swept again; offers that stand are found.
-- See docs/decisions/0022.
-- Rollout: adds columns with constant defaults or NULL, indexes and a function; old code sees none of it. `claims_taken_until` of 0010 is
-- the old code's, and goes in a later step.

-- The population's revision at which claims of the subject's worker or employer have moved last; 0: never.
ALTER TABLE population_subject ADD COLUMN touched bigint NOT NULL DEFAULT 0;
-- Up to when claims were looked at for subjects whom they concern.
ALTER TABLE population ADD COLUMN claims_seen_at timestamptz;

CREATE INDEX population_subject_employer ON population_subject (employer) WHERE employer IS NOT NULL;
-- The constraints' own indexes are for one claim at a time: many are looked up in half the time by this one.
CREATE INDEX claim_subject ON claim (subject);
CREATE INDEX application_changed ON application (changed_at);
CREATE INDEX application_offered ON application (bureau_id, programme, worker_id, employer) WHERE state = 4;

-- Until when some of what is asked about is taken, exclusive, by the place of the question; what is free has no row. The only thing that
-- anybody learns of others' claims. Claims of the application `own` do not count, nor, where `spare_offers` says so, what an offer that
-- waits has taken of its own programme.
CREATE FUNCTION claims_taken(own uuid, spare_offers boolean,
    places int[], grps uuid[], subjects uuid[], from_days date[], until_days date[], programmes text[])
RETURNS TABLE (place int, taken_until date) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT k.place, max(coalesce(upper(c.period), 'infinity'::date))
    FROM unnest(places, grps, subjects, from_days, until_days, programmes) AS k(place, grp, subject, from_day, until_day, programme)
    JOIN claim c ON c.subject = k.subject AND c.grp = k.grp AND c.period && daterange(k.from_day, k.until_day)
         AND CASE WHEN k.programme = '' THEN c.programme IS NULL ELSE c.programme <> k.programme END
    WHERE c.application_id IS DISTINCT FROM own
      AND NOT (spare_offers AND c.programme IS NULL
               AND EXISTS (SELECT FROM application a WHERE a.application_id = c.application_id AND a.state = 4))
    GROUP BY k.place
$$;

-- Says of subjects of a population whose claims have moved since that was asked last that they have changed, at a revision; returns how many
-- there are. What is written late is found by the next one: a call takes less than a minute.
CREATE FUNCTION population_touch(population bigint, at_revision bigint, now timestamptz)
RETURNS bigint LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH since AS (
        SELECT coalesce(p.claims_seen_at, '-infinity') - interval '1 minute' AS at
        FROM population p WHERE p.population_id = population_touch.population
    ), moved AS (
        SELECT a.worker_id, a.employer FROM application a WHERE a.changed_at > (SELECT at FROM since)
    ), seen AS (
        UPDATE population p SET claims_seen_at = population_touch.now WHERE p.population_id = population_touch.population
    ), touched AS (
        UPDATE population_subject s SET revision = at_revision, touched = at_revision
        WHERE s.population_id = population_touch.population AND s.subject_id IN (
            SELECT t.subject_id FROM population_subject t JOIN moved m ON t.worker_id = m.worker_id
            UNION ALL
            SELECT t.subject_id FROM population_subject t JOIN moved m ON t.employer = m.employer)
        RETURNING 1
    )
    SELECT count(*) FROM touched
$$;
