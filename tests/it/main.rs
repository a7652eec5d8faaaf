//! Journeys through a hub: real TLS, real gRPC, a real PostgreSQL, a database for every test.
//!
//! Everything is one binary, so that it is linked once. Read [`support`] first.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::print_stderr,
    clippy::disallowed_methods,
    clippy::too_many_lines,
    clippy::large_futures,
    clippy::mem_forget,
    reason = "a test fails by panicking and may start tasks of its own; clippy's leave for tests does not reach their helpers"
)]

mod audit;
mod clients;
mod credentials;
mod errors;
mod feed;
mod guides;
mod hostile;
mod house;
mod identity;
mod kill;
mod limits;
mod local;
mod once;
mod operations;
mod participants;
mod permissions;
mod postings;
mod program;
mod properties;
mod raw;
mod reference;
mod refusals;
mod rules;
mod subsidies;
mod support;
mod telemetry;
mod wall;
mod workers;
