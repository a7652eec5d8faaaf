//! The SQL of credentials.

pub mod registry;
