//! Cases with their right answers: each must come out, and each criterion must be met in one and failed in another.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::codes::divisions::Division;
use crate::kernel::fields::Violation;
use crate::pb::peshub::subsidies::v1 as pb;
use crate::pb::peshub::subsidies::v1::FindingKind as Kind;
use crate::pb::peshub::subsidies::v1::{CriterionState, Verdict};
use crate::subsidies::domain::{Catalogue, Day, Facts};
use crate::subsidies::evaluator::rule::Trace;
use crate::subsidies::programme::CompiledProgramme;
use crate::subsidies::programme::determine::Determined;
use crate::subsidies::programme::finding::Finding;
use crate::subsidies::programme::vary::Budget;
use crate::subsidies::wire;
use crate::subsidies::wire::fact;

/// How a case came out.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its id.
    pub id: String,
    /// Where it differs, in words; empty when it passed.
    pub difference: String,
}

/// A case, read.
#[derive(Clone, Debug)]
pub struct Case<'a> {
    /// As it is written.
    pub written: &'a pb::GoldenCase,
    /// What is known.
    pub facts: Facts,
    /// Where.
    pub division: Option<&'static Division>,
}

/// Reads the cases of a programme; what is wrong with one is noted, and the case left out.
#[must_use]
pub fn read<'a>(
    programme: &'a pb::Programme,
    catalogue: &Catalogue,
) -> (Vec<Case<'a>>, Vec<Finding>) {
    let (mut read, mut found) = (Vec::new(), Vec::new());
    for (index, written) in programme.cases.iter().enumerate() {
        let at = format!("cases[{index}]");
        let facts = match fact::stated(&written.facts, catalogue, Day(0), &format!("{at}.facts")) {
            Ok(stated) => stated.facts,
            Err(wrong) => {
                found.extend(wrong.into_iter().map(misstated));
                Facts::new()
            }
        };
        let division = written.division.as_ref().map(wire::division);
        if division == Some(None) {
            let detail = "a division in force".to_owned();
            found.push(Finding::new(format!("{at}.division"), Kind::Division, detail));
        }
        read.push(Case { written, facts, division: division.flatten() });
    }
    (read, found)
}

/// What a case states wrongly; a case is made up, so that its words may be repeated.
fn misstated(violation: Violation) -> Finding {
    let Violation { field, mut expected, given, .. } = violation;
    if !given.is_empty() {
        expected = format!("{expected}, not {given}");
    }
    Finding::new(field, Kind::CaseFact, expected)
}

/// Runs the cases of a programme.
#[must_use]
pub fn run(compiled: &CompiledProgramme, cases: &[Case<'_>]) -> (Vec<Outcome>, Vec<Finding>) {
    let (mut outcomes, mut found) = (Vec::new(), Vec::new());
    let (mut seen, mut budget) = (BTreeSet::new(), Budget::default());
    for (index, case) in cases.iter().enumerate() {
        let determined = compiled.determine(&case.facts, case.division, Trace::Off);
        if !budget.spend(determined.as_ref().map_or(0, |determined| determined.cost)) {
            let detail = "the cases take too many steps";
            found.push(Finding::new(format!("cases[{index}]"), Kind::TooLarge, detail));
            break;
        }
        let difference = match &determined {
            Ok(determined) => {
                note(determined, &mut seen);
                difference(case.written, determined)
            }
            Err(error) => format!("it fails: {error}"),
        };
        if !difference.is_empty() {
            let detail = format!("{}: {difference}", case.written.id);
            found.push(Finding::new(format!("cases[{index}]"), Kind::CaseWrong, detail));
        }
        outcomes.push(Outcome { id: case.written.id.clone(), difference });
    }
    found.extend(uncovered(compiled, &seen));
    (outcomes, found)
}

type Seen = BTreeSet<(Arc<str>, Arc<str>, bool)>;

/// Notes which criteria a case has met and failed.
fn note(determined: &Determined, seen: &mut Seen) {
    let Some(version) = &determined.version else { return };
    for criterion in &determined.criteria {
        let met = match criterion.state {
            CriterionState::Met => true,
            CriterionState::NotMet => false,
            CriterionState::Unspecified | CriterionState::Unknown => continue,
        };
        seen.insert((Arc::clone(version), Arc::clone(&criterion.id), met));
    }
}

fn uncovered(compiled: &CompiledProgramme, seen: &Seen) -> Vec<Finding> {
    let mut found = Vec::new();
    for version in &compiled.versions {
        for criterion in &version.criteria {
            for (met, word) in [(true, "met"), (false, "failed")] {
                if seen.contains(&(Arc::clone(&version.name), Arc::clone(criterion), met)) {
                    continue;
                }
                let detail = format!("no case of version {} has {criterion} {word}", version.name);
                found.push(Finding::new("cases", Kind::CriterionUncovered, detail));
            }
        }
    }
    found
}

/// Returns where an answer is not the right one, in words; empty where it is.
#[must_use]
pub fn difference(case: &pb::GoldenCase, determined: &Determined) -> String {
    let mut parts = Vec::new();
    let mut differs = |what: &str, expected: String, given: String| {
        if expected != given {
            parts.push(format!("{what} is {given}, not {expected}"));
        }
    };
    differs("the verdict", word(case.verdict()), word(determined.verdict));
    if !case.version.is_empty() {
        let version = determined.version.as_deref().unwrap_or("none");
        differs("the version", case.version.clone(), version.to_owned());
    }
    if let Some(amount) = case.amount {
        let given = determined.amount.map_or_else(
            || "none".to_owned(),
            |range| match range.known() {
                Some(amount) => amount.to_string(),
                None => format!("{} to {}", range.least, range.greatest),
            },
        );
        differs("the amount", amount.to_string(), given);
    }
    let failed = determined.criteria.iter().filter(|it| it.state == CriterionState::NotMet);
    let failed: BTreeSet<&str> = failed.map(|it| it.id.as_ref()).collect();
    let expected: BTreeSet<&str> = case.failed.iter().map(String::as_str).collect();
    differs("what fails", listed(&expected), listed(&failed));
    let ask: BTreeSet<&str> = determined.ask.iter().map(AsRef::as_ref).collect();
    let expected: BTreeSet<&str> = case.ask.iter().map(String::as_str).collect();
    differs("what is asked", listed(&expected), listed(&ask));
    parts.join("; ")
}

fn word(verdict: Verdict) -> String {
    verdict.as_str_name().trim_start_matches("VERDICT_").to_owned()
}

fn listed(names: &BTreeSet<&str>) -> String {
    if names.is_empty() {
        return "nothing".to_owned();
    }
    names.iter().copied().collect::<Vec<_>>().join(", ")
}
