//! What publishing asks of a programme: that it compiles, that no overlay makes anything harder, that every case comes out.

use std::sync::Arc;

use crate::codes::divisions::Division;
use crate::pb::peshub::subsidies::v1 as pb;
use crate::pb::peshub::subsidies::v1::FindingKind as Kind;
use crate::subsidies::domain::{Catalogue, Value};
use crate::subsidies::evaluator::judgement::State;
use crate::subsidies::evaluator::rule::Trace;
use crate::subsidies::programme::cases::{self, Case, Outcome};
use crate::subsidies::programme::finding::Finding;
use crate::subsidies::programme::vary::{self, Budget, Person};
use crate::subsidies::programme::{CompiledProgramme, CompiledVersion, Variant, structure};

/// What was found.
#[derive(Debug, Default)]
pub struct Review {
    /// The programme as it would answer; `None` when it does not compile.
    pub compiled: Option<CompiledProgramme>,
    /// What keeps it from being published.
    pub findings: Vec<Finding>,
    /// How its cases came out.
    pub cases: Vec<Outcome>,
}

/// Reviews a programme.
#[must_use]
pub fn review(programme: &pb::Programme, catalogue: &Catalogue) -> Review {
    let compiled = match CompiledProgramme::compile(programme, catalogue) {
        Ok(compiled) => compiled,
        Err(mut findings) => {
            let missing = structure::findings(programme, catalogue).into_iter();
            findings.extend(missing.filter(|finding| finding.kind == Kind::CasesMissing));
            findings.extend(cases::read(programme, catalogue).1);
            return Review { findings, ..Review::default() };
        }
    };
    let mut findings = structure::findings(programme, catalogue);
    let (read, unread) = cases::read(programme, catalogue);
    findings.extend(unread);
    findings.extend(narrowing(programme, &compiled, &read, catalogue));
    let (outcomes, found) = cases::run(&compiled, &read);
    findings.extend(found);
    Review { compiled: Some(compiled), findings, cases: outcomes }
}

/// Returns the overlays with which somebody fails who would not without.
fn narrowing(
    programme: &pb::Programme,
    compiled: &CompiledProgramme,
    cases: &[Case<'_>],
    catalogue: &Catalogue,
) -> Vec<Finding> {
    let (mut found, mut budget) = (Vec::new(), Budget::default());
    let has_overlays = compiled.versions.iter().any(|version| !version.overlays.is_empty());
    let people =
        if has_overlays { vary::people(&[compiled], cases, catalogue) } else { Vec::new() };
    for version in &compiled.versions {
        let mut overlays: Vec<_> = version.overlays.values().collect();
        overlays.sort_by_key(|overlay| overlay.overlay.map(Division::code));
        for overlay in overlays {
            let narrowed = narrowed(version, overlay, &people, &mut budget);
            let Some((criterion, person)) = narrowed else { continue };
            let code = overlay.overlay.map_or("", |it| it.code());
            let case = cases.get(person.case).map_or("", |case| case.written.id.as_str());
            let detail = format!(
                "in {code} somebody fails {criterion} of version {} who meets it elsewhere: case {case} with {}",
                version.name,
                changed(cases.get(person.case), person),
            );
            let field = place(programme, version, overlay);
            found.push(Finding::new(field, Kind::OverlayNarrows, detail));
        }
    }
    found
}

/// Returns the path of the overlay that answers: of two for one division the one that names the version.
fn place(programme: &pb::Programme, version: &CompiledVersion, overlay: &Variant) -> String {
    let is_it = |it: &pb::Overlay| {
        let named = it.division.as_ref().and_then(crate::subsidies::wire::division);
        let is_own = it.version.is_empty() || it.version == version.name.as_ref();
        named == overlay.overlay && is_own
    };
    let places = programme.overlays.iter().enumerate().filter(|(_, it)| is_it(it));
    let place = places.max_by_key(|(_, it)| !it.version.is_empty());
    format!("overlays[{}]", place.map_or(0, |(index, _)| index))
}

/// Returns a criterion that somebody meets without the overlay and fails with it.
fn narrowed<'a>(
    version: &'a CompiledVersion,
    overlay: &Variant,
    people: &'a [Person],
    budget: &mut Budget,
) -> Option<(&'a Arc<str>, &'a Person)> {
    for person in people {
        let states = |variant: &Variant| {
            let row = variant.rule.bind(&person.facts);
            variant.rule.judge(&row, &variant.values, Trace::Off).ok()
        };
        let (Some(base), Some(own)) = (states(&version.base), states(overlay)) else { continue };
        if !budget.spend(base.cost.saturating_add(own.cost)) {
            return None;
        }
        let pairs = base.criteria.iter().zip(&own.criteria).zip(&version.criteria);
        for ((base, own), id) in pairs {
            if base.state == State::Met && own.state == State::NotMet {
                return Some((id, person));
            }
        }
    }
    None
}

/// Returns in what somebody differs from the case that they were made from.
fn changed(case: Option<&Case<'_>>, person: &Person) -> String {
    let known = case.map(|case| &case.facts);
    let mut other = person
        .facts
        .iter()
        .filter(|(name, value)| known.is_none_or(|known| known.get(*name) != Some(value)));
    // A case is made up: its values are nobody's.
    match other.next() {
        Some((name, value)) => format!("{name} = {}", written(value)),
        None => "its own facts".to_owned(),
    }
}

/// Returns the value of somebody who was made up, as it is written.
fn written(value: &Value) -> String {
    match value {
        Value::Number(number) => number.to_string(),
        Value::Day(day) => day.to_string(),
        Value::Truth(truth) => truth.to_string(),
        Value::Text(text) => text.to_string(),
        Value::List(items) => items.iter().map(written).collect::<Vec<_>>().join(", "),
    }
}
