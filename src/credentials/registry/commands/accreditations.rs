//! Accrediting issuers.

use prost::Message as _;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::codes::divisions::{self, Division};
use crate::codes::occupations;
use crate::credentials::domain::AccreditationId;
use crate::credentials::error::CredentialError;
use crate::credentials::registry::commands::{Office, holder, known, sound};
use crate::credentials::registry::kind;
use crate::credentials::store::registry::changes::{self, NewAccreditation};
use crate::credentials::wire::registry as render;
use crate::credentials::wire::{instant_or, timestamp, violation};
use crate::kernel::fields::{Rule, Violation};
use crate::kernel::ids;
use crate::pb::peshub::common::v1 as common;
use crate::pb::peshub::credentials::v1 as pb;
use crate::platform::db::{Record, WriteTx};
use crate::platform::permit::Permit;

/// Accredits an issuer.
///
/// # Errors
///
/// `FIELDS_INVALID`, `ISSUER_NOT_FOUND`, `CREDENTIAL_TYPE_NOT_FOUND`, `ACTION_NOT_GRANTED`, or the database fails.
pub async fn give(
    office: &Office,
    tx: &mut WriteTx,
    request: &pb::AccreditIssuerRequest,
    now: OffsetDateTime,
) -> Result<(pb::AccreditIssuerResponse, Record), CredentialError> {
    let mut wrong = Vec::new();
    let valid_from = instant_or(request.valid_from.as_ref(), "valid_from", now, &mut wrong);
    let until = request.valid_until.as_ref();
    let valid_until = until.map(|it| instant_or(Some(it), "valid_until", now, &mut wrong));
    if valid_until.is_some_and(|until| until <= valid_from) {
        let expected = "later than valid_from";
        wrong.push(violation("valid_until", Rule::OutOfRange, expected, ""));
    }
    let occupations = occupations(&request.occupations, &mut wrong);
    let divisions = divisions(&request.divisions, &mut wrong);
    sound(wrong)?;
    let divisions = within(divisions, tx.permit())?;
    let (stamp, book) = office.begin(tx, now).await?;
    let issuer = known(&book, &request.issuer)?;
    if book.type_version(&request.type_name, 0).is_none() {
        let name = request.type_name.clone();
        return Err(CredentialError::CredentialTypeNotFound { name });
    }
    let id = AccreditationId(ids::time_ordered(now));
    let content = pb::Accreditation {
        accreditation_id: id.to_string(),
        type_name: request.type_name.clone(),
        occupations,
        divisions: divisions.into_iter().map(division).collect(),
        valid_from: Some(timestamp(valid_from)),
        valid_until: valid_until.map(timestamp),
        granted_by: tx.permit().holder().map_or("", |it| it.participant_name.as_str()).to_owned(),
        granted_at: Some(timestamp(now)),
        ..pb::Accreditation::default()
    };
    let accreditation = NewAccreditation {
        id,
        issuer: issuer.id,
        type_name: &request.type_name,
        content: &content.encode_to_vec(),
        valid_from,
        valid_until,
        granted_by: holder(tx.permit()),
    };
    changes::add_accreditation(tx, accreditation, stamp).await?;
    let subject = format!("issuers/{}/accreditations/{id}", issuer.name);
    let record = Record::new(now, subject, "accreditation.given");
    Ok((pb::AccreditIssuerResponse { accreditation: Some(content) }, record))
}

/// Reads occupations, and writes them as their lists do.
fn occupations(
    named: &[common::Occupation],
    wrong: &mut Vec<Violation>,
) -> Vec<common::Occupation> {
    let mut read = Vec::new();
    for (index, occupation) in named.iter().enumerate() {
        let scheme = kind::occupation_scheme(occupation.scheme());
        let found = scheme.map(|scheme| occupations::resolve(scheme, &occupation.code));
        let (code, name) = match found {
            Some(occupations::Resolution::Known(found)) => (found.code(), found.name()),
            Some(occupations::Resolution::Carried) => (occupation.code.trim(), ""),
            Some(occupations::Resolution::Unknown { .. }) | None => {
                let field = format!("occupations[{index}].code");
                let expected = "a code of its list";
                wrong.push(violation(&field, Rule::BadFormat, expected, &occupation.code));
                continue;
            }
        };
        read.push(common::Occupation {
            scheme: occupation.scheme,
            code: code.to_owned(),
            name: name.to_owned(),
        });
    }
    read
}

fn divisions(named: &[common::Division], wrong: &mut Vec<Violation>) -> Vec<&'static Division> {
    let mut read = Vec::new();
    for (index, division) in named.iter().enumerate() {
        let scheme = match division.scheme() {
            common::DivisionScheme::Unspecified => None,
            common::DivisionScheme::Gbt2260 => Some(divisions::Scheme::GbT2260),
            common::DivisionScheme::Iso31662 => Some(divisions::Scheme::Iso3166_2),
        };
        match scheme.and_then(|scheme| divisions::lookup(scheme, &division.code)) {
            Some(found) => read.push(found),
            None => {
                let field = format!("divisions[{index}].code");
                let expected = "a division in force";
                wrong.push(violation(&field, Rule::BadFormat, expected, &division.code));
            }
        }
    }
    read
}

/// Sees that divisions lie within the bureau's own; the bureau's own when none are named.
fn within(
    named: Vec<&'static Division>,
    permit: &Permit,
) -> Result<Vec<&'static Division>, CredentialError> {
    let tokens = permit.holder().map(|it| it.division_tokens.as_slice()).unwrap_or_default();
    let own: Vec<_> = tokens.iter().filter_map(|token| of_token(token)).collect();
    if own.is_empty() {
        let why = "only a bureau accredits, and within its divisions".to_owned();
        return Err(CredentialError::NotGranted { why });
    }
    if named.is_empty() {
        return Ok(own);
    }
    let beyond = named.iter().find(|it| !own.iter().any(|own| it.lies_within(own)));
    match beyond {
        Some(beyond) => {
            let why = format!("{} is not one of the caller's divisions", beyond.code());
            Err(CredentialError::NotGranted { why })
        }
        None => Ok(named),
    }
}

fn of_token(token: &str) -> Option<&'static Division> {
    [divisions::Scheme::GbT2260, divisions::Scheme::Iso3166_2]
        .into_iter()
        .find_map(|scheme| divisions::lookup(scheme, token))
}

fn division(found: &'static Division) -> common::Division {
    let scheme = match found.scheme() {
        divisions::Scheme::GbT2260 => common::DivisionScheme::Gbt2260,
        divisions::Scheme::Iso3166_2 => common::DivisionScheme::Iso31662,
    };
    common::Division {
        scheme: scheme.into(),
        code: found.code().to_owned(),
        name: found.name().to_owned(),
    }
}

/// Withdraws an accreditation. One that is withdrawn already stays as it is.
///
/// # Errors
///
/// `FIELDS_INVALID`, `ACCREDITATION_NOT_FOUND`, or the database fails.
pub async fn withdraw(
    office: &Office,
    tx: &mut WriteTx,
    request: &pb::WithdrawAccreditationRequest,
    now: OffsetDateTime,
) -> Result<(pb::WithdrawAccreditationResponse, Record), CredentialError> {
    let mut wrong = Vec::new();
    let at = instant_or(request.at.as_ref(), "at", now, &mut wrong);
    if at < now {
        wrong.push(violation("at", Rule::OutOfRange, "now or later", ""));
    }
    sound(wrong)?;
    let missing =
        || CredentialError::AccreditationNotFound { id: request.accreditation_id.clone() };
    let id = Uuid::try_parse(&request.accreditation_id).map_err(|_| missing())?;
    let caller = holder(tx.permit());
    let (stamp, book) = office.begin(tx, now).await?;
    let mut all = book.issuers().iter().flat_map(|issuer| &issuer.accreditations);
    let found = all.find(|it| it.id.0 == id && it.granted_by == caller).ok_or_else(missing)?;
    changes::withdraw_accreditation(tx, found.id, (at, &request.because), stamp).await?;
    let book = office.after(tx, stamp).await?;
    let issuer = book.issuer_by_id(found.issuer).ok_or_else(missing)?;
    let after = issuer.accreditations.iter().find(|it| it.id == found.id);
    let accreditation = after.map(|it| render::accreditation(it));
    let subject = format!("issuers/{}/accreditations/{id}", issuer.name);
    let record = Record::new(now, subject, "accreditation.withdrawn");
    Ok((pb::WithdrawAccreditationResponse { accreditation }, record))
}
