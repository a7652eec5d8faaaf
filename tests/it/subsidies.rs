//! Subsidies: the evaluator, programmes, eligibility, applications.

mod editions;
mod golden;
mod grammar;
pub(crate) mod matrix;
mod overlays;
mod programmes;
mod refused;
pub(crate) mod shared;
mod sound;
