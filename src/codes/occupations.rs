//! Occupations: 职业分类大典 (CSCO) and ISCO-08, and the schemes that are only carried.
//!
//! CSCO is edition 2022, of the Ministry of Human Resources and Social Security; ISCO-08 is the
//! International Labour Organization's. ESCO and O*NET-SOC codes are taken as they are, by their
//! form alone: their lists are large, revised often, and nothing here is decided by them.
//!
//! **Invariant:** every occupation has a path to its major class, and a parent's level is above its
//! own. Classes that the source of CSCO lacks stand in the list without a name, for that path.

use std::iter;

mod notation;
mod table;

/// A classification of occupations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// 职业分类大典, edition 2022: 6-06-03-01.
    Csco2022,
    /// ISCO-08: 2512.
    Isco08,
    /// ESCO, by URI; carried only.
    Esco,
    /// O*NET-SOC: 15-1252.00; carried only.
    OnetSoc,
}

impl Scheme {
    /// Returns the stable id the scheme has in messages, tables and configuration.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Csco2022 => "csco-2022",
            Self::Isco08 => "isco-08",
            Self::Esco => "esco",
            Self::OnetSoc => "onet-soc",
        }
    }

    /// Returns the scheme of an [id](Self::id).
    #[must_use]
    pub fn of_id(id: &str) -> Option<Self> {
        [Self::Csco2022, Self::Isco08, Self::Esco, Self::OnetSoc]
            .into_iter()
            .find(|scheme| scheme.id() == id)
    }
}

/// An occupation, or a class of them.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct Occupation {
    scheme: Scheme,
    code: &'static str,
    name: &'static str,
    level: u8,
    parent: Option<usize>,
}

impl Occupation {
    /// Returns the scheme the code belongs to.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Returns the code in its official notation, which is unique within the scheme.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// Returns the official name, in Chinese for CSCO and in English for ISCO-08.
    ///
    /// It is empty for the few classes of CSCO whose name the source lacks.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the level, from 1 for a major class to 4 for an occupation or unit group.
    ///
    /// An occupation of CSCO that is its small class alone has level 4 under the class's code.
    #[must_use]
    pub const fn level(&self) -> u8 {
        self.level
    }

    /// Returns the class it is part of, or nothing for a major class.
    #[must_use]
    pub fn parent(&self) -> Option<&'static Self> {
        table::TABLE.at(self.parent?)
    }

    /// Returns the occupation and all classes it is part of, the major class last.
    pub fn ancestors(&'static self) -> impl Iterator<Item = &'static Self> {
        iter::successors(Some(self), |occupation| occupation.parent())
    }

    /// Returns whether the occupation is the other one or part of it.
    #[must_use]
    pub fn lies_within(&'static self, other: &Self) -> bool {
        self.ancestors().any(|ancestor| ancestor == other)
    }
}

/// What an occupation code turned out to mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// A code of the list, in its official or another usual notation.
    Known(&'static Occupation),
    /// A well-formed code of a scheme whose list is not held here.
    Carried,
    /// No code of the list, or none by its form.
    Unknown {
        /// The smallest class that the code would be in.
        suggestion: Option<&'static Occupation>,
    },
}

/// Returns the occupation with this code in its official notation.
#[must_use]
pub fn lookup(scheme: Scheme, code: &str) -> Option<&'static Occupation> {
    table::TABLE.by_code(scheme, code)
}

/// Returns what a code means, in the notations it is usually sent in.
///
/// For CSCO these are 6-06-03-01, 6060301 and, for classes, 6-06-03 and 60603; for ISCO-08 they are
/// 2512, C2512, the URI ESCO gives the group, and 110 for 0110, as spreadsheets write it.
#[must_use]
pub fn resolve(scheme: Scheme, code: &str) -> Resolution {
    let code = code.trim();
    let notations = match scheme {
        Scheme::Csco2022 => notation::csco(code),
        Scheme::Isco08 => notation::isco(code),
        Scheme::Esco if notation::is_esco(code) => return Resolution::Carried,
        Scheme::OnetSoc if notation::is_onet_soc(code) => return Resolution::Carried,
        Scheme::Esco | Scheme::OnetSoc => return Resolution::Unknown { suggestion: None },
    };
    let mut found = notations.codes.iter().filter_map(|code| lookup(scheme, code));
    if let Some(occupation) = found.next() {
        return Resolution::Known(occupation);
    }
    let mut classes = notations.classes.iter().filter_map(|code| lookup(scheme, code));
    Resolution::Unknown { suggestion: classes.next() }
}

#[cfg(test)]
mod tests {
    use crate::codes::occupations::{Occupation, Resolution, Scheme, lookup, resolve};

    #[test]
    fn a_code_of_csco_resolves_in_its_usual_notations() {
        check(Scheme::Csco2022, "6-06-03-01", "known 6-06-03-01");
        check(Scheme::Csco2022, "6060301", "known 6-06-03-01");
        check(Scheme::Csco2022, " 6-06-03 ", "known 6-06-03-00");
        check(Scheme::Csco2022, "60603", "known 6-06-03-00");
        check(Scheme::Csco2022, "6-06", "known 6-06-00-00");
        check(Scheme::Csco2022, "6", "known 6-00-00-00");
        check(Scheme::Csco2022, "6-06-03-88", "unknown 6-06-03-00");
        check(Scheme::Csco2022, "6-06-88-01", "unknown 6-06-00-00");
        check(Scheme::Csco2022, "6-88-01", "unknown 6-00-00-00");
        check(Scheme::Csco2022, "9-01-01-01", "unknown");
        check(Scheme::Csco2022, "6-6-3-1", "unknown");
        check(Scheme::Csco2022, "6-06-03-01-01", "unknown 6-06-03-01");
        check(Scheme::Csco2022, "木工", "unknown");
        check(Scheme::Csco2022, "", "unknown");
    }

    #[test]
    fn a_code_of_isco_resolves_in_its_usual_notations() {
        check(Scheme::Isco08, "2512", "known 2512");
        check(Scheme::Isco08, "C2512", "known 2512");
        check(Scheme::Isco08, "http://data.europa.eu/esco/isco/C2512", "known 2512");
        check(Scheme::Isco08, "02512", "known 2512");
        check(Scheme::Isco08, "0110", "known 0110");
        check(Scheme::Isco08, "110", "known 0110");
        check(Scheme::Isco08, "11", "known 11");
        check(Scheme::Isco08, "2599", "unknown 25");
        check(Scheme::Isco08, "2519.1", "unknown 2519");
        check(Scheme::Isco08, "x", "unknown");
    }

    #[test]
    fn other_schemes_are_carried_where_the_form_is_right() {
        let uri = "http://data.europa.eu/esco/occupation/f2b15a0e-e65a-438a-affb-29b9d50b77d1";
        check(Scheme::Esco, uri, "carried");
        check(Scheme::Esco, "http://data.europa.eu/esco/isco/C2512", "carried");
        check(Scheme::Esco, "http://data.europa.eu/esco/occupation/", "unknown");
        check(Scheme::Esco, "https://example.org/esco/occupation/1", "unknown");
        check(Scheme::OnetSoc, "15-1252.00", "carried");
        check(Scheme::OnetSoc, "15-1252", "unknown");
        check(Scheme::OnetSoc, "15-125200", "unknown");
    }

    #[test]
    fn ancestors_lead_to_the_major_class() {
        let path = |scheme, code| {
            let occupation = lookup(scheme, code).unwrap();
            occupation.ancestors().map(Occupation::code).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            path(Scheme::Csco2022, "6-06-03-01"),
            "6-06-03-01 6-06-03-00 6-06-00-00 6-00-00-00"
        );
        assert_eq!(path(Scheme::Csco2022, "2-06-03-00"), "2-06-03-00 2-06-00-00 2-00-00-00");
        assert_eq!(path(Scheme::Isco08, "2512"), "2512 251 25 2");
    }

    #[test]
    fn a_scheme_is_found_by_its_id() {
        for scheme in [Scheme::Csco2022, Scheme::Isco08, Scheme::Esco, Scheme::OnetSoc] {
            assert_eq!(Scheme::of_id(scheme.id()), Some(scheme));
        }
        assert_eq!(Scheme::of_id("isco"), None);
    }

    fn check(scheme: Scheme, code: &str, expected: &str) {
        let shown = match resolve(scheme, code) {
            Resolution::Known(occupation) => format!("known {}", occupation.code()),
            Resolution::Carried => "carried".to_owned(),
            Resolution::Unknown { suggestion: Some(class) } => format!("unknown {}", class.code()),
            Resolution::Unknown { suggestion: None } => "unknown".to_owned(),
        };
        assert_eq!(shown, expected, "{code}");
    }
}
