//! The SQL of credentials.

pub mod status;
