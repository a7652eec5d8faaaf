//! Journeys of the register of workers. All persons and numbers are made up.

mod erasure;
mod journeys;
pub(crate) mod people;
pub(crate) mod planted;
mod program;
mod rotation;
pub(crate) mod search;
