//! The SQL of credentials.

pub mod credential;
pub mod places;
pub mod status;
