//! A thousand rows at a time: truths as bits, numbers as arrays, every part of an expression for all rows before the next.

use crate::subsidies::evaluator::cell::{Cell, Tag};
use crate::subsidies::evaluator::columns::Column;
use crate::subsidies::evaluator::days::between;
use crate::subsidies::evaluator::node::{Arithmetic, Compare, Node};
use crate::subsidies::evaluator::row::Slots;
use crate::subsidies::evaluator::run::{Run, View};

/// Rows of a block.
pub(crate) const BLOCK: usize = 1_024;
/// Rows of a word.
pub(crate) const WORD: usize = 64;
const WORDS: usize = BLOCK / WORD;

/// A bit for each row.
#[derive(Clone, Copy)]
pub(crate) struct Words([u64; WORDS]);

impl Words {
    pub(crate) fn none() -> Self {
        Self([0; WORDS])
    }

    pub(crate) fn full() -> Self {
        Self([u64::MAX; WORDS])
    }

    pub(crate) fn bit(&self, row: usize) -> bool {
        self.0.get(row / WORD).is_some_and(|word| (word >> (row % WORD)) & 1 == 1)
    }

    pub(crate) fn any(&self) -> bool {
        self.0.iter().any(|word| *word != 0)
    }

    fn set(&mut self, row: usize) {
        if let Some(word) = self.0.get_mut(row / WORD) {
            *word |= 1 << (row % WORD);
        }
    }

    fn map(&self, other: &Self, each: impl Fn(u64, u64) -> u64) -> Self {
        let mut words = *self;
        words.0.iter_mut().zip(&other.0).for_each(|(one, two)| *one = each(*one, *two));
        words
    }

    pub(crate) fn and(&self, other: &Self) -> Self {
        self.map(other, |one, two| one & two)
    }

    pub(crate) fn or(&self, other: &Self) -> Self {
        self.map(other, |one, two| one | two)
    }

    pub(crate) fn not(&self) -> Self {
        Self(self.0.map(|word| !word))
    }

    /// A bit for each value for which something holds.
    #[inline]
    fn of(values: &[i64], holds: impl Fn(i64) -> bool) -> Self {
        let mut words = Self::none();
        for (word, values) in words.0.iter_mut().zip(values.chunks(WORD)) {
            for (bit, value) in values.iter().enumerate() {
                *word |= u64::from(holds(*value)) << bit;
            }
        }
        words
    }

    fn compared_to(compare: Compare, values: &[i64], with: i64) -> Self {
        match compare {
            Compare::Equal => Self::of(values, |value| value == with),
            Compare::Unequal => Self::of(values, |value| value != with),
            Compare::Less => Self::of(values, |value| value < with),
            Compare::LessOrEqual => Self::of(values, |value| value <= with),
            Compare::Greater => Self::of(values, |value| value > with),
            Compare::GreaterOrEqual => Self::of(values, |value| value >= with),
        }
    }

    fn compared(compare: Compare, left: &[i64], right: &[i64]) -> Self {
        match compare {
            Compare::Equal => Self::of_two(left, right, |a, b| a == b),
            Compare::Unequal => Self::of_two(left, right, |a, b| a != b),
            Compare::Less => Self::of_two(left, right, |a, b| a < b),
            Compare::LessOrEqual => Self::of_two(left, right, |a, b| a <= b),
            Compare::Greater => Self::of_two(left, right, |a, b| a > b),
            Compare::GreaterOrEqual => Self::of_two(left, right, |a, b| a >= b),
        }
    }

    #[inline]
    fn of_two(left: &[i64], right: &[i64], holds: impl Fn(i64, i64) -> bool) -> Self {
        let mut words = Self::none();
        let chunks = left.chunks(WORD).zip(right.chunks(WORD));
        for (word, (left, right)) in words.0.iter_mut().zip(chunks) {
            for (bit, (left, right)) in left.iter().zip(right).enumerate() {
                *word |= u64::from(holds(*left, *right)) << bit;
            }
        }
        words
    }
}

/// Truths of a block: what is neither yes nor no nor an error is unknown.
#[derive(Clone, Copy)]
pub(crate) struct Truths {
    pub(crate) yes: Words,
    pub(crate) no: Words,
    pub(crate) error: Words,
}

impl Truths {
    fn unknown(&self) -> Words {
        self.yes.or(&self.no).or(&self.error).not()
    }

    fn not(&self) -> Self {
        Self { yes: self.no, no: self.yes, error: self.error }
    }

    fn choose(&self, then: &Self, otherwise: &Self) -> Self {
        let pick = |one: &Words, two: &Words| self.yes.and(one).or(&self.no.and(two));
        Self {
            yes: pick(&then.yes, &otherwise.yes),
            no: pick(&then.no, &otherwise.no),
            error: pick(&then.error, &otherwise.error).or(&self.error),
        }
    }

    /// False wins over what is unknown, that over an error, an error over true.
    fn and(&self, other: &Self) -> Self {
        let no = self.no.or(&other.no);
        let decided = no.or(&self.unknown()).or(&other.unknown());
        let error = self.error.or(&other.error).and(&decided.not());
        Self { yes: self.yes.and(&other.yes), no, error }
    }

    pub(crate) fn or(&self, other: &Self) -> Self {
        self.not().and(&other.not()).not()
    }
}

/// Numbers of a block: what is neither known nor an error is unknown.
pub(crate) struct Numbers {
    pub(crate) values: Vec<i64>,
    pub(crate) known: Words,
    error: Words,
}

impl Numbers {
    fn all(value: i64, rows: usize) -> Self {
        Self { values: vec![value; rows], known: Words::full(), error: Words::none() }
    }

    /// Where both are known, and where an error is all that stands in the way.
    fn both(&self, other: &Self) -> (Words, Words) {
        let known = self.known.and(&other.known);
        let whole = |one: &Self| one.known.or(&one.error);
        let error = self.error.or(&other.error).and(&whole(self)).and(&whole(other));
        (known, error)
    }
}

/// Some rows of columns.
pub(crate) struct Block<'a> {
    columns: &'a [Column],
    from: usize,
    rows: usize,
    view: View<'a>,
    /// Arrays to be used again.
    spare: Vec<Vec<i64>>,
}

impl<'a> Block<'a> {
    pub(crate) fn new(columns: &'a [Column], from: usize, rows: usize, view: View<'a>) -> Self {
        Self { columns, from, rows, view, spare: Vec::new() }
    }

    fn column(&self, slot: u8) -> (&'a [i64], Words) {
        let Some(column) = self.columns.get(usize::from(slot)) else {
            return (&[], Words::none());
        };
        let values = column.values.get(self.from..).unwrap_or_default();
        let mut known = Words::none();
        let words = column.known.get(self.from / WORD..).unwrap_or_default();
        known.0.iter_mut().zip(words).for_each(|(to, from)| *to = *from);
        (values.get(..self.rows).unwrap_or_default(), known)
    }

    fn copy(&mut self, values: &[i64]) -> Vec<i64> {
        let mut array = self.spare.pop().unwrap_or_default();
        array.clear();
        array.extend_from_slice(values);
        array
    }

    fn give_back(&mut self, numbers: Numbers) {
        self.spare.push(numbers.values);
    }

    /// Evaluates a truth for all rows.
    pub(crate) fn truth(&mut self, node: &'a Node) -> Truths {
        match node {
            Node::Slot(slot, _) => {
                let (values, known) = self.column(*slot);
                decided(Words::of(values, |value| value != 0), known, Words::none())
            }
            Node::CompareSlot(compare, slot, with) => {
                let (values, known) = self.column(*slot);
                decided(Words::compared_to(*compare, values, *with), known, Words::none())
            }
            Node::InSlot(slot, among) => {
                let (values, known) = self.column(*slot);
                let holds = if among.len() <= 8 {
                    among.iter().fold(Words::none(), |found, one| {
                        found.or(&Words::of(values, |value| value == *one))
                    })
                } else {
                    Words::of(values, |value| among.contains(&value))
                };
                decided(holds, known, Words::none())
            }
            Node::CompareSlots(compare, [left, right]) => {
                let ((left, one), (right, two)) = (self.column(*left), self.column(*right));
                decided(Words::compared(*compare, left, right), one.and(&two), Words::none())
            }
            Node::CompareBetween(compare, unit, [from, to], with) => {
                let ((from, one), (to, two)) = (self.column(*from), self.column(*to));
                let mut values = self.spare.pop().unwrap_or_default();
                values.clear();
                values.extend(from.iter().zip(to).map(|(from, to)| between(*unit, *from, *to)));
                let holds = Words::compared_to(*compare, &values, *with);
                self.spare.push(values);
                decided(holds, one.and(&two), Words::none())
            }
            Node::Compare(compare, two) => {
                let [left, right] = two.as_ref();
                let (left, right) = (self.number(left), self.number(right));
                let (known, error) = left.both(&right);
                let holds = Words::compared(*compare, &left.values, &right.values);
                self.give_back(left);
                self.give_back(right);
                decided(holds, known, error)
            }
            Node::Not(inner) => self.truth(inner).not(),
            Node::All(parts) => {
                let every = decided(Words::full(), Words::full(), Words::none());
                parts.iter().fold(every, |found, part| found.and(&self.truth(part)))
            }
            Node::Any(parts) => {
                let nobody = decided(Words::none(), Words::full(), Words::none());
                parts.iter().fold(nobody, |found, part| found.or(&self.truth(part)))
            }
            Node::Choose(parts, _) => {
                let [condition, then, otherwise] = parts.as_ref();
                let condition = self.truth(condition);
                condition.choose(&self.truth(then), &self.truth(otherwise))
            }
            _ => {
                let numbers = self.one_by_one(node);
                let holds = Words::of(&numbers.values, |value| value != 0);
                let found = decided(holds, numbers.known, numbers.error);
                self.give_back(numbers);
                found
            }
        }
    }

    /// Evaluates a number, a day or a text for all rows.
    pub(crate) fn number(&mut self, node: &'a Node) -> Numbers {
        match node {
            Node::Const(value) => Numbers::all(*value, self.rows),
            Node::Slot(slot, _) => {
                let (values, known) = self.column(*slot);
                Numbers { values: self.copy(values), known, error: Words::none() }
            }
            Node::Parameter(index, _) => match self.view.parameters.get(usize::from(*index)) {
                Some(value) => Numbers::all(*value, self.rows),
                None => self.one_by_one(node),
            },
            Node::Arithmetic(arithmetic, two, _) => {
                let [left, right] = two.as_ref();
                let (mut left, right) = (self.number(left), self.number(right));
                let (known, error) = left.both(&right);
                let over = computed(*arithmetic, &mut left.values, &right.values);
                self.give_back(right);
                let failed = over.and(&known);
                left.known = known.and(&failed.not());
                left.error = error.or(&failed);
                left
            }
            Node::Between(unit, two, _) => {
                let [from, to] = two.as_ref();
                let (mut from, to) = (self.number(from), self.number(to));
                let (known, error) = from.both(&to);
                for (from, to) in from.values.iter_mut().zip(&to.values) {
                    *from = between(*unit, *from, *to);
                }
                self.give_back(to);
                Numbers { known, error, ..from }
            }
            Node::Least(parts, _) => self.extreme(parts, i64::min),
            Node::Greatest(parts, _) => self.extreme(parts, i64::max),
            Node::Choose(parts, _) => {
                let [condition, then, otherwise] = parts.as_ref();
                let condition = self.truth(condition);
                let (mut then, otherwise) = (self.number(then), self.number(otherwise));
                for (row, (one, two)) in then.values.iter_mut().zip(&otherwise.values).enumerate() {
                    *one = if condition.yes.bit(row) { *one } else { *two };
                }
                let pick =
                    |one: &Words, two: &Words| condition.yes.and(one).or(&condition.no.and(two));
                then.known = pick(&then.known, &otherwise.known);
                then.error = pick(&then.error, &otherwise.error).or(&condition.error);
                self.give_back(otherwise);
                then
            }
            _ => self.one_by_one(node),
        }
    }

    fn extreme(&mut self, parts: &'a [Node], pick: fn(i64, i64) -> i64) -> Numbers {
        let mut parts = parts.iter();
        let Some(first) = parts.next() else { return Numbers::all(0, self.rows) };
        let mut found = self.number(first);
        for part in parts {
            let other = self.number(part);
            let (known, error) = found.both(&other);
            for (one, two) in found.values.iter_mut().zip(&other.values) {
                *one = pick(*one, *two);
            }
            self.give_back(other);
            (found.known, found.error) = (known, error);
        }
        found
    }

    /// Evaluates what has no form for many rows.
    fn one_by_one(&mut self, node: &'a Node) -> Numbers {
        let mut found =
            Numbers { values: self.copy(&[]), known: Words::none(), error: Words::none() };
        let mut slots = Slots::default();
        for row in 0..self.rows {
            slots.clear();
            let at = self.from.saturating_add(row);
            self.columns.iter().for_each(|column| slots.push(column.get(at)));
            let cell = Run::<Cell>::new(slots.within(self.view), Vec::new()).eval(node);
            found.values.push(if cell.tag == Tag::Known { cell.bits } else { 0 });
            match cell.tag {
                Tag::Known => found.known.set(row),
                Tag::Error => found.error.set(row),
                Tag::Unknown => {}
            }
        }
        found
    }
}

fn decided(holds: Words, known: Words, error: Words) -> Truths {
    Truths { yes: holds.and(&known), no: known.and(&holds.not()), error }
}

/// Computes into the left side; returns the rows in which it fails.
fn computed(arithmetic: Arithmetic, left: &mut [i64], right: &[i64]) -> Words {
    match arithmetic {
        Arithmetic::Add => each(left, right, i64::overflowing_add),
        Arithmetic::Subtract => each(left, right, i64::overflowing_sub),
        Arithmetic::Multiply => each(left, right, i64::overflowing_mul),
        Arithmetic::Divide => {
            each(left, right, |a, b| a.checked_div(b).map_or((0, true), |value| (value, false)))
        }
        Arithmetic::Remainder => {
            each(left, right, |a, b| a.checked_rem(b).map_or((0, true), |value| (value, false)))
        }
    }
}

#[inline]
fn each(left: &mut [i64], right: &[i64], compute: impl Fn(i64, i64) -> (i64, bool)) -> Words {
    let mut failed = Words::none();
    let chunks = left.chunks_mut(WORD).zip(right.chunks(WORD));
    for (word, (left, right)) in failed.0.iter_mut().zip(chunks) {
        for (bit, (left, right)) in left.iter_mut().zip(right).enumerate() {
            let (value, fails) = compute(*left, *right);
            *left = value;
            *word |= u64::from(fails) << bit;
        }
    }
    failed
}
