//! Contract ⇄ participants.

use time::OffsetDateTime;

use crate::codes::divisions;
use crate::kernel::fault::Fault;
use crate::kernel::fields::{self, Rule, Violation};
use crate::kernel::ids::ParticipantId;
use crate::participants::commands::Changes;
use crate::participants::store::systems::{Identity, System, Token};
use crate::participants::store::{Jurisdiction, Participant, Source};
use crate::pb::peshub::common::v1 as common;
use crate::pb::peshub::common::v1::Role;
use crate::pb::peshub::participants::v1 as pb;
use crate::platform::action::role_number;
use crate::platform::permit::{Environment, ParticipantKind};

/// Reads an organisation from a request whose fields have been held against the contract.
///
/// # Errors
///
/// A division is unknown, a bureau has none, or somebody else has some.
pub fn participant(
    message: pb::Participant,
    environment: Environment,
    now: OffsetDateTime,
) -> Result<Participant, Fault> {
    let mut wrong = Vec::new();
    let kind = i16::try_from(message.kind).ok().and_then(ParticipantKind::of_number);
    let Some(kind) = kind else {
        let violation = violation("participant.kind", Rule::UnknownChoice, "a kind", "");
        return Err(Fault::fields(vec![violation]));
    };
    let jurisdictions = match jurisdictions("participant.divisions", &message.divisions) {
        Ok(jurisdictions) => jurisdictions,
        Err(violations) => {
            wrong.extend(violations);
            Vec::new()
        }
    };
    let is_bureau = kind == ParticipantKind::Bureau;
    if is_bureau == message.divisions.is_empty() {
        let expected = "divisions for a bureau, and none for others";
        wrong.push(violation("participant.divisions", Rule::Required, expected, ""));
    }
    if !wrong.is_empty() {
        return Err(Fault::fields(wrong));
    }
    Ok(Participant {
        id: ParticipantId(0),
        name: message.name,
        display_name: message.display_name,
        kind,
        divisions: jurisdictions,
        certificate_uris: message.certificate_uris,
        roles: Vec::new(),
        environment,
        disabled_at: None,
        created_at: now,
    })
}

/// Reads divisions.
///
/// # Errors
///
/// One is unknown.
pub fn jurisdictions(
    field: &str,
    divisions: &[common::Division],
) -> Result<Vec<Jurisdiction>, Vec<Violation>> {
    let mut wrong = Vec::new();
    let mut read = Vec::new();
    for (index, division) in divisions.iter().enumerate() {
        match jurisdiction(division) {
            Some(found) => read.push(found),
            None => wrong.push(violation(
                &format!("{field}[{index}].code"),
                Rule::BadFormat,
                "a division in force",
                &division.code,
            )),
        }
    }
    if wrong.is_empty() { Ok(read) } else { Err(wrong) }
}

/// Returns what the systems of an organisation usually may do, as a security administrator would grant it. Administrative roles
/// are granted one by one.
#[must_use]
pub const fn usual_roles(kind: ParticipantKind) -> &'static [Role] {
    match kind {
        ParticipantKind::Bureau => &[
            Role::PostingWriter,
            Role::PostingReader,
            Role::WorkerRegistrar,
            Role::WorkerReader,
            Role::CredentialIssuer,
            Role::CredentialVerifier,
            Role::CredentialRegistrar,
            Role::ConsentKeeper,
            Role::ProgrammeAuthor,
            Role::ProgrammePublisher,
            Role::EligibilityChecker,
            Role::ApplicationSubmitter,
            Role::ApplicationOfficer,
            Role::PopulationKeeper,
        ],
        ParticipantKind::Platform => &[
            Role::PostingWriter,
            Role::PostingReader,
            Role::WorkerRegistrar,
            Role::CredentialVerifier,
            Role::ConsentKeeper,
            Role::EligibilityChecker,
            Role::ApplicationSubmitter,
        ],
        ParticipantKind::Issuer => &[Role::WorkerRegistrar, Role::CredentialIssuer],
        ParticipantKind::Operator => &[],
    }
}

fn jurisdiction(division: &common::Division) -> Option<Jurisdiction> {
    let scheme = match common::DivisionScheme::try_from(division.scheme).ok()? {
        common::DivisionScheme::Unspecified => return None,
        common::DivisionScheme::Gbt2260 => divisions::Scheme::GbT2260,
        common::DivisionScheme::Iso31662 => divisions::Scheme::Iso3166_2,
    };
    let found = divisions::lookup(scheme, &division.code)?;
    Some(Jurisdiction {
        scheme: i16::try_from(division.scheme).ok()?,
        code: division.code.clone(),
        token: found.token().to_owned(),
    })
}

/// Returns an organisation as the contract has it.
#[must_use]
pub fn render(participant: Participant) -> pb::Participant {
    let divisions = participant.divisions.into_iter().map(|jurisdiction| {
        let scheme = match jurisdiction.scheme {
            1 => divisions::Scheme::GbT2260,
            _ => divisions::Scheme::Iso3166_2,
        };
        let name = divisions::lookup(scheme, &jurisdiction.code).map_or("", |found| found.name());
        common::Division {
            scheme: i32::from(jurisdiction.scheme),
            code: jurisdiction.code,
            name: name.to_owned(),
        }
    });
    pb::Participant {
        name: participant.name,
        display_name: participant.display_name,
        kind: i32::from(participant.kind.number()),
        divisions: divisions.collect(),
        certificate_uris: participant.certificate_uris,
        created_at: Some(timestamp(participant.created_at)),
        disabled_at: participant.disabled_at.map(timestamp),
    }
}

/// Reads which changes an update asks for.
///
/// # Errors
///
/// The mask names nothing or something else, or a new value is not valid.
pub fn changes(message: &pb::UpdateParticipantRequest) -> Result<Changes, Fault> {
    let mut changes = Changes::default();
    let mut wrong = Vec::new();
    let paths = message.update_mask.as_ref().map(|mask| mask.paths.as_slice()).unwrap_or_default();
    for path in paths {
        match path.as_str() {
            "display_name" if !message.display_name.is_empty() => {
                changes.display_name = Some(message.display_name.clone());
            }
            "display_name" => {
                wrong.push(violation("display_name", Rule::Required, "1 to 200 characters", ""));
            }
            "divisions" => match jurisdictions("divisions", &message.divisions) {
                Ok(divisions) => changes.divisions = Some(divisions),
                Err(violations) => wrong.extend(violations),
            },
            other => wrong.push(violation(
                "update_mask.paths",
                Rule::UnknownChoice,
                "display_name or divisions",
                other,
            )),
        }
    }
    if paths.is_empty() {
        wrong.push(violation("update_mask.paths", Rule::Required, "at least one path", ""));
    }
    if wrong.is_empty() { Ok(changes) } else { Err(Fault::fields(wrong)) }
}

/// Reads the installation that a system is meant for; the hub's own when not said.
#[must_use]
pub fn environment(number: i32, of_hub: Environment) -> Environment {
    match pb::Environment::try_from(number).unwrap_or_default() {
        pb::Environment::Unspecified => of_hub,
        pb::Environment::Production => Environment::Production,
        pb::Environment::Test => Environment::Test,
        pb::Environment::Development => Environment::Development,
    }
}

/// Reads roles as their numbers.
///
/// # Errors
///
/// One is none of the contract.
pub fn roles(numbers: &[i32]) -> Result<Vec<i16>, Fault> {
    let known = |number: &i32| {
        let role = Role::try_from(*number).ok().filter(|role| *role != Role::Unspecified);
        role.map(role_number)
    };
    let wrong = numbers.iter().enumerate().filter(|(_, number)| known(number).is_none());
    let wrong: Vec<_> = wrong
        .map(|(index, number)| {
            let field = format!("roles[{index}]");
            violation(&field, Rule::UnknownChoice, "a role", &number.to_string())
        })
        .collect();
    if !wrong.is_empty() {
        return Err(Fault::fields(wrong));
    }
    Ok(numbers.iter().filter_map(known).collect())
}

/// Reads an identity.
///
/// # Errors
///
/// A certificate's name is not of SPIFFE's form, or it ends before it begins.
pub fn identity(message: &pb::Identity, now: OffsetDateTime) -> Result<Identity, Fault> {
    let mut wrong = Vec::new();
    let valid_from = message.valid_from.as_ref().map_or(Some(now), instant);
    let valid_until = message.valid_until.as_ref().map(instant);
    if message.issuer.is_empty() && !is_spiffe(&message.subject) {
        let expected = "a URI name such as spiffe://trust-domain/path";
        wrong.push(violation("identity.subject", Rule::BadFormat, expected, &message.subject));
    }
    let (Some(valid_from), None | Some(Some(_))) = (valid_from, valid_until) else {
        let expected = "an instant between the years 1 and 9999";
        wrong.push(violation("identity.valid_from", Rule::BadFormat, expected, ""));
        return Err(Fault::fields(wrong));
    };
    let valid_until = valid_until.flatten();
    if valid_until.is_some_and(|until| until <= valid_from) {
        let expected = "later than valid_from";
        wrong.push(violation("identity.valid_until", Rule::OutOfRange, expected, ""));
    }
    if !wrong.is_empty() {
        return Err(Fault::fields(wrong));
    }
    let (issuer, subject) = (message.issuer.clone(), message.subject.clone());
    Ok(Identity { issuer, subject, valid_from, valid_until })
}

/// Returns whether a name is a SPIFFE ID: `spiffe://`, a trust domain, a path
/// (<https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md>, section 2).
#[must_use]
pub fn is_spiffe(uri: &str) -> bool {
    let Some((domain, path)) = uri.strip_prefix("spiffe://").and_then(|rest| rest.split_once('/'))
    else {
        return false;
    };
    let of_domain = |letter: char| {
        letter.is_ascii_lowercase() || letter.is_ascii_digit() || ".-_".contains(letter)
    };
    let of_path = |letter: char| letter.is_ascii_alphanumeric() || ".-_".contains(letter);
    !domain.is_empty()
        && domain.chars().all(of_domain)
        && path
            .split('/')
            .all(|segment| !["", ".", ".."].contains(&segment) && segment.chars().all(of_path))
}

/// Returns a system as the contract has it.
#[must_use]
pub fn system(system: System) -> pb::System {
    let identities = system.identities.into_iter().map(|identity| pb::Identity {
        issuer: identity.issuer,
        subject: identity.subject,
        valid_from: Some(timestamp(identity.valid_from)),
        valid_until: identity.valid_until.map(timestamp),
    });
    pb::System {
        name: system.name,
        environment: i32::from(system.environment),
        roles: system.roles.into_iter().map(i32::from).collect(),
        identities: identities.collect(),
        tokens: system.tokens.iter().map(token).collect(),
        disabled_at: system.disabled_at.map(timestamp),
        created_at: Some(timestamp(system.created_at)),
    }
}

/// Returns a token as it is listed.
#[must_use]
pub fn token(token: &Token) -> pb::Token {
    pb::Token {
        token_id: token.id(),
        created_at: Some(timestamp(token.created_at)),
        expires_at: token.expires_at.map(timestamp),
    }
}

/// Returns quotas as the contract has them.
#[must_use]
pub fn quotas(quotas: Vec<(i16, i64)>) -> Vec<pb::Quota> {
    let quota = |(quota, most)| pb::Quota { quota: i32::from(quota), most: Some(most) };
    quotas.into_iter().map(quota).collect()
}

/// Returns a source as the contract has it.
#[must_use]
pub fn source(source: Source) -> pb::Source {
    let lanes = source.lanes.into_iter().map(|(name, last_batch_id, at)| pb::Lane {
        name,
        last_batch_id,
        last_committed_at: at.map(timestamp),
    });
    pb::Source {
        name: source.name,
        lanes: lanes.collect(),
        created_at: Some(timestamp(source.created_at)),
    }
}

fn instant(at: &prost_types::Timestamp) -> Option<OffsetDateTime> {
    let nanos = i128::from(at.seconds) * 1_000_000_000 + i128::from(at.nanos);
    OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()
}

/// Returns an instant as the contract has it.
#[must_use]
pub fn timestamp(at: OffsetDateTime) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: at.unix_timestamp(),
        nanos: i32::try_from(at.nanosecond()).unwrap_or_default(),
    }
}

fn violation(field: &str, rule: Rule, expected: &str, given: &str) -> Violation {
    Violation {
        field: field.to_owned(),
        rule,
        expected: expected.to_owned(),
        given: fields::cut(given),
    }
}
