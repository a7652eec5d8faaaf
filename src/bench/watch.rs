//! `peshub bench watch`: how fast a hub hands postings out, and how soon after their commit.

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hdrhistogram::Histogram;
use tokio::sync::{mpsc, oneshot};

use crate::bench::bare::BareServer;
use crate::bench::child::ChildHub;
use crate::bench::rows::{self, BATCH};
use crate::bench::{BenchError, Report, rate, ratio};
use crate::client::connect::Connection;
use crate::client::error::ClientError;
use crate::client::sync::{SyncOptions, SyncSession};
use crate::client::watch::{Watch, WatchItem, WatchOptions};
use crate::kernel::clock::{SharedClock, unix_microseconds};
use crate::pb::peshub::common::v1 as common;
use crate::pb::peshub::postings::v1 as pb;
use crate::platform::tasks::Tasks;
use crate::postings::wire;
use crate::samples::Generator;

/// Longest that the last deliveries are waited for.
const PATIENCE: Duration = Duration::from_secs(20);
/// Provinces that the watchers divide among themselves.
const PROVINCES: [&str; 10] = [
    "110000", "310000", "320000", "330000", "370000", "410000", "420000", "430000", "440000",
    "510000",
];

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct WatchBenchOptions {
    /// Postings of the snapshot.
    pub records: usize,
    /// Rounds in which hub and bare server take turns.
    pub rounds: usize,
    /// Watchers at the same time, for the latency.
    pub watchers: usize,
    /// Changes a second, for the latency.
    pub changes_per_s: u32,
    /// How long they go on, in seconds.
    pub seconds: u32,
    /// Makes the records.
    pub seed: u64,
}

/// Measures. `progress` is told what is going on.
///
/// # Errors
///
/// A part does not start, or something is lost.
pub async fn run(
    program: &Path,
    data_dir: &Path,
    options: WatchBenchOptions,
    clock: SharedClock,
    progress: impl Fn(&str),
) -> Result<Report, BenchError> {
    progress("loading the hub");
    let hub = ChildHub::start(program, &data_dir.join("hub")).await?;
    let platform = hub.connect("platform-north").await?;
    let records = (options.records / BATCH).max(1) * BATCH;
    let changes = rows::changes(options.seed, 0, records);
    let session = SyncOptions { source: "platform-north".into(), ..SyncOptions::default() };
    let mut session = SyncSession::open(&platform, session).await?;
    for batch in changes.chunks(BATCH) {
        session.send(batch).await?;
    }
    while session.acknowledgement().await?.is_some() {}

    let bureau = hub.connect("bureau-nation").await?;
    let sample = collect(&bureau).await?;
    if sample.len() != records {
        let found = sample.len();
        return Err(BenchError::Wrong(format!("{records} postings sent, {found} in the snapshot")));
    }
    let bare = BareServer::start(sample, clock.now()).await?;
    let bare_connection = Connection::open(&bare.client()).await?;
    let (mut ours, mut theirs) = (Duration::ZERO, Duration::ZERO);
    for round in 0..options.rounds {
        progress(&format!("snapshot, round {} of {}", round + 1, options.rounds));
        theirs += snapshot(&bare_connection, records).await?;
        ours += snapshot(&bureau, records).await?;
    }
    bare.stop().await;

    progress("changes under watch");
    let latency = latency(&hub, &mut session, options, &clock).await?;
    let mut report = Report::default();
    let (hub_rate, bare_rate) =
        (rate(records * options.rounds, ours), rate(records * options.rounds, theirs));
    report.add("watch_ratio", ratio(hub_rate, bare_rate));
    report.add("snapshot_records_per_s", hub_rate);
    report.add("bare_records_per_s", bare_rate);
    report.add("delivery_p50_ms", milliseconds(latency.value_at_quantile(0.5)));
    report.add("delivery_p99_ms", milliseconds(latency.value_at_quantile(0.99)));
    report.add("delivery_max_ms", milliseconds(latency.max()));
    report.add(
        "deliveries",
        rate(usize::try_from(latency.len()).unwrap_or(0), Duration::from_secs(1)),
    );
    if let Some(mib) = hub.peak_mib().and_then(|mib| u32::try_from(mib).ok()) {
        report.add("hub_rss_mb", f64::from(mib));
    }
    session.finish().await?;
    hub.stop().await?;
    Ok(report)
}

#[expect(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "a latency for people")]
fn milliseconds(microseconds: u64) -> f64 {
    microseconds as f64 / 1_000.0
}

/// Returns the records of a whole snapshot, encoded.
async fn collect(connection: &Connection) -> Result<Vec<Bytes>, BenchError> {
    let mut watch = Watch::new(connection, WatchOptions::default());
    let mut records = Vec::new();
    loop {
        match watch.next().await? {
            WatchItem::Event(event) => {
                let record = event.record.unwrap_or_default();
                records.push(prost::Message::encode_to_vec(&record).into());
            }
            WatchItem::Bookmark(bookmark) if bookmark.snapshot_complete => return Ok(records),
            WatchItem::Bookmark(_) | WatchItem::Restart(_) => {}
        }
    }
}

/// Takes a snapshot and returns how long it took.
async fn snapshot(connection: &Connection, records: usize) -> Result<Duration, BenchError> {
    let start = Instant::now();
    let request = pb::WatchPostingsRequest::default();
    let answer = connection.postings().watch_postings(request).await.map_err(ClientError::from)?;
    let mut stream = answer.into_inner();
    let mut received = 0;
    while let Some(response) = stream.message().await.map_err(ClientError::from)? {
        match response.message {
            Some(pb::watch_postings_response::Message::Event(_)) => received += 1,
            Some(pb::watch_postings_response::Message::Bookmark(_)) => break,
            None => {}
        }
    }
    if received == records {
        Ok(start.elapsed())
    } else {
        Err(BenchError::Wrong(format!("{received} of {records} postings in a snapshot")))
    }
}

/// Changes postings at a steady rate while watchers look on, and returns the time from commit to delivery, microseconds.
async fn latency(
    hub: &ChildHub,
    session: &mut SyncSession,
    options: WatchBenchOptions,
    clock: &SharedClock,
) -> Result<Histogram<u64>, BenchError> {
    let tasks = Tasks::default();
    let (sender, mut deliveries) = mpsc::unbounded_channel();
    let (goal, _) = tokio::sync::watch::channel(None::<i64>);
    let mut ready = Vec::new();
    // A handful of connections, as a handful of bureaus' machines would have.
    let mut connections = Vec::new();
    for _ in 0..4 {
        connections.push(hub.connect("bureau-nation").await?);
    }
    for (index, province) in (0..options.watchers).zip(PROVINCES.iter().cycle()) {
        let Some(connection) = connections.get(index % connections.len()) else { continue };
        let watch = Watch::new(connection, watch_options(province));
        let (is_ready, waits) = oneshot::channel();
        ready.push(waits);
        let watcher = Watcher {
            watch,
            deliveries: sender.clone(),
            clock: clock.clone(),
            goal: goal.subscribe(),
        };
        drop(tasks.spawn(watcher.run(is_ready)));
    }
    drop(sender);
    futures_util::future::join_all(ready).await;

    let mut generator = Generator::new(options.seed + 1, 1);
    let per_batch = options.changes_per_s / 20;
    let mut pace = tokio::time::interval(Duration::from_millis(50));
    let mut last = 0;
    for _ in 0..options.seconds * 20 {
        pace.tick().await;
        let batch: Vec<_> = (0..per_batch).map(|_| rows::change(generator.posting(), 1)).collect();
        session.send(&batch).await?;
        while let Some(acknowledgement) = session.received() {
            last = last.max(acknowledgement.position);
        }
    }
    while let Some(acknowledgement) = session.acknowledgement().await? {
        last = last.max(acknowledgement.position);
    }
    goal.send_replace(Some(last));
    let mut histogram = Histogram::new_with_bounds(1, 600_000_000, 3)
        .map_err(|error| BenchError::Wrong(error.to_string()))?;
    let all = async {
        while let Some(microseconds) = deliveries.recv().await {
            histogram.saturating_record(microseconds);
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, all).await;
    tasks.stop().await;
    in_time.map_err(|_| BenchError::Wrong("a watcher did not get everything".into()))?;
    Ok(histogram)
}

fn watch_options(province: &str) -> WatchOptions {
    let division = common::Division {
        scheme: common::DivisionScheme::Gbt2260.into(),
        code: province.to_owned(),
        name: String::new(),
    };
    WatchOptions {
        filter: pb::PostingFilter { divisions: vec![division], ..pb::PostingFilter::default() },
        skip_snapshot: true,
        bookmark_seconds: 1,
        ..WatchOptions::default()
    }
}

struct Watcher {
    watch: Watch,
    deliveries: mpsc::UnboundedSender<u64>,
    clock: SharedClock,
    /// The position at which it may end.
    goal: tokio::sync::watch::Receiver<Option<i64>>,
}

impl Watcher {
    async fn run(mut self, is_ready: oneshot::Sender<()>) {
        let mut is_ready = Some(is_ready);
        let mut position = 0;
        loop {
            let goal = *self.goal.borrow();
            if goal.is_some_and(|goal| position >= goal) {
                return;
            }
            let item = tokio::select! {
                item = self.watch.next() => item,
                changed = self.goal.changed() => if changed.is_ok() { continue } else { return },
            };
            match item {
                Ok(WatchItem::Event(event)) => {
                    position = event.position;
                    let delivered = delay(&event, &self.clock);
                    if delivered.is_some_and(|delay| self.deliveries.send(delay).is_err()) {
                        return;
                    }
                }
                Ok(WatchItem::Bookmark(bookmark)) => {
                    position = bookmark.position;
                    if let Some(is_ready) = is_ready.take() {
                        is_ready.send(()).unwrap_or_default();
                    }
                }
                Ok(WatchItem::Restart(_)) => {}
                Err(error) => {
                    tracing::warn!("a watcher ended: {error}");
                    return;
                }
            }
        }
    }
}

/// Returns the microseconds since the hub wrote a change, a moment before its commit.
fn delay(event: &pb::PostingEvent, clock: &SharedClock) -> Option<u64> {
    let written = wire::instant(event.record.as_ref()?.updated_at?)?;
    let now = unix_microseconds(clock.now())?;
    u64::try_from(now - unix_microseconds(written)?).ok()
}
