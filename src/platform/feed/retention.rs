//! Dropping what the feed keeps no longer, a partition at a time.

use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::platform::db::DbError;

/// Drops the partitions whose every change is older than an instant and has a position. Contents that still stand are moved
/// to `posting_body` first. Readers whose cursor lies before what is left are told `CURSOR_EXPIRED`.
///
/// # Errors
///
/// The database fails; nothing of the partition at hand is then dropped.
pub async fn drop_before(connection: &mut PgConnection, at: OffsetDateTime) -> Result<(), DbError> {
    let dropped = sqlx::query_scalar!(r#"SELECT change_log_drop_before($1) AS "dropped!""#, at)
        .fetch_one(connection)
        .await?;
    if dropped > 0 {
        tracing::info!("{dropped} partitions of the change log dropped");
    }
    Ok(())
}
