//! What an operator has in hand: settings, the doctor, migrations, the chart.

mod chart;
mod config;
mod doctor;
mod faults;
mod migrations;
mod program;

mod rollout;

use std::path::{Path, PathBuf};

/// The root of the repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Holds a part of a page, between two marks, against what it must be; writes it when `INSTA_UPDATE` says so.
fn assert_page_has(page: &str, mark: &str, expected: &str) {
    let path: PathBuf = root().join(page);
    let text = std::fs::read_to_string(&path).expect("a page");
    let (begin, end) = (format!("<!-- {mark}: begin -->\n"), format!("<!-- {mark}: end -->"));
    let (before, rest) = text.split_once(&begin).expect("a begin");
    let (found, after) = rest.split_once(&end).expect("an end");
    if std::env::var("INSTA_UPDATE").is_ok_and(|it| it == "always") {
        let text = format!("{before}{begin}{expected}{end}{after}");
        std::fs::write(&path, text).expect("a page");
        return;
    }
    assert!(
        found == expected,
        "{page} has not what it should between the marks {mark}; INSTA_UPDATE=always writes it"
    );
}
