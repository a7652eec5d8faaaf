//! The command line: arguments → settings → work.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::platform::config::TelemetryOptions;
use crate::platform::telemetry;

mod audit;
mod bench;
mod client;
mod credentials;
mod demo;
mod dev;
mod feed;
mod import;
mod issuers;
mod keys;
mod migrate;
mod output;
mod participants;
mod pki;
mod place;
mod postings;
mod programmes;
mod serve;
mod subsidies;
mod watch;
mod workers;

/// Integration hub between job platforms and public employment services.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    telemetry: TelemetryOptions,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a hub.
    Serve(serve::ServeArgs),
    /// Run a hub to try things out with: private database, own certificates, demo bureaus and platforms.
    Dev(dev::DevArgs),
    /// Show the exchange from nothing to deliveries: platforms send, bureaus watch, and what came is held against what was due.
    Demo(demo::DemoArgs),
    /// Bring the database schema up to this binary's.
    #[command(subcommand)]
    Migrate(migrate::MigrateCommand),
    /// Look after the change feed.
    #[command(subcommand)]
    Feed(feed::FeedCommand),
    /// Send a file or folder of postings to a hub.
    Import(import::ImportArgs),
    /// Receive a snapshot of postings and every change after it.
    Watch(watch::WatchArgs),
    /// Measure a hub on this machine.
    #[command(subcommand)]
    Bench(bench::BenchCommand),
    /// Register and list organisations.
    #[command(subcommand)]
    Participants(participants::ParticipantsCommand),
    /// A small certificate authority for pilots: make, issue, renew, revoke.
    #[command(subcommand)]
    Pki(pki::PkiCommand),
    /// Create and list sources of postings.
    #[command(subcommand)]
    Sources(participants::SourcesCommand),
    /// Read, export and verify the audit trail.
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Look at postings.
    #[command(subcommand)]
    Postings(postings::PostingsCommand),
    /// Register workers, and see or erase what is known of them.
    #[command(subcommand)]
    Workers(workers::WorkersCommand),
    /// Look after the trust registry: issuers of credentials, their keys, what they may issue, credential types.
    #[command(subcommand)]
    Issuers(issuers::IssuersCommand),
    /// Make holders' keys, look into credentials and present them.
    #[command(subcommand)]
    Credentials(credentials::CredentialsCommand),
    /// Apply for subsidies, decide, pay, and reproduce decisions.
    #[command(subcommand)]
    Subsidies(subsidies::SubsidiesCommand),
    /// Write, test, publish and compare programmes of subsidies.
    #[command(subcommand)]
    Programmes(programmes::ProgrammesCommand),
    /// Make and change the hub's own keys.
    #[command(subcommand)]
    Keys(keys::KeysCommand),
}

/// What went wrong, for a person: what, and what to do about it.
type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// Runs the program. Exit code 0: done; 1: it failed and says why; 2: the arguments are wrong.
#[must_use]
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    runtime.block_on(async {
        let telemetry = match telemetry::start(&cli.telemetry) {
            Ok(telemetry) => telemetry,
            Err(error) => return fail(&error),
        };
        let outcome = match cli.command {
            Command::Serve(args) => Box::pin(serve::run(args)).await,
            Command::Dev(args) => Box::pin(dev::run(args)).await,
            Command::Demo(args) => Box::pin(demo::run(args)).await,
            Command::Migrate(command) => migrate::run(command).await,
            Command::Feed(command) => feed::run(command).await,
            Command::Bench(command) => bench::run(command).await,
            Command::Participants(command) => participants::run(command).await,
            Command::Sources(command) => participants::run_sources(command).await,
            Command::Pki(command) => pki::run(command),
            Command::Import(args) => import::run(args).await,
            Command::Watch(args) => watch::run(args).await,
            Command::Audit(command) => audit::run(command).await,
            Command::Postings(command) => postings::run(command).await,
            Command::Issuers(command) => issuers::run(command).await,
            Command::Workers(command) => workers::run(command).await,
            Command::Credentials(command) => credentials::run(command).await,
            Command::Subsidies(command) => Box::pin(subsidies::run(command)).await,
            Command::Programmes(command) => programmes::run(command).await,
            Command::Keys(command) => keys::run(command).await,
        };
        telemetry.shut_down();
        match outcome {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(error.as_ref()),
        }
    })
}

fn fail(error: &(dyn std::error::Error + 'static)) -> ExitCode {
    let mut message = format!("peshub: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !message.ends_with(&text) {
            message = format!("{message}: {text}");
        }
        cause = error.source();
    }
    output::error(&message);
    ExitCode::FAILURE
}
