//! How much of the real files is read. They are not part of the project.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::postings::import::tests::{mapping, read};
use crate::postings::import::{Item, Options, Reject};

#[expect(clippy::disallowed_methods, reason = "where test data is, is no setting of the hub")]
fn data(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("PESHUB_TEST_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        PathBuf::from,
    );
    let path = root.join("postings").join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("\n*** NOT MEASURED: {} is absent; set PESHUB_TEST_DATA ***\n", path.display());
    None
}

#[test]
fn postings_of_chinese_platforms() {
    let Some(path) = data("cn-platforms/by_source_boss_lagou_liepin.csv") else { return };
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/mappings/cn-platforms.toml");
    let options = Options { mapping: Some(mapping(&own)), ..Options::default() };
    let started = Instant::now();
    let all = read(&path, options);
    eprintln!("{} rows in {:?}", all.len(), started.elapsed());
    report(&all);
    assert_eq!(all.len(), 25_259);
    assert!(items(&all) * 100 >= all.len() * 99);
}

#[test]
fn postings_of_swedish_boards() {
    let Some(path) = data("se-jsonld/jobposting_50.jsonl") else { return };
    let all = read(&path, Options::default());
    report(&all);
    assert_eq!((all.len(), items(&all)), (50, 45));
}

#[test]
fn ads_of_job_tech() {
    let Some(path) = data("se-jobtech") else { return };
    let all = read(&path, Options::default());
    report(&all);
    assert_eq!((all.len(), items(&all)), (22, 21));
}

#[test]
fn openings_in_hr_xml() {
    let Some(path) = data("eu-hrxml") else { return };
    let all = read(&path, Options::default());
    report(&all);
    assert_eq!((all.len(), items(&all)), (3, 3));
}

fn items(all: &[Result<Item, Reject>]) -> usize {
    all.iter().filter(|one| one.is_ok()).count()
}

fn report(all: &[Result<Item, Reject>]) {
    let mut rejects: BTreeMap<String, usize> = BTreeMap::new();
    let mut notes: BTreeMap<String, usize> = BTreeMap::new();
    for one in all {
        match one {
            Err(reject) => {
                let key = format!("{} {:?}: {}", reject.field, reject.code, reject.expected);
                *rejects.entry(key).or_default() += 1;
            }
            Ok(item) => {
                for note in &item.fixes {
                    let key = format!("{} {:?}: {}", note.field, note.code, note.done);
                    *notes.entry(key).or_default() += 1;
                }
            }
        }
    }
    eprintln!("{} records, {} items", all.len(), items(all));
    eprintln!("rejects: {rejects:#?}\nnotes: {notes:#?}");
}
