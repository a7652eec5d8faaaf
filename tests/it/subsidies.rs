//! Subsidies: the evaluator, programmes, eligibility, applications.

mod check;
mod editions;
mod golden;
mod grammar;
pub(crate) mod matrix_applications;
mod overlays;
mod population;
mod programmes;
mod refused;
pub(crate) mod shared;
mod simulate;
mod sound;
mod stream;
mod sweep;
