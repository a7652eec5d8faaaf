//! Job postings: platforms push them with every change, bureaus receive what lies in their divisions.
//!
//! A posting belongs to a source and is known by the source's own id. It is open until its source closes it.
//!
//! **Invariant:** absence never closes a posting. **Invariant:** an acknowledged change is durable, has one position in the
//! feed, and has its row in the audit trail. **Invariant:** content is written once; readers get the stored bytes.

pub mod commands;
pub mod domain;
pub mod error;
pub mod facets;
pub mod filter;
pub mod finding;
pub mod grpc;
pub mod import;
pub mod page;
pub mod parse;
pub mod queries;
pub mod store;
pub mod sync;
pub mod watch;
pub mod wire;
