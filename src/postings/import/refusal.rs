//! Why a record cannot be taken, before it is known where the record is.

use crate::kernel::fields::{self, Rule, Violation};
use crate::pb::peshub::common::v1::FindingCode;
use crate::postings::import::Reject;

/// Why a record cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) external_id: Option<String>,
    pub(crate) field: String,
    pub(crate) code: FindingCode,
    pub(crate) expected: String,
    pub(crate) given: String,
}

impl Refusal {
    pub(crate) fn new(field: &str, code: FindingCode, expected: &str, given: &str) -> Self {
        Self {
            external_id: None,
            field: field.to_owned(),
            code,
            expected: expected.to_owned(),
            given: fields::cut(given),
        }
    }

    pub(crate) fn malformed(expected: &str, given: &str) -> Self {
        Self::new("", FindingCode::Malformed, expected, given)
    }

    pub(crate) fn too_large() -> Self {
        Self::new("", FindingCode::RecordTooLarge, "a record of a few kilobytes, at most 4 MiB", "")
    }

    pub(crate) fn of(violation: Violation, external_id: &str) -> Self {
        let code = match violation.rule {
            Rule::Malformed => FindingCode::Malformed,
            Rule::Required => FindingCode::Required,
            Rule::TooLong => FindingCode::TooLong,
            Rule::TooShort => FindingCode::TooShort,
            Rule::OutOfRange => FindingCode::OutOfRange,
            Rule::BadFormat => FindingCode::BadFormat,
            Rule::UnknownChoice => FindingCode::UnknownChoice,
        };
        let Violation { field, expected, given, .. } = violation;
        Self { external_id: Some(external_id.to_owned()), field, code, expected, given }
    }

    pub(crate) fn at(self, locator: String) -> Reject {
        let Self { external_id, field, code, expected, given } = self;
        Reject { locator, external_id, field, code, expected, given }
    }
}
