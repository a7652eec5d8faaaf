//! The demonstration: platforms send, bureaus watch, and every delivery is held against what was due.
//!
//! Generated platforms sync postings at the same time, with edits, moves between divisions, closes, bad records, stale
//! and repeated ones, and on one platform more closes than are usual. Bureaus watch their divisions from the start. What
//! each of them must receive is kept from what was sent and acknowledged, never from what the hub delivers, and the
//! two are compared at the end: lost, duplicated, out of order.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use crate::client::connect::{Connection, Options};
use crate::client::error::ClientError;
use crate::demo::bureau::{Received, Target};
use crate::demo::ledger::Jurisdiction;
use crate::demo::platform::Sent;
use crate::demo::progress::{Board, Progress};
use crate::demo::script::{Script, Volume};
use crate::demo::summary::Summary;
use crate::kernel::clock::SharedClock;

pub mod credentials;
pub mod progress;
pub mod subsidies;
pub mod summary;

mod bureau;
mod compare;
mod latencies;
mod ledger;
mod platform;
mod script;

#[cfg(test)]
mod tests;

/// How often the display is brought up to date.
const DISPLAY_EVERY: Duration = Duration::from_millis(200);

/// What is to be shown.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The same seed does the same.
    pub seed: u64,
    /// Postings that each platform creates; with edits and the like it sends about a third more records.
    pub postings_per_platform: usize,
    /// Changes in a batch, 1 to 1,000.
    pub batch_size: usize,
    /// Longest time without a sign of the hub, at a bureau that still waits for deliveries.
    pub patience: Duration,
    /// Who sends. The first one ends with more closes than are usual.
    pub platforms: Vec<Platform>,
    /// Who receives.
    pub bureaus: Vec<Bureau>,
}

impl Settings {
    /// Returns settings with a seed, 500 changes in a batch and a minute of patience.
    #[must_use]
    pub fn new(platforms: Vec<Platform>, bureaus: Vec<Bureau>) -> Self {
        Self {
            seed: 1,
            postings_per_platform: 10_000,
            batch_size: 500,
            patience: Duration::from_mins(1),
            platforms,
            bureaus,
        }
    }
}

/// A platform of the demonstration.
#[derive(Clone, Debug)]
pub struct Platform {
    /// Name of the source that it sends as. It is created if need be, and must have no postings yet: what the hub kept
    /// of an earlier run cannot be told from what it lost in this one.
    pub source: String,
    /// How it connects.
    pub connection: Options,
}

/// A bureau of the demonstration.
#[derive(Clone, Debug)]
pub struct Bureau {
    /// Its name, for the report.
    pub name: String,
    /// The divisions that it watches, codes of GB/T 2260; within its jurisdiction.
    pub divisions: Vec<String>,
    /// How it connects.
    pub connection: Options,
}

/// Why the demonstration broke off.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The hub refused or could not be reached.
    #[error("{who}: {source}")]
    Client {
        /// Which participant.
        who: String,
        /// Why.
        source: ClientError,
    },
    /// A source has postings of an earlier run.
    #[error(
        "the source {source_name} has been written on before; the demonstration needs a fresh one"
    )]
    SourceInUse {
        /// Which.
        source_name: String,
    },
    /// A part of the demonstration itself failed.
    #[error("a part of the demonstration failed")]
    Part(#[from] JoinError),
    /// A part of the story of a credential failed.
    #[error("a part of the story of a credential failed: {what}")]
    Story {
        /// What.
        what: String,
    },
    /// Something did not come.
    #[error("{what} did not come")]
    Missing {
        /// What.
        what: String,
    },
}

impl DemoError {
    fn of(who: &str) -> impl FnOnce(ClientError) -> Self + '_ {
        move |source| Self::Client { who: who.to_owned(), source }
    }

    fn part(error: impl std::fmt::Display) -> Self {
        Self::Story { what: error.to_string() }
    }
}

/// What one part has found out in the end.
enum Done {
    Platform(usize, Box<Sent>),
    Bureau(usize, Box<Received>),
}

/// Runs the demonstration and reports. A difference between what was due and what came is in the summary, not an error.
///
/// # Errors
///
/// The hub refuses, stays away, or a source was used before.
pub async fn run(
    settings: Settings,
    clock: SharedClock,
    progress: &mut Progress,
) -> Result<Summary, DemoError> {
    let settings = Arc::new(settings);
    let sources = platform::create_sources(&settings).await?;
    let board = Arc::new(Board::new(&settings));
    let (target, targets) = watch::channel(None::<Target>);
    let mut parts: JoinSet<Result<Done, DemoError>> = JoinSet::new();

    // Bureaus watch before anything is sent, so that they see every change and no snapshot of it.
    let mut watching = Vec::new();
    for (number, bureau) in settings.bureaus.iter().enumerate() {
        let connection =
            Connection::lazy(&bureau.connection).map_err(DemoError::of(&bureau.name))?;
        let mut desk = bureau::Desk::new(&connection, &settings, number, Arc::clone(&clock));
        desk.begin().await?;
        watching.push((number, desk));
    }
    for (number, desk) in watching {
        let (board, targets) = (Arc::clone(&board), targets.clone());
        parts.spawn(async move {
            let received = desk.receive(targets, &board).await?;
            Ok(Done::Bureau(number, Box::new(received)))
        });
    }
    let started = Instant::now();
    for (number, connection) in sources.into_iter().enumerate() {
        let (settings, board) = (Arc::clone(&settings), Arc::clone(&board));
        parts.spawn(async move {
            let sent = send(&settings, number, &connection, &board).await?;
            Ok(Done::Platform(number, Box::new(sent)))
        });
    }
    let mut report = collect(parts, &settings, &board, progress, &target).await?;
    progress.finish(&board);
    report.took = started.elapsed();
    Ok(summary::summarise(&settings, &report))
}

async fn send(
    settings: &Settings,
    number: usize,
    connection: &Connection,
    board: &Board,
) -> Result<Sent, DemoError> {
    let jurisdictions: Vec<_> =
        settings.bureaus.iter().map(|bureau| Jurisdiction::new(&bureau.divisions)).collect();
    let volume = Volume { postings: settings.postings_per_platform, burst: number == 0 };
    let index = u32::try_from(number).unwrap_or(u32::MAX);
    let script = Script::new(settings.seed, index, volume);
    platform::send_all(settings, number, connection, script, (&jurisdictions, board)).await
}

/// Everything that was found out.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) sent: Vec<(usize, Sent)>,
    pub(crate) received: Vec<(usize, Received)>,
    /// From the first batch to the last acknowledgement.
    pub(crate) sending_took: Duration,
    /// From the first batch to the last delivery.
    pub(crate) took: Duration,
}

/// Waits for all parts. When the last platform is done, the bureaus are told how far they must come.
async fn collect(
    mut parts: JoinSet<Result<Done, DemoError>>,
    settings: &Settings,
    board: &Board,
    progress: &mut Progress,
    target: &watch::Sender<Option<Target>>,
) -> Result<Report, DemoError> {
    let mut report = Report::default();
    let started = Instant::now();
    let mut tick = tokio::time::interval(DISPLAY_EVERY);
    loop {
        let done = tokio::select! {
            done = parts.join_next() => done,
            _ = tick.tick() => {
                progress.show(board);
                continue;
            }
        };
        // Leaving early drops the set, which ends the other parts.
        match done {
            None => break,
            Some(done) => match done?? {
                Done::Platform(number, sent) => {
                    report.sent.push((number, *sent));
                    if report.sent.len() == settings.platforms.len() {
                        report.sending_took = started.elapsed();
                        target.send_replace(Some(Target::of(&report.sent)));
                    }
                }
                Done::Bureau(number, received) => report.received.push((number, *received)),
            },
        }
    }
    report.sent.sort_unstable_by_key(|(number, _)| *number);
    report.received.sort_unstable_by_key(|(number, _)| *number);
    Ok(report)
}
