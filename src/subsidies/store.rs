//! The SQL of subsidies, beside the functions that run it.

pub mod application;
pub mod book;
pub mod budget;
pub mod catalogue;
pub mod claim;
pub mod decision;
pub mod evidence;
pub mod population;
pub mod programme;
pub mod reference;
pub mod sweep;
