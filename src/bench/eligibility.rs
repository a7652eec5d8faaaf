//! `peshub bench eligibility`: how fast rules are evaluated, checked over the network, swept over a population and claimed.

pub mod check;
pub mod claims;
pub mod evaluate;
pub mod published;
pub mod rule;
pub mod sweep;
