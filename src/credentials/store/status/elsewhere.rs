//! The SQL of status lists that are kept elsewhere.

use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::kernel::ids::{IssuerId, StatusListId};
use crate::platform::db::DbError;

/// Notes that somebody asks for lists: addresses, and whose keys sign them. What is not known yet is due at once.
///
/// # Errors
///
/// The database fails.
pub async fn want(
    connection: &mut PgConnection,
    uris: &[String],
    signers: &[i64],
    now: OffsetDateTime,
) -> Result<(), DbError> {
    sqlx::query!(
        "INSERT INTO status_list AS l (uri, issuer_id, bits, created_at, wanted_at, due_at)
         SELECT w.uri, w.signer, 2, $3, $3, $3 FROM unnest($1::text[], $2::bigint[]) AS w(uri, signer) ORDER BY w.uri
         ON CONFLICT ON CONSTRAINT status_list_uri_unique DO UPDATE SET wanted_at = excluded.wanted_at
         WHERE l.shard IS NULL",
        uris,
        signers,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// A list whose turn it is to be fetched.
#[derive(Debug)]
pub struct Due {
    /// Its number.
    pub id: StatusListId,
    /// Its address.
    pub uri: String,
    /// Whose keys sign it.
    pub signer: IssuerId,
    /// Its entries as they were had last, compressed.
    pub entries: Option<Vec<u8>>,
    /// Bits of an entry then.
    pub bits: i16,
    /// When it was signed then.
    pub issued_at: Option<OffsetDateTime>,
    /// How often in a row it could not be had.
    pub failures: i32,
}

/// Takes a list whose turn it is, and that somebody asked for since `wanted_since` or follows; nobody else takes it before `again_at`.
///
/// # Errors
///
/// The database fails.
pub async fn take_due(
    connection: &mut PgConnection,
    now: OffsetDateTime,
    (wanted_since, again_at): (OffsetDateTime, OffsetDateTime),
) -> Result<Option<Due>, DbError> {
    let list = sqlx::query_as!(
        Due,
        r#"UPDATE status_list SET due_at = $3 WHERE list_id = (
               SELECT l.list_id FROM status_list l
               WHERE l.shard IS NULL AND l.due_at <= $1
                 AND (l.wanted_at >= $2
                      OR EXISTS (SELECT 1 FROM credential_follow f WHERE f.list_id = l.list_id AND f.until > $1))
               ORDER BY l.due_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)
           RETURNING list_id AS "id: StatusListId", uri, issuer_id AS "signer: IssuerId", entries, bits, issued_at, failures"#,
        now,
        wanted_since,
        again_at,
    )
    .fetch_optional(connection)
    .await?;
    Ok(list)
}

/// A list as it was had.
#[derive(Debug)]
pub struct Had<'a> {
    /// Which.
    pub list: StatusListId,
    /// The token.
    pub token: &'a [u8],
    /// Its entries, compressed.
    pub entries: &'a [u8],
    /// Bits of an entry.
    pub bits: i16,
    /// `iat`.
    pub issued_at: OffsetDateTime,
    /// `exp`.
    pub expires_at: Option<OffsetDateTime>,
    /// `ttl`.
    pub ttl_s: Option<i32>,
    /// When.
    pub fetched_at: OffsetDateTime,
    /// When it is to be had again.
    pub due_at: OffsetDateTime,
}

/// Stores a list that was had, and keeps its entries for verdicts to be given again if they are others than before.
///
/// # Errors
///
/// The database fails.
pub async fn store(
    connection: &mut PgConnection,
    had: &Had<'_>,
    is_other: bool,
) -> Result<(), DbError> {
    sqlx::query!(
        "WITH had AS (
             UPDATE status_list SET token = $2, entries = $3, bits = $4, issued_at = $5, expires_at = $6, ttl_s = $7,
                    fetched_at = $8, due_at = $9, version = version + 1, failures = 0, failure = NULL
             WHERE list_id = $1 RETURNING list_id, version)
         INSERT INTO status_list_version (list_id, version, entries, bits, fetched_at)
         SELECT list_id, version, $3, $4, $8 FROM had WHERE $10",
        had.list.0,
        had.token,
        had.entries,
        had.bits,
        had.issued_at,
        had.expires_at,
        had.ttl_s,
        had.fetched_at,
        had.due_at,
        is_other,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes down why a list could not be had, and when it is tried again.
///
/// # Errors
///
/// The database fails.
pub async fn fail(
    connection: &mut PgConnection,
    list: StatusListId,
    failure: &str,
    due_at: OffsetDateTime,
) -> Result<(), DbError> {
    sqlx::query!(
        "UPDATE status_list SET failure = $2, due_at = $3, failures = failures + 1 WHERE list_id = $1",
        list.0,
        failure,
        due_at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Somebody who follows a place.
#[derive(Debug)]
pub struct Follower {
    /// Which place.
    pub index: i64,
    /// Digest of the credential.
    pub digest: Vec<u8>,
    /// Who.
    pub participant: i64,
}

/// Returns who follows places of a list, by place and credential.
///
/// # Errors
///
/// The database fails.
pub async fn followers(
    connection: &mut PgConnection,
    list: StatusListId,
    now: OffsetDateTime,
) -> Result<Vec<Follower>, DbError> {
    let followers = sqlx::query_as!(
        Follower,
        "SELECT DISTINCT idx AS index, digest, participant_id AS participant FROM credential_follow
         WHERE list_id = $1 AND until > $2 ORDER BY idx, digest, participant_id",
        list.0,
        now,
    )
    .fetch_all(connection)
    .await?;
    Ok(followers)
}
