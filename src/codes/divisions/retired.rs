//! Codes of GB/T 2260 that are no longer in force.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::codes::divisions::table::TABLE;
use crate::codes::divisions::{Change, Division};
use crate::codes::tsv;

/// Retired codes: code, name, year, change, successors.
const GBT2260_RETIRED: &str = include_str!("../data/gbt2260_retired.tsv");

/// Every code retired since 1980.
///
/// A code that was given to another place is not retired. One that several places held before it
/// was retired stands for the last of them.
pub(crate) static RETIRED: LazyLock<HashMap<&'static str, Retired>> = LazyLock::new(|| {
    tsv::rows(GBT2260_RETIRED)
        .filter_map(|[code, _name, year, change, successors]| {
            let successors = successors.split(',').filter_map(|code| TABLE.by_code(code)).collect();
            let retired = Retired { year: year.parse().ok(), change: read(change)?, successors };
            Some((code, retired))
        })
        .collect()
});

/// What became of a retired code.
pub(crate) struct Retired {
    pub(crate) year: Option<u16>,
    pub(crate) change: Change,
    /// One at least, in code order, all in force.
    pub(crate) successors: Vec<&'static Division>,
}

fn read(change: &str) -> Option<Change> {
    Some(match change {
        "renumbered" => Change::Renumbered,
        "renamed" => Change::Renamed,
        "raised_to_city" => Change::RaisedToCity,
        "made_district" => Change::MadeDistrict,
        "merged" => Change::Merged,
        "split" => Change::Split,
        "reorganised" => Change::Reorganised,
        "abolished" => Change::Abolished,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use crate::codes::divisions::retired::{GBT2260_RETIRED, RETIRED};
    use crate::codes::divisions::{Level, Resolution, Scheme, lookup, resolve};
    use crate::codes::tsv;

    #[test]
    fn every_retired_code_resolves_to_divisions_in_force() {
        for [code, name, _, _, successors] in tsv::rows(GBT2260_RETIRED) {
            assert_eq!(lookup(Scheme::GbT2260, code), None, "{code} {name} is in force");
            let read: Vec<_> = RETIRED[code].successors.iter().map(|d| d.code()).collect();
            assert_eq!(read.join(","), successors, "{code} {name}");
            match resolve(Scheme::GbT2260, code) {
                Resolution::Replaced { division, .. } => assert_eq!(read, [division.code()]),
                Resolution::Split { division, candidates, .. } => {
                    assert!(division.level() < Level::County, "{code} {name}");
                    assert!(candidates.iter().all(|candidate| candidate.lies_within(division)));
                }
                other => panic!("{code} {name} resolves to {other:?}"),
            }
        }
    }

    #[test]
    fn nothing_leaves_its_province_but_for_hainan_and_chongqing() {
        for (code, retired) in RETIRED.iter() {
            for successor in &retired.successors {
                let provinces = (code.get(..2).unwrap(), successor.code().get(..2).unwrap());
                let parted = [("44", "46"), ("51", "50")].contains(&provinces);
                assert!(provinces.0 == provinces.1 || parted, "{code} {successor:?}");
            }
        }
    }

    #[test]
    fn the_list_is_complete() {
        assert_eq!(RETIRED.len(), 3_546);
        let split = RETIRED.values().filter(|retired| retired.successors.len() > 1).count();
        assert_eq!(split, 21);
    }
}
