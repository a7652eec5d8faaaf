//! What was issued, in words.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::cli::{Outcome, output};
use crate::json;
use crate::pb::peshub::credentials::v1 as pb;

/// Prints a message of the contract as one JSON object.
pub(super) fn json(name: &str, message: &impl prost::Message) -> Outcome {
    output::json(&json::of_message(&format!("peshub.credentials.v1.{name}"), message)?);
    Ok(())
}

fn time(at: Option<&prost_types::Timestamp>) -> String {
    let at = at.and_then(|at| OffsetDateTime::from_unix_timestamp(at.seconds).ok());
    at.and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default()
}

fn status(status: pb::CredentialStatus) -> &'static str {
    match status {
        pb::CredentialStatus::Unspecified => "unknown",
        pb::CredentialStatus::Valid => "valid",
        pb::CredentialStatus::Revoked => "revoked",
        pb::CredentialStatus::Suspended => "suspended",
    }
}

/// Returns a credential in one line.
pub(super) fn headline(it: &pb::Credential) -> String {
    let until = match it.valid_until.as_ref() {
        None => String::new(),
        until => format!(" until {}", time(until)),
    };
    let (id, issued_at) = (&it.credential_id, time(it.issued_at.as_ref()));
    let (name, version, standing) = (&it.type_name, it.type_version, status(it.status()));
    format!("{id} · {name} {version} · {standing} · issued {issued_at}{until}")
}

/// Prints what the hub keeps of a credential.
pub(super) fn credential(it: &pb::Credential) {
    output::line(&headline(it));
    let signed = if it.deposited { "signed by the issuer itself" } else { "signed by the hub" };
    output::line(&format!("  issuer {}, key {}, {signed}", it.issuer, it.key_id));
    match &it.place {
        Some(place) => output::line(&format!("  place {} in {}", place.index, place.uri)),
        None => output::line("  no place in a status list of the hub: its status cannot change"),
    }
    for change in &it.changes {
        let reason = change.reason().as_str_name().trim_start_matches("STATUS_REASON_");
        let reason = reason.to_lowercase().replace('_', " ");
        let (standing, at) = (status(change.status()), time(change.at.as_ref()));
        output::line(&format!("  {at} {standing}: {reason}"));
    }
}
