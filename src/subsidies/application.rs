//! Applications: what they are, and what becomes of them.
//!
//! What an application claims and what it costs is taken in the transaction that files it, and stays taken until it ends without a
//! grant. The database holds both: an exclusion constraint over what is claimed, and a guarded row for what it costs. Nobody counts
//! first and writes afterwards.

pub mod commands;
pub mod desk;
pub mod evidence;
pub mod filed;
pub mod follow;
pub mod held;
pub mod machine;
pub mod offer;
pub mod officer;
pub mod queries;
pub mod record;
pub mod replay;
pub mod sealed;
pub mod takes;
pub mod watch;

use std::fmt;

use time::Date;
use uuid::Uuid;

/// The name of an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, sqlx::Type)]
#[sqlx(transparent)]
pub struct ApplicationId(pub Uuid);

impl fmt::Display for ApplicationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The name of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, sqlx::Type)]
#[sqlx(transparent)]
pub struct DecisionId(pub Uuid);

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Until when something is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakenUntil {
    /// A day on which it is free again.
    Day(Date),
    /// It never is.
    Forever,
}

impl fmt::Display for TakenUntil {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Day(day) => {
                write!(f, "{:04}-{:02}-{:02}", day.year(), u8::from(day.month()), day.day())
            }
            Self::Forever => f.write_str("forever"),
        }
    }
}
