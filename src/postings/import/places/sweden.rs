//! The municipalities of Sweden by county.
//!
//! Swedish postings name the municipality or its main town, never the county. Source: Statistics
//! Sweden (SCB), Län och kommuner i kodnummerordning, edition 2024: 21 counties, 290
//! municipalities.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::postings::import::words::texts;

const MUNICIPALITIES: [(&str, &str); 21] = [
    (
        "SE-AB",
        "Upplands Väsby,Vallentuna,Österåker,Värmdö,Järfälla,Ekerö,Huddinge,Botkyrka,Salem,Haninge,\
         Tyresö,Upplands-Bro,Nykvarn,Täby,Danderyd,Sollentuna,Stockholm,Södertälje,Nacka,\
         Sundbyberg,Solna,Lidingö,Vaxholm,Norrtälje,Sigtuna,Nynäshamn",
    ),
    ("SE-C", "Håbo,Älvkarleby,Knivsta,Heby,Tierp,Uppsala,Enköping,Östhammar"),
    ("SE-D", "Vingåker,Gnesta,Nyköping,Oxelösund,Flen,Katrineholm,Eskilstuna,Strängnäs,Trosa"),
    (
        "SE-E",
        "Ödeshög,Ydre,Kinda,Boxholm,Åtvidaberg,Finspång,Valdemarsvik,Linköping,Norrköping,\
         Söderköping,Motala,Vadstena,Mjölby",
    ),
    (
        "SE-F",
        "Aneby,Gnosjö,Mullsjö,Habo,Gislaved,Vaggeryd,Jönköping,Nässjö,Värnamo,Sävsjö,Vetlanda,\
         Eksjö,Tranås",
    ),
    ("SE-G", "Uppvidinge,Lessebo,Tingsryd,Alvesta,Älmhult,Markaryd,Växjö,Ljungby"),
    (
        "SE-H",
        "Högsby,Torsås,Mörbylånga,Hultsfred,Mönsterås,Emmaboda,Kalmar,Nybro,Oskarshamn,Västervik,\
         Vimmerby,Borgholm",
    ),
    ("SE-I", "Gotland"),
    ("SE-K", "Olofström,Karlskrona,Ronneby,Karlshamn,Sölvesborg"),
    (
        "SE-M",
        "Svalöv,Staffanstorp,Burlöv,Vellinge,Östra Göinge,Örkelljunga,Bjuv,Kävlinge,Lomma,Svedala,\
         Skurup,Sjöbo,Hörby,Höör,Tomelilla,Bromölla,Osby,Perstorp,Klippan,Åstorp,Båstad,Malmö,Lund,\
         Landskrona,Helsingborg,Höganäs,Eslöv,Ystad,Trelleborg,Kristianstad,Simrishamn,Ängelholm,\
         Hässleholm",
    ),
    ("SE-N", "Hylte,Halmstad,Laholm,Falkenberg,Varberg,Kungsbacka"),
    (
        "SE-O",
        "Härryda,Partille,Öckerö,Stenungsund,Tjörn,Orust,Sotenäs,Munkedal,Tanum,Dals-Ed,Färgelanda,\
         Ale,Lerum,Vårgårda,Bollebygd,Grästorp,Essunga,Karlsborg,Gullspång,Tranemo,Bengtsfors,\
         Mellerud,Lilla Edet,Mark,Svenljunga,Herrljunga,Vara,Götene,Tibro,Töreboda,Göteborg,Mölndal,\
         Kungälv,Lysekil,Uddevalla,Strömstad,Vänersborg,Trollhättan,Alingsås,Borås,Ulricehamn,Åmål,\
         Mariestad,Lidköping,Skara,Skövde,Hjo,Tidaholm,Falköping",
    ),
    (
        "SE-S",
        "Kil,Eda,Torsby,Storfors,Hammarö,Munkfors,Forshaga,Grums,Årjäng,Sunne,Karlstad,\
         Kristinehamn,Filipstad,Hagfors,Arvika,Säffle",
    ),
    (
        "SE-T",
        "Lekeberg,Laxå,Hallsberg,Degerfors,Hällefors,Ljusnarsberg,Örebro,Kumla,Askersund,Karlskoga,\
         Nora,Lindesberg",
    ),
    (
        "SE-U",
        "Skinnskatteberg,Surahammar,Kungsör,Hallstahammar,Norberg,Västerås,Sala,Fagersta,Köping,\
         Arboga",
    ),
    (
        "SE-W",
        "Vansbro,Malung-Sälen,Gagnef,Leksand,Rättvik,Orsa,Älvdalen,Smedjebacken,Mora,Falun,\
         Borlänge,Säter,Hedemora,Avesta,Ludvika",
    ),
    (
        "SE-X",
        "Ockelbo,Hofors,Ovanåker,Nordanstig,Ljusdal,Gävle,Sandviken,Söderhamn,Bollnäs,Hudiksvall",
    ),
    ("SE-Y", "Ånge,Timrå,Härnösand,Sundsvall,Kramfors,Sollefteå,Örnsköldsvik"),
    ("SE-Z", "Ragunda,Bräcke,Krokom,Strömsund,Åre,Berg,Härjedalen,Östersund"),
    (
        "SE-AC",
        "Nordmaling,Bjurholm,Vindeln,Robertsfors,Norsjö,Malå,Storuman,Sorsele,Dorotea,Vännäs,\
         Vilhelmina,Åsele,Umeå,Lycksele,Skellefteå",
    ),
    (
        "SE-BD",
        "Arvidsjaur,Arjeplog,Jokkmokk,Överkalix,Kalix,Övertorneå,Pajala,Gällivare,Älvsbyn,Luleå,\
         Piteå,Boden,Haparanda,Kiruna",
    ),
];

static COUNTIES: LazyLock<HashMap<String, &'static str>> = LazyLock::new(|| {
    let pairs = MUNICIPALITIES
        .iter()
        .flat_map(|(county, names)| names.split(',').map(|name| (texts::plain(name), *county)));
    // English and local names that are no municipality's.
    let others = [("gothenburg", "SE-O"), ("visby", "SE-I"), ("kista", "SE-AB")];
    pairs.chain(others.map(|(name, county)| (name.to_owned(), county))).collect()
});

/// Returns the ISO 3166-2 code of the county that a municipality is in.
pub(crate) fn county(name: &str) -> Option<&'static str> {
    let plain = texts::plain(name);
    let bare = ["s kommun", " kommun", " municipality", "s stad", " stad"]
        .iter()
        .find_map(|kind| plain.strip_suffix(kind));
    [Some(plain.as_str()), bare].into_iter().flatten().find_map(|name| COUNTIES.get(name)).copied()
}

#[cfg(test)]
mod tests {
    use crate::codes::divisions::{Scheme, lookup};
    use crate::postings::import::places::sweden::{COUNTIES, MUNICIPALITIES, county};

    #[test]
    fn every_municipality_has_its_county() {
        let names: usize = MUNICIPALITIES.iter().map(|(_, names)| names.split(',').count()).sum();
        assert_eq!(names, 290);
        assert_eq!(COUNTIES.len(), 293);
        for (code, _) in MUNICIPALITIES {
            assert!(lookup(Scheme::Iso3166_2, code).is_some(), "{code}");
        }
    }

    #[test]
    fn municipalities_are_found_as_people_write_them() {
        for (name, code) in [
            ("Örnsköldsvik", Some("SE-Y")),
            ("KIRUNA", Some("SE-BD")),
            ("Borlänge kommun", Some("SE-W")),
            ("Stockholms stad", Some("SE-AB")),
            ("Huddinge Municipality", Some("SE-AB")),
            ("Hindås", None),
        ] {
            assert_eq!(county(name), code, "{name}");
        }
    }
}
