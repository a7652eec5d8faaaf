//! The SQL of the publisher: changes into their lists, and lists under their signatures. One replica has a list at a time; others
//! take another one.

use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::kernel::ids::{IssuerId, StatusListId};
use crate::platform::db::DbError;

/// A list that changes wait for.
#[derive(Debug)]
pub struct Touched {
    /// Its number.
    pub id: StatusListId,
    /// Its address.
    pub uri: String,
    /// Its entries, compressed; `None` when every one is 0.
    pub entries: Option<Vec<u8>>,
}

/// Takes a list that changes wait for and that no other replica has, until the transaction ends.
///
/// # Errors
///
/// The database fails.
pub async fn take_touched(connection: &mut PgConnection) -> Result<Option<Touched>, DbError> {
    // Issuing refers to the list's row with a key share, which this lock lets pass.
    let list = sqlx::query_as!(
        Touched,
        r#"SELECT l.list_id AS "id: StatusListId", l.uri, l.entries FROM status_list l
           WHERE l.list_id IN (SELECT p.list_id FROM status_pending p)
           ORDER BY l.list_id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED"#,
    )
    .fetch_optional(connection)
    .await?;
    Ok(list)
}

/// Takes the changes that wait for a list, in their order: place and number of the status.
///
/// # Errors
///
/// The database fails.
pub async fn take_changes(
    connection: &mut PgConnection,
    list: StatusListId,
) -> Result<Vec<(i64, i16)>, DbError> {
    let mut rows = sqlx::query!(
        "DELETE FROM status_pending WHERE list_id = $1 RETURNING change_id, idx, status",
        list.0,
    )
    .fetch_all(connection)
    .await?;
    rows.sort_by_key(|row| row.change_id);
    Ok(rows.into_iter().map(|row| (row.idx, row.status)).collect())
}

/// Stores the entries of a list after a change, and returns its version.
///
/// # Errors
///
/// The database fails.
pub async fn store_entries(
    connection: &mut PgConnection,
    list: StatusListId,
    entries: &[u8],
) -> Result<i64, DbError> {
    let version = sqlx::query_scalar!(
        "UPDATE status_list SET entries = $2, version = version + 1 WHERE list_id = $1 RETURNING version",
        list.0,
        entries,
    )
    .fetch_one(connection)
    .await?;
    Ok(version)
}

/// A list that is to be signed.
#[derive(Debug)]
pub struct Unsigned {
    /// Its number.
    pub id: StatusListId,
    /// Its address.
    pub uri: String,
    /// Whose it is.
    pub issuer: IssuerId,
    /// Its entries, compressed; `None` when every one is 0.
    pub entries: Option<Vec<u8>>,
    /// Which version of them.
    pub version: i64,
}

/// When lists are signed.
#[derive(Clone, Copy, Debug)]
pub struct Signing {
    /// The present.
    pub now: OffsetDateTime,
    /// What was signed before this is signed anew.
    pub signed_before: OffsetDateTime,
    /// What was published since waits: changes that come close together share a signature.
    pub published_before: OffsetDateTime,
    /// With fewer credentials that are still valid, a list is not published for the first time.
    pub population_min: i64,
}

/// Takes a list that is to be signed and that no other replica has, until the transaction ends: it has changed since it was signed,
/// or was signed long ago, or has become large enough to be published.
///
/// # Errors
///
/// The database fails.
pub async fn take_unsigned(
    connection: &mut PgConnection,
    signing: Signing,
) -> Result<Option<Unsigned>, DbError> {
    let list = sqlx::query_as!(
        Unsigned,
        r#"SELECT l.list_id AS "id: StatusListId", l.uri, l.issuer_id AS "issuer: IssuerId", l.entries, l.version
           FROM status_list l
           WHERE l.shard IS NOT NULL AND (l.due_at IS NULL OR l.due_at <= $1)
             AND (l.token IS NOT NULL AND l.published_at <= $4 AND (l.signed_version <> l.version OR l.issued_at < $2)
                  OR l.token IS NULL AND $3 <= (
                      SELECT count(*) FROM (SELECT 1 FROM credential c WHERE c.list_id = l.list_id
                                            AND (c.valid_until IS NULL OR c.valid_until > $1) LIMIT $3) AS live))
           ORDER BY l.list_id LIMIT 1 FOR NO KEY UPDATE OF l SKIP LOCKED"#,
        signing.now,
        signing.signed_before,
        signing.population_min,
        signing.published_before,
    )
    .fetch_optional(connection)
    .await?;
    Ok(list)
}

/// A list's token.
#[derive(Debug)]
pub struct Token<'a> {
    /// Which list.
    pub list: StatusListId,
    /// Which version of its entries it says.
    pub version: i64,
    /// The compact JWS.
    pub token: &'a str,
    /// `iat`.
    pub issued_at: OffsetDateTime,
    /// `exp`.
    pub expires_at: OffsetDateTime,
    /// `ttl`.
    pub ttl_s: i32,
    /// The present.
    pub published_at: OffsetDateTime,
}

/// Publishes a list.
///
/// # Errors
///
/// The database fails.
pub async fn publish(connection: &mut PgConnection, token: &Token<'_>) -> Result<(), DbError> {
    sqlx::query!(
        "UPDATE status_list SET token = $2, signed_version = $3, issued_at = $4, expires_at = $5, ttl_s = $6,
                published_at = $7, due_at = NULL, failures = 0, failure = NULL WHERE list_id = $1",
        token.list.0,
        token.token.as_bytes(),
        token.version,
        token.issued_at,
        token.expires_at,
        token.ttl_s,
        token.published_at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes down why a list was not signed, and when it is tried again. Returns how often in a row that failed.
///
/// # Errors
///
/// The database fails.
pub async fn postpone(
    connection: &mut PgConnection,
    list: StatusListId,
    failure: &str,
    due_at: OffsetDateTime,
) -> Result<i32, DbError> {
    let failures = sqlx::query_scalar!(
        "UPDATE status_list SET failure = $2, due_at = $3, failures = failures + 1 WHERE list_id = $1
         RETURNING failures",
        list.0,
        failure,
        due_at,
    )
    .fetch_one(connection)
    .await?;
    Ok(failures)
}

/// A list as it is served.
#[derive(Debug)]
pub struct Published {
    /// The compact JWS.
    pub token: Vec<u8>,
    /// `exp`.
    pub expires_at: Option<OffsetDateTime>,
    /// `ttl`.
    pub ttl_s: Option<i32>,
}

/// Returns a published list by its address.
///
/// # Errors
///
/// The database fails.
pub async fn published(
    connection: &mut PgConnection,
    uri: &str,
) -> Result<Option<Published>, DbError> {
    let list = sqlx::query_as!(
        Published,
        r#"SELECT token AS "token!", expires_at, ttl_s FROM status_list
           WHERE uri = $1 AND shard IS NOT NULL AND token IS NOT NULL"#,
        uri,
    )
    .fetch_optional(connection)
    .await?;
    Ok(list)
}

/// Returns the addresses of an issuer's published lists.
///
/// # Errors
///
/// The database fails.
pub async fn published_of(
    connection: &mut PgConnection,
    issuer: IssuerId,
) -> Result<Vec<String>, DbError> {
    let uris = sqlx::query_scalar!(
        "SELECT uri FROM status_list WHERE issuer_id = $1 AND shard IS NOT NULL AND token IS NOT NULL ORDER BY shard",
        issuer.0,
    )
    .fetch_all(connection)
    .await?;
    Ok(uris)
}
