//! The SQL that writes the registry: it adds, and says when something ended. Nothing is overwritten.

use time::OffsetDateTime;

use crate::credentials::domain::AccreditationId;
use crate::credentials::registry::entry::{Holding, KeyUse};
use crate::credentials::store::registry::Stamp;
use crate::kernel::ids::{CredentialTypeId, IssuerId, IssuerKeyId, ParticipantId};
use crate::platform::db::{DbError, WriteTx};

/// Begins a change of the registry: from here to the commit nobody else changes it.
///
/// # Errors
///
/// The database fails.
pub async fn begin(tx: &mut WriteTx, now: OffsetDateTime) -> Result<Stamp, DbError> {
    let revision =
        sqlx::query_scalar!("UPDATE credential_epoch SET trust = trust + 1 RETURNING trust")
            .fetch_one(tx.connection())
            .await?;
    Ok(Stamp { revision, now })
}

/// An issuer to be.
#[derive(Clone, Copy, Debug)]
pub struct NewIssuer<'a> {
    /// Short name.
    pub name: &'a str,
    /// `iss` of its credentials.
    pub identifier: &'a str,
    /// Official name.
    pub display_name: &'a str,
    /// Who owns it.
    pub owner: Option<ParticipantId>,
    /// Who registers it.
    pub registrar: ParticipantId,
    /// Which specifications it follows.
    pub profile: i16,
    /// Whether its keys are looked up.
    pub discovers_keys: bool,
}

/// Adds an issuer.
///
/// # Errors
///
/// `issuer_name_unique`, `issuer_identifier_unique`, or the database fails.
pub async fn add_issuer(
    tx: &mut WriteTx,
    issuer: NewIssuer<'_>,
    stamp: Stamp,
) -> Result<IssuerId, DbError> {
    let id = sqlx::query_scalar!(
        "INSERT INTO issuer (name, identifier, display_name, participant_id, registered_by, profile, discovers_keys, created_at,
                             revision)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING issuer_id",
        issuer.name,
        issuer.identifier,
        issuer.display_name,
        issuer.owner.map(|id| id.0),
        issuer.registrar.0,
        issuer.profile,
        issuer.discovers_keys,
        stamp.now,
        stamp.revision,
    )
    .fetch_one(tx.connection())
    .await?;
    sqlx::query!("INSERT INTO issuer_status_place (issuer_id) VALUES ($1)", id)
        .execute(tx.connection())
        .await?;
    Ok(IssuerId(id))
}

/// A key to be.
#[derive(Clone, Copy, Debug)]
pub struct NewKey<'a> {
    /// Whose.
    pub issuer: IssuerId,
    /// `kid`.
    pub key_id: &'a str,
    /// Number of the algorithm; 0 for an authority.
    pub algorithm: i16,
    /// JSON Web Key; empty for an authority.
    pub public_jwk: &'a str,
    /// DER, of an authority.
    pub authority: Option<&'a [u8]>,
    /// Who holds the secret half.
    pub holding: Holding,
    /// What it signs.
    pub key_use: KeyUse,
    /// Provider and handle of one that the hub holds.
    pub held: Option<(&'a str, &'a [u8])>,
    /// From when on.
    pub valid_from: OffsetDateTime,
}

/// Adds a key.
///
/// # Errors
///
/// `issuer_key_unique`, or the database fails.
pub async fn add_key(
    tx: &mut WriteTx,
    key: NewKey<'_>,
    stamp: Stamp,
) -> Result<IssuerKeyId, DbError> {
    let id = sqlx::query_scalar!(
        "INSERT INTO issuer_key (issuer_id, key_id, algorithm, public_jwk, authority, holding, use, provider, handle, valid_from,
                                 added_at, revision)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING issuer_key_id",
        key.issuer.0,
        key.key_id,
        key.algorithm,
        key.public_jwk,
        key.authority,
        key.holding.number(),
        key.key_use.number(),
        key.held.map(|(provider, _)| provider),
        key.held.map(|(_, handle)| handle),
        key.valid_from,
        stamp.now,
        stamp.revision,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(IssuerKeyId(id))
}

/// Retires a key; returns false when it has ended before.
///
/// # Errors
///
/// The database fails.
pub async fn retire_key(
    tx: &mut WriteTx,
    key: IssuerKeyId,
    at: OffsetDateTime,
    stamp: Stamp,
) -> Result<bool, DbError> {
    let done = sqlx::query!(
        "UPDATE issuer_key SET retired_at = $2, retired_revision = $3
         WHERE issuer_key_id = $1 AND retired_at IS NULL AND compromised_at IS NULL",
        key.0,
        at,
        stamp.revision,
    )
    .execute(tx.connection())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Says that a key may be in wrong hands; returns false when that was said before.
///
/// # Errors
///
/// The database fails.
pub async fn compromise_key(
    tx: &mut WriteTx,
    key: IssuerKeyId,
    at: OffsetDateTime,
    stamp: Stamp,
) -> Result<bool, DbError> {
    let done = sqlx::query!(
        "UPDATE issuer_key SET compromised_at = $2, compromised_revision = $3
         WHERE issuer_key_id = $1 AND compromised_at IS NULL",
        key.0,
        at,
        stamp.revision,
    )
    .execute(tx.connection())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// An accreditation to be.
#[derive(Clone, Copy, Debug)]
pub struct NewAccreditation<'a> {
    /// Its id.
    pub id: AccreditationId,
    /// Whose.
    pub issuer: IssuerId,
    /// Name of the credential type.
    pub type_name: &'a str,
    /// As the contract has it, encoded.
    pub content: &'a [u8],
    /// From when on.
    pub valid_from: OffsetDateTime,
    /// Until when.
    pub valid_until: Option<OffsetDateTime>,
    /// Who gives it.
    pub granted_by: ParticipantId,
}

/// Adds an accreditation.
///
/// # Errors
///
/// The database fails.
pub async fn add_accreditation(
    tx: &mut WriteTx,
    accreditation: NewAccreditation<'_>,
    stamp: Stamp,
) -> Result<(), DbError> {
    sqlx::query!(
        "INSERT INTO accreditation (accreditation_id, issuer_id, type_name, content, valid_from, valid_until, granted_by, granted_at,
                                    revision)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        accreditation.id.0,
        accreditation.issuer.0,
        accreditation.type_name,
        accreditation.content,
        accreditation.valid_from,
        accreditation.valid_until,
        accreditation.granted_by.0,
        stamp.now,
        stamp.revision,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Withdraws an accreditation; returns false when it is withdrawn already, which stays as it is.
///
/// # Errors
///
/// The database fails.
pub async fn withdraw_accreditation(
    tx: &mut WriteTx,
    id: AccreditationId,
    (at, because): (OffsetDateTime, &str),
    stamp: Stamp,
) -> Result<bool, DbError> {
    let done = sqlx::query!(
        "UPDATE accreditation SET withdrawn_at = $2, withdrawn_because = $3, withdrawn_revision = $4
         WHERE accreditation_id = $1 AND withdrawn_at IS NULL",
        id.0,
        at,
        because,
        stamp.revision,
    )
    .execute(tx.connection())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Says from where status lists of an issuer's credentials come, and who signs them.
///
/// # Errors
///
/// `status_signer_pkey`, or the database fails.
pub async fn add_status_signer(
    tx: &mut WriteTx,
    (issuer, uri_prefix, signer): (IssuerId, &str, IssuerId),
    stamp: Stamp,
) -> Result<(), DbError> {
    sqlx::query!(
        "INSERT INTO status_signer (issuer_id, uri_prefix, signer_id, added_at, revision) VALUES ($1, $2, $3, $4, $5)",
        issuer.0,
        uri_prefix,
        signer.0,
        stamp.now,
        stamp.revision,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// A version of a credential type to be.
#[derive(Clone, Copy, Debug)]
pub struct NewType<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its version.
    pub version: i32,
    /// Its `vct`.
    pub vct: &'a str,
    /// Who publishes it.
    pub participant: ParticipantId,
    /// As the contract has it, encoded.
    pub content: &'a [u8],
}

/// Adds a version of a credential type.
///
/// # Errors
///
/// `credential_type_name_version_unique`, `credential_type_vct_unique`, or the database fails.
pub async fn add_type(tx: &mut WriteTx, it: NewType<'_>, stamp: Stamp) -> Result<(), DbError> {
    sqlx::query!(
        "INSERT INTO credential_type (name, version, vct, participant_id, content, created_at, revision)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        it.name,
        it.version,
        it.vct,
        it.participant.0,
        it.content,
        stamp.now,
        stamp.revision,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Retires a version of a credential type; returns false when it is retired already, which stays as it is.
///
/// # Errors
///
/// The database fails.
pub async fn retire_type(
    tx: &mut WriteTx,
    id: CredentialTypeId,
    stamp: Stamp,
) -> Result<bool, DbError> {
    let done = sqlx::query!(
        "UPDATE credential_type SET retired_at = $2, retired_revision = $3 WHERE type_id = $1 AND retired_at IS NULL",
        id.0,
        stamp.now,
        stamp.revision,
    )
    .execute(tx.connection())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Replaces the handle of a key that the hub holds by another one to the same key: nobody is told of handles.
///
/// # Errors
///
/// The database fails.
pub async fn replace_handle(
    tx: &mut WriteTx,
    key: IssuerKeyId,
    handle: &[u8],
) -> Result<(), DbError> {
    sqlx::query!("UPDATE issuer_key SET handle = $2 WHERE issuer_key_id = $1", key.0, handle)
        .execute(tx.connection())
        .await?;
    Ok(())
}
