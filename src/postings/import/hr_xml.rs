//! HR-XML 3.2 PositionOpening, as EURES receives it.
//!
//! EURES writes NUTS codes into `CountrySubDivisionCode`. NUTS is no list of divisions here, so the
//! country decides where the posting belongs, and the code stays with the town.

use crate::pb::peshub::common::v1::FindingCode;
use crate::pb::peshub::postings::v1::{CloseReason, ContractTerm, IndustryCode, Pay, Schedule};
use crate::postings::import::draft::{Draft, Id, Read};
use crate::postings::import::pieces::Cutting;
use crate::postings::import::places::{self, Site};
use crate::postings::import::refusal::Refusal;
use crate::postings::import::tree::Element;
use crate::postings::import::words::dates::{Moment, Zone};
use crate::postings::import::words::employment;
use crate::postings::import::{Format, Options, RecordReader, occupations};

mod qualifications;
mod remuneration;

/// HR-XML 3.2.
pub(crate) const FORMAT: Format = Format {
    name: "hr-xml",
    extensions: &["xml"],
    sniff: |beginning| {
        let text = String::from_utf8_lossy(beginning);
        text.trim_start().starts_with('<') && text.contains("PositionOpening")
    },
    cutting: Cutting::Xml("PositionOpening"),
    reader: |options| Some(Box::new(Reader { options: options.clone() })),
};

#[derive(Debug)]
struct Reader {
    options: Options,
}

impl RecordReader for Reader {
    fn read(&mut self, record: &[u8]) -> Result<Option<Read>, Refusal> {
        let opening = Element::parse(record)?;
        let id = opening.string(&["DocumentID"]);
        let id = if id.is_empty() { Id::Missing } else { Id::Given(id) };
        let status = opening.string(&["PositionOpeningStatusCode"]).to_lowercase();
        let mut draft = Draft::default();
        let modified = opening.at(&["PositionProfile", "PositionDateInformation", "LastModified"]);
        let modified = draft.moment("source_updated_at", modified.map_or("", Element::text));
        draft.updated_at = modified.and_then(|at| at.begins(Zone::UTC));
        let reason = match status.as_str() {
            "closed" | "inactive" | "cancelled" | "canceled" | "withdrawn" => {
                CloseReason::Withdrawn
            }
            "filled" => CloseReason::Filled,
            "expired" => CloseReason::Expired,
            "incomplete" | "rejected" => CloseReason::Mistake,
            _ => return posting(draft, &opening, &self.options)?.finish(id).map(Some),
        };
        let valid_to = opening.attribute("validTo").to_owned();
        let closed = draft.moment("close.closed_at", &valid_to);
        draft.close(id, reason, closed.and_then(|at| at.begins(Zone::UTC))).map(Some)
    }
}

fn posting(mut draft: Draft, opening: &Element, options: &Options) -> Result<Draft, Refusal> {
    let Some(profile) = opening.at(&["PositionProfile"]) else {
        let expected = "a PositionProfile";
        return Err(Refusal::new("", FindingCode::Required, expected, ""));
    };
    draft.title(profile.string(&["PositionTitle"]));
    let description = ["PositionFormattedDescription", "PositionDescription"]
        .into_iter()
        .map(|name| profile.string(&[name, "Content"]))
        .find(|content| !content.is_empty())
        .unwrap_or_default();
    draft.description(description);
    let language = [profile.attribute("languageCode"), opening.attribute("languageCode")]
        .into_iter()
        .find(|language| !language.is_empty());
    draft.language(language.or(options.language.as_deref()).unwrap_or_default());
    employer(&mut draft, profile);
    let sites: Vec<Site> = profile.children("PositionLocation").map(site).collect();
    places::add(&mut draft, &sites, options.country.as_deref().and_then(places::country_of));
    categories(&mut draft, profile);
    kinds(&mut draft, profile);
    qualifications::read(&mut draft, profile);
    let pay: Option<Pay> = remuneration::read(&mut draft, profile);
    draft.pay(pay.unwrap_or_default());
    if let Ok(openings) = profile.string(&["PositionOpenQuantity"]).parse() {
        draft.openings(openings);
    }
    times(&mut draft, opening, profile);
    application(&mut draft, profile);
    Ok(draft)
}

fn employer(draft: &mut Draft, profile: &Element) {
    let Some(organisation) = profile.at(&["PositionOrganization"]) else { return };
    let identifiers = organisation.at(&["OrganizationIdentifiers"]).unwrap_or(organisation);
    draft.employer_name(identifiers.string(&["OrganizationName"]));
    draft.employer_url(organisation.string(&["OrganizationIdentifiers", "OrganizationURI"]));
    let country = profile.string(&["PositionLocation", "Address", "CountryCode"]);
    let scheme = match places::country_of(country) {
        Some(country) => format!("{country}-ORGNR"),
        None => "ORGNR".to_owned(),
    };
    draft.legal_id(&scheme, identifiers.string(&["OrganizationLegalID"]));
    if let Some(code) = organisation.at(&["IndustryCode"]) {
        let scheme = code.attribute("listName");
        let scheme = if (2..=40).contains(&scheme.len()) { scheme } else { "NACE-2" }.to_owned();
        let code = code.text().to_owned();
        if !code.is_empty() && code.chars().count() <= 40 {
            let code = IndustryCode { scheme, code };
            draft.posting.employer.get_or_insert_default().industry_code = Some(code);
        }
    }
    let description = organisation.string(&["OrganizationDescription"]).to_owned();
    let description = draft.prose("employer.description", &description, 10_000);
    draft.posting.employer.get_or_insert_default().description = description;
}

fn site(location: &Element) -> Site {
    let Some(address) = location.at(&["Address"]) else {
        let name = location.string(&["LocationName"]).to_owned();
        return Site { names: vec![name.clone()], town: name, ..Site::default() };
    };
    let lines: Vec<&str> = address.children("AddressLine").map(Element::text).collect();
    let town = address.string(&["CityName"]);
    let division = ["CountrySubDivisionCode", "CountrySubdivisionCode"]
        .into_iter()
        .map(|name| address.string(&[name]))
        .find(|code| !code.is_empty())
        .unwrap_or_default();
    let town_and_code = match (town.is_empty(), division.is_empty()) {
        (false, false) => format!("{town} ({division})"),
        _ => format!("{town}{division}"),
    };
    let is_iso = division.contains('-');
    let place = |name: &str| address.string(&["GeographicalPoint", name]).to_owned();
    Site {
        country: address.string(&["CountryCode"]).to_owned(),
        // A NUTS code is no name; it could be taken for a code of ISO 3166-2.
        names: [if is_iso { division } else { "" }, town].map(str::to_owned).to_vec(),
        town: if is_iso { town.to_owned() } else { town_and_code },
        address: lines.join(", "),
        postal_code: address.string(&["PostalCode"]).to_owned(),
        location: places::point(&place("Latitude"), &place("Longitude")),
    }
}

fn categories(draft: &mut Draft, profile: &Element) {
    for category in profile.children("JobCategoryCode") {
        let code = category.text();
        let lists = ["listName", "listURI", "listID"].map(|name| category.attribute(name));
        let list = lists.join(" ");
        if !code.is_empty() && !occupations::add(draft, &list, code) {
            let done = "left out: the list that the code is from is not known";
            draft.note("occupations", FindingCode::OccupationUnknown, done, code);
        }
    }
}

fn kinds(draft: &mut Draft, profile: &Element) {
    for name in ["PositionScheduleTypeCode", "PositionOfferingTypeCode"] {
        for given in profile.children(name).map(Element::text).filter(|text| !text.is_empty()) {
            let read = employment::read(given);
            if let Some(kind) = read.kind {
                draft.employment_type(kind);
            }
            if let Some(term) = read.term {
                draft.posting.contract_term = term.into();
            }
            let is_fixed = given == "TemporaryToHire" || given == "ContractToHire";
            if is_fixed {
                draft.posting.contract_term = ContractTerm::Fixed.into();
            } else if read.kind.is_none() && read.term.is_none() {
                let done = "left out: not a kind of employment that is known";
                draft.note("employment_types", FindingCode::UnknownChoice, done, given);
            }
        }
    }
    let schedule = profile.string(&["WorkingHours"]).to_owned();
    let text = draft.prose("schedule.text", &schedule, 1_000);
    if !text.is_empty() {
        draft.posting.schedule = Some(Schedule { text, ..Schedule::default() });
    }
}

fn times(draft: &mut Draft, opening: &Element, profile: &Element) {
    let from = draft.moment("validity.published_at", opening.attribute("validFrom"));
    draft.published(from.and_then(|from| from.begins(Zone::UTC)));
    let close = profile.string(&["ApplicationCloseDate"]);
    let close = if close.is_empty() { opening.attribute("validTo") } else { close };
    let close = draft.moment("validity.closes_at", close);
    draft.closes(close.and_then(|close| close.ends(Zone::UTC)));
    let start = profile.at(&["PositionPeriod", "StartDate"]);
    let start = start.map_or("", |start| match start.string(&["DateText"]) {
        "" => match start.string(&["FormattedDateTime"]) {
            "" => start.text(),
            date => date,
        },
        date => date,
    });
    // EURES demands a start; `na` stands for none.
    if !start.eq_ignore_ascii_case("na") {
        let start = draft.moment("starts_on", start);
        draft.posting.starts_on = start.map(Moment::day).unwrap_or_default();
    }
}

/// Reads how to apply: the instructions are an address, a link in HTML, or words.
fn application(draft: &mut Draft, profile: &Element) {
    let Some(method) = profile.at(&["PostingInstruction", "ApplicationMethod"]) else { return };
    let instructions = method.string(&["Instructions"]).to_owned();
    let link = instructions
        .split_once("href=\"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .map(|(link, _)| link.replace("&amp;", "&").replace("&#61;", "="));
    match link {
        Some(link) => draft.apply_url(&link),
        None if instructions.starts_with("http") && !instructions.contains(char::is_whitespace) => {
            draft.apply_url(&instructions);
        }
        None => draft.apply_text(&instructions),
    }
    let mut emails = Vec::new();
    method.all("URI", &mut emails);
    for email in emails.iter().map(|uri| uri.text()).filter(|text| text.contains('@')) {
        draft.apply_email(email.trim_start_matches("mailto:"));
    }
}
