//! The SQL of subsidies, beside the functions that run it.

pub mod book;
pub mod catalogue;
pub mod population;
pub mod programme;
pub mod sweep;
