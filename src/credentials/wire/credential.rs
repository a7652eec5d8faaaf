//! Contract ⇄ issued credentials and their statuses.

use time::OffsetDateTime;

/// Returns an instant as the contract has it.
#[must_use]
pub fn timestamp(at: OffsetDateTime) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: at.unix_timestamp(),
        nanos: i32::try_from(at.nanosecond()).unwrap_or_default(),
    }
}
