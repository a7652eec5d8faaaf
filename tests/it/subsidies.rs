//! Subsidies.

mod check;
mod golden;
mod population;
pub(crate) mod shared;
mod simulate;
mod stream;
mod sweep;
