//! Contract ⇄ subsidies.

pub mod application;
pub mod determination;
pub mod eligibility;
pub mod fact;
pub mod population;
pub mod programme;
pub mod sweep;

use time::OffsetDateTime;

use crate::codes::divisions::{self, Division};
use crate::kernel::fields::{self, Rule, Violation};
use crate::pb::peshub::common::v1 as common;

/// Returns an instant as the contract has it.
#[must_use]
pub fn timestamp(at: OffsetDateTime) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: at.unix_timestamp(),
        nanos: i32::try_from(at.nanosecond()).unwrap_or_default(),
    }
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

/// Returns the division in force that a message names.
#[must_use]
pub fn division(named: &common::Division) -> Option<&'static Division> {
    let scheme = match named.scheme() {
        common::DivisionScheme::Unspecified => return None,
        common::DivisionScheme::Gbt2260 => divisions::Scheme::GbT2260,
        common::DivisionScheme::Iso31662 => divisions::Scheme::Iso3166_2,
    };
    divisions::lookup(scheme, &named.code)
}

/// Returns the division that a token stands for.
#[must_use]
pub fn division_of_token(token: &str) -> Option<&'static Division> {
    [divisions::Scheme::GbT2260, divisions::Scheme::Iso3166_2]
        .into_iter()
        .find_map(|scheme| divisions::lookup(scheme, token))
}

/// Returns a division as the contract has it.
#[must_use]
pub fn division_message(found: &Division) -> common::Division {
    let scheme = match found.scheme() {
        divisions::Scheme::GbT2260 => common::DivisionScheme::Gbt2260,
        divisions::Scheme::Iso3166_2 => common::DivisionScheme::Iso31662,
    };
    common::Division {
        scheme: scheme.into(),
        code: found.code().to_owned(),
        name: found.name().to_owned(),
    }
}
