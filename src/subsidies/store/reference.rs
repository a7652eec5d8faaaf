//! What subsidies ask of the register of workers: who is meant by a reference of the caller, and the key to what is kept of the worker.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::platform::db::{DbError, WriteTx};
use crate::platform::keys::vault::Wrapped;

/// The worker behind a reference.
#[derive(Debug)]
pub struct Referred {
    /// The hub's own name of the worker.
    pub worker_id: Uuid,
    /// The worker's own key; `None` after erasure.
    pub key: Option<Wrapped>,
}

/// Returns the worker behind a reference of the permit's holder, who is not erased until the transaction ends.
///
/// # Errors
///
/// The database fails.
pub async fn find(tx: &mut WriteTx, reference: Uuid) -> Result<Option<Referred>, DbError> {
    let participant = tx.permit().participant().map_or(0, |it| it.0);
    let row = sqlx::query!(
        r#"SELECT r.worker_id, k.master_key_id AS "master_key_id?", k.wrapped AS "wrapped?"
           FROM worker_reference r JOIN worker w ON w.worker_id = r.worker_id
           LEFT JOIN worker_key k ON k.worker_id = r.worker_id
           WHERE r.reference = $1 AND r.participant_id = $2 FOR SHARE OF w"#,
        reference,
        participant,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row
        .map(|row| Referred { worker_id: row.worker_id, key: key(row.master_key_id, row.wrapped) }))
}

/// Returns the workers behind references of a participant, with whether they were erased; references that are not its own are left out.
///
/// # Errors
///
/// The database fails.
pub async fn known(
    connection: &mut PgConnection,
    participant: i64,
    references: &[Uuid],
) -> Result<Vec<(Uuid, Uuid, bool)>, DbError> {
    let rows = sqlx::query!(
        r#"SELECT r.reference, r.worker_id, w.erased_at IS NOT NULL AS "erased!"
           FROM worker_reference r JOIN worker w ON w.worker_id = r.worker_id
           WHERE r.reference = ANY ($1) AND r.participant_id = $2"#,
        references,
        participant,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.reference, row.worker_id, row.erased)).collect())
}

/// Returns the key to what is kept of a worker; `None` after erasure. The worker is not erased until the transaction ends.
///
/// # Errors
///
/// The database fails.
pub async fn key_of(tx: &mut WriteTx, worker: Uuid) -> Result<Option<Wrapped>, DbError> {
    let row = sqlx::query!(
        r#"SELECT k.master_key_id AS "master_key_id?", k.wrapped AS "wrapped?"
           FROM worker w LEFT JOIN worker_key k ON k.worker_id = w.worker_id WHERE w.worker_id = $1 FOR SHARE OF w"#,
        worker,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.and_then(|row| key(row.master_key_id, row.wrapped)))
}

/// Returns a participant's own references to workers, in their order; the others are left out.
///
/// # Errors
///
/// The database fails.
pub async fn of_workers(
    connection: &mut PgConnection,
    participant: i64,
    workers: &[Uuid],
) -> Result<Vec<(Uuid, Uuid)>, DbError> {
    let rows = sqlx::query!(
        "SELECT worker_id, reference FROM worker_reference WHERE participant_id = $1 AND worker_id = ANY ($2)",
        participant,
        workers,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.worker_id, row.reference)).collect())
}

/// Returns the platforms that know a worker.
///
/// # Errors
///
/// The database fails.
pub async fn platforms(tx: &mut WriteTx, worker: Uuid) -> Result<Vec<i64>, DbError> {
    let found = sqlx::query_scalar!(r#"SELECT worker_platforms($1) AS "platforms!""#, worker)
        .fetch_one(tx.connection())
        .await?;
    Ok(found)
}

/// Returns the short name of a participant.
///
/// # Errors
///
/// The database fails.
pub async fn participant_name(tx: &mut WriteTx, id: i64) -> Result<String, DbError> {
    let name = sqlx::query_scalar!("SELECT name FROM participant WHERE participant_id = $1", id)
        .fetch_one(tx.connection())
        .await?;
    Ok(name)
}

fn key(master_key_id: Option<String>, wrapped: Option<Vec<u8>>) -> Option<Wrapped> {
    Some(Wrapped { master_key_id: master_key_id?, bytes: wrapped? })
}
