//! Days and times in the forms that files have them.

use prost_types::Timestamp;
use time::format_description::well_known::{Rfc2822, Rfc3339};
use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset, Weekday};

/// Years that a posting can be of; others are stand-ins such as 0001 and 9999.
const YEARS: std::ops::RangeInclusive<i32> = 1990..=2100;

/// Where the clock stands that a time without an offset was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Zone {
    /// A fixed offset.
    Fixed(UtcOffset),
    /// Central European Time with its summer time (Directive 2000/84/EC).
    CentralEurope,
}

impl Zone {
    pub(crate) const UTC: Self = Self::Fixed(UtcOffset::UTC);

    /// Reads `+08:00`, `-03:30`, `Z` or `CET`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text == "Z" {
            return Some(Self::UTC);
        }
        if text == "CET" {
            return Some(Self::CentralEurope);
        }
        let (sign, rest) = match text.split_at_checked(1)? {
            ("+", rest) => (1_i8, rest),
            ("-", rest) => (-1, rest),
            _ => return None,
        };
        let (hours, minutes) = rest.split_once(':')?;
        let hours = hours.parse::<i8>().ok()?.checked_mul(sign)?;
        let minutes = minutes.parse::<i8>().ok()?.checked_mul(sign)?;
        UtcOffset::from_hms(hours, minutes, 0).ok().map(Self::Fixed)
    }

    fn offset(self, at: PrimitiveDateTime) -> UtcOffset {
        match self {
            Self::Fixed(offset) => offset,
            Self::CentralEurope => {
                let hours = if is_summer(at) { 2 } else { 1 };
                UtcOffset::from_hms(hours, 0, 0).unwrap_or(UtcOffset::UTC)
            }
        }
    }
}

/// Summer time is from the last Sunday of March to the last Sunday of October, at 1:00 UTC.
fn is_summer(at: PrimitiveDateTime) -> bool {
    let change = |month| {
        let last = Date::from_calendar_date(at.year(), month, 31).ok()?;
        let sunday = std::iter::successors(Some(last), |day| day.previous_day())
            .find(|day| day.weekday() == Weekday::Sunday)?;
        sunday.with_hms(2, 0, 0).ok()
    };
    let (start, end) = (change(Month::March), change(Month::October));
    start.is_some_and(|start| start <= at) && end.is_some_and(|end| at < end)
}

/// A day, or a time on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    day: Date,
    time: Option<Time>,
    offset: Option<UtcOffset>,
}

impl Moment {
    /// Reads a text; days written in digits with slashes are not understood when the day could be
    /// the month.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let moment = zoned(text).or_else(|| epoch(text)).or_else(|| local(text))?;
        YEARS.contains(&moment.day.year()).then_some(moment)
    }

    /// Returns the instant; a day counts from its beginning.
    pub(crate) fn begins(self, zone: Zone) -> Option<Timestamp> {
        self.at(zone, Time::MIDNIGHT)
    }

    /// Returns the instant; a day counts to its last second.
    pub(crate) fn ends(self, zone: Zone) -> Option<Timestamp> {
        self.at(zone, Time::from_hms(23, 59, 59).ok()?)
    }

    /// Returns the day in ISO 8601.
    pub(crate) fn day(self) -> String {
        let (year, month, day) = self.day.to_calendar_date();
        format!("{year:04}-{:02}-{day:02}", u8::from(month))
    }

    fn at(self, zone: Zone, time: Time) -> Option<Timestamp> {
        let at = PrimitiveDateTime::new(self.day, self.time.unwrap_or(time));
        let offset = self.offset.unwrap_or_else(|| zone.offset(at));
        let at = at.assume_offset(offset);
        let nanos = i32::try_from(at.nanosecond()).ok()?;
        Some(Timestamp { seconds: at.unix_timestamp(), nanos })
    }
}

fn zoned(text: &str) -> Option<Moment> {
    let at = OffsetDateTime::parse(text, &Rfc3339)
        .or_else(|_| OffsetDateTime::parse(text, &Rfc2822))
        .ok()
        .or_else(|| {
            // `+0200` without a colon, and a time without seconds.
            let (rest, minutes) = text.split_at_checked(text.len().checked_sub(2)?)?;
            let with_colon = format!("{rest}:{minutes}");
            let with_seconds = text.strip_suffix('Z').map(|text| format!("{text}:00Z"));
            OffsetDateTime::parse(&with_colon, &Rfc3339)
                .or_else(|_| OffsetDateTime::parse(&with_seconds.unwrap_or_default(), &Rfc3339))
                .ok()
        })?;
    Some(Moment { day: at.date(), time: Some(at.time()), offset: Some(at.offset()) })
}

/// Reads seconds or milliseconds since 1970.
fn epoch(text: &str) -> Option<Moment> {
    let number: i64 = text.parse().ok()?;
    let seconds = match text.len() {
        10 => number,
        13 => number.checked_div(1_000)?,
        _ => return None,
    };
    let at = OffsetDateTime::from_unix_timestamp(seconds).ok()?;
    Some(Moment { day: at.date(), time: Some(at.time()), offset: Some(UtcOffset::UTC) })
}

fn local(text: &str) -> Option<Moment> {
    let text = text.replace(['年', '月'], "-").replace('日', " ");
    let text = text.trim().trim_end_matches('-');
    let (day, time) = match text.split_once(['T', ' ']) {
        Some((day, time)) => (day, Some(time_of_day(time.trim())?)),
        None => (text, None),
    };
    Some(Moment { day: date(day)?, time, offset: None })
}

fn date(text: &str) -> Option<Date> {
    let separators = ['-', '/', '.'];
    let parts: Vec<&str> = text.split(separators).collect();
    let (year, month, day) = match *parts.as_slice() {
        [year, month, day] if year.len() == 4 => (year, month, day),
        // 01.03.2019 is the first of March; 01/03/2019 may be the third of January.
        [day, month, year] if year.len() == 4 && !text.contains('/') => (year, month, day),
        [year, month] if year.len() == 4 => (year, month, "1"),
        [digits] if digits.len() == 8 && digits.is_ascii() => {
            (digits.get(..4)?, digits.get(4..6)?, digits.get(6..)?)
        }
        _ => return None,
    };
    let month = Month::try_from(month.parse::<u8>().ok()?).ok()?;
    Date::from_calendar_date(year.parse().ok()?, month, day.parse().ok()?).ok()
}

fn time_of_day(text: &str) -> Option<Time> {
    let mut parts = text.split(':');
    let hour = parts.next()?.parse().ok()?;
    let minute = parts.next()?.parse().ok()?;
    let second = match parts.next() {
        Some(second) => second.split('.').next()?.parse().ok()?,
        None => 0,
    };
    // Midnight at the end of a day.
    if (hour, minute, second) == (24, 0, 0) {
        return Time::from_hms(23, 59, 59).ok();
    }
    Time::from_hms(hour, minute, second).ok()
}

#[cfg(test)]
mod tests {
    use crate::postings::import::words::dates::{Moment, Zone};
    use time::OffsetDateTime;
    use time::format_description::well_known::Rfc3339;

    #[test]
    fn days_and_times_are_read_in_many_forms() {
        check("2019-02-14", "2019-02-14T00:00:00Z");
        check("2019/2/14", "2019-02-14T00:00:00Z");
        check("2019.02.14", "2019-02-14T00:00:00Z");
        check("14.02.2019", "2019-02-14T00:00:00Z");
        check("20190214", "2019-02-14T00:00:00Z");
        check("2019年2月14日", "2019-02-14T00:00:00Z");
        check("2019年2月", "2019-02-01T00:00:00Z");
        check("2019-02-14T10:20:30", "2019-02-14T10:20:30Z");
        check("2019-02-14T10:20", "2019-02-14T10:20:00Z");
        check("2019-02-14 10:20:30.123", "2019-02-14T10:20:30Z");
        check("2019-02-14T10:20:30Z", "2019-02-14T10:20:30Z");
        check("2019-02-14T10:20Z", "2019-02-14T10:20:00Z");
        check("2019-02-14T10:20:30+02:00", "2019-02-14T08:20:30Z");
        check("2019-02-14T10:20:30+0200", "2019-02-14T08:20:30Z");
        check("Thu, 14 Feb 2019 10:20:30 GMT", "2019-02-14T10:20:30Z");
        check("1550139630", "2019-02-14T10:20:30Z");
        check("1550139630123", "2019-02-14T10:20:30Z");
        check("2019-02-14T24:00:00", "2019-02-14T23:59:59Z");
    }

    #[test]
    fn what_is_no_day_is_nothing() {
        for text in [
            "",
            "na",
            "02/03/2019",
            "2019-02-30",
            "9999-12-31",
            "0001-01-01",
            "12",
            "2019",
            "-",
            "年月日",
        ] {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_day_ends_with_its_last_second_where_it_is() {
        let ends = |text: &str, zone: &str| {
            let zone = Zone::parse(zone).unwrap();
            shown(Moment::parse(text).unwrap().ends(zone).unwrap().seconds)
        };
        assert_eq!(ends("2020-05-19", "+08:00"), "2020-05-19T15:59:59Z");
        assert_eq!(ends("2020-05-19", "CET"), "2020-05-19T21:59:59Z");
        assert_eq!(ends("2020-01-19", "CET"), "2020-01-19T22:59:59Z");
        assert_eq!(ends("2020-03-29", "CET"), "2020-03-29T21:59:59Z");
        assert_eq!(ends("2020-10-25", "CET"), "2020-10-25T22:59:59Z");
        assert_eq!(Zone::parse("08:00"), None);
        assert_eq!(Moment::parse("14.02.2019").unwrap().day(), "2019-02-14");
    }

    fn check(text: &str, expected: &str) {
        let at = Moment::parse(text).and_then(|moment| moment.begins(Zone::UTC));
        assert_eq!(at.map(|at| shown(at.seconds)).as_deref(), Some(expected), "{text}");
    }

    fn shown(seconds: i64) -> String {
        OffsetDateTime::from_unix_timestamp(seconds).unwrap().format(&Rfc3339).unwrap()
    }
}
