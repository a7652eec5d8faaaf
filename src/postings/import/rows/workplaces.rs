//! Workplaces from the columns of a row: a city, a district in it, an address.

use crate::codes::divisions::names::{Exactness, NameMatch, find};
use crate::codes::divisions::{Division, Scheme, lookup};
use crate::pb::peshub::common::v1::FindingCode;
use crate::pb::peshub::postings::v1::Workplace;
use crate::postings::import::draft::Draft;
use crate::postings::import::mapping::Mapping;
use crate::postings::import::places::{self, Site};

/// What lists of cities are written with.
const LIST_MARKS: [char; 7] = ['/', '、', ',', '，', ';', '；', '|'];

pub(crate) fn read(draft: &mut Draft, mapping: &Mapping, texts: &[String]) -> bool {
    let Some(first) = texts.first() else { return false };
    let country = mapping.country();
    if country != Some("CN") {
        // The smallest comes last in the mapping, as in an address of China.
        let names: Vec<String> = texts.iter().rev().cloned().collect();
        let town = names.first().cloned().unwrap_or_default();
        places::add(draft, &[Site { names, town, ..Site::default() }], country);
        return !draft.posting.workplaces.is_empty();
    }
    if let Some(division) = code(first) {
        push(draft, division, "");
        return true;
    }
    if let Some((division, address)) = one(texts) {
        push(draft, division, &address);
        return true;
    }
    let several: Vec<Option<&'static Division>> =
        first.split(LIST_MARKS).map(|part| places::of_china(part, None)).collect();
    if several.len() > 1 && several.iter().all(Option::is_some) {
        for division in several.into_iter().flatten() {
            push(draft, division, "");
        }
        return true;
    }
    let done = "left out: not a place that is known";
    draft.note("workplaces", FindingCode::DivisionUnknown, done, &texts.join(" | "));
    false
}

/// Finds the division that the columns name together; each column is sought within the one before.
///
/// Returns with it the text that says more than the names of divisions.
fn one(texts: &[String]) -> Option<(&'static Division, String)> {
    let mut found: Option<&'static Division> = None;
    let mut address = Vec::new();
    let mut is_ambiguous = false;
    for text in texts {
        match find(text, found) {
            NameMatch::Found { division, exactness, .. } => {
                found = Some(division);
                if exactness >= Exactness::Embedded {
                    address.push(text.as_str());
                }
            }
            NameMatch::Ambiguous { .. } => is_ambiguous |= found.is_none(),
            // A district that the list does not have (高新区) is part of the address.
            NameMatch::NotFound => address.push(text.as_str()),
        }
    }
    if is_ambiguous {
        // 朝阳区 in front of 北京: together they name one place.
        let joined: Vec<&str> = texts.iter().rev().map(String::as_str).collect();
        return Some((places::of_china(&joined.join(" "), None)?, String::new()));
    }
    Some((found?, address.join(" ")))
}

/// Reads a code of GB/T 2260.
fn code(text: &str) -> Option<&'static Division> {
    let text = text.trim();
    let is_code = text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit());
    lookup(Scheme::GbT2260, text).filter(|_| is_code)
}

fn push(draft: &mut Draft, division: &Division, address: &str) {
    let address = draft.line("workplaces.address", address, 500);
    let division = Some(places::message(division));
    draft.posting.workplaces.push(Workplace { division, address, ..Workplace::default() });
}
