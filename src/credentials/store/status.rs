//! The SQL of status lists: reading them, and what waits to get into them.

pub mod elsewhere;
pub mod publishing;

use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::kernel::ids::{IssuerId, StatusListId};
use crate::platform::db::{DbError, ReadTx};

/// A list as it stands in the database.
#[derive(Debug)]
pub struct StoredList {
    /// Its number.
    pub id: StatusListId,
    /// Its address.
    pub uri: String,
    /// Whose it is, if the hub keeps it; otherwise whose key signed it.
    pub issuer: IssuerId,
    /// Whether the hub keeps it.
    pub kept_here: bool,
    /// Bits of an entry.
    pub bits: i16,
    /// Its entries, compressed; `None` when there are none yet.
    pub entries: Option<Vec<u8>>,
    /// Rises with every change.
    pub version: i64,
    /// When it was signed.
    pub issued_at: Option<OffsetDateTime>,
    /// When it was fetched.
    pub fetched_at: Option<OffsetDateTime>,
    /// Until when it counts.
    pub expires_at: Option<OffsetDateTime>,
    /// For how long after it was fetched it may be taken for the present, in seconds.
    pub ttl_s: Option<i32>,
    /// Whether the last try to have it failed.
    pub has_failed: bool,
}

/// A change that is not in its list yet.
#[derive(Clone, Copy, Debug)]
pub struct Pending {
    /// Which list.
    pub list: StatusListId,
    /// Which place.
    pub index: i64,
    /// Number of the status.
    pub status: i16,
}

/// Returns the counter of changes of lists, and whether some changes are not in their lists yet.
///
/// # Errors
///
/// The database fails.
pub async fn probe(connection: &mut PgConnection) -> Result<(i64, bool), DbError> {
    let row = sqlx::query!(
        r#"SELECT e.status, EXISTS (SELECT 1 FROM status_pending) AS "pending!" FROM credential_epoch e"#
    )
    .fetch_one(connection)
    .await?;
    Ok((row.status, row.pending))
}

/// Returns the lists at some addresses.
///
/// # Errors
///
/// The database fails.
pub async fn lists_at(
    connection: &mut PgConnection,
    uris: &[String],
) -> Result<Vec<StoredList>, DbError> {
    let lists = sqlx::query_as!(
        StoredList,
        r#"SELECT list_id AS "id: StatusListId", uri, issuer_id AS "issuer: IssuerId",
                  shard IS NOT NULL AS "kept_here!", bits, entries, version, issued_at, fetched_at, expires_at, ttl_s,
                  failures > 0 AS "has_failed!"
           FROM status_list WHERE uri = ANY($1)"#,
        uris,
    )
    .fetch_all(connection)
    .await?;
    Ok(lists)
}

/// Returns those of some lists that have a newer version than one has.
///
/// # Errors
///
/// The database fails.
pub async fn newer_lists(
    connection: &mut PgConnection,
    ids: &[i64],
    versions: &[i64],
) -> Result<Vec<StoredList>, DbError> {
    let lists = sqlx::query_as!(
        StoredList,
        r#"SELECT l.list_id AS "id: StatusListId", l.uri, l.issuer_id AS "issuer: IssuerId",
                  l.shard IS NOT NULL AS "kept_here!", l.bits, l.entries, l.version, l.issued_at, l.fetched_at,
                  l.expires_at, l.ttl_s, l.failures > 0 AS "has_failed!"
           FROM unnest($1::bigint[], $2::bigint[]) AS known(list_id, version)
           JOIN status_list l ON l.list_id = known.list_id AND l.version > known.version"#,
        ids,
        versions,
    )
    .fetch_all(connection)
    .await?;
    Ok(lists)
}

/// Returns changes that are not in some lists yet, in their order, at most `limit`.
///
/// # Errors
///
/// The database fails.
pub async fn pending(
    connection: &mut PgConnection,
    lists: &[i64],
    limit: i64,
) -> Result<Vec<Pending>, DbError> {
    let changes = sqlx::query_as!(
        Pending,
        r#"SELECT list_id AS "list: StatusListId", idx AS index, status FROM status_pending
           WHERE list_id = ANY($1) ORDER BY change_id LIMIT $2"#,
        lists,
        limit,
    )
    .fetch_all(connection)
    .await?;
    Ok(changes)
}

/// Raises the counter of changes of lists. Last in its transaction: whoever does so waits for whoever did before.
///
/// # Errors
///
/// The database fails.
pub async fn raise_epoch(connection: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query!("UPDATE credential_epoch SET status = status + 1").execute(connection).await?;
    Ok(())
}

/// Returns the newest status that a change gave a place, as of an instant; `None` when nothing had changed it.
///
/// # Errors
///
/// The database fails.
pub async fn status_at(
    connection: &mut PgConnection,
    list: StatusListId,
    index: i64,
    at: OffsetDateTime,
) -> Result<Option<i16>, DbError> {
    let status = sqlx::query_scalar!(
        "SELECT h.status FROM credential c JOIN credential_status_change h ON h.credential_id = c.credential_id
         WHERE c.list_id = $1 AND c.idx = $2 AND h.at <= $3 ORDER BY h.change_id DESC LIMIT 1",
        list.0,
        index,
        at,
    )
    .fetch_optional(connection)
    .await?;
    Ok(status)
}

/// Returns the entries of a list that is kept elsewhere as they were known at an instant, and since when: bits, entries, instant.
///
/// # Errors
///
/// The database fails.
pub async fn entries_at(
    connection: &mut PgConnection,
    list: StatusListId,
    at: OffsetDateTime,
) -> Result<Option<(i16, Vec<u8>, OffsetDateTime)>, DbError> {
    let row = sqlx::query!(
        "SELECT bits, entries, fetched_at FROM status_list_version WHERE list_id = $1 AND fetched_at <= $2
         ORDER BY version DESC LIMIT 1",
        list.0,
        at,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| (row.bits, row.entries, row.fetched_at)))
}

/// A place in a list, as events of the feed have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot {
    /// Which list.
    pub list: StatusListId,
    /// Which place.
    pub index: i64,
}

impl Spot {
    /// Returns it as bytes.
    #[must_use]
    pub fn encoded(self) -> Vec<u8> {
        [self.list.0.to_be_bytes(), self.index.to_be_bytes()].concat()
    }

    /// Reads what [`Spot::encoded`] wrote, or returns `None`.
    #[must_use]
    pub fn decoded(bytes: &[u8]) -> Option<Self> {
        let (list, rest) = bytes.split_first_chunk::<8>()?;
        let index = rest.first_chunk::<8>().filter(|it| it.len() == rest.len())?;
        let list = StatusListId(i64::from_be_bytes(*list));
        Some(Self { list, index: i64::from_be_bytes(*index) })
    }
}

/// Returns the permit's holder's own name for the credential at a place; `None` when it does not follow it.
///
/// # Errors
///
/// The database fails.
pub async fn handle(tx: &mut ReadTx, spot: Spot) -> Result<Option<String>, DbError> {
    let participant = tx.permit().participant().map_or(0, |id| id.0);
    let handle = sqlx::query_scalar!(
        "SELECT handle FROM credential_follow WHERE list_id = $1 AND idx = $2 AND participant_id = $3
         ORDER BY handle LIMIT 1",
        spot.list.0,
        spot.index,
        participant,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(handle)
}
