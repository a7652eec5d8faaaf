//! Contract ⇄ issued credentials and their statuses.

use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::credentials::domain::{ClaimPath, CredentialId};
use crate::credentials::issuing::draft::{Draft, violation};
use crate::credentials::sdjwt::json;
use crate::credentials::sdjwt::key::PublicKey;
use crate::credentials::store::credential::{Changed, Common, Kept};
use crate::credentials::wire::timestamp;
use crate::kernel::clock::whole_seconds;
use crate::kernel::fault::Fault;
use crate::kernel::fields::{Rule, Violation};
use crate::pb::peshub::credentials::v1 as pb;

/// Reads a draft.
///
/// # Errors
///
/// `FIELDS_INVALID` with everything that cannot be read, without what was given.
pub fn draft(message: pb::CredentialDraft) -> Result<Draft, Fault> {
    let mut wrong = Vec::new();
    let claims = json::object(message.claims_json.as_bytes());
    if claims.is_err() {
        let expected = "a JSON object, no name twice, and not too deep".to_owned();
        wrong.push(violation("draft.claims_json", Rule::Malformed, expected));
    }
    let holders = holders(&message.holder_jwks, &mut wrong);
    let worker = reference("draft.worker_reference", &message.worker_reference, &mut wrong);
    if !message.subject_for.is_empty() && message.worker_reference.is_empty() {
        let expected = "a reference: `subject_for` names the worker".to_owned();
        wrong.push(violation("draft.worker_reference", Rule::Required, expected));
    }
    let valid_from = instant("draft.valid_from", message.valid_from, &mut wrong);
    let valid_until = instant("draft.valid_until", message.valid_until, &mut wrong);
    let mut disclosed = Vec::new();
    for (index, path) in message.disclosed.iter().enumerate() {
        match ClaimPath::parse(&path.segments) {
            Some(path) => disclosed.push(path),
            None => {
                let expected = "the path of a claim".to_owned();
                let field = format!("draft.disclosed[{index}]");
                wrong.push(violation(&field, Rule::Required, expected));
            }
        }
    }
    if !wrong.is_empty() {
        return Err(Fault::fields(wrong));
    }
    Ok(Draft {
        issuer: message.issuer,
        type_name: message.type_name,
        type_version: message.type_version,
        claims: claims.unwrap_or_default(),
        holders,
        worker,
        subject_for: Some(message.subject_for).filter(|name| !name.is_empty()),
        valid_from,
        valid_until,
        with_status: !message.without_status,
        disclosed,
        digests_multiple_of: usize::try_from(message.digests_multiple_of).unwrap_or_default(),
    })
}

/// Reads the keys of a holder.
fn holders(jwks: &[String], wrong: &mut Vec<Violation>) -> Vec<PublicKey> {
    let mut holders: Vec<PublicKey> = Vec::new();
    for (index, jwk) in jwks.iter().enumerate() {
        let field = format!("draft.holder_jwks[{index}]");
        let key = serde_json::from_str::<Value>(jwk).ok().map(|jwk| PublicKey::from_jwk(&jwk));
        match key {
            Some(Ok(key)) if holders.contains(&key) => {
                let expected = "each key once: each credential is to be shown once".to_owned();
                wrong.push(violation(&field, Rule::BadFormat, expected));
            }
            Some(Ok(key)) => holders.push(key),
            Some(Err(defect)) => {
                let expected = format!("a public JSON Web Key of P-256 or Ed25519: {defect}");
                wrong.push(violation(&field, Rule::BadFormat, expected));
            }
            None => {
                let expected = "a public JSON Web Key of P-256 or Ed25519".to_owned();
                wrong.push(violation(&field, Rule::Malformed, expected));
            }
        }
    }
    holders
}

/// Reads a reference to a worker; `None` for none.
pub fn reference(field: &str, text: &str, wrong: &mut Vec<Violation>) -> Option<Uuid> {
    if text.is_empty() {
        return None;
    }
    let reference = Uuid::try_parse(text).ok();
    if reference.is_none() {
        let expected = "a reference that the hub gave".to_owned();
        wrong.push(violation(field, Rule::BadFormat, expected));
    }
    reference
}

/// Reads an instant in whole seconds; `None` for none.
fn instant(
    field: &str,
    message: Option<prost_types::Timestamp>,
    wrong: &mut Vec<Violation>,
) -> Option<OffsetDateTime> {
    let message = message?;
    let at = OffsetDateTime::from_unix_timestamp(message.seconds).ok();
    // Before 1970 stands no time of a credential.
    let at = at.filter(|at| at.unix_timestamp() > 0).map(whole_seconds);
    if at.is_none() {
        let expected = "a time between the years 1970 and 9999".to_owned();
        wrong.push(violation(field, Rule::BadFormat, expected));
    }
    at
}

/// Reads ids of credentials; `Err` names the first that is none.
///
/// # Errors
///
/// The text that is no id: no credential has it.
pub fn credential_ids(texts: &[String]) -> Result<Vec<CredentialId>, String> {
    let read = |text: &String| Uuid::try_parse(text).map(CredentialId).map_err(|_| text.clone());
    texts.iter().map(read).collect()
}

/// Returns a credential that was issued.
#[must_use]
pub fn issued(common: &Common, id: CredentialId, sd_jwt: String) -> pb::IssuedCredential {
    pb::IssuedCredential {
        credential_id: id.to_string(),
        sd_jwt,
        issued_at: Some(timestamp(common.issued_at)),
        valid_until: common.valid_until.map(timestamp),
    }
}

/// Returns what is kept of a credential, with those of some changes that are its own.
#[must_use]
pub fn credential(kept: Kept, changes: &[Changed]) -> pb::Credential {
    let own = changes.iter().filter(|change| change.credential == kept.id);
    let changes = own.map(|change| pb::StatusChange {
        status: change.status.into(),
        reason: change.reason.into(),
        at: Some(timestamp(change.at)),
    });
    pb::Credential {
        credential_id: kept.id.to_string(),
        issuer: kept.issuer,
        type_name: kept.type_name,
        type_version: kept.type_version,
        key_id: kept.key_id,
        credential_sha256: kept.digest.into(),
        worker_reference: kept.reference.map(|it| it.to_string()).unwrap_or_default(),
        issued_at: Some(timestamp(kept.issued_at)),
        valid_from: kept.valid_from.map(timestamp),
        valid_until: kept.valid_until.map(timestamp),
        status: kept.status.into(),
        changes: changes.collect(),
        place: kept.uri.zip(kept.index).map(|(uri, index)| pb::StatusPlace { uri, index }),
        deposited: kept.deposited,
    }
}
