//! How much of everything: who is over a quota, or comes while the hub has enough to do, is told so at once.

pub mod admission;
pub mod gate;
pub mod quotas;
pub mod seldom;
