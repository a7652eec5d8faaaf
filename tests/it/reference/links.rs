//! No link leads nowhere, and no page is left out of the book.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use crate::reference::{files, root};

/// Where pages lie, besides README.md.
const FOLDERS: [&str; 6] = ["docs", "helm", "migrations", "programmes", "proto", "tests/fixtures"];

const SUMMARY: &str = "docs/SUMMARY.md";

/// A link as it stands on a page, with its line.
type Link = (usize, String);

/// Returns the lines of a page without its fenced blocks and without what stands in code.
fn prose(text: &str) -> Vec<(usize, String)> {
    let (mut prose, mut is_code) = (Vec::new(), false);
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            prose.push((number, line.to_owned()));
        }
    }
    prose
}

/// Returns the links of a page that lead to other files, or to places within it.
fn links(text: &str) -> Vec<Link> {
    let mut links = Vec::new();
    for (number, line) in prose(text) {
        // A link's words may be code, its address is not.
        for (place, _) in line.match_indices("](") {
            let is_code = line[..place].matches('`').count() % 2 == 1;
            let address = line[place + 2..].split(')').next().unwrap_or_default();
            let is_elsewhere =
                ["http://", "https://", "mailto:"].iter().any(|it| address.starts_with(it));
            if !is_code && !is_elsewhere {
                links.push((number, address.to_owned()));
            }
        }
    }
    links
}

/// Returns the places of a page that links may name.
fn anchors(text: &str) -> BTreeSet<String> {
    let (mut anchors, mut counts) = (BTreeSet::new(), BTreeMap::<String, u32>::new());
    for (_, line) in prose(text) {
        let heading = line.trim_start_matches('#');
        if heading.len() == line.len() || !heading.starts_with(' ') {
            continue;
        }
        let words = heading.trim().replace(' ', "-").to_lowercase();
        let slug: String =
            words.chars().filter(|it| it.is_alphanumeric() || "-_".contains(*it)).collect();
        let count = counts.entry(slug.clone()).or_default();
        anchors.insert(if *count == 0 { slug.clone() } else { format!("{slug}-{count}") });
        *count += 1;
    }
    anchors
}

/// Follows a relative path without asking the disk.
fn follow(page: &str, address: &str) -> String {
    let mut path = PathBuf::new();
    for part in Path::new(page).parent().expect("a folder").join(address).components() {
        match part {
            Component::ParentDir => {
                assert!(path.pop(), "{page}: {address} leads out of the project");
            }
            Component::CurDir => {}
            part => path.push(part),
        }
    }
    path.to_string_lossy().into_owned()
}

/// Returns the links that lead nowhere. `read` returns a page, an empty text for another file or a folder, nothing for nothing.
fn dead(pages: &[String], read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut dead = Vec::new();
    for page in pages {
        let text = read(page).expect("a page");
        for (line, link) in links(&text) {
            let (address, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if address.is_empty() { page.clone() } else { follow(page, address) };
            let found = read(&target);
            let is_there =
                found.is_some_and(|text| anchor.is_empty() || anchors(&text).contains(anchor));
            // The book has the pages under docs and no other ones; it has no list of a folder of them.
            let is_page = target.ends_with(".md");
            let leaves = page.starts_with("docs/") && target.starts_with("docs/") != is_page;
            if !is_there || leaves {
                dead.push(format!("{page}:{line}: {link}"));
            }
        }
    }
    dead
}

fn pages() -> Vec<String> {
    let mut pages = vec!["README.md".to_owned()];
    for folder in FOLDERS {
        pages.extend(files(folder, ".md"));
    }
    pages.extend(root().join("examples/README.md").is_file().then(|| "examples/README.md".into()));
    for example in std::fs::read_dir(root().join("examples")).expect("examples") {
        let name = example.expect("an example").file_name();
        let page = format!("examples/{}/README.md", name.to_string_lossy());
        pages.extend(root().join(&page).is_file().then_some(page));
    }
    pages
}

#[test]
fn every_link_leads_somewhere() {
    let read = |path: &str| {
        let path = root().join(path);
        let is_page = path.extension().is_some_and(|it| it == "md");
        if is_page { std::fs::read_to_string(path).ok() } else { path.exists().then(String::new) }
    };
    assert_eq!(dead(&pages(), read), Vec::<String>::new());
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let text = "# One page\n\n[a](two.md) [b](gone.md) [c](#one-page) [d](#nowhere)\n\n`[e](gone.md)` [`f`](../src/)\n\n\
                ```\n[g](gone.md)\n```\n[h](https://a.example) [i](../README.md) [j](two.md#three) [k](two.md#three-1) [l](sub)\n";
    let read = |path: &str| match path {
        "docs/one.md" => Some(text.to_owned()),
        "docs/two.md" => Some("## Three\n".to_owned()),
        "src" | "docs/sub" | "README.md" => Some(String::new()),
        _ => None,
    };
    let found = dead(&["docs/one.md".to_owned()], read);
    let expected =
        ["3: gone.md", "3: #nowhere", "10: ../README.md", "10: two.md#three-1", "10: sub"];
    assert_eq!(found, expected.map(|it| format!("docs/one.md:{it}")));
}

#[test]
fn the_book_has_every_page_once() {
    let summary = std::fs::read_to_string(root().join(SUMMARY)).expect("a summary");
    let mut listed: Vec<_> =
        links(&summary).into_iter().map(|(_, address)| follow(SUMMARY, &address)).collect();
    listed.sort();
    let pages: Vec<_> = files("docs", ".md").into_iter().filter(|it| it != SUMMARY).collect();
    assert_eq!(listed, pages);
}
