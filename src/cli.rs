//! The command line: arguments → settings → work.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing::{Instrument as _, Span};

use crate::client::error::ClientError;
use crate::platform::config::TelemetryOptions;
use crate::platform::db::DbError;
use crate::platform::telemetry::{self, context};

mod arguments;
mod audit;
mod bench;
mod client;
mod config;
mod credentials;
mod demo;
mod dev;
mod doctor;
mod feed;
mod help;
mod import;
mod issuers;
mod keys;
mod migrate;
mod output;
mod participants;
mod ping;
mod pki;
mod place;
mod postings;
mod programmes;
mod progress;
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
    /// File of settings, TOML. Without it, peshub/peshub.toml in the user's configuration, or else /etc/peshub/peshub.toml, if it is there.
    #[arg(long, env = "PESHUB_CONFIG", global = true, value_name = "FILE")]
    config: Option<PathBuf>,
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
    /// Say what is wrong with a hub, its database and its machine, or will be soon. Exit code 0: nothing; 1: warnings; 2: faults.
    Doctor(doctor::DoctorArgs),
    /// Check, show and begin a configuration file.
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Ask a hub whether it serves, and whether it knows the caller.
    Ping(ping::PingArgs),
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
    /// Print a script that completes commands and flags in a shell.
    Completions(help::CompletionsArgs),
    /// Write a manual page for each command.
    Man(help::ManArgs),
}

impl Command {
    /// Returns whether it is of use with a configuration file that cannot be read.
    const fn works_without_settings(&self) -> bool {
        matches!(self, Self::Config(_) | Self::Completions(_) | Self::Man(_))
    }
}

impl Command {
    /// Returns whether it runs a hub of its own.
    const fn has_hub(&self) -> bool {
        matches!(self, Self::Serve(_) | Self::Dev(_) | Self::Demo(_) | Self::Bench(_))
    }
}

/// What went wrong, for a person: what, and what to do about it.
type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// Returns the definition of the command line.
#[must_use]
pub fn definition() -> clap::Command {
    arguments::program()
}

/// Runs the program. Exit code 0: done; 1: it failed and says why; 2: the arguments or the configuration file are wrong. `doctor`
/// and `config check` have codes of their own.
#[must_use]
pub fn run() -> ExitCode {
    let cli = match arguments::read() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    runtime.block_on(async {
        let telemetry = match telemetry::start(&cli.telemetry) {
            Ok(telemetry) => telemetry,
            Err(error) => return fail(&error),
        };
        // All calls of one command are one trace; a hub's are not.
        let is_traced = context::is_exporting() && !cli.command.has_hub();
        let span = if is_traced { tracing::info_span!("peshub") } else { Span::none() };
        let work = async move {
            match cli.command {
                Command::Serve(args) => Box::pin(serve::run(args)).await,
                Command::Dev(args) => Box::pin(dev::run(args)).await,
                Command::Demo(args) => Box::pin(demo::run(args)).await,
                Command::Migrate(command) => migrate::run(command).await,
                Command::Doctor(args) => Box::pin(doctor::run(args)).await,
                Command::Config(command) => config::run(command, cli.config),
                Command::Ping(args) => ping::run(args).await,
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
                Command::Completions(args) => {
                    help::completions(&args);
                    Ok(())
                }
                Command::Man(args) => help::man(&args),
            }
        };
        let outcome = work.instrument(span).await;
        telemetry.shut_down();
        match outcome {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => match error.downcast_ref() {
                Some(output::Ended(code)) => ExitCode::from(*code),
                None => fail(error.as_ref()),
            },
        }
    })
}

fn fail(error: &(dyn std::error::Error + 'static)) -> ExitCode {
    let mut message = format!("peshub: {error}");
    let mut next = next(error);
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !message.ends_with(&text) {
            message = format!("{message}: {text}");
        }
        next = next.or(self::next(error));
        cause = error.source();
    }
    output::error(&message);
    if let Some(next) = next {
        output::error(next);
    }
    ExitCode::FAILURE
}

/// Returns what to try next, for failures whose own words do not say it.
fn next(error: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    if let Some(ClientError::Connect(_)) = error.downcast_ref() {
        return Some(
            "is a hub there? `peshub serve` or `peshub dev` runs one, `peshub ping` asks whether it serves; --ca is who its certificate is from",
        );
    }
    if let Some(DbError::Unavailable(_)) = error.downcast_ref() {
        return Some("`peshub doctor` says what is wrong with the database");
    }
    None
}
