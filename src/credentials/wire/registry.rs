//! Contract ⇄ registry.

use std::sync::Arc;

use time::OffsetDateTime;

use crate::credentials::domain::Algorithm;
use crate::credentials::registry::book::Book;
use crate::credentials::registry::chain;
use crate::credentials::registry::entry::{Accreditation, Issuer, IssuerKey, KeyUse, StatusSigner};
use crate::credentials::registry::kind::CredentialType;
use crate::credentials::wire::timestamp;
use crate::pb::peshub::credentials::v1 as pb;

/// Returns an issuer as the contract has it.
#[must_use]
pub fn issuer(book: &Book, issuer: &Issuer) -> pb::Issuer {
    pb::Issuer {
        name: issuer.name.clone(),
        identifier: issuer.identifier.clone(),
        display_name: issuer.display_name.clone(),
        owner: issuer.owner.clone(),
        registered_by: issuer.registered_by.clone(),
        profile: i32::from(issuer.profile),
        discovers_keys: issuer.discovers_keys,
        keys: issuer.keys.iter().map(|it| key(it)).collect(),
        accreditations: issuer.accreditations.iter().map(|it| accreditation(it)).collect(),
        status_signers: issuer.status_signers.iter().map(|it| status_signer(book, it)).collect(),
        created_at: Some(timestamp(issuer.created_at)),
    }
}

/// Returns a key as the contract has it.
#[must_use]
pub fn key(key: &IssuerKey) -> pb::IssuerKey {
    let authority_pem = key.authority.as_deref().map(chain::pem).unwrap_or_default();
    pb::IssuerKey {
        key_id: key.key_id.clone(),
        algorithm: key.algorithm.map_or(0, |algorithm| i32::from(algorithm.number())),
        public_jwk: key.public_jwk.clone(),
        authority_pem,
        holding: i32::from(key.holding.number()),
        valid_from: Some(timestamp(key.valid_from)),
        retired_at: key.retired_at.map(timestamp),
        compromised_at: key.compromised_at.map(timestamp),
        added_at: Some(timestamp(key.added_at)),
        key_use: i32::from(key.key_use.number()),
    }
}

/// Returns an accreditation as the contract has it.
#[must_use]
pub fn accreditation(accreditation: &Accreditation) -> pb::Accreditation {
    pb::Accreditation {
        withdrawn_at: accreditation.withdrawn_at.map(timestamp),
        ..accreditation.content.clone()
    }
}

/// Returns a status signer as the contract has it.
#[must_use]
pub fn status_signer(book: &Book, signer: &StatusSigner) -> pb::StatusSigner {
    pb::StatusSigner {
        uri_prefix: signer.uri_prefix.clone(),
        signer: book.issuer_by_id(signer.signer).map_or_else(String::new, |it| it.name.clone()),
        added_at: Some(timestamp(signer.added_at)),
    }
}

/// Returns a credential type as the contract has it.
#[must_use]
pub fn credential_type(credential_type: &CredentialType) -> pb::CredentialType {
    pb::CredentialType {
        retired_at: credential_type.retired_at.map(timestamp),
        ..credential_type.content.clone()
    }
}

/// Returns what was true of an issuer at an instant.
#[must_use]
pub fn trust(
    book: &Book,
    issuer: &Issuer,
    type_name: &str,
    at: OffsetDateTime,
) -> pb::ResolveTrustResponse {
    let is_good = |key: &&Arc<IssuerKey>| {
        let ends = [key.retired_at, key.compromised_at];
        key.valid_from <= at && ends.into_iter().flatten().all(|end| at < end)
    };
    let holds = |it: &&Arc<Accreditation>| {
        (type_name.is_empty() || it.type_name == type_name) && it.valid_from <= at && it.holds(at)
    };
    let signers = issuer.status_signers.iter().filter(|it| it.added_at <= at);
    pb::ResolveTrustResponse {
        keys: issuer.keys.iter().filter(is_good).map(|it| key(it)).collect(),
        accreditations: issuer
            .accreditations
            .iter()
            .filter(holds)
            .map(|it| accreditation(it))
            .collect(),
        status_signers: signers.map(|it| status_signer(book, it)).collect(),
        trust_revision: book.revision(),
    }
}

/// Reads an algorithm; `None` when it is not said.
#[must_use]
pub fn algorithm(algorithm: pb::KeyAlgorithm) -> Option<Algorithm> {
    match algorithm {
        pb::KeyAlgorithm::Unspecified => None,
        pb::KeyAlgorithm::Es256 => Some(Algorithm::Es256),
        pb::KeyAlgorithm::Eddsa => Some(Algorithm::EdDsa),
    }
}

/// Reads what a key signs; both when it is not said.
#[must_use]
pub fn key_use(key_use: pb::KeyUse) -> KeyUse {
    match key_use {
        pb::KeyUse::Unspecified | pb::KeyUse::Both => KeyUse::Both,
        pb::KeyUse::Credentials => KeyUse::Credentials,
        pb::KeyUse::StatusLists => KeyUse::StatusLists,
    }
}
