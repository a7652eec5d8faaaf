//! peshub
pub mod client;
pub mod kernel;
pub mod pb;
pub mod samples;
