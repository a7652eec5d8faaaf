//! Eligibility: how fast rules are evaluated, checked over the network, swept over a population and claimed.

pub mod evaluate;
pub mod rule;
