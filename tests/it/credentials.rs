//! Credentials: the trust registry, issuing, verification, status, consent.

mod concurrent;
mod consent;
mod deposit;
mod elsewhere;
mod issuing;
mod lists;
mod registry;
mod replay;
mod requirements;
mod standing;
mod status;
mod stream;
mod verification;
