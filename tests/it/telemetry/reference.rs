//! The page of every metric is what the program declares.

use std::collections::BTreeSet;
use std::path::Path;

use peshub::platform::metrics::{ALL, reference};

/// Returns whether a page is stale, and in what.
fn stale(page: &str) -> Option<String> {
    let expected = reference::page();
    let differs = expected.lines().zip(page.lines()).find(|(one, other)| one != other);
    (expected != page).then(|| format!("{differs:?}"))
}

#[test]
fn the_page_of_metrics_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/metrics.md");
    if std::env::var("INSTA_UPDATE").as_deref() == Ok("always") {
        std::fs::write(&path, reference::page()).unwrap();
    }
    let page = std::fs::read_to_string(&path).unwrap_or_default();
    let told = "docs/reference/metrics.md is stale; its head says how to write it";
    assert_eq!(stale(&page), None, "{told}");
    let changed = page.replace("peshub_calls_total", "peshub_calls");
    assert!(stale(&changed).is_some() && stale(&format!("{page}\n")).is_some());
}

#[test]
fn names_units_and_labels_are_as_prometheus_advises() {
    let mut names = BTreeSet::new();
    for metric in ALL {
        let meta = metric.meta();
        let name = meta.name;
        assert!(names.insert(name), "{name} is declared twice");
        assert!(name.starts_with("peshub_"), "{name}");
        assert_eq!(name.ends_with("_total"), metric.kind() == "counter", "{name}");
        assert_eq!(name.contains("_seconds"), meta.unit == "s", "{name}");
        assert_eq!(name.contains("_bytes"), meta.unit == "By", "{name}");
        assert!(meta.help.ends_with('.'), "{name}");
        for label in meta.labels {
            let may = ["method", "code", "reason", "class", "outcome", "stage", "state", "kind"];
            let is_build = name == "peshub_build_info" && ["version", "revision"].contains(label);
            assert!(may.contains(label) || is_build, "{name}: is the label {label} bounded?");
        }
    }
}
