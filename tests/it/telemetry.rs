//! What a hub tells of itself: spans, metrics, probes, lines of the log.

mod board;
mod collector;
mod exposition;
mod probes;
mod program;
mod reference;
mod traces;
