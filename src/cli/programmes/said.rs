//! Programmes in words.

use std::fmt::Write as _;

use crate::cli::output;
use crate::pb::peshub::subsidies::v1 as pb;
use crate::pb::peshub::subsidies::v1::fact_value::Value;

/// A name of an enumeration without its prefix, in lower case.
fn word(name: &str, prefix: &str) -> String {
    name.trim_start_matches(prefix).to_lowercase().replace('_', " ")
}

/// Returns bytes as hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap_or_default();
        text
    })
}

pub(super) fn fact(it: &pb::CataloguedFact) {
    let definition = it.definition.clone().unwrap_or_default();
    let kind = word(definition.kind().as_str_name(), "FACT_KIND_");
    let retired = if it.retired_at.is_some() { " · retired" } else { "" };
    let said = format!("{} · {kind} · {}{retired}", definition.name, definition.meaning);
    output::line(&said);
}

pub(super) fn draft(it: &pb::ProgrammeDraft) {
    let programme = it.programme.clone().unwrap_or_default();
    let digest = hex(&it.draft_sha256);
    output::line(&format!("{} · draft of {} · {digest}", programme.name, it.drafted_by));
}

pub(super) fn finding(it: &pb::ProgrammeFinding) {
    let kind = it.kind().as_str_name().trim_start_matches("FINDING_KIND_");
    output::line(&format!("  {}: {kind}: {}", it.field, it.detail));
    if it.line > 0 {
        let (mark, width) = (usize::try_from(it.mark), usize::try_from(it.width));
        output::line(&format!("    {}:{}", it.line, it.column));
        output::line(&format!("    {}", it.excerpt));
        let (mark, width) = (mark.unwrap_or_default(), width.unwrap_or(1).max(1));
        output::line(&format!("    {}{}", " ".repeat(mark), "^".repeat(width)));
    }
}

pub(super) fn check(it: &pb::CheckDraftResponse) {
    it.draft.iter().for_each(draft);
    it.findings.iter().for_each(finding);
    let passed = it.cases.iter().filter(|case| case.passed).count();
    output::line(&format!("  {passed} of {} cases are right", it.cases.len()));
    for cost in &it.costs {
        output::line(&format!("  version {} takes at most {} steps", cost.version, cost.cost_max));
    }
    it.comparison.iter().for_each(comparison);
}

pub(super) fn headline(it: &pb::PublishedEdition) -> String {
    let programme = it.edition.clone().unwrap_or_default().programme.unwrap_or_default();
    let titles: Vec<_> = programme.titles.iter().map(|title| title.text.as_str()).collect();
    let state = match (it.in_force, &it.retired_at) {
        (true, _) => "in force",
        (false, Some(_)) => "retired",
        (false, None) => "superseded",
    };
    format!("{}/{} · {} · by {} · {state}", it.programme, it.number, titles.join(", "), it.bureau)
}

pub(super) fn edition(it: &pb::PublishedEdition) {
    output::line(&headline(it));
    let by = format!("  drafted by {} and published by {}", it.drafted_by, it.published_by);
    output::line(&format!("{by} · {}", hex(&it.edition_sha256)));
    let programme = it.edition.clone().unwrap_or_default().programme.unwrap_or_default();
    for version in &programme.versions {
        let span = format!("{} to {}", version.from, version.to);
        output::line(&format!("  version {} · {} {span}", version.name, programme.select));
        output::line(&format!("    {}", version.legal_source));
        for criterion in &version.criteria {
            let text = criterion.texts.first().map_or("", |text| text.text.as_str());
            output::line(&format!("    {:<20} {text}", criterion.id));
            output::line(&format!("    {:<20} {}", "", one_line(&criterion.expression)));
        }
        output::line(&format!("    {:<20} {}", "= amount", one_line(&version.amount)));
    }
    for overlay in &programme.overlays {
        let code = overlay.division.clone().unwrap_or_default().code;
        let values = overlay.parameters.iter().map(|it| format!("{} = {}", it.name, it.value));
        let wider = overlay.widened.iter().map(|it| format!("{} wider", it.id));
        let all: Vec<_> = values.chain(wider).collect();
        output::line(&format!("  overlay {code} · {}", all.join(", ")));
    }
}

/// An expression on one line.
fn one_line(expression: &str) -> String {
    expression.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(super) fn comparison(it: &pb::Comparison) {
    for change in &it.changes {
        output::line(&format!("  {}", one_line(change)));
    }
    for witness in &it.witnesses {
        self::witness(witness);
    }
    if it.tried > 0 {
        let found = it.witnesses.len();
        output::line(&format!("  {} people were made up, {found} differences found", it.tried));
    }
}

fn witness(it: &pb::Witness) {
    let kind = word(it.kind().as_str_name(), "DIFFERENCE_KIND_");
    let verdicts = [it.verdict_before(), it.verdict_after()];
    let [was, is] = verdicts.map(|verdict| word(verdict.as_str_name(), "VERDICT_"));
    let amounts = format!("{} → {}", it.amount_before, it.amount_after);
    let by = if it.criteria.is_empty() {
        String::new()
    } else {
        format!(" by {}", it.criteria.join(", "))
    };
    output::line(&format!("  {kind}: {was} → {is}{by}, {amounts} (from case {})", it.case_id));
    let facts: Vec<_> = it.facts.iter().map(known).collect();
    output::line(&format!("    {}", facts.join(" · ")));
}

/// A fact of somebody who was made up.
fn known(fact: &pb::Fact) -> String {
    let value = fact.value.as_ref().and_then(|value| value.value.as_ref());
    let value = match value {
        None => "unknown".to_owned(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Date(text) | Value::Text(text)) => text.clone(),
        Some(Value::Truth(truth)) => truth.to_string(),
        Some(Value::List(_)) => "a list".to_owned(),
    };
    format!("{} {value}", fact.name)
}
