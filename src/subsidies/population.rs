//! Populations: whom a bureau keeps facts of.

pub mod body;
pub mod code;
pub mod standing;
