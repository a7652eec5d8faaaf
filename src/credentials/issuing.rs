//! Issuing credentials.

pub mod permutation;
