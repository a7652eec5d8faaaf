//! The SQL of credentials.

pub mod consent;
pub mod credential;
pub mod follow;
pub mod places;
pub mod posting;
pub mod registry;
pub mod status;
pub mod worker;
