//! Countries by code and by name.

use crate::codes::divisions::{Division, Level, Scheme, lookup};
use crate::postings::import::words::texts;

/// Names that postings have in place of a code, for the countries that send them: English, their
/// own language, Swedish, and ISO 3166-1 alpha-3.
const NAMES: [(&str, &[&str]); 44] = [
    ("AT", &["austria", "österreich", "österrike", "aut"]),
    ("AU", &["australia", "australien", "aus"]),
    ("BE", &["belgium", "belgië", "belgique", "belgien", "bel"]),
    ("BG", &["bulgaria", "bulgarien", "bgr"]),
    ("BR", &["brazil", "brasil", "bra"]),
    ("CA", &["canada", "kanada", "can"]),
    ("CH", &["switzerland", "schweiz", "suisse", "che"]),
    ("CN", &["china", "中国", "kina", "people's republic of china", "chn"]),
    ("CY", &["cyprus", "cypern", "cyp"]),
    ("CZ", &["czech republic", "czechia", "česko", "tjeckien", "cze"]),
    ("DE", &["germany", "deutschland", "tyskland", "deu"]),
    ("DK", &["denmark", "danmark", "dnk"]),
    ("EE", &["estonia", "eesti", "estland", "est"]),
    ("ES", &["spain", "españa", "spanien", "esp"]),
    ("FI", &["finland", "suomi", "fin"]),
    ("FR", &["france", "frankrike", "fra"]),
    ("GB", &["united kingdom", "great britain", "england", "storbritannien", "gbr", "uk"]),
    ("GR", &["greece", "ελλάδα", "grekland", "grc", "el"]),
    ("HK", &["hong kong", "香港", "hkg"]),
    ("HR", &["croatia", "hrvatska", "kroatien", "hrv"]),
    ("HU", &["hungary", "magyarország", "ungern", "hun"]),
    ("IE", &["ireland", "éire", "irland", "irl"]),
    ("IN", &["india", "indien", "ind"]),
    ("IS", &["iceland", "ísland", "island", "isl"]),
    ("IT", &["italy", "italia", "italien", "ita"]),
    ("JP", &["japan", "日本", "jpn"]),
    ("LI", &["liechtenstein", "lie"]),
    ("LT", &["lithuania", "lietuva", "litauen", "ltu"]),
    ("LU", &["luxembourg", "luxemburg", "lux"]),
    ("LV", &["latvia", "latvija", "lettland", "lva"]),
    ("MT", &["malta", "mlt"]),
    ("NL", &["netherlands", "nederland", "the netherlands", "nederländerna", "nld"]),
    ("NO", &["norway", "norge", "noreg", "nor"]),
    ("PL", &["poland", "polska", "polen", "pol"]),
    ("PT", &["portugal", "prt"]),
    ("RO", &["romania", "românia", "rumänien", "rou"]),
    ("SE", &["sweden", "sverige", "swe"]),
    ("SG", &["singapore", "新加坡", "sgp"]),
    ("SI", &["slovenia", "slovenija", "slovenien", "svn"]),
    ("SK", &["slovakia", "slovensko", "slovakien", "svk"]),
    ("TW", &["taiwan", "台湾", "twn"]),
    ("UA", &["ukraine", "україна", "ukraina", "ukr"]),
    ("US", &["united states", "usa", "united states of america", "美国"]),
    ("VN", &["vietnam", "越南", "vnm"]),
];

/// Returns the ISO 3166-1 alpha-2 code of a country by its code or name.
pub(crate) fn country_of(text: &str) -> Option<&'static str> {
    let plain = texts::plain(text);
    if let Some((code, _)) = NAMES.iter().find(|(_, names)| names.contains(&plain.as_str())) {
        return Some(code);
    }
    if plain.len() != 2 {
        return None;
    }
    let upper = plain.to_ascii_uppercase();
    // The codes of Hong Kong and the like are names of divisions of China in the lists.
    NAMES.iter().map(|(code, _)| *code).find(|code| *code == upper).or_else(|| {
        lookup(Scheme::Iso3166_2, &upper)
            .filter(|division| division.level() == Level::Country)
            .map(Division::code)
    })
}

#[cfg(test)]
mod tests {
    use crate::postings::import::places::country_of;

    #[test]
    fn countries_are_found_by_code_and_name() {
        for (text, code) in [
            ("SE", Some("SE")),
            ("se", Some("SE")),
            ("Sweden", Some("SE")),
            (" sverige ", Some("SE")),
            ("SWE", Some("SE")),
            ("中国", Some("CN")),
            ("HK", Some("HK")),
            ("EL", Some("GR")),
            ("AD", Some("AD")),
            ("XX", None),
            ("Stockholm", None),
            ("", None),
        ] {
            assert_eq!(country_of(text), code, "{text}");
        }
    }
}
