//! The occupations of CSCO and ISCO-08, as trees.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::codes::occupations::{Occupation, Scheme};
use crate::codes::tsv;

/// The occupations of CSCO: code, name, level, parent.
const CSCO2022: &str = include_str!("../data/csco2022.tsv");
/// The groups of ISCO-08: code, name, level, parent.
const ISCO08: &str = include_str!("../data/isco08.tsv");

/// All occupations.
pub(crate) static TABLE: LazyLock<Table> = LazyLock::new(Table::read);

/// Occupations by place and by code; an occupation's parent is a place.
pub(crate) struct Table {
    occupations: Vec<Occupation>,
    places: HashMap<Scheme, HashMap<&'static str, usize>>,
}

impl Table {
    /// Returns the occupation at a place.
    pub(crate) fn at(&self, place: usize) -> Option<&Occupation> {
        self.occupations.get(place)
    }

    /// Returns the occupation with this code in its official notation.
    pub(crate) fn by_code(&self, scheme: Scheme, code: &str) -> Option<&Occupation> {
        self.at(*self.places.get(&scheme)?.get(code)?)
    }

    fn read() -> Self {
        let mut table = Self { occupations: Vec::new(), places: HashMap::new() };
        // Both tables are in code order, so a class is there before its parts.
        for (scheme, text) in [(Scheme::Csco2022, CSCO2022), (Scheme::Isco08, ISCO08)] {
            let places = table.places.entry(scheme).or_default();
            for [code, name, level, parent] in tsv::rows(text) {
                let parent = places.get(parent).copied();
                let Ok(level) = level.parse() else { continue };
                places.insert(code, table.occupations.len());
                table.occupations.push(Occupation { scheme, code, name, level, parent });
            }
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use crate::codes::occupations::table::TABLE;
    use crate::codes::occupations::{Occupation, Scheme};

    #[test]
    fn the_lists_are_complete() {
        check(Scheme::Csco2022, [8, 72, 341, 1_630]);
        check(Scheme::Isco08, [10, 43, 130, 436]);
    }

    #[test]
    fn every_occupation_has_a_path_to_its_major_class() {
        for occupation in &TABLE.occupations {
            match occupation.parent() {
                Some(parent) => {
                    assert!(parent.level() < occupation.level(), "{occupation:?}");
                    assert_eq!(parent.scheme(), occupation.scheme());
                }
                None => assert_eq!(occupation.level(), 1, "{occupation:?}"),
            }
        }
    }

    #[test]
    fn only_classes_the_source_lacks_have_no_name() {
        let nameless = TABLE.occupations.iter().filter(|occupation| occupation.name().is_empty());
        let codes: Vec<_> = nameless.map(Occupation::code).collect();
        assert_eq!(codes, ["1-06-01-00", "2-01-04-00", "2-02-32-00", "5-02-03-00"]);
    }

    fn check(scheme: Scheme, counts: [usize; 4]) {
        let count = |level| {
            let of =
                TABLE.occupations.iter().filter(|o| o.scheme() == scheme && o.level() == level);
            of.count()
        };
        assert_eq!([count(1), count(2), count(3), count(4)], counts);
    }
}
