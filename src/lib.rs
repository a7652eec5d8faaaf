//! peshub
pub mod codes;
pub mod kernel;
pub mod participants;
pub mod pb;
pub mod platform;
pub mod postings;
pub mod server;
