//! Measurements of a hub against the best that its parts can do, as ratios within one run.
//!
//! The hub runs as a process of its own over a private database, and client, hub and PostgreSQL share the machine. What is
//! compared runs in turns with what it is compared to, so that a slow minute slows both.

pub mod bare;
pub mod child;
pub mod collector;
pub mod direct;
pub mod eligibility;
pub mod ingest;
pub mod issue;
pub mod rows;
pub mod statuses;
pub mod telling;
pub mod verify;
pub mod verify_stream;
pub mod watch;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::client::error::ClientError;
use crate::dev::DevError;
use crate::platform::db::DbError;

/// What was measured, by name.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// The figures; names end with their unit, ratios in `_ratio`.
    pub figures: BTreeMap<String, f64>,
}

impl Report {
    /// Adds a figure, rounded to four digits after the point.
    pub fn add(&mut self, name: &str, value: f64) {
        self.figures.insert(name.to_owned(), rounded(value));
    }
}

#[expect(clippy::float_arithmetic, reason = "figures of measurements are no money")]
fn rounded(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}

/// Why a measurement could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The hub does not start.
    #[error("the hub does not start: {0}")]
    Child(String),
    /// The database cannot be prepared.
    #[error(transparent)]
    Dev(#[from] DevError),
    /// The client failed.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A statement failed.
    #[error("the direct load failed")]
    Sql(#[from] sqlx::Error),
    /// The database fails.
    #[error(transparent)]
    Db(#[from] DbError),
    /// A file or process fails.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// What came back is not what was sent.
    #[error("{0}")]
    Wrong(String),
}

/// Returns how many a second.
#[must_use]
#[expect(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "a rate for people")]
pub fn rate(count: usize, took: std::time::Duration) -> f64 {
    count as f64 / took.as_secs_f64().max(f64::EPSILON)
}

/// Returns a quotient.
#[must_use]
#[expect(clippy::float_arithmetic, reason = "a ratio for people")]
pub fn ratio(of: f64, to: f64) -> f64 {
    of / to.max(f64::EPSILON)
}
