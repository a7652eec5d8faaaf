//! Where the work is: cities by size, their counties, and codes that are retired.

use std::sync::LazyLock;

use rand::RngExt;
use rand::rngs::StdRng;

use crate::samples::draw;

/// Made from GB/T 2260 (edition 2026) and the census of 2020.
const CITIES: &str = include_str!("data/cities.tsv");
/// Made from the changes of GB/T 2260 since 2000.
const RETIRED: &str = include_str!("data/retired.tsv");

/// The cities that platforms' postings concentrate on. The measured set was searched in just these
/// four, with shares of 29.8, 24.2, 22.6 and 22.6 per cent; here they weigh four times their residents.
const FIRST_TIER: [&str; 4] = ["110000", "310000", "440100", "440300"];
const FIRST_TIER_FACTOR: u64 = 4;
/// Cities from this many residents on (in 10,000) weigh twice.
const LARGE_RESIDENTS: u64 = 900;

/// A city with its counties.
#[derive(Debug)]
pub(crate) struct City {
    /// Code of GB/T 2260.
    pub(crate) code: &'static str,
    /// Name without 市.
    pub(crate) name: &'static str,
    /// Pay in per cent of that in the first tier.
    pub(crate) pay_percent: i64,
    /// Latitude and longitude of the centre, in hundredths of a degree.
    pub(crate) centre: (i64, i64),
    /// Counties; the city itself where it has none.
    pub(crate) counties: Vec<Place>,
    weight: u64,
}

/// A division as a posting names it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// Code of GB/T 2260.
    pub(crate) code: &'static str,
    /// Official name.
    pub(crate) name: &'static str,
}

struct Places {
    cities: Vec<City>,
    sums: Vec<u64>,
    retired: Vec<(Place, &'static str)>,
}

static PLACES: LazyLock<Places> = LazyLock::new(Places::load);

impl Places {
    fn load() -> Self {
        let cities: Vec<City> = lines(CITIES).filter_map(City::read).collect();
        let mut sum = 0;
        let sums = cities
            .iter()
            .map(|city| {
                sum += city.weight;
                sum
            })
            .collect();
        let retired = lines(RETIRED).filter_map(|line| {
            let mut columns = line.split('\t');
            let place = Place { code: columns.next()?, name: columns.next()? };
            Some((place, columns.next()?))
        });
        Self { retired: retired.collect(), cities, sums }
    }
}

impl City {
    fn read(line: &'static str) -> Option<Self> {
        let mut columns = line.split('\t');
        let (code, name) = (columns.next()?, columns.next()?);
        let residents: u64 = columns.next()?.parse().ok()?;
        let centre = (columns.next()?.parse().ok()?, columns.next()?.parse().ok()?);
        let counties = columns.next()?.split(' ').filter_map(Place::read).collect();
        let (factor, pay_percent) = if FIRST_TIER.contains(&code) {
            (FIRST_TIER_FACTOR, 100)
        } else if residents >= LARGE_RESIDENTS {
            (2, 78)
        } else {
            (1, 65)
        };
        Some(Self { code, name, pay_percent, centre, counties, weight: residents * factor })
    }
}

impl Place {
    fn read(text: &'static str) -> Option<Self> {
        let (code, name) = text.split_at_checked(6)?;
        Some(Self { code, name })
    }
}

fn lines(table: &'static str) -> impl Iterator<Item = &'static str> {
    table.lines().filter(|line| !line.starts_with('#'))
}

/// Returns a city as often as its size says.
pub(crate) fn city(rng: &mut StdRng) -> Option<&'static City> {
    let total = PLACES.sums.last().copied().filter(|total| *total > 0)?;
    let at = rng.random_range(0..total);
    PLACES.cities.get(PLACES.sums.partition_point(|sum| *sum <= at))
}

/// Returns a retired division with the city that its successor is in.
pub(crate) fn retired(rng: &mut StdRng) -> Option<(Place, &'static City)> {
    let index = draw::below(rng, PLACES.retired.len());
    let (place, successor) = PLACES.retired.get(index)?;
    Some((*place, city_of(successor)?))
}

/// Returns the city that a division is in or is.
pub(crate) fn city_of(code: &str) -> Option<&'static City> {
    let code = current(code);
    PLACES.cities.iter().find(|city| city.counties.iter().any(|county| county.code == code))
}

/// Returns the code that stands today for one that a generated posting carries.
pub(crate) fn current(code: &str) -> &str {
    let found = PLACES.retired.iter().find(|(place, _)| place.code == code);
    found.map_or(code, |(_, successor)| successor)
}

/// Returns whether a generated posting's code is a retired one.
pub(crate) fn is_retired(code: &str) -> bool {
    PLACES.retired.iter().any(|(place, _)| place.code == code)
}

#[cfg(test)]
pub(crate) fn every_code() -> impl Iterator<Item = (&'static str, &'static str)> {
    let counties = PLACES.cities.iter().flat_map(|city| &city.counties);
    let cities = PLACES.cities.iter().map(|city| (city.code, city.code));
    let retired = PLACES.retired.iter().map(|(place, successor)| (place.code, *successor));
    counties.map(|county| (county.code, county.code)).chain(cities).chain(retired)
}
