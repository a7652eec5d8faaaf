//! What the demonstration has found out, for people and for programs.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::demo::credentials::CredentialStory;
use crate::demo::latencies::Latencies;
use crate::demo::ledger::Counts;
use crate::demo::subsidies::SubsidyStory;
use crate::demo::{Report, Settings, compare};

mod table;

/// The outcome of a demonstration. The names of the fields are a promise to scripts.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Seed of the run.
    pub seed: u64,
    /// Records sent.
    pub sent: u64,
    /// Records in acknowledged batches.
    pub acknowledged: u64,
    /// Records that were rejected.
    pub rejected: Rejected,
    /// Closes that were held.
    pub held: u64,
    /// Records that were taken after repairs.
    pub fixed: u64,
    /// Records whose verdict was not the one that they ought to have had.
    pub surprises: u64,
    /// Events that bureaus received.
    pub delivered: u64,
    /// Of these: postings that came into a bureau's divisions.
    pub entered: u64,
    /// Of these: postings that changed there.
    pub changed: u64,
    /// Of these: postings that left them or were closed.
    pub left: u64,
    /// Events that were due and never came.
    pub lost: u64,
    /// Events that came more often than they were due.
    pub duplicated: u64,
    /// Events that came and were never due.
    pub unexpected: u64,
    /// Events that came in the wrong order.
    pub out_of_order: u64,
    /// Time until the last acknowledgement, in milliseconds.
    pub sending_ms: u64,
    /// Time until the last delivery, in milliseconds.
    pub total_ms: u64,
    /// Records acknowledged a second.
    pub records_per_s: u64,
    /// From the sending of a batch to its acknowledgement.
    pub acknowledgement_ms: Quantiles,
    /// From the commit of a change to its arrival at a bureau.
    pub delivery_ms: Quantiles,
    /// Each platform.
    pub platforms: Vec<PlatformSummary>,
    /// Each bureau.
    pub bureaus: Vec<BureauSummary>,
    /// The story of a credential, if it was told.
    pub credentials: Option<CredentialStory>,
    /// The story of a subsidy, if it was told.
    pub subsidies: Option<SubsidyStory>,
}

/// Rejected records.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Rejected {
    /// All of them.
    pub total: u64,
    /// By the code of their first finding.
    pub by_code: BTreeMap<String, u64>,
}

/// Half and nearly all were at most this long, in milliseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Quantiles {
    /// Half.
    pub p50: f64,
    /// 99 per cent.
    pub p99: f64,
}

/// What one platform did.
#[derive(Clone, Debug, Serialize)]
pub struct PlatformSummary {
    /// Name of its source.
    pub source: String,
    /// Batches acknowledged.
    pub batches: u64,
    /// Of these: acknowledged from memory after a lost connection.
    pub replayed: u64,
    /// Records sent.
    pub sent: u64,
    /// Records in acknowledged batches.
    pub acknowledged: u64,
    /// Postings that were new.
    pub created: u64,
    /// Postings that had new content.
    pub changed: u64,
    /// Postings that stayed the same.
    pub unchanged: u64,
    /// Postings that were closed.
    pub closed: u64,
    /// Closes that were held.
    pub held: u64,
    /// Records that were rejected.
    pub rejected: u64,
    /// How often the connection was lost.
    pub reconnects: u64,
    /// Some verdicts that were not the ones that were due.
    pub surprises: Vec<String>,
}

/// What one bureau received.
#[derive(Clone, Debug, Serialize)]
pub struct BureauSummary {
    /// Its name.
    pub name: String,
    /// The divisions that it watches.
    pub divisions: Vec<String>,
    /// Events that were due.
    pub due: u64,
    /// Events that came.
    pub delivered: u64,
    /// Of these: postings that came into its divisions.
    pub entered: u64,
    /// Of these: postings that changed there.
    pub changed: u64,
    /// Of these: postings that left them or were closed.
    pub left: u64,
    /// Due and never came.
    pub lost: u64,
    /// Came more often than due.
    pub duplicated: u64,
    /// Came and were never due.
    pub unexpected: u64,
    /// Came in the wrong order.
    pub out_of_order: u64,
    /// Some of the differences between what was due and what came.
    pub differences: Vec<String>,
    /// Whether a bookmark said that everything was delivered.
    pub complete: bool,
    /// How often the connection was lost.
    pub reconnects: u64,
    /// How often the watch began again with a snapshot.
    pub restarts: u64,
    /// From the commit of a change to its arrival.
    pub delivery_ms: Quantiles,
}

impl Summary {
    /// Returns whether everything was as it ought to be.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let wrong = self.lost
            + self.duplicated
            + self.unexpected
            + self.out_of_order
            + self.surprises
            + self.sent.abs_diff(self.acknowledged);
        wrong == 0
            && self.bureaus.iter().all(|bureau| bureau.complete)
            && self.credentials.as_ref().is_none_or(CredentialStory::is_sound)
            && self.subsidies.as_ref().is_none_or(SubsidyStory::is_sound)
    }

    /// Returns the summary as a table for people.
    #[must_use]
    pub fn to_text(&self) -> String {
        table::render(self)
    }
}

/// Puts together what was found out.
pub(crate) fn summarise(settings: &Settings, report: &Report) -> Summary {
    let mut total = Counts::default();
    let mut acknowledgements = Latencies::new();
    let mut platforms = Vec::new();
    for ((_, sent), platform) in report.sent.iter().zip(&settings.platforms) {
        let counts = &sent.ledger.counts;
        total.add(counts);
        acknowledgements.add(&sent.latencies);
        platforms.push(of_platform(&platform.source, counts, sent.reconnects));
    }
    let mut deliveries = Latencies::new();
    let mut bureaus = Vec::new();
    for ((number, received), bureau) in report.received.iter().zip(&settings.bureaus) {
        deliveries.add(&received.latencies);
        let found = compare::compare(*number, received, &report.sent);
        bureaus.push(BureauSummary {
            name: bureau.name.clone(),
            divisions: bureau.divisions.clone(),
            due: found.due,
            delivered: found.delivered,
            entered: found.entered,
            changed: found.changed,
            left: found.left,
            lost: found.lost,
            duplicated: found.duplicated,
            unexpected: found.unexpected,
            out_of_order: found.out_of_order,
            differences: found.shown,
            complete: received.is_complete,
            reconnects: received.reconnects,
            restarts: received.restarts,
            delivery_ms: received.latencies.quantiles(),
        });
    }
    let sum = |of: fn(&BureauSummary) -> u64| bureaus.iter().map(of).sum();
    Summary {
        seed: settings.seed,
        sent: total.sent,
        acknowledged: total.acknowledged,
        rejected: Rejected { total: total.rejected, by_code: total.rejected_by_code },
        held: total.held,
        fixed: total.fixed,
        surprises: total.surprises,
        delivered: sum(|it| it.delivered),
        entered: sum(|it| it.entered),
        changed: sum(|it| it.changed),
        left: sum(|it| it.left),
        lost: sum(|it| it.lost),
        duplicated: sum(|it| it.duplicated),
        unexpected: sum(|it| it.unexpected),
        out_of_order: sum(|it| it.out_of_order),
        sending_ms: milliseconds(report.sending_took),
        total_ms: milliseconds(report.took),
        records_per_s: rate(total.acknowledged, report.sending_took),
        acknowledgement_ms: acknowledgements.quantiles(),
        delivery_ms: deliveries.quantiles(),
        platforms,
        bureaus,
        credentials: None,
        subsidies: None,
    }
}

fn of_platform(source: &str, counts: &Counts, reconnects: u64) -> PlatformSummary {
    PlatformSummary {
        source: source.to_owned(),
        batches: counts.batches,
        replayed: counts.replayed,
        sent: counts.sent,
        acknowledged: counts.acknowledged,
        created: counts.created,
        changed: counts.changed,
        unchanged: counts.unchanged,
        closed: counts.closed,
        held: counts.held,
        rejected: counts.rejected,
        reconnects,
        surprises: counts.surprises_shown.clone(),
    }
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.acknowledged += other.acknowledged;
        self.held += other.held;
        self.fixed += other.fixed;
        self.rejected += other.rejected;
        self.surprises += other.surprises;
        for (code, count) in &other.rejected_by_code {
            *self.rejected_by_code.entry(code.clone()).or_default() += count;
        }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn rate(count: u64, took: Duration) -> u64 {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
    count.saturating_mul(1_000_000) / micros
}
