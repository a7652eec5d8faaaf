//! Credentials: the trust registry, issuing, verification, status, consent.

mod chain;
mod concurrent;
mod conformance;
mod consent;
pub(crate) mod data;
mod deposit;
mod elsewhere;
mod fuzzed;
mod issuing;
mod lists;
mod maker;
pub(crate) mod matrix;
pub(crate) mod matrix_issuing;
pub(crate) mod matrix_verifying;
mod negative;
mod privacy;
mod registry;
mod replay;
mod requirements;
mod standing;
mod status;
mod stream;
mod types;
mod verification;
mod watch;
mod well_known;
