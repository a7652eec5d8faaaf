//! What the hub determines of an application, and what the application takes by that: pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use prost::Message as _;
use time::Date;
use uuid::Uuid;

use crate::codes::divisions::Division;
use crate::kernel::fields::Rule;
use crate::pb::peshub::common::v1 as common;
use crate::pb::peshub::subsidies::v1 as pb;
use crate::subsidies::application::desk::Answering;
use crate::subsidies::application::machine::State;
use crate::subsidies::application::record::without_values;
use crate::subsidies::application::sealed::Content;
use crate::subsidies::blind::Blind;
use crate::subsidies::book::Published;
use crate::subsidies::claimed;
use crate::subsidies::domain::{Catalogue, Day, Facts, Value};
use crate::subsidies::error::SubsidyError;
use crate::subsidies::evaluator::judgement::EvalError;
use crate::subsidies::evaluator::rule::Trace;
use crate::subsidies::programme::canonical::{Encoded, Sha256};
use crate::subsidies::programme::claims::{self, Subjects};
use crate::subsidies::store::claim::Claims;
use crate::subsidies::wire;
use crate::subsidies::wire::determination::{Around, render};
use crate::subsidies::wire::fact;

/// What an application takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Takes {
    /// What it claims.
    pub claims: Claims,
    /// What it costs as far as that is known: it is reserved.
    pub amount: i64,
    /// Whether it waits for whether the programme goes on.
    pub is_held: bool,
}

impl Takes {
    /// Returns in which state it is filed.
    #[must_use]
    pub const fn state(&self) -> State {
        if self.is_held { State::Held } else { State::Submitted }
    }
}

/// Whom and what an application is about, besides its facts.
#[derive(Clone, Copy, Debug, Default)]
pub struct About {
    /// Where.
    pub division: Option<&'static Division>,
    /// Pseudonym of the worker.
    pub worker_id: Option<Uuid>,
    /// Keyed digest of the employer.
    pub employer: Option<Uuid>,
}

/// What was determined.
#[derive(Clone, Debug)]
pub struct Found {
    /// The facts that counted, and the determination with values.
    pub content: Content,
    /// What it takes by that.
    pub takes: Takes,
}

impl Found {
    /// Returns the determination without values, encoded.
    #[must_use]
    pub fn shown(&self) -> Vec<u8> {
        let determination = self.content.determination.clone().unwrap_or_default();
        without_values(determination).encode_to_vec()
    }
}

/// Reads the division of a request.
///
/// # Errors
///
/// It is none.
pub fn division(
    named: Option<&common::Division>,
) -> Result<Option<&'static Division>, SubsidyError> {
    let Some(named) = named else { return Ok(None) };
    let none = || SubsidyError::field("division.code", "a division in force");
    wire::division(named).map(Some).ok_or_else(none)
}

/// Returns the division of a stored token.
#[must_use]
pub fn division_of(token: Option<&str>) -> Option<&'static Division> {
    token.and_then(wire::division_of_token)
}

/// Reads the employer of a request.
///
/// # Errors
///
/// It is no registration number.
pub fn employer(blind: &Blind, number: &str) -> Result<Option<Uuid>, SubsidyError> {
    if number.is_empty() {
        return Ok(None);
    }
    let none = || SubsidyError::field("employer", "a registration number of letters and digits");
    blind.employer(number).map(Some).ok_or_else(none)
}

/// Sees that the catalogue has facts that are asked for, and that applicants state them.
///
/// # Errors
///
/// `FACT_UNKNOWN`.
pub fn see_facts(catalogue: &Catalogue, names: &[String]) -> Result<(), SubsidyError> {
    let unknown = names
        .iter()
        .enumerate()
        .filter(|(_, name)| catalogue.get(name).is_none_or(|definition| definition.stated_by_hub));
    let wrong: Vec<_> = unknown
        .map(|(index, name)| {
            let expected = "a fact of the catalogue that the hub does not state itself";
            wire::violation(&format!("facts[{index}]"), Rule::BadFormat, expected, name)
        })
        .collect();
    if wrong.is_empty() { Ok(()) } else { Err(SubsidyError::FactUnknown(wrong)) }
}

/// Sees that facts that somebody states are ones that applicants state.
///
/// # Errors
///
/// `FACT_UNKNOWN`.
pub fn see_stated(catalogue: &Catalogue, facts: &[pb::Fact]) -> Result<(), SubsidyError> {
    let names: Vec<String> = facts.iter().map(|it| it.name.clone()).collect();
    see_facts(catalogue, &names)
}

/// Determines what is stated, as of the day on which it was filed, which is the day of the claim.
///
/// # Errors
///
/// `FACT_UNKNOWN`, `EVALUATION_FAILED`.
pub fn determine(
    (answering, blind): (&Answering, &Blind),
    stated: &[pb::Fact],
    about: &About,
    filed_on: Date,
) -> Result<Found, SubsidyError> {
    let (day, published) = (Day::of(filed_on), answering.published.as_ref());
    let read = fact::stated(stated, answering.book.catalogue(), day, "facts");
    let mut read = read.map_err(SubsidyError::FactUnknown)?;
    for name in &published.compiled.moving {
        read.facts.entry(Arc::clone(name)).or_insert(Value::Day(day));
    }
    let counted = Counted { facts: read.facts, rests_on: read.rests_on };
    let determination = answer(published, &counted, about.division)?;
    let takes = takes((answering, blind), &determination, &counted.facts, about)?;
    let facts = rendered(&counted, stated);
    let content = Content { facts, determination: Some(determination), entry_id: String::new() };
    Ok(Found { content, takes })
}

/// Facts that counted, and where those come from that rest on more than somebody's word.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    /// The facts.
    pub facts: Facts,
    /// Where they come from.
    pub rests_on: BTreeMap<Arc<str>, pb::Provenance>,
}

/// Returns what an edition answers. It is the same whenever and wherever it is asked.
///
/// # Errors
///
/// `EVALUATION_FAILED`.
pub fn answer(
    published: &Published,
    counted: &Counted,
    division: Option<&'static Division>,
) -> Result<pb::Determination, SubsidyError> {
    let determined = published.compiled.determine(&counted.facts, division, Trace::On);
    let determined = determined.map_err(|error| failed(published, &error))?;
    let sha256: Sha256 = published.sha256.as_slice().try_into().unwrap_or_default();
    let around = Around {
        edition: published.edition,
        edition_sha256: &sha256,
        facts: &Encoded::of(&counted.facts),
        rests_on: &counted.rests_on,
        turns_on: None,
        last_day_to_file: None,
    };
    Ok(render(&published.compiled, &determined, around))
}

fn failed(published: &Published, error: &EvalError) -> SubsidyError {
    SubsidyError::EvaluationFailed {
        programme: published.name().to_string(),
        place: error.to_string(),
    }
}

/// Returns the amount of a determination where it is known.
#[must_use]
pub fn amount(determination: &pb::Determination) -> Option<i64> {
    let amount = determination.amount.as_ref()?;
    (amount.least == amount.greatest).then_some(amount.least)
}

/// Returns what an application takes by what was determined. What is not eligible takes nothing; what cannot be told yet claims, if it is
/// known what it would claim, so that whoever files first is first.
fn takes(
    (answering, blind): (&Answering, &Blind),
    determination: &pb::Determination,
    facts: &Facts,
    about: &About,
) -> Result<Takes, SubsidyError> {
    let verdict = determination.verdict();
    if !claimed::is_claimed_with(verdict) {
        return Ok(Takes::default());
    }
    let subjects = Subjects {
        worker: about.worker_id.as_ref().map(|it| it.as_bytes().as_slice()),
        employer: about.employer.as_ref().map(|it| it.as_bytes().as_slice()),
    };
    let keys = claims::keys(&answering.published.compiled, &answering.others(), facts, subjects);
    let is_eligible = verdict == pb::Verdict::Eligible;
    let keys = match keys {
        Ok(keys) => keys,
        Err(claims::KeyError::Subject(part)) => {
            let field = if part.word() == "worker" { "worker_reference" } else { part.word() };
            let expected = "what the programme gives once for; it is needed to file";
            return Err(SubsidyError::field(field, expected));
        }
        // What it would claim turns out with the facts that are missing.
        Err(claims::KeyError::Facts(_)) if !is_eligible => Vec::new(),
        Err(claims::KeyError::Facts(names)) => {
            let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
            let expected = format!("{}: the programme gives once for it", names.join(", "));
            return Err(SubsidyError::field("facts", &expected));
        }
    };
    Ok(Takes {
        claims: claimed::blinded(blind, answering.name(), keys),
        amount: if is_eligible { amount(determination).unwrap_or_default() } else { 0 },
        is_held: verdict == pb::Verdict::Held,
    })
}

/// Returns facts that counted as they are kept, with where they come from.
fn rendered(counted: &Counted, stated: &[pb::Fact]) -> Vec<pb::Fact> {
    let from: BTreeMap<&str, &pb::Fact> = stated.iter().map(|it| (it.name.as_str(), it)).collect();
    let mut facts = fact::rendered_facts(&counted.facts);
    for fact in &mut facts {
        fact.provenance = from.get(fact.name.as_str()).and_then(|it| it.provenance.clone());
    }
    facts
}

/// Returns how much an edition claims back of what its version gave; `None`: it does not say.
///
/// # Errors
///
/// `EVALUATION_FAILED`; `FIELDS_INVALID` when facts are missing.
pub fn clawback(
    (published, catalogue): (&Published, &Catalogue),
    content: &Content,
    division: Option<&'static Division>,
) -> Result<Option<i64>, SubsidyError> {
    let counted = counted(&content.facts, catalogue)?;
    let version = content.determination.as_ref().map_or("", |it| it.version.as_str());
    let said = published.compiled.clawback(version, &counted.facts, division);
    let said = said.map_err(|error| failed(published, &error))?;
    match said {
        None => Ok(None),
        Some((range, _)) if range.least == range.greatest => Ok(Some(range.least)),
        Some((_, unknown)) => {
            let names: Vec<&str> = unknown.iter().map(AsRef::as_ref).collect();
            let expected = format!("an amount: it depends on {}", names.join(", "));
            Err(SubsidyError::field("amount", &expected))
        }
    }
}

/// Reads facts that counted once: none of them grows stale.
///
/// # Errors
///
/// `FACT_UNKNOWN`.
pub fn counted(facts: &[pb::Fact], catalogue: &Catalogue) -> Result<Counted, SubsidyError> {
    let read = fact::stated(facts, catalogue, FIRST, "facts").map_err(SubsidyError::FactUnknown)?;
    Ok(Counted { facts: read.facts, rests_on: read.rests_on })
}

/// The first day that there is: nothing is stale on it.
const FIRST: Day = Day(-25_567);
