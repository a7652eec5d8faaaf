//! The SQL of subsidies.

pub mod book;
pub mod population;
pub mod sweep;
