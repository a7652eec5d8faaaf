//! Codes of occupations, wherever a file has them.
//!
//! A number without its list says nothing: 2512 is a class of ISCO-08 and another of a national
//! list. So a code is taken only where its form is that of one list, or where the file names it.

use crate::codes::occupations::{Resolution, Scheme, resolve};
use crate::pb::peshub::common::v1::{FindingCode, OccupationScheme};
use crate::postings::import::draft::Draft;

/// Adds an occupation to a draft; returns whether the code was understood.
///
/// `list` is what the file says the code is from: a name, a version or an address.
pub(crate) fn add(draft: &mut Draft, list: &str, code: &str) -> bool {
    let Some((scheme, code)) = recognise(list, code.trim()) else { return false };
    let (known, message) = match scheme {
        Scheme::Csco2022 => (resolve(scheme, &code), OccupationScheme::Csco2022),
        Scheme::Isco08 => (resolve(scheme, &code), OccupationScheme::Isco08),
        Scheme::Esco => (resolve(scheme, &code), OccupationScheme::Esco),
        Scheme::OnetSoc => (resolve(scheme, &code), OccupationScheme::OnetSoc),
    };
    match known {
        Resolution::Known(occupation) => draft.occupation(message, occupation.code()),
        Resolution::Carried => draft.occupation(message, &code),
        Resolution::Unknown { .. } => {
            let done = "left out: not a code of its list";
            draft.note("occupations", FindingCode::OccupationUnknown, done, &code);
        }
    }
    true
}

/// Adds a code whose list is named by a mapping; returns whether there is such a list.
pub(crate) fn is_list(list: &str) -> bool {
    Scheme::of_id(list).is_some()
}

fn recognise(list: &str, code: &str) -> Option<(Scheme, String)> {
    if let Some(scheme) = Scheme::of_id(list) {
        return Some((scheme, code.to_owned()));
    }
    if code.contains("data.europa.eu/esco/occupation/") {
        return Some((Scheme::Esco, code.to_owned()));
    }
    if let Some((_, number)) = code.split_once("data.europa.eu/esco/isco/C") {
        return Some((Scheme::Isco08, number.to_owned()));
    }
    let form: String = code.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    match form.as_str() {
        "99-9999.99" | "99-9999" => return Some((Scheme::OnetSoc, code.to_owned())),
        "9-99-99-99" | "9-99-99" => return Some((Scheme::Csco2022, code.to_owned())),
        _ => {}
    }
    let list = list.to_ascii_lowercase();
    let is_isco = list.contains("isco") && !list.contains("88");
    let number = code.trim_start_matches(['C', 'c']);
    (is_isco && number.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| (Scheme::Isco08, number.to_owned()))
}

#[cfg(test)]
mod tests {
    use crate::postings::import::draft::Draft;
    use crate::postings::import::occupations::add;

    #[test]
    fn a_code_is_taken_by_its_list_or_its_form() {
        check("ISCO2008", "7411", "2 7411");
        check("http://data.europa.eu/esco/ConceptScheme/ISCO2008", "C2512", "2 2512");
        check("", "http://data.europa.eu/esco/isco/C2512", "2 2512");
        check(
            "",
            "http://data.europa.eu/esco/occupation/258e46f9-0075-4a2e-adae-1ff0477e0f30",
            "3 http://data.europa.eu/esco/occupation/258e46f9-0075-4a2e-adae-1ff0477e0f30",
        );
        check("", "15-1252.00", "4 15-1252.00");
        check("csco-2022", "6-06-03-01", "1 6-06-03-01");
        check("ISCO-88", "7411", "");
        check("SSYK 2012", "2512", "");
        check("", "2512", "");
        check("ISCO2008", "9999", "");
        check("", "Sjuksköterskor", "");
    }

    fn check(list: &str, code: &str, expected: &str) {
        let mut draft = Draft::default();
        add(&mut draft, list, code);
        let shown = draft.posting.occupations.iter().map(|o| format!("{} {}", o.scheme, o.code));
        assert_eq!(shown.collect::<String>(), expected, "{list} {code}");
    }
}
