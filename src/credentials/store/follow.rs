//! The SQL of following credentials, and of what the hub knows of those that are presented.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::platform::db::{DbError, WriteTx};

/// What the hub knows of a credential that was issued or deposited here.
#[derive(Clone, Debug)]
pub struct Known {
    /// SHA-256 of the issuer-signed part.
    pub digest: Vec<u8>,
    /// Whose it is.
    pub worker_id: Option<Uuid>,
    /// Since when the hub can prove that it was there.
    pub registered_at: OffsetDateTime,
}

/// Returns what is known of some credentials. Asked by the hub: it is no business of who verifies.
///
/// # Errors
///
/// The database fails.
pub async fn known(
    connection: &mut PgConnection,
    digests: &[&[u8]],
) -> Result<Vec<Known>, DbError> {
    let rows = sqlx::query_as!(
        Known,
        "SELECT digest, worker_id, registered_at FROM credential WHERE digest = ANY ($1)",
        digests as &[&[u8]],
    )
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// Credentials that are to be followed, column by column.
#[derive(Clone, Debug, Default)]
pub struct Following {
    /// Addresses of their status lists.
    pub uris: Vec<String>,
    /// Places in them.
    pub places: Vec<i64>,
    /// The participant's names for them.
    pub handles: Vec<String>,
    /// Their digests.
    pub digests: Vec<Vec<u8>>,
    /// Until when.
    pub until: Vec<OffsetDateTime>,
}

/// How a followed credential stands in the database.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Which, counted from 0.
    pub item: i64,
    /// Number of its status in the contract.
    pub status: i16,
}

/// Follows credentials, and returns how those stand that the hub knows. Who changes a status meanwhile either has done so before, and
/// it is returned, or waits and finds the participant among the followers.
///
/// # Errors
///
/// The database fails.
pub async fn follow(
    tx: &mut WriteTx,
    following: &Following,
    now: OffsetDateTime,
) -> Result<Vec<Standing>, DbError> {
    let participant = tx.permit().participant().map_or(0, |id| id.0);
    sqlx::query!(
        "WITH over AS (
             DELETE FROM credential_follow WHERE participant_id = $1 AND until <= $2)
         INSERT INTO credential_follow (list_id, idx, participant_id, handle, digest, until)
         SELECT DISTINCT ON (l.list_id, f.idx, f.handle) l.list_id, f.idx, $1, f.handle, f.digest, f.until
         FROM unnest($3::text[], $4::bigint[], $5::text[], $6::bytea[], $7::timestamptz[]) AS f(uri, idx, handle, digest, until)
         JOIN status_list l ON l.uri = f.uri
         ORDER BY l.list_id, f.idx, f.handle
         ON CONFLICT ON CONSTRAINT credential_follow_pkey DO UPDATE SET until = excluded.until",
        participant,
        now,
        &following.uris,
        &following.places,
        &following.handles,
        &following.digests,
        &following.until,
    )
    .execute(tx.connection())
    .await?;
    let rows = sqlx::query_as!(
        Standing,
        r#"SELECT s.item AS "item!", s.status AS "status!" FROM status_standing($1, $2) AS s"#,
        &following.uris,
        &following.places,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(rows)
}

/// Ends following. Returns how many were followed.
///
/// # Errors
///
/// The database fails.
pub async fn unfollow(tx: &mut WriteTx, handles: &[String]) -> Result<u64, DbError> {
    let participant = tx.permit().participant().map_or(0, |id| id.0);
    let ended = sqlx::query!(
        "DELETE FROM credential_follow WHERE participant_id = $1 AND handle = ANY ($2)",
        participant,
        handles,
    )
    .execute(tx.connection())
    .await?;
    Ok(ended.rows_affected())
}
