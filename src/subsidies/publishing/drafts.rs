//! Drafts, and what becomes of them.

use std::collections::BTreeSet;

use prost::Message as _;
use time::OffsetDateTime;

use crate::kernel::fields::Rule;
use crate::pb::peshub::subsidies::v1 as pb;
use crate::platform::db::{DbError, Record, WriteTx};
use crate::subsidies::error::SubsidyError;
use crate::subsidies::programme::{CompiledProgramme, canonical};
use crate::subsidies::publishing::{holder, jurisdiction, thinking};
use crate::subsidies::store::catalogue;
use crate::subsidies::store::programme::{self as store, Draft, Edition, Named, NewEdition};
use crate::subsidies::wire::programme as render;
use crate::subsidies::wire::violation;

/// Stores a draft.
///
/// # Errors
///
/// `FIELDS_INVALID`, `ALREADY_EXISTS`, or the database fails.
pub async fn save(
    tx: &mut WriteTx,
    request: &pb::DraftProgrammeRequest,
    now: OffsetDateTime,
) -> Result<(pb::DraftProgrammeResponse, Record), SubsidyError> {
    let sent = request.programme.clone().unwrap_or_default();
    let wrong = jurisdiction(&sent, tx.permit());
    if !wrong.is_empty() {
        return Err(SubsidyError::Invalid(wrong));
    }
    let (participant, system) = holder(tx.permit());
    let definitions = definitions(tx).await?;
    let (sent, review) = thinking::reviewed(sent, &definitions).await?;
    let taken = || SubsidyError::AlreadyExists { what: "programme", name: sent.name.clone() };
    let programme = match store::named(tx.connection(), &sent.name).await? {
        Some(found) if found.participant == participant => found,
        Some(_) => return Err(taken()),
        None => {
            let created = store::create(tx, &sent.name, participant, now).await;
            created.map_err(|error| match error {
                DbError::Constraint { .. } => taken(),
                error => error.into(),
            })?
        }
    };
    let content = sent.encode_to_vec();
    let sha256 = canonical::sha256(&content);
    store::save_draft(tx, programme.id, (&content, &sha256), system, now).await?;
    let draft = store::draft(tx.connection(), programme.id).await?;
    let draft = draft.ok_or(SubsidyError::Corrupt { what: "draft" })?;
    let answer = pb::DraftProgrammeResponse {
        draft: Some(render::draft(&draft, programme.edition)),
        findings: review.findings.iter().map(render::finding).collect(),
    };
    let subject = format!("programmes/{}/draft", sent.name);
    Ok((answer, Record::new(now, subject, "programme.drafted")))
}

/// Publishes a draft.
///
/// # Errors
///
/// `PROGRAMME_NOT_FOUND`, `FIELDS_INVALID`, `FOUR_EYES_REQUIRED`, `PROGRAMME_REFUSED`, or the database fails.
pub async fn publish(
    tx: &mut WriteTx,
    request: &pb::PublishProgrammeRequest,
    now: OffsetDateTime,
) -> Result<(pb::PublishProgrammeResponse, Record), SubsidyError> {
    let revision = catalogue::begin(tx).await?;
    let (programme, draft) = reviewed_draft(tx, request).await?;
    let name = request.name.clone();
    let definitions = definitions(tx).await?;
    let (content, review) = thinking::reviewed(draft.programme, &definitions).await?;
    let Some(compiled) = review.compiled.filter(|_| review.findings.is_empty()) else {
        return Err(SubsidyError::Refused { name, findings: review.findings });
    };
    let facts = read_by(&content, &compiled, definitions);
    let edition = pb::Edition { programme: Some(content), facts };
    let bytes = canonical::edition(&edition);
    let sha256 = canonical::sha256(&bytes);
    let before = store::edition(tx.connection(), programme.id, programme.edition).await?;
    let comparison = thinking::compared(before.as_ref(), edition).await?;
    let number = programme.edition.saturating_add(1);
    let tokens: Vec<String> = compiled.divisions.iter().map(|it| it.token().to_owned()).collect();
    let new = NewEdition {
        programme: programme.id,
        number,
        content: (&bytes, &sha256),
        systems: (draft.drafted_by, holder(tx.permit()).1),
        divisions: &tokens,
    };
    store::publish(tx, new, revision, now).await?;
    store::drop_draft(tx, programme.id).await?;
    let answer = pb::PublishProgrammeResponse {
        edition: Some(render::edition(&stored(tx, programme.id, number).await?)?),
        comparison: Some(render::comparison(&comparison, (programme.edition, number))),
    };
    let subject = format!("programmes/{name}/editions/{number}");
    let record = Record::new(now, subject, "programme.published");
    Ok((answer, record.of_body(sha256.to_vec().into())))
}

/// Returns the draft that is to be published: the one that was reviewed, by another system than the one that made it, and for divisions
/// that are still the bureau's.
async fn reviewed_draft(
    tx: &mut WriteTx,
    request: &pb::PublishProgrammeRequest,
) -> Result<(Named, Draft), SubsidyError> {
    let missing = || SubsidyError::ProgrammeNotFound { name: request.name.clone() };
    let programme = own(tx, &request.name).await?.ok_or_else(missing)?;
    let draft = store::draft(tx.connection(), programme.id).await?.ok_or_else(missing)?;
    if draft.sha256 != request.draft_sha256 {
        let expected = "the SHA-256 of the draft as it is now: it was drafted again";
        let violation = violation("draft_sha256", Rule::OutOfRange, expected, "");
        return Err(SubsidyError::Invalid(vec![violation]));
    }
    if draft.drafted_by == holder(tx.permit()).1 {
        return Err(SubsidyError::FourEyes { name: request.name.clone() });
    }
    let wrong = jurisdiction(&draft.programme, tx.permit());
    if wrong.is_empty() { Ok((programme, draft)) } else { Err(SubsidyError::Invalid(wrong)) }
}

/// Retires a programme.
///
/// # Errors
///
/// `PROGRAMME_NOT_FOUND`, or the database fails.
pub async fn retire(
    tx: &mut WriteTx,
    request: &pb::RetireProgrammeRequest,
    now: OffsetDateTime,
) -> Result<(pb::RetireProgrammeResponse, Record), SubsidyError> {
    catalogue::begin(tx).await?;
    let programme = own(tx, &request.name).await?;
    let missing = || SubsidyError::ProgrammeNotFound { name: request.name.clone() };
    let programme = programme.filter(|it| it.edition > 0).ok_or_else(missing)?;
    let (_, system) = holder(tx.permit());
    let number = programme.edition;
    store::retire(tx, (programme.id, number), system, &request.because, now).await?;
    let edition = Some(render::edition(&stored(tx, programme.id, number).await?)?);
    let subject = format!("programmes/{}/editions/{number}", request.name);
    let record = Record::new(now, subject, "programme.retired");
    Ok((pb::RetireProgrammeResponse { edition }, record))
}

/// Returns a programme that is the caller's.
async fn own(tx: &mut WriteTx, name: &str) -> Result<Option<Named>, SubsidyError> {
    let (participant, _) = holder(tx.permit());
    let found = store::named(tx.connection(), name).await?;
    Ok(found.filter(|it| it.participant == participant))
}

async fn stored(tx: &mut WriteTx, programme: i64, number: i64) -> Result<Edition, SubsidyError> {
    let found = store::edition(tx.connection(), programme, number).await?;
    found.ok_or(SubsidyError::Corrupt { what: "edition" })
}

async fn definitions(tx: &mut WriteTx) -> Result<Vec<pb::FactDefinition>, SubsidyError> {
    let facts = catalogue::active(tx.connection()).await?;
    Ok(facts.into_iter().map(|fact| fact.definition).collect())
}

/// Returns the definitions of the facts that an edition names, in order of their names.
fn read_by(
    programme: &pb::Programme,
    compiled: &CompiledProgramme,
    definitions: Vec<pb::FactDefinition>,
) -> Vec<pb::FactDefinition> {
    let stated = programme.cases.iter().flat_map(|case| &case.facts);
    let mut names: BTreeSet<&str> = stated.map(|fact| fact.name.as_str()).collect();
    names.extend(compiled.facts.iter().map(AsRef::as_ref));
    let mut facts: Vec<_> =
        definitions.into_iter().filter(|it| names.contains(it.name.as_str())).collect();
    facts.sort_by(|one, other| one.name.cmp(&other.name));
    facts
}
