//! Finding subdivisions of other countries by name.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::codes::divisions::names::{self, Exactness, NameMatch};
use crate::codes::divisions::table::{CHINA, ISO3166_2, TABLE};
use crate::codes::divisions::{Division, Scheme, lookup};
use crate::codes::tsv;

/// Words behind a name that say what kind of division it is, as [`folded`].
const KINDS: [&str; 15] = [
    " lan",
    " county",
    " fylke",
    " province",
    " state",
    " region",
    " department",
    " oblast",
    " sheng",
    " shi",
    " sar",
    " zizhiqu",
    " uygur",
    " zhuangzu",
    " huizu",
];

/// Subdivisions by country and folded name, with whether that is their whole name.
static NAMES: LazyLock<HashMap<(&'static str, String), Vec<Named>>> = LazyLock::new(read);

struct Named {
    division: &'static Division,
    whole: bool,
}

/// See [`names::find_subdivision`].
pub(crate) fn find<'a>(country: &str, name: &'a str) -> NameMatch<'a> {
    let country = country.trim().to_ascii_uppercase();
    let code = name.trim().to_ascii_uppercase();
    let codes = [format!("{country}-{code}"), code];
    let of_country =
        |division: &&'static Division| division.path_tokens().any(|token| token == country);
    let mut by_code = codes.iter().filter_map(|code| lookup(Scheme::Iso3166_2, code));
    if let Some(division) = by_code.find(of_country) {
        return NameMatch::Found { division, matched: name, exactness: Exactness::Full };
    }
    let Some(country) = lookup(Scheme::Iso3166_2, &country) else { return NameMatch::NotFound };
    let whole = folded(name);
    let short = without_kind(&whole).to_owned();
    let found = [whole, short].into_iter().find_map(|name| NAMES.get(&(country.code(), name)));
    match found.map(Vec::as_slice) {
        Some([named]) => {
            let exactness = if named.whole { Exactness::Full } else { Exactness::Short };
            NameMatch::Found { division: named.division, matched: name, exactness }
        }
        Some(several) => NameMatch::Ambiguous {
            candidates: several.iter().map(|named| named.division).collect(),
        },
        None if country.code() == CHINA => names::find(name, Some(country)),
        None => NameMatch::NotFound,
    }
}

fn read() -> HashMap<(&'static str, String), Vec<Named>> {
    let mut names = HashMap::<_, Vec<Named>>::new();
    for [code, name, _kind, other_names, _other_code, _gbt2260] in tsv::rows(ISO3166_2) {
        let Some((division, (country, _))) = TABLE.by_code(code).zip(code.split_once('-')) else {
            continue;
        };
        let mut add = |name: String, whole| {
            let known = names.entry((country, name)).or_default();
            if !known.iter().any(|named| named.division == division) {
                known.push(Named { division, whole });
            }
        };
        for name in other_names.split('|').chain([name]).filter(|name| !name.is_empty()) {
            let name = folded(name);
            let short = without_kind(&name);
            // "Stockholms län" is the county of Stockholm, "Kalmar län" that of Kalmar.
            if let Some(place) = short.strip_suffix('s').filter(|_| country == "SE") {
                add(place.to_owned(), false);
            }
            add(short.to_owned(), false);
            add(name, true);
        }
    }
    names
}

fn without_kind(mut name: &str) -> &str {
    while let Some(short) = KINDS.iter().find_map(|kind| name.strip_suffix(kind)) {
        name = short;
    }
    name
}

/// Returns a name in lower case, without marks on Latin letters, with single spaces.
fn folded(name: &str) -> String {
    let mut plain = String::with_capacity(name.len());
    for character in name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase().chars() {
        match character {
            'á' | 'à' | 'â' | 'ä' | 'ã' | 'å' | 'ā' | 'ă' | 'ą' => plain.push('a'),
            'é' | 'è' | 'ê' | 'ë' | 'ē' | 'ė' | 'ę' | 'ě' => plain.push('e'),
            'í' | 'ì' | 'î' | 'ï' | 'ī' | 'ı' => plain.push('i'),
            'ó' | 'ò' | 'ô' | 'ö' | 'õ' | 'ø' | 'ō' | 'ő' => plain.push('o'),
            'ú' | 'ù' | 'û' | 'ü' | 'ū' | 'ů' | 'ű' => plain.push('u'),
            'ç' | 'ć' | 'č' => plain.push('c'),
            'ñ' | 'ń' | 'ň' => plain.push('n'),
            'š' | 'ś' | 'ş' | 'ș' => plain.push('s'),
            'ž' | 'ź' | 'ż' => plain.push('z'),
            'ý' => plain.push('y'),
            'ł' => plain.push('l'),
            'ß' => plain.push_str("ss"),
            'æ' => plain.push_str("ae"),
            // A combining dot is all that lower case leaves of İ.
            '\u{307}' => {}
            '’' | '‘' => plain.push('\''),
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use crate::codes::divisions::names::{NameMatch, find_subdivision};

    #[test]
    fn subdivisions_are_found_by_country_and_name() {
        check("SE", "Stockholms län", "SE-AB");
        check("SE", "stockholm", "SE-AB");
        check("SE", "Västra Götaland", "SE-O");
        check("SE", "VÄSTRA GÖTALANDS LÄN", "SE-O");
        check("SE", "Kalmar", "SE-H");
        check("SE", "Vastra Gotaland County", "SE-O");
        check("SE", "01", "SE-AB");
        check("se", "AB", "SE-AB");
        check("SE", "SE-AB", "SE-AB");
        check("SE", "NO-03", "none");
        check("NO", "OSLO", "NO-03");
        check("NO", "Møre og Romsdal", "NO-15");
        check("FR", "ile-de-france", "FR-IDF");
        check("US", "CA", "US-CA");
        check("US", "California", "US-CA");
        check("GB", "Cardiff", "GB-CRF");
        check("GB", "Caerdydd", "GB-CRF");
        check("BE", "Région de Bruxelles-Capitale", "BE-BRU");
        check("CN", "Zhejiang", "330000");
        check("CN", "Guangxi", "450000");
        check("CN", "ZJ", "330000");
        check("CN", "杭州市西湖区", "330106");
        check("ES", "Illes Balears", "ambiguous");
        check("SE", "Göteborg", "none");
        check("ZZ", "Stockholm", "none");
        check("SE", "", "none");
    }

    fn check(country: &str, name: &str, expected: &str) {
        let shown = match find_subdivision(country, name) {
            NameMatch::Found { division, .. } => division.code(),
            NameMatch::Ambiguous { .. } => "ambiguous",
            NameMatch::NotFound => "none",
        };
        assert_eq!(shown, expected, "{country} {name}");
    }
}
