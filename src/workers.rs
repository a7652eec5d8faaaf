//! The register of workers, for the exchanges that are about persons.
//!
//! A worker is found by a keyed digest of the national identity number, and known to each participant by a random reference of its
//! own. What is known is sealed under a key of the worker's, which is wrapped by a master key outside the database. Nobody learns
//! from a registration whether others know the worker, nothing is disclosed without a record, and erasure destroys the key.

pub mod commands;
pub mod domain;
pub mod error;
pub mod grpc;
pub mod queries;
pub mod rewrap;
pub mod sealed;
pub mod store;
pub mod wire;
