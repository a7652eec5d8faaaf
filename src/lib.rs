//! peshub
pub mod kernel;
pub mod pb;
pub mod samples;
