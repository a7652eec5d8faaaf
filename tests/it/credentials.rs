//! Credentials: the trust registry, issuing, verification, status, consent.

mod consent;
mod registry;
mod replay;
mod requirements;
mod stream;
mod verification;
