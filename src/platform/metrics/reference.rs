//! The page of every metric.

use std::fmt::Write as _;

use crate::platform::metrics::ALL;

const HEAD: &str = "# Metrics

Written from `src/platform/metrics.rs` by `INSTA_UPDATE=always cargo test --test it -- telemetry::reference`; a test fails when it is stale.

`/metrics` on the internal listener tells them in the text format of Prometheus, and where a collector is named the same go there over OTLP,
under the same names. How to use them: [Observing a hub](../guides/observing.md).

Every value of a label is one of a list in the program. No label names a participant, a posting or a person. Those that are read from the
database (`peshub_closes_held`, `peshub_feed_lag_seconds`, `peshub_audit_…`, `peshub_status_unpublished`) are looked at every five seconds and are the same
at every replica: take their maximum, not their sum.

| metric | type | unit | labels | meaning |
|---|---|---|---|---|
";

/// Returns the page `docs/reference/metrics.md`.
#[must_use]
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    for metric in ALL {
        let meta = metric.meta();
        let labels: Vec<String> = meta.labels.iter().map(|label| format!("`{label}`")).collect();
        let (name, kind, unit) = (meta.name, metric.kind(), meta.unit);
        let row =
            format!("| `{name}` | {kind} | `{unit}` | {} | {} |", labels.join(", "), meta.help);
        // Writing to a text does not fail.
        writeln!(page, "{row}").unwrap_or_default();
    }
    page
}
