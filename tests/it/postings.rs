//! Journeys of the postings exchange; the files are named after the verbs.

mod batch;
mod list;
mod sync;
mod verdicts;
mod watch;
