//! The comparison, seen to fail: a checker that never failed proves nothing.

use crate::demo::bureau::{Arrival, Received};
use crate::demo::compare::{Findings, compare};
use crate::demo::latencies::Latencies;
use crate::demo::ledger::{Delivery, Jurisdiction, Kind, Ledger};
use crate::demo::platform::Sent;

const DUE: &str = "E0.1 E1.1 C0.2 L1.2 E1.3";

/// Reads deliveries: kind, number of the posting, revision.
fn read(text: &str) -> Vec<(Option<Kind>, usize, i64)> {
    let one = |word: &str| {
        let (kind, rest) = word.split_at(1);
        let kind = match kind {
            "E" => Some(Kind::Entered),
            "C" => Some(Kind::Changed),
            "L" => Some(Kind::Left),
            _ => None,
        };
        let (posting, revision) = rest.split_once('.').unwrap();
        (kind, posting.parse().unwrap(), revision.parse().unwrap())
    };
    text.split_whitespace().map(one).collect()
}

fn found(due: &str, came: &str, restarts: u64) -> Findings {
    let mut ledger = Ledger::new(&[Jurisdiction::new(&["330000".to_owned()])]);
    let due = read(due).into_iter();
    ledger.deliveries[0] = due
        .map(|(kind, posting, revision)| Delivery { posting, revision, kind: kind.unwrap() })
        .collect();
    let sent = Sent {
        source: "north".to_owned(),
        external_ids: ["a", "b", "c"].map(str::to_owned).to_vec(),
        ledger,
        latencies: Latencies::new(),
        committed_at: None,
        reconnects: 0,
    };
    let arrivals = read(came).into_iter().map(|(kind, posting, revision)| Arrival {
        source: 0,
        external_id: ["a", "b", "c", "unknown"][posting].into(),
        revision,
        kind,
    });
    let received = Received {
        arrivals: arrivals.collect(),
        inversions: 0,
        strays: 0,
        restarts,
        reconnects: 0,
        latencies: Latencies::new(),
        is_complete: true,
    };
    compare(0, &received, &[(0, sent)])
}

fn check(came: &str, restarts: u64, expected: &str) {
    let found = found(DUE, came, restarts);
    let shown = format!(
        "lost {} duplicated {} unexpected {} out of order {}",
        found.lost, found.duplicated, found.unexpected, found.out_of_order
    );
    assert_eq!(shown, expected, "{came}");
}

#[test]
fn every_way_to_deliver_wrongly_is_found() {
    check(DUE, 0, "lost 0 duplicated 0 unexpected 0 out of order 0");
    // Postings are independent of each other.
    check("E1.1 E0.1 L1.2 E1.3 C0.2", 0, "lost 0 duplicated 0 unexpected 0 out of order 0");
    check("E0.1 E1.1 C0.2 L1.2", 0, "lost 1 duplicated 0 unexpected 0 out of order 0");
    check("", 0, "lost 5 duplicated 0 unexpected 0 out of order 0");
    check("E0.1 E0.1 E1.1 C0.2 L1.2 E1.3", 0, "lost 0 duplicated 1 unexpected 0 out of order 0");
    check("E0.1 E1.1 C0.2 E1.3 L1.2", 0, "lost 0 duplicated 0 unexpected 0 out of order 1");
    // What ought to enter must not come as a change.
    check("C0.1 E1.1 C0.2 L1.2 E1.3", 0, "lost 1 duplicated 0 unexpected 1 out of order 0");
    check(
        "E0.1 E1.1 C0.2 L1.2 E1.3 E2.1 E3.1",
        0,
        "lost 0 duplicated 0 unexpected 2 out of order 0",
    );
}

#[test]
fn after_a_new_snapshot_what_stands_in_the_end_counts() {
    check("E0.1 S0.2 S1.3", 1, "lost 0 duplicated 0 unexpected 0 out of order 0");
    check("E0.1 S0.1 S1.3", 1, "lost 1 duplicated 0 unexpected 0 out of order 0");
    check("E0.1 S0.2", 1, "lost 1 duplicated 0 unexpected 0 out of order 0");
}

#[test]
fn events_are_counted_by_what_they_mean() {
    let found = found(DUE, DUE, 0);
    assert_eq!((found.due, found.delivered), (5, 5));
    assert_eq!((found.entered, found.changed, found.left), (3, 1, 1));
}
