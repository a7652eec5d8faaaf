//! The client side of the contract: connections, sync sessions and watches that survive a broken connection.
//!
//! Used by the command line, the demonstration and the measurements; knows the contract and nothing of the
//! server. No task is started: a session makes progress while it is waited for.

pub mod batch;
pub mod connect;
pub mod error;
pub mod retry;
pub mod sync;
pub mod trace;
pub mod watch;

#[cfg(test)]
mod tests;
