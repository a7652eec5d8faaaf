//! The SQL of what was issued or deposited.

pub mod changes;

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::credentials::domain::{CredentialId, Status};
use crate::credentials::store::status::Spot;
use crate::kernel::ids::{CredentialTypeId, IssuerId, IssuerKeyId};
use crate::platform::db::{DbError, WriteTx};
use crate::platform::permit::Permit;

/// What credentials that are stored together have in common.
#[derive(Clone, Copy, Debug)]
pub struct Common {
    /// The issuer.
    pub issuer: IssuerId,
    /// The version of the type.
    pub type_id: CredentialTypeId,
    /// The key that signed.
    pub key: IssuerKeyId,
    /// The worker, if the hub knows.
    pub worker: Option<Uuid>,
    /// `iat`.
    pub issued_at: OffsetDateTime,
    /// `nbf`.
    pub valid_from: Option<OffsetDateTime>,
    /// `exp`.
    pub valid_until: Option<OffsetDateTime>,
    /// Whether the issuer signed by itself.
    pub deposited: bool,
    /// Since when the hub can prove that it was there.
    pub registered_at: OffsetDateTime,
}

/// What each of them has for itself.
#[derive(Clone, Debug)]
pub struct Single {
    /// Its id.
    pub id: CredentialId,
    /// SHA-256 of the issuer-signed part.
    pub digest: [u8; 32],
    /// Its place.
    pub spot: Option<Spot>,
}

/// Stores credentials of the permit's holder.
///
/// # Errors
///
/// The database fails; a place or a digest that is there already breaks a constraint.
pub async fn add(tx: &mut WriteTx, common: &Common, singles: &[Single]) -> Result<(), DbError> {
    let participant = tx.permit().participant().map_or(0, |id| id.0);
    let ids: Vec<Uuid> = singles.iter().map(|it| it.id.0).collect();
    let digests: Vec<Vec<u8>> = singles.iter().map(|it| it.digest.to_vec()).collect();
    let (lists, places): (Vec<Option<i64>>, Vec<Option<i64>>) =
        singles.iter().map(|it| (it.spot.map(|it| it.list.0), it.spot.map(|it| it.index))).unzip();
    sqlx::query!(
        "INSERT INTO credential (credential_id, participant_id, issuer_id, type_id, issuer_key_id, digest, worker_id,
                                 issued_at, valid_from, valid_until, list_id, idx, deposited, registered_at)
         SELECT s.id, $5, $6, $7, $8, s.digest, $9, $10, $11, $12, s.list_id, s.idx, $13, $14
         FROM unnest($1::uuid[], $2::bytea[], $3::bigint[], $4::bigint[]) AS s(id, digest, list_id, idx)",
        &ids,
        &digests,
        &lists as &[Option<i64>],
        &places as &[Option<i64>],
        participant,
        common.issuer.0,
        common.type_id.0,
        common.key.0,
        common.worker,
        common.issued_at,
        common.valid_from,
        common.valid_until,
        common.deposited,
        common.registered_at,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// What is kept of a credential.
#[derive(Debug)]
pub struct Kept {
    /// Its id.
    pub id: Uuid,
    /// Short name of its issuer.
    pub issuer: String,
    /// Name of its type.
    pub type_name: String,
    /// Version of its type.
    pub type_version: i32,
    /// Id of the key that signed it.
    pub key_id: String,
    /// SHA-256 of the issuer-signed part.
    pub digest: Vec<u8>,
    /// The owner's reference to the worker.
    pub reference: Option<Uuid>,
    /// `iat`.
    pub issued_at: OffsetDateTime,
    /// `nbf`.
    pub valid_from: Option<OffsetDateTime>,
    /// `exp`.
    pub valid_until: Option<OffsetDateTime>,
    /// Number of its status.
    pub status: i16,
    /// Address of its status list.
    pub uri: Option<String>,
    /// Its place there.
    pub index: Option<i64>,
    /// Whether the issuer signed it by itself.
    pub deposited: bool,
}

/// Returns a credential of a permit's holder.
///
/// # Errors
///
/// The database fails.
pub async fn one(
    connection: &mut PgConnection,
    permit: &Permit,
    id: CredentialId,
) -> Result<Option<Kept>, DbError> {
    let kept = sqlx::query_as!(
        Kept,
        r#"SELECT c.credential_id AS id, i.name AS issuer, t.name AS type_name, t.version AS type_version, k.key_id,
                  c.digest, r.reference AS "reference?", c.issued_at, c.valid_from, c.valid_until, c.status,
                  l.uri AS "uri?", c.idx AS index, c.deposited
           FROM credential c
           JOIN issuer i ON i.issuer_id = c.issuer_id
           JOIN credential_type t ON t.type_id = c.type_id
           JOIN issuer_key k ON k.issuer_key_id = c.issuer_key_id
           LEFT JOIN status_list l ON l.list_id = c.list_id
           LEFT JOIN worker_reference r ON r.worker_id = c.worker_id AND r.participant_id = c.participant_id
           WHERE c.credential_id = $1 AND c.participant_id = $2"#,
        id.0,
        permit.participant().map_or(0, |id| id.0),
    )
    .fetch_optional(connection)
    .await?;
    Ok(kept)
}

/// What a list of credentials is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Criteria<'a> {
    /// Of which issuer.
    pub issuer: IssuerId,
    /// Only those of this type.
    pub type_name: Option<&'a str>,
    /// Only those of this worker.
    pub worker: Option<Uuid>,
    /// Only those that stand so.
    pub status: Option<Status>,
    /// Only those that were issued before this one.
    pub before: Option<Uuid>,
    /// Most of them.
    pub limit: i64,
}

/// Returns credentials of a permit's holder, the newest first.
///
/// # Errors
///
/// The database fails.
pub async fn list(
    connection: &mut PgConnection,
    permit: &Permit,
    criteria: Criteria<'_>,
) -> Result<Vec<Kept>, DbError> {
    let kept = sqlx::query_as!(
        Kept,
        r#"SELECT c.credential_id AS id, i.name AS issuer, t.name AS type_name, t.version AS type_version, k.key_id,
                  c.digest, r.reference AS "reference?", c.issued_at, c.valid_from, c.valid_until, c.status,
                  l.uri AS "uri?", c.idx AS index, c.deposited
           FROM credential c
           JOIN issuer i ON i.issuer_id = c.issuer_id
           JOIN credential_type t ON t.type_id = c.type_id
           JOIN issuer_key k ON k.issuer_key_id = c.issuer_key_id
           LEFT JOIN status_list l ON l.list_id = c.list_id
           LEFT JOIN worker_reference r ON r.worker_id = c.worker_id AND r.participant_id = c.participant_id
           WHERE c.issuer_id = $1 AND c.participant_id = $2 AND ($3::text IS NULL OR t.name = $3)
             AND ($4::uuid IS NULL OR c.worker_id = $4) AND ($5::smallint IS NULL OR c.status = $5)
             AND ($6::uuid IS NULL OR c.credential_id < $6)
           ORDER BY c.credential_id DESC LIMIT $7"#,
        criteria.issuer.0,
        permit.participant().map_or(0, |id| id.0),
        criteria.type_name,
        criteria.worker,
        criteria.status.map(Status::number),
        criteria.before,
        criteria.limit,
    )
    .fetch_all(connection)
    .await?;
    Ok(kept)
}

/// A change of a status.
#[derive(Clone, Copy, Debug)]
pub struct Changed {
    /// Of which credential.
    pub credential: Uuid,
    /// Number of the status since.
    pub status: i16,
    /// Number of the reason.
    pub reason: i16,
    /// Since when.
    pub at: OffsetDateTime,
}

/// Returns the changes of some credentials, the newest first.
///
/// # Errors
///
/// The database fails.
pub async fn changes_of(
    connection: &mut PgConnection,
    ids: &[Uuid],
) -> Result<Vec<Changed>, DbError> {
    let changes = sqlx::query_as!(
        Changed,
        "SELECT credential_id AS credential, status, reason, at FROM credential_status_change
         WHERE credential_id = ANY($1) ORDER BY change_id DESC",
        ids,
    )
    .fetch_all(connection)
    .await?;
    Ok(changes)
}
