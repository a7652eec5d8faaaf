//! The services: parse, do, render.

pub mod consents;
pub mod verification;
