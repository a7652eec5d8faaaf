//! Credentials: the trust registry, issuing, verification, status, consent.

mod concurrent;
mod consent;
mod deposit;
mod elsewhere;
mod issuing;
mod lists;
pub(crate) mod matrix;
mod registry;
mod replay;
mod requirements;
mod standing;
mod status;
mod stream;
mod types;
mod verification;
mod well_known;
