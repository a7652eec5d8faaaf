//! The schema: which of its steps are there, and who brings it up to date.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::PgConnection;
use sqlx::migrate::{MigrateError, Migration, Migrator};

use crate::platform::db::{Db, DbError};

/// The schema, step by step; embedded in the binary.
pub static MIGRATIONS: Migrator = sqlx::migrate!();

/// How often a runner that is not the one asks whether it may be.
const TURN_EVERY: Duration = Duration::from_millis(200);
/// How often a schema that is not there yet is looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How far a step of this binary is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is there.
    Applied,
    /// It is not there.
    Missing,
    /// It is there, and is not what this binary has under its number.
    Changed,
    /// It was begun outside of a transaction and has not ended.
    Unfinished,
}

impl State {
    /// Returns its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Missing => "missing",
            Self::Changed => "changed",
            Self::Unfinished => "unfinished",
        }
    }
}

/// A step of this binary.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its number.
    pub version: i64,
    /// What it is called.
    pub description: String,
    /// What it is for and how it is rolled out, in the words of its file.
    pub header: String,
    /// How far it is.
    pub state: State,
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04} {}", self.version, self.description)
    }
}

/// The schema of a database, as a binary sees it.
#[derive(Clone, Debug)]
pub struct Schema {
    /// The steps of this binary.
    pub steps: Vec<Step>,
    /// Steps of a newer one, by number, with what they are called.
    pub newer: BTreeMap<i64, String>,
}

impl Schema {
    /// Returns the steps in some state.
    pub fn steps_that_are(&self, state: State) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(move |step| step.state == state)
    }

    /// Returns what this binary lacks, for a sentence; none when it can work.
    #[must_use]
    pub fn lack(&self) -> Option<String> {
        let lacking = self
            .steps
            .iter()
            .filter(|step| matches!(step.state, State::Missing | State::Unfinished));
        let names: Vec<_> = lacking.map(ToString::to_string).collect();
        match names.as_slice() {
            [] => None,
            [one] => Some(format!("the step {one}")),
            [first, .., last] => Some(format!("{} steps, {first} to {last}", names.len())),
        }
    }
}

/// Returns the schema of a database.
///
/// # Errors
///
/// The database fails.
pub async fn read(connection: &mut PgConnection) -> Result<Schema, DbError> {
    let exists: bool = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
        .fetch_one(&mut *connection)
        .await?;
    let rows: Vec<(i64, String, Vec<u8>, bool)> = if exists {
        let query = "SELECT version, description, checksum, success FROM _sqlx_migrations";
        sqlx::query_as(query).fetch_all(connection).await?
    } else {
        Vec::new()
    };
    let mut applied: BTreeMap<i64, _> =
        rows.into_iter().map(|(version, name, sum, done)| (version, (name, sum, done))).collect();
    let steps = MIGRATIONS.iter().map(|migration| {
        let state = match applied.remove(&migration.version) {
            None => State::Missing,
            Some((_, _, false)) => State::Unfinished,
            Some((_, sum, true)) if sum != migration.checksum.as_ref() => State::Changed,
            Some(_) => State::Applied,
        };
        step(migration, state)
    });
    let steps = steps.collect();
    let newer = applied.into_iter().map(|(version, (name, ..))| (version, name)).collect();
    Ok(Schema { steps, newer })
}

fn step(migration: &Migration, state: State) -> Step {
    let lines = migration.sql.as_str().lines().map_while(|line| line.strip_prefix("--"));
    let header: Vec<_> = lines.map(str::trim).filter(|line| *line != "no-transaction").collect();
    Step {
        version: migration.version,
        description: migration.description.to_string(),
        header: header.join(" "),
        state,
    }
}

impl Db {
    /// Brings the schema up to this binary's. One runner at a time; the others wait for it, and find nothing left to do.
    ///
    /// # Errors
    ///
    /// The database cannot be reached, or a step fails; that step is rolled back.
    pub async fn migrate(&self) -> Result<(), MigrateError> {
        self.migrate_by(MIGRATIONS.iter().cloned().collect()).await
    }

    /// Brings the schema up to some steps.
    ///
    /// # Errors
    ///
    /// The database cannot be reached, or a step fails; that step is rolled back.
    pub async fn migrate_by(&self, steps: Vec<Migration>) -> Result<(), MigrateError> {
        let mut migrator = Migrator::with_migrations(steps);
        // After a rollback the binary is older than the schema, and that is no reason not to start.
        migrator.set_ignore_missing(true).set_locking(false);
        // It holds the lock for as long as it lives, and is not given back to the pool if anything fails.
        let mut runner = self.pool.acquire().await?.detach();
        take_turn(&mut runner).await?;
        migrator.run_direct(None, &mut runner, false).await?;
        sqlx::Connection::close(runner).await?;
        Ok(())
    }

    /// Returns the schema as it is.
    ///
    /// # Errors
    ///
    /// The database cannot be reached.
    pub async fn schema(&self) -> Result<Schema, DbError> {
        let mut connection = self.pool.acquire().await?;
        read(&mut connection).await
    }

    /// Waits until the schema has every step of this binary; steps of a newer binary do no harm.
    ///
    /// # Errors
    ///
    /// Never for a database that cannot be reached: that is waited for as well.
    pub async fn await_schema(&self) -> Result<(), DbError> {
        let mut said = String::new();
        loop {
            let waiting = match self.schema().await.map(|schema| schema.lack()) {
                Ok(None) => return Ok(()),
                Ok(Some(lack)) => format!("the schema lacks {lack}; run `peshub migrate up`"),
                Err(DbError::Unavailable(error)) => {
                    format!("the database cannot be reached: {error}")
                }
                Err(error) => return Err(error),
            };
            if waiting != said {
                tracing::warn!("waiting: {waiting}");
                said = waiting;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// Waits until this session is the one that migrates. It asks again and again and does not wait inside a statement: an index that
/// another runner builds CONCURRENTLY waits for the end of every statement, and both would wait for ever.
async fn take_turn(runner: &mut PgConnection) -> Result<(), sqlx::Error> {
    let mut is_told = false;
    loop {
        let is_ours = sqlx::query_scalar!(r#"SELECT pg_try_advisory_lock(7305, 2) AS "is_ours!""#)
            .fetch_one(&mut *runner)
            .await?;
        if is_ours {
            return Ok(());
        }
        if !is_told {
            tracing::info!("another runner brings the schema up to date; waiting for it");
            is_told = true;
        }
        tokio::time::sleep(TURN_EVERY).await;
    }
}
