//! The SQL of workers.

pub mod index;
pub mod rewrap;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::platform::audit::entry::Row;
use crate::platform::audit::store as audit;
use crate::platform::db::{DbError, ReadTx, WriteTx};
use crate::platform::keys::vault::{IndexDigest, Wrapped};
use crate::platform::permit::{ParticipantKind, Permit};
use crate::workers::domain::{Reference, Standing, WorkerId};

/// A worker that is there, with its wrapped key.
#[derive(Clone, Debug)]
pub struct Found {
    /// Which.
    pub id: WorkerId,
    /// Its key.
    pub key: Wrapped,
}

/// Finds a worker by digests of the identity number, and keeps it from being erased until the transaction ends.
///
/// # Errors
///
/// The database fails.
pub async fn find(tx: &mut WriteTx, digests: &[IndexDigest]) -> Result<Option<Found>, DbError> {
    let (ids, values) = columns(digests);
    let row = sqlx::query!(
        "SELECT w.worker_id, k.master_key_id, k.wrapped
         FROM unnest($1::text[], $2::bytea[]) AS d(index_key_id, digest)
         JOIN worker_index i ON i.index_key_id = d.index_key_id AND i.digest = d.digest
         JOIN worker w ON w.worker_id = i.worker_id
         JOIN worker_key k ON k.worker_id = i.worker_id
         WHERE w.erased_at IS NULL LIMIT 1 FOR SHARE OF w",
        &ids,
        &values,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(|row| Found {
        id: WorkerId(row.worker_id),
        key: Wrapped { master_key_id: row.master_key_id, bytes: row.wrapped },
    }))
}

/// Creates a worker. It cannot be found before [`index::add`].
///
/// # Errors
///
/// The database fails.
pub async fn create(
    tx: &mut WriteTx,
    worker: &Found,
    sealed_number: &[u8],
    now: OffsetDateTime,
) -> Result<(), DbError> {
    sqlx::query!(
        "WITH w AS (INSERT INTO worker (worker_id, sealed, created_at) VALUES ($1, $2, $3))
         INSERT INTO worker_key (worker_id, master_key_id, wrapped) VALUES ($1, $4, $5)",
        worker.id.0,
        sealed_number,
        now,
        worker.key.master_key_id,
        worker.key.bytes,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Returns the reference of the permit's holder to a worker, making it if there is none; `None` when another transaction of the
/// same participant is about to make it.
///
/// # Errors
///
/// The database fails.
pub async fn reference(
    tx: &mut WriteTx,
    worker: WorkerId,
    fresh: Reference,
    now: OffsetDateTime,
) -> Result<Option<Reference>, DbError> {
    let participant = holder(tx);
    let known = sqlx::query_scalar!(
        "SELECT reference FROM worker_reference WHERE worker_id = $1 AND participant_id = $2",
        worker.0,
        participant,
    )
    .fetch_optional(tx.connection())
    .await?;
    if let Some(known) = known {
        return Ok(Some(Reference(known)));
    }
    let made = sqlx::query!(
        "INSERT INTO worker_reference (reference, participant_id, worker_id, created_at)
         VALUES ($1, $2, $3, $4) ON CONFLICT ON CONSTRAINT worker_reference_pair_unique DO NOTHING",
        fresh.0,
        participant,
        worker.0,
        now,
    )
    .execute(tx.connection())
    .await?;
    Ok((made.rows_affected() == 1).then_some(fresh))
}

/// Stores what the holder of a reference states; `None` takes back what it stated.
///
/// # Errors
///
/// The database fails.
pub async fn state(
    tx: &mut WriteTx,
    reference: Reference,
    sealed: Option<&[u8]>,
    now: OffsetDateTime,
) -> Result<(), DbError> {
    sqlx::query!(
        "UPDATE worker_reference SET sealed = $2, stated_at = $3 WHERE reference = $1",
        reference.0,
        sealed,
        sealed.map(|_| now),
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// A worker as a reference leads to it.
#[derive(Debug)]
pub struct Held {
    /// Which.
    pub id: WorkerId,
    /// Its key and sealed identity number; `None` after erasure.
    pub content: Option<(Wrapped, Vec<u8>)>,
}

/// Returns the worker behind a reference of the permit's holder, and keeps it from being erased until the transaction ends.
///
/// # Errors
///
/// The database fails.
pub async fn hold(tx: &mut WriteTx, reference: Reference) -> Result<Option<Held>, DbError> {
    let participant = holder(tx);
    let row = sqlx::query!(
        r#"SELECT w.worker_id, w.sealed, k.master_key_id AS "master_key_id?", k.wrapped AS "wrapped?"
           FROM worker_reference r
           JOIN worker w ON w.worker_id = r.worker_id
           LEFT JOIN worker_key k ON k.worker_id = r.worker_id
           WHERE r.reference = $1 AND r.participant_id = $2 FOR SHARE OF w"#,
        reference.0,
        participant,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(|row| Held {
        id: WorkerId(row.worker_id),
        content: match (row.master_key_id, row.wrapped, row.sealed) {
            (Some(master_key_id), Some(bytes), Some(sealed)) => {
                Some((Wrapped { master_key_id, bytes }, sealed))
            }
            _ => None,
        },
    }))
}

/// Says that the transaction is about a worker, so that row-level security lets it reach what others state about that worker, and
/// to whom the worker was disclosed. Only for a worker that a reference of the permit's holder leads to.
///
/// # Errors
///
/// The database fails.
async fn about(connection: &mut PgConnection, worker: WorkerId) -> Result<(), DbError> {
    sqlx::query!("SELECT set_config('peshub.worker', $1, true)", worker.0.to_string())
        .fetch_one(connection)
        .await?;
    Ok(())
}

/// A statement, sealed.
#[derive(Debug)]
pub struct Statement {
    /// Under which reference it is sealed.
    pub reference: Reference,
    /// The statement.
    pub sealed: Vec<u8>,
    /// Whose it is, and of when.
    pub standing: Standing,
}

/// Returns what participants state about a worker.
///
/// # Errors
///
/// The database fails.
pub async fn statements(tx: &mut WriteTx, worker: WorkerId) -> Result<Vec<Statement>, DbError> {
    about(tx.connection(), worker).await?;
    let participant = holder(tx);
    let rows = sqlx::query!(
        r#"SELECT r.reference, r.sealed AS "sealed!", r.stated_at AS "stated_at!", r.participant_id, p.kind
           FROM worker_reference r JOIN participant p ON p.participant_id = r.participant_id
           WHERE r.worker_id = $1 AND r.sealed IS NOT NULL AND r.stated_at IS NOT NULL"#,
        worker.0,
    )
    .fetch_all(tx.connection())
    .await?;
    let statement = rows.into_iter().map(|row| Statement {
        reference: Reference(row.reference),
        sealed: row.sealed,
        standing: Standing {
            is_bureaus: row.kind == ParticipantKind::Bureau.number(),
            is_own: row.participant_id == participant,
            stated_at: row.stated_at,
        },
    });
    Ok(statement.collect())
}

/// Erases the worker behind a reference of the permit's holder. Returns false if that was done before.
///
/// # Errors
///
/// The database fails.
pub async fn erase(
    tx: &mut WriteTx,
    worker: WorkerId,
    now: OffsetDateTime,
) -> Result<bool, DbError> {
    about(tx.connection(), worker).await?;
    // First of all, since whoever finds or reads the worker waits for this row.
    let erased = sqlx::query!(
        "UPDATE worker SET sealed = NULL, erased_at = $2 WHERE worker_id = $1 AND erased_at IS NULL",
        worker.0,
        now,
    )
    .execute(tx.connection())
    .await?;
    if erased.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query!("DELETE FROM worker_key WHERE worker_id = $1", worker.0)
        .execute(tx.connection())
        .await?;
    sqlx::query!("DELETE FROM worker_index WHERE worker_id = $1", worker.0)
        .execute(tx.connection())
        .await?;
    sqlx::query!(
        "UPDATE worker_reference SET sealed = NULL, stated_at = NULL WHERE worker_id = $1",
        worker.0
    )
    .execute(tx.connection())
    .await?;
    Ok(true)
}

/// Returns the worker behind a reference of a permit's holder, erased or not.
///
/// # Errors
///
/// The database fails.
pub async fn id_of(
    connection: &mut PgConnection,
    permit: &Permit,
    reference: Reference,
) -> Result<Option<WorkerId>, DbError> {
    let id = sqlx::query_scalar!(
        "SELECT worker_id FROM worker_reference WHERE reference = $1 AND participant_id = $2",
        reference.0,
        permit.participant().map_or(0, |id| id.0),
    )
    .fetch_optional(connection)
    .await?;
    Ok(id.map(WorkerId))
}

/// Returns the newest disclosures of a worker's data before a row of the audit trail.
///
/// # Errors
///
/// The database fails.
pub async fn disclosures(
    tx: &mut ReadTx,
    worker: WorkerId,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Row>, DbError> {
    about(tx.connection(), worker).await?;
    audit::disclosures_of(tx.connection(), worker.0, before, limit).await
}

/// Returns one disclosure of a worker's data, by the name of its entry.
///
/// # Errors
///
/// The database fails.
pub async fn disclosure(
    tx: &mut ReadTx,
    worker: WorkerId,
    entry_id: Uuid,
) -> Result<Option<Row>, DbError> {
    about(tx.connection(), worker).await?;
    let row = audit::entry(tx.connection(), entry_id, None).await?;
    Ok(row.filter(|row| row.worker_id == Some(worker.0)))
}

fn holder(tx: &WriteTx) -> i64 {
    tx.permit().participant().map_or(0, |id| id.0)
}

/// Returns digests as two columns.
fn columns(digests: &[IndexDigest]) -> (Vec<String>, Vec<Vec<u8>>) {
    digests.iter().map(|it| (it.index_key_id.clone(), it.digest.to_vec())).unzip()
}
