//! Evaluation of a compiled expression: three-valued, in one walk, without an allocation where no list is built.

use std::borrow::Cow;
use std::sync::Arc;

use crate::subsidies::evaluator::LOCALS_MAX;
use crate::subsidies::evaluator::cell::{Cell, ErrorKind, Outcome};
use crate::subsidies::evaluator::check::Type;
use crate::subsidies::evaluator::days::between;
use crate::subsidies::evaluator::defect::Place;
use crate::subsidies::evaluator::judgement::SlotSet;
use crate::subsidies::evaluator::node::{Arithmetic, Fold, List, Node};

/// Facts as slots, of a row or of columns.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    /// Slot by slot; zero where it is not known.
    pub(crate) values: &'a [i64],
    pub(crate) known: SlotSet,
    pub(crate) lists: &'a [Box<[i64]>],
    /// Texts of the rule, and behind them those of the facts.
    pub(crate) texts: [&'a [Arc<str>]; 2],
    pub(crate) parameters: &'a [i64],
}

impl<'a> View<'a> {
    /// Returns a slot's value, known or not.
    #[inline]
    pub(crate) fn value(&self, slot: u8) -> i64 {
        self.values.get(usize::from(slot)).copied().unwrap_or_default()
    }

    /// Returns a slot's value where it is known.
    #[inline]
    pub(crate) fn slot(&self, slot: u8) -> Option<i64> {
        self.known.contains(usize::from(slot)).then(|| self.value(slot))
    }

    /// Whether all slots are known.
    pub(crate) fn is_certain(&self) -> bool {
        self.known.len() == self.values.len()
    }

    pub(crate) fn text(&self, number: i64) -> &'a str {
        let [first, second] = self.texts;
        let Ok(number) = usize::try_from(number) else { return "" };
        let text = match number.checked_sub(first.len()) {
            None => first.get(number),
            Some(number) => second.get(number),
        };
        text.map_or("", |text| text)
    }
}

/// A step of a derivation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) place: Place,
    pub(crate) kind: Type,
    pub(crate) bits: i64,
}

/// An evaluation under way.
pub(crate) struct Run<'a, V> {
    view: View<'a>,
    locals: [V; LOCALS_MAX],
    /// Whether something had no value where that cannot be said: nothing that was found counts then.
    pub(crate) hindered: bool,
    pub(crate) cost: u64,
    /// Slots that were read, a bit each.
    pub(crate) read: u64,
    /// Kinds of the slots, where steps are wanted.
    pub(crate) kinds: Option<&'a [Type]>,
    pub(crate) steps: Vec<Step>,
}

impl<'a, V: Outcome> Run<'a, V> {
    pub(crate) fn new(view: View<'a>, steps: Vec<Step>) -> Self {
        let locals = [V::known(0); LOCALS_MAX];
        Self { view, locals, hindered: false, cost: 0, read: 0, kinds: None, steps }
    }

    #[inline]
    fn slot(&mut self, slot: u8) -> V {
        self.read |= 1_u64 << (slot & 63);
        V::fact(&self.view, slot)
    }

    #[inline]
    fn take(&mut self, cell: Cell) -> V {
        V::of(cell, &mut self.hindered)
    }

    #[inline]
    fn count(&mut self, steps: u64) {
        self.cost = self.cost.wrapping_add(steps);
    }

    #[inline]
    fn step(&mut self, place: Place, kind: Type, value: V) -> V {
        if self.kinds.is_some()
            && let Some(bits) = value.bits()
        {
            self.steps.push(Step { place, kind, bits });
        }
        value
    }

    /// Evaluates. What laws write most often is done here, without another call.
    #[expect(clippy::inline_always, reason = "a call for each fact takes a fifth of the time")]
    #[inline(always)]
    pub(crate) fn eval(&mut self, node: &'a Node) -> V {
        self.count(1);
        match node {
            Node::Const(value) => V::known(*value),
            Node::Slot(slot, _) if self.kinds.is_none() => self.slot(*slot),
            Node::CompareSlot(compare, slot, value) => {
                let found = self.slot(*slot);
                found.bits().map_or(found, |bits| V::truth(compare.holds(&bits, value)))
            }
            Node::InSlot(slot, values) => {
                let found = self.slot(*slot);
                found.bits().map_or(found, |bits| V::truth(values.contains(&bits)))
            }
            Node::CompareSlots(compare, [left, right]) => {
                let (left, right) = (self.slot(*left), self.slot(*right));
                both(left, right, |left, right| V::truth(compare.holds(&left, &right)))
            }
            Node::CompareBetween(compare, unit, [from, to], value) => {
                let (from, to) = (self.slot(*from), self.slot(*to));
                both(from, to, |from, to| V::truth(compare.holds(&between(*unit, from, to), value)))
            }
            _ => self.composed(node),
        }
    }

    #[inline(never)]
    fn composed(&mut self, node: &'a Node) -> V {
        match node {
            Node::Slot(slot, place) => {
                let found = self.slot(*slot);
                match self.kinds.and_then(|kinds| kinds.get(usize::from(*slot))) {
                    Some(kind) => self.step(*place, *kind, found),
                    None => found,
                }
            }
            Node::Not(inner) => {
                let found = self.eval(inner);
                found.bits().map_or(found, |bits| V::known(bits ^ 1))
            }
            Node::All(parts) => self.logic(parts, 0),
            Node::Any(parts) => self.logic(parts, 1),
            Node::Compare(compare, two) => {
                let (left, right) = self.two(two);
                both(left, right, |left, right| V::truth(compare.holds(&left, &right)))
            }
            Node::Between(unit, two, place) => {
                let (from, to) = self.two(two);
                let found = both(from, to, |from, to| V::known(between(*unit, from, to)));
                self.step(*place, Type::Number, found)
            }
            Node::Arithmetic(arithmetic, two, place) => {
                let (left, right) = self.two(two);
                let found = both(left, right, |left, right| {
                    self.take(compute(*arithmetic, left, right, *place))
                });
                self.step(*place, Type::Number, found)
            }
            Node::Choose(parts, chosen) => {
                let [condition, then, otherwise] = parts.as_ref();
                let condition = self.eval(condition);
                self.step(chosen.condition, Type::Truth, condition);
                let found = match condition.bits() {
                    Some(0) => self.eval(otherwise),
                    Some(_) => self.eval(then),
                    None => condition,
                };
                self.step(chosen.whole, chosen.kind, found)
            }
            Node::Parameter(index, place) => {
                let value = self.view.parameters.get(usize::from(*index)).copied();
                let found = self.take(value.map_or(Cell::UNKNOWN, Cell::known));
                self.step(*place, Type::Number, found)
            }
            Node::Least(parts, place) => self.extreme(parts, false, *place),
            Node::Greatest(parts, place) => self.extreme(parts, true, *place),
            _ => self.rare(node),
        }
    }

    /// What is seldom written.
    #[inline(never)]
    fn rare(&mut self, node: &'a Node) -> V {
        match node {
            Node::Local(local) => self.local(*local),
            Node::Negate(inner, place) => {
                let found = self.eval(inner);
                let negated = found.bits().map_or(found, |bits| {
                    self.take(compute(Arithmetic::Subtract, 0, bits, *place))
                });
                self.step(*place, Type::Number, negated)
            }
            Node::Extreme(greatest, list, place) => self.extreme_of_list(list, *greatest, *place),
            Node::Size(list, place) => {
                let found = self.items(list).map_or_else(|it| it, |items| length(items.len()));
                self.step(*place, Type::Number, found)
            }
            Node::SizeOfText(inner) => {
                let found = self.eval(inner);
                let count = |bits| length(self.view.text(bits).chars().count());
                found.bits().map_or(found, count)
            }
            Node::Test(test, two) => {
                let (whole, piece) = self.two(two);
                let view = &self.view;
                both(whole, piece, |whole, piece| {
                    V::truth(test.holds(view.text(whole), view.text(piece)))
                })
            }
            Node::CompareText(compare, two) => {
                let (left, right) = self.two(two);
                let view = &self.view;
                both(left, right, |left, right| {
                    V::truth(compare.holds(view.text(left), view.text(right)))
                })
            }
            Node::In(item, list) => {
                let item = self.eval(item);
                match self.items(list) {
                    Err(hindrance) => item.weaker(hindrance),
                    Ok(items) => item.bits().map_or(item, |bits| V::truth(items.contains(&bits))),
                }
            }
            Node::Index(list, index, place) => {
                let items = self.items(list);
                let index = self.eval(index);
                let items = match items {
                    Err(hindrance) => return hindrance.weaker(index),
                    Ok(items) => items,
                };
                index.bits().map_or(index, |bits| {
                    let item = usize::try_from(bits).ok().and_then(|index| items.get(index));
                    let missing = || Cell::error(ErrorKind::NoSuchItem, *place);
                    self.take(item.map_or_else(missing, |value| Cell::known(*value)))
                })
            }
            Node::Fold(fold, list, local, body) => match self.items(list) {
                Err(hindrance) => hindrance,
                Ok(items) => self.fold(*fold, &items, *local, body),
            },
            _ => self.eval(node),
        }
    }

    #[expect(clippy::inline_always, reason = "a call for each fact takes a fifth of the time")]
    #[inline(always)]
    fn two(&mut self, two: &'a [Node; 2]) -> (V, V) {
        let [left, right] = two;
        (self.eval(left), self.eval(right))
    }

    /// `&&` (decided by false, 0) and `||` (decided by true, 1).
    #[inline]
    fn logic(&mut self, parts: &'a [Node], decided: i64) -> V {
        let mut found = V::known(decided ^ 1);
        for part in parts {
            let value = self.eval(part);
            match value.bits() {
                None => found = found.weaker(value),
                Some(bits) if bits == decided => return value,
                Some(_) => {}
            }
        }
        found
    }

    fn extreme(&mut self, parts: &'a [Node], greatest: bool, place: Place) -> V {
        let pick = if greatest { i64::max } else { i64::min };
        let mut found: Option<V> = None;
        for part in parts {
            let value = self.eval(part);
            found = Some(found.map_or(value, |before| {
                both(before, value, |before, bits| V::known(pick(before, bits)))
            }));
        }
        let found = found.unwrap_or_else(|| self.take(Cell::UNKNOWN));
        self.step(place, Type::Number, found)
    }

    fn extreme_of_list(&mut self, list: &'a List, greatest: bool, place: Place) -> V {
        let found = match self.items(list) {
            Err(hindrance) => hindrance,
            Ok(items) => {
                let found = if greatest { items.iter().max() } else { items.iter().min() };
                let empty = || Cell::error(ErrorKind::EmptyList, place);
                self.take(found.map_or_else(empty, |value| Cell::known(*value)))
            }
        };
        self.step(place, Type::Number, found)
    }

    fn local(&mut self, local: u8) -> V {
        let found = self.locals.get(usize::from(local)).copied();
        found.unwrap_or_else(|| self.take(Cell::UNKNOWN))
    }

    fn bind(&mut self, local: u8, bits: i64) {
        if let Some(place) = self.locals.get_mut(usize::from(local)) {
            *place = V::known(bits);
        }
    }

    /// Returns a list's items, or what stands in their way.
    fn items(&mut self, list: &'a List) -> Result<Cow<'a, [i64]>, V> {
        match list {
            List::Const(items) => {
                self.count(u64::try_from(items.len()).unwrap_or(u64::MAX));
                Ok(Cow::Borrowed(items))
            }
            List::Slot(slot, _) => {
                let found = self.slot(*slot);
                let Some(bits) = found.bits() else { return Err(found) };
                let index = usize::try_from(bits).unwrap_or(usize::MAX);
                let Some(items) = self.view.lists.get(index) else {
                    return Err(self.take(Cell::UNKNOWN));
                };
                self.count(u64::try_from(items.len()).unwrap_or(u64::MAX));
                Ok(Cow::Borrowed(items))
            }
            List::Items(nodes) => {
                let values = nodes.iter().map(|node| self.eval(node)).collect::<Vec<_>>();
                gathered(values.into_iter())
            }
            List::Filter(list, local, body) => {
                let items = self.items(list)?;
                let mut hindrance = V::known(1);
                let mut kept = Vec::new();
                for item in items.iter() {
                    self.bind(*local, *item);
                    let value = self.eval(body);
                    match value.bits() {
                        None => hindrance = hindrance.weaker(value),
                        Some(0) => {}
                        Some(_) => kept.push(*item),
                    }
                }
                hindrance.bits().map_or(Err(hindrance), |_| Ok(Cow::Owned(kept)))
            }
            List::Map(list, local, body) => {
                let items = self.items(list)?;
                let mut values = Vec::with_capacity(items.len());
                for item in items.iter() {
                    self.bind(*local, *item);
                    values.push(self.eval(body));
                }
                gathered(values.into_iter())
            }
        }
    }

    fn fold(&mut self, fold: Fold, items: &[i64], local: u8, body: &'a Node) -> V {
        let decided = match fold {
            Fold::All => 0,
            Fold::Exists => 1,
            Fold::ExistsOne => -1,
        };
        let mut found = V::known(decided ^ 1);
        let mut hits = 0_usize;
        for item in items {
            self.bind(local, *item);
            let value = self.eval(body);
            match value.bits() {
                None => found = found.weaker(value),
                Some(bits) if bits == decided => return value,
                Some(0) => {}
                Some(_) => hits = hits.saturating_add(1),
            }
        }
        match fold {
            Fold::ExistsOne if found.bits().is_some() => V::truth(hits == 1),
            Fold::All | Fold::Exists | Fold::ExistsOne => found,
        }
    }
}

/// Computes with two that are known.
#[inline]
fn both<V: Outcome>(one: V, two: V, known: impl FnOnce(i64, i64) -> V) -> V {
    match (one.bits(), two.bits()) {
        (Some(one), Some(two)) => known(one, two),
        _ => one.weaker(two),
    }
}

fn gathered<'a, V: Outcome>(found: impl Iterator<Item = V>) -> Result<Cow<'a, [i64]>, V> {
    let mut hindrance = V::known(1);
    let mut values = Vec::new();
    for value in found {
        match value.bits() {
            Some(bits) => values.push(bits),
            None => hindrance = hindrance.weaker(value),
        }
    }
    hindrance.bits().map_or(Err(hindrance), |_| Ok(Cow::Owned(values)))
}

fn length<V: Outcome>(items: usize) -> V {
    V::known(i64::try_from(items).unwrap_or(i64::MAX))
}

/// Computes as CEL does: `/` and `%` truncate, what does not fit 64 bits is an error.
#[inline]
pub(crate) fn compute(arithmetic: Arithmetic, left: i64, right: i64, place: Place) -> Cell {
    let value = match arithmetic {
        Arithmetic::Add => left.checked_add(right),
        Arithmetic::Subtract => left.checked_sub(right),
        Arithmetic::Multiply => left.checked_mul(right),
        Arithmetic::Divide if right == 0 => return Cell::error(ErrorKind::DivisionByZero, place),
        Arithmetic::Remainder if right == 0 => {
            return Cell::error(ErrorKind::DivisionByZero, place);
        }
        Arithmetic::Divide => left.checked_div(right),
        Arithmetic::Remainder => left.checked_rem(right),
    };
    value.map_or_else(|| Cell::error(ErrorKind::Overflow, place), Cell::known)
}
