//! Journeys of workers' credentials. All persons, numbers and issuers are made up.

mod chain;
mod conformance;
pub(crate) mod data;
mod fuzzed;
mod interop;
mod maker;
mod negative;
