//! What telemetry costs: the same ingest through a hub that measures everything, traces every batch and exports it all, and through
//! one that does nothing of it.

use std::path::Path;
use std::time::Duration;

use crate::bench::child::ChildHub;
use crate::bench::collector::Collector;
use crate::bench::ingest::{sessions, sync};
use crate::bench::rows::BATCH;
use crate::bench::{BenchError, Report, rate, ratio};
use crate::pb::peshub::postings::v1::PostingChange;

/// Turns that both take in each round: short ones, so that a slow moment slows both.
const TURNS_PER_ROUND: usize = 4;

/// Measures with some records of each platform, and adds the figures.
///
/// # Errors
///
/// A hub does not start, an acknowledgement does not say what it should, or nothing was exported.
pub async fn run(
    program: &Path,
    data_dir: &Path,
    records: &[Vec<PostingChange>],
    rounds: usize,
    report: &mut Report,
) -> Result<(), BenchError> {
    let collector = Collector::start().await?;
    let endpoint = collector.endpoint();
    let all = ["--otlp-endpoint", &*endpoint, "--otlp-metrics-seconds", "1", "--trace-ratio", "1"];
    let telling = ChildHub::start_with(program, &data_dir.join("telling"), &all).await?;
    let silent = ["--metrics", "false"];
    let silent = ChildHub::start_with(program, &data_dir.join("silent"), &silent).await?;
    let mut telling_sessions = sessions(&telling, records.len()).await?;
    let mut silent_sessions = sessions(&silent, records.len()).await?;

    let batches = records.first().map_or(0, Vec::len) / BATCH;
    let turns = (rounds * TURNS_PER_ROUND).clamp(1, batches.max(1));
    let (mut told, mut untold) = (Duration::ZERO, Duration::ZERO);
    for turn in 0..turns {
        let part = batches * turn / turns * BATCH..batches * (turn + 1) / turns * BATCH;
        let parts: Vec<_> = records.iter().filter_map(|it| it.get(part.clone())).collect();
        // Each goes first as often as second.
        if turn % 2 == 0 {
            told += sync(&mut telling_sessions, &parts, |ack| ack.created).await?;
        }
        untold += sync(&mut silent_sessions, &parts, |ack| ack.created).await?;
        if turn % 2 == 1 {
            told += sync(&mut telling_sessions, &parts, |ack| ack.created).await?;
        }
    }
    for session in telling_sessions.into_iter().chain(silent_sessions) {
        session.finish().await?;
    }
    telling.stop().await?;
    silent.stop().await?;
    let (spans, metrics) = collector.seen();
    collector.stop().await;
    if spans < batches * records.len() || metrics == 0 {
        return Err(BenchError::Wrong(format!("{spans} spans and {metrics} metrics exported")));
    }
    let count = batches * BATCH * records.len();
    let (told, untold) = (rate(count, told), rate(count, untold));
    report.add("telemetry_ratio", ratio(told, untold));
    report.add("telemetry_records_per_s", told);
    report.add("without_telemetry_records_per_s", untold);
    Ok(())
}
