//! The trust registry in words.

use prost_types::Timestamp;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime};

use crate::cli::output;
use crate::pb::peshub::credentials::v1 as pb;

/// Reads an instant: RFC 3339, or a day, which begins at midnight UTC.
pub(in crate::cli) fn instant(text: &str) -> Result<Timestamp, String> {
    let day = format_description!("[year]-[month]-[day]");
    let at = OffsetDateTime::parse(text, &Rfc3339)
        .or_else(|_| Date::parse(text, &day).map(|day| day.midnight().assume_utc()));
    let at = at.map_err(|_| "write 2026-01-31 or 2026-01-31T08:00:00Z".to_owned())?;
    let nanos = i32::try_from(at.nanosecond()).unwrap_or_default();
    Ok(Timestamp { seconds: at.unix_timestamp(), nanos })
}

fn time(at: Option<&Timestamp>) -> String {
    let at = at.and_then(|at| OffsetDateTime::from_unix_timestamp(at.seconds).ok());
    at.and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default()
}

/// Returns an issuer in one line.
pub(super) fn headline(issuer: &pb::Issuer) -> String {
    let owner = match issuer.owner.as_str() {
        "" => "issues elsewhere".to_owned(),
        owner => format!("owned by {owner}"),
    };
    format!("{} · {} · {} · {owner}", issuer.name, issuer.display_name, issuer.identifier)
}

pub(super) fn issuer(issuer: &pb::Issuer) {
    output::line(&headline(issuer));
    output::line(&format!("  registered by {}", issuer.registered_by));
    if issuer.discovers_keys {
        output::line("  keys are looked up at its well-known address");
    }
    issuer.keys.iter().for_each(key);
    issuer.accreditations.iter().for_each(accreditation);
    issuer.status_signers.iter().for_each(status_signer);
}

pub(super) fn key(key: &pb::IssuerKey) {
    let algorithm = match key.algorithm() {
        pb::KeyAlgorithm::Unspecified => "an authority",
        pb::KeyAlgorithm::Es256 => "ES256",
        pb::KeyAlgorithm::Eddsa => "EdDSA",
    };
    let holding = match key.holding() {
        pb::KeyHolding::Unspecified => "",
        pb::KeyHolding::Hub => "held by the hub",
        pb::KeyHolding::Issuer | pb::KeyHolding::Authority => "held by the issuer",
        pb::KeyHolding::Discovered => "found at the issuer's",
    };
    let key_use = match key.key_use() {
        pb::KeyUse::Unspecified | pb::KeyUse::Both => "credentials and status lists",
        pb::KeyUse::Credentials => "credentials",
        pb::KeyUse::StatusLists => "status lists",
    };
    let mut line = format!(
        "  key {} · {algorithm} · {holding} · for {key_use} · from {}",
        key.key_id,
        time(key.valid_from.as_ref())
    );
    for (word, at) in [("retired", &key.retired_at), ("compromised", &key.compromised_at)] {
        if at.is_some() {
            line = format!("{line} · {word} {}", time(at.as_ref()));
        }
    }
    output::line(&line);
}

pub(super) fn accreditation(it: &pb::Accreditation) {
    let named = |names: Vec<String>, all: &str| {
        if names.is_empty() { all.to_owned() } else { names.join(", ") }
    };
    let occupations = it.occupations.iter().map(|it| format!("{} {}", it.code, it.name));
    let divisions = it.divisions.iter().map(|it| format!("{} {}", it.code, it.name));
    let mut line = format!(
        "  accreditation {} · {} · {} · {} · by {} · from {}",
        it.accreditation_id,
        it.type_name,
        named(occupations.collect(), "all occupations"),
        named(divisions.collect(), "all divisions"),
        it.granted_by,
        time(it.valid_from.as_ref())
    );
    if it.valid_until.is_some() {
        line = format!("{line} until {}", time(it.valid_until.as_ref()));
    }
    if it.withdrawn_at.is_some() {
        let at = time(it.withdrawn_at.as_ref());
        line = format!("{line} · withdrawn {at}: {}", it.withdrawn_because);
    }
    output::line(&line);
}

pub(super) fn status_signer(signer: &pb::StatusSigner) {
    output::line(&format!("  status lists {}… · signed by {}", signer.uri_prefix, signer.signer));
}
