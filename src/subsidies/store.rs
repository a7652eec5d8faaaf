//! The SQL of subsidies, beside the functions that run it.

pub mod catalogue;
pub mod programme;
