//! `peshub bench`

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand};

use crate::bench::eligibility::check::{self, CheckOptions};
use crate::bench::eligibility::claims::{self, ClaimOptions};
use crate::bench::eligibility::evaluate;
use crate::bench::eligibility::sweep::{self, SweepOptions};
use crate::bench::ingest::{self, IngestOptions};
use crate::bench::issue::IssueOptions;
use crate::bench::verify::VerifyOptions;
use crate::bench::verify_stream::StreamOptions;
use crate::bench::watch::WatchBenchOptions;
use crate::bench::{self, Report};
use crate::cli::place::Place;
use crate::cli::{Outcome, output};
use crate::kernel::clock::{Clock as _, SystemClock};
use crate::platform::config::Surroundings;

/// Commands of `peshub bench`.
#[derive(Debug, Subcommand)]
pub(super) enum BenchCommand {
    /// How fast postings go in: against the best direct load, and when they are sent again unchanged.
    Ingest(IngestArgs),
    /// How fast postings come out: against a bare server with the same bytes, and how soon after their commit.
    Watch(WatchBenchArgs),
    /// How fast credentials are verified: against the signature alone.
    Verify(VerifyArgs),
    /// How fast rules are evaluated on one core, claims taken, checks answered and populations swept.
    Eligibility(EligibilityArgs),
    /// How fast credentials are issued, how soon a platform that watches knows of a revocation, and how fast statuses are looked up.
    Issue(IssueArgs),
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

#[derive(Args, Debug)]
pub(super) struct WatchBenchArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// Postings of the snapshot.
    #[arg(long, default_value_t = 30_000)]
    records: usize,
    /// Rounds in which hub and bare server take turns.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Watchers at the same time, for the latency.
    #[arg(long, default_value_t = 100)]
    watchers: usize,
    /// Changes a second, for the latency.
    #[arg(long, default_value_t = 1_000)]
    changes_per_s: u32,
    /// How long they go on, in seconds.
    #[arg(long, default_value_t = 10)]
    seconds: u32,
}

#[derive(Args, Debug)]
pub(super) struct VerifyArgs {
    /// Credentials; each is verified once a round.
    #[arg(long, default_value_t = 500)]
    credentials: usize,
    /// Rounds in which whole verification and signature take turns.
    #[arg(long, default_value_t = 20)]
    rounds: usize,
    /// Credentials of each of three rounds in which a hub verifies a stream of them; 0 leaves the hub out.
    #[arg(long, default_value_t = 40_000)]
    streamed: usize,
    /// Where the database of the hub lives; a temporary folder when absent. It must not hold anything yet.
    #[arg(long)]
    bench_dir: Option<PathBuf>,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(super) struct IssueArgs {
    /// Where the database of the measurement lives; a temporary folder when absent. It must not hold anything yet.
    #[arg(long)]
    bench_dir: Option<PathBuf>,
    /// Credentials that 64 issuers issue.
    #[arg(long, default_value_t = 12_800)]
    credentials: usize,
    /// Credentials that are revoked, one by one.
    #[arg(long, default_value_t = 500)]
    revocations: usize,
    /// Revocations a second.
    #[arg(long, default_value_t = 50)]
    revocations_per_s: u32,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(super) struct EligibilityArgs {
    /// Where the database of the measurement lives; a temporary folder when absent. It must not hold anything yet.
    #[arg(long)]
    bench_dir: Option<PathBuf>,
    /// Rounds in which the evaluator and the same rule written by hand take turns; 0 leaves them out.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// For how long claims are taken, in seconds; 0 leaves them out.
    #[arg(long, default_value_t = 10)]
    claim_seconds: u32,
    /// For how long checks are asked for, in seconds; 0 leaves them out.
    #[arg(long, default_value_t = 10)]
    check_seconds: u32,
    /// People that are swept; 0 leaves the sweep out.
    #[arg(long, default_value_t = 1_000_000)]
    people: usize,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(command: BenchCommand) -> Outcome {
    match command {
        BenchCommand::Eligibility(args) => eligibility(args).await,
        BenchCommand::Verify(args) => verify(args).await,
        BenchCommand::Issue(args) => issue(args).await,
        BenchCommand::Ingest(args) => ingest(args).await,
        BenchCommand::Watch(args) => watch(args).await,
    }
}

async fn verify(args: VerifyArgs) -> Outcome {
    let options = VerifyOptions {
        rounds: args.rounds.max(1),
        credentials: args.credentials.max(1),
        now: SystemClock.now(),
    };
    let mut report = bench::verify::run(options, output::error)?;
    if args.streamed > 0 {
        let program = std::env::current_exe()?;
        let place = Place::new(args.bench_dir.clone(), "bench")?;
        let options =
            StreamOptions { rounds: 3, credentials: args.streamed, now: SystemClock.now() };
        let run = bench::verify_stream::run(
            (&program, place.path()),
            options,
            &mut report,
            output::error,
        );
        run.await?;
    }
    show(&report, args.json)?;
    Ok(())
}

async fn eligibility(args: EligibilityArgs) -> Outcome {
    let place = Place::new(args.bench_dir.clone(), "bench")?;
    let options =
        ClaimOptions { seconds: args.claim_seconds, people: 2_000_000, now: SystemClock.now() };
    let mut report = Report::default();
    if args.rounds > 0 {
        evaluate::run(args.rounds, &mut report)?;
    }
    let path = Surroundings::of_process().search_path;
    if args.claim_seconds > 0 {
        output::error("claiming");
        let run = claims::run(place.path(), path.clone(), options, &mut report);
        run.await?;
    }
    if args.check_seconds > 0 {
        let program = std::env::current_exe()?;
        let options = CheckOptions { seconds: args.check_seconds };
        let places = (program.as_path(), place.path());
        check::run(places, options, &mut report, output::error).await?;
    }
    if args.people > 0 {
        let options = SweepOptions { people: args.people, seed: 7, now: SystemClock.now() };
        sweep::run(place.path(), path, options, &mut report, output::error).await?;
    }
    show(&report, args.json)?;
    Ok(())
}

async fn issue(args: IssueArgs) -> Outcome {
    let program = std::env::current_exe()?;
    let place = Place::new(args.bench_dir.clone(), "bench")?;
    let options = IssueOptions {
        credentials: args.credentials,
        revocations: args.revocations.max(1),
        revocations_per_s: args.revocations_per_s,
    };
    let report = bench::issue::run(&program, place.path(), options, output::error).await?;
    show(&report, args.json)?;
    Ok(())
}

async fn watch(args: WatchBenchArgs) -> Outcome {
    let program = std::env::current_exe()?;
    let place = Place::new(args.common.bench_dir.clone(), "bench")?;
    let options = WatchBenchOptions {
        records: args.records,
        rounds: args.rounds.max(1),
        watchers: args.watchers,
        changes_per_s: args.changes_per_s,
        seconds: args.seconds,
        seed: args.common.seed,
    };
    let clock = Arc::new(SystemClock);
    let report = bench::watch::run(&program, place.path(), options, clock, output::error).await?;
    show(&report, args.common.json)?;
    Ok(())
}

async fn ingest(args: IngestArgs) -> Outcome {
    let program = std::env::current_exe()?;
    let place = Place::new(args.common.bench_dir.clone(), "bench")?;
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
