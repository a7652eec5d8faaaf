//! Contract ⇄ programmes: drafts, editions, findings, comparisons.

use prost::Message as _;

use crate::codes::divisions::Division;
use crate::pb::peshub::subsidies::v1 as pb;
use crate::subsidies::error::SubsidyError;
use crate::subsidies::programme::cases::Outcome;
use crate::subsidies::programme::compare::{Comparison, Witness};
use crate::subsidies::programme::finding::Finding;
use crate::subsidies::store::catalogue::Fact;
use crate::subsidies::store::programme::{Draft, Edition};
use crate::subsidies::wire::{division_message, fact, timestamp};

/// Returns a fact of the catalogue.
#[must_use]
pub fn catalogued(fact: &Fact) -> pb::CataloguedFact {
    pb::CataloguedFact {
        definition: Some(fact.definition.clone()),
        bureau: fact.bureau.clone(),
        defined_at: Some(timestamp(fact.defined_at)),
        retired_at: fact.retired_at.map(timestamp),
    }
}

/// Returns a draft; `newest` is the number of the newest edition.
#[must_use]
pub fn draft(draft: &Draft, newest: i64) -> pb::ProgrammeDraft {
    pb::ProgrammeDraft {
        programme: Some(draft.programme.clone()),
        draft_sha256: draft.sha256.clone().into(),
        drafted_by: draft.drafter.clone(),
        drafted_at: Some(timestamp(draft.drafted_at)),
        bureau: draft.bureau.clone(),
        newest_edition: newest,
    }
}

/// Reads what an edition says.
///
/// # Errors
///
/// It cannot be read.
pub fn content(edition: &Edition) -> Result<pb::Edition, SubsidyError> {
    let unreadable = |_| SubsidyError::Corrupt { what: "edition" };
    pb::Edition::decode(edition.content.as_slice()).map_err(unreadable)
}

/// Returns an edition.
///
/// # Errors
///
/// What is stored cannot be read.
pub fn edition(edition: &Edition) -> Result<pb::PublishedEdition, SubsidyError> {
    Ok(pb::PublishedEdition {
        programme: edition.name.clone(),
        number: edition.number,
        edition: Some(content(edition)?),
        edition_sha256: edition.sha256.clone().into(),
        bureau: edition.bureau.clone(),
        drafted_by: edition.drafted_by.clone(),
        published_by: edition.published_by.clone(),
        published_at: Some(timestamp(edition.published_at)),
        retired_at: edition.retired_at.map(timestamp),
        in_force: edition.number == edition.newest && edition.retired_at.is_none(),
    })
}

/// Returns an edition as lists have it: without facts and cases.
///
/// # Errors
///
/// What is stored cannot be read.
pub fn listed(edition: &Edition) -> Result<pb::PublishedEdition, SubsidyError> {
    let mut told = self::edition(edition)?;
    if let Some(content) = &mut told.edition {
        content.facts.clear();
        content.programme.iter_mut().for_each(|programme| programme.cases.clear());
    }
    Ok(told)
}

/// Returns a finding.
#[must_use]
pub fn finding(finding: &Finding) -> pb::ProgrammeFinding {
    let count = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    let place = finding.place.as_ref();
    pb::ProgrammeFinding {
        field: finding.field.clone(),
        kind: finding.kind.into(),
        line: place.map_or(0, |place| count(place.line)),
        column: place.map_or(0, |place| count(place.column)),
        detail: finding.detail.clone(),
        excerpt: place.map_or_else(String::new, |place| place.excerpt.clone()),
        mark: place.map_or(0, |place| count(place.mark)),
        width: place.map_or(0, |place| count(place.width)),
    }
}

/// Returns how a case came out.
#[must_use]
pub fn outcome(outcome: &Outcome) -> pb::CaseOutcome {
    pb::CaseOutcome {
        id: outcome.id.clone(),
        passed: outcome.difference.is_empty(),
        difference: outcome.difference.clone(),
    }
}

/// Returns a comparison of two editions, by their numbers.
#[must_use]
pub fn comparison(found: &Comparison, (before, after): (i64, i64)) -> pb::Comparison {
    pb::Comparison {
        before,
        after,
        changes: found.changes.clone(),
        witnesses: found.witnesses.iter().map(witness).collect(),
        tried: i32::try_from(found.tried).unwrap_or(i32::MAX),
    }
}

fn witness(witness: &Witness) -> pb::Witness {
    pb::Witness {
        kind: witness.kind.into(),
        facts: fact::rendered_facts(&witness.person.facts),
        division: witness.person.division.map(|it: &Division| division_message(it)),
        verdict_before: witness.verdicts.0.into(),
        verdict_after: witness.verdicts.1.into(),
        amount_before: witness.amounts.0,
        amount_after: witness.amounts.1,
        criteria: witness.criteria.iter().map(ToString::to_string).collect(),
        case_id: witness.case.clone(),
    }
}
