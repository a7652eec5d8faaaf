//! A posting in the making, within the limits of the contract.
//!
//! Readers hand in what the file says; what goes beyond a limit is cut, what cannot be understood
//! is left out, and a note says so. Only what the contract cannot do without refuses a record.

use crate::kernel::fields;
use crate::pb::peshub::common::v1::{FindingCode, Occupation, OccupationScheme};
use crate::pb::peshub::postings::v1::posting_change::Change;
use crate::pb::peshub::postings::v1::{
    CloseReason, EducationLevel, EmploymentType, LegalId, Pay, Posting, PostingChange,
    PostingClose, Requirements, Skill, SourceLink, WorkMode,
};
use crate::postings::import::Note;
use crate::postings::import::refusal::Refusal;
use crate::postings::import::words::dates::Moment;
use crate::postings::import::words::{digest, texts};
use prost_types::Timestamp;

const EXTERNAL_ID_CHARS_MAX: usize = 200;
const TITLE_CHARS_MAX: usize = 300;
const DESCRIPTION_CHARS_MAX: usize = 50_000;
const NAME_CHARS_MAX: usize = 300;
const URL_CHARS_MAX: usize = 2_000;
const SKILLS_MAX: usize = 100;
const SKILL_CHARS_MAX: usize = 200;
const BENEFITS_MAX: usize = 50;
const BENEFIT_CHARS_MAX: usize = 200;
const EMPLOYMENT_TYPES_MAX: usize = 5;
const LINKS_MAX: usize = 10;
const OCCUPATIONS_MAX: usize = 10;
const LEGAL_IDS_MAX: usize = 5;
const LICENCES_MAX: usize = 20;
const LANGUAGES_MAX: usize = 20;

/// A record that was understood.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Read {
    pub(crate) change: PostingChange,
    pub(crate) notes: Vec<Note>,
}

/// A posting in the making.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) posting: Posting,
    pub(crate) updated_at: Option<Timestamp>,
    notes: Vec<Note>,
}

/// What to know of the source's own id.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Id<'a> {
    /// What the source calls the posting.
    Given(&'a str),
    /// The source calls it nothing.
    Missing,
}

impl Draft {
    pub(crate) fn note(&mut self, field: &str, code: FindingCode, done: &str, given: &str) {
        self.notes.push(Note {
            field: field.to_owned(),
            code,
            done: done.to_owned(),
            given: fields::cut(given.trim()),
        });
    }

    /// Returns a text of one line: white space is one space, and what is too long is cut.
    pub(crate) fn line(&mut self, field: &str, given: &str, chars_max: usize) -> String {
        self.cut(field, texts::line(given), given, chars_max)
    }

    /// Returns a text of several lines.
    pub(crate) fn prose(&mut self, field: &str, given: &str, chars_max: usize) -> String {
        self.cut(field, texts::prose(given), given, chars_max)
    }

    fn cut(&mut self, field: &str, text: texts::Text, given: &str, chars_max: usize) -> String {
        if text.had_controls {
            let done = "control characters were removed";
            self.note(field, FindingCode::ControlCharacters, done, "");
        }
        match texts::cut(&text.text, chars_max) {
            None => text.text,
            Some(kept) => {
                let done = format!("cut to {chars_max} characters");
                self.note(field, FindingCode::TooLong, &done, given);
                kept.trim_end().to_owned()
            }
        }
    }

    pub(crate) fn title(&mut self, given: &str) {
        self.posting.title = self.line("title", given, TITLE_CHARS_MAX);
    }

    pub(crate) fn description(&mut self, given: &str) {
        self.posting.description = self.prose("description", given, DESCRIPTION_CHARS_MAX);
    }

    /// Takes over a BCP 47 tag; anything else is left out.
    pub(crate) fn language(&mut self, given: &str) {
        match texts::language(given) {
            Some(tag) => self.posting.language = tag,
            None if given.trim().is_empty() => {}
            None => {
                let done = "left out: not a BCP 47 language tag";
                self.note("language", FindingCode::BadFormat, done, given);
            }
        }
    }

    pub(crate) fn employer_name(&mut self, given: &str) {
        let name = self.line("employer.name", given, NAME_CHARS_MAX);
        self.posting.employer.get_or_insert_default().name = name;
    }

    pub(crate) fn employer_url(&mut self, given: &str) {
        if let Some(url) = self.url("employer.url", given) {
            self.posting.employer.get_or_insert_default().url = url;
        }
    }

    pub(crate) fn legal_id(&mut self, scheme: &str, given: &str) {
        let value = self.line("employer.legal_ids", given, 100);
        let ids = &mut self.posting.employer.get_or_insert_default().legal_ids;
        if !value.is_empty() && ids.len() < LEGAL_IDS_MAX {
            ids.push(LegalId { scheme: scheme.to_owned(), value });
        }
    }

    /// Returns an address of the web; what is none is left out.
    pub(crate) fn url(&mut self, field: &str, given: &str) -> Option<String> {
        let url = texts::line(given).text;
        if url.is_empty() {
            return None;
        }
        if texts::is_url(&url) && url.chars().count() <= URL_CHARS_MAX {
            return Some(url);
        }
        let done = "left out: not an address of the web of at most 2,000 characters";
        self.note(field, FindingCode::BadFormat, done, given);
        None
    }

    pub(crate) fn link(&mut self, given: &str, label: &str) {
        let Some(url) = self.url("links", given) else { return };
        let label = self.line("links", label, 100);
        let links = &mut self.posting.links;
        if links.len() < LINKS_MAX && !links.iter().any(|link| link.url == url) {
            links.push(SourceLink { url, label });
        }
    }

    pub(crate) fn apply_url(&mut self, given: &str) {
        if let Some(url) = self.url("application.url", given) {
            self.posting.application.get_or_insert_default().url = url;
        }
    }

    pub(crate) fn apply_email(&mut self, given: &str) {
        let email = texts::line(given).text;
        let is_email = email.contains('@') && !email.contains(' ') && email.chars().count() <= 320;
        if is_email {
            self.posting.application.get_or_insert_default().email = email;
        } else if !email.is_empty() {
            // Personal data is never repeated.
            let done = "left out: not an e-mail address";
            self.note("application.email", FindingCode::BadFormat, done, "");
        }
    }

    pub(crate) fn apply_text(&mut self, given: &str) {
        let text = self.prose("application.text", given, 2_000);
        if !text.is_empty() {
            self.posting.application.get_or_insert_default().text = text;
        }
    }

    pub(crate) fn apply_reference(&mut self, given: &str) {
        let reference = self.line("application.reference", given, 200);
        if !reference.is_empty() {
            self.posting.application.get_or_insert_default().reference = reference;
        }
    }

    pub(crate) fn category(&mut self, given: &str) {
        self.posting.source_category = self.line("source_category", given, 200);
    }

    pub(crate) fn openings(&mut self, given: i64) {
        match i32::try_from(given).ok().filter(|openings| (1..=100_000).contains(openings)) {
            Some(openings) => self.posting.openings = Some(openings),
            None => {
                let done = "left out: not 1 to 100,000";
                self.note("openings", FindingCode::OutOfRange, done, &given.to_string());
            }
        }
    }

    pub(crate) fn employment_type(&mut self, kind: EmploymentType) {
        let kinds = &mut self.posting.employment_types;
        let kind = i32::from(kind);
        if kinds.len() < EMPLOYMENT_TYPES_MAX && !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }

    pub(crate) fn requirements(&mut self) -> &mut Requirements {
        self.posting.requirements.get_or_insert_default()
    }

    pub(crate) fn education_level(&mut self, level: EducationLevel) {
        self.requirements().education = level.into();
    }

    pub(crate) fn skill(&mut self, name: &str, required: bool) {
        let name = self.line("requirements.skills", name, SKILL_CHARS_MAX);
        let skills = &mut self.requirements().skills;
        if !name.is_empty() && !skills.iter().any(|skill| skill.name == name) {
            skills.push(Skill { name, required, ..Skill::default() });
        }
    }

    pub(crate) fn benefit(&mut self, given: &str) {
        let benefit = self.line("benefits", given, BENEFIT_CHARS_MAX);
        if !benefit.is_empty() && !self.posting.benefits.contains(&benefit) {
            self.posting.benefits.push(benefit);
        }
    }

    pub(crate) fn occupation(&mut self, scheme: OccupationScheme, code: &str) {
        let scheme = i32::from(scheme);
        let code = code.trim().to_owned();
        let occupations = &mut self.posting.occupations;
        let is_new = !occupations.iter().any(|known| known.scheme == scheme && known.code == code);
        if is_new && occupations.len() < OCCUPATIONS_MAX && code.chars().count() <= 200 {
            occupations.push(Occupation { scheme, code, name: String::new() });
        }
    }

    pub(crate) fn pay(&mut self, pay: Pay) {
        if pay != Pay::default() {
            self.posting.pay = Some(pay);
        }
    }

    pub(crate) fn published(&mut self, at: Option<Timestamp>) {
        if at.is_some() {
            self.posting.validity.get_or_insert_default().published_at = at;
        }
    }

    pub(crate) fn closes(&mut self, at: Option<Timestamp>) {
        if at.is_some() {
            self.posting.validity.get_or_insert_default().closes_at = at;
        }
    }

    /// Reads a time; what is none is left out.
    pub(crate) fn moment(&mut self, field: &str, given: &str) -> Option<Moment> {
        let given = given.trim();
        if given.is_empty() {
            return None;
        }
        let moment = Moment::parse(given);
        if moment.is_none() {
            self.note(field, FindingCode::BadFormat, "left out: not a day or time", given);
        }
        moment
    }

    /// Ends with the posting as it now is.
    ///
    /// # Errors
    /// When something is missing that the contract cannot do without.
    pub(crate) fn finish(mut self, id: Id<'_>) -> Result<Read, Refusal> {
        let external_id = self.external_id(id)?;
        self.shorten_lists();
        self.hold_to_order();
        let missing = if self.posting.title.is_empty() {
            Some(("title", FindingCode::Required, "a title"))
        } else if self.posting.employer.as_ref().is_none_or(|employer| employer.name.is_empty()) {
            Some(("employer.name", FindingCode::Required, "the name of who employs"))
        } else if self.posting.workplaces.is_empty() && self.posting.work_mode() != WorkMode::Remote
        {
            let expected = "a place that can be found in GB/T 2260 or ISO 3166-2, or a country";
            Some(("workplaces", FindingCode::DivisionUnknown, expected))
        } else {
            None
        };
        if let Some((field, code, expected)) = missing {
            let given = self.given_for(field);
            let mut refusal = Refusal::new(field, code, expected, &given);
            refusal.external_id = Some(external_id);
            return Err(refusal);
        }
        let change = Some(Change::Upsert(self.posting));
        let source_updated_at = self.updated_at;
        let change =
            PostingChange { external_id, source_updated_at, change, source_revision: None };
        Ok(Read { change, notes: self.notes })
    }

    /// Ends with the posting being closed.
    ///
    /// # Errors
    /// When the posting has no id.
    pub(crate) fn close(
        mut self,
        id: Id<'_>,
        reason: CloseReason,
        closed_at: Option<Timestamp>,
    ) -> Result<Read, Refusal> {
        let external_id = self.external_id(id)?;
        let close = PostingClose { reason: reason.into(), closed_at };
        let change = PostingChange {
            external_id,
            source_updated_at: self.updated_at,
            source_revision: None,
            change: Some(Change::Close(close)),
        };
        Ok(Read { change, notes: self.notes })
    }

    /// Returns what was found where a field is missing.
    fn given_for(&self, field: &str) -> String {
        let notes = self.notes.iter().filter(|note| note.field.starts_with(field));
        notes.map(|note| note.given.as_str()).next_back().unwrap_or_default().to_owned()
    }

    fn external_id(&mut self, id: Id<'_>) -> Result<String, Refusal> {
        let given = match id {
            Id::Given(given) => texts::line(given).text,
            Id::Missing => String::new(),
        };
        if given.is_empty() {
            let expected = "an id that the source keeps for the posting";
            return Err(Refusal::new("external_id", FindingCode::Required, expected, ""));
        }
        if given.chars().count() <= EXTERNAL_ID_CHARS_MAX {
            return Ok(given);
        }
        let done = "replaced by its digest: longer than 200 characters";
        self.note("external_id", FindingCode::TooLong, done, &given);
        Ok(digest(&[&given]))
    }

    fn shorten_lists(&mut self) {
        let mut cut = Vec::new();
        if let Some(requirements) = &mut self.posting.requirements {
            shorten(&mut requirements.skills, SKILLS_MAX, "requirements.skills", &mut cut);
            shorten(&mut requirements.licences, LICENCES_MAX, "requirements.licences", &mut cut);
            shorten(&mut requirements.languages, LANGUAGES_MAX, "requirements.languages", &mut cut);
        }
        shorten(&mut self.posting.benefits, BENEFITS_MAX, "benefits", &mut cut);
        shorten(&mut self.posting.workplaces, 100, "workplaces", &mut cut);
        for (field, max, count) in cut {
            let done = format!("cut to {max} of {count} items");
            self.note(field, FindingCode::TooLong, &done, "");
        }
    }

    /// Leaves out what contradicts itself.
    fn hold_to_order(&mut self) {
        if let Some(validity) = &mut self.posting.validity
            && let (Some(published), Some(closes)) = (validity.published_at, validity.closes_at)
            && (closes.seconds, closes.nanos) < (published.seconds, published.nanos)
        {
            validity.closes_at = None;
            let done = "left out: before the posting was published";
            self.note("validity.closes_at", FindingCode::TimesInverted, done, "");
        }
        if let Some(pay) = &mut self.posting.pay
            && let (Some(min), Some(max)) = (pay.min_minor, pay.max_minor)
            && min > max
        {
            (pay.min_minor, pay.max_minor) = (None, None);
            let text = pay.text.clone();
            let done = "only the text was kept: the lowest pay is above the highest";
            self.note("pay", FindingCode::RangeInverted, done, &text);
        }
    }
}

fn shorten<T>(
    list: &mut Vec<T>,
    max: usize,
    field: &'static str,
    cut: &mut Vec<(&'static str, usize, usize)>,
) {
    if list.len() > max {
        cut.push((field, max, list.len()));
        list.truncate(max);
    }
}
