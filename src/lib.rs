//! peshub
pub mod codes;
pub mod kernel;
pub mod pb;
pub mod platform;
