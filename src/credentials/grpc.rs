//! The services: parse, do, render.

pub mod consents;
pub mod issuers;
pub mod verification;
