//! Administrative divisions: GB/T 2260 in China, ISO 3166-2 elsewhere.
//!
//! GB/T 2260 is edition 2026 (34 provinces, 333 prefectures, 2,847 counties) with the codes retired
//! since 1980 and what took their place; ISO 3166-2 is edition November 2023. The two are one tree:
//! `CN-ZJ` is another way to write 330000, so a subtree has one key whoever names it.
//!
//! Codes are resolved here, names in [`names`].
//!
//! **Invariant:** every division has a path to its country, and a parent's level is above its own.

use std::iter;

pub mod names;

mod index;
mod retired;
mod subdivisions;
mod table;

/// A list of division codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// GB/T 2260, six digits: 330106.
    GbT2260,
    /// ISO 3166-2, and the ISO 3166-1 alpha-2 codes its codes begin with: SE-AB, SE.
    Iso3166_2,
}

impl Scheme {
    /// Returns the stable id the scheme has in messages, tables and configuration.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::GbT2260 => "gbt2260",
            Self::Iso3166_2 => "iso3166-2",
        }
    }

    /// Returns the scheme of an [id](Self::id).
    #[must_use]
    pub fn of_id(id: &str) -> Option<Self> {
        [Self::GbT2260, Self::Iso3166_2].into_iter().find(|scheme| scheme.id() == id)
    }
}

/// How far down a division is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// A country.
    Country,
    /// A province of China, or any subdivision ISO 3166-2 lists for another country.
    Province,
    /// A prefecture of China, or a part of Taiwan as ISO 3166-2 lists it.
    Prefecture,
    /// A county of China: county, district, county-level city or banner.
    County,
}

/// A division that is in force.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Division {
    scheme: Scheme,
    code: &'static str,
    name: &'static str,
    level: Level,
    parent: Option<usize>,
}

impl Division {
    /// Returns the scheme the code belongs to; a country belongs to ISO 3166-2.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Returns the code, which no two divisions share, whatever their schemes.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// Returns the official name; a country's is its code, for the list has no names of countries.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns how far down the division is.
    #[must_use]
    pub const fn level(&self) -> Level {
        self.level
    }

    /// Returns the division it is part of, or nothing for a country.
    #[must_use]
    pub fn parent(&self) -> Option<&'static Self> {
        table::TABLE.at(self.parent?)
    }

    /// Returns the division and all it is part of, the country last.
    pub fn ancestors(&'static self) -> impl Iterator<Item = &'static Self> {
        iter::successors(Some(self), |division| division.parent())
    }

    /// Returns the text that stands for the division, and all within it, in subtree filters.
    #[must_use]
    pub const fn token(&self) -> &'static str {
        self.code
    }

    /// Returns the tokens of all subtrees the division is in, its own first, its country's last.
    pub fn path_tokens(&'static self) -> impl Iterator<Item = &'static str> {
        self.ancestors().map(Self::token)
    }

    /// Returns whether the division is the other one or part of it.
    #[must_use]
    pub fn lies_within(&'static self, other: &Self) -> bool {
        self.ancestors().any(|ancestor| ancestor == other)
    }
}

/// What a code turned out to mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// A code in force, or another way to write one: CN-ZJ for 330000, SE-01 for SE-AB.
    Current(&'static Division),
    /// A heading of GB/T 2260, such as 110100 市辖区, that is no division: what it is a part of.
    Grouping(&'static Division),
    /// A retired code with one successor.
    Replaced {
        /// The successor.
        division: &'static Division,
        /// The year of the first edition without the code, where recorded.
        year: Option<u16>,
        /// What happened.
        change: Change,
    },
    /// A retired code whose area went to several divisions.
    Split {
        /// The smallest division that covers all candidates.
        division: &'static Division,
        /// Where parts of the area went, in code order; two at least.
        candidates: &'static [&'static Division],
        /// The year of the first edition without the code, where recorded.
        year: Option<u16>,
    },
    /// A code of no edition.
    Unknown {
        /// What may have been meant: the code in its usual notation, or the division around it.
        suggestion: Option<&'static Division>,
    },
}

impl Resolution {
    /// Returns the division the code stands for, unless it is unknown.
    #[must_use]
    pub const fn division(&self) -> Option<&'static Division> {
        match self {
            Self::Current(division)
            | Self::Grouping(division)
            | Self::Replaced { division, .. }
            | Self::Split { division, .. } => Some(division),
            Self::Unknown { .. } => None,
        }
    }
}

/// What happened to a division whose code was retired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    /// It has a new code under the same name.
    Renumbered,
    /// It has a new name and code.
    Renamed,
    /// A county or prefecture became a city (撤县设市, 撤地设市).
    RaisedToCity,
    /// A county or city became a district (撤县设区, 撤市设区).
    MadeDistrict,
    /// It became part of its successor.
    Merged,
    /// It was parted among several successors.
    Split,
    /// Its area was redrawn; the successor bears its name.
    Reorganised,
    /// No successor is recorded; the division around it stands in.
    Abolished,
}

/// Returns the division in force with this code.
///
/// The provinces of China answer to their ISO 3166-2 codes too, and countries to either scheme.
#[must_use]
pub fn lookup(scheme: Scheme, code: &str) -> Option<&'static Division> {
    let division = table::TABLE.by_code(code)?;
    match scheme {
        Scheme::Iso3166_2 => {
            (division.scheme == scheme || division.code != code).then_some(division)
        }
        Scheme::GbT2260 => (division.code == code
            && (division.scheme == scheme || code == table::CHINA))
            .then_some(division),
    }
}

/// Returns what a code means today.
#[must_use]
pub fn resolve(scheme: Scheme, code: &str) -> Resolution {
    if let Some(division) = lookup(scheme, code) {
        return Resolution::Current(division);
    }
    let resolution = match scheme {
        Scheme::GbT2260 => resolve_six_digits(code),
        Scheme::Iso3166_2 => None,
    };
    resolution.unwrap_or_else(|| Resolution::Unknown { suggestion: suggestion(code.trim()) })
}

/// Returns the smallest division that covers all of these; they are of one country, or there is
/// none.
#[must_use]
pub fn common_ancestor(divisions: &[&'static Division]) -> Option<&'static Division> {
    let (first, others) = divisions.split_first()?;
    first.ancestors().find(|ancestor| others.iter().all(|other| other.lies_within(ancestor)))
}

fn resolve_six_digits(code: &str) -> Option<Resolution> {
    if let Some(province) = table::TABLE.grouping(code) {
        return Some(Resolution::Grouping(province));
    }
    let retired = retired::RETIRED.get(code)?;
    let division = common_ancestor(&retired.successors)?;
    Some(if retired.successors.len() > 1 {
        Resolution::Split { division, candidates: &retired.successors, year: retired.year }
    } else {
        Resolution::Replaced { division, year: retired.year, change: retired.change }
    })
}

/// Returns what an unknown code most likely was meant to be, whatever its scheme.
fn suggestion(code: &str) -> Option<&'static Division> {
    let notation = code.to_ascii_uppercase().replace(['_', ' ', '.'], "-");
    if let Some(division) = table::TABLE.by_code(&notation) {
        return Some(division);
    }
    // Until 2017, ISO 3166-2 numbered the provinces of China as GB/T 2260 does: CN-33.
    let digits = notation.strip_prefix("CN-").unwrap_or(&notation);
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        // Towns and villages have the six digits of their county in front.
        let county = digits.get(..6).map(str::to_owned);
        let prefecture = digits.get(..4).map(|prefix| format!("{prefix}00"));
        let province = digits.get(..2).map(|prefix| format!("{prefix}0000"));
        return [county, prefecture, province].into_iter().flatten().find_map(|code| {
            table::TABLE.by_code(&code).or_else(|| resolve_six_digits(&code)?.division())
        });
    }
    let country = notation.split('-').next()?;
    table::TABLE.by_code(country)
}

#[cfg(test)]
mod tests {
    use crate::codes::divisions::{Resolution, Scheme, lookup, resolve};

    #[test]
    fn a_code_resolves_to_what_it_means_today() {
        check(Scheme::GbT2260, "330106", "current 330106");
        check(Scheme::GbT2260, "CN", "current CN");
        check(Scheme::Iso3166_2, "SE-AB", "current SE-AB");
        check(Scheme::Iso3166_2, "SE", "current SE");
        // The number Swedish registers use stands in ISO 3166-2 itself.
        check(Scheme::Iso3166_2, "SE-01", "current SE-AB");
        // One subtree, one key.
        check(Scheme::Iso3166_2, "CN-ZJ", "current 330000");
        check(Scheme::Iso3166_2, "CN-HK", "current 810000");
        check(Scheme::Iso3166_2, "HK", "current 810000");

        check(Scheme::GbT2260, "110100", "grouping 110000");
        check(Scheme::GbT2260, "500200", "grouping 500000");
        check(Scheme::GbT2260, "429000", "grouping 420000");

        check(Scheme::GbT2260, "330104", "replaced 330102 2021 MadeDistrict");
        check(Scheme::GbT2260, "310108", "replaced 310106 2015 Merged");
        check(Scheme::GbT2260, "371200", "replaced 370100 2018 Merged");
        check(Scheme::GbT2260, "510200", "replaced 500000 1997 Reorganised");
        check(Scheme::GbT2260, "440102", "replaced 440100 2005 Abolished");
        check(Scheme::GbT2260, "532700", "replaced 530800 2003 RaisedToCity");
        // Two steps: Xiaoshan county, then city, then district.
        check(Scheme::GbT2260, "330121", "replaced 330109 1987 RaisedToCity");
        // Neighbours exchanged these codes in 1984; each is followed by its name.
        check(Scheme::GbT2260, "132731", "replaced 130281 1983 Renumbered");
        check(Scheme::GbT2260, "432121", "replaced 430321 1983 Renumbered");
        check(Scheme::GbT2260, "341400", "split 340000 of 340100,340200,340500 2011");

        check(Scheme::GbT2260, "330199", "unknown 330100");
        check(Scheme::GbT2260, "339999", "unknown 330000");
        check(Scheme::GbT2260, "999999", "unknown");
        check(Scheme::GbT2260, "3301", "unknown 330100");
        check(Scheme::GbT2260, "33", "unknown 330000");
        check(Scheme::GbT2260, "330106001", "unknown 330106");
        check(Scheme::GbT2260, "330104001002", "unknown 330102");
        check(Scheme::GbT2260, " 330106 ", "unknown 330106");
        check(Scheme::GbT2260, "CN-ZJ", "unknown 330000");
        check(Scheme::GbT2260, "杭州", "unknown");
        check(Scheme::Iso3166_2, "SE_AB", "unknown SE-AB");
        check(Scheme::Iso3166_2, "se-ab", "unknown SE-AB");
        check(Scheme::Iso3166_2, "SE-ZZ", "unknown SE");
        check(Scheme::Iso3166_2, "CN-33", "unknown 330000");
        check(Scheme::Iso3166_2, "330106", "unknown 330106");
        check(Scheme::Iso3166_2, "", "unknown");
    }

    #[test]
    fn path_tokens_lead_to_the_country() {
        let path = |scheme, code| {
            lookup(scheme, code).unwrap().path_tokens().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(path(Scheme::GbT2260, "330106"), "330106 330100 330000 CN");
        assert_eq!(path(Scheme::GbT2260, "110108"), "110108 110000 CN");
        assert_eq!(path(Scheme::Iso3166_2, "CN-ZJ"), "330000 CN");
        assert_eq!(path(Scheme::Iso3166_2, "SE-AB"), "SE-AB SE");
        assert_eq!(path(Scheme::Iso3166_2, "TW-TPE"), "TW-TPE 710000 CN");
    }

    #[test]
    fn a_scheme_is_found_by_its_id() {
        for scheme in [Scheme::GbT2260, Scheme::Iso3166_2] {
            assert_eq!(Scheme::of_id(scheme.id()), Some(scheme));
        }
        assert_eq!(Scheme::of_id("GB/T 2260"), None);
    }

    fn check(scheme: Scheme, code: &str, expected: &str) {
        let shown = match resolve(scheme, code) {
            Resolution::Current(division) => format!("current {}", division.code()),
            Resolution::Grouping(division) => format!("grouping {}", division.code()),
            Resolution::Replaced { division, year, change } => {
                format!("replaced {} {} {change:?}", division.code(), year.unwrap_or(0))
            }
            Resolution::Split { division, candidates, year } => {
                let codes: Vec<_> = candidates.iter().map(|division| division.code()).collect();
                let year = year.unwrap_or(0);
                format!("split {} of {} {year}", division.code(), codes.join(","))
            }
            Resolution::Unknown { suggestion: Some(division) } => {
                format!("unknown {}", division.code())
            }
            Resolution::Unknown { suggestion: None } => "unknown".to_owned(),
        };
        assert_eq!(shown, expected, "{code}");
    }
}
