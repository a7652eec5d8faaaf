//! Subsidies.

mod check;
mod golden;
pub(crate) mod shared;
