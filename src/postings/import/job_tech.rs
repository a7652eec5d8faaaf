//! JobTech's JSON, in the four shapes that its systems have: ads as employers send them, ads as
//! Platsbanken publishes them, ads gathered from several boards, and ads of `JobSearch` and
//! `JobStream`. Search results and plain lists are taken alike.
//!
//! Codes of the Swedish taxonomy and of SSYK are in no list here; their words are kept. Times
//! without an offset are Swedish.

use crate::pb::peshub::common::v1::FindingCode;
use crate::pb::peshub::postings::v1::{CloseReason, EmploymentType, LanguageSkill, Pay, Schedule};
use crate::postings::import::draft::{Draft, Id, Read};
use crate::postings::import::job_tech::ad::Ad;
use crate::postings::import::pieces::Cutting;
use crate::postings::import::places;
use crate::postings::import::refusal::Refusal;
use crate::postings::import::values::{at, parse};
use crate::postings::import::words::dates::{Moment, Zone};
use crate::postings::import::words::{education, employment, experience, texts};
use crate::postings::import::{Format, Options, RecordReader};

mod ad;
mod gathered;
mod job_search;
mod platsannons;
mod source;

/// JobTech.
pub(crate) const FORMAT: Format = Format {
    name: "jobtech",
    extensions: &["json", "jsonl", "ndjson"],
    sniff: |beginning| {
        let text = String::from_utf8_lossy(beginning);
        let has = |names: &[&str]| names.iter().all(|name| text.contains(&format!("\"{name}\"")));
        text.trim_start().starts_with(['{', '['])
            && (has(&["annonsrubrik"])
                || has(&["rubrik", "arbetsgivare"])
                || has(&["header", "firstSeenAt"])
                || has(&["headline", "workplace_address"])
                || has(&["headline", "employment_type"])
                || has(&["removed", "removed_date"]))
    },
    cutting: Cutting::Json,
    reader: |options| Some(Box::new(Reader { options: options.clone() })),
};

#[derive(Debug)]
struct Reader {
    options: Options,
}

impl RecordReader for Reader {
    fn read(&mut self, record: &[u8]) -> Result<Option<Read>, Refusal> {
        let mut value = parse(record)?;
        // Others of the same group stand beside the ad in search results.
        let others = at(&value, &["inner_hits", "other", "hits", "hits"]).clone();
        if let Some(source) = value.get_mut("_source") {
            value = source.take();
        }
        let ad = if value.get("annonsrubrik").is_some() {
            source::read(&value)
        } else if value.get("rubrik").is_some() {
            platsannons::read(&value)
        } else if value.get("header").is_some() {
            gathered::read(&value, &others)
        } else if value.get("headline").is_some() || value.get("removed").is_some() {
            job_search::read(&value)
        } else {
            let expected = "an ad with a headline: annonsrubrik, rubrik, header or headline";
            return Err(Refusal::new("title", FindingCode::Required, expected, ""));
        };
        posting(&ad, &self.options).map(Some)
    }
}

fn posting(ad: &Ad, options: &Options) -> Result<Read, Refusal> {
    let mut draft = Draft::default();
    let id = if ad.id.is_empty() { Id::Missing } else { Id::Given(&ad.id) };
    let updated = draft.moment("source_updated_at", &ad.updated);
    draft.updated_at = updated.and_then(|at| at.begins(Zone::CentralEurope));
    if ad.is_removed {
        let removed = draft.moment("close.closed_at", &ad.removed);
        let removed = removed.and_then(|at| at.begins(Zone::CentralEurope));
        return draft.close(id, CloseReason::Withdrawn, removed);
    }
    draft.title(&ad.title);
    draft.description(&ad.description);
    draft.language(options.language.as_deref().unwrap_or_default());
    draft.employer_name(&ad.employer);
    draft.legal_id("SE-ORGNR", &ad.organisation_number);
    draft.employer_url(&ad.employer_url);
    let country = options.country.as_deref().and_then(places::country_of);
    places::add(&mut draft, &ad.sites, country.or(Some("SE")));
    draft.category(&ad.category);
    if let Some(openings) = ad.openings {
        draft.openings(openings);
    }
    kinds(&mut draft, ad);
    requirements(&mut draft, ad);
    let text = draft.line("pay.text", &ad.pay, 500);
    draft.pay(Pay { text, ..Pay::default() });
    let published = draft.moment("validity.published_at", &ad.published);
    draft.published(published.and_then(|at| at.begins(Zone::CentralEurope)));
    let closes = draft.moment("validity.closes_at", &ad.closes);
    draft.closes(closes.and_then(|at| at.ends(Zone::CentralEurope)));
    application(&mut draft, ad);
    for (url, label) in &ad.links {
        draft.link(url, label);
    }
    draft.finish(id)
}

fn kinds(draft: &mut Draft, ad: &Ad) {
    for given in &ad.kinds {
        let read = employment::read(given);
        if let Some(kind) = read.kind {
            draft.employment_type(kind);
        }
        if let Some(term) = read.term {
            draft.posting.contract_term = term.into();
        }
    }
    // Hours are said in hundredths of a full post, which is no number of hours.
    let scope = match (ad.scope_min, ad.scope_max) {
        (Some(min), Some(max)) if min == max => format!("{max} %"),
        (Some(min), Some(max)) => format!("{min}–{max} %"),
        (Some(scope), None) | (None, Some(scope)) => format!("{scope} %"),
        (None, None) => String::new(),
    };
    let is_part = ad.scope_max.is_some_and(|scope| scope < 100);
    if is_part && draft.posting.employment_types.is_empty() {
        draft.employment_type(EmploymentType::PartTime);
    }
    let words: Vec<&str> =
        [scope.as_str(), &ad.conditions].into_iter().filter(|text| !text.is_empty()).collect();
    let text = draft.prose("schedule.text", &words.join("\n"), 1_000);
    if !text.is_empty() {
        draft.posting.schedule = Some(Schedule { text, ..Schedule::default() });
    }
    // `Snarast`, at once, is no day.
    let starts = with_digits(&ad.starts);
    let starts = draft.moment("starts_on", starts);
    draft.posting.starts_on = starts.map(Moment::day).unwrap_or_default();
}

/// Returns a text that has digits in it; others are no day.
fn with_digits(text: &str) -> &str {
    if text.contains(|c: char| c.is_ascii_digit()) { text } else { "" }
}

fn requirements(draft: &mut Draft, ad: &Ad) {
    let education: Vec<&str> = ad.education.iter().map(String::as_str).collect();
    let text = draft.line("requirements.education_text", &education.join("; "), 500);
    if let Some(level) = education::read(&text) {
        draft.education_level(level);
    }
    if !text.is_empty() {
        draft.requirements().education_text = text;
    }
    let text = draft.line("requirements.experience_text", &ad.experience.join("; "), 500);
    let read = ad.experience.iter().find_map(|words| experience::read(words));
    let is_none = ad.experience_required == Some(false);
    if let Some(read) = read {
        let requirements = draft.requirements();
        requirements.experience_months_min = read.months_min;
        requirements.experience_months_max = read.months_max;
    } else if is_none {
        draft.requirements().experience_months_min = Some(0);
    }
    if !text.is_empty() {
        draft.requirements().experience_text = text;
    }
    for (skill, required) in &ad.skills {
        draft.skill(skill, *required);
    }
    for (name, required) in &ad.languages {
        language(draft, name, *required);
    }
    for licence in &ad.licences {
        let licence = draft.line("requirements.licences", licence, 200);
        let licences = &mut draft.requirements().licences;
        if !licence.is_empty() && !licences.contains(&licence) {
            licences.push(licence);
        }
    }
    let text = draft.prose("requirements.text", &ad.needs, 10_000);
    if !text.is_empty() {
        draft.requirements().text = text;
    }
}

fn language(draft: &mut Draft, name: &str, required: bool) {
    let Some(language) = texts::language_named(name) else {
        draft.skill(name, required);
        return;
    };
    let languages = &mut draft.requirements().languages;
    match languages.iter_mut().find(|known| known.language == language) {
        Some(known) => known.required |= required,
        None => languages.push(LanguageSkill { language, level: String::new(), required }),
    }
}

fn application(draft: &mut Draft, ad: &Ad) {
    draft.apply_url(&ad.apply_url);
    draft.apply_email(&ad.apply_email);
    draft.apply_reference(&ad.apply_reference);
    draft.apply_text(&ad.apply_text);
}
