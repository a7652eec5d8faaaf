//! Credentials: the trust registry, issuing, verification, status, consent.

mod registry;
mod verification;
