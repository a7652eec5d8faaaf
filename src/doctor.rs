//! The doctor: looks at a hub's database, files and machine as an operator does, and says what is wrong, what that means, and what
//! mends it. It changes nothing, and looks also at what does not run.

pub mod database;
pub mod feed;
pub mod files;
pub mod load;
pub mod machine;

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};

use crate::kernel::clock::SharedClock;
use crate::platform::config::{LimitOptions, ThresholdOptions};
use crate::platform::db::DbError;

/// Longest wait for a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It will be a fault if nobody sees to it.
    Warning,
    /// Something is lost, refused or stands still, or will be at the next start.
    Fault,
}

/// Something that a person should see to.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// Which check found it, such as `database.settings`.
    pub check: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What was found.
    pub what: String,
    /// What it means.
    pub meaning: String,
    /// The command or the setting that mends it.
    pub remedy: String,
}

impl Finding {
    fn warning(check: &'static str, what: impl Into<String>) -> Self {
        Self::new(check, Severity::Warning, what.into())
    }

    fn fault(check: &'static str, what: impl Into<String>) -> Self {
        Self::new(check, Severity::Fault, what.into())
    }

    const fn new(check: &'static str, severity: Severity, what: String) -> Self {
        Self { check, severity, what, meaning: String::new(), remedy: String::new() }
    }

    fn meaning(self, meaning: impl Into<String>) -> Self {
        Self { meaning: meaning.into(), ..self }
    }

    fn mend(self, remedy: impl Into<String>) -> Self {
        Self { remedy: remedy.into(), ..self }
    }
}

/// What the doctor looks at.
#[derive(Clone)]
pub struct Patient {
    /// How to reach the database; absent when there is none.
    pub database: Option<PgConnectOptions>,
    /// Where a private cluster lives, if the database is one.
    pub data_dir: Option<PathBuf>,
    /// The hub's certificate and key.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Whom the hub believes.
    pub trust_dir: Option<PathBuf>,
    /// Whether tokens count that the hub made itself.
    pub hub_tokens: bool,
    /// The hub's keys.
    pub keys_dir: Option<PathBuf>,
    /// Most connections of a replica to the database.
    pub database_connections: u32,
    /// How much the hub takes on.
    pub limits: LimitOptions,
    /// From when to speak up.
    pub thresholds: ThresholdOptions,
    /// What time it is on this machine.
    pub clock: SharedClock,
}

/// What the doctor says.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What was found, the worst first.
    pub findings: Vec<Finding>,
    /// The checks that were made.
    pub checked: Vec<&'static str>,
    /// The checks that were not, and why.
    pub skipped: Vec<(&'static str, String)>,
}

impl Report {
    fn add(&mut self, check: &'static str, findings: impl IntoIterator<Item = Finding>) {
        self.checked.push(check);
        self.findings.extend(findings);
    }

    fn skip(&mut self, check: &'static str, why: impl Into<String>) {
        self.skipped.push((check, why.into()));
    }

    /// Adds what a look at the database brought; a look that failed is a finding as well.
    fn look(&mut self, check: &'static str, outcome: Result<Vec<Finding>, DbError>) {
        let findings = outcome.unwrap_or_else(|error| vec![blind(check, &error)]);
        self.add(check, findings);
    }

    /// Returns how bad the worst of it is.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }
}

fn blind(check: &'static str, error: &DbError) -> Finding {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    Finding::fault(check, format!("this could not be looked at: {error}{}", cause.unwrap_or_default()))
        .meaning("A lock, or a right that the hub's role lacks, keeps the doctor from seeing it.")
        .mend("look for sessions that hold locks: SELECT pid, application_name, state, query FROM pg_stat_activity")
}

/// Looks at everything.
pub async fn examine(patient: &Patient) -> Report {
    let mut report = Report::default();
    match &patient.database {
        Some(options) => match connect(options).await {
            Ok(mut connection) => {
                look_at_database(patient, &mut connection, &mut report).await;
                // Nothing depends on a good-bye.
                drop(connection.close().await);
            }
            Err(error) => report.add(database::REACHED, [unreachable(&error)]),
        },
        None => report.add(database::REACHED, [no_database()]),
    }
    files::look(patient, &mut report);
    machine::look(patient, &mut report);
    report.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    report
}

/// Connects as the hub does, and waits for nobody's lock.
async fn connect(options: &PgConnectOptions) -> Result<PgConnection, DbError> {
    let options = options.clone().application_name("peshub doctor");
    let options = options.options([("lock_timeout", "2s"), ("statement_timeout", "20s")]);
    let options = options.log_statements(tracing::log::LevelFilter::Off);
    let connecting = tokio::time::timeout(CONNECT_WITHIN, PgConnection::connect_with(&options));
    connecting.await.map_err(|_| DbError::from(sqlx::Error::PoolTimedOut))?.map_err(DbError::from)
}

fn unreachable(error: &DbError) -> Finding {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    Finding::fault(database::REACHED, format!("{error}{}", cause.unwrap_or_default()))
        .meaning("The hub answers UNAVAILABLE to everything and is not ready.")
        .mend("see that PostgreSQL runs, and that PESHUB_DATABASE_URL leads to it")
}

fn no_database() -> Finding {
    Finding::fault(database::REACHED, "no database is named, and there is no private one")
        .meaning("There is nothing that a hub could serve.")
        .mend("set PESHUB_DATABASE_URL, or database_url in the configuration file; `peshub dev` makes a private one to try things out")
}

async fn look_at_database(patient: &Patient, connection: &mut PgConnection, report: &mut Report) {
    let thresholds = &patient.thresholds;
    report.add(database::REACHED, []);
    report.look("database.settings", database::settings(connection).await);
    report.look("database.version", database::version(connection).await);
    report.look("database.clock", database::clock(connection, patient).await);
    report.look("database.standby", load::standby(connection, thresholds).await);
    report.look("database.connections", load::connections(connection, patient).await);
    report.look("database.transactions", load::transactions(connection, thresholds).await);
    match database::schema(connection).await {
        Ok((is_whole, findings)) => {
            report.add("database.schema", findings);
            if !is_whole {
                for check in ["database.role", "feed", "postings.held", "audit.sealed"] {
                    report.skip(check, "the schema is not there");
                }
                return;
            }
        }
        Err(error) => {
            report.add("database.schema", [blind("database.schema", &error)]);
            return;
        }
    }
    report.look("database.role", database::role(connection).await);
    let now = patient.clock.now();
    report.look("feed", feed::standing(connection, thresholds, now).await);
    report.look("postings.held", feed::held(connection, thresholds, now).await);
    report.look("audit.sealed", feed::unsealed(connection, thresholds, now).await);
}
