//! Populations: whom a bureau keeps facts of.
//!
//! What is kept of a worker is sealed under the worker's own key, so that the worker's erasure destroys it wherever a copy lies.

pub mod body;
pub mod code;
pub mod commands;
pub mod sealed;
pub mod standing;
pub mod stream;

use time::OffsetDateTime;
use uuid::Uuid;

use crate::kernel::ids::PopulationId;

/// A population.
#[derive(Clone, Debug)]
pub struct Population {
    /// Its number.
    pub id: PopulationId,
    /// Its name.
    pub name: String,
    /// Why it is kept.
    pub purpose: String,
    /// How often something of it has changed.
    pub revision: i64,
    /// How many subjects it has.
    pub subjects: i64,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// The newest sweep.
    pub last_sweep: Option<Uuid>,
}
