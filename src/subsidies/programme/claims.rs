//! Who stands in whose way: the keys under which a claim is entered.
//!
//! Two claims with one key of one group whose periods overlap exclude each other. A *once-per* group is a programme's own, and any two
//! claims of it do. An *exclusive* group belongs to a pair of programmes, and only claims of different programmes do: somebody may
//! claim one of them month after month.

use std::sync::Arc;

use crate::subsidies::domain::{Day, Facts};
use crate::subsidies::programme::canonical::{self, Sha256};
use crate::subsidies::programme::{CompiledProgramme, Exclusion, KeyPart, Window};

/// Whom a claim is about, as bytes that tell nothing: keyed digests.
#[derive(Clone, Copy, Debug, Default)]
pub struct Subjects<'a> {
    /// The worker.
    pub worker: Option<&'a [u8]>,
    /// The employer.
    pub employer: Option<&'a [u8]>,
}

/// Which claims exclude each other within a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Excludes {
    /// Any two.
    Any,
    /// Those of different programmes.
    OtherProgrammes,
}

/// A key under which a claim is entered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimKey {
    /// The group: SHA-256 of its words. The same for every edition of a programme, and from both sides of a pair.
    pub group: Sha256,
    /// SHA-256 of the values; blind it before it is stored, since values of facts can be guessed.
    pub key: Sha256,
    /// Which claims of the group exclude each other.
    pub excludes: Excludes,
    /// First day.
    pub from: Day,
    /// Day before which it ends; `None`: it does not.
    pub until: Option<Day>,
    /// What a person reads: `once per worker`, `exclusive with cn.training-subsidy`.
    pub words: String,
}

/// What a key needs and is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// The selecting day or a fact of a key is unknown.
    Facts(Vec<Arc<str>>),
    /// The application names no worker, or no employer.
    Subject(KeyPart),
}

/// Returns the keys of a claim. `others` are exclusions that other programmes state against this one, with the names of those.
///
/// # Errors
///
/// A subject or a fact of a key is unknown.
pub fn keys(
    programme: &CompiledProgramme,
    others: &[Exclusion],
    facts: &Facts,
    subjects: Subjects<'_>,
) -> Result<Vec<ClaimKey>, KeyError> {
    each(programme, others, facts, subjects)?.into_iter().map(|(_, key)| key).collect()
}

/// Returns those keys of a claim that are known, of which `is_wanted` is true by what they are made of.
#[must_use]
pub fn known(
    programme: &CompiledProgramme,
    others: &[Exclusion],
    facts: &Facts,
    subjects: Subjects<'_>,
    is_wanted: impl Fn(&[KeyPart]) -> bool,
) -> Vec<ClaimKey> {
    let all = each(programme, others, facts, subjects).unwrap_or_default();
    all.into_iter().filter(|(parts, _)| is_wanted(parts)).filter_map(|(_, key)| key.ok()).collect()
}

/// A key that may be unknown, and what it is made of.
type Entry<'a> = (&'a [KeyPart], Result<ClaimKey, KeyError>);

fn each<'a>(
    programme: &'a CompiledProgramme,
    others: &'a [Exclusion],
    facts: &Facts,
    subjects: Subjects<'_>,
) -> Result<Vec<Entry<'a>>, KeyError> {
    let day = facts.get(&programme.select).and_then(crate::subsidies::programme::determine::day_of);
    let day = day.ok_or_else(|| KeyError::Facts(vec![Arc::clone(&programme.select)]))?;
    let mut entries: Vec<Entry<'a>> = Vec::new();
    for once in &programme.once_per {
        let (from, until) = period(once.window, day);
        let entry = key(&once.key, facts, subjects).map(|key| ClaimKey {
            group: group("once", &[&programme.name], &once.key),
            key,
            excludes: Excludes::Any,
            from,
            until,
            words: format!("once per {}", named(&once.key)),
        });
        entries.push((&once.key, entry));
    }
    // Both of a pair may say it.
    let mut pairs: Vec<Sha256> = Vec::new();
    for other in programme.exclusive_with.iter().chain(others) {
        let mut pair = [&programme.name, &other.programme];
        pair.sort_unstable();
        let group = group("exclusive", &pair, &other.key);
        if pairs.contains(&group) {
            continue;
        }
        pairs.push(group);
        let entry = key(&other.key, facts, subjects).map(|key| ClaimKey {
            group,
            key,
            excludes: Excludes::OtherProgrammes,
            from: FIRST,
            until: None,
            words: format!("exclusive with {} per {}", other.programme, named(&other.key)),
        });
        entries.push((&other.key, entry));
    }
    Ok(entries)
}

/// The first day of what has no beginning: 1900-01-01.
const FIRST: Day = Day(-25_567);

/// Returns the days for which a claim keeps others out: two that are within the window of each other overlap.
fn period(window: Window, day: Day) -> (Day, Option<Day>) {
    match window {
        Window::Forever => (FIRST, None),
        Window::CalendarYears(years) => {
            let year = day.date().year();
            (first_of(year), Some(first_of(year.saturating_add(years))))
        }
        Window::Months(months) => (day, Some(day.plus_months(months))),
    }
}

fn first_of(year: i32) -> Day {
    time::Date::from_ordinal_date(year, 1).map_or(FIRST, Day::of)
}

fn named(key: &[KeyPart]) -> String {
    let names: Vec<_> = key.iter().map(KeyPart::word).collect();
    names.join(" and ")
}

fn group(kind: &str, programmes: &[&Arc<str>], key: &[KeyPart]) -> Sha256 {
    let mut bytes = Vec::new();
    canonical::frame(&mut bytes, kind.as_bytes());
    for programme in programmes {
        canonical::frame(&mut bytes, programme.as_bytes());
    }
    let mut parts: Vec<_> = key.iter().collect();
    parts.sort_unstable();
    for part in parts {
        canonical::frame(&mut bytes, part.word().as_bytes());
    }
    canonical::sha256(&bytes)
}

fn key(key: &[KeyPart], facts: &Facts, subjects: Subjects<'_>) -> Result<Sha256, KeyError> {
    let mut bytes = Vec::new();
    let mut unknown = Vec::new();
    let mut parts: Vec<_> = key.iter().collect();
    parts.sort_unstable();
    for part in parts {
        let missing = || KeyError::Subject(part.clone());
        match part {
            KeyPart::Worker => canonical::frame(&mut bytes, subjects.worker.ok_or_else(missing)?),
            KeyPart::Employer => {
                canonical::frame(&mut bytes, subjects.employer.ok_or_else(missing)?);
            }
            KeyPart::Fact(name) => match facts.get(name) {
                Some(value) => canonical::frame(&mut bytes, &canonical::value(value)),
                None => unknown.push(Arc::clone(name)),
            },
        }
    }
    if unknown.is_empty() { Ok(canonical::sha256(&bytes)) } else { Err(KeyError::Facts(unknown)) }
}

impl KeyPart {
    /// Returns the part that a programme names.
    #[must_use]
    pub fn of(name: &str) -> Self {
        match name {
            "worker" => Self::Worker,
            "employer" => Self::Employer,
            fact => Self::Fact(fact.into()),
        }
    }

    /// Returns its name.
    #[must_use]
    pub fn word(&self) -> &str {
        match self {
            Self::Worker => "worker",
            Self::Employer => "employer",
            Self::Fact(name) => name,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::subsidies::domain::Day;
    use crate::subsidies::programme::Window;
    use crate::subsidies::programme::claims::period;

    fn overlap(window: Window, one: &str, other: &str) -> bool {
        let read = |text| Day::read(text).unwrap();
        let ((a, b), (c, d)) = (period(window, read(one)), period(window, read(other)));
        b.is_none_or(|b| c < b) && d.is_none_or(|d| a < d)
    }

    #[test]
    fn two_claims_are_in_each_others_way_within_the_window_whichever_comes_first() {
        let rows = [
            (Window::Forever, "1950-01-01", "2150-01-01", true),
            (Window::CalendarYears(1), "2025-12-31", "2026-01-01", false),
            (Window::CalendarYears(1), "2025-01-01", "2025-12-31", true),
            // This year and the one before it.
            (Window::CalendarYears(2), "2025-01-01", "2026-12-31", true),
            (Window::CalendarYears(2), "2025-12-31", "2027-01-01", false),
            (Window::Months(24), "2024-02-29", "2026-02-27", true),
            (Window::Months(24), "2024-02-29", "2026-02-28", false),
            (Window::Months(36), "2025-03-15", "2028-03-14", true),
            (Window::Months(36), "2025-03-15", "2028-03-15", false),
        ];
        for (window, one, other, expected) in rows {
            assert_eq!(overlap(window, one, other), expected, "{window:?} {one} {other}");
            assert_eq!(overlap(window, other, one), expected, "{window:?} {other} {one}");
        }
    }
}
