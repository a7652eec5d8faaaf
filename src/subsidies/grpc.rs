//! The services.

pub mod programmes;
