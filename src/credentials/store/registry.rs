//! The SQL that reads the registry. What is written stands in [`changes`].

pub mod changes;

use std::collections::HashMap;
use std::sync::Arc;

use prost::Message as _;
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::codes::occupations;
use crate::credentials::domain::{AccreditationId, Algorithm};
use crate::credentials::error::CredentialError;
use crate::credentials::registry::book::Book;
use crate::credentials::registry::entry::{
    Accreditation, Held, Holding, Issuer, IssuerKey, KeyUse, StatusSigner,
};
use crate::credentials::registry::kind::{self, CredentialType, Rules};
use crate::credentials::registry::trust;
use crate::credentials::sdjwt::key::PublicKey;
use crate::kernel::ids::{CredentialTypeId, IssuerId, IssuerKeyId, ParticipantId};
use crate::pb::peshub::credentials::v1 as pb;
use crate::platform::db::DbError;

/// Returns the registry's revision.
///
/// # Errors
///
/// The database fails.
pub async fn revision(connection: &mut PgConnection) -> Result<i64, DbError> {
    Ok(sqlx::query_scalar!("SELECT trust FROM credential_epoch").fetch_one(connection).await?)
}

/// Reads the registry as it stood at a revision, or as it stands, in a transaction in which nothing changes meanwhile. What cannot
/// change is taken from `known`.
///
/// # Errors
///
/// The database fails, or what is stored cannot be read.
pub async fn book(
    connection: &mut PgConnection,
    at: Option<i64>,
    known: &Book,
) -> Result<Book, CredentialError> {
    let newest = revision(connection).await?;
    let revision = at.unwrap_or(newest).min(newest);
    let mut keys = keys(connection, revision, known).await?;
    let mut accreditations = accreditations(connection, revision, known).await?;
    let mut signers = status_signers(connection, revision).await?;
    let types = types(connection, revision, known).await?;
    let mut issuers = issuers(connection, revision).await?;
    for issuer in &mut issuers {
        issuer.keys = keys.remove(&issuer.id).unwrap_or_default();
        issuer.accreditations = accreditations.remove(&issuer.id).unwrap_or_default();
        issuer.status_signers = signers.remove(&issuer.id).unwrap_or_default();
    }
    Ok(Book::new(revision, issuers.into_iter().map(Arc::new).collect(), types))
}

async fn issuers(connection: &mut PgConnection, revision: i64) -> Result<Vec<Issuer>, DbError> {
    let rows = sqlx::query!(
        r#"SELECT i.issuer_id, i.name, i.identifier, i.display_name, i.participant_id, o.name AS "owner?", i.registered_by,
                  r.name AS registrar, i.profile, i.discovers_keys, i.created_at
           FROM issuer i JOIN participant r ON r.participant_id = i.registered_by
           LEFT JOIN participant o ON o.participant_id = i.participant_id
           WHERE i.revision <= $1"#,
        revision,
    )
    .fetch_all(connection)
    .await?;
    let issuers = rows.into_iter().map(|row| Issuer {
        id: IssuerId(row.issuer_id),
        name: row.name,
        identifier: row.identifier,
        display_name: row.display_name,
        participant: row.participant_id.map(ParticipantId),
        owner: row.owner.unwrap_or_default(),
        registrar: ParticipantId(row.registered_by),
        registered_by: row.registrar,
        profile: row.profile,
        discovers_keys: row.discovers_keys,
        created_at: row.created_at,
        keys: Vec::new(),
        accreditations: Vec::new(),
        status_signers: Vec::new(),
    });
    Ok(issuers.collect())
}

type OfIssuers<T> = HashMap<IssuerId, Vec<T>>;

async fn keys(
    connection: &mut PgConnection,
    revision: i64,
    known: &Book,
) -> Result<OfIssuers<Arc<IssuerKey>>, CredentialError> {
    let rows = sqlx::query!(
        r#"SELECT issuer_key_id, issuer_id, key_id, algorithm, public_jwk, authority, holding, use AS key_use, provider, handle,
                  valid_from, added_at,
                  CASE WHEN retired_revision <= $1 THEN retired_at END AS retired_at,
                  CASE WHEN compromised_revision <= $1 THEN compromised_at END AS compromised_at
           FROM issuer_key WHERE revision <= $1 ORDER BY valid_from DESC, issuer_key_id DESC"#,
        revision,
    )
    .fetch_all(connection)
    .await
    .map_err(DbError::from)?;
    let known: HashMap<_, _> =
        known.issuers().iter().flat_map(|issuer| &issuer.keys).map(|key| (key.id, key)).collect();
    let mut found = OfIssuers::new();
    for row in rows {
        // Parsing a key takes longer than everything else here.
        let before = known.get(&IssuerKeyId(row.issuer_key_id)).filter(|key| {
            let handle = key.held.as_ref().map(|held| &held.handle);
            (key.retired_at, key.compromised_at, handle)
                == (row.retired_at, row.compromised_at, row.handle.as_ref())
        });
        if let Some(same) = before {
            found.entry(same.issuer).or_default().push(Arc::clone(same));
            continue;
        }
        let unreadable = CredentialError::Corrupt { what: "issuer key" };
        let holding = Holding::of_number(row.holding);
        let key_use = KeyUse::of_number(row.key_use);
        let (Some(holding), Some(key_use)) = (holding, key_use) else { return Err(unreadable) };
        let held = row.provider.zip(row.handle);
        let public = match row.public_jwk.as_str() {
            "" => None,
            text => {
                let jwk = serde_json::from_str(text).ok();
                let public = jwk.and_then(|jwk| PublicKey::from_jwk(&jwk).ok());
                Some(public.ok_or(CredentialError::Corrupt { what: "public key" })?)
            }
        };
        let key = IssuerKey {
            id: IssuerKeyId(row.issuer_key_id),
            issuer: IssuerId(row.issuer_id),
            key_id: row.key_id,
            algorithm: Algorithm::of_number(row.algorithm),
            public,
            public_jwk: row.public_jwk,
            authority: row.authority,
            holding,
            key_use,
            held: held.map(|(provider, handle)| Held { provider, handle }),
            valid_from: row.valid_from,
            retired_at: row.retired_at,
            compromised_at: row.compromised_at,
            added_at: row.added_at,
        };
        found.entry(key.issuer).or_default().push(Arc::new(key));
    }
    Ok(found)
}

async fn accreditations(
    connection: &mut PgConnection,
    revision: i64,
    known: &Book,
) -> Result<OfIssuers<Arc<Accreditation>>, CredentialError> {
    let rows = sqlx::query!(
        r#"SELECT a.accreditation_id, a.issuer_id, a.type_name, a.content, a.valid_from, a.valid_until, a.granted_by,
                  CASE WHEN a.withdrawn_revision <= $1 THEN a.withdrawn_at END AS withdrawn_at,
                  CASE WHEN a.withdrawn_revision <= $1 THEN a.withdrawn_because END AS withdrawn_because
           FROM accreditation a WHERE a.revision <= $1 ORDER BY a.granted_at DESC, a.accreditation_id DESC"#,
        revision,
    )
    .fetch_all(connection)
    .await
    .map_err(DbError::from)?;
    let known = known.issuers().iter().flat_map(|issuer| &issuer.accreditations);
    let known: HashMap<_, _> = known.map(|it| (it.id.0, it)).collect();
    let mut found = OfIssuers::new();
    for row in rows {
        let before = known.get(&row.accreditation_id);
        if let Some(same) = before.filter(|it| it.withdrawn_at == row.withdrawn_at) {
            found.entry(same.issuer).or_default().push(Arc::clone(same));
            continue;
        }
        let unreadable = CredentialError::Corrupt { what: "accreditation" };
        let content = pb::Accreditation::decode(row.content.as_slice()).map_err(|_| unreadable)?;
        let accreditation = Accreditation {
            id: AccreditationId(row.accreditation_id),
            issuer: IssuerId(row.issuer_id),
            type_name: row.type_name,
            occupations: occupation_tokens(&content),
            divisions: divisions(&content),
            content: pb::Accreditation {
                withdrawn_because: row.withdrawn_because.unwrap_or_default(),
                ..content
            },
            valid_from: row.valid_from,
            valid_until: row.valid_until,
            granted_by: ParticipantId(row.granted_by),
            withdrawn_at: row.withdrawn_at,
        };
        found.entry(accreditation.issuer).or_default().push(Arc::new(accreditation));
    }
    Ok(found)
}

async fn status_signers(
    connection: &mut PgConnection,
    revision: i64,
) -> Result<OfIssuers<StatusSigner>, DbError> {
    let rows = sqlx::query!(
        "SELECT issuer_id, uri_prefix, signer_id, added_at FROM status_signer
         WHERE revision <= $1 ORDER BY added_at, uri_prefix",
        revision,
    )
    .fetch_all(connection)
    .await?;
    let mut found = OfIssuers::new();
    for row in rows {
        let signer = StatusSigner {
            issuer: IssuerId(row.issuer_id),
            uri_prefix: row.uri_prefix,
            signer: IssuerId(row.signer_id),
            added_at: row.added_at,
        };
        found.entry(signer.issuer).or_default().push(signer);
    }
    Ok(found)
}

async fn types(
    connection: &mut PgConnection,
    revision: i64,
    known: &Book,
) -> Result<Vec<Arc<CredentialType>>, CredentialError> {
    let rows = sqlx::query!(
        r#"SELECT type_id, name, version, vct, participant_id, content, created_at,
                  CASE WHEN retired_revision <= $1 THEN retired_at END AS retired_at
           FROM credential_type WHERE revision <= $1"#,
        revision,
    )
    .fetch_all(connection)
    .await
    .map_err(DbError::from)?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let before = known.credential_type(&row.vct);
        if let Some(same) = before.filter(|it| it.retired_at == row.retired_at) {
            found.push(Arc::clone(same));
            continue;
        }
        let unreadable = || CredentialError::Corrupt { what: "credential type" };
        let content = pb::CredentialType::decode(row.content.as_slice());
        let content = content.map_err(|_| unreadable())?;
        let rules = Rules::read(&content).map_err(|_| unreadable())?;
        found.push(Arc::new(CredentialType {
            id: CredentialTypeId(row.type_id),
            name: row.name,
            version: row.version,
            vct: row.vct,
            participant: ParticipantId(row.participant_id),
            content,
            rules,
            created_at: row.created_at,
            retired_at: row.retired_at,
        }));
    }
    Ok(found)
}

/// Returns the occupations that an accreditation names, as they are found today.
fn occupation_tokens(content: &pb::Accreditation) -> Vec<String> {
    let token = |named: &crate::pb::peshub::common::v1::Occupation| {
        let scheme: Option<occupations::Scheme> = kind::occupation_scheme(named.scheme());
        let found = scheme.and_then(|scheme| trust::occupation_token(scheme, &named.code));
        // What no list has any more still restricts.
        found.unwrap_or_else(|| format!("unknown:{}", named.code))
    };
    content.occupations.iter().map(token).collect()
}

/// Returns the divisions that an accreditation names, as they are today.
fn divisions(content: &pb::Accreditation) -> Vec<&'static crate::codes::divisions::Division> {
    content.divisions.iter().filter_map(|named| trust::division_of(&named.code)).collect()
}

/// Returns the number of a participant with a short name; `None` when there is none, or it is locked out.
///
/// # Errors
///
/// The database fails.
pub async fn participant(
    connection: &mut PgConnection,
    name: &str,
) -> Result<Option<ParticipantId>, DbError> {
    let id = sqlx::query_scalar!(
        "SELECT participant_id FROM participant WHERE name = $1 AND disabled_at IS NULL",
        name
    )
    .fetch_optional(connection)
    .await?;
    Ok(id.map(ParticipantId))
}

/// When something ended, and at which revision.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// The revision of the change.
    pub revision: i64,
    /// When it was entered.
    pub now: OffsetDateTime,
}

/// Returns the handles of keys that a provider holds.
///
/// # Errors
///
/// The database fails.
pub async fn handles(
    connection: &mut PgConnection,
    provider: &str,
) -> Result<Vec<(IssuerKeyId, Vec<u8>)>, DbError> {
    let rows = sqlx::query!(
        r#"SELECT issuer_key_id, handle AS "handle!" FROM issuer_key
           WHERE provider = $1 AND handle IS NOT NULL ORDER BY issuer_key_id"#,
        provider,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (IssuerKeyId(row.issuer_key_id), row.handle)).collect())
}
