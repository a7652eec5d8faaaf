//! The SQL of places in status lists.

use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::credentials::store::status::Spot;
use crate::kernel::ids::{IssuerId, StatusListId};
use crate::platform::db::{DbError, WriteTx};

/// Takes the next numbers of an issuer's places, so many that nobody else gets; returns the first.
///
/// # Errors
///
/// The database fails.
pub async fn lease(
    connection: &mut PgConnection,
    issuer: IssuerId,
    count: i64,
) -> Result<i64, DbError> {
    let next = sqlx::query_scalar!(
        "INSERT INTO issuer_status_place AS p (issuer_id, next) VALUES ($1, $2)
         ON CONFLICT (issuer_id) DO UPDATE SET next = p.next + $2 RETURNING next",
        issuer.0,
        count,
    )
    .fetch_one(connection)
    .await?;
    Ok(next - count)
}

/// Begins a new list of every issuer. After a restore to an earlier state: places of the lists of before may have been given out since.
///
/// # Errors
///
/// The database fails.
pub async fn begin_new_lists(connection: &mut PgConnection, places: i64) -> Result<u64, DbError> {
    let begun = sqlx::query!("UPDATE issuer_status_place SET next = (next / $1 + 2) * $1", places)
        .execute(connection)
        .await?;
    Ok(begun.rows_affected())
}

/// Returns one of an issuer's lists, and makes it if it is not there.
///
/// # Errors
///
/// The database fails.
pub async fn shard(
    connection: &mut PgConnection,
    issuer: IssuerId,
    (shard, uri): (i64, &str),
    now: OffsetDateTime,
) -> Result<StatusListId, DbError> {
    sqlx::query!(
        "INSERT INTO status_list (uri, issuer_id, shard, bits, created_at) VALUES ($1, $2, $3, 2, $4)
         ON CONFLICT ON CONSTRAINT status_list_shard_unique DO NOTHING",
        uri,
        issuer.0,
        shard,
        now,
    )
    .execute(&mut *connection)
    .await?;
    let id = sqlx::query_scalar!(
        r#"SELECT list_id AS "id: StatusListId" FROM status_list WHERE issuer_id = $1 AND shard = $2"#,
        issuer.0,
        shard,
    )
    .fetch_one(connection)
    .await?;
    Ok(id)
}

/// Reserves places for the permit's holder, until deposits take them.
///
/// # Errors
///
/// The database fails.
pub async fn reserve(tx: &mut WriteTx, spots: &[Spot], now: OffsetDateTime) -> Result<(), DbError> {
    let participant = tx.permit().participant().map_or(0, |id| id.0);
    let (lists, places): (Vec<i64>, Vec<i64>) =
        spots.iter().map(|it| (it.list.0, it.index)).unzip();
    sqlx::query!(
        "INSERT INTO status_reservation (list_id, idx, participant_id, reserved_at)
         SELECT s.list_id, s.idx, $3, $4 FROM unnest($1::bigint[], $2::bigint[]) AS s(list_id, idx)",
        &lists,
        &places,
        participant,
        now,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Takes a place that the permit's holder has reserved in one of an issuer's lists. Returns the list; `None` when it has not.
///
/// # Errors
///
/// The database fails.
pub async fn take_reserved(
    tx: &mut WriteTx,
    issuer: IssuerId,
    (uri, index): (&str, i64),
) -> Result<Option<StatusListId>, DbError> {
    let participant = tx.permit().participant().map_or(0, |id| id.0);
    let list = sqlx::query_scalar!(
        r#"DELETE FROM status_reservation r USING status_list l
           WHERE l.list_id = r.list_id AND l.uri = $1 AND l.issuer_id = $2 AND r.idx = $3 AND r.participant_id = $4
           RETURNING r.list_id AS "list: StatusListId""#,
        uri,
        issuer.0,
        index,
        participant,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(list)
}

/// Returns whether a credential of the permit's holder has a place.
///
/// # Errors
///
/// The database fails.
pub async fn is_taken(
    tx: &mut WriteTx,
    issuer: IssuerId,
    (uri, index): (&str, i64),
) -> Result<bool, DbError> {
    let is_taken = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM credential c JOIN status_list l ON l.list_id = c.list_id
                          WHERE l.uri = $1 AND c.issuer_id = $2 AND c.idx = $3) AS "is_taken!""#,
        uri,
        issuer.0,
        index,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(is_taken)
}
