//! Sweeps: all of a population held against programmes.
//!
//! A sweep goes on from the one before: a subject is evaluated against a programme only if something has changed that the programme
//! reads. It is brought further in steps, each of which is one transaction, so that whoever takes it up after a hub was killed goes on
//! where the last step ended, and nothing is counted twice.

pub mod commands;
pub mod evaluate;
pub mod offers;
pub mod plan;
pub mod queries;
pub mod reading;
pub mod runner;
pub mod simulate;
pub mod told;
