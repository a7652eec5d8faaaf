//! Credentials: the trust registry, issuing, verification, status, consent.

pub(crate) mod matrix;
mod registry;
mod types;
mod well_known;
