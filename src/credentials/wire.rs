//! Contract ⇄ credentials.

pub mod consent;
pub mod credential;
pub mod parts;
pub mod registry;
pub mod verdict;
pub mod verification;

use time::OffsetDateTime;

use crate::kernel::fields::{self, Rule, Violation};

/// Returns an instant as the contract has it.
#[must_use]
pub fn timestamp(at: OffsetDateTime) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: at.unix_timestamp(),
        nanos: i32::try_from(at.nanosecond()).unwrap_or_default(),
    }
}

/// Reads an instant, in whole microseconds; `None` when it is none of the years 1 to 9999.
#[must_use]
pub fn instant(at: &prost_types::Timestamp) -> Option<OffsetDateTime> {
    let nanos = i128::from(at.seconds) * 1_000_000_000 + i128::from(at.nanos);
    let at = OffsetDateTime::from_unix_timestamp_nanos(nanos - nanos.rem_euclid(1_000)).ok()?;
    (1..=9999).contains(&at.year()).then_some(at)
}

/// Reads an instant that may be absent; what is none is noted.
pub fn instant_or(
    at: Option<&prost_types::Timestamp>,
    field: &str,
    otherwise: OffsetDateTime,
    wrong: &mut Vec<Violation>,
) -> OffsetDateTime {
    let Some(at) = at else { return otherwise };
    instant(at).unwrap_or_else(|| {
        let expected = "an instant between the years 1 and 9999";
        wrong.push(violation(field, Rule::BadFormat, expected, ""));
        otherwise
    })
}

/// Returns a violation of a field.
#[must_use]
pub fn violation(field: &str, rule: Rule, expected: &str, given: &str) -> Violation {
    Violation {
        field: field.to_owned(),
        rule,
        expected: expected.to_owned(),
        given: fields::cut(given),
    }
}
