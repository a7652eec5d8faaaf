//! The divisions in force, as one tree.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::codes::divisions::{Division, Level, Scheme};
use crate::codes::tsv;

/// The divisions of GB/T 2260: code, name, level, parent, short name.
pub(crate) const GBT2260: &str = include_str!("../data/gbt2260.tsv");
/// Countries and subdivisions: code, name, type, other names, other code, GB/T 2260 code.
pub(crate) const ISO3166_2: &str = include_str!("../data/iso3166_2.tsv");

/// The code of the country GB/T 2260 is the list of.
pub(crate) const CHINA: &str = "CN";

/// All divisions in force.
pub(crate) static TABLE: LazyLock<Table> = LazyLock::new(Table::read);

/// Divisions by place and by code; a division's parent is a place.
pub(crate) struct Table {
    divisions: Vec<Division>,
    places: HashMap<&'static str, usize>,
    groupings: HashMap<&'static str, usize>,
}

impl Table {
    /// Returns the division at a place.
    pub(crate) fn at(&self, place: usize) -> Option<&Division> {
        self.divisions.get(place)
    }

    /// Returns the division with this code, or that this code is another way to write.
    pub(crate) fn by_code(&self, code: &str) -> Option<&Division> {
        self.at(*self.places.get(code)?)
    }

    /// Returns the province whose counties stand under this heading, such as 110100 市辖区.
    pub(crate) fn grouping(&self, code: &str) -> Option<&Division> {
        self.at(*self.groupings.get(code.strip_suffix("00")?)?)
    }

    fn read() -> Self {
        let mut table =
            Self { divisions: Vec::new(), places: HashMap::new(), groupings: HashMap::new() };
        table.add(Division {
            scheme: Scheme::Iso3166_2,
            code: CHINA,
            name: CHINA,
            level: Level::Country,
            parent: None,
        });
        // Both tables are in code order, so a parent is there before its parts.
        for [code, name, level, parent, _short] in tsv::rows(GBT2260) {
            table.add_of_china(code, name, level, parent);
        }
        for [code, name, _kind, _names, other_code, gbt2260] in tsv::rows(ISO3166_2) {
            table.add_of_iso(code, name, other_code, gbt2260);
        }
        table
    }

    fn add_of_china(&mut self, code: &'static str, name: &'static str, level: &str, parent: &str) {
        let level = match level {
            "1" => Level::Province,
            "2" => Level::Prefecture,
            _ => Level::County,
        };
        let parent = self.places.get(parent).copied();
        let within_province =
            parent.filter(|place| self.at(*place).is_some_and(|p| p.level == Level::Province));
        if let (Level::County, Some(province), Some(heading)) =
            (level, within_province, code.get(..4))
        {
            self.groupings.insert(heading, province);
        }
        self.add(Division { scheme: Scheme::GbT2260, code, name, level, parent });
    }

    fn add_of_iso(
        &mut self,
        code: &'static str,
        name: &'static str,
        other_code: &'static str,
        gbt2260: &str,
    ) {
        if let Some(&place) = self.places.get(gbt2260) {
            self.places.insert(code, place);
            return;
        }
        if code == CHINA {
            return;
        }
        let country = code.split_once('-').and_then(|(country, _)| self.places.get(country));
        let parent = country.copied();
        let level = match parent.and_then(|place| self.at(place)).map(Division::level) {
            None => Level::Country,
            Some(Level::Country) => Level::Province,
            // The parts of Taiwan, which is a province of China in both lists.
            Some(_) => Level::Prefecture,
        };
        let place = self.add(Division { scheme: Scheme::Iso3166_2, code, name, level, parent });
        if !other_code.is_empty() {
            self.places.insert(other_code, place);
        }
    }

    fn add(&mut self, division: Division) -> usize {
        let place = self.divisions.len();
        self.places.insert(division.code, place);
        self.divisions.push(division);
        place
    }
}

#[cfg(test)]
mod tests {
    use crate::codes::divisions::table::{CHINA, TABLE};
    use crate::codes::divisions::{Level, Scheme};

    #[test]
    fn the_lists_are_complete() {
        let count = |scheme, level| {
            let of = TABLE.divisions.iter().filter(|d| d.scheme() == scheme && d.level() == level);
            of.count()
        };
        assert_eq!(count(Scheme::GbT2260, Level::Province), 34);
        assert_eq!(count(Scheme::GbT2260, Level::Prefecture), 333);
        assert_eq!(count(Scheme::GbT2260, Level::County), 2_847);
        // 200 in the list; Taiwan is the province 710000.
        assert_eq!(count(Scheme::Iso3166_2, Level::Country), 199);
        // 5,046 in the list; 34 of them are the provinces of China, 22 the parts of Taiwan.
        assert_eq!(count(Scheme::Iso3166_2, Level::Province), 4_990);
        assert_eq!(count(Scheme::Iso3166_2, Level::Prefecture), 22);
    }

    #[test]
    fn every_division_has_a_path_to_its_country() {
        for division in &TABLE.divisions {
            match division.parent() {
                Some(parent) => assert!(parent.level() < division.level(), "{division:?}"),
                None => assert_eq!(division.level(), Level::Country, "{division:?}"),
            }
            let country = division.ancestors().last().unwrap().code();
            match division.scheme() {
                Scheme::GbT2260 => assert_eq!(country, CHINA),
                Scheme::Iso3166_2 if division.code().starts_with("TW-") => {}
                Scheme::Iso3166_2 => assert!(division.code().starts_with(country)),
            }
        }
    }
}
