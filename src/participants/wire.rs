//! Contract ⇄ participants.

use time::OffsetDateTime;

use crate::codes::divisions;
use crate::kernel::fault::Fault;
use crate::kernel::fields::{self, Rule, Violation};
use crate::participants::store::{Jurisdiction, Participant, Source};
use crate::pb::peshub::common::v1 as common;
use crate::pb::peshub::common::v1::Role;
use crate::pb::peshub::participants::v1 as pb;
use crate::platform::permit::{Environment, ParticipantKind};

/// Reads an organisation from a request whose fields have been held against the contract.
///
/// # Errors
///
/// A division is unknown, a bureau has none, or somebody else has some.
pub fn participant(message: pb::Participant, now: OffsetDateTime) -> Result<Participant, Fault> {
    let mut wrong = Vec::new();
    let kind = i16::try_from(message.kind).ok().and_then(ParticipantKind::of_number);
    let Some(kind) = kind else {
        let violation = violation("participant.kind", Rule::UnknownChoice, "a kind", "");
        return Err(Fault::fields(vec![violation]));
    };
    let mut jurisdictions = Vec::new();
    for (index, division) in message.divisions.iter().enumerate() {
        match jurisdiction(division) {
            Some(found) => jurisdictions.push(found),
            None => wrong.push(violation(
                &format!("participant.divisions[{index}].code"),
                Rule::BadFormat,
                "a division in force",
                &division.code,
            )),
        }
    }
    let is_bureau = kind == ParticipantKind::Bureau;
    if is_bureau == message.divisions.is_empty() {
        let expected = "divisions for a bureau, and none for others";
        wrong.push(violation("participant.divisions", Rule::Required, expected, ""));
    }
    if !wrong.is_empty() {
        return Err(Fault::fields(wrong));
    }
    Ok(Participant {
        name: message.name,
        display_name: message.display_name,
        kind,
        divisions: jurisdictions,
        certificate_uris: message.certificate_uris,
        roles: usual_roles(kind).to_vec(),
        created_at: now,
        environment: Environment::Production,
    })
}

/// Returns what the systems of an organisation usually may do. Administrative roles are granted one by one.
#[must_use]
pub const fn usual_roles(kind: ParticipantKind) -> &'static [Role] {
    match kind {
        ParticipantKind::Bureau => {
            &[Role::PostingWriter, Role::PostingReader, Role::WorkerRegistrar, Role::WorkerReader]
        }
        ParticipantKind::Platform => {
            &[Role::PostingWriter, Role::PostingReader, Role::WorkerRegistrar]
        }
        ParticipantKind::Issuer | ParticipantKind::Operator => &[],
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
    }
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

fn timestamp(at: OffsetDateTime) -> prost_types::Timestamp {
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
