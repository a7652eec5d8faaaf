//! What a rule answers.

use std::fmt;

use crate::subsidies::evaluator::defect::{Defect, DefectCode, Place};
use crate::subsidies::evaluator::rule::Which;
use crate::subsidies::evaluator::run::{ErrorKind, Step};

/// A set of a rule's facts; its slots number them in the order of their names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SlotSet(pub(crate) u64);

impl SlotSet {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many there are.
    #[must_use]
    pub fn len(self) -> usize {
        usize::try_from(self.0.count_ones()).unwrap_or_default()
    }

    /// Whether a slot is in it.
    #[must_use]
    pub fn contains(self, slot: usize) -> bool {
        slot < 64 && (self.0 >> slot) & 1 == 1
    }

    /// Returns the slots, the least first.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..64).filter(move |slot| self.contains(*slot))
    }

    pub(crate) fn insert(&mut self, slot: u8) {
        self.0 |= 1_u64 << (slot & 63);
    }

    pub(crate) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// How something stands that is true or false.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// True, whatever the unknown facts are.
    Met,
    /// False, whatever the unknown facts are.
    NotMet,
    /// It depends on them.
    Unknown,
}

/// How a criterion stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CriterionJudgement {
    /// Whether it is met.
    pub state: State,
    /// Facts that were read for it; empty where no trace was wanted.
    pub read: SlotSet,
    /// Facts that are unknown and can still change it; empty where no trace was wanted.
    pub open: SlotSet,
}

impl CriterionJudgement {
    pub(crate) const OPEN: Self =
        Self { state: State::Unknown, read: SlotSet(0), open: SlotSet(0) };
}

/// A number, or the range in which it lies while facts are unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The least it can be.
    pub least: i64,
    /// The greatest it can be.
    pub greatest: i64,
    /// Whether both ends can be reached; otherwise it may be narrower than said.
    pub exact: bool,
}

impl Range {
    /// Returns the number when it is known.
    #[must_use]
    pub fn known(self) -> Option<i64> {
        (self.least == self.greatest).then_some(self.least)
    }
}

/// What a rule answers for a row.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// Whether all criteria are met: `Met` or `NotMet` only if it is so for every value of the unknown facts.
    pub verdict: State,
    /// Every criterion, in the rule's order.
    pub criteria: Vec<CriterionJudgement>,
    /// The amount, over all values of the unknown facts with which the criteria are met; absent where they cannot be.
    pub amount: Option<Range>,
    /// Unknown facts that the amount may depend on.
    pub amount_open: SlotSet,
    /// Unknown facts that can still change the verdict.
    pub ask: SlotSet,
    /// Whether `ask` holds nothing but facts that can change the verdict. It never lacks one; where looking further would have taken
    /// too long it holds facts that may be without effect.
    pub exact: bool,
    /// Steps that were taken; the same with and without a trace.
    pub cost: u64,
    pub(crate) steps: Vec<Step>,
}

impl Default for Judgement {
    fn default() -> Self {
        Self {
            verdict: State::Unknown,
            criteria: Vec::new(),
            amount: None,
            amount_open: SlotSet::default(),
            ask: SlotSet::default(),
            exact: true,
            cost: 0,
            steps: Vec::new(),
        }
    }
}

/// A step of how an amount came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DerivationStep {
    /// The piece of the expression.
    pub expression: String,
    /// Its value: a number in decimal digits, a date, `true`, a text.
    pub value: String,
}

/// An evaluation that failed. It is no answer: the rule or the facts are wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvalError {
    /// In which expression.
    pub which: Which,
    /// Why.
    pub kind: ErrorKind,
    /// Line of the place, from 1.
    pub line: u32,
    /// Character within the line, from 1.
    pub column: u32,
    /// The piece of the expression.
    pub piece: String,
}

impl EvalError {
    pub(crate) fn new(which: Which, source: &str, kind: ErrorKind, place: Place) -> Self {
        let at = Defect::new(DefectCode::Syntax, source, place, String::new());
        let piece = place.of(source).to_owned();
        Self { which, kind, line: at.line, column: at.column, piece }
    }
}

impl fmt::Display for EvalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.kind {
            ErrorKind::Overflow => "a number does not fit 64 bits",
            ErrorKind::DivisionByZero => "it divides by zero",
            ErrorKind::NoSuchItem => "the list has no such item",
            ErrorKind::EmptyList => "the list is empty",
        };
        write!(f, "{} at {}:{}: {why}: {}", self.which, self.line, self.column, self.piece)
    }
}

impl std::error::Error for EvalError {}
