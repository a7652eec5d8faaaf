//! The SQL of changes of credentials' statuses.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::credentials::domain::{CredentialId, Status};
use crate::credentials::store::status::Spot;
use crate::kernel::ids::StatusListId;
use crate::platform::db::{DbError, WriteTx};
use crate::platform::feed::event::Topic;

/// A credential that is about to change.
#[derive(Debug)]
pub struct Held {
    /// Its id.
    pub id: Uuid,
    /// SHA-256 of the issuer-signed part.
    pub digest: Vec<u8>,
    /// Number of its status.
    pub status: i16,
    /// Its status list.
    pub list: Option<StatusListId>,
    /// Its place there.
    pub index: Option<i64>,
}

/// Takes hold of credentials of the permit's holder, in the order of their ids, until the transaction ends.
///
/// # Errors
///
/// The database fails.
pub async fn hold(tx: &mut WriteTx, ids: &[CredentialId]) -> Result<Vec<Held>, DbError> {
    let participant = tx.permit().participant().map_or(0, |id| id.0);
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let held = sqlx::query_as!(
        Held,
        r#"SELECT credential_id AS id, digest, status, list_id AS "list: StatusListId", idx AS index FROM credential
           WHERE credential_id = ANY($1) AND participant_id = $2 ORDER BY credential_id FOR NO KEY UPDATE"#,
        &ids,
        participant,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(held)
}

/// Changes the status of credentials that are held, and writes it into their history and down for the publisher. Returns the numbers
/// of the changes in the order of the ids.
///
/// # Errors
///
/// The database fails.
pub async fn change(
    tx: &mut WriteTx,
    ids: &[Uuid],
    (status, reason): (Status, i16),
    at: OffsetDateTime,
) -> Result<Vec<i64>, DbError> {
    let rows = sqlx::query!(
        r#"WITH changed AS (
               UPDATE credential c SET status = $2 WHERE c.credential_id = ANY($1) RETURNING c.credential_id, c.list_id, c.idx
           ), history AS (
               INSERT INTO credential_status_change (credential_id, status, reason, at)
               SELECT c.credential_id, $2, $3, $4 FROM changed c ORDER BY c.credential_id
               RETURNING change_id, credential_id
           ), waiting AS (
               INSERT INTO status_pending (change_id, list_id, idx, status)
               SELECT h.change_id, c.list_id, c.idx, $2 FROM history h JOIN changed c ON c.credential_id = h.credential_id
               WHERE c.list_id IS NOT NULL
           )
           SELECT change_id, credential_id FROM history ORDER BY credential_id"#,
        ids,
        status.number(),
        reason,
        at,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(rows.into_iter().map(|row| row.change_id).collect())
}

/// Returns who follows each of some places: participants by the place's number in the order given.
///
/// # Errors
///
/// The database fails.
pub async fn followers(
    tx: &mut WriteTx,
    spots: &[Spot],
    now: OffsetDateTime,
) -> Result<Vec<Vec<i64>>, DbError> {
    let (lists, places): (Vec<i64>, Vec<i64>) =
        spots.iter().map(|it| (it.list.0, it.index)).unzip();
    let rows = sqlx::query!(
        r#"SELECT status_followers(s.list_id, s.idx, $3) AS "followers!"
           FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS s(list_id, idx, item) ORDER BY s.item"#,
        &lists,
        &places,
        now,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(rows.into_iter().map(|row| row.followers).collect())
}

/// An event of the feed about a status.
#[derive(Debug)]
pub struct StatusEvent {
    /// Number of the change.
    pub change: i64,
    /// What followers are told, encoded.
    pub header: Vec<u8>,
    /// The place, encoded.
    pub spot: Vec<u8>,
    /// Whom it concerns.
    pub facets: Vec<String>,
}

/// Writes events into the feed.
///
/// # Errors
///
/// The database fails.
pub async fn tell(
    connection: &mut sqlx::PgConnection,
    events: &[StatusEvent],
    at: OffsetDateTime,
) -> Result<(), DbError> {
    let changes: Vec<i64> = events.iter().map(|it| it.change).collect();
    let headers: Vec<Vec<u8>> = events.iter().map(|it| it.header.clone()).collect();
    let spots: Vec<Vec<u8>> = events.iter().map(|it| it.spot.clone()).collect();
    let facets: Vec<String> = events.iter().map(|it| it.facets.join(" ")).collect();
    sqlx::query!(
        "INSERT INTO change_log (at, topic, entity_id, revision, header, body, facets)
         SELECT $1, $2, e.change, 1, e.header, e.spot, string_to_array(e.facets, ' ')
         FROM unnest($3::bigint[], $4::bytea[], $5::bytea[], $6::text[]) AS e(change, header, spot, facets)",
        at,
        Topic::CredentialStatus.number(),
        &changes,
        &headers,
        &spots,
        &facets,
    )
    .execute(connection)
    .await?;
    Ok(())
}
