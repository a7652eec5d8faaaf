//! Credentials: the trust registry, issuing, verification, status, consent.

mod concurrent;
mod deposit;
mod elsewhere;
mod issuing;
mod lists;
mod registry;
mod status;
