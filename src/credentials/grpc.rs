//! The services: parse, do, render.

pub mod consents;
pub mod credentials;
pub mod issuers;
pub mod verification;
