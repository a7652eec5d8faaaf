//! Ads gathered from several boards, with the group of those that are one.
//!
//! The hub finds its own duplicates; of a group, the pages of its other ads are kept as links.

use serde_json::Value;

use crate::postings::import::job_tech::ad::Ad;
use crate::postings::import::places::Site;
use crate::postings::import::values::{at, items, string};

pub(crate) fn read(value: &Value, others: &Value) -> Ad {
    let s = |path: &[&str]| string(value, path);
    let own = (s(&["source", "url"]), s(&["source", "site", "name"]));
    let others = items(others).map(|other| {
        let source = at(other, &["_source", "source"]);
        (string(source, &["url"]), string(source, &["site", "name"]))
    });
    let links = [own].into_iter().chain(others).filter(|(url, _)| !url.is_empty()).collect();
    Ad {
        id: s(&["id"]),
        is_removed: !s(&["source", "removedAt"]).is_empty(),
        removed: s(&["source", "removedAt"]),
        updated: s(&["updatedAt"]),
        title: s(&["header"]),
        description: s(&["content", "text"]),
        employer: s(&["employer", "name"]),
        sites: site(value).into_iter().collect(),
        category: s(&["title", "freetext"]),
        published: s(&["source", "firstSeenAt"]),
        closes: s(&["application", "deadline"]),
        apply_url: s(&["application", "url"]),
        apply_email: s(&["application", "email"]),
        apply_reference: s(&["application", "reference"]),
        links,
        ..Ad::default()
    }
}

/// Reads the place, whose names were looked up for the words of the board.
fn site(value: &Value) -> Option<Site> {
    let translations = at(value, &["location", "translations"]).as_object()?;
    let names: Vec<String> = ["sv-SE", "en-US"]
        .iter()
        .filter_map(|language| translations.get(*language)?.as_str().map(str::to_owned))
        .collect();
    Some(Site { town: names.first().cloned().unwrap_or_default(), names, ..Site::default() })
}
