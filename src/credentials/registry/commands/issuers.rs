//! Registering issuers, and from where their status lists come.

use time::OffsetDateTime;

use crate::credentials::error::CredentialError;
use crate::credentials::registry::commands::{
    Office, holder, is_short_name, known, managed, sound, taken,
};
use crate::credentials::store::registry as store;
use crate::credentials::store::registry::changes::{self, NewIssuer};
use crate::credentials::wire::registry as render;
use crate::credentials::wire::violation;
use crate::kernel::fields::{Rule, Violation};
use crate::pb::peshub::credentials::v1 as pb;
use crate::platform::db::{Record, WriteTx};
use crate::platform::fetch;

/// The newest profile that the hub knows.
const NEWEST_PROFILE: i16 = 1;

/// Registers an issuer.
///
/// # Errors
///
/// `FIELDS_INVALID`, `PARTICIPANT_NOT_FOUND`, `ALREADY_EXISTS`, or the database fails.
pub async fn create(
    office: &Office,
    tx: &mut WriteTx,
    request: &pb::CreateIssuerRequest,
    now: OffsetDateTime,
) -> Result<(pb::CreateIssuerResponse, Record), CredentialError> {
    let identifier = identifier(office, request)?;
    let owner = match request.owner.as_str() {
        "" => None,
        name => {
            let found = store::participant(tx.connection(), name).await?;
            let missing = || CredentialError::ParticipantNotFound { name: name.to_owned() };
            Some(found.ok_or_else(missing)?)
        }
    };
    let (stamp, book) = office.begin(tx, now).await?;
    if book.issuer(&request.name).is_some() || book.issuer(&identifier).is_some() {
        let name = request.name.clone();
        return Err(CredentialError::AlreadyExists { what: "issuer", name });
    }
    let profile = i16::try_from(request.profile).unwrap_or_default();
    let issuer = NewIssuer {
        name: &request.name,
        identifier: &identifier,
        display_name: &request.display_name,
        owner,
        registrar: holder(tx.permit()),
        profile: if profile == 0 { NEWEST_PROFILE } else { profile },
        discovers_keys: request.discovers_keys,
    };
    let added = changes::add_issuer(tx, issuer, stamp).await;
    let id = added.map_err(taken("issuer", &request.name))?;
    // Lists that the hub keeps for an issuer of its own are signed with the issuer's keys.
    let lists = office.addresses.status_lists(&request.name).filter(|_| owner.is_some());
    if let Some(prefix) = &lists {
        changes::add_status_signer(tx, (id, prefix, id), stamp).await?;
    }
    let book = office.after(tx, stamp).await?;
    let issuer = render::issuer(&book, known(&book, &request.name)?);
    let record = Record::new(now, format!("issuers/{}", request.name), "issuer.created");
    Ok((pb::CreateIssuerResponse { issuer: Some(issuer) }, record))
}

/// Reads a request, and returns the identifier of the issuer to be.
fn identifier(
    office: &Office,
    request: &pb::CreateIssuerRequest,
) -> Result<String, CredentialError> {
    let mut wrong = Vec::new();
    if !is_short_name(&request.name) {
        let expected = "lower-case letters, digits and hyphens, a letter or digit first and last";
        wrong.push(violation("name", Rule::BadFormat, expected, &request.name));
    }
    if request.display_name.chars().any(char::is_control) {
        wrong.push(violation("display_name", Rule::BadFormat, "no control characters", ""));
    }
    if request.discovers_keys && !request.owner.is_empty() {
        let expected = "false for an issuer with an owner: its keys are added here";
        wrong.push(violation("discovers_keys", Rule::BadFormat, expected, "true"));
    }
    let own = office.addresses.issuer(&request.name);
    let identifier = match (request.identifier.as_str(), own) {
        ("", Some(own)) if !request.owner.is_empty() => own,
        ("", _) => {
            let expected = "an https address: this hub has none of its own for the issuer";
            wrong.push(violation("identifier", Rule::Required, expected, ""));
            String::new()
        }
        (given, own) => {
            let is_own = own.as_deref() == Some(given) && !request.owner.is_empty();
            if !is_own {
                wrong.extend(foreign_address(office, "identifier", given));
            }
            given.to_owned()
        }
    };
    sound(wrong).map(|()| identifier)
}

/// Holds an address against the form of one that is not the hub's own: `https`, a host, and nothing that two programs could read
/// differently.
fn foreign_address(office: &Office, field: &str, given: &str) -> Option<Violation> {
    let is_sound = fetch::address(given, office.reach).is_some_and(|url| {
        let is_written_so = url.as_str().trim_end_matches('/') == given.trim_end_matches('/');
        is_written_so && url.query().is_none() && url.fragment().is_none()
    });
    let expected = if office.addresses.is_own(given) {
        "an address that is not one of this hub's own"
    } else if is_sound {
        return None;
    } else {
        "an https address that is public, in its normal form, without user, query and fragment"
    };
    Some(violation(field, Rule::BadFormat, expected, given))
}

/// Says from where status lists of an issuer's credentials come, and who signs them.
///
/// # Errors
///
/// `FIELDS_INVALID`, `ISSUER_NOT_FOUND`, `ALREADY_EXISTS`, or the database fails.
pub async fn add_status_signer(
    office: &Office,
    tx: &mut WriteTx,
    request: &pb::AddStatusSignerRequest,
    now: OffsetDateTime,
) -> Result<(pb::AddStatusSignerResponse, Record), CredentialError> {
    let prefix = request.uri_prefix.as_str();
    let host_and_path = prefix.split_once("://").map_or("", |(_, rest)| rest);
    let mut wrong: Vec<_> = foreign_address(office, "uri_prefix", prefix).into_iter().collect();
    if wrong.is_empty() && !host_and_path.contains('/') {
        let expected = "a host and at least one /";
        wrong.push(violation("uri_prefix", Rule::BadFormat, expected, prefix));
    }
    sound(wrong)?;
    let (stamp, book) = office.begin(tx, now).await?;
    let issuer = managed(&book, &request.issuer, tx.permit())?;
    let signer = match request.signer.as_str() {
        "" => issuer,
        name => known(&book, name)?,
    };
    let added = changes::add_status_signer(tx, (issuer.id, prefix, signer.id), stamp).await;
    added.map_err(taken("status signer", prefix))?;
    let book = office.after(tx, stamp).await?;
    let signers = &known(&book, &request.issuer)?.status_signers;
    let added = signers.iter().find(|it| it.uri_prefix == prefix);
    let status_signer = added.map(|it| render::status_signer(&book, it));
    let subject = format!("issuers/{}/status-signers", request.issuer);
    let record = Record::new(now, subject, "status_signer.added");
    Ok((pb::AddStatusSignerResponse { status_signer }, record))
}
