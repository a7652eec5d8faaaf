//! Verification: what is presented becomes a verdict, and a verdict can be given again.

pub mod cache;
pub mod check;
pub mod claims;
pub mod engine;
pub mod policy;
pub mod verdict;
