//! The SQL of subsidies.

pub mod application;
pub mod budget;
pub mod claim;
pub mod decision;
pub mod evidence;
pub mod reference;
