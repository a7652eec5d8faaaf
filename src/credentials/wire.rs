//! Contract ⇄ credentials.

pub mod consent;
pub mod credential;
pub mod parts;
pub mod verdict;
pub mod verification;
