//! The dashboard and the alert rules name metrics and labels that there are.

use std::path::Path;

use peshub::platform::metrics::ALL;
use regex::Regex;
use serde_json::Value;

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Labels that Prometheus, or the scrape, adds.
const OUTSIDE: [&str; 5] = ["le", "instance", "job", "pod", "namespace"];

/// Returns what is wrong with an expression of `PromQL`: metrics that nobody declares, labels that the metric does not have.
fn wrong_with(expression: &str) -> Vec<String> {
    let names = Regex::new(r"\b(peshub_[a-z0-9_]+)(?:\{([^}]*)\})?").unwrap();
    let labels = Regex::new(r"([a-z_]+)\s*(?:=~|!~|!=|=)").unwrap();
    let groups = Regex::new(r"\b(?:by|without)\s*\(([^)]*)\)").unwrap();
    let mut wrong = Vec::new();
    let mut known: Vec<&str> = OUTSIDE.to_vec();
    let mut found = 0;
    for name in names.captures_iter(expression) {
        found += 1;
        let full = &name[1];
        let declared = ALL.iter().find(|metric| {
            let is_histogram = metric.kind() == "histogram";
            let part = full.strip_prefix(metric.meta().name);
            match part {
                Some("") => !is_histogram,
                Some("_bucket" | "_sum" | "_count") => is_histogram,
                _ => false,
            }
        });
        let Some(declared) = declared else {
            wrong.push(format!("{full} is no metric"));
            continue;
        };
        known.extend(declared.meta().labels);
        for label in name.get(2).iter().flat_map(|it| labels.captures_iter(it.as_str())) {
            if !declared.meta().labels.contains(&&label[1]) && !OUTSIDE.contains(&&label[1]) {
                wrong.push(format!("{full} has no label {}", &label[1]));
            }
        }
    }
    for group in groups.captures_iter(expression) {
        for label in group[1].split(',').map(str::trim).filter(|it| !known.contains(it)) {
            wrong.push(format!("nothing here has the label {label}"));
        }
    }
    if found == 0 {
        wrong.push("no metric of the hub".to_owned());
    }
    wrong
}

/// Returns every text under a key, wherever it stands.
fn under<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if name == key => found.push(text),
                    value => under(value, key, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| under(item, key, found)),
        _ => {}
    }
}

fn check(what: &str, document: &Value) -> usize {
    let mut expressions = Vec::new();
    under(document, "expr", &mut expressions);
    for expression in &expressions {
        assert_eq!(wrong_with(expression), Vec::<String>::new(), "{what}: {expression}");
    }
    expressions.len()
}

#[test]
fn the_dashboard_shows_metrics_that_there_are() {
    let board: Value = serde_json::from_str(&read("helm/peshub/dashboards/peshub.json")).unwrap();
    assert!(check("the dashboard", &board) > 20);
    let panels = board["panels"].as_array().unwrap();
    let mut numbers: Vec<_> = panels.iter().map(|it| it["id"].as_i64().unwrap()).collect();
    numbers.dedup();
    assert_eq!(numbers.len(), panels.len(), "panels with one number");
    assert!(panels.iter().all(|it| it["type"] == "row" || it["description"].is_string()));
}

#[test]
fn the_alert_rules_watch_metrics_that_there_are() {
    let rules: Value = serde_saphyr::from_str(&read("helm/peshub/alerts.yaml")).unwrap();
    let count = check("the alert rules", &rules);
    let guide = read("docs/guides/observing.md");
    let mut rules_seen = 0;
    for rule in rules["groups"].as_array().unwrap().iter().filter_map(|it| it["rules"].as_array()) {
        for rule in rule {
            let name = rule["alert"].as_str().unwrap();
            assert!(guide.contains(&format!("### {name}\n")), "the guide does not tell of {name}");
            assert!(["page", "ticket"].contains(&rule["labels"]["severity"].as_str().unwrap()));
            for note in ["summary", "runbook_url"] {
                assert!(rule["annotations"][note].is_string(), "{name} has no {note}");
            }
            rules_seen += 1;
        }
    }
    assert!(count == rules_seen && count >= 10);
}

#[test]
fn a_name_that_is_wrong_is_found() {
    for sound in [
        "sum by (method) (rate(peshub_calls_total{code!=\"OK\"}[5m]))",
        "histogram_quantile(0.99, sum by (le, stage) (rate(peshub_ingest_seconds_bucket[5m])))",
        "max(peshub_feed_lag_seconds) > 30",
    ] {
        assert!(wrong_with(sound).is_empty(), "{sound}: {:?}", wrong_with(sound));
    }
    for (wrong, why) in [
        ("rate(peshub_call_total[5m])", "peshub_call_total is no metric"),
        ("peshub_ingest_seconds", "peshub_ingest_seconds is no metric"),
        ("peshub_calls_total_bucket", "peshub_calls_total_bucket is no metric"),
        ("peshub_calls_total{cod=\"OK\"}", "peshub_calls_total has no label cod"),
        ("sum by (participant) (peshub_calls_total)", "nothing here has the label participant"),
        ("up == 0", "no metric of the hub"),
    ] {
        assert_eq!(wrong_with(wrong), [why], "{wrong}");
    }
}
