//! Words of subsidies: days, values, facts and the catalogue of them.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use time::{Date, Duration, Month};

/// The first year of a date that facts can have.
pub const FIRST_YEAR: i32 = 1900;
/// The last year of a date that facts can have.
pub const LAST_YEAR: i32 = 2200;
/// The greatest number that a fact has unless its definition says otherwise.
pub const GREATEST_NUMBER: i64 = 1_000_000_000_000;

/// A day of the calendar (Gregorian, also before 1582): days since 1970-01-01.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub i32);

impl Day {
    /// Reads `YYYY-MM-DD`; `None` when it is no day of the calendar or outside `FIRST_YEAR` to `LAST_YEAR`.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let (year, rest) = text.split_once('-')?;
        let (month, day) = rest.split_once('-')?;
        if (year.len(), month.len(), day.len()) != (4, 2, 2)
            || !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
        {
            return None;
        }
        let year = year.parse().ok().filter(|year| (FIRST_YEAR..=LAST_YEAR).contains(year))?;
        let month = Month::try_from(month.parse::<u8>().ok()?).ok()?;
        Some(Self::of(Date::from_calendar_date(year, month, day.parse().ok()?).ok()?))
    }

    /// Returns the day of a date.
    #[must_use]
    pub fn of(date: Date) -> Self {
        Self(date.to_julian_day().saturating_sub(EPOCH))
    }

    /// Returns the date; the first or last one there is for a day that is far outside the bounds.
    #[must_use]
    pub fn date(self) -> Date {
        let julian = i64::from(self.0).saturating_add(i64::from(EPOCH));
        Date::from_julian_day(i32::try_from(julian).unwrap_or(i32::MAX)).unwrap_or(if self.0 < 0 {
            Date::MIN
        } else {
            Date::MAX
        })
    }

    /// Returns the day that is some days later.
    #[must_use]
    pub fn plus(self, days: i32) -> Self {
        self.date().checked_add(Duration::days(i64::from(days))).map_or(self, Self::of)
    }

    /// Returns the day that is some months later: the same of its month, or the month's last.
    #[must_use]
    pub fn plus_months(self, months: i32) -> Self {
        let date = self.date();
        let count = i32::from(u8::from(date.month())).saturating_add(months).saturating_sub(1);
        let year = date.year().saturating_add(count.div_euclid(12));
        let month = u8::try_from(count.rem_euclid(12).saturating_add(1)).ok();
        let Some(month) = month.and_then(|month| Month::try_from(month).ok()) else { return self };
        let day = date.day().min(month.length(year));
        Date::from_calendar_date(year, month, day).map_or(self, Self::of)
    }
}

/// The Julian day number of 1970-01-01.
const EPOCH: i32 = 2_440_588;

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = self.date();
        write!(f, "{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day())
    }
}

impl fmt::Debug for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What kind of value a fact has: `peshub.subsidies.v1.FactKind` without lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scalar {
    /// A whole number.
    Int,
    /// Minor units of a currency.
    Money,
    /// A day.
    Date,
    /// Yes or no.
    Bool,
    /// One of the choices of the definition.
    Enum,
    /// A text.
    Text,
}

/// A value that is known. What is not known has no value: there is no null.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// Of INT and MONEY.
    Number(i64),
    /// Of DATE.
    Day(Day),
    /// Of BOOL.
    Truth(bool),
    /// Of ENUM and STRING.
    Text(Arc<str>),
    /// Of LIST.
    List(Arc<[Value]>),
}

/// Facts are personal data: nothing of them is printed.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Value { .. }")
    }
}

/// A fact as the catalogue has it, as far as expressions and values are concerned. What people read is in its encoded definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Dotted name.
    pub name: Arc<str>,
    /// The kind of its value, or of its items.
    pub kind: Scalar,
    /// How many items a list has at most; `None`: it is no list.
    pub max_items: Option<u32>,
    /// Of ENUM: every value that there is.
    pub choices: Arc<[Arc<str>]>,
    /// Of INT and MONEY: the least value.
    pub least: i64,
    /// Of INT and MONEY: the greatest value.
    pub greatest: i64,
    /// For how many days it may be relied on; 0: for good.
    pub fresh_for_days: i32,
    /// Whether the hub itself states it.
    pub stated_by_hub: bool,
}

/// The facts that there are.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    definitions: HashMap<Arc<str>, Arc<Definition>>,
}

impl Catalogue {
    /// Returns the catalogue of some definitions; of two with one name the later counts.
    #[must_use]
    pub fn new(definitions: impl IntoIterator<Item = Definition>) -> Self {
        let definitions =
            definitions.into_iter().map(|one| (Arc::clone(&one.name), Arc::new(one))).collect();
        Self { definitions }
    }

    /// Returns a fact's definition.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Definition>> {
        self.definitions.get(name)
    }

    /// Returns all of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Definition>> {
        self.definitions.values()
    }
}

/// What is known of a subject, by name. What is not in it is unknown.
pub type Facts = BTreeMap<Arc<str>, Value>;

#[cfg(test)]
mod tests {
    use time::Date;

    use crate::subsidies::domain::Day;

    #[test]
    fn months_end_where_their_months_do() {
        for (day, months, expected) in [
            ("2025-01-31", 1, "2025-02-28"),
            ("2024-01-31", 1, "2024-02-29"),
            ("2025-11-30", 3, "2026-02-28"),
            ("2025-12-01", 1, "2026-01-01"),
            ("2025-01-15", -1, "2024-12-15"),
            ("2024-02-29", 12, "2025-02-28"),
            ("2024-02-29", -48, "2020-02-29"),
        ] {
            let day = Day::read(day).unwrap();
            assert_eq!(day.plus_months(months).to_string(), expected);
        }
    }

    #[test]
    fn a_day_is_read_and_written_as_the_calendar_has_it() {
        for text in ["1970-01-01", "2024-02-29", "1900-01-01", "2200-12-31"] {
            assert_eq!(Day::read(text).map(|day| day.to_string()).as_deref(), Some(text));
        }
        assert_eq!(Day::read("1970-01-01"), Some(Day(0)));
        for text in
            ["2023-02-29", "1899-12-31", "2201-01-01", "2024-2-1", "24-02-01", "+024-02-01", ""]
        {
            assert_eq!(Day::read(text), None, "{text}");
        }
        assert_eq!(Day(i32::MAX).date(), Date::MAX);
    }
}
