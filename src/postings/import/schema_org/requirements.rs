//! What applicants must bring: education, experience, skills, languages.

use serde_json::Value;

use crate::pb::peshub::postings::v1::LanguageSkill;
use crate::postings::import::draft::Draft;
use crate::postings::import::values::{at, first, items, text, whole};
use crate::postings::import::words::{education, experience, texts};

pub(crate) fn read(draft: &mut Draft, value: &Value) {
    education(draft, value);
    experience(draft, value);
    for skill in items(at(value, &["skills"])) {
        skills(draft, skill);
    }
    let further = items(at(value, &["qualifications"]))
        .map(words)
        .filter(|words| !words.is_empty())
        .collect::<Vec<_>>()
        .join("\n");
    let further = draft.prose("requirements.text", &further, 10_000);
    if !further.is_empty() {
        draft.requirements().text = further;
    }
}

fn education(draft: &mut Draft, value: &Value) {
    let all: Vec<String> = items(at(value, &["educationRequirements"])).map(words).collect();
    let text = draft.line("requirements.education_text", &all.join("; "), 500);
    if text.is_empty() {
        return;
    }
    if let Some(level) = education::read(&text) {
        draft.education_level(level);
    }
    draft.requirements().education_text = text;
}

fn experience(draft: &mut Draft, value: &Value) {
    let given = at(value, &["experienceRequirements"]);
    let months = items(given).find_map(|given| whole(at(given, &["monthsOfExperience"])));
    let all: Vec<String> = items(given).map(words).filter(|words| !words.is_empty()).collect();
    let text = draft.line("requirements.experience_text", &all.join("; "), 500);
    let months = months.and_then(|months| i32::try_from(months).ok());
    if let Some(months) = months.filter(|months| (0..=720).contains(months)) {
        draft.requirements().experience_months_min = Some(months);
    } else if let Some(read) = experience::read(&text) {
        let requirements = draft.requirements();
        requirements.experience_months_min = read.months_min;
        requirements.experience_months_max = read.months_max;
    }
    if !text.is_empty() {
        draft.requirements().experience_text = text;
    }
}

/// Takes skills over; the name of a language is knowledge of it.
fn skills(draft: &mut Draft, skill: &Value) {
    let words = words(skill);
    let named = texts::language_named(&words).filter(|_| words.chars().count() > 3);
    if let Some(language) = named {
        let skill = LanguageSkill { language, level: String::new(), required: true };
        let languages = &mut draft.requirements().languages;
        if !languages.contains(&skill) {
            languages.push(skill);
        }
        return;
    }
    // A list in one text; commas within a sentence are none of a list.
    let parts: Vec<&str> = words.split([',', ';', '\n', '、']).collect();
    if parts.iter().all(|part| part.chars().count() <= 60) {
        for part in parts {
            draft.skill(part, true);
        }
    } else {
        draft.skill(&words, true);
    }
}

fn words(value: &Value) -> String {
    text(value).map_or_else(
        || first(value, &["credentialCategory", "name", "description"]),
        std::borrow::Cow::into_owned,
    )
}
