//! Subsidies.

mod golden;
pub(crate) mod shared;
