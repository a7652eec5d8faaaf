//! What messages of the contract are made of: paths, violations.

use crate::credentials::domain::ClaimPath;
use crate::credentials::wire::violation;
use crate::kernel::fields::{Rule, Violation};
use crate::pb::peshub::credentials::v1 as pb;

/// Returns a path as the contract has it.
#[must_use]
pub fn claim_path(path: &ClaimPath) -> pb::ClaimPath {
    pb::ClaimPath { segments: path.to_texts() }
}

/// Returns a broken rule; what was given is never repeated.
#[must_use]
pub fn broken(field: &str, rule: Rule, expected: &str) -> Violation {
    violation(field, rule, expected, "")
}
