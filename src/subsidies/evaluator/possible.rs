//! What expressions can be while facts are somewhere within their domains: sets of truths, spans of numbers, texts.

use std::sync::Arc;

use crate::subsidies::evaluator::cell::{Cell, ErrorKind};
use crate::subsidies::evaluator::days::{Unit, between};
use crate::subsidies::evaluator::defect::Place;
use crate::subsidies::evaluator::node::{Arithmetic, Compare};
use crate::subsidies::evaluator::region::Domain;

/// What a truth can be, a bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcomes(pub(crate) u8);

impl Outcomes {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const TRUE: Self = Self(1);
    pub(crate) const FALSE: Self = Self(2);
    pub(crate) const ERROR: Self = Self(4);

    pub(crate) fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn when(self, holds: bool) -> Self {
        if holds { self } else { Self::NONE }
    }

    pub(crate) fn one(self) -> bool {
        self.0.is_power_of_two()
    }

    /// `&&` of parts that do not depend on one another: false wins over an error, an error over true.
    pub(crate) fn all(parts: impl IntoIterator<Item = Self>) -> Self {
        let (mut every, mut some, mut spared) = (Self::TRUE, Self::NONE, true);
        for part in parts {
            some = some.with(part);
            every = Self(every.0 & part.0);
            spared &= part.has(Self::TRUE.with(Self::ERROR));
        }
        let error = Self::ERROR.when(some.has(Self::ERROR) && spared);
        every.with(Self(some.0 & Self::FALSE.0)).with(error)
    }

    pub(crate) fn not(self) -> Self {
        let swapped =
            Self::FALSE.when(self.has(Self::TRUE)).with(Self::TRUE.when(self.has(Self::FALSE)));
        swapped.with(Self(self.0 & Self::ERROR.0))
    }

    /// `||`
    pub(crate) fn any(parts: impl IntoIterator<Item = Self>) -> Self {
        Self::all(parts.into_iter().map(Self::not)).not()
    }
}

/// What values something can have.
#[derive(Clone, Debug)]
pub(crate) enum Values {
    /// None: it always fails.
    None,
    Span(i64, i64),
    Texts(Arc<[i64]>),
    FreshText,
    AnyText,
}

/// What something can be.
#[derive(Clone, Debug)]
pub(crate) struct Abstract {
    pub(crate) values: Values,
    /// An error that can happen.
    pub(crate) error: Option<Cell>,
}

impl Abstract {
    pub(crate) fn span(least: i64, greatest: i64) -> Self {
        Self { values: Values::Span(least, greatest), error: None }
    }

    pub(crate) fn with_error(self, error: Option<Cell>) -> Self {
        Self { error: self.error.or(error), ..self }
    }

    pub(crate) fn failing(error: Option<Cell>) -> Self {
        Self { values: Values::None, error }
    }

    pub(crate) fn truths(outcomes: Outcomes, error: Option<Cell>) -> Self {
        let values = match (outcomes.has(Outcomes::FALSE), outcomes.has(Outcomes::TRUE)) {
            (true, true) => Values::Span(0, 1),
            (true, false) => Values::Span(0, 0),
            (false, true) => Values::Span(1, 1),
            (false, false) => Values::None,
        };
        let fallback = Cell::error(ErrorKind::Overflow, Place::default());
        let error = outcomes.has(Outcomes::ERROR).then(|| error.unwrap_or(fallback));
        Self { values, error }
    }

    pub(crate) fn outcomes(&self) -> Outcomes {
        let truths = match self.values {
            Values::Span(least, greatest) => {
                Outcomes::TRUE.when(greatest >= 1).with(Outcomes::FALSE.when(least <= 0))
            }
            Values::None | Values::Texts(_) | Values::FreshText | Values::AnyText => Outcomes::NONE,
        };
        truths.with(Outcomes::ERROR.when(self.error.is_some()))
    }

    pub(crate) fn or(self, other: Self) -> Self {
        let error = self.error.or(other.error);
        let values = match (self.values, other.values) {
            (Values::None, values) | (values, Values::None) => values,
            (Values::Span(a, b), Values::Span(c, d)) => Values::Span(a.min(c), b.max(d)),
            (Values::Texts(one), Values::Texts(two)) => {
                let mut both = [one, two].concat();
                both.sort_unstable();
                both.dedup();
                Values::Texts(both.into())
            }
            _ => Values::AnyText,
        };
        Self { values, error }
    }
}

pub(crate) fn known(value: i64) -> Abstract {
    Abstract::span(value, value)
}

pub(crate) fn length(characters: usize) -> i64 {
    i64::try_from(characters).unwrap_or(i64::MAX)
}

pub(crate) fn valued(domain: &Domain) -> Abstract {
    let values = match domain {
        Domain::Span(least, greatest) => Values::Span(*least, *greatest),
        Domain::Texts(texts) => Values::Texts(Arc::clone(texts)),
        Domain::FreshText => Values::FreshText,
        Domain::AnyText | Domain::Lists(_) | Domain::AnyList | Domain::OtherList => Values::AnyText,
    };
    Abstract { values, error: None }
}

pub(crate) fn compared(compare: Compare, left: &Abstract, right: &Abstract) -> Abstract {
    let error = left.error.or(right.error);
    let outcomes = match (&left.values, &right.values) {
        (Values::None, _) | (_, Values::None) => return Abstract::failing(error),
        (Values::Span(a, b), Values::Span(c, d)) => ordered(compare, (*a, *b), (*c, *d)),
        (left, right) if compare == Compare::Unequal => equal(left, right).not(),
        (left, right) => equal(left, right),
    };
    Abstract::truths(outcomes, None).with_error(error)
}

pub(crate) fn lying_between(unit: Unit, from: Abstract, to: Abstract) -> Abstract {
    let error = from.error.or(to.error);
    match (from.values, to.values) {
        (Values::Span(a, b), Values::Span(c, d)) => {
            Abstract::span(between(unit, b, c), between(unit, a, d)).with_error(error)
        }
        _ => Abstract::failing(error),
    }
}

/// Whether two can be equal, and can differ.
pub(crate) fn equal(left: &Values, right: &Values) -> Outcomes {
    let both = Outcomes::TRUE.with(Outcomes::FALSE);
    match (left, right) {
        (Values::None, _) | (_, Values::None) => Outcomes::NONE,
        (Values::Span(a, b), Values::Span(c, d)) => ordered(Compare::Equal, (*a, *b), (*c, *d)),
        (Values::Texts(texts), Values::Span(one, _))
        | (Values::Span(one, _), Values::Texts(texts)) => Outcomes::TRUE
            .when(texts.contains(one))
            .with(Outcomes::FALSE.when(texts.iter().any(|text| text != one))),
        (Values::Texts(one), Values::Texts(two)) => {
            let meet = one.iter().any(|text| two.contains(text));
            let same = one.len() == 1 && two.len() == 1 && meet;
            Outcomes::TRUE.when(meet).with(Outcomes::FALSE.when(!same))
        }
        (Values::FreshText, Values::Span(..) | Values::Texts(_))
        | (Values::Span(..) | Values::Texts(_), Values::FreshText) => Outcomes::FALSE,
        (Values::FreshText | Values::AnyText, _) | (_, Values::AnyText) => both,
    }
}

pub(crate) fn ordered(compare: Compare, (a, b): (i64, i64), (c, d): (i64, i64)) -> Outcomes {
    let (holds, fails) = match compare {
        Compare::Equal => (a <= d && c <= b, !(a == b && c == d && a == c)),
        Compare::Unequal => (!(a == b && c == d && a == c), a <= d && c <= b),
        Compare::Less => (a < d, b >= c),
        Compare::LessOrEqual => (a <= d, b > c),
        Compare::Greater => (b > c, a <= d),
        Compare::GreaterOrEqual => (b >= c, a < d),
    };
    Outcomes::TRUE.when(holds).with(Outcomes::FALSE.when(fails))
}

pub(crate) fn extreme(greatest: bool, one: Abstract, two: Abstract) -> Abstract {
    let error = one.error.or(two.error);
    match (one.values, two.values) {
        (Values::Span(a, b), Values::Span(c, d)) if greatest => {
            Abstract::span(a.max(c), b.max(d)).with_error(error)
        }
        (Values::Span(a, b), Values::Span(c, d)) => {
            Abstract::span(a.min(c), b.min(d)).with_error(error)
        }
        _ => Abstract::failing(error),
    }
}

pub(crate) fn computed(
    arithmetic: Arithmetic,
    left: Abstract,
    right: Abstract,
    place: Place,
) -> Abstract {
    let error = left.error.or(right.error);
    let (Values::Span(a, b), Values::Span(c, d)) = (left.values, right.values) else {
        return Abstract::failing(error);
    };
    let [a, b, c, d] = [a, b, c, d].map(i128::from);
    let ends = |values: &[i128]| values.iter().min().copied().zip(values.iter().max().copied());
    let zero = c <= 0 && d >= 0;
    let span = match arithmetic {
        Arithmetic::Add => Some((a.saturating_add(c), b.saturating_add(d))),
        Arithmetic::Subtract => Some((a.saturating_sub(d), b.saturating_sub(c))),
        Arithmetic::Multiply => ends(&[a, b].map(|x| [c, d].map(|y| x.saturating_mul(y))).concat()),
        Arithmetic::Divide => {
            let divisors = divisors(c, d);
            let quotients = divisors.iter().flat_map(|y| [a, b].map(|x| x.checked_div(*y)));
            ends(&quotients.flatten().collect::<Vec<_>>())
        }
        Arithmetic::Remainder => remainders((a, b), (c, d)),
    };
    let by_zero = matches!(arithmetic, Arithmetic::Divide | Arithmetic::Remainder) && zero;
    let by_zero = by_zero.then(|| Cell::error(ErrorKind::DivisionByZero, place));
    let overflow = || Cell::error(ErrorKind::Overflow, place);
    let (min, max) = (i128::from(i64::MIN), i128::from(i64::MAX));
    let Some((least, greatest)) = span else { return Abstract::failing(error.or(by_zero)) };
    let lowest = arithmetic == Arithmetic::Remainder && a <= min && c <= -1 && d >= -1;
    let over = (least < min || greatest > max || lowest).then(overflow);
    let error = error.or(by_zero).or(over);
    let point = a == b && c == d;
    match (i64::try_from(least.max(min)), i64::try_from(greatest.min(max))) {
        (Ok(least), Ok(greatest)) if least <= greatest && !(lowest && point) => {
            Abstract::span(least, greatest).with_error(error)
        }
        _ => Abstract::failing(error),
    }
}

/// The divisors at which a quotient can be greatest or least.
fn divisors(c: i128, d: i128) -> Vec<i128> {
    let ends = [c, d, c.max(1), d.min(-1)];
    ends.into_iter().filter(|y| *y != 0 && (c..=d).contains(y)).collect()
}

fn remainders((a, b): (i128, i128), (c, d): (i128, i128)) -> Option<(i128, i128)> {
    if a == b && c == d {
        return a.checked_rem(c).map(|value| (value, value));
    }
    let widest = c.abs().max(d.abs()).checked_sub(1)?;
    if widest < 0 {
        return None;
    }
    let least = if a < 0 { a.max(widest.checked_neg()?) } else { 0 };
    let greatest = if b > 0 { b.min(widest) } else { 0 };
    Some((least, greatest))
}
