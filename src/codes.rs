//! The public code lists postings, credentials and programmes are described with.
//!
//! Every list is embedded, carries its scheme and edition, and is read once. What participants send
//! is often an older edition, another notation or a name; [`divisions`] and [`occupations`] resolve
//! it and say how, so that a verdict can name the code that was meant.
//!
//! The tables under `src/codes/data` name their sources and are made by
//! `scripts/codes/generate.py`; nobody edits them by hand.

pub mod divisions;
pub mod occupations;

mod tsv;
