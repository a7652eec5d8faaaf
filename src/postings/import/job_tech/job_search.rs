//! Ads of `JobSearch` and `JobStream`; a removed one is a close.

use serde_json::Value;

use crate::postings::import::job_tech::ad::{Ad, category, joined, terms};
use crate::postings::import::places::{self, Site};
use crate::postings::import::values::{at, first, is_true, items, string, whole};

pub(crate) fn read(value: &Value) -> Ad {
    let s = |path: &[&str]| string(value, path);
    let both = |name: &str| {
        let must = terms(at(value, &["must_have", name]), "label", "weight", true);
        let helps = terms(at(value, &["nice_to_have", name]), "label", "weight", false);
        must.into_iter().chain(helps).collect::<Vec<_>>()
    };
    let words = |name: &str| {
        let must = terms(at(value, &["must_have", name]), "label", "weight", true);
        must.into_iter().map(|(word, _)| word).collect::<Vec<_>>()
    };
    // Occupations are one object in some versions and a list of one in others.
    let label = |name: &str, field: &str| {
        items(at(value, &[name])).next().map(|term| string(term, &[field])).unwrap_or_default()
    };
    let group = label("occupation_group", "label");
    let number = label("occupation_group", "legacy_ams_taxonomy_id");
    let page = s(&["webpage_url"]);
    Ad {
        id: s(&["id"]),
        is_removed: is_true(at(value, &["removed"])),
        removed: s(&["removed_date"]),
        updated: s(&["timestamp"]),
        title: s(&["headline"]),
        description: first(at(value, &["description"]), &["text_formatted", "text"]),
        employer: first(at(value, &["employer"]), &["name", "workplace"]),
        organisation_number: s(&["employer", "organization_number"]),
        employer_url: s(&["employer", "url"]),
        sites: items(at(value, &["workplace_address"])).map(site).collect(),
        category: category(&label("occupation", "label"), &group, &number),
        openings: whole(at(value, &["number_of_vacancies"])),
        kinds: ["employment_type", "duration", "working_hours_type"]
            .map(|name| label(name, "label"))
            .to_vec(),
        scope_min: whole(at(value, &["scope_of_work", "min"])),
        scope_max: whole(at(value, &["scope_of_work", "max"])),
        conditions: s(&["description", "conditions"]),
        starts: s(&["access"]),
        pay: joined(&[s(&["salary_description"]), label("salary_type", "label")], " – "),
        education: [words("education_level"), words("education")].concat(),
        experience: words("work_experiences"),
        experience_required: at(value, &["experience_required"]).as_bool(),
        skills: both("skills"),
        languages: both("languages"),
        licences: items(at(value, &["driving_license"]))
            .map(|licence| string(licence, &["label"]))
            .collect(),
        needs: joined(&["requirements", "needs"].map(|name| s(&["description", name])), "\n\n"),
        published: s(&["publication_date"]),
        closes: first(value, &["application_deadline", "last_publication_date"]),
        apply_url: s(&["application_details", "url"]),
        apply_email: s(&["application_details", "email"]),
        apply_reference: s(&["application_details", "reference"]),
        apply_text: joined(
            &["information", "other"].map(|name| s(&["application_details", name])),
            "\n\n",
        ),
        links: if page.is_empty() { Vec::new() } else { vec![(page, String::new())] },
    }
}

fn site(address: &Value) -> Site {
    let s = |name: &str| string(address, &[name]);
    let is_abroad = places::country_of(&s("country")).is_some_and(|country| country != "SE");
    let county = [s("region_code"), s("municipality_code")]
        .iter()
        .find_map(|number| places::of_swedish_number(number))
        .filter(|_| !is_abroad);
    let coordinate = |index: usize| {
        let coordinates = at(address, &["coordinates"]);
        coordinates.get(index).map(ToString::to_string).unwrap_or_default()
    };
    let town = s("municipality");
    Site {
        country: s("country"),
        names: vec![
            county.map_or(String::new(), |county| county.code().to_owned()),
            s("region"),
            town.clone(),
            s("city"),
        ],
        town: if town.is_empty() { s("city") } else { town },
        address: s("street_address"),
        postal_code: s("postcode"),
        location: places::point(&coordinate(1), &coordinate(0)),
    }
}
