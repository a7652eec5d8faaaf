//! Determinations and sweeps in words.

use std::fmt::Write as _;

use crate::pb::peshub::subsidies::v1 as pb;

/// Returns the name of a verdict without its prefix.
fn word(verdict: pb::Verdict) -> &'static str {
    verdict.as_str_name().trim_start_matches("VERDICT_")
}

/// Returns a determination for a person, in the words of the edition that answered.
pub(super) fn determination(it: &pb::Determination, edition: &pb::Edition) -> String {
    let mut told = format!("{}: {}", it.programme, word(it.verdict()));
    if let Some(amount) = &it.amount {
        let range = if amount.least == amount.greatest {
            amount.least.to_string()
        } else {
            format!("{} to {}", amount.least, amount.greatest)
        };
        write!(told, ", {range} {}", amount.currency).unwrap_or_default();
    }
    if !it.taken_until.is_empty() {
        write!(told, "\n  taken until: {}", it.taken_until).unwrap_or_default();
    }
    let failed = it.criteria.iter().filter(|it| it.state() == pb::CriterionState::NotMet);
    for criterion in failed {
        let words = criterion_words(edition, &it.version, &criterion.id);
        write!(told, "\n  not met: {}{words}", criterion.id).unwrap_or_default();
    }
    for open in &it.ask {
        write!(told, "\n  missing: {}", open_fact(open, edition)).unwrap_or_default();
    }
    for open in it.amount.iter().flat_map(|it| &it.open) {
        write!(told, "\n  amount depends on: {}", open_fact(open, edition)).unwrap_or_default();
    }
    for (words, day) in [("turns on", &it.turns_on), ("file by", &it.last_day_to_file)] {
        if !day.is_empty() {
            write!(told, "\n  {words}: {day}").unwrap_or_default();
        }
    }
    told
}

/// Returns a fact that is missing: its name, what can show it, and what it means.
fn open_fact(open: &pb::OpenFact, edition: &pb::Edition) -> String {
    let shown: Vec<_> =
        open.evidence.iter().chain(&open.credential_types).map(String::as_str).collect();
    let shown = if shown.is_empty() { String::new() } else { format!(" ({})", shown.join(", ")) };
    let fact = edition.facts.iter().find(|it| it.name == open.name);
    let meaning = fact.map(|it| format!(": {}", it.meaning)).unwrap_or_default();
    format!("{}{shown}{meaning}", open.name)
}

/// Returns what a criterion says, and by which law: in English, or in the first language that it is written in.
fn criterion_words(edition: &pb::Edition, version: &str, id: &str) -> String {
    let versions = edition.programme.iter().flat_map(|it| &it.versions);
    let mut criteria = versions.filter(|it| it.name == version).flat_map(|it| &it.criteria);
    let Some(criterion) = criteria.find(|it| it.id == id) else { return String::new() };
    let english = criterion.texts.iter().find(|it| it.language == "en");
    let text = english.or(criterion.texts.first()).map_or("", |it| it.text.as_str());
    match criterion.legal_source.as_str() {
        "" => format!(": {text}"),
        source => format!(": {text} ({source})"),
    }
}

/// Returns the best question for a person.
pub(super) fn question(it: &pb::Question) -> String {
    let name = it.fact.as_ref().map_or("", |it| it.name.as_str());
    let unlocks = it.unlocks.iter().map(|it| format!("{} {}", it.greatest, it.currency));
    let unlocks: Vec<_> = unlocks.collect();
    format!("ask next: {name}, which can unlock {}", unlocks.join(", "))
}

/// Returns a sweep for a person.
pub(super) fn sweep(it: &pb::Sweep) -> String {
    let mut told = format!(
        "{} {}: {} subjects, {} evaluations, {} spared",
        it.sweep_id,
        it.state().as_str_name().trim_start_matches("SWEEP_STATE_"),
        it.seen,
        it.evaluations,
        it.spared
    );
    for of in &it.programmes {
        write!(told, "\n{}@{}:", of.programme, of.edition).unwrap_or_default();
        for count in &of.counts {
            write!(told, " {} {}", word(count.verdict()), count.subjects).unwrap_or_default();
        }
        write!(told, "; gained {}, lost {}", of.gained, of.lost).unwrap_or_default();
        write!(told, ", offers {}, lapsed {}", of.offers, of.lapsed).unwrap_or_default();
        write!(told, ", failed {}", of.failed).unwrap_or_default();
    }
    told
}
