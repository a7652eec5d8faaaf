//! What messages of the contract are made of: instants, paths, violations.

use prost_types::Timestamp;
use time::OffsetDateTime;

use crate::credentials::domain::ClaimPath;
use crate::kernel::fields::{Rule, Violation};
use crate::pb::peshub::credentials::v1 as pb;

/// Returns an instant as the contract has it.
#[must_use]
pub fn timestamp(at: OffsetDateTime) -> Timestamp {
    Timestamp {
        seconds: at.unix_timestamp(),
        nanos: i32::try_from(at.nanosecond()).unwrap_or_default(),
    }
}

/// Reads an instant, in whole microseconds; `None` beyond the years 1 to 9999.
#[must_use]
pub fn instant(at: &Timestamp) -> Option<OffsetDateTime> {
    let nanos = i128::from(at.seconds) * 1_000_000_000 + i128::from(at.nanos) / 1_000 * 1_000;
    OffsetDateTime::from_unix_timestamp_nanos(nanos).ok().filter(|at| at.year() > 0)
}

/// Returns a path as the contract has it.
#[must_use]
pub fn claim_path(path: &ClaimPath) -> pb::ClaimPath {
    pb::ClaimPath { segments: path.to_texts() }
}

/// Returns a broken rule; what was given is never repeated.
#[must_use]
pub fn broken(field: &str, rule: Rule, expected: &str) -> Violation {
    let (field, expected) = (field.to_owned(), expected.to_owned());
    Violation { field, rule, expected, given: String::new() }
}
