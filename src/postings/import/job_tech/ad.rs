//! What the shapes of JobTech's ads have in common.

use serde_json::Value;

use crate::postings::import::places::Site;
use crate::postings::import::values::{at, items, string, whole};

/// Weight from which on something must be, rather than helps.
const WEIGHT_REQUIRED: i64 = 10;

/// An ad; what it does not say is empty.
#[derive(Debug, Default)]
pub(crate) struct Ad {
    pub(crate) id: String,
    pub(crate) is_removed: bool,
    pub(crate) removed: String,
    pub(crate) updated: String,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) employer: String,
    pub(crate) organisation_number: String,
    pub(crate) employer_url: String,
    pub(crate) sites: Vec<Site>,
    pub(crate) category: String,
    pub(crate) openings: Option<i64>,
    /// Kind of employment, duration and working hours.
    pub(crate) kinds: Vec<String>,
    pub(crate) scope_min: Option<i64>,
    pub(crate) scope_max: Option<i64>,
    pub(crate) conditions: String,
    pub(crate) starts: String,
    pub(crate) pay: String,
    pub(crate) education: Vec<String>,
    pub(crate) experience: Vec<String>,
    pub(crate) experience_required: Option<bool>,
    /// Skills, and whether each must be.
    pub(crate) skills: Vec<(String, bool)>,
    pub(crate) languages: Vec<(String, bool)>,
    pub(crate) licences: Vec<String>,
    pub(crate) needs: String,
    pub(crate) published: String,
    pub(crate) closes: String,
    pub(crate) apply_url: String,
    pub(crate) apply_email: String,
    pub(crate) apply_reference: String,
    pub(crate) apply_text: String,
    pub(crate) links: Vec<(String, String)>,
}

/// Returns the words of the terms in a list, each with whether it must be.
pub(crate) fn terms(list: &Value, word: &str, weight: &str, must: bool) -> Vec<(String, bool)> {
    items(list)
        .map(|term| {
            let weight = whole(at(term, &[weight]));
            let required = must && weight.is_none_or(|weight| weight >= WEIGHT_REQUIRED);
            (string(term, &[word]), required)
        })
        .filter(|(word, _)| !word.is_empty())
        .collect()
}

/// Returns words with the class of occupations behind them: `Backend-utvecklare (SSYK 2512)`.
pub(crate) fn category(role: &str, group: &str, number: &str) -> String {
    let number = if number.len() == 4 { format!(" (SSYK {number})") } else { String::new() };
    match (role.is_empty(), group.is_empty()) {
        (false, false) => format!("{role}, {group}{number}"),
        (true, false) => format!("{group}{number}"),
        (_, true) => role.to_owned(),
    }
}

/// Joins what is not empty.
pub(crate) fn joined(texts: &[String], separator: &str) -> String {
    let texts: Vec<&str> =
        texts.iter().map(|text| text.trim()).filter(|text| !text.is_empty()).collect();
    texts.join(separator)
}
