//! Subsidies: the evaluator, programmes, eligibility, applications.

mod grammar;
mod sound;
