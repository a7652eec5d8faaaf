//! Subsidies: the evaluator, programmes, eligibility, applications.

mod applications;
mod budget;
mod check;
mod claims;
mod decisions;
mod editions;
mod evidence;
mod golden;
mod grammar;
pub(crate) mod matrix_applications;
mod overlays;
mod programmes;
mod refused;
mod replay;
pub(crate) mod shared;
mod sound;
