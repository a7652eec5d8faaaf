//! The services: parse, do, render.

pub mod credentials;
pub mod issuers;
