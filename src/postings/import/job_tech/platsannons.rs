//! Ads as Platsbanken publishes them.

use serde_json::Value;

use crate::postings::import::job_tech::ad::{Ad, category, joined, terms};
use crate::postings::import::places::{self, Site};
use crate::postings::import::values::{at, string, whole};

pub(crate) fn read(value: &Value) -> Ad {
    let s = |path: &[&str]| string(value, path);
    let both = |name: &str| {
        let must = terms(at(value, &["krav", name]), "term", "vikt", true);
        let helps = terms(at(value, &["meriterande", name]), "term", "vikt", false);
        must.into_iter().chain(helps).collect::<Vec<_>>()
    };
    let words = |name: &str| {
        let must = terms(at(value, &["krav", name]), "term", "vikt", true);
        must.into_iter().map(|(word, _)| word).collect::<Vec<_>>()
    };
    let s_number = s(&["yrkesgrupp", "taxonomi-kod"]);
    let texts = ["annonstext", "information"].map(|name| s(&["beskrivning", name]));
    Ad {
        id: s(&["id"]),
        is_removed: at(value, &["status", "publicerad"]).as_bool() == Some(false),
        updated: s(&["timestamp"]),
        title: s(&["rubrik"]),
        description: joined(&texts, "\n\n"),
        employer: [&["arbetsgivare", "namn"], &["arbetsgivare", "arbetsplats"]]
            .into_iter()
            .map(|path| s(path))
            .find(|name| !name.is_empty())
            .unwrap_or_default(),
        organisation_number: s(&["arbetsgivare", "organisationsnummer"]),
        employer_url: s(&["arbetsgivare", "webbadress"]),
        sites: vec![site(value)],
        category: category(&s(&["yrkesroll", "term"]), &s(&["yrkesgrupp", "term"]), &s_number),
        openings: whole(at(value, &["antal_platser"])),
        kinds: ["anstallningstyp", "varaktighet", "arbetstidstyp"]
            .map(|name| s(&[name, "term"]))
            .to_vec(),
        scope_min: whole(at(value, &["arbetsomfattning", "min"])),
        scope_max: whole(at(value, &["arbetsomfattning", "max"])),
        conditions: s(&["beskrivning", "villkor"]),
        starts: s(&["tilltrade"]),
        pay: s(&["lonetyp", "term"]),
        education: [words("utbildningsniva"), words("utbildningsinriktning")].concat(),
        experience: words("yrkeserfarenheter"),
        experience_required: at(value, &["erfarenhet_kravs"]).as_bool(),
        skills: both("kompetenser"),
        languages: both("sprak"),
        needs: joined(&["krav", "behov"].map(|name| s(&["beskrivning", name])), "\n\n"),
        published: s(&["publiceringsdatum"]),
        closes: s(&["sista_ansokningsdatum"]),
        apply_url: s(&["ansokningsdetaljer", "webbadress"]),
        apply_email: s(&["ansokningsdetaljer", "epost"]),
        apply_reference: s(&["ansokningsdetaljer", "referens"]),
        apply_text: joined(
            &["information", "annat"].map(|name| s(&["ansokningsdetaljer", name])),
            "\n\n",
        ),
        ..Ad::default()
    }
}

fn site(value: &Value) -> Site {
    let address = at(value, &["arbetsplatsadress"]);
    let s = |name: &str| string(address, &[name]);
    let county =
        [s("lanskod"), s("kommunkod")].iter().find_map(|number| places::of_swedish_number(number));
    let coordinate = |index: usize| {
        let coordinates = at(address, &["coordinates"]);
        coordinates.get(index).map(ToString::to_string).unwrap_or_default()
    };
    let town = s("kommun");
    Site {
        country: s("land"),
        names: vec![
            county.map_or(String::new(), |county| county.code().to_owned()),
            s("lan"),
            town.clone(),
            s("postort"),
        ],
        town: if town.is_empty() { s("postort") } else { town },
        address: s("gatuadress"),
        postal_code: s("postnummer"),
        // Longitude comes first, as in GeoJSON.
        location: places::point(&coordinate(1), &coordinate(0)),
    }
}
