//! `peshub bench`

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::bench::Report;
use crate::bench::ingest::{self, IngestOptions};
use crate::cli::{Outcome, output};
use crate::kernel::clock::{Clock as _, SystemClock};

/// Commands of `peshub bench`.
#[derive(Debug, Subcommand)]
pub(super) enum BenchCommand {
    /// How fast postings go in: against the best direct load, and when they are sent again unchanged.
    Ingest(IngestArgs),
}

#[derive(Args, Debug)]
struct CommonArgs {
    /// Where the databases of the measurement live; a temporary folder when absent. It must not hold anything yet.
    #[arg(long)]
    bench_dir: Option<PathBuf>,
    /// Makes the records; the same seed makes the same.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(super) struct IngestArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// Records that go through the hub, and as many directly.
    #[arg(long, default_value_t = 60_000)]
    records: usize,
    /// Rounds in which both take turns.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Platforms that send at the same time, 1 to 3.
    #[arg(long, default_value_t = 2)]
    platforms: usize,
}

pub(super) async fn run(command: BenchCommand) -> Outcome {
    let BenchCommand::Ingest(args) = command;
    let program = std::env::current_exe()?;
    let place = Place::new(args.common.bench_dir.clone())?;
    let options = IngestOptions {
        records: args.records,
        rounds: args.rounds.max(1),
        platforms: args.platforms,
        seed: args.common.seed,
    };
    let now = SystemClock.now();
    let report = ingest::run(&program, place.path(), options, now, output::error).await?;
    show(&report, args.common.json)?;
    Ok(())
}

fn show(report: &Report, as_json: bool) -> Result<(), serde_json::Error> {
    if as_json {
        output::json(&serde_json::to_value(report)?);
        return Ok(());
    }
    for (name, value) in &report.figures {
        output::line(&format!("{name:<24} {value:>14.3}"));
    }
    Ok(())
}

/// A folder that is removed afterwards if nobody named it.
struct Place {
    path: PathBuf,
    is_ours: bool,
}

impl Place {
    fn new(named: Option<PathBuf>) -> std::io::Result<Self> {
        if let Some(path) = named {
            std::fs::create_dir_all(&path)?;
            return Ok(Self { path, is_ours: false });
        }
        let path = std::env::temp_dir().join(format!("peshub-bench-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Self { path, is_ours: true })
    }

    fn path(&self) -> &std::path::Path {
        &self.path
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.is_ours
            && let Err(error) = std::fs::remove_dir_all(&self.path)
        {
            tracing::warn!("{} stays: {error}", self.path.display());
        }
    }
}
