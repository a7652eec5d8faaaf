//! Holds what a bureau received against what it must have received.

use std::collections::HashMap;

use crate::demo::bureau::{Arrival, Received};
use crate::demo::ledger::{Delivery, Kind};
use crate::demo::platform::Sent;

/// Most differences that are kept to be shown.
const SHOWN_MAX: usize = 5;

/// What the comparison of one bureau has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    /// Deliveries that were due.
    pub(crate) due: u64,
    /// Events that came.
    pub(crate) delivered: u64,
    pub(crate) entered: u64,
    pub(crate) changed: u64,
    pub(crate) left: u64,
    /// Due and never came.
    pub(crate) lost: u64,
    /// Came more often than it was due.
    pub(crate) duplicated: u64,
    /// Came and was never due.
    pub(crate) unexpected: u64,
    /// Came before something that must come before it.
    pub(crate) out_of_order: u64,
    /// Some of the differences, for a person.
    pub(crate) shown: Vec<String>,
}

/// Compares for one bureau.
pub(crate) fn compare(bureau: usize, received: &Received, sent: &[(usize, Sent)]) -> Findings {
    let mut findings = Findings {
        out_of_order: received.inversions,
        unexpected: received.strays,
        ..Findings::default()
    };
    for (platform, sent) in sent {
        let due = sent.ledger.deliveries.get(bureau).map_or(&[][..], Vec::as_slice);
        let numbers: HashMap<&str, usize> = sent
            .external_ids
            .iter()
            .enumerate()
            .map(|(number, id)| (id.as_str(), number))
            .collect();
        let arrivals = received.arrivals.iter().filter(|arrival| arrival.source == *platform);
        let names = Names { source: &sent.source, external_ids: &sent.external_ids };
        if received.restarts == 0 {
            events(&mut findings, due, arrivals, (&numbers, names));
        } else {
            states(&mut findings, due, arrivals, (&numbers, names));
        }
    }
    findings
}

/// What postings are called.
#[derive(Clone, Copy)]
struct Names<'a> {
    source: &'a str,
    external_ids: &'a [String],
}

impl Names<'_> {
    fn of(self, posting: usize) -> String {
        let external_id = self.external_ids.get(posting).map_or("", String::as_str);
        format!("{}/{external_id}", self.source)
    }
}

/// Compares event by event.
fn events<'a>(
    findings: &mut Findings,
    due: &[Delivery],
    arrivals: impl Iterator<Item = &'a Arrival>,
    (numbers, names): (&HashMap<&str, usize>, Names<'_>),
) {
    findings.due += count(due.len());
    // For every delivery how often it was due and how often it came.
    let mut balance: HashMap<Delivery, (u64, u64)> = HashMap::with_capacity(due.len());
    for delivery in due {
        balance.entry(*delivery).or_default().0 += 1;
    }
    let mut revisions: HashMap<usize, i64> = HashMap::new();
    for arrival in arrivals {
        findings.tally(arrival);
        let number = numbers.get(&*arrival.external_id).copied();
        let (Some(posting), Some(kind)) = (number, arrival.kind) else {
            findings.unexpected += 1;
            continue;
        };
        let last = revisions.entry(posting).or_insert(i64::MIN);
        if arrival.revision < *last {
            findings.out_of_order += 1;
        }
        *last = arrival.revision;
        balance.entry(Delivery { posting, revision: arrival.revision, kind }).or_default().1 += 1;
    }
    for (delivery, (due, came)) in balance {
        if due != came {
            findings.show(|| {
                let Delivery { posting, revision, kind } = delivery;
                let name = names.of(posting);
                format!("{kind:?} {name} revision {revision}: {due} due, {came} came")
            });
        }
        findings.lost += due.saturating_sub(came);
        let extra = came.saturating_sub(due);
        if due > 0 {
            findings.duplicated += extra;
        } else {
            findings.unexpected += extra;
        }
    }
}

/// Compares what stands in the end: after a new snapshot, changes before it may rightly never have come.
fn states<'a>(
    findings: &mut Findings,
    due: &[Delivery],
    arrivals: impl Iterator<Item = &'a Arrival>,
    (numbers, names): (&HashMap<&str, usize>, Names<'_>),
) {
    let mut standing: HashMap<usize, i64> = HashMap::new();
    for delivery in due {
        match delivery.kind {
            Kind::Entered | Kind::Changed => {
                standing.insert(delivery.posting, delivery.revision);
            }
            Kind::Left => {
                standing.remove(&delivery.posting);
            }
        }
    }
    findings.due += count(standing.len());
    let mut found: HashMap<usize, i64> = HashMap::new();
    for arrival in arrivals {
        findings.tally(arrival);
        let Some(posting) = numbers.get(&*arrival.external_id) else {
            findings.unexpected += 1;
            continue;
        };
        match arrival.kind {
            Some(Kind::Left) => {
                found.remove(posting);
            }
            Some(Kind::Entered | Kind::Changed) | None => {
                found.insert(*posting, arrival.revision);
            }
        }
    }
    for (posting, revision) in standing {
        let last = found.get(&posting).copied();
        if last != Some(revision) {
            findings.lost += 1;
            findings.show(|| {
                format!("{} stands at revision {revision}, found {last:?}", names.of(posting))
            });
        }
    }
}

impl Findings {
    fn show(&mut self, text: impl FnOnce() -> String) {
        if self.shown.len() < SHOWN_MAX {
            self.shown.push(text());
        }
    }

    fn tally(&mut self, arrival: &Arrival) {
        self.delivered += 1;
        match arrival.kind {
            Some(Kind::Entered) => self.entered += 1,
            Some(Kind::Changed) => self.changed += 1,
            Some(Kind::Left) => self.left += 1,
            None => {}
        }
    }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
