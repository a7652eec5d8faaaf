//! The names divisions of China have or had, for looking them up.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::codes::divisions::Division;
use crate::codes::divisions::table::{CHINA, GBT2260, TABLE};
use crate::codes::tsv;

/// Names no longer in use: name, level, short name, successors.
const GBT2260_FORMER_NAMES: &str = include_str!("../data/gbt2260_former_names.tsv");

/// Most characters a name in the lists has: 双江拉祜族佤族布朗族傣族自治县.
pub(crate) const NAME_CHARS_MAX: usize = 15;

/// All names by their text.
pub(crate) static NAMES: LazyLock<HashMap<&'static str, Vec<Name>>> = LazyLock::new(read);

/// How a name stands to its divisions; the more telling first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The official name: 杭州市.
    Full,
    /// The official name without what kind of division it is: 杭州, 广西, 延边.
    Short,
    /// An official name until a change: 萧山市.
    Former,
    /// The same without what kind of division it was: 襄樊.
    FormerShort,
}

/// A text as the name of one kind, with all divisions it names.
#[derive(Debug)]
pub(crate) struct Name {
    pub(crate) kind: Kind,
    pub(crate) divisions: Vec<&'static Division>,
}

fn read() -> HashMap<&'static str, Vec<Name>> {
    let mut names = HashMap::new();
    for text in ["中国", "全国"] {
        add(&mut names, text, Kind::Short, CHINA);
    }
    for [code, name, _level, _parent, short] in tsv::rows(GBT2260) {
        add(&mut names, name, Kind::Full, code);
        add(&mut names, short, Kind::Short, code);
    }
    for [name, _level, short, successors] in tsv::rows(GBT2260_FORMER_NAMES) {
        for code in successors.split(',') {
            add(&mut names, name, Kind::Former, code);
            add(&mut names, short, Kind::FormerShort, code);
        }
    }
    for kinds in names.values_mut() {
        kinds.sort_by_key(|name| name.kind);
    }
    names
}

fn add(
    names: &mut HashMap<&'static str, Vec<Name>>,
    text: &'static str,
    kind: Kind,
    code: &'static str,
) {
    let Some(division) = TABLE.by_code(code).filter(|_| !text.is_empty()) else { return };
    let kinds = names.entry(text).or_default();
    match kinds.iter_mut().find(|name| name.kind == kind) {
        Some(name) if name.divisions.contains(&division) => {}
        Some(name) => name.divisions.push(division),
        None => kinds.push(Name { kind, divisions: vec![division] }),
    }
}

#[cfg(test)]
mod tests {
    use crate::codes::divisions::index::{GBT2260_FORMER_NAMES, Kind, NAME_CHARS_MAX, NAMES};
    use crate::codes::divisions::table::GBT2260;
    use crate::codes::tsv;

    #[test]
    fn every_name_is_found_and_none_is_longer_than_the_limit() {
        let current = tsv::rows(GBT2260).map(|[_, name, _, _, short]| (name, short, Kind::Full));
        let former =
            tsv::rows(GBT2260_FORMER_NAMES).map(|[name, _, short, _]| (name, short, Kind::Former));
        let mut count = 0;
        for (name, short, kind) in current.chain(former) {
            assert!(NAMES[name].iter().any(|known| known.kind == kind), "{name}");
            assert!(name.starts_with(short), "{name} {short}");
            count += 1;
        }
        assert_eq!(count, 3_214 + FORMER_NAMES);
        let longest = NAMES.keys().map(|name| name.chars().count()).max();
        assert_eq!(longest, Some(NAME_CHARS_MAX));
    }

    const FORMER_NAMES: usize = 1_327;
}
