//! Pages that are written from the contract, and what holds all pages together.

mod api;
mod links;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where the pages about the contract lie.
const FOLDER: &str = "docs/reference/api";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the paths below a folder that end like this, from the root of the project, sorted.
fn files(folder: &str, ending: &str) -> Vec<String> {
    let (mut found, mut open) = (Vec::new(), vec![PathBuf::from(folder)]);
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(root().join(&folder)).expect("a folder") {
            let path = folder.join(entry.expect("an entry").file_name());
            if root().join(&path).is_dir() {
                open.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path.to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    found
}

#[test]
fn the_pages_of_the_contract_are_up_to_date() {
    let pages = api::pages(peshub::pb::DESCRIPTORS);
    if std::env::var("INSTA_UPDATE").as_deref() == Ok("always") {
        std::fs::remove_dir_all(root().join(FOLDER)).ok();
        std::fs::create_dir_all(root().join(FOLDER)).expect("a folder");
        for (name, page) in &pages {
            std::fs::write(root().join(FOLDER).join(name), page).expect("a page");
        }
    }
    let there = files(FOLDER, ".md").into_iter().map(|path| {
        let text = std::fs::read_to_string(root().join(&path)).expect("a page");
        (path.rsplit('/').next().unwrap_or_default().to_owned(), text)
    });
    let there: BTreeMap<_, _> = there.collect();
    let stale: Vec<_> = (pages.keys().chain(there.keys()))
        .filter(|name| pages.get(*name) != there.get(*name))
        .collect();
    assert!(stale.is_empty(), "{FOLDER} is stale; its README.md says how to write it: {stale:?}");
}

#[test]
fn a_page_of_the_contract_says_who_may_call_and_what_may_be_sent() {
    let pages = api::pages(peshub::pb::DESCRIPTORS);
    let page = &pages["peshub.postings.v1.md"];
    for part in [
        "### PostingService.BatchUpsertPostings",
        "`posting-writer`",
        "counts against `write`",
        "[`BatchUpsertPostingsRequest`](#batchupsertpostingsrequest)",
        "[`peshub.common.v1.Division`](peshub.common.v1.md#division)",
        "at most 100 elements",
        "1 to 200 characters",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert!(pages["peshub.workers.v1.md"].contains("personal data: kept out of logs"));
    let reasons = &pages["peshub.common.v1.md"];
    assert!(reasons.contains("[`ERROR_REASON_CURSOR_EXPIRED`](../../errors/CURSOR_EXPIRED.md)"));
}
