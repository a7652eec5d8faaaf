//! The rules of the house, held over the source tree. What can be a test is not a convention.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use peshub::platform::permit::Action;

use crate::permissions::methods;

/// Who may see whom: a room, and the rooms and crates that it may name. The longest room that a file lies in decides; a
/// room sees itself. Of the crates only those that mark a floor are watched: see [`CRATES`].
const ROOMS: &[(&str, &str)] = &[
    // words
    ("kernel", ""),
    ("kernel/ids", "sqlx"),
    ("codes", ""),
    // generated
    ("pb", "kernel"),
    // machinery, which knows no exchange
    ("platform", "kernel"),
    ("platform/checks", "kernel platform sqlx"),
    ("platform/db", "kernel platform sqlx"),
    ("platform/feed", "kernel platform sqlx"),
    ("platform/identity", "kernel platform sqlx"),
    ("platform/probes", "kernel platform axum"),
    ("platform/replay", "kernel platform sqlx"),
    ("platform/rpc", "kernel platform tonic"),
    ("platform/status", "kernel platform tonic"),
    ("platform/tls", "kernel platform tonic"),
    ("platform/upkeep", "kernel platform sqlx"),
    // participants are few: no domain of their own, the store's rows are what there is to know
    ("participants", ""),
    ("participants/store", "kernel platform sqlx"),
    ("participants/wire", "kernel codes pb platform participants/store"),
    ("participants/grpc", "kernel pb platform participants tonic"),
    // postings
    ("postings", ""),
    ("postings/domain", "kernel"),
    ("postings/finding", "kernel"),
    ("postings/error", "kernel platform postings/domain"),
    ("postings/facets", "kernel codes platform postings/domain"),
    ("postings/filter", "kernel codes pb platform postings"),
    (
        "postings/parse",
        "kernel codes pb postings/domain postings/facets postings/finding postings/wire",
    ),
    ("postings/page", "kernel"),
    ("postings/wire", "kernel pb postings/domain postings/finding"),
    ("postings/store", "kernel platform postings/domain postings/error postings/sync/batch sqlx"),
    (
        "postings/commands",
        "kernel pb platform postings/domain postings/error postings/facets postings/store postings/sync postings/wire",
    ),
    (
        "postings/queries",
        "kernel pb platform postings/error postings/filter postings/store postings/watch postings/wire",
    ),
    (
        "postings/sync",
        "kernel pb platform postings/domain postings/error postings/facets postings/finding postings/parse \
         postings/store postings/wire",
    ),
    (
        "postings/sync/stream",
        "kernel pb platform postings/domain postings/error postings/store postings/sync postings/wire tonic",
    ),
    ("postings/watch", "kernel pb platform postings/error postings/store postings/wire"),
    // the page of a list and the key of a posting are words of the store
    ("postings/grpc", "kernel pb platform postings tonic"),
    // importers read files into the contract's words; neither database nor gRPC
    ("postings/import", "kernel codes pb"),
    // what puts them together
    ("server", "kernel pb platform participants postings tonic"),
    ("dev", "kernel codes pb platform participants server client sqlx"),
    // the client's side knows the contract and nothing of the server
    ("client", "pb tonic"),
    ("json", "pb"),
    ("samples", "pb"),
    ("demo", "kernel pb client samples"),
    // measures the pieces one by one, so it sees them all
    ("bench", "kernel pb platform postings client dev samples sqlx tonic"),
    (
        "cli",
        "kernel pb platform participants/grpc participants/store postings/import client json dev demo bench server",
    ),
    ("main", "cli"),
    ("lib", ""),
];

const CRATES: [&str; 3] = ["sqlx", "tonic", "axum"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|it| it == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The text of a source file without comments and without the tests at its end.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).expect("a source file");
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let lines = text.lines().map(|line| line.split("//").next().unwrap());
    lines.collect::<Vec<_>>().join("\n")
}

/// Returns what a text names below `crate::`, as paths with slashes.
fn named(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (index, _) in text.match_indices("crate::") {
        walk(&text[index + "crate::".len()..], "", &mut found);
    }
    found
}

fn walk(text: &str, before: &str, found: &mut BTreeSet<String>) {
    let text = text.trim_start();
    if let Some(group) = text.strip_prefix('{') {
        let (mut depth, mut start) = (0, 0);
        for (index, letter) in group.char_indices() {
            match letter {
                '{' => depth += 1,
                '}' if depth > 0 => depth -= 1,
                ',' | '}' if depth == 0 => {
                    walk(&group[start..index], before, found);
                    start = index + 1;
                    if letter == '}' {
                        return;
                    }
                }
                _ => {}
            }
        }
        return;
    }
    let end = text.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
    let word = &text[..end.unwrap_or(text.len())];
    let is_module = word.starts_with(|letter: char| letter.is_ascii_lowercase()) && word != "self";
    if !is_module {
        if !before.is_empty() {
            found.insert(before.to_owned());
        }
        return;
    }
    let path = if before.is_empty() { word.to_owned() } else { format!("{before}/{word}") };
    match text[word.len()..].strip_prefix("::") {
        Some(rest) => walk(rest, &path, found),
        None => drop(found.insert(path)),
    }
}

fn lies_in(path: &str, room: &str) -> bool {
    path == room || path.strip_prefix(room).is_some_and(|rest| rest.starts_with('/'))
}

/// Path of a source file's module, with slashes.
fn module(path: &Path) -> String {
    let path = path.strip_prefix(root().join("src")).unwrap().with_extension("");
    path.display().to_string()
}

#[test]
fn every_room_sees_only_what_it_may() {
    let rooms: BTreeMap<&str, &str> = ROOMS.iter().copied().collect();
    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    for path in files(&root().join("src"), "rs") {
        let module = module(&path);
        if module.ends_with("/tests") || module.contains("/tests/") {
            continue;
        }
        let room = rooms.keys().filter(|room| lies_in(&module, room)).max_by_key(|room| room.len());
        let Some(room) = room else {
            wrong.push(format!("{module} lies in no room: give it one"));
            continue;
        };
        used.insert(*room);
        let may: Vec<&str> = rooms[room].split_whitespace().collect();
        let text = code(&path);
        for named in named(&text) {
            // A function of a module is the module's.
            let is_own = lies_in(&named, room)
                || lies_in(room, &named) && !named.contains('/') && named != "platform";
            if !is_own && !may.iter().any(|it| lies_in(&named, it)) {
                wrong.push(format!("{module} sees {named}"));
            }
        }
        for name in CRATES {
            let names = text.contains(&format!("{name}::"));
            if names && !may.contains(&name) {
                wrong.push(format!("{module} sees the crate {name}"));
            }
        }
    }
    for room in rooms.keys().filter(|room| !used.contains(*room)) {
        wrong.push(format!("{room} is a room without a file"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn paths_are_written_from_the_crate_down() {
    for folder in ["src", "tests"] {
        for path in files(&root().join(folder), "rs") {
            if path.file_name().is_some_and(|name| name == "house.rs") {
                continue;
            }
            assert!(!code(&path).contains("super::"), "{} says super::", path.display());
        }
    }
}

#[test]
fn every_source_file_is_declared_by_its_parent() {
    for (folder, top) in [("src", vec!["lib.rs", "main.rs"]), ("tests/it", vec!["main.rs"])] {
        let folder = root().join(folder);
        for path in files(&folder, "rs") {
            let parent = path.parent().unwrap();
            if parent == folder && top.iter().any(|name| path.ends_with(name)) {
                continue;
            }
            let declarers: Vec<PathBuf> = if parent == folder {
                top.iter().map(|name| folder.join(name)).collect()
            } else {
                vec![parent.with_extension("rs")]
            };
            let name = path.file_stem().unwrap().to_str().unwrap();
            let declared = declarers.iter().filter(|it| it.exists()).any(|it| {
                let text = std::fs::read_to_string(it).unwrap();
                text.lines().any(|line| line.trim().ends_with(&format!("mod {name};")))
            });
            assert!(declared, "{} is declared nowhere", path.display());
        }
    }
}

#[test]
fn every_rpc_has_an_action_and_every_action_is_an_rpc() {
    let ours: BTreeSet<String> = Action::RPCS.iter().map(|it| it.name().to_owned()).collect();
    assert_eq!(ours.len(), Action::RPCS.len(), "no action stands twice");
    assert_eq!(ours, methods().into_iter().collect());
}

#[test]
fn migrations_are_numbered_from_one_without_a_gap() {
    let names = files(&root().join("migrations"), "sql");
    for (path, expected) in names.iter().zip(1..) {
        let name = path.file_name().unwrap().to_str().unwrap();
        let number: u32 = name.split('_').next().unwrap().parse().expect("a number in front");
        assert_eq!(number, expected, "{name}");
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.lines().take(5).any(|line| line.starts_with("-- Rollout:")), "{name}");
    }
    assert!(!names.is_empty());
}

#[test]
fn the_reader_of_paths_reads_them() {
    let text = "use crate::platform::{rpc, status}; use crate::postings::store::{self, Finish, held::Held};
                let x = crate::kernel::fields::check(&it); pub(crate) fn f() -> crate::pb::raw::Thing {}";
    let expected = [
        "kernel/fields/check",
        "pb/raw",
        "platform/rpc",
        "platform/status",
        "postings/store",
        "postings/store/held",
    ];
    assert_eq!(named(text).into_iter().collect::<Vec<_>>(), expected);
}
