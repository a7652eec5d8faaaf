//! peshub
pub mod kernel;
pub mod pb;
