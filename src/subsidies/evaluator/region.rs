//! Regions: for each unknown fact, what it can still be.

use std::sync::Arc;

use crate::subsidies::domain::{Day, Definition, Scalar};
use crate::subsidies::evaluator::days::{BOUNDS, pack, unpack};
use crate::subsidies::evaluator::node::{List, Node, Part};
use crate::subsidies::evaluator::run::View;

/// What an unknown fact can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Domain {
    /// Numbers, packed days, truths, from least to greatest.
    Span(i64, i64),
    /// Texts by number.
    Texts(Arc<[i64]>),
    /// Any text.
    AnyText,
    /// Any text that is not among the rule's and the row's.
    FreshText,
    /// Lists, by their places among the candidates.
    Lists(Arc<[usize]>),
    /// Any list.
    AnyList,
    /// Any list that is no candidate.
    OtherList,
}

impl Domain {
    /// Whether there is a value that both have.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Span(a, b), Self::Span(c, d)) => a <= d && c <= b,
            (Self::Texts(one), Self::Texts(two)) => one.iter().any(|text| two.contains(text)),
            (Self::Lists(one), Self::Lists(two)) => one.iter().any(|list| two.contains(list)),
            (Self::FreshText, Self::Texts(_)) | (Self::Texts(_), Self::FreshText) => false,
            (Self::OtherList, Self::Lists(_)) | (Self::Lists(_), Self::OtherList) => false,
            _ => true,
        }
    }

    /// Whether it cannot be divided further.
    pub(crate) fn single(&self) -> bool {
        match self {
            Self::Span(least, greatest) => least == greatest,
            Self::Texts(texts) => texts.len() == 1,
            Self::Lists(lists) => lists.len() == 1,
            Self::FreshText | Self::OtherList => true,
            Self::AnyText | Self::AnyList => false,
        }
    }

    /// Whether it is one value.
    pub(crate) fn point(&self) -> bool {
        self.single() && !matches!(self, Self::FreshText | Self::OtherList)
    }
}

/// A part of all that the unknown facts can be.
#[derive(Clone, Debug)]
pub(crate) struct Region {
    pub(crate) domains: Vec<(u8, Domain)>,
}

impl Region {
    pub(crate) fn get(&self, slot: u8) -> Option<&Domain> {
        self.domains.iter().find(|(one, _)| *one == slot).map(|(_, domain)| domain)
    }

    /// Returns the same with another domain for a slot.
    pub(crate) fn with(&self, slot: u8, domain: Domain) -> Self {
        let mut region = self.clone();
        region.set(slot, domain);
        region
    }

    pub(crate) fn set(&mut self, slot: u8, domain: Domain) {
        if let Some(place) = self.domains.iter_mut().find(|(one, _)| *one == slot) {
            place.1 = domain;
        }
    }

    /// Whether both hold points that differ in nothing but this slot.
    pub(crate) fn meets_but_for(&self, slot: u8, other: &Self) -> bool {
        self.domains
            .iter()
            .zip(&other.domains)
            .all(|((one, left), (_, right))| *one == slot || left.meets(right))
    }
}

/// Days are divided by days, everything else as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    Days,
    Plain,
}

impl Scale {
    pub(crate) fn of(definition: &Definition) -> Self {
        if definition.kind == Scalar::Date { Self::Days } else { Self::Plain }
    }

    /// From a value to a number that counts by ones.
    pub(crate) fn down(self, value: i64) -> i64 {
        match self {
            Self::Days => i64::from(unpack(value).0),
            Self::Plain => value,
        }
    }

    /// And back.
    pub(crate) fn up(self, number: i64) -> i64 {
        match self {
            Self::Days => pack(Day(i32::try_from(number).unwrap_or_default())),
            Self::Plain => number,
        }
    }
}

/// Lists that an unknown list is tried with, all there are or some that matter.
#[derive(Clone, Debug, Default)]
pub(crate) struct Candidates {
    pub(crate) lists: Vec<Box<[i64]>>,
}

/// How many lists there are at most of which all are tried.
const ALL_LISTS_MAX: usize = 64;
/// How many different items lists are made of that are tried.
const ITEMS_MAX: usize = 12;

/// Returns all that a fact can be.
pub(crate) fn domain(
    definition: &Definition,
    view: &View<'_>,
    constants: &[i64],
    candidates: &mut Candidates,
) -> Domain {
    let one = single(definition, view);
    let Some(most) = definition.max_items else { return one };
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let from = candidates.lists.len();
    let all = every(&one, most);
    let complete = all.is_some();
    candidates.lists.extend(all.unwrap_or_else(|| some(&one, definition, most, constants)));
    let numbers: Arc<[usize]> = (from..candidates.lists.len()).collect();
    if complete { Domain::Lists(numbers) } else { Domain::AnyList }
}

/// What one value, or one item, can be.
pub(crate) fn single(definition: &Definition, view: &View<'_>) -> Domain {
    match definition.kind {
        Scalar::Int | Scalar::Money => Domain::Span(definition.least, definition.greatest),
        Scalar::Date => {
            let (first, last) = *BOUNDS;
            Domain::Span(first, last)
        }
        Scalar::Bool => Domain::Span(0, 1),
        Scalar::Enum => {
            let [known, _] = view.texts;
            let numbered = known.iter().zip(0_i64..);
            let mut of = numbered.filter(|(text, _)| definition.choices.contains(text));
            Domain::Texts(of.by_ref().map(|(_, number)| number).collect())
        }
        Scalar::Text => Domain::AnyText,
    }
}

/// Returns every list there is, if they are few.
fn every(one: &Domain, most: usize) -> Option<Vec<Box<[i64]>>> {
    let values: Vec<i64> = match one {
        Domain::Span(least, greatest) => {
            let few = greatest.checked_sub(*least)? < i64::try_from(ALL_LISTS_MAX).ok()?;
            few.then(|| (*least..=*greatest).collect())?
        }
        Domain::Texts(texts) => texts.to_vec(),
        _ => return None,
    };
    let mut lists: Vec<Box<[i64]>> = vec![Box::new([])];
    let mut last = 0;
    for _ in 0..most {
        let longer: Vec<Box<[i64]>> = lists
            .get(last..)
            .unwrap_or_default()
            .iter()
            .flat_map(|list| values.iter().map(|value| [list, [*value].as_slice()].concat().into()))
            .take(ALL_LISTS_MAX.saturating_add(1))
            .collect();
        last = lists.len();
        lists.extend(longer);
        if lists.len() > ALL_LISTS_MAX {
            return None;
        }
    }
    Some(lists)
}

/// Returns lists that are likely to make a difference: of one kind of item, none, one, two, and as many as there can be.
fn some(one: &Domain, definition: &Definition, most: usize, constants: &[i64]) -> Vec<Box<[i64]>> {
    let scale = Scale::of(definition);
    let mut values: Vec<i64> = match one {
        Domain::Span(least, greatest) => {
            let inside = |value: &i64| (least..=greatest).contains(&value);
            let around = constants.iter().filter(|value| inside(value)).flat_map(|value| {
                let value = scale.down(*value);
                [value.saturating_sub(1), value, value.saturating_add(1)]
            });
            let around = around.map(|value| scale.up(value)).filter(inside);
            let middle = scale.down(*least).midpoint(scale.down(*greatest));
            [*least, *greatest, scale.up(middle)].into_iter().chain(around).collect()
        }
        Domain::Texts(texts) => texts.to_vec(),
        _ => constants.to_vec(),
    };
    values.sort_unstable();
    values.dedup();
    values.truncate(ITEMS_MAX);
    let mut lists: Vec<Box<[i64]>> = vec![Box::new([])];
    for value in values {
        let lengths = [1, 2, most].into_iter().filter(|length| *length <= most);
        lists.extend(lengths.map(|length| vec![value; length].into()));
    }
    lists.sort_unstable();
    lists.dedup();
    lists
}

/// Collects the constants of an expression.
pub(crate) fn constants(node: &Node, found: &mut Vec<i64>) {
    match node {
        Node::Const(value) | Node::CompareSlot(_, _, value) => found.push(*value),
        Node::InSlot(_, values) => found.extend(values.iter()),
        _ => {}
    }
    let mut below = Vec::new();
    node.parts(&mut |part| below.push(part));
    for part in below {
        match part {
            Part::Node(node) => constants(node, found),
            Part::List(list) => constants_of_list(list, found),
        }
    }
}

fn constants_of_list(list: &List, found: &mut Vec<i64>) {
    match list {
        List::Const(values) => found.extend(values.iter()),
        List::Slot(..) => {}
        List::Items(items) => items.iter().for_each(|item| constants(item, found)),
        List::Filter(list, _, body) | List::Map(list, _, body) => {
            constants_of_list(list, found);
            constants(body, found);
        }
    }
}
