//! What credentials ask of the register of workers: who is meant by a reference of the caller.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::platform::db::DbError;
use crate::platform::permit::Permit;

/// The worker behind a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Referred {
    /// The hub's own name of the worker.
    pub worker_id: Uuid,
    /// Whether the worker was erased.
    pub is_erased: bool,
}

/// Returns the worker behind a reference of the permit's holder.
///
/// # Errors
///
/// The database fails.
pub async fn of_reference(
    connection: &mut PgConnection,
    permit: &Permit,
    reference: Uuid,
) -> Result<Option<Referred>, DbError> {
    let row = sqlx::query!(
        r#"SELECT r.worker_id, w.erased_at IS NOT NULL AS "is_erased!"
           FROM worker_reference r JOIN worker w ON w.worker_id = r.worker_id
           WHERE r.reference = $1 AND r.participant_id = $2"#,
        reference,
        permit.participant().map_or(0, |id| id.0),
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| Referred { worker_id: row.worker_id, is_erased: row.is_erased }))
}

/// Says that the transaction is about a worker, so that row-level security lets it reach what is kept about that worker. Only for a
/// worker that a reference of the permit's holder leads to.
///
/// # Errors
///
/// The database fails.
pub async fn about(connection: &mut PgConnection, worker_id: Uuid) -> Result<(), DbError> {
    sqlx::query!("SELECT set_config('peshub.worker', $1, true)", worker_id.to_string())
        .fetch_one(connection)
        .await?;
    Ok(())
}
