//! What two editions answer differently, and for whom: in words, and with somebody made up for each difference.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::pb::peshub::subsidies::v1 as pb;
use crate::pb::peshub::subsidies::v1::{CriterionState, DifferenceKind, Verdict};
use crate::subsidies::domain::Catalogue;
use crate::subsidies::evaluator::rule::Trace;
use crate::subsidies::programme::CompiledProgramme;
use crate::subsidies::programme::cases::{self, Case};
use crate::subsidies::programme::determine::Determined;
use crate::subsidies::programme::vary::{self, Budget, Person};

/// Most witnesses that are told.
const WITNESSES_MAX: usize = 100;

/// Somebody whom two editions answer differently.
#[derive(Clone, Debug)]
pub struct Witness {
    /// In which way.
    pub kind: DifferenceKind,
    /// Who.
    pub person: Person,
    /// Id of the case that they were made from.
    pub case: String,
    /// What each edition answers.
    pub verdicts: (Verdict, Verdict),
    /// How much; 0 where there is no amount.
    pub amounts: (i64, i64),
    /// Criteria that fail in one of both only.
    pub criteria: BTreeSet<Arc<str>>,
}

/// What is different.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    /// What reads differently, in words.
    pub changes: Vec<String>,
    /// One witness for each version, kind of difference and set of criteria.
    pub witnesses: Vec<Witness>,
    /// How many people were tried.
    pub tried: usize,
}

/// An edition, as it is written and as it answers.
#[derive(Clone, Copy, Debug)]
pub struct Edition<'a> {
    /// As it is written.
    pub written: &'a pb::Programme,
    /// As it answers.
    pub compiled: &'a CompiledProgramme,
    /// The facts that it reads.
    pub catalogue: &'a Catalogue,
}

/// Compares two editions.
#[must_use]
pub fn compare(before: Edition<'_>, after: Edition<'_>) -> Comparison {
    let both = [before, after].into_iter();
    let catalogue = Catalogue::new(
        both.flat_map(|edition| edition.catalogue.iter()).map(|it| it.as_ref().clone()),
    );
    // The newer cases first: where both have one they are its witness.
    let mut known: Vec<Case<'_>> = cases::read(after.written, &catalogue).0;
    known.extend(cases::read(before.written, &catalogue).0);
    let people = vary::people(&[before.compiled, after.compiled], &known, &catalogue);
    let mut witnesses = BTreeMap::new();
    let (mut tried, mut budget) = (0_usize, Budget::default());
    for person in people {
        tried = tried.saturating_add(1);
        let answers = (answer(before.compiled, &person), answer(after.compiled, &person));
        let (Some(was), Some(is)) = answers else { continue };
        if !budget.spend(was.cost.saturating_add(is.cost)) {
            break;
        }
        let Some(kind) = kind(&was, &is) else { continue };
        let case = known.get(person.case).map_or_else(String::new, |it| it.written.id.clone());
        let criteria = failed(&was).symmetric_difference(&failed(&is)).cloned().collect();
        let witness = Witness {
            kind,
            person,
            case,
            verdicts: (was.verdict, is.verdict),
            amounts: (amount(&was), amount(&is)),
            criteria,
        };
        let versions = (was.version.clone(), is.version.clone());
        let key = (versions, kind, witness.criteria.clone(), witness.verdicts);
        witnesses.entry(key).or_insert(witness);
    }
    let mut witnesses: Vec<_> = witnesses.into_values().collect();
    witnesses.sort_by_key(|witness| (rank(witness.kind), witness.case.clone()));
    witnesses.truncate(WITNESSES_MAX);
    Comparison { changes: changes(before.written, after.written), witnesses, tried }
}

fn answer(edition: &CompiledProgramme, person: &Person) -> Option<Determined> {
    edition.determine(&person.facts, person.division, Trace::Off).ok()
}

const fn rank(kind: DifferenceKind) -> u8 {
    match kind {
        DifferenceKind::Loses => 0,
        DifferenceKind::Less => 1,
        DifferenceKind::Gains => 2,
        DifferenceKind::More => 3,
        DifferenceKind::Other | DifferenceKind::Unspecified => 4,
    }
}

fn kind(was: &Determined, is: &Determined) -> Option<DifferenceKind> {
    match (was.verdict == Verdict::Eligible, is.verdict == Verdict::Eligible) {
        (true, true) => match amount(is).cmp(&amount(was)) {
            std::cmp::Ordering::Less => Some(DifferenceKind::Less),
            std::cmp::Ordering::Equal => None,
            std::cmp::Ordering::Greater => Some(DifferenceKind::More),
        },
        (true, false) => Some(DifferenceKind::Loses),
        (false, true) => Some(DifferenceKind::Gains),
        (false, false) => (was.verdict != is.verdict).then_some(DifferenceKind::Other),
    }
}

/// The amount; of a range the least.
fn amount(determined: &Determined) -> i64 {
    determined.amount.map_or(0, |range| range.least)
}

fn failed(determined: &Determined) -> BTreeSet<Arc<str>> {
    let failed = determined.criteria.iter().filter(|it| it.state == CriterionState::NotMet);
    failed.map(|it| Arc::clone(&it.id)).collect()
}

/// Returns what reads differently, in words.
#[must_use]
pub fn changes(before: &pb::Programme, after: &pb::Programme) -> Vec<String> {
    let mut changes = Vec::new();
    let mut differs = |what: &str, was: &str, is: &str| {
        if was != is {
            changes.push(format!("{what}: {}, was {}", shown(is), shown(was)));
        }
    };
    differs("select", &before.select, &after.select);
    differs("unit", &before.unit, &after.unit);
    differs("currency", &before.currency, &after.currency);
    differs("payee", before.payee().as_str_name(), after.payee().as_str_name());
    differs("after_end", before.after_end().as_str_name(), after.after_end().as_str_name());
    differs("rounding", before.rounding().as_str_name(), after.rounding().as_str_name());
    let divisions = |it: &pb::Programme| {
        let codes: Vec<_> = it.divisions.iter().map(|it| it.code.as_str()).collect();
        codes.join(", ")
    };
    differs("divisions", &divisions(before), &divisions(after));
    parameters("", &before.parameters, &after.parameters, &mut differs);
    lists("once_per", &before.once_per, &after.once_per, &mut differs);
    lists("exclusive_with", &before.exclusive_with, &after.exclusive_with, &mut differs);
    lists("deadlines", &before.deadlines, &after.deadlines, &mut differs);
    let names = |it: &pb::Programme| -> BTreeSet<String> {
        it.versions.iter().map(|version| version.name.clone()).collect()
    };
    for name in names(before).union(&names(after)) {
        let was = before.versions.iter().find(|it| it.name == *name);
        let is = after.versions.iter().find(|it| it.name == *name);
        version(name, was, is, &mut differs);
    }
    overlays(before, after, &mut differs);
    changes
}

type Differs<'a> = dyn FnMut(&str, &str, &str) + 'a;

fn shown(text: &str) -> &str {
    if text.is_empty() { "nothing" } else { text }
}

/// Lists that are told as a whole: how many there are, when they are not the same.
fn lists<T: PartialEq>(what: &str, was: &[T], is: &[T], differs: &mut Differs<'_>) {
    if was != is {
        differs(what, &format!("{} before", was.len()), &format!("{} other or changed", is.len()));
    }
}

fn parameters(
    at: &str,
    before: &[pb::Parameter],
    after: &[pb::Parameter],
    differs: &mut Differs<'_>,
) {
    let names: BTreeSet<_> = before.iter().chain(after).map(|it| it.name.as_str()).collect();
    for name in names {
        let value = |list: &[pb::Parameter]| {
            let found = list.iter().find(|it| it.name == name);
            found.map_or_else(String::new, |it| it.value.to_string())
        };
        differs(&format!("{at}param.{name}"), &value(before), &value(after));
    }
}

fn version(
    name: &str,
    before: Option<&pb::Version>,
    after: Option<&pb::Version>,
    differs: &mut Differs<'_>,
) {
    let at = format!("version {name}");
    let (Some(before), Some(after)) = (before, after) else {
        let says = |it: Option<&pb::Version>| {
            it.map_or_else(String::new, |it| format!("{} to {}", it.from, it.to))
        };
        return differs(&at, &says(before), &says(after));
    };
    differs(&format!("{at} from"), &before.from, &after.from);
    differs(&format!("{at} to"), &before.to, &after.to);
    differs(&format!("{at} amount"), &before.amount, &after.amount);
    differs(&format!("{at} clawback"), &before.clawback, &after.clawback);
    differs(&format!("{at} legal_source"), &before.legal_source, &after.legal_source);
    parameters(&format!("{at} "), &before.parameters, &after.parameters, differs);
    criteria(&at, &before.criteria, &after.criteria, differs);
}

fn criteria(
    at: &str,
    before: &[pb::Criterion],
    after: &[pb::Criterion],
    differs: &mut Differs<'_>,
) {
    let ids: BTreeSet<_> = before.iter().chain(after).map(|it| it.id.as_str()).collect();
    for id in ids {
        let expression = |list: &[pb::Criterion]| {
            let found = list.iter().find(|it| it.id == id);
            found.map_or_else(String::new, |it| it.expression.clone())
        };
        differs(&format!("{at} criterion {id}"), &expression(before), &expression(after));
    }
}

fn overlays(before: &pb::Programme, after: &pb::Programme, differs: &mut Differs<'_>) {
    let key = |it: &pb::Overlay| (it.division.clone().unwrap_or_default().code, it.version.clone());
    let both = before.overlays.iter().chain(&after.overlays);
    let keys: BTreeSet<_> = both.map(key).collect();
    for (code, version) in keys {
        let at = format!("overlay {code} {version}").trim_end().to_owned();
        let find = |it: &pb::Programme| {
            let found = it.overlays.iter().find(|it| key(it) == (code.clone(), version.clone()));
            found.cloned().unwrap_or_default()
        };
        let (was, is) = (find(before), find(after));
        differs(&format!("{at} legal_source"), &was.legal_source, &is.legal_source);
        parameters(&format!("{at} "), &was.parameters, &is.parameters, differs);
        criteria(&at, &was.widened, &is.widened, differs);
    }
}
