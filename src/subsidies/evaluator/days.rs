//! Days as the evaluator computes with them: one number that sorts like the day and has year, month and day of month at hand.
//!
//! The upper 32 bits are the days since 1970-01-01, the lower ones the year (14 bits), the month (4) and the day of the month (5).

use std::sync::LazyLock;

use crate::subsidies::domain::{Day, FIRST_YEAR, LAST_YEAR};

/// Between which units two days are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Years,
    Months,
    Days,
}

/// Returns the day as a number that computes fast.
pub(crate) fn pack(day: Day) -> i64 {
    let date = day.date();
    let year = i64::from(date.year().max(0)) << 9;
    let month = i64::from(u8::from(date.month())) << 5;
    (i64::from(Day::of(date).0) << 32) | year | month | i64::from(date.day())
}

/// Returns the day of such a number.
pub(crate) fn unpack(packed: i64) -> Day {
    Day(i32::try_from(packed >> 32).unwrap_or_default())
}

/// The first and the last day that a fact can have.
pub(crate) static BOUNDS: LazyLock<(i64, i64)> = LazyLock::new(|| {
    let day = |text: String| Day::read(&text).map_or(0, pack);
    (day(format!("{FIRST_YEAR}-01-01")), day(format!("{LAST_YEAR}-12-31")))
});

/// Returns how many complete units lie between two days; negative when the second is before the first.
///
/// A year or a month is complete on the day with the first one's number, and where the month has no such day, on the first of the
/// next: who is born on 29 February is a year older on 1 March of a common year (§ 187 II 2, § 188 II, III BGB; 民法典 § 202).
#[inline]
pub(crate) fn between(unit: Unit, from: i64, to: i64) -> i64 {
    if unit == Unit::Days {
        return (to >> 32).wrapping_sub(from >> 32);
    }
    if to < from { complete(unit, to, from).wrapping_neg() } else { complete(unit, from, to) }
}

/// The same where the first day is not after the second. Nothing can overflow: the parts have 23 bits.
#[inline]
fn complete(unit: Unit, from: i64, to: i64) -> i64 {
    let (from, to) = (from & 0x7f_ffff, to & 0x7f_ffff);
    if unit == Unit::Years {
        let open = i64::from(to & 0x1ff < from & 0x1ff);
        return (to >> 9).wrapping_sub(from >> 9).wrapping_sub(open);
    }
    let months = |day: i64| (day >> 9).wrapping_mul(12).wrapping_add((day >> 5) & 15);
    let open = i64::from(to & 31 < from & 31);
    months(to).wrapping_sub(months(from)).wrapping_sub(open)
}
