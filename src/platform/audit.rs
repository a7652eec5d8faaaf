//! The audit trail: every change and every refusal is a row, every row has a place in a chain of hashes, and signed
//! checkpoints stand over the chain.
//!
//! A row is written in the transaction of its change (`platform::db`) and waits without a place, so that writers share
//! nothing. The sealer gives places afterwards. How the formats look, and how they are verified with nothing but a hash and a
//! signature, stands in `docs/guides/audit.md`.

pub mod entry;
pub mod export;
pub mod hash;
pub mod keyring;
pub mod proof;
pub mod prove;
pub mod receipt;
pub mod refusals;
pub mod seal;
pub mod statement;
pub mod store;
pub mod trail;
pub mod verify;
