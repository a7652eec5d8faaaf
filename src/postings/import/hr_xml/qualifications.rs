//! What applicants must bring.

use crate::pb::peshub::postings::v1::LanguageSkill;
use crate::postings::import::draft::Draft;
use crate::postings::import::tree::Element;
use crate::postings::import::words::numbers::Decimal;
use crate::postings::import::words::{education, texts};

/// Most months of experience that the contract takes.
const MONTHS_MAX: i64 = 720;

pub(crate) fn read(draft: &mut Draft, profile: &Element) {
    let Some(qualifications) = profile.at(&["PositionQualifications"]) else {
        languages_of_work(draft, profile);
        return;
    };
    experience(draft, qualifications);
    education(draft, qualifications);
    competencies(draft, qualifications);
    let mut licences = Vec::new();
    for name in ["License", "Certification"] {
        qualifications.all(name, &mut licences);
    }
    for licence in licences {
        let name = ["LicenseName", "CertificationName", "LicenseTypeCode", "CertificationTypeCode"]
            .into_iter()
            .map(|name| licence.string(&[name]))
            .find(|name| !name.is_empty())
            .unwrap_or_else(|| licence.text());
        let name = draft.line("requirements.licences", name, 200);
        let licences = &mut draft.requirements().licences;
        if !name.is_empty() && !licences.contains(&name) {
            licences.push(name);
        }
    }
    languages_of_work(draft, profile);
}

/// Reads how long applicants must have worked: the longest of what is asked for.
fn experience(draft: &mut Draft, qualifications: &Element) {
    let mut measures = Vec::new();
    qualifications.all("Measure", &mut measures);
    let months = measures.into_iter().filter_map(|measure| {
        let factor = match measure.attribute("unitCode").to_lowercase().as_str() {
            "year" | "years" | "ann" => 12,
            "month" | "months" | "mon" => 1,
            _ => return None,
        };
        Decimal::parse(measure.text())?.times(factor).filter(|months| *months <= MONTHS_MAX)
    });
    if let Some(months) = months.max().and_then(|months| i32::try_from(months).ok()) {
        draft.requirements().experience_months_min = Some(months);
    }
    let mut descriptions = Vec::new();
    for summary in qualifications.children("ExperienceSummary") {
        summary.all("Description", &mut descriptions);
    }
    let text: Vec<&str> = descriptions.into_iter().map(Element::text).collect();
    let text = draft.line("requirements.experience_text", &text.join("; "), 500);
    if !text.is_empty() {
        draft.requirements().experience_text = text;
    }
}

fn education(draft: &mut Draft, qualifications: &Element) {
    let mut requirements = Vec::new();
    qualifications.all("EducationRequirement", &mut requirements);
    let mut texts = Vec::new();
    for requirement in requirements {
        let mut levels = Vec::new();
        requirement.all("EducationLevelCode", &mut levels);
        for level in levels {
            let lists = ["listName", "listID", "listURI"].map(|name| level.attribute(name));
            let read = education::of_level(&lists.join(" "), level.text())
                .or_else(|| education::read(level.text()));
            match read {
                Some(level) if draft.requirements().education == 0 => draft.education_level(level),
                _ => texts.push(level.text()),
            }
        }
        texts.push(requirement.string(&["Description"]));
    }
    texts.retain(|text| !text.is_empty());
    let text = draft.line("requirements.education_text", &texts.join("; "), 500);
    if !text.is_empty() {
        draft.requirements().education_text = text;
    }
}

/// Reads skills and languages; EURES tells them apart by the taxonomy of the competency.
fn competencies(draft: &mut Draft, qualifications: &Element) {
    let mut competencies = Vec::new();
    qualifications.all("PositionCompetency", &mut competencies);
    for competency in competencies {
        let taxonomy = competency.string(&["TaxonomyID"]).to_lowercase();
        let name = competency.string(&["CompetencyName"]);
        let id = competency.string(&["CompetencyID"]);
        let is_required = !competency.string(&["RequiredIndicator"]).eq_ignore_ascii_case("false");
        if taxonomy.contains("language") {
            let level = cefr(competency);
            language(draft, if id.is_empty() { name } else { id }, level, is_required);
        } else {
            draft.skill(if name.is_empty() { id } else { name }, is_required);
            let is_uri = id.starts_with("http") && id.chars().count() <= 200;
            if let Some(skill) = draft.requirements().skills.last_mut().filter(|_| is_uri) {
                "ESCO".clone_into(&mut skill.scheme);
                id.clone_into(&mut skill.code);
            }
        }
    }
}

/// Returns the lowest level of the Common European Framework that is asked for in any dimension.
fn cefr(competency: &Element) -> String {
    let mut scores = Vec::new();
    competency.all("ScoreText", &mut scores);
    let levels = scores
        .into_iter()
        .map(Element::text)
        .map(str::to_uppercase)
        .filter(|level| matches!(level.as_str(), "A1" | "A2" | "B1" | "B2" | "C1" | "C2"));
    levels.min().unwrap_or_default()
}

fn language(draft: &mut Draft, name: &str, level: String, required: bool) {
    let Some(language) = texts::language_named(name) else {
        draft.skill(name, required);
        return;
    };
    let languages = &mut draft.requirements().languages;
    if !languages.iter().any(|known| known.language == language) {
        languages.push(LanguageSkill { language, level, required });
    }
}

/// The language that is spoken at work is one that applicants must know.
fn languages_of_work(draft: &mut Draft, profile: &Element) {
    for code in profile.children("WorkingLanguageCode") {
        if !code.text().is_empty() {
            language(draft, code.text(), String::new(), true);
        }
    }
}
