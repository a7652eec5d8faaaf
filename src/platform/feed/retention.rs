//! Dropping what the feed keeps no longer, a partition at a time.

use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::platform::db::DbError;

/// Drops the oldest partition if its every change is older than an instant and has a position. Contents that still stand are moved
/// to `posting_body` first. Readers whose cursor lies before what is left are told `CURSOR_EXPIRED`.
///
/// # Errors
///
/// The database fails; nothing of the partition at hand is then dropped.
pub async fn drop_before(connection: &mut PgConnection, at: OffsetDateTime) -> Result<(), DbError> {
    let retired =
        sqlx::query_scalar!("SELECT change_log_retire($1)", at).fetch_one(&mut *connection).await?;
    let Some(partition) = retired else { return Ok(()) };
    sqlx::query!("SELECT change_log_drop($1)", partition).execute(connection).await?;
    tracing::info!("partition {partition} of the change log dropped");
    Ok(())
}
