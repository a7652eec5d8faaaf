//! `peshub bench eligibility`

pub mod check;
pub mod claims;
pub mod published;
pub mod sweep;
