//! The SQL of credentials that applications rest on: what was verified is joined by the entry of the trail that says so.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::kernel::ids::ParticipantId;
use crate::platform::db::{DbError, WriteTx};
use crate::subsidies::application::ApplicationId;

/// A verification of a participant, as the audit trail has it.
#[derive(Clone, Debug)]
pub struct Verified {
    /// `credentials/HANDLE: TYPE OUTCOME`.
    pub subject: String,
    /// Whose credential it was; absent when the hub does not know.
    pub worker_id: Option<Uuid>,
}

/// Returns a verification of a participant by the name of its entry.
///
/// # Errors
///
/// The database fails.
pub async fn verified(
    tx: &mut WriteTx,
    participant: ParticipantId,
    entry_id: Uuid,
) -> Result<Option<Verified>, DbError> {
    let row = sqlx::query_as!(
        Verified,
        "SELECT subject, worker_id FROM audit
         WHERE entry_id = $1 AND participant_id = $2 AND refusal = '' AND event = 'credential.verified'",
        entry_id,
        participant.0,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row)
}

/// The place of a credential in its status list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot {
    /// The list.
    pub list_id: i64,
    /// The place.
    pub index: i64,
}

/// Returns where the status of a credential stands that a participant follows by a name of its own, with its digest.
///
/// # Errors
///
/// The database fails.
pub async fn followed(
    tx: &mut WriteTx,
    participant: ParticipantId,
    handle: &str,
) -> Result<Option<(Spot, Vec<u8>)>, DbError> {
    let row = sqlx::query!(
        "SELECT list_id, idx, digest FROM credential_follow WHERE participant_id = $1 AND handle = $2 LIMIT 1",
        participant.0,
        handle,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row.map(|row| (Spot { list_id: row.list_id, index: row.idx }, row.digest)))
}

/// A credential that an application rests on.
#[derive(Clone, Debug)]
pub struct Rested {
    /// Name of the fact that it shows.
    pub fact: String,
    /// Its place.
    pub spot: Spot,
    /// The entry of its verification.
    pub entry_id: Uuid,
}

/// Notes what an application rests on now, in the place of what was noted before for the same facts; `stated` are all facts that were
/// stated anew, on whatever they rest.
///
/// # Errors
///
/// The database fails.
pub async fn note(
    tx: &mut WriteTx,
    id: ApplicationId,
    stated: &[String],
    rested: &[Rested],
) -> Result<(), DbError> {
    sqlx::query!(
        "DELETE FROM application_credential WHERE application_id = $1 AND fact = ANY ($2)",
        id as ApplicationId,
        stated,
    )
    .execute(tx.connection())
    .await?;
    let facts: Vec<String> = rested.iter().map(|it| it.fact.clone()).collect();
    let lists: Vec<i64> = rested.iter().map(|it| it.spot.list_id).collect();
    let places: Vec<i64> = rested.iter().map(|it| it.spot.index).collect();
    let entries: Vec<Uuid> = rested.iter().map(|it| it.entry_id).collect();
    sqlx::query!(
        "INSERT INTO application_credential (application_id, fact, list_id, idx, entry_id)
         SELECT $1, c.fact, c.list_id, c.idx, c.entry_id
         FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::uuid[]) AS c(fact, list_id, idx, entry_id)",
        id as ApplicationId,
        &facts,
        &lists,
        &places,
        &entries,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Returns whether an application rests on a credential that does not stand any more.
///
/// # Errors
///
/// The database fails.
pub async fn is_shaken(tx: &mut WriteTx, id: ApplicationId) -> Result<bool, DbError> {
    let is_shaken = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM application_credential WHERE application_id = $1 AND ended_at IS NOT NULL) AS "is!""#,
        id as ApplicationId,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(is_shaken)
}

/// Returns which applications rest on a credential, by the place of its status. Asked by the hub.
///
/// # Errors
///
/// The database fails.
pub async fn resting_on(
    connection: &mut PgConnection,
    spot: Spot,
) -> Result<Vec<ApplicationId>, DbError> {
    let ids = sqlx::query_scalar!(
        r#"SELECT DISTINCT application_id AS "id: ApplicationId" FROM application_credential
           WHERE list_id = $1 AND idx = $2 AND ended_at IS NULL"#,
        spot.list_id,
        spot.index,
    )
    .fetch_all(connection)
    .await?;
    Ok(ids)
}

/// Returns places of credentials that applications rest on and that do not stand any more, as the hub's own register has it: what
/// changed before an application rested on it, or while nobody followed.
///
/// # Errors
///
/// The database fails.
pub async fn fallen(connection: &mut PgConnection, limit: i64) -> Result<Vec<Spot>, DbError> {
    let rows = sqlx::query!(
        "SELECT DISTINCT e.list_id, e.idx FROM application_credential e
         JOIN credential c ON c.list_id = e.list_id AND c.idx = e.idx
         WHERE e.ended_at IS NULL AND c.status <> 1 LIMIT $1",
        limit,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| Spot { list_id: row.list_id, index: row.idx }).collect())
}

/// Notes that a credential that an application rests on does not stand any more. Returns the facts that it showed; none when that was
/// noted before.
///
/// # Errors
///
/// The database fails.
pub async fn end(
    tx: &mut WriteTx,
    id: ApplicationId,
    spot: Spot,
    now: time::OffsetDateTime,
) -> Result<Vec<String>, DbError> {
    let facts = sqlx::query_scalar!(
        "UPDATE application_credential SET ended_at = $4
         WHERE application_id = $1 AND list_id = $2 AND idx = $3 AND ended_at IS NULL RETURNING fact",
        id as ApplicationId,
        spot.list_id,
        spot.index,
        now,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(facts)
}

/// Returns whether any application rests on a credential that stands.
///
/// # Errors
///
/// The database fails.
pub async fn is_anything_resting(connection: &mut PgConnection) -> Result<bool, DbError> {
    let is = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM application_credential WHERE ended_at IS NULL) AS "is!""#
    )
    .fetch_one(connection)
    .await?;
    Ok(is)
}

/// Returns how far the feed has been read; `None` before the first time.
///
/// # Errors
///
/// The database fails.
pub async fn position(connection: &mut PgConnection) -> Result<Option<(Uuid, i64)>, DbError> {
    let row = sqlx::query!("SELECT epoch, seq FROM application_follow")
        .fetch_optional(connection)
        .await?;
    Ok(row.map(|row| (row.epoch, row.seq)))
}

/// Notes how far the feed has been read.
///
/// # Errors
///
/// The database fails.
pub async fn advance(connection: &mut PgConnection, epoch: Uuid, seq: i64) -> Result<(), DbError> {
    sqlx::query!(
        "INSERT INTO application_follow AS f (epoch, seq) VALUES ($1, $2)
         ON CONFLICT (is_only) DO UPDATE SET epoch = excluded.epoch, seq = excluded.seq
         WHERE f.epoch <> excluded.epoch OR f.seq < excluded.seq",
        epoch,
        seq,
    )
    .execute(connection)
    .await?;
    Ok(())
}
