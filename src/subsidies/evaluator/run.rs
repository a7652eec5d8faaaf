//! Evaluation of a compiled expression: three-valued, in one walk, without an allocation where no list is built.

use std::borrow::Cow;
use std::sync::Arc;

use crate::subsidies::evaluator::LOCALS_MAX;
use crate::subsidies::evaluator::check::Type;
use crate::subsidies::evaluator::days::between;
use crate::subsidies::evaluator::defect::Place;
use crate::subsidies::evaluator::node::{Arithmetic, Fold, List, Node};

/// Whether something has a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    Known,
    Unknown,
    Error,
}

/// A value, none, or an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) tag: Tag,
    pub(crate) bits: i64,
}

impl Cell {
    pub(crate) const UNKNOWN: Self = Self { tag: Tag::Unknown, bits: 0 };
    pub(crate) const TRUE: Self = Self::known(1);

    #[inline]
    pub(crate) const fn known(bits: i64) -> Self {
        Self { tag: Tag::Known, bits }
    }

    #[inline]
    fn truth(truth: bool) -> Self {
        Self::known(i64::from(truth))
    }

    /// An error: what kind, and where.
    #[cold]
    pub(crate) fn error(kind: ErrorKind, place: Place) -> Self {
        let kind = match kind {
            ErrorKind::Overflow => 0,
            ErrorKind::DivisionByZero => 1,
            ErrorKind::NoSuchItem => 2,
            ErrorKind::EmptyList => 3,
        };
        let place = (i64::from(place.from & 0xffff) << 16) | i64::from(place.to & 0xffff);
        Self { tag: Tag::Error, bits: (kind << 32) | place }
    }

    /// What kind of error it is, and where.
    pub(crate) fn what(self) -> (ErrorKind, Place) {
        let kind = match (self.bits >> 32) & 0xff {
            0 => ErrorKind::Overflow,
            1 => ErrorKind::DivisionByZero,
            2 => ErrorKind::NoSuchItem,
            _ => ErrorKind::EmptyList,
        };
        let part = |bits: i64| u32::try_from(bits & 0xffff).unwrap_or_default();
        (kind, Place { from: part(self.bits >> 16), to: part(self.bits) })
    }

    /// Marks an error as one of a criterion's expression with this number.
    pub(crate) fn of_source(self, number: i64) -> Self {
        match self.tag {
            Tag::Error => Self { bits: self.bits | (number << 40), ..self },
            Tag::Known | Tag::Unknown => self,
        }
    }

    /// The number of the criterion's expression that the error is in.
    pub(crate) fn source(self) -> i64 {
        self.bits >> 40
    }

    /// `||`
    pub(crate) fn or(self, other: Self) -> Self {
        if self == Self::TRUE || other == Self::TRUE {
            return Self::TRUE;
        }
        self.weaker(other)
    }

    /// Of two that are not both known: what their combination is.
    #[inline]
    fn weaker(self, other: Self) -> Self {
        match (self.tag, other.tag) {
            (Tag::Unknown, _) | (_, Tag::Known) => self,
            (Tag::Known, _) | (Tag::Error, Tag::Unknown) => other,
            (Tag::Error, Tag::Error) => self,
        }
    }
}

/// Why an evaluation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// A number that does not fit 64 bits.
    Overflow,
    /// A division, or a remainder of one, by zero.
    DivisionByZero,
    /// A list has no item with this number.
    NoSuchItem,
    /// The least or greatest of no numbers.
    EmptyList,
}

/// Facts as slots, of a row or of columns.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) cells: &'a [Cell],
    pub(crate) lists: &'a [Box<[i64]>],
    /// Texts of the rule, and behind them those of the facts.
    pub(crate) texts: [&'a [Arc<str>]; 2],
    pub(crate) parameters: &'a [i64],
}

impl<'a> View<'a> {
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
pub(crate) struct Run<'a> {
    view: View<'a>,
    locals: [Cell; LOCALS_MAX],
    pub(crate) cost: u64,
    /// Slots that were read, a bit each.
    pub(crate) read: u64,
    /// Kinds of the slots, where steps are wanted.
    pub(crate) kinds: Option<&'a [Type]>,
    pub(crate) steps: Vec<Step>,
}

impl<'a> Run<'a> {
    pub(crate) fn new(view: View<'a>, steps: Vec<Step>) -> Self {
        Self { view, locals: [Cell::UNKNOWN; LOCALS_MAX], cost: 0, read: 0, kinds: None, steps }
    }

    #[inline]
    fn slot(&mut self, slot: u8) -> Cell {
        self.read |= 1_u64 << (slot & 63);
        self.view.cells.get(usize::from(slot)).copied().unwrap_or(Cell::UNKNOWN)
    }

    #[inline]
    fn count(&mut self, steps: u64) {
        self.cost = self.cost.wrapping_add(steps);
    }

    #[inline]
    fn step(&mut self, place: Place, kind: Type, cell: Cell) -> Cell {
        if self.kinds.is_some() && cell.tag == Tag::Known {
            self.steps.push(Step { place, kind, bits: cell.bits });
        }
        cell
    }

    fn text(&self, cell: Cell) -> &'a str {
        self.view.text(cell.bits)
    }

    /// Evaluates. What laws write most often is done here, without another call.
    #[inline]
    pub(crate) fn eval(&mut self, node: &'a Node) -> Cell {
        self.count(1);
        match node {
            Node::Const(value) => Cell::known(*value),
            Node::Slot(slot, _) if self.kinds.is_none() => self.slot(*slot),
            Node::CompareSlot(compare, slot, value) => {
                let cell = self.slot(*slot);
                match cell.tag {
                    Tag::Known => Cell::truth(compare.holds(&cell.bits, value)),
                    Tag::Unknown | Tag::Error => cell,
                }
            }
            Node::InSlot(slot, values) => {
                let cell = self.slot(*slot);
                match cell.tag {
                    Tag::Known => Cell::truth(values.contains(&cell.bits)),
                    Tag::Unknown | Tag::Error => cell,
                }
            }
            Node::CompareSlots(compare, [left, right]) => {
                let (left, right) = (self.slot(*left), self.slot(*right));
                if left.tag == Tag::Known && right.tag == Tag::Known {
                    Cell::truth(compare.holds(&left.bits, &right.bits))
                } else {
                    left.weaker(right)
                }
            }
            Node::CompareBetween(compare, unit, [from, to], value) => {
                let (from, to) = (self.slot(*from), self.slot(*to));
                if from.tag == Tag::Known && to.tag == Tag::Known {
                    Cell::truth(compare.holds(&between(*unit, from.bits, to.bits), value))
                } else {
                    from.weaker(to)
                }
            }
            _ => self.composed(node),
        }
    }

    fn composed(&mut self, node: &'a Node) -> Cell {
        match node {
            Node::Slot(slot, place) => {
                let cell = self.slot(*slot);
                match self.kinds.and_then(|kinds| kinds.get(usize::from(*slot))) {
                    Some(kind) => self.step(*place, *kind, cell),
                    None => cell,
                }
            }
            Node::Not(inner) => {
                let cell = self.eval(inner);
                Cell {
                    bits: if cell.tag == Tag::Known { cell.bits ^ 1 } else { cell.bits },
                    ..cell
                }
            }
            Node::All(parts) => self.logic(parts, 0),
            Node::Any(parts) => self.logic(parts, 1),
            Node::Compare(compare, two) => {
                self.two(two, |_, left, right| Cell::truth(compare.holds(&left.bits, &right.bits)))
            }
            Node::Between(unit, two, place) => {
                let cell =
                    self.two(two, |_, from, to| Cell::known(between(*unit, from.bits, to.bits)));
                self.step(*place, Type::Number, cell)
            }
            Node::Arithmetic(arithmetic, two, place) => {
                let cell = self
                    .two(two, |_, left, right| compute(*arithmetic, left.bits, right.bits, *place));
                self.step(*place, Type::Number, cell)
            }
            Node::Choose(parts, chosen) => {
                let [condition, then, otherwise] = parts.as_ref();
                let cell = self.eval(condition);
                self.step(chosen.condition, Type::Truth, cell);
                let cell = match cell.tag {
                    Tag::Known if cell.bits != 0 => self.eval(then),
                    Tag::Known => self.eval(otherwise),
                    Tag::Unknown | Tag::Error => cell,
                };
                self.step(chosen.whole, chosen.kind, cell)
            }
            Node::Parameter(index, place) => {
                let value = self.view.parameters.get(usize::from(*index)).copied();
                self.step(*place, Type::Number, value.map_or(Cell::UNKNOWN, Cell::known))
            }
            _ => self.rare(node),
        }
    }

    /// What is seldom written.
    #[inline(never)]
    fn rare(&mut self, node: &'a Node) -> Cell {
        match node {
            Node::Local(local) => self.local(*local),
            Node::Negate(inner, place) => {
                let cell = self.eval(inner);
                let negated = match cell.tag {
                    Tag::Known => compute(Arithmetic::Subtract, 0, cell.bits, *place),
                    Tag::Unknown | Tag::Error => cell,
                };
                self.step(*place, Type::Number, negated)
            }
            Node::Least(parts, place) => self.extreme(parts, false, *place),
            Node::Greatest(parts, place) => self.extreme(parts, true, *place),
            Node::Extreme(greatest, list, place) => {
                let cell = self.items(list).map_or_else(
                    |cell| cell,
                    |items| {
                        let found = if *greatest { items.iter().max() } else { items.iter().min() };
                        found.map_or_else(
                            || Cell::error(ErrorKind::EmptyList, *place),
                            |value| Cell::known(*value),
                        )
                    },
                );
                self.step(*place, Type::Number, cell)
            }
            Node::Size(list, place) => {
                let cell = self.items(list).map_or_else(|cell| cell, |items| length(items.len()));
                self.step(*place, Type::Number, cell)
            }
            Node::SizeOfText(inner) => {
                let cell = self.eval(inner);
                match cell.tag {
                    Tag::Known => length(self.text(cell).chars().count()),
                    Tag::Unknown | Tag::Error => cell,
                }
            }
            Node::Test(test, two) => self.two(two, |run, text, piece| {
                Cell::truth(test.holds(run.text(text), run.text(piece)))
            }),
            Node::CompareText(compare, two) => self.two(two, |run, left, right| {
                Cell::truth(compare.holds(run.text(left), run.text(right)))
            }),
            Node::In(item, list) => {
                let item = self.eval(item);
                match self.items(list) {
                    Err(cell) => item.weaker(cell),
                    Ok(_) if item.tag != Tag::Known => item,
                    Ok(items) => Cell::truth(items.contains(&item.bits)),
                }
            }
            Node::Index(list, index, place) => {
                let items = self.items(list);
                let index = self.eval(index);
                match items {
                    Err(cell) => cell.weaker(index),
                    Ok(_) if index.tag != Tag::Known => index,
                    Ok(items) => usize::try_from(index.bits)
                        .ok()
                        .and_then(|index| items.get(index))
                        .map_or_else(
                            || Cell::error(ErrorKind::NoSuchItem, *place),
                            |value| Cell::known(*value),
                        ),
                }
            }
            Node::Fold(fold, list, local, body) => match self.items(list) {
                Err(cell) => cell,
                Ok(items) => self.fold(*fold, &items, *local, body),
            },
            _ => self.eval(node),
        }
    }

    #[inline]
    fn two(&mut self, two: &'a [Node; 2], known: impl FnOnce(&Self, Cell, Cell) -> Cell) -> Cell {
        let [left, right] = two;
        let (left, right) = (self.eval(left), self.eval(right));
        if left.tag == Tag::Known && right.tag == Tag::Known {
            known(self, left, right)
        } else {
            left.weaker(right)
        }
    }

    /// `&&` (decided by false, 0) and `||` (decided by true, 1).
    #[inline]
    fn logic(&mut self, parts: &'a [Node], decided: i64) -> Cell {
        let mut found = Cell::known(decided ^ 1);
        for part in parts {
            let cell = self.eval(part);
            if cell.tag != Tag::Known {
                found = found.weaker(cell);
            } else if cell.bits == decided {
                return cell;
            }
        }
        found
    }

    fn extreme(&mut self, parts: &'a [Node], greatest: bool, place: Place) -> Cell {
        let mut found: Option<Cell> = None;
        for part in parts {
            let cell = self.eval(part);
            found = Some(match found {
                None => cell,
                Some(before) if before.tag != Tag::Known || cell.tag != Tag::Known => {
                    before.weaker(cell)
                }
                Some(before) if greatest => Cell::known(before.bits.max(cell.bits)),
                Some(before) => Cell::known(before.bits.min(cell.bits)),
            });
        }
        self.step(place, Type::Number, found.unwrap_or(Cell::UNKNOWN))
    }

    fn local(&self, local: u8) -> Cell {
        self.locals.get(usize::from(local)).copied().unwrap_or(Cell::UNKNOWN)
    }

    fn bind(&mut self, local: u8, bits: i64) {
        if let Some(place) = self.locals.get_mut(usize::from(local)) {
            *place = Cell::known(bits);
        }
    }

    /// Returns a list's items, or what stands in their way.
    fn items(&mut self, list: &'a List) -> Result<Cow<'a, [i64]>, Cell> {
        match list {
            List::Const(items) => {
                self.count(u64::try_from(items.len()).unwrap_or(u64::MAX));
                Ok(Cow::Borrowed(items))
            }
            List::Slot(slot, _) => {
                let cell = self.slot(*slot);
                if cell.tag != Tag::Known {
                    return Err(cell);
                }
                let index = usize::try_from(cell.bits).unwrap_or(usize::MAX);
                let items = self.view.lists.get(index).ok_or(Cell::UNKNOWN)?;
                self.count(u64::try_from(items.len()).unwrap_or(u64::MAX));
                Ok(Cow::Borrowed(items))
            }
            List::Items(nodes) => {
                let cells = nodes.iter().map(|node| self.eval(node)).collect::<Vec<_>>();
                gathered(cells.into_iter())
            }
            List::Filter(list, local, body) => {
                let items = self.items(list)?;
                let mut hindered = Cell::TRUE;
                let mut kept = Vec::new();
                for item in items.iter() {
                    self.bind(*local, *item);
                    let cell = self.eval(body);
                    if cell.tag != Tag::Known {
                        hindered = hindered.weaker(cell);
                    } else if cell.bits != 0 {
                        kept.push(*item);
                    }
                }
                if hindered.tag == Tag::Known { Ok(Cow::Owned(kept)) } else { Err(hindered) }
            }
            List::Map(list, local, body) => {
                let items = self.items(list)?;
                let mut cells = Vec::with_capacity(items.len());
                for item in items.iter() {
                    self.bind(*local, *item);
                    cells.push(self.eval(body));
                }
                gathered(cells.into_iter())
            }
        }
    }

    fn fold(&mut self, fold: Fold, items: &[i64], local: u8, body: &'a Node) -> Cell {
        let decided = match fold {
            Fold::All => 0,
            Fold::Exists => 1,
            Fold::ExistsOne => -1,
        };
        let mut found = Cell::known(decided ^ 1);
        let mut hits = 0_usize;
        for item in items {
            self.bind(local, *item);
            let cell = self.eval(body);
            if cell.tag != Tag::Known {
                found = found.weaker(cell);
            } else if cell.bits == decided {
                return cell;
            } else if cell.bits != 0 {
                hits = hits.saturating_add(1);
            }
        }
        match fold {
            Fold::ExistsOne if found.tag == Tag::Known => Cell::truth(hits == 1),
            Fold::All | Fold::Exists | Fold::ExistsOne => found,
        }
    }
}

fn gathered<'a>(cells: impl Iterator<Item = Cell>) -> Result<Cow<'a, [i64]>, Cell> {
    let mut hindered = Cell::TRUE;
    let mut values = Vec::new();
    for cell in cells {
        if cell.tag == Tag::Known {
            values.push(cell.bits);
        } else {
            hindered = hindered.weaker(cell);
        }
    }
    if hindered.tag == Tag::Known { Ok(Cow::Owned(values)) } else { Err(hindered) }
}

fn length(items: usize) -> Cell {
    Cell::known(i64::try_from(items).unwrap_or(i64::MAX))
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
