//! Contract ⇄ credentials.

pub mod credential;
