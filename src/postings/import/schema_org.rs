//! schema.org JobPosting in JSON-LD: lines, an array, one object, or an `@graph`.
//!
//! The vocabulary allows nearly every shape for nearly every property; each is read in the shapes
//! that boards publish. Descriptions keep their HTML.

use serde_json::Value;

use crate::pb::peshub::common::v1::FindingCode;
use crate::pb::peshub::postings::v1::{Employer, EmploymentType, IndustryCode, Schedule, WorkMode};
use crate::postings::import::draft::{Draft, Id, Read};
use crate::postings::import::pieces::Cutting;
use crate::postings::import::places::{self, Site};
use crate::postings::import::refusal::Refusal;
use crate::postings::import::values::{at, first, is_true, items, parse, string, text, whole};
use crate::postings::import::words::dates::{Moment, Zone};
use crate::postings::import::words::employment;
use crate::postings::import::{Format, Options, RecordReader, occupations};

mod requirements;
mod salary;

pub(crate) use crate::postings::import::schema_org::salary::{is_currency, unit as pay_unit};

/// schema.org JobPosting.
pub(crate) const FORMAT: Format = Format {
    name: "schema-org",
    extensions: &["jsonl", "json", "jsonld", "ndjson"],
    sniff,
    cutting: Cutting::Json,
    reader: |options| Some(Box::new(Reader { options: options.clone() })),
};

fn sniff(beginning: &[u8]) -> bool {
    let text = String::from_utf8_lossy(beginning);
    text.trim_start().starts_with(['{', '[']) && text.contains("JobPosting")
}

#[derive(Debug)]
struct Reader {
    options: Options,
}

impl RecordReader for Reader {
    fn read(&mut self, record: &[u8]) -> Result<Option<Read>, Refusal> {
        let mut value = parse(record)?;
        // An item of an ItemList holds the posting.
        if let Some(item) = value.get_mut("item") {
            value = item.take();
        }
        let kinds: Vec<_> = items(at(&value, &["@type"])).filter_map(text).collect();
        let is_posting = kinds.iter().any(|kind| kind.ends_with("JobPosting"));
        if !is_posting && !kinds.is_empty() {
            return Ok(None);
        }
        posting(&value, &self.options).map(Some)
    }
}

fn posting(value: &Value, options: &Options) -> Result<Read, Refusal> {
    let mut draft = Draft::default();
    draft.title(&first(value, &["title", "name"]));
    draft.description(&string(value, &["description"]));
    let language = first(value, &["inLanguage", "@language"]);
    draft
        .language(options.language.as_deref().filter(|_| language.is_empty()).unwrap_or(&language));
    employer(&mut draft, value);
    workplaces(&mut draft, value, options);
    employment(&mut draft, value);
    salary::read(&mut draft, value);
    requirements::read(&mut draft, value);
    categories(&mut draft, value);
    if let Some(openings) = whole(at(value, &["totalJobOpenings"])) {
        draft.openings(openings);
    }
    for benefit in items(at(value, &["jobBenefits"])).filter_map(text) {
        draft.benefit(&benefit);
    }
    times(&mut draft, value);
    application(&mut draft, value);
    let id = identifier(value);
    draft.finish(id.as_deref().map_or(Id::Missing, Id::Given))
}

/// Returns the identifier: a text, the value of a `PropertyValue`, or the address of the posting.
fn identifier(value: &Value) -> Option<String> {
    let identifiers = items(at(value, &["identifier"]));
    identifiers
        .filter_map(|identifier| {
            text(identifier)
                .map(std::borrow::Cow::into_owned)
                .or_else(|| Some(first(identifier, &["value", "@id", "name"])))
        })
        .chain([string(value, &["url"]), string(value, &["@id"])])
        .find(|id| !id.is_empty())
}

fn employer(draft: &mut Draft, value: &Value) {
    let organisation = at(value, &["hiringOrganization"]);
    let organisation = items(organisation).next().unwrap_or(&Value::Null);
    let name = text(organisation)
        .map_or_else(|| first(organisation, &["name", "legalName"]), std::borrow::Cow::into_owned);
    draft.employer_name(&name);
    draft.employer_url(&first(organisation, &["url", "sameAs"]));
    let description =
        draft.prose("employer.description", &string(organisation, &["description"]), 10_000);
    let industry = items(at(value, &["industry"]))
        .find_map(|industry| text(industry).map(std::borrow::Cow::into_owned))
        .unwrap_or_else(|| first(at(value, &["industry"]), &["name", "codeValue"]));
    let industry = draft.line("employer.industry", &industry, 200);
    let employer: &mut Employer = draft.posting.employer.get_or_insert_default();
    employer.description = description;
    employer.industry = industry;
    for (scheme, name) in [("LEI", "leiCode"), ("VAT", "vatID"), ("DUNS", "duns")] {
        draft.legal_id(scheme, &string(organisation, &[name]));
    }
    for (scheme, name) in [("ISIC-4", "isicV4"), ("NAICS", "naics")] {
        let code = string(organisation, &[name]);
        if !code.is_empty() && code.chars().count() <= 40 {
            let code = IndustryCode { scheme: scheme.to_owned(), code };
            draft.posting.employer.get_or_insert_default().industry_code = Some(code);
            break;
        }
    }
}

fn workplaces(draft: &mut Draft, value: &Value, options: &Options) {
    let is_remote = items(at(value, &["jobLocationType"]))
        .filter_map(text)
        .any(|kind| kind.eq_ignore_ascii_case("TELECOMMUTE"));
    let mut sites: Vec<Site> = items(at(value, &["jobLocation"])).map(site).collect();
    if is_remote {
        draft.posting.work_mode = WorkMode::Remote.into();
        // Where applicants must live decides which bureaus are told.
        let countries = items(at(value, &["applicantLocationRequirements"]));
        sites.extend(countries.map(site));
    }
    let said = options.country.as_deref().and_then(places::country_of);
    let url = string(value, &["url"]);
    let country = said.or_else(|| places::country_of_url(&url));
    let says_country = sites.iter().any(|site| {
        !site.country.is_empty() || site.names.iter().any(|name| places::country_of(name).is_some())
    });
    if let Some(country) = country.filter(|_| said.is_none() && !says_country && !sites.is_empty())
    {
        let done = format!("places were sought in {country}, as the address of the posting says");
        draft.note("workplaces", FindingCode::DivisionUnknown, &done, &url);
    }
    places::add(draft, &sites, country);
}

/// Reads a `Place`, a `PostalAddress`, an `AdministrativeArea` or the name of any.
fn site(place: &Value) -> Site {
    let address = match at(place, &["address"]) {
        Value::Null => place,
        address => items(address).next().unwrap_or(place),
    };
    let country = at(address, &["addressCountry"]);
    let country = text(country)
        .map_or_else(|| first(country, &["identifier", "name"]), std::borrow::Cow::into_owned);
    let town = string(address, &["addressLocality"]);
    let name = text(address)
        .map_or_else(|| first(address, &["name", "address"]), std::borrow::Cow::into_owned);
    let region = string(address, &["addressRegion"]);
    let geo = at(place, &["geo"]);
    let is_whole_country =
        at(place, &["@type"]).as_str() == Some("Country") || places::country_of(&name).is_some();
    Site {
        country: if country.is_empty() && is_whole_country { name.clone() } else { country },
        town: if town.is_empty() { name.clone() } else { town.clone() },
        names: [town, region, name].into_iter().filter(|name| !name.is_empty()).collect(),
        address: string(address, &["streetAddress"]),
        postal_code: string(address, &["postalCode"]),
        location: places::point(&string(geo, &["latitude"]), &string(geo, &["longitude"])),
    }
}

fn employment(draft: &mut Draft, value: &Value) {
    let given: Vec<_> = items(at(value, &["employmentType"])).filter_map(text).collect();
    for part in given.iter().flat_map(|given| employment::parts(given)) {
        let read = employment::read(part);
        if let Some(kind) = read.kind {
            draft.employment_type(kind);
        }
        if let Some(term) = read.term {
            draft.posting.contract_term = term.into();
        }
        if read.kind.is_none() && read.term.is_none() {
            let done = "left out: not a kind of employment that is known";
            draft.note("employment_types", FindingCode::UnknownChoice, done, part);
        }
    }
    let hours = text(at(value, &["workHours"])).unwrap_or_default();
    let hours = draft.prose("schedule.text", &hours, 1_000);
    if !hours.is_empty() {
        draft.posting.schedule = Some(Schedule { text: hours, ..Schedule::default() });
    }
    if is_true(at(value, &["employmentUnit", "seasonal"])) {
        draft.employment_type(EmploymentType::Seasonal);
    }
}

/// Reads what kind of work it is; words that are no code are the category of the source.
fn categories(draft: &mut Draft, value: &Value) {
    let own = items(at(value, &["occupationalCategory"]));
    let relevant = items(at(value, &["relevantOccupation"]));
    let mut words: Vec<String> = Vec::new();
    for occupation in relevant {
        let name = text(occupation)
            .map_or_else(|| first(occupation, &["name", "title"]), std::borrow::Cow::into_owned);
        words.push(name);
        for category in items(at(occupation, &["occupationalCategory"])) {
            category_code(draft, category);
        }
    }
    for category in own {
        words.extend(category_code(draft, category));
    }
    words.retain(|word| !word.is_empty());
    words.dedup();
    draft.category(&words.join(", "));
}

/// Takes a code over; returns the words that are none.
fn category_code(draft: &mut Draft, category: &Value) -> Option<String> {
    if let Some(text) = text(category) {
        // `15-1252.00 Software Developers` is a code and its name.
        let code = text.split([' ', ',']).next().unwrap_or_default();
        return (!occupations::add(draft, "", code)).then(|| text.into_owned());
    }
    let set = at(category, &["inCodeSet"]);
    let list = self::text(set)
        .map_or_else(|| first(set, &["name", "@id", "url"]), std::borrow::Cow::into_owned);
    let code = first(category, &["codeValue", "@id", "url"]);
    let name = string(category, &["name"]);
    if occupations::add(draft, &list, &code) {
        return None;
    }
    if !code.is_empty() {
        let done = "left out: the list that the code is from is not known";
        draft.note("occupations", FindingCode::OccupationUnknown, done, &code);
    }
    (!name.is_empty()).then_some(name)
}

fn times(draft: &mut Draft, value: &Value) {
    let posted = draft.moment("validity.published_at", &string(value, &["datePosted"]));
    draft.published(posted.and_then(|posted| posted.begins(Zone::UTC)));
    let until = draft.moment("validity.closes_at", &string(value, &["validThrough"]));
    draft.closes(until.and_then(|until| until.ends(Zone::UTC)));
    let modified = draft.moment("source_updated_at", &string(value, &["dateModified"]));
    draft.updated_at = modified.and_then(|modified| modified.begins(Zone::UTC));
    let starts = draft.moment("starts_on", &string(value, &["jobStartDate"]));
    draft.posting.starts_on = starts.map(Moment::day).unwrap_or_default();
}

fn application(draft: &mut Draft, value: &Value) {
    let url = string(value, &["url"]);
    if !url.is_empty() {
        draft.link(&url, "");
    }
    // With `directApply`, the page of the posting is where to apply.
    if is_true(at(value, &["directApply"])) {
        draft.apply_url(&url);
    }
    let contact = at(value, &["applicationContact"]);
    draft.apply_email(&string(contact, &["email"]));
    draft.apply_url(&string(contact, &["url"]));
}
