//! `peshub bench eligibility`

pub mod claims;
