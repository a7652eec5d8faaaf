//! Reading the text of a column into the field that it is mapped to.

use crate::pb::peshub::common::v1::FindingCode;
use crate::pb::peshub::postings::v1::{
    Employer, EmployerSize, Pay, Schedule, TargetGroup, WorkMode,
};
use crate::postings::import::draft::Draft;
use crate::postings::import::mapping::{Field, Mapping, Target, employment_type};
use crate::postings::import::occupations;
use crate::postings::import::rows::{Row, name, workplaces};
use crate::postings::import::words::numbers::Decimal;
use crate::postings::import::words::{education, employment, experience, pay, size, texts};

/// What lists are split at where the mapping does not say.
const SEPARATORS: [&str; 5] = [",", "，", "、", ";", "；"];

/// Reads the texts of a field; returns whether they said anything.
pub(crate) fn read(
    draft: &mut Draft,
    mapping: &Mapping,
    field: &Field,
    texts: &[String],
    row: &Row<'_>,
) -> bool {
    // What can be left out, and what is read from several columns at once.
    match field.to {
        Target::Workplace => return workplaces::read(draft, mapping, texts),
        Target::Pay => return pay(draft, field, texts.first(), row),
        Target::Education => return education(draft, texts),
        Target::Experience => return experience(draft, texts),
        Target::EmployerSize => return employer_size(draft, texts),
        _ => {}
    }
    let Some(text) = texts.first().map(String::as_str) else { return false };
    match field.to {
        Target::EmployerName
        | Target::EmployerLegalId
        | Target::EmployerIndustry
        | Target::EmployerOwnership
        | Target::EmployerUrl
        | Target::EmployerDescription => employer(draft, field, text),
        Target::PublishedAt | Target::ClosesAt | Target::UpdatedAt | Target::StartsOn => {
            time(draft, mapping, field.to, text);
        }
        Target::Skills | Target::Benefits => list(draft, field, text),
        Target::ApplicationUrl => draft.apply_url(text),
        Target::ApplicationEmail => draft.apply_email(text),
        Target::ApplicationText => draft.apply_text(text),
        Target::Link => draft.link(text, ""),
        _ => return plain(draft, field, text),
    }
    true
}

fn plain(draft: &mut Draft, field: &Field, text: &str) -> bool {
    match field.to {
        Target::Title => draft.title(text),
        Target::Description => draft.description(text),
        Target::Department => draft.posting.department = draft.line("department", text, 200),
        Target::SourceCategory => draft.category(text),
        Target::WorkplaceAddress => address(draft, text),
        Target::WorkplacePostalCode => postal_code(draft, text),
        Target::WorkMode => return work_mode(draft, text),
        Target::EmploymentType => return employment_kinds(draft, text),
        Target::Schedule => {
            let text = draft.prose("schedule.text", text, 1_000);
            draft.posting.schedule = Some(Schedule { text, ..Schedule::default() });
        }
        Target::Openings => return openings(draft, text),
        Target::RequirementsText => {
            let text = draft.prose("requirements.text", text, 10_000);
            draft.requirements().text = text;
        }
        Target::Occupation => {
            return occupations::add(draft, field.list.as_deref().unwrap_or_default(), text);
        }
        _ => return false,
    }
    true
}

fn employer(draft: &mut Draft, field: &Field, text: &str) {
    let line = |draft: &mut Draft, max| draft.line(name(field.to), text, max);
    match field.to {
        Target::EmployerName => return draft.employer_name(text),
        Target::EmployerLegalId => {
            return draft.legal_id(field.list.as_deref().unwrap_or_default(), text);
        }
        Target::EmployerUrl => return draft.employer_url(text),
        _ => {}
    }
    let (industry, ownership) = (line(draft, 200), line(draft, 100));
    let description = draft.prose("employer.description", text, 10_000);
    let employer: &mut Employer = draft.posting.employer.get_or_insert_default();
    match field.to {
        Target::EmployerIndustry => employer.industry = industry,
        Target::EmployerOwnership => employer.ownership = ownership,
        _ => employer.description = description,
    }
}

fn employer_size(draft: &mut Draft, texts: &[String]) -> bool {
    let Some((text, size)) = texts.iter().find_map(|text| Some((text, size::read(text)?))) else {
        if let Some(text) = texts.first() {
            let done = "left out: not a number of people";
            draft.note("employer.size", FindingCode::BadFormat, done, text);
        }
        return false;
    };
    if !size.is_exact {
        let class = size.class.as_str_name();
        let done = format!("taken as {class}, the class of the middle");
        draft.note("employer.size", FindingCode::CodeNormalised, &done, text);
    }
    let class: EmployerSize = size.class;
    draft.posting.employer.get_or_insert_default().size = class.into();
    true
}

fn time(draft: &mut Draft, mapping: &Mapping, target: Target, text: &str) {
    let Some(moment) = draft.moment(name(target), text) else { return };
    let zone = mapping.zone();
    match target {
        Target::PublishedAt => draft.published(moment.begins(zone)),
        Target::ClosesAt => draft.closes(moment.ends(zone)),
        Target::UpdatedAt => draft.updated_at = moment.begins(zone),
        _ => draft.posting.starts_on = moment.day(),
    }
}

fn list(draft: &mut Draft, field: &Field, text: &str) {
    let mut parts = vec![text.to_owned()];
    let usual = SEPARATORS.map(str::to_owned);
    let separators = if field.separators.is_empty() { &usual[..] } else { &field.separators };
    for separator in separators.iter().filter(|separator| !separator.is_empty()) {
        parts = parts.iter().flat_map(|part| part.split(separator)).map(str::to_owned).collect();
    }
    for part in parts {
        match field.to {
            Target::Benefits => draft.benefit(&part),
            _ => draft.skill(&part, true),
        }
    }
}

fn address(draft: &mut Draft, text: &str) {
    let address = draft.line("workplaces.address", text, 500);
    if let Some(workplace) = draft.posting.workplaces.first_mut() {
        workplace.address = address;
    }
}

fn postal_code(draft: &mut Draft, text: &str) {
    let code = draft.line("workplaces.postal_code", text, 20);
    if let Some(workplace) = draft.posting.workplaces.first_mut() {
        workplace.postal_code = code;
    }
}

fn work_mode(draft: &mut Draft, text: &str) -> bool {
    let mode = WorkMode::from_str_name(&format!("WORK_MODE_{}", text.trim().to_ascii_uppercase()));
    let mode = mode.filter(|mode| *mode != WorkMode::Unspecified);
    draft.posting.work_mode = mode.unwrap_or_default().into();
    mode.is_some()
}

fn employment_kinds(draft: &mut Draft, text: &str) -> bool {
    let mut is_read = false;
    for part in employment::parts(text) {
        let read = employment::read(part);
        let kind = employment_type(part).or(read.kind);
        if let Some(kind) = kind {
            draft.employment_type(kind);
        }
        if let Some(term) = read.term {
            draft.posting.contract_term = term.into();
        }
        is_read |= kind.is_some() || read.term.is_some();
    }
    if !is_read {
        let done = "left out: not a kind of employment that is known";
        draft.note("employment_types", FindingCode::UnknownChoice, done, text);
    }
    is_read
}

fn openings(draft: &mut Draft, text: &str) -> bool {
    let digits = text.trim().trim_end_matches(['人', '名']);
    let number = Decimal::parse(digits).and_then(Decimal::whole);
    match number {
        Some(number) => draft.openings(number),
        // 若干, several, is no number.
        None => draft.note("openings", FindingCode::BadFormat, "left out: not a number", text),
    }
    number.is_some()
}

fn pay(draft: &mut Draft, field: &Field, text: Option<&String>, row: &Row<'_>) -> bool {
    let habits = field.habits();
    let words = text.map_or(String::new(), |text| draft.line("pay.text", text, 500));
    let bounds = || {
        let [min, max] = field.bounds.as_ref()?;
        pay::of_bounds(row.text(min), row.text(max), field.factor, &habits)
    };
    let read = match pay::read(&words, &habits) {
        pay::Reading::Amounts(pay) => Some(pay),
        pay::Reading::Negotiable => None,
        pay::Reading::Unclear => {
            let bounds = bounds();
            if bounds.is_none() && !words.is_empty() {
                let done = "only the text was kept: no amount was understood";
                draft.note("pay", FindingCode::BadFormat, done, &words);
            }
            bounds
        }
    };
    let is_read = read.is_some() || !words.is_empty();
    draft.pay(Pay { text: words, ..read.unwrap_or_default() });
    is_read
}

fn education(draft: &mut Draft, texts: &[String]) -> bool {
    let read = texts.iter().find_map(|text| Some((text, education::read(text)?)));
    let Some((text, level)) = read else { return false };
    let text = draft.line("requirements.education_text", text, 500);
    let requirements = draft.requirements();
    requirements.education = level.into();
    requirements.education_text = text;
    true
}

fn experience(draft: &mut Draft, texts: &[String]) -> bool {
    let read = texts.iter().find_map(|text| Some((text, experience::read(text)?)));
    let Some((text, read)) = read else {
        // What is not understood is kept; what is about education is not about experience.
        let mut others = texts.iter().filter(|text| education::read(text).is_none());
        let Some(text) = others.next() else { return false };
        let text = draft.line("requirements.experience_text", text, 500);
        let done = "only the text was kept: no length of time was understood";
        draft.note("requirements.experience", FindingCode::BadFormat, done, &text);
        draft.requirements().experience_text = text;
        return true;
    };
    let text = draft.line("requirements.experience_text", &texts::line(text).text, 500);
    let requirements = draft.requirements();
    requirements.experience_months_min = read.months_min;
    requirements.experience_months_max = read.months_max;
    requirements.experience_text = text;
    let group = i32::from(TargetGroup::Graduates);
    if read.is_for_graduates && !draft.posting.target_groups.contains(&group) {
        draft.posting.target_groups.push(group);
    }
    true
}
