//! The SQL of credentials.

pub mod consent;
pub mod follow;
pub mod posting;
pub mod registry;
pub mod status;
pub mod worker;
