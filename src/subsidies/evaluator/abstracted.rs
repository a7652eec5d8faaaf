//! Evaluation over regions: what an expression can be while facts are somewhere within their domains.
//!
//! It never leaves out what is possible, and where every domain is a single value it says exactly what the evaluation of that value
//! says.

use std::ops::Range;
use std::sync::Arc;

use crate::subsidies::evaluator::LOCALS_MAX;
use crate::subsidies::evaluator::cell::{Cell, ErrorKind};
use crate::subsidies::evaluator::defect::Place;
use crate::subsidies::evaluator::node::{Arithmetic, Compare, Fold, List, Node};
use crate::subsidies::evaluator::possible::{
    Abstract, Outcomes, Values, compared, computed, equal, extreme, known, length, lying_between,
    valued,
};
use crate::subsidies::evaluator::region::{Domain, Region};
use crate::subsidies::evaluator::run::View;

/// An item that is in a list between so and so many times.
struct Item {
    value: Abstract,
    least: u32,
    greatest: u32,
}

/// What a list can be.
struct Items {
    all: Vec<Item>,
    error: Option<Cell>,
    /// Whether it always fails.
    never: bool,
}

/// An evaluation over regions.
pub(crate) struct Spans<'a> {
    pub(crate) view: View<'a>,
    pub(crate) candidates: &'a [Box<[i64]>],
    /// What an item of an unknown list can be, by slot, and which candidates are its.
    pub(crate) items: &'a [(u8, Domain, Range<usize>)],
    locals: [Option<Abstract>; LOCALS_MAX],
    pub(crate) cost: u64,
}

impl<'a> Spans<'a> {
    pub(crate) fn new(
        view: View<'a>,
        candidates: &'a [Box<[i64]>],
        items: &'a [(u8, Domain, Range<usize>)],
    ) -> Self {
        Self { view, candidates, items, locals: [const { None }; LOCALS_MAX], cost: 0 }
    }

    /// Returns what a truth can be.
    pub(crate) fn truth(&mut self, node: &Node, region: &Region) -> Outcomes {
        self.value(node, region).outcomes()
    }

    pub(crate) fn slot(&self, slot: u8, region: &Region) -> Abstract {
        match region.get(slot) {
            Some(domain) => valued(domain),
            None => self
                .view
                .slot(slot)
                .map_or(Abstract { values: Values::AnyText, error: None }, known),
        }
    }

    /// Returns what an expression can be.
    pub(crate) fn value(&mut self, node: &Node, region: &Region) -> Abstract {
        self.cost = self.cost.saturating_add(1);
        match node {
            Node::Const(value) => known(*value),
            Node::Slot(slot, _) => self.slot(*slot, region),
            Node::Parameter(index, _) => {
                known(self.view.parameters.get(usize::from(*index)).copied().unwrap_or_default())
            }
            Node::Local(local) => self
                .locals
                .get(usize::from(*local))
                .cloned()
                .flatten()
                .unwrap_or(Abstract { values: Values::AnyText, error: None }),
            Node::Not(inner) => {
                let inner = self.value(inner, region);
                Abstract::truths(inner.outcomes().not(), inner.error)
            }
            Node::All(parts) | Node::Any(parts) => {
                let parts: Vec<_> = parts.iter().map(|part| self.value(part, region)).collect();
                let outcomes = parts.iter().map(Abstract::outcomes);
                let outcomes = match node {
                    Node::All(_) => Outcomes::all(outcomes),
                    _ => Outcomes::any(outcomes),
                };
                Abstract::truths(outcomes, parts.iter().find_map(|part| part.error))
            }
            Node::Choose(parts, _) => {
                let [condition, then, otherwise] = parts.as_ref();
                let condition = self.value(condition, region);
                let outcomes = condition.outcomes();
                let mut found = Abstract::failing(condition.error);
                if outcomes.has(Outcomes::TRUE) {
                    found = found.or(self.value(then, region));
                }
                if outcomes.has(Outcomes::FALSE) {
                    found = found.or(self.value(otherwise, region));
                }
                found
            }
            Node::CompareSlot(compare, slot, value) => {
                let fact = self.slot(*slot, region);
                compared(*compare, &fact, &known(*value))
            }
            Node::CompareSlots(..) | Node::CompareBetween(..) | Node::Compare(..) => {
                match self.sides(node, region) {
                    Some((compare, left, right)) => compared(compare, &left, &right),
                    None => Abstract::failing(None),
                }
            }
            Node::InSlot(slot, values) => {
                let fact = self.slot(*slot, region);
                let equal = values.iter().map(|value| equal(&fact.values, &known(*value).values));
                Abstract::truths(Outcomes::any(equal), None)
            }
            Node::Arithmetic(..)
            | Node::Between(..)
            | Node::Negate(..)
            | Node::Least(..)
            | Node::Greatest(..) => self.number(node, region),
            Node::Extreme(..)
            | Node::Size(..)
            | Node::Index(..)
            | Node::Fold(..)
            | Node::In(..) => self.over_list(node, region),
            Node::SizeOfText(_) | Node::Test(..) | Node::CompareText(..) => {
                self.over_text(node, region)
            }
        }
    }

    fn number(&mut self, node: &Node, region: &Region) -> Abstract {
        match node {
            Node::Arithmetic(arithmetic, two, place) => {
                let [left, right] = two.as_ref();
                let (left, right) = (self.value(left, region), self.value(right, region));
                computed(*arithmetic, left, right, *place)
            }
            Node::Between(unit, two, _) => {
                let [from, to] = two.as_ref();
                let (from, to) = (self.value(from, region), self.value(to, region));
                lying_between(*unit, from, to)
            }
            Node::Negate(inner, place) => {
                let inner = self.value(inner, region);
                computed(Arithmetic::Subtract, known(0), inner, *place)
            }
            Node::Least(parts, _) | Node::Greatest(parts, _) => {
                let greatest = matches!(node, Node::Greatest(..));
                let parts = parts.iter().map(|part| self.value(part, region));
                let both = parts.reduce(|one, two| extreme(greatest, one, two));
                both.unwrap_or(Abstract::failing(None))
            }
            _ => Abstract::failing(None),
        }
    }

    /// Returns how and what a comparison compares.
    pub(crate) fn sides(
        &mut self,
        node: &Node,
        region: &Region,
    ) -> Option<(Compare, Abstract, Abstract)> {
        Some(match node {
            Node::CompareSlot(compare, slot, value) => {
                (*compare, self.slot(*slot, region), known(*value))
            }
            Node::CompareSlots(compare, [left, right]) => {
                (*compare, self.slot(*left, region), self.slot(*right, region))
            }
            Node::CompareBetween(compare, unit, [from, to], value) => {
                let (from, to) = (self.slot(*from, region), self.slot(*to, region));
                (*compare, lying_between(*unit, from, to), known(*value))
            }
            Node::Compare(compare, two) => {
                let [left, right] = two.as_ref();
                (*compare, self.value(left, region), self.value(right, region))
            }
            _ => return None,
        })
    }

    fn over_text(&mut self, node: &Node, region: &Region) -> Abstract {
        let (one, two) = match node {
            Node::SizeOfText(inner) => (self.value(inner, region), None),
            Node::Test(_, two) | Node::CompareText(_, two) => {
                let [one, two] = two.as_ref();
                (self.value(one, region), Some(self.value(two, region)))
            }
            _ => return Abstract::failing(None),
        };
        let error = one.error.or(two.as_ref().and_then(|two| two.error));
        let view = self.view;
        let found = match (node, Self::texts(&one), two.as_ref().map(Self::texts)) {
            (Node::SizeOfText(_), Some(texts), _) => {
                let sizes = texts.iter().map(|text| length(view.text(*text).chars().count()));
                sizes.map(known).reduce(Abstract::or).unwrap_or(Abstract::failing(None))
            }
            (Node::SizeOfText(_), None, _) => Abstract::span(0, TEXT_MAX),
            (_, Some(texts), Some(Some(pieces)))
                if texts.len().saturating_mul(pieces.len()) <= 4096 =>
            {
                let pairs =
                    texts.iter().flat_map(|text| pieces.iter().map(move |piece| (text, piece)));
                let mut outcomes = Outcomes::NONE;
                for (text, piece) in pairs {
                    let (whole, piece) = (view.text(*text), view.text(*piece));
                    let holds = match node {
                        Node::Test(test, _) => test.holds(whole, piece),
                        Node::CompareText(compare, _) => compare.holds(whole, piece),
                        _ => false,
                    };
                    let outcome = if holds { Outcomes::TRUE } else { Outcomes::FALSE };
                    outcomes = outcomes.with(outcome);
                }
                Abstract::truths(outcomes, None)
            }
            _ => Abstract::span(0, 1),
        };
        match (&one.values, two.map(|two| two.values)) {
            (Values::None, _) | (_, Some(Values::None)) => Abstract::failing(error),
            _ => found.with_error(error),
        }
    }

    /// The texts it can be, where they can be counted. A constant text is a span of one number.
    fn texts(value: &Abstract) -> Option<Arc<[i64]>> {
        match &value.values {
            Values::Texts(texts) => Some(Arc::clone(texts)),
            Values::Span(one, two) if one == two => Some(Arc::new([*one])),
            Values::Span(..) | Values::None | Values::FreshText | Values::AnyText => None,
        }
    }

    fn over_list(&mut self, node: &Node, region: &Region) -> Abstract {
        match node {
            Node::Size(list, _) => {
                let list = self.list(list, region);
                if list.never {
                    return Abstract::failing(list.error);
                }
                let (least, greatest) = list.size();
                Abstract::span(least, greatest).with_error(list.error)
            }
            Node::Extreme(greatest, list, place) => {
                let list = self.list(list, region);
                most(*greatest, list, *place)
            }
            Node::In(item, list) => {
                let item = self.value(item, region);
                let list = self.list(list, region);
                let error = item.error.or(list.error);
                if list.never || matches!(item.values, Values::None) {
                    return Abstract::failing(error);
                }
                let outcomes = Outcomes::any(list.all.iter().map(|one| {
                    equal(&item.values, &one.value.values)
                        .with(Outcomes::FALSE.when(one.least == 0))
                }));
                Abstract::truths(outcomes, None).with_error(error)
            }
            Node::Index(list, index, place) => {
                let list = self.list(list, region);
                let index = self.value(index, region);
                indexed(list, &index, *place)
            }
            Node::Fold(fold, list, local, body) => {
                let list = self.list(list, region);
                self.fold(*fold, &list, *local, (body, region))
            }
            _ => Abstract::failing(None),
        }
    }

    fn body(&mut self, local: u8, item: &Abstract, body: &Node, region: &Region) -> Abstract {
        if let Some(place) = self.locals.get_mut(usize::from(local)) {
            *place = Some(item.clone());
        }
        self.value(body, region)
    }

    fn fold(&mut self, fold: Fold, list: &Items, local: u8, body: (&Node, &Region)) -> Abstract {
        if list.never {
            return Abstract::failing(list.error);
        }
        let mut error = list.error;
        let mut parts = Vec::new();
        for item in &list.all {
            let found = self.body(local, &item.value, body.0, body.1);
            error = error.or(found.error);
            parts.push((found.outcomes(), item.least, item.greatest));
        }
        let missing = |empty: Outcomes| {
            parts.iter().map(move |(part, least, _)| part.with(empty.when(*least == 0)))
        };
        let outcomes = match fold {
            Fold::All => Outcomes::all(missing(Outcomes::TRUE)),
            Fold::Exists => Outcomes::any(missing(Outcomes::FALSE)),
            Fold::ExistsOne => {
                let sure = |part: Outcomes| part == Outcomes::TRUE;
                let least: u32 = parts
                    .iter()
                    .filter(|(part, ..)| sure(*part))
                    .fold(0, |sum, (_, least, _)| sum.saturating_add(*least));
                let greatest: u32 = parts
                    .iter()
                    .filter(|(part, ..)| part.has(Outcomes::TRUE))
                    .fold(0, |sum, (.., greatest)| sum.saturating_add(*greatest));
                let failing = |only: bool| {
                    parts.iter().any(|(part, least, _)| {
                        part.has(Outcomes::ERROR) && (!only || (part.one() && *least > 0))
                    })
                };
                let truths = Outcomes::TRUE
                    .when(least <= 1 && greatest >= 1)
                    .with(Outcomes::FALSE.when(least != 1 || greatest != 1));
                let truths = truths.when(!failing(true));
                truths.with(Outcomes::ERROR.when(failing(false)))
            }
        };
        Abstract::truths(outcomes, error).with_error(list.error)
    }

    fn list(&mut self, list: &List, region: &Region) -> Items {
        match list {
            List::Const(values) => Items::of(values),
            List::Slot(slot, most) => self.list_slot(*slot, *most, region),
            List::Items(nodes) => {
                let mut found = Items { all: Vec::new(), error: None, never: false };
                for node in nodes {
                    let value = self.value(node, region);
                    found.add(value, 1, 1);
                }
                found
            }
            List::Filter(list, local, body) => {
                let list = self.list(list, region);
                let mut found = Items { all: Vec::new(), ..list };
                for item in list.all {
                    let kept = self.body(*local, &item.value, body, region);
                    let outcomes = kept.outcomes();
                    found.error = found.error.or(kept.error);
                    found.never |= outcomes == Outcomes::ERROR && item.least > 0;
                    if outcomes.has(Outcomes::TRUE) {
                        let sure = !outcomes.has(Outcomes::FALSE);
                        let least = if sure { item.least } else { 0 };
                        found.all.push(Item { least, ..item });
                    }
                }
                found
            }
            List::Map(list, local, body) => {
                let list = self.list(list, region);
                let mut found = Items { all: Vec::new(), ..list };
                for item in list.all {
                    let value = self.body(*local, &item.value, body, region);
                    found.add(value, item.least, item.greatest);
                }
                found
            }
        }
    }

    fn list_slot(&self, slot: u8, most: u32, region: &Region) -> Items {
        let one = |lists: &[Box<[i64]>], number: usize| {
            Items::of(lists.get(number).map_or(&[], |list| list.as_ref()))
        };
        match region.get(slot) {
            Some(Domain::Lists(lists)) if lists.len() == 1 => {
                one(self.candidates, lists.first().copied().unwrap_or_default())
            }
            Some(_) => {
                let item = self.items.iter().find(|(one, ..)| *one == slot);
                let value = item.map_or(known(0), |(_, domain, _)| valued(domain));
                let items = vec![Item { value, least: 0, greatest: most }];
                Items { all: items, error: None, never: false }
            }
            None => {
                one(self.view.lists, usize::try_from(self.view.value(slot)).unwrap_or(usize::MAX))
            }
        }
    }
}

/// How many characters a text has at most.
const TEXT_MAX: i64 = 1_000;

impl Items {
    fn of(values: &[i64]) -> Self {
        let item = |value: &i64| Item { value: known(*value), least: 1, greatest: 1 };
        Self { all: values.iter().map(item).collect(), error: None, never: false }
    }

    fn add(&mut self, value: Abstract, least: u32, greatest: u32) {
        self.error = self.error.or(value.error);
        if matches!(value.values, Values::None) {
            self.never |= least > 0;
        } else {
            let value = Abstract { error: None, ..value };
            self.all.push(Item { value, least, greatest });
        }
    }

    fn size(&self) -> (i64, i64) {
        self.all.iter().fold((0, 0), |(least, greatest): (i64, i64), item| {
            (
                least.saturating_add(i64::from(item.least)),
                greatest.saturating_add(i64::from(item.greatest)),
            )
        })
    }
}

/// The least or the greatest of a list.
fn most(greatest: bool, list: Items, place: Place) -> Abstract {
    let empty = Cell::error(ErrorKind::EmptyList, place);
    let (sure, possible): (Vec<_>, Vec<_>) = list.all.into_iter().partition(|item| item.least > 0);
    let error = list.error.or(sure.is_empty().then_some(empty));
    if list.never {
        return Abstract::failing(error);
    }
    let found = sure.into_iter().map(|item| item.value).reduce(|a, b| extreme(greatest, a, b));
    let found = possible.into_iter().fold(found, |found, item| {
        let with = found.clone().map(|found| extreme(greatest, found, item.value.clone()));
        Some(match (found, with) {
            (Some(found), Some(with)) => found.or(with),
            _ => item.value,
        })
    });
    found.unwrap_or(Abstract::failing(None)).with_error(error)
}

fn indexed(list: Items, index: &Abstract, place: Place) -> Abstract {
    let error = list.error.or(index.error);
    let Values::Span(from, to) = index.values else { return Abstract::failing(error) };
    let (least, greatest) = list.size();
    if list.never {
        return Abstract::failing(error);
    }
    let outside = (from < 0 || to >= least).then(|| Cell::error(ErrorKind::NoSuchItem, place));
    let fixed = list.all.iter().all(|item| item.least == 1 && item.greatest == 1);
    let mut found = Abstract::failing(error.or(outside));
    if to < 0 || from >= greatest {
        return found;
    }
    for (number, item) in (0_i64..).zip(list.all) {
        if !fixed || (from..=to).contains(&number) {
            found = found.or(item.value);
        }
    }
    found
}
