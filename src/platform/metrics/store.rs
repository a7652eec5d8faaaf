//! What is measured in the database: tables of every exchange, counted and nothing more.

use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::platform::db::DbError;
use crate::platform::feed::store::FEED;

/// What the database says.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// When the oldest change was written that has no position.
    pub unpositioned_since: Option<OffsetDateTime>,
    /// When the oldest row of the audit trail was written that no checkpoint covers.
    pub uncovered_since: Option<OffsetDateTime>,
    /// Rows of the audit trail without a place in the chain; no more than 100,001.
    pub unsealed: i64,
    /// Held closes; no more than 100,001.
    pub closes_held: i64,
    /// Changes of statuses that are not in a list; no more than 100,001.
    pub unpublished: i64,
    /// Offers of bureaus that nobody has accepted; no more than 100,001.
    pub offers: i64,
}

/// Looks.
///
/// # Errors
///
/// The database fails.
pub async fn look(connection: &mut PgConnection) -> Result<Seen, DbError> {
    let row = sqlx::query!(
        r#"SELECT (SELECT min(at) FROM (
                       SELECT c.at FROM feed_head h JOIN change_log c ON c.xid >= pg_snapshot_xmax(h.snap)
                       WHERE h.feed = $1
                       UNION ALL
                       SELECT c.at FROM feed_head h, pg_snapshot_xip(h.snap) AS running(xid)
                       JOIN change_log c ON c.xid = running.xid WHERE h.feed = $1) AS unseen) AS unpositioned_since,
                  (SELECT min(a.at) FROM audit a WHERE a.audit_id IN (
                       (SELECT min(audit_id) FROM audit_pending),
                       (SELECT audit_id FROM audit_link
                        WHERE seq = (SELECT coalesce(max(last_seq), 0) + 1 FROM audit_checkpoint)))) AS uncovered_since,
                  (SELECT count(*) FROM (SELECT FROM audit_pending LIMIT 100001) AS found) AS "unsealed!",
                  (SELECT count(*) FROM (SELECT FROM held_close LIMIT 100001) AS found) AS "closes_held!",
                  (SELECT count(*) FROM (SELECT FROM status_pending LIMIT 100001) AS found) AS "unpublished!",
                  (SELECT count(*) FROM (SELECT FROM application WHERE state = 4 LIMIT 100001) AS found) AS "offers!""#,
        FEED,
    )
    .fetch_one(connection)
    .await?;
    Ok(Seen {
        unpositioned_since: row.unpositioned_since,
        uncovered_since: row.uncovered_since,
        unsealed: row.unsealed,
        closes_held: row.closes_held,
        unpublished: row.unpublished,
        offers: row.offers,
    })
}
