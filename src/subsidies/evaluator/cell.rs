//! Values as evaluation sees them: known, unknown, or an error.

use crate::subsidies::evaluator::defect::Place;

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
    pub(crate) fn truth(truth: bool) -> Self {
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
    pub(crate) fn weaker(self, other: Self) -> Self {
        match (self.tag, other.tag) {
            (Tag::Unknown, _) | (_, Tag::Known) | (Tag::Error, Tag::Error) => self,
            (Tag::Known, _) | (Tag::Error, Tag::Unknown) => other,
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
