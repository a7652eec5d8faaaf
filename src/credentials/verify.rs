//! Verification: what is presented becomes a verdict, and a verdict can be given again.

pub mod answer;
pub mod basis;
pub mod cache;
pub mod calls;
pub mod check;
pub mod claims;
pub mod commands;
pub mod engine;
pub mod follow;
pub mod policy;
pub mod requirements;
pub mod stream;
pub mod task;
pub mod verdict;
