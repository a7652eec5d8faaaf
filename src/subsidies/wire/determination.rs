//! What a programme answers, as the contract has it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::codes::divisions::Division;
use crate::pb::peshub::subsidies::v1 as pb;
use crate::subsidies::domain::Day;
use crate::subsidies::evaluator;
use crate::subsidies::programme::canonical::{Encoded, Sha256};
use crate::subsidies::programme::determine::Determined;
use crate::subsidies::programme::{CompiledProgramme, Shown};

/// What is known besides the answer.
#[derive(Clone, Copy, Debug)]
pub struct Around<'a> {
    /// Number of the edition.
    pub edition: i64,
    /// SHA-256 of the edition.
    pub edition_sha256: &'a Sha256,
    /// What was known of the subject.
    pub facts: &'a Encoded,
    /// Where facts come from that rest on more than somebody's word.
    pub rests_on: &'a BTreeMap<Arc<str>, pb::Provenance>,
    /// The day on which the verdict turns.
    pub turns_on: Option<Day>,
    /// The last day on which it can be filed.
    pub last_day_to_file: Option<Day>,
}

/// Returns an answer. `taken_until` is left empty: facts do not tell what is claimed.
#[must_use]
pub fn render(
    programme: &CompiledProgramme,
    answer: &Determined,
    around: Around<'_>,
) -> pb::Determination {
    let texts = |names: &[Arc<str>]| names.iter().map(ToString::to_string).collect();
    let day = |day: Option<Day>| day.map_or_else(String::new, |day| day.to_string());
    let criterion = |it: &crate::subsidies::programme::determine::Criterion| pb::CriterionOutcome {
        id: it.id.to_string(),
        state: it.state.into(),
        facts_read: texts(&it.read),
        open_facts: texts(&it.open),
    };
    let own = |name: &&Arc<str>| programme.facts.binary_search(name).is_ok();
    let mut rests_on: Vec<String> = (around.rests_on.iter())
        .filter(|(name, _)| own(name))
        .map(|(_, provenance)| provenance.reference.clone())
        .filter(|reference| !reference.is_empty())
        .collect();
    rests_on.sort_unstable();
    rests_on.dedup();
    pb::Determination {
        programme: programme.name.to_string(),
        edition: around.edition,
        version: answer.version.as_deref().unwrap_or_default().to_owned(),
        verdict: answer.verdict.into(),
        criteria: answer.criteria.iter().map(criterion).collect(),
        amount: amount(programme, answer),
        ask: answer.ask.iter().map(|name| open_fact(programme, name)).collect(),
        taken_until: String::new(),
        turns_on: day(around.turns_on),
        last_day_to_file: day(around.last_day_to_file),
        cost: i64::try_from(answer.cost).unwrap_or(i64::MAX),
        edition_sha256: around.edition_sha256.to_vec().into(),
        facts_sha256: around.facts.sha256(&programme.facts).to_vec().into(),
        selected_on: day(answer.selected_on),
        evaluator: evaluator::VERSION,
        overlay: answer.overlay.map_or_else(String::new, |it: &Division| it.code().to_owned()),
        rests_on,
        is_exact: answer.is_exact,
    }
}

fn amount(programme: &CompiledProgramme, answer: &Determined) -> Option<pb::Amount> {
    let range = answer.amount?;
    let step = |it: &evaluator::judgement::DerivationStep| pb::DerivationStep {
        expression: it.expression.clone(),
        value: it.value.clone(),
    };
    Some(pb::Amount {
        least: range.least,
        greatest: range.greatest,
        currency: programme.currency.to_string(),
        derivation: answer.derivation.iter().map(step).collect(),
        open: answer.amount_open.iter().map(|name| open_fact(programme, name)).collect(),
    })
}

/// Returns the word of a verdict.
#[must_use]
pub fn word(verdict: pb::Verdict) -> &'static str {
    let name = verdict.as_str_name();
    name.strip_prefix("VERDICT_").unwrap_or(name)
}

/// Returns a fact that is missing, with what can show it.
#[must_use]
pub fn open_fact(programme: &CompiledProgramme, name: &Arc<str>) -> pb::OpenFact {
    let Shown { evidence, credential_types } =
        programme.shown_by.get(name).cloned().unwrap_or_default();
    pb::OpenFact { name: name.to_string(), evidence, credential_types }
}
