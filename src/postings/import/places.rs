//! Finding the division of a workplace from what a file says of it.

use crate::codes::divisions::names::{NameMatch, find, find_subdivision};
use crate::codes::divisions::{Division, Scheme, lookup};
use crate::pb::peshub::common::v1::{self, DivisionScheme, FindingCode};
use crate::pb::peshub::postings::v1::{GeoPoint, Workplace};
use crate::postings::import::draft::Draft;
use crate::postings::import::words::texts;

mod countries;
mod sweden;

pub(crate) use crate::postings::import::places::countries::country_of;

/// Countries whose places GB/T 2260 lists.
const CHINA: [&str; 4] = ["CN", "HK", "MO", "TW"];

/// Words in place of an address.
const NO_ADDRESS: [&str; 5] = ["not specified", "n/a", "-", "na", "ej angivet"];

/// A place as a file has it; what it does not say is empty.
#[derive(Debug, Clone, Default)]
pub(crate) struct Site {
    /// Code or name.
    pub(crate) country: String,
    /// Codes and names of divisions and towns, the smallest first.
    pub(crate) names: Vec<String>,
    pub(crate) town: String,
    pub(crate) address: String,
    pub(crate) postal_code: String,
    pub(crate) location: Option<GeoPoint>,
}

impl Site {
    fn is_empty(&self) -> bool {
        self.country.trim().is_empty()
            && self.town.trim().is_empty()
            && self.names.iter().all(|name| name.trim().is_empty())
    }
}

/// Adds workplaces to a draft; `country` is where places are that do not say it.
///
/// A file often lists one place on several levels (a county and a town in it); the smallest stays.
pub(crate) fn add(draft: &mut Draft, sites: &[Site], country: Option<&str>) {
    let mut found: Vec<(&'static Division, Workplace)> = Vec::new();
    for site in sites.iter().filter(|site| !site.is_empty()) {
        let field = "workplaces";
        let Some(division) = division(site, country) else {
            let given = given(site);
            let done = "left out: not a place that is known, and no country is said";
            draft.note(field, FindingCode::DivisionUnknown, done, &given);
            continue;
        };
        if division.parent().is_none() && !names_country_only(site) {
            let done = format!("only the country {} was found", division.code());
            draft.note(field, FindingCode::DivisionUnknown, &done, &given(site));
        }
        let workplace = workplace(draft, site, division);
        found.push((division, workplace));
    }
    let all: Vec<&'static Division> = found.iter().map(|(division, _)| *division).collect();
    for (division, workplace) in found {
        let has_smaller = all.iter().any(|other| *other != division && other.lies_within(division));
        let same = draft.posting.workplaces.iter_mut().find(|known| {
            known.division == workplace.division && known.address == workplace.address
        });
        match same {
            // `Jämtlands län` and `Östersund` are one place, said twice.
            Some(known) if known.town.is_empty() || known.town == workplace.town => {
                known.town = workplace.town;
            }
            Some(_) if workplace.town.is_empty() => {}
            _ if has_smaller => {}
            _ => draft.posting.workplaces.push(workplace),
        }
    }
}

fn workplace(draft: &mut Draft, site: &Site, division: &Division) -> Workplace {
    let town = draft.line("workplaces.town", &site.town, 200);
    let is_no_town = country_of(&town).is_some() || is_named(division, &town);
    let address = draft.line("workplaces.address", &site.address, 500);
    let is_no_address = NO_ADDRESS.contains(&address.to_lowercase().as_str());
    let postal_code = draft.line("workplaces.postal_code", &site.postal_code, 20);
    Workplace {
        division: Some(message(division)),
        address: if is_no_address { String::new() } else { address },
        postal_code,
        location: site.location,
        town: if is_no_town { String::new() } else { town },
    }
}

/// Returns whether a text only repeats the name of the division.
fn is_named(division: &Division, town: &str) -> bool {
    texts::plain(division.name()) == texts::plain(town)
}

fn names_country_only(site: &Site) -> bool {
    site.names.iter().all(|name| name.trim().is_empty() || country_of(name).is_some())
}

fn given(site: &Site) -> String {
    let mut words: Vec<&str> = site.names.iter().map(String::as_str).collect();
    words.push(site.country.as_str());
    words.retain(|word| !word.trim().is_empty());
    words.dedup();
    words.join(", ")
}

/// Returns a division as the contract has it.
pub(crate) fn message(division: &Division) -> v1::Division {
    let scheme = match division.scheme() {
        Scheme::GbT2260 => DivisionScheme::Gbt2260,
        Scheme::Iso3166_2 => DivisionScheme::Iso31662,
    };
    v1::Division { scheme: scheme.into(), code: division.code().to_owned(), name: String::new() }
}

/// Returns the smallest division that is named; the country where no other is known.
fn division(site: &Site, country: Option<&str>) -> Option<&'static Division> {
    let said =
        country_of(&site.country).or_else(|| site.names.iter().find_map(|name| country_of(name)));
    let country = said.or(country);
    let Some(country) = country else {
        // Chinese names are found without a country.
        return site.names.iter().find_map(|name| of_china(name, None));
    };
    if CHINA.contains(&country) {
        let whole = lookup(Scheme::Iso3166_2, country);
        let joined: Vec<&str> = site.names.iter().rev().map(String::as_str).collect();
        return of_china(&joined.join(" "), None)
            .or_else(|| site.names.iter().find_map(|name| named(country, name)))
            .or(whole);
    }
    site.names
        .iter()
        .find_map(|name| named(country, name))
        .or_else(|| lookup(Scheme::Iso3166_2, country))
}

/// Finds a division of China in a text.
pub(crate) fn of_china(text: &str, within: Option<&'static Division>) -> Option<&'static Division> {
    match find(text, within) {
        NameMatch::Found { division, .. } => Some(division),
        NameMatch::Ambiguous { .. } | NameMatch::NotFound => None,
    }
}

fn named(country: &str, name: &str) -> Option<&'static Division> {
    let name = name.trim();
    if name.is_empty() {
        return None;
    }
    if let NameMatch::Found { division, .. } = find_subdivision(country, name)
        && division.parent().is_some()
    {
        return Some(division);
    }
    let code = (country == "SE").then(|| sweden::county(name)).flatten()?;
    lookup(Scheme::Iso3166_2, code)
}

/// Returns the county of a Swedish municipality or county by its number: `0180`, `01`.
pub(crate) fn of_swedish_number(number: &str) -> Option<&'static Division> {
    let county =
        number.trim().get(..2).filter(|county| county.bytes().all(|b| b.is_ascii_digit()))?;
    lookup(Scheme::Iso3166_2, &format!("SE-{county}"))
}

/// Returns a point on the earth.
pub(crate) fn point(latitude: &str, longitude: &str) -> Option<GeoPoint> {
    let latitude: f64 = latitude.trim().parse().ok()?;
    let longitude: f64 = longitude.trim().parse().ok()?;
    let is_on_earth = (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude);
    // Nobody works in the Gulf of Guinea; 0, 0 stands for not known.
    let is_known = latitude.abs() > 0.001 || longitude.abs() > 0.001;
    (is_on_earth && is_known).then_some(GeoPoint { latitude, longitude })
}

/// Returns the country of the top-level domain of an address of the web, where it is one.
pub(crate) fn country_of_url(url: &str) -> Option<&'static str> {
    let host = url.split("//").nth(1)?.split(['/', '?', '#', ':']).next()?;
    let domain = host.rsplit('.').next()?;
    if domain == "uk" { country_of("GB") } else { country_of(domain) }
}

#[cfg(test)]
mod tests {
    use crate::postings::import::draft::Draft;
    use crate::postings::import::places::{Site, add, country_of_url, of_swedish_number, point};

    #[test]
    fn the_smallest_division_is_found() {
        check("SE", &["Stockholms län"], "SE-AB");
        check("Sweden", &["Umeå"], "SE-AC Umeå");
        check("se", &["Huddinge Municipality"], "SE-AB Huddinge Municipality");
        check("SE", &["Atlantis"], "SE Atlantis");
        check("NO", &["Oslo"], "NO-03");
        check("CN", &["西湖区", "杭州市"], "330106");
        check("", &["杭州市"], "330100");
        check("", &["Sweden"], "SE");
        check("DE", &[], "DE");
        check("", &["Atlantis"], "");
        check("", &[], "");
    }

    #[test]
    fn one_place_on_several_levels_is_one_workplace() {
        let mut draft = Draft::default();
        let sites = ["Jämtlands län", "Östersund", "Sweden"].map(site);
        add(&mut draft, &sites, Some("SE"));
        assert_eq!(shown(&draft), "SE-Z Östersund");
    }

    #[test]
    fn places_are_known_by_number_point_and_domain() {
        assert_eq!(of_swedish_number("0180").unwrap().code(), "SE-AB");
        assert_eq!(of_swedish_number("14").unwrap().code(), "SE-O");
        assert!(of_swedish_number("99").is_none());
        assert!(of_swedish_number("x").is_none());
        assert!(point("59.3", "18.0").is_some());
        assert!(point("0.0", "0").is_none());
        assert!(point("91", "0").is_none());
        assert!(point("NaN", "0").is_none());
        assert_eq!(country_of_url("https://www.example.se/a"), Some("SE"));
        assert_eq!(country_of_url("https://www.example.com/a"), None);
    }

    fn site(name: &str) -> Site {
        Site { names: vec![name.to_owned()], town: name.to_owned(), ..Site::default() }
    }

    fn check(country: &str, names: &[&str], expected: &str) {
        let mut draft = Draft::default();
        let site = Site {
            country: country.to_owned(),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            town: names.first().map_or(String::new(), |name| (*name).to_owned()),
            ..Site::default()
        };
        add(&mut draft, &[site], None);
        assert_eq!(shown(&draft), expected, "{country} {names:?}");
    }

    fn shown(draft: &Draft) -> String {
        let places = draft.posting.workplaces.iter().map(|place| {
            let code = &place.division.as_ref().unwrap().code;
            format!("{code} {}", place.town).trim().to_owned()
        });
        places.collect::<Vec<_>>().join("; ")
    }
}
