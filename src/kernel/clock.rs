//! Where "now" comes from. Instants are UTC in whole microseconds, as PostgreSQL keeps them.

use std::sync::Arc;

use time::OffsetDateTime;

/// Tells the time. Nobody else asks the machine.
pub trait Clock: Send + Sync + 'static {
    /// Returns the present instant, UTC, whole microseconds.
    fn now(&self) -> OffsetDateTime;
}

/// A clock that is passed around.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> OffsetDateTime {
        #[expect(clippy::disallowed_methods, reason = "this is the one place")]
        whole_microseconds(OffsetDateTime::now_utc())
    }
}

/// Returns an instant without what is finer than a microsecond.
#[must_use]
pub fn whole_microseconds(at: OffsetDateTime) -> OffsetDateTime {
    let nanosecond = at.nanosecond() / 1_000 * 1_000;
    at.replace_nanosecond(nanosecond).unwrap_or(at)
}

/// Returns an instant without what is finer than a second: tokens say no more, and the less they say the less they tell apart.
#[must_use]
pub fn whole_seconds(at: OffsetDateTime) -> OffsetDateTime {
    at.replace_nanosecond(0).unwrap_or(at)
}

/// Returns microseconds since 1970, or `None` beyond the years that 64 bits hold.
#[must_use]
pub fn unix_microseconds(at: OffsetDateTime) -> Option<i64> {
    i64::try_from(at.unix_timestamp_nanos() / 1_000).ok()
}
