//! The SQL of decisions: written once, and never changed.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::platform::db::{DbError, WriteTx};
use crate::subsidies::application::{ApplicationId, DecisionId};

/// A decision as it is stored.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its id.
    pub decision_id: Uuid,
    /// The application.
    pub application_id: Uuid,
    /// The record, encoded.
    pub record: Vec<u8>,
    /// The receipt, encoded.
    pub receipt: Vec<u8>,
    /// Salt, facts and determination, sealed.
    pub sealed: Vec<u8>,
    /// The bureau that decided.
    pub bureau_id: i64,
    /// Pseudonym of the worker.
    pub worker_id: Option<Uuid>,
}

/// Stores a decision.
///
/// # Errors
///
/// The database fails.
pub async fn create(
    tx: &mut WriteTx,
    row: &Row,
    decided_at: OffsetDateTime,
) -> Result<(), DbError> {
    sqlx::query!(
        "INSERT INTO decision (decision_id, application_id, bureau_id, record, receipt, sealed, decided_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        row.decision_id,
        row.application_id,
        row.bureau_id,
        row.record,
        row.receipt,
        row.sealed,
        decided_at,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Returns a decision on an application that a participant has filed or decides.
///
/// # Errors
///
/// The database fails.
pub async fn find(
    connection: &mut PgConnection,
    id: DecisionId,
    participant: i64,
) -> Result<Option<Row>, DbError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT d.decision_id, d.application_id, d.record, d.receipt, d.sealed, d.bureau_id, a.worker_id
         FROM decision d JOIN application a ON a.application_id = d.application_id
         WHERE d.decision_id = $1 AND $2 IN (a.bureau_id, a.platform_id)",
        id as DecisionId,
        participant,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row)
}

/// Returns the newest decision on an application.
///
/// # Errors
///
/// The database fails.
pub async fn newest(
    tx: &mut WriteTx,
    application: ApplicationId,
) -> Result<Option<DecisionId>, DbError> {
    let id = sqlx::query_scalar!(
        r#"SELECT decision_id AS "id: DecisionId" FROM decision WHERE application_id = $1 ORDER BY number DESC LIMIT 1"#,
        application as ApplicationId,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(id)
}
