//! What is said about a record: findings and verdicts.

use crate::kernel::fields::{self, Rule, Violation};

/// What a finding is about; the Rust form of `peshub.common.v1.FindingCode`, with its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "documented in proto/peshub/common/v1/types.proto")]
pub enum FindingCode {
    Malformed = 1,
    Required = 2,
    TooLong = 3,
    TooShort = 4,
    OutOfRange = 5,
    BadFormat = 6,
    UnknownChoice = 7,
    DivisionUnknown = 8,
    DivisionRetired = 9,
    DivisionSplit = 10,
    OccupationUnknown = 11,
    CodeNormalised = 12,
    RangeInverted = 13,
    Negative = 14,
    CurrencyUnknown = 15,
    Stale = 16,
    CloseOfUnknown = 17,
    AlreadyClosed = 18,
    ClosesAboveUsual = 19,
    RepeatedInBatch = 20,
    ControlCharacters = 21,
    TimesInverted = 22,
    NothingToDo = 23,
    RecordTooLarge = 24,
    RepeatedValue = 25,
    OutputOnly = 26,
}

/// One thing that was wrong with a record, or was repaired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Path of the field; empty for the record as a whole.
    pub field: String,
    /// What it is about.
    pub code: FindingCode,
    /// What was expected, for a person.
    pub expected: String,
    /// A value that would be accepted or was put in place; may be empty.
    pub suggested: String,
    /// What was found, cut to 100 characters; may be empty.
    pub given: String,
}

impl Finding {
    /// Returns a finding about a field.
    #[must_use]
    pub fn new(field: impl Into<String>, code: FindingCode, expected: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            code,
            expected: expected.into(),
            suggested: String::new(),
            given: String::new(),
        }
    }

    /// Returns the finding with what was found.
    #[must_use]
    pub fn given(mut self, given: &str) -> Self {
        self.given = fields::cut(given);
        self
    }

    /// Returns the finding with a value that would be accepted, or that was put in place.
    #[must_use]
    pub fn suggested(mut self, suggested: impl Into<String>) -> Self {
        self.suggested = suggested.into();
        self
    }

    /// Returns the finding for a broken rule of the contract, below a place.
    #[must_use]
    pub fn of_violation(place: &str, violation: Violation) -> Self {
        // A negative amount is what people look for, so it has a code of its own.
        let negative = violation.rule == Rule::OutOfRange
            && violation.field.ends_with("_minor")
            && violation.given.starts_with('-');
        let code = match violation.rule {
            _ if negative => FindingCode::Negative,
            Rule::Malformed => FindingCode::Malformed,
            Rule::Required => FindingCode::Required,
            Rule::TooLong => FindingCode::TooLong,
            Rule::TooShort => FindingCode::TooShort,
            Rule::OutOfRange => FindingCode::OutOfRange,
            Rule::BadFormat => FindingCode::BadFormat,
            Rule::UnknownChoice => FindingCode::UnknownChoice,
        };
        let field = format!("{place}{}", violation.field);
        Self { given: violation.given, ..Self::new(field, code, violation.expected) }
    }
}

/// What became of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Taken after repairs.
    AcceptedWithFixes,
    /// Kept aside.
    Held,
    /// Not taken.
    Rejected,
}

/// What became of one record, and why. A record that was plainly accepted has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The source's own id; empty if unreadable.
    pub external_id: String,
    /// Place in the batch, from 0.
    pub index: usize,
    /// What became of it.
    pub outcome: Outcome,
    /// Why.
    pub findings: Vec<Finding>,
}
