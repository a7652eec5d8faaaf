//! The SQL of credentials.

pub mod consent;
pub mod worker;
