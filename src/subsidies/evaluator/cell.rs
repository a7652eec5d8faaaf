//! Values as evaluation sees them: known, unknown, or an error.

use crate::subsidies::evaluator::defect::Place;
use crate::subsidies::evaluator::run::View;

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

    #[inline]
    pub(crate) const fn known(bits: i64) -> Self {
        Self { tag: Tag::Known, bits }
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

    /// The number of the criterion's expression that the error is in.
    pub(crate) fn source(self) -> i64 {
        self.bits >> 40
    }

    /// Of two that are not both known: what their combination is.
    #[inline]
    pub(crate) fn weaker(self, other: Self) -> Self {
        match (self.tag, other.tag) {
            (Tag::Unknown, _) | (_, Tag::Known) | (Tag::Error, Tag::Error) => self,
            (Tag::Known, _) | (Tag::Error, Tag::Unknown) => other,
        }
    }
}

/// What an evaluation computes with.
pub(crate) trait Outcome: Copy {
    /// Reads a fact.
    fn fact(view: &View<'_>, slot: u8) -> Self;
    /// Takes a cell in; `hindered` is set where it has no value and that cannot be said.
    fn of(cell: Cell, hindered: &mut bool) -> Self;
    fn known(bits: i64) -> Self;
    /// The value, where there is one.
    fn bits(self) -> Option<i64>;
    /// Of two that are not both known: what their combination is.
    fn weaker(self, other: Self) -> Self;
    /// Marks an error as one of a criterion's expression with this number.
    fn of_source(self, number: i64) -> Self;
    fn cell(self) -> Cell;

    #[inline]
    fn truth(truth: bool) -> Self {
        Self::known(i64::from(truth))
    }
}

impl Outcome for Cell {
    #[inline]
    fn fact(view: &View<'_>, slot: u8) -> Self {
        view.slot(slot).map_or(Self::UNKNOWN, Self::known)
    }

    #[inline]
    fn of(cell: Cell, _: &mut bool) -> Self {
        cell
    }

    #[inline]
    fn known(bits: i64) -> Self {
        Self::known(bits)
    }

    #[inline]
    fn bits(self) -> Option<i64> {
        match self.tag {
            Tag::Known => Some(self.bits),
            Tag::Unknown | Tag::Error => None,
        }
    }

    #[inline]
    fn weaker(self, other: Self) -> Self {
        self.weaker(other)
    }

    fn of_source(self, number: i64) -> Self {
        match self.tag {
            Tag::Error => Self { bits: self.bits | (number << 40), ..self },
            Tag::Known | Tag::Unknown => self,
        }
    }

    #[inline]
    fn cell(self) -> Cell {
        self
    }
}

/// A value without a doubt: computes faster where every fact is known. When something fails it is hindered, and nothing that came of it
/// counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sure(i64);

impl Outcome for Sure {
    #[inline]
    fn fact(view: &View<'_>, slot: u8) -> Self {
        Self(view.value(slot))
    }

    #[inline]
    fn of(cell: Cell, hindered: &mut bool) -> Self {
        *hindered |= cell.tag != Tag::Known;
        Self(cell.bits)
    }

    #[inline]
    fn known(bits: i64) -> Self {
        Self(bits)
    }

    #[inline]
    fn bits(self) -> Option<i64> {
        Some(self.0)
    }

    #[inline]
    fn weaker(self, _: Self) -> Self {
        self
    }

    #[inline]
    fn of_source(self, _: i64) -> Self {
        self
    }

    #[inline]
    fn cell(self) -> Cell {
        Cell::known(self.0)
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
