//! The first answer to each request id, kept [`KEPT`] in the transaction of the change itself: an outcome that the client
//! never learned is settled by asking again with the same id.

use std::time::Duration;

use bytes::Bytes;
use time::OffsetDateTime;

use crate::kernel::fault::{Fault, Kind, Reason};
use crate::platform::db::{DbError, WriteTx};

/// How long answers are kept.
pub const KEPT: Duration = Duration::from_hours(7 * 24);

/// What is known of a request id.
#[derive(Debug, PartialEq, Eq)]
pub enum Known {
    /// Nothing: do the work, then [`store`] the answer.
    New,
    /// The same request was answered with this.
    Answered(Bytes),
    /// The id came with another body before.
    Reused,
}

/// Looks a request id up. Two calls with one id at the same time wait for each other here.
///
/// # Errors
///
/// The database fails.
pub async fn look_up(
    tx: &mut WriteTx,
    request_id: &str,
    body_sha256: &[u8],
) -> Result<Known, DbError> {
    let (participant, method) = key(tx);
    let lock = format!("{participant} {method} {request_id}");
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended($1, 7306))", lock)
        .execute(tx.connection())
        .await?;
    let row = sqlx::query!(
        "SELECT body_sha256, response FROM replay
         WHERE participant_id = $1 AND method = $2 AND request_id = $3",
        participant,
        method,
        request_id,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(match row {
        None => Known::New,
        Some(row) if row.body_sha256 == body_sha256 => Known::Answered(row.response.into()),
        Some(_) => Known::Reused,
    })
}

/// Stores the answer to a request id.
///
/// # Errors
///
/// The database fails.
pub async fn store(
    tx: &mut WriteTx,
    request_id: &str,
    body_sha256: &[u8],
    response: &[u8],
    now: OffsetDateTime,
) -> Result<(), DbError> {
    let (participant, method) = key(tx);
    sqlx::query!(
        "INSERT INTO replay (participant_id, method, request_id, body_sha256, response, created_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
        participant,
        method,
        request_id,
        body_sha256,
        response,
        now,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Returns the fault of a request id that came with another body before.
#[must_use]
pub fn reused() -> Fault {
    let message = "this request id was answered before with another body; use a new one";
    Fault::new(Kind::AlreadyExists, Reason::RequestIdReused, message)
}

fn key(tx: &WriteTx) -> (i64, &'static str) {
    (tx.permit().participant().map_or(0, |id| id.0), tx.permit().action().name())
}
