//! What can be said of a programme without reading its expressions: names, days, keys, divisions, and what overlays may.

use std::collections::{BTreeMap, BTreeSet};

use crate::pb::peshub::subsidies::v1 as pb;
use crate::pb::peshub::subsidies::v1::FindingKind as Kind;
use crate::subsidies::domain::{Catalogue, Day, Scalar};
use crate::subsidies::programme::finding::Finding;
use crate::subsidies::wire;

/// The fewest cases of a programme.
pub const CASES_MIN: usize = 5;
/// Most expressions that are compiled of one programme: those of its versions, and again for each overlay that widens one.
pub const EXPRESSIONS_MAX: usize = 5_000;

/// Returns everything that is wrong with a programme's structure.
#[must_use]
pub fn findings(programme: &pb::Programme, catalogue: &Catalogue) -> Vec<Finding> {
    let mut found = Vec::new();
    heading(programme, catalogue, &mut found);
    versions(programme, &mut found);
    if expressions(programme) > EXPRESSIONS_MAX {
        let detail = format!(
            "versions, criteria and overlays that make at most {EXPRESSIONS_MAX} expressions together"
        );
        found.push(Finding::new("overlays", Kind::TooLarge, detail));
        return found;
    }
    overlays(programme, &mut found);
    keys(programme, catalogue, &mut found);
    let cases = programme.cases.iter().map(|case| case.id.as_str());
    repeated("cases", "id", cases, &mut found);
    if programme.cases.len() < CASES_MIN {
        let detail = format!(
            "at least {CASES_MIN} cases with their right answers, not {}",
            programme.cases.len()
        );
        found.push(Finding::new("cases", Kind::CasesMissing, detail));
    }
    found
}

/// Returns how many expressions are compiled of a programme.
fn expressions(programme: &pb::Programme) -> usize {
    let count = |version: &pb::Version| {
        let is_wider = |overlay: &&pb::Overlay| {
            let is_own = overlay.version.is_empty() || overlay.version == version.name;
            is_own && !overlay.widened.is_empty()
        };
        let wider = programme.overlays.iter().filter(is_wider).count();
        version.criteria.len().saturating_add(2).saturating_mul(wider.saturating_add(1))
    };
    programme.versions.iter().map(count).fold(0, usize::saturating_add)
}

fn heading(programme: &pb::Programme, catalogue: &Catalogue, found: &mut Vec<Finding>) {
    let is_part = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-')
    };
    if !programme.name.split('.').all(is_part) {
        let detail = "lower-case letters, digits and hyphens, in parts joined by dots";
        found.push(Finding::new("name", Kind::Form, detail));
    }
    let currency = &programme.currency;
    if currency.len() != 3 || !currency.bytes().all(|it| it.is_ascii_uppercase()) {
        found.push(Finding::new("currency", Kind::Form, "three capital letters of ISO 4217"));
    }
    date_fact("select", &programme.select, catalogue, found);
    if programme.after_end() == pb::AfterEnd::Hold && programme.hold_source.is_empty() {
        let detail = "by which law claims are held after the last version";
        found.push(Finding::new("hold_source", Kind::Form, detail));
    }
    for (index, division) in programme.divisions.iter().enumerate() {
        known_division(&format!("divisions[{index}]"), division, found);
    }
    parameters("parameters", &programme.parameters, found);
    let deadlines = programme.deadlines.iter().map(|deadline| deadline.id.as_str());
    repeated("deadlines", "id", deadlines, found);
    for (index, deadline) in programme.deadlines.iter().enumerate() {
        date_fact(&format!("deadlines[{index}].filed_on"), &deadline.filed_on, catalogue, found);
    }
}

fn date_fact(field: &str, name: &str, catalogue: &Catalogue, found: &mut Vec<Finding>) {
    match catalogue.get(name) {
        None => {
            let detail = format!("{name} is not in the catalogue of facts");
            found.push(Finding::new(field, Kind::FactUndeclared, detail));
        }
        Some(fact) if fact.kind != Scalar::Date || fact.max_items.is_some() => {
            found.push(Finding::new(field, Kind::Key, format!("{name} is not of kind DATE")));
        }
        Some(_) => {}
    }
}

fn known_division(
    field: &str,
    division: &crate::pb::peshub::common::v1::Division,
    found: &mut Vec<Finding>,
) {
    if wire::division(division).is_none() {
        let detail = format!("{} is no division in force", division.code);
        found.push(Finding::new(field, Kind::Division, detail));
    }
}

/// Names of one list differ.
fn repeated<'a>(
    list: &str,
    field: &str,
    names: impl Iterator<Item = &'a str>,
    found: &mut Vec<Finding>,
) {
    let mut seen = BTreeMap::new();
    for (index, name) in names.enumerate() {
        if let Some(first) = seen.insert(name, index) {
            let detail = format!("{name} is the name of {list}[{first}] already");
            found.push(Finding::new(format!("{list}[{index}].{field}"), Kind::Repeated, detail));
        }
    }
}

/// Returns whether a text is a word of lower-case letters, digits and underscores.
fn is_word(text: &str) -> bool {
    text.starts_with(|it: char| it.is_ascii_lowercase())
        && text.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'_')
}

fn parameters(list: &str, parameters: &[pb::Parameter], found: &mut Vec<Finding>) {
    repeated(list, "name", parameters.iter().map(|it| it.name.as_str()), found);
    for (index, parameter) in parameters.iter().enumerate() {
        if !is_word(&parameter.name) {
            let detail = "lower-case letters, digits and underscores, a letter first";
            found.push(Finding::new(format!("{list}[{index}].name"), Kind::Form, detail));
        }
    }
}

fn versions(programme: &pb::Programme, found: &mut Vec<Finding>) {
    repeated("versions", "name", programme.versions.iter().map(|it| it.name.as_str()), found);
    let mut spans: Vec<(Day, Day, usize)> = Vec::new();
    for (index, version) in programme.versions.iter().enumerate() {
        let at = format!("versions[{index}]");
        let mut day = |field: &str, text: &str| {
            let read = Day::read(text);
            if read.is_none() {
                let detail = "a day YYYY-MM-DD of the years 1900 to 2200";
                found.push(Finding::new(format!("{at}.{field}"), Kind::Form, detail));
            }
            read
        };
        let span = (day("from", &version.from), day("to", &version.to));
        if let (Some(from), Some(to)) = span {
            overlap(programme, (from, to, index), &spans, found);
            spans.push((from, to, index));
        }
        parameters(&format!("{at}.parameters"), &version.parameters, found);
        let criteria = format!("{at}.criteria");
        repeated(&criteria, "id", version.criteria.iter().map(|it| it.id.as_str()), found);
        for (place, criterion) in version.criteria.iter().enumerate() {
            if !is_word(&criterion.id) {
                let detail = "lower-case letters, digits and underscores, a letter first";
                found.push(Finding::new(format!("{criteria}[{place}].id"), Kind::Form, detail));
            }
        }
    }
}

fn overlap(
    programme: &pb::Programme,
    (from, to, index): (Day, Day, usize),
    before: &[(Day, Day, usize)],
    found: &mut Vec<Finding>,
) {
    if to < from {
        let detail = format!("{to} is before the first day, {from}");
        found.push(Finding::new(format!("versions[{index}].to"), Kind::Overlap, detail));
    }
    for (first, last, other) in
        before.iter().filter(|(first, last, _)| from <= *last && *first <= to)
    {
        let name = programme.versions.get(*other).map_or("", |version| version.name.as_str());
        let detail = format!("{from} to {to} overlaps with version {name}, {first} to {last}");
        found.push(Finding::new(format!("versions[{index}].from"), Kind::Overlap, detail));
    }
}

fn overlays(programme: &pb::Programme, found: &mut Vec<Finding>) {
    let mut seen = BTreeSet::new();
    for (index, overlay) in programme.overlays.iter().enumerate() {
        let at = format!("overlays[{index}]");
        let named = overlay.division.clone().unwrap_or_default();
        known_division(&format!("{at}.division"), &named, found);
        if !seen.insert((named.code.clone(), overlay.version.as_str())) {
            let detail = format!("{} has an overlay for this already", named.code);
            found.push(Finding::new(format!("{at}.division"), Kind::Repeated, detail));
        }
        if let (Some(division), true) = (wire::division(&named), !programme.divisions.is_empty()) {
            let mut own = programme.divisions.iter().filter_map(wire::division);
            if !own.any(|own| division.lies_within(own)) {
                let detail = format!("the programme does not hold in {}", named.code);
                found.push(Finding::new(format!("{at}.division"), Kind::Division, detail));
            }
        }
        adds_nothing(programme, overlay, &at, found);
    }
}

/// An overlay names nothing that the versions for which it holds do not have.
fn adds_nothing(
    programme: &pb::Programme,
    overlay: &pb::Overlay,
    at: &str,
    found: &mut Vec<Finding>,
) {
    let holds =
        |version: &&pb::Version| overlay.version.is_empty() || version.name == overlay.version;
    let versions: Vec<_> = programme.versions.iter().filter(holds).collect();
    if versions.is_empty() {
        let detail = format!("there is no version {}", overlay.version);
        found.push(Finding::new(format!("{at}.version"), Kind::OverlayAdds, detail));
        return;
    }
    let in_each = |has: &dyn Fn(&pb::Version) -> bool| versions.iter().all(|version| has(version));
    for (index, parameter) in overlay.parameters.iter().enumerate() {
        let has = |list: &[pb::Parameter]| list.iter().any(|it| it.name == parameter.name);
        if !has(&programme.parameters) && !in_each(&|version| has(&version.parameters)) {
            let detail = format!("{} is no parameter of what it overlays", parameter.name);
            let field = format!("{at}.parameters[{index}].name");
            found.push(Finding::new(field, Kind::OverlayAdds, detail));
        }
    }
    for (index, widened) in overlay.widened.iter().enumerate() {
        let has = |version: &pb::Version| version.criteria.iter().any(|it| it.id == widened.id);
        if !in_each(&has) {
            let detail =
                format!("{} is no criterion of what it overlays: an overlay adds none", widened.id);
            let field = format!("{at}.widened[{index}].id");
            found.push(Finding::new(field, Kind::OverlayAdds, detail));
        }
    }
    parameters(&format!("{at}.parameters"), &overlay.parameters, found);
    let list = format!("{at}.widened");
    repeated(&list, "id", overlay.widened.iter().map(|it| it.id.as_str()), found);
}

fn keys(programme: &pb::Programme, catalogue: &Catalogue, found: &mut Vec<Finding>) {
    let mut seen = BTreeSet::new();
    for (index, once) in programme.once_per.iter().enumerate() {
        let at = format!("once_per[{index}]");
        key(&at, &once.key, catalogue, found);
        let is_forever = once.window() == pb::ClaimWindow::Forever;
        if is_forever != (once.length == 0) {
            let detail = "how many years or months, at least 1; 0 when it is for good";
            found.push(Finding::new(format!("{at}.length"), Kind::Key, detail));
        }
        let mut sorted = once.key.clone();
        sorted.sort_unstable();
        if !seen.insert(sorted) {
            let detail = "another of the list is for the same key already";
            found.push(Finding::new(format!("{at}.key"), Kind::Repeated, detail));
        }
    }
    for (index, other) in programme.exclusive_with.iter().enumerate() {
        let at = format!("exclusive_with[{index}]");
        key(&at, &other.key, catalogue, found);
        if other.programme == programme.name {
            let detail = "a programme does not exclude itself; once_per says that";
            found.push(Finding::new(format!("{at}.programme"), Kind::Key, detail));
        }
    }
}

fn key(at: &str, key: &[String], catalogue: &Catalogue, found: &mut Vec<Finding>) {
    for (index, part) in key.iter().enumerate() {
        let field = format!("{at}.key[{index}]");
        if key.iter().take(index).any(|other| other == part) {
            found.push(Finding::new(
                field,
                Kind::Repeated,
                format!("{part} is in the key already"),
            ));
        } else if !["worker", "employer"].contains(&part.as_str()) && catalogue.get(part).is_none()
        {
            let detail =
                format!("{part} is neither `worker` nor `employer` nor a fact of the catalogue");
            found.push(Finding::new(field, Kind::FactUndeclared, detail));
        }
    }
}
