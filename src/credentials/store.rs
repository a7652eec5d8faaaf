//! The SQL of credentials.

pub mod credential;
pub mod places;
pub mod registry;
pub mod status;
pub mod worker;
