//! `peshub bench ingest`: how fast a hub takes postings in.

use std::path::Path;
use std::time::{Duration, Instant};

use time::OffsetDateTime;

use crate::bench::child::ChildHub;
use crate::bench::direct::{self, CopyBatch, DirectLoader};
use crate::bench::rows::{self, BATCH};
use crate::bench::{BenchError, Report, rate, ratio, telling};
use crate::client::sync::{SyncOptions, SyncSession};
use crate::dev::{Database, PLATFORMS};
use crate::pb::peshub::postings::v1::{BatchAcknowledgement, PostingChange};
use crate::platform::db::Db;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct IngestOptions {
    /// Records that go through the hub, and as many directly.
    pub records: usize,
    /// Rounds in which both take turns.
    pub rounds: usize,
    /// Platforms that send at the same time, 1 to 3.
    pub platforms: usize,
    /// Makes the records; the same seed makes the same.
    pub seed: u64,
}

/// Measures. `progress` is told what is going on.
///
/// # Errors
///
/// A part does not start, or an acknowledgement does not say what it should.
pub async fn run(
    program: &Path,
    data_dir: &Path,
    options: IngestOptions,
    now: OffsetDateTime,
    progress: impl Fn(&str),
) -> Result<Report, BenchError> {
    progress("generating records");
    let platforms = options.platforms.clamp(1, PLATFORMS.len());
    let per_platform = (options.records / platforms / BATCH).max(options.rounds) * BATCH;
    let through_hub: Vec<Vec<PostingChange>> = (0_u32..)
        .take(platforms)
        .map(|index| rows::changes(options.seed, index, per_platform))
        .collect();
    let all: Vec<PostingChange> = through_hub.iter().flatten().cloned().collect();
    let direct = direct::prepare(&all, 1, now)?;

    progress("starting the hub, and one without TLS, audit trail and signatures");
    let hub = ChildHub::start(program, &data_dir.join("hub")).await?;
    let trusting = ChildHub::start_without_trust(program, &data_dir.join("trusting")).await?;
    let bare = Database::open(None, &data_dir.join("direct"), search_path()).await?;
    let db = Db::open(bare.options.clone(), 4);
    db.migrate().await.map_err(|error| BenchError::Dev(error.into()))?;
    db.close().await;
    let url = bare.private.as_ref().map(|private| private.location().url()).unwrap_or_default();
    let mut loader = DirectLoader::connect(&url).await?;

    let mut took = Took::default();
    let mut sessions = sessions(&hub, platforms).await?;
    let mut trusting_sessions = self::sessions(&trusting, platforms).await?;
    let batches = per_platform / BATCH;
    for round in 0..options.rounds {
        progress(&format!("round {} of {}", round + 1, options.rounds));
        let part = batches * round / options.rounds..batches * (round + 1) / options.rounds;
        let parts: Vec<&[PostingChange]> = through_hub
            .iter()
            .filter_map(|changes| changes.get(part.start * BATCH..part.end * BATCH))
            .collect();
        // Each goes first as often as second.
        if round % 2 == 0 {
            took.hub += sync(&mut sessions, &parts, |ack| ack.created).await?;
        }
        took.without_trust += sync(&mut trusting_sessions, &parts, |ack| ack.created).await?;
        if round % 2 == 1 {
            took.hub += sync(&mut sessions, &parts, |ack| ack.created).await?;
        }
        let ours = direct.iter().skip(part.start * platforms).take(part.len() * platforms);
        took.direct += load(&mut loader, ours).await?;
    }
    progress("sending everything again, unchanged");
    let parts: Vec<&[PostingChange]> = through_hub.iter().map(Vec::as_slice).collect();
    took.again = sync(&mut sessions, &parts, |ack| ack.unchanged).await?;

    let mut report = report(&took, per_platform * platforms, hub.peak_mib());
    for session in sessions.into_iter().chain(trusting_sessions) {
        session.finish().await?;
    }
    hub.stop().await?;
    trusting.stop().await?;
    bare.close().await?;
    progress("the same through a hub that tells everything, and one that tells nothing");
    telling::run(program, data_dir, &through_hub, options.rounds, &mut report).await?;
    Ok(report)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a measurement looks for programs where its caller would"
)]
fn search_path() -> Option<std::ffi::OsString> {
    std::env::var_os("PATH")
}

/// Opens a session for each platform.
///
/// # Errors
///
/// The hub cannot be reached, or refuses.
pub async fn sessions(hub: &ChildHub, platforms: usize) -> Result<Vec<SyncSession>, BenchError> {
    let mut sessions = Vec::new();
    for (name, _) in PLATFORMS.iter().take(platforms) {
        let options = SyncOptions { source: (*name).to_owned(), ..SyncOptions::default() };
        sessions.push(SyncSession::open(&hub.connect(name).await?, options).await?);
    }
    Ok(sessions)
}

#[derive(Default)]
struct Took {
    hub: Duration,
    /// The same records through a hub without TLS, audit trail and signatures.
    without_trust: Duration,
    direct: Duration,
    again: Duration,
}

fn report(took: &Took, records: usize, hub_mib: Option<u64>) -> Report {
    let (hub, direct) = (rate(records, took.hub), rate(records, took.direct));
    let again = rate(records, took.again);
    let mut report = Report::default();
    report.add("ingest_ratio", ratio(hub, direct));
    let without_trust = rate(records, took.without_trust);
    report.add("trust_ratio", ratio(hub, without_trust));
    report.add("without_trust_records_per_s", without_trust);
    report.add("resend_ratio", ratio(again, hub));
    report.add("ingest_records_per_s", hub);
    report.add("direct_records_per_s", direct);
    report.add("resend_records_per_s", again);
    if let Some(mib) = hub_mib.and_then(|mib| u32::try_from(mib).ok()) {
        report.add("hub_rss_mb", f64::from(mib));
    }
    report
}

/// Sends a part on every session at the same time and waits for all acknowledgements.
///
/// # Errors
///
/// The hub refuses, or does not count what it should.
pub async fn sync(
    sessions: &mut [SyncSession],
    parts: &[&[PostingChange]],
    counted: fn(&BatchAcknowledgement) -> i32,
) -> Result<Duration, BenchError> {
    let start = Instant::now();
    let work = sessions.iter_mut().zip(parts).map(|(session, part)| async move {
        let mut done = 0;
        for batch in part.chunks(BATCH) {
            session.send(batch).await?;
            while let Some(acknowledgement) = session.received() {
                done += counted(&acknowledgement);
            }
        }
        while let Some(acknowledgement) = session.acknowledgement().await? {
            done += counted(&acknowledgement);
        }
        if usize::try_from(done) == Ok(part.len()) {
            Ok(())
        } else {
            let sent = part.len();
            Err(BenchError::Wrong(format!("{sent} records sent, {done} acknowledged as expected")))
        }
    });
    futures_util::future::try_join_all(work).await?;
    Ok(start.elapsed())
}

async fn load<'a>(
    loader: &mut DirectLoader,
    batches: impl Iterator<Item = &'a CopyBatch>,
) -> Result<Duration, BenchError> {
    let start = Instant::now();
    for batch in batches {
        loader.load(batch).await?;
    }
    Ok(start.elapsed())
}
