//! The SQL of populations and their subjects.

use std::collections::HashMap;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::kernel::ids::{PopulationId, SubjectId};
use crate::platform::db::{DbError, WriteTx};
use crate::platform::keys::vault::Wrapped;
use crate::platform::permit::Permit;
use crate::subsidies::population::Population;
use crate::subsidies::population::sealed::Whose;

fn holder(permit: &Permit) -> i64 {
    permit.participant().map_or(0, |id| id.0)
}

/// Makes a population of the permit's holder; `false` when there is one of the name.
///
/// # Errors
///
/// The database fails.
pub async fn create(
    tx: &mut WriteTx,
    (name, purpose): (&str, &str),
    now: OffsetDateTime,
) -> Result<bool, DbError> {
    let participant = holder(tx.permit());
    let made = sqlx::query!(
        "INSERT INTO population (participant_id, name, purpose, created_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT ON CONSTRAINT population_name_unique DO NOTHING",
        participant,
        name,
        purpose,
        now,
    )
    .execute(tx.connection())
    .await?;
    Ok(made.rows_affected() == 1)
}

/// Returns the populations of a permit's holder in order of their names, or the one of a name.
///
/// # Errors
///
/// The database fails.
pub async fn list(
    connection: &mut PgConnection,
    permit: &Permit,
    name: Option<&str>,
) -> Result<Vec<Population>, DbError> {
    let rows = sqlx::query_as!(
        Population,
        r#"SELECT p.population_id AS "id: PopulationId", p.name, p.purpose, p.revision, p.created_at,
                  (SELECT count(*) FROM population_subject s WHERE s.population_id = p.population_id) AS "subjects!",
                  (SELECT w.sweep_id FROM sweep w WHERE w.population_id = p.population_id
                   ORDER BY w.started_at DESC LIMIT 1) AS last_sweep
           FROM population p WHERE p.participant_id = $1 AND ($2::text IS NULL OR p.name = $2) ORDER BY p.name"#,
        holder(permit),
        name,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// A population that is held: nobody else changes what it keeps until the transaction ends.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    /// Its number.
    pub id: PopulationId,
    /// Its revision.
    pub revision: i64,
}

/// Holds a population of the permit's holder.
///
/// # Errors
///
/// The database fails.
pub async fn hold(tx: &mut WriteTx, name: &str) -> Result<Option<Held>, DbError> {
    let participant = holder(tx.permit());
    let row = sqlx::query_as!(
        Held,
        r#"SELECT population_id AS "id: PopulationId", revision FROM population
           WHERE participant_id = $1 AND name = $2 FOR UPDATE"#,
        participant,
        name,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row)
}

/// Says that a held population has changed.
///
/// # Errors
///
/// The database fails.
pub async fn raise(tx: &mut WriteTx, held: Held) -> Result<(), DbError> {
    sqlx::query!(
        "UPDATE population SET revision = $2 WHERE population_id = $1",
        held.id.0,
        held.revision,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Says of subjects of a held population that they have changed if their claims have moved since this was asked last. Returns the
/// population as it is then.
///
/// # Errors
///
/// The database fails.
pub async fn touch(tx: &mut WriteTx, held: Held, now: OffsetDateTime) -> Result<Held, DbError> {
    let next = Held { revision: held.revision.saturating_add(1), ..held };
    let touched = sqlx::query_scalar!(
        r#"SELECT population_touch($1, $2, $3) AS "touched!""#,
        held.id.0,
        next.revision,
        now,
    )
    .fetch_one(tx.connection())
    .await?;
    if touched == 0 {
        return Ok(held);
    }
    raise(tx, next).await?;
    Ok(next)
}

/// Deletes a population with all that is kept of it; returns how many subjects it had.
///
/// # Errors
///
/// The database fails.
pub async fn delete(tx: &mut WriteTx, id: PopulationId) -> Result<u64, DbError> {
    for part in [
        sqlx::query!(
            "DELETE FROM subject_standing s USING population_subject p
             WHERE p.population_id = $1 AND s.subject_id = p.subject_id",
            id.0
        ),
        sqlx::query!("DELETE FROM population_swept WHERE population_id = $1", id.0),
        sqlx::query!("DELETE FROM sweep WHERE population_id = $1", id.0),
    ] {
        part.execute(tx.connection()).await?;
    }
    let subjects = sqlx::query!("DELETE FROM population_subject WHERE population_id = $1", id.0)
        .execute(tx.connection())
        .await?
        .rows_affected();
    sqlx::query!("DELETE FROM population WHERE population_id = $1", id.0)
        .execute(tx.connection())
        .await?;
    Ok(subjects)
}

/// The worker behind a reference.
#[derive(Clone, Debug)]
pub struct Referred {
    /// The reference.
    pub reference: Uuid,
    /// The worker.
    pub worker: Uuid,
    /// Its key; `None` after erasure.
    pub key: Option<Wrapped>,
}

/// Returns the workers behind references of the permit's holder, and keeps them from being erased until the transaction ends.
///
/// # Errors
///
/// The database fails.
pub async fn workers(tx: &mut WriteTx, references: &[Uuid]) -> Result<Vec<Referred>, DbError> {
    let participant = holder(tx.permit());
    let rows = sqlx::query!(
        r#"SELECT r.reference, r.worker_id, k.master_key_id AS "master_key_id?", k.wrapped AS "wrapped?"
           FROM worker_reference r JOIN worker w ON w.worker_id = r.worker_id
           LEFT JOIN worker_key k ON k.worker_id = r.worker_id
           WHERE r.reference = ANY ($1) AND r.participant_id = $2 ORDER BY w.worker_id FOR SHARE OF w"#,
        references,
        participant,
    )
    .fetch_all(tx.connection())
    .await?;
    let referred = rows.into_iter().map(|row| Referred {
        reference: row.reference,
        worker: row.worker_id,
        key: row
            .master_key_id
            .zip(row.wrapped)
            .map(|(master_key_id, bytes)| Wrapped { master_key_id, bytes }),
    });
    Ok(referred.collect())
}

/// A subject as it is kept.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Its number.
    pub id: SubjectId,
    /// Whose facts.
    pub whose: Whose,
    /// Token of its division.
    pub division: String,
    /// Its facts.
    pub sealed: Vec<u8>,
}

/// Returns those subjects of a population that are one of some workers, or one of some employers alone.
///
/// # Errors
///
/// The database fails.
pub async fn subjects(
    tx: &mut WriteTx,
    population: PopulationId,
    workers: &[Uuid],
    employers: &[Uuid],
) -> Result<Vec<Stored>, DbError> {
    let rows = sqlx::query!(
        r#"SELECT subject_id AS "subject_id!", worker_id, employer, division AS "division!", sealed AS "sealed!"
           FROM population_subject WHERE population_id = $1 AND worker_id = ANY ($2)
           UNION ALL
           SELECT subject_id, worker_id, employer, division, sealed
           FROM population_subject WHERE population_id = $1 AND worker_id IS NULL AND employer = ANY ($3)"#,
        population.0,
        workers,
        employers,
    )
    .fetch_all(tx.connection())
    .await?;
    let stored = rows.into_iter().map(|row| Stored {
        id: SubjectId(row.subject_id),
        whose: Whose { population, worker: row.worker_id, employer: row.employer },
        division: row.division,
        sealed: row.sealed,
    });
    Ok(stored.collect())
}

/// Subjects to be kept, column by column.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    workers: Vec<Option<Uuid>>,
    employers: Vec<Option<Uuid>>,
    divisions: Vec<String>,
    sealed: Vec<Vec<u8>>,
}

impl Columns {
    /// Adds a subject.
    pub fn push(&mut self, whose: Whose, division: String, sealed: Vec<u8>) {
        self.workers.push(whose.worker);
        self.employers.push(whose.employer);
        self.divisions.push(division);
        self.sealed.push(sealed);
    }

    /// Returns whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sealed.is_empty()
    }
}

/// Keeps subjects as they are now, new ones and others.
///
/// # Errors
///
/// The database fails.
pub async fn keep(tx: &mut WriteTx, held: Held, columns: &Columns) -> Result<(), DbError> {
    sqlx::query!(
        "INSERT INTO population_subject (population_id, worker_id, employer, division, revision, sealed)
         SELECT $1, n.worker_id, n.employer, n.division, $2, n.sealed
         FROM unnest($3::uuid[], $4::uuid[], $5::text[], $6::bytea[]) AS n(worker_id, employer, division, sealed)
         ON CONFLICT ON CONSTRAINT population_subject_unique
         DO UPDATE SET division = excluded.division, revision = excluded.revision, sealed = excluded.sealed",
        held.id.0,
        held.revision,
        &columns.workers as &[Option<Uuid>],
        &columns.employers as &[Option<Uuid>],
        &columns.divisions,
        &columns.sealed,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Takes subjects out of their population.
///
/// # Errors
///
/// The database fails.
pub async fn remove(tx: &mut WriteTx, subjects: &[SubjectId]) -> Result<(), DbError> {
    let ids: Vec<i64> = subjects.iter().map(|it| it.0).collect();
    sqlx::query!("DELETE FROM subject_standing WHERE subject_id = ANY ($1)", &ids)
        .execute(tx.connection())
        .await?;
    sqlx::query!("DELETE FROM population_subject WHERE subject_id = ANY ($1)", &ids)
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// Returns a permit's holder's references to workers, by worker.
///
/// # Errors
///
/// The database fails.
pub async fn references(
    connection: &mut PgConnection,
    permit: &Permit,
    workers: &[Uuid],
) -> Result<HashMap<Uuid, Uuid>, DbError> {
    let rows = sqlx::query!(
        "SELECT worker_id, reference FROM worker_reference WHERE worker_id = ANY ($1) AND participant_id = $2",
        workers,
        holder(permit),
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.worker_id, row.reference)).collect())
}

/// Returns the names of all programmes, by number.
///
/// # Errors
///
/// The database fails.
pub async fn programme_names(
    connection: &mut PgConnection,
) -> Result<HashMap<i64, String>, DbError> {
    let rows =
        sqlx::query!("SELECT programme_id, name FROM programme").fetch_all(connection).await?;
    Ok(rows.into_iter().map(|row| (row.programme_id, row.name)).collect())
}
