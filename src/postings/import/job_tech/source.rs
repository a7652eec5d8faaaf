//! Ads as employers send them to Arbetsförmedlingen.

use serde_json::Value;

use crate::postings::import::job_tech::ad::{Ad, joined, terms};
use crate::postings::import::places::{self, Site};
use crate::postings::import::values::{at, first, is_true, items, string, whole};

pub(crate) fn read(value: &Value) -> Ad {
    let s = |path: &[&str]| string(value, path);
    let experience = items(at(value, &["yrkeserfarenheter"])).map(|experience| {
        let level = string(experience, &["erfarenhetsniva", "namn"]);
        joined(&[string(experience, &["namn"]), level], " – ")
    });
    let education = terms(at(value, &["utbildningsniva"]), "namn", "vikt", true);
    Ad {
        id: first(value, &["annonsId", "id"]),
        is_removed: is_true(at(value, &["avpublicerad"])),
        removed: s(&["avpubliceringsdatum"]),
        updated: s(&["updatedAt"]),
        title: s(&["annonsrubrik"]),
        description: first(value, &["annonstextFormaterad", "annonstext"]),
        employer: first(value, &["arbetsgivareNamn", "arbetsplatsNamn"]),
        organisation_number: s(&["organisationsnummer"]),
        employer_url: s(&["webbadress"]),
        sites: vec![site(value)],
        category: s(&["yrkesroll", "namn"]),
        openings: whole(at(value, &["antalPlatser"])),
        kinds: vec![
            s(&["anstallningTyp", "namn"]),
            s(&["varaktighetTyp", "namn"]),
            s(&["arbetstidTyp", "namn"]),
        ],
        conditions: s(&["villkorsbeskrivning"]),
        starts: s(&["tilltrade"]),
        pay: joined(&[s(&["lonebeskrivning"]), s(&["lonTyp", "namn"])], " – "),
        education: education.into_iter().map(|(word, _)| word).collect(),
        experience: experience.filter(|text| !text.is_empty()).collect(),
        experience_required: at(value, &["ingenErfarenhetKravs"]).as_bool().map(|none| !none),
        skills: terms(at(value, &["kompetenser"]), "namn", "vikt", true),
        languages: terms(at(value, &["sprak"]), "namn", "vikt", true),
        licences: items(at(value, &["korkort"]))
            .map(|licence| string(licence, &["namn"]))
            .collect(),
        published: s(&["publiceringsdatum"]),
        closes: first(value, &["sistaAnsokningsdatum", "sistaPubliceringsdatum"]),
        apply_url: s(&["ansokningssattWebbadress"]),
        apply_email: s(&["ansokningssattEpost"]),
        apply_reference: s(&["referens"]),
        apply_text: s(&["informationAnsokningssatt"]),
        ..Ad::default()
    }
}

fn site(value: &Value) -> Site {
    let address = at(value, &["arbetsplatsadress"]);
    let s = |path: &[&str]| string(address, path);
    let number = [s(&["lan", "varde"]), s(&["kommun", "varde"])];
    let county = number.iter().find_map(|number| places::of_swedish_number(number));
    let town = s(&["kommun", "namn"]);
    Site {
        country: s(&["land"]),
        names: vec![
            county.map_or(String::new(), |county| county.code().to_owned()),
            s(&["lan", "namn"]),
            town.clone(),
            s(&["postort"]),
        ],
        town: if town.is_empty() { s(&["postort"]) } else { town },
        address: s(&["gatuadress"]),
        postal_code: s(&["postnr"]),
        location: places::point(&s(&["latitud"]), &s(&["longitud"])),
    }
}
