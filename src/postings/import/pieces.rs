//! Cutting a file into records without reading it whole.
//!
//! A cutter knows as much of a syntax as it takes to find where a record ends, and where the next
//! one begins when a record never does. What is in a record it does not care about: a record that
//! is cut well may still be malformed, and then only that record is lost.

use std::fmt;
use std::path::Path;

use crate::postings::import::Options;
use crate::postings::import::input::Input;
use crate::postings::import::mapping::Mapping;
use crate::postings::import::refusal::Refusal;

pub(crate) mod json;
mod lines;
mod rows;
mod xml;

/// A record as it stands in a file.
#[derive(Debug)]
pub(crate) struct Piece {
    /// Where in the file: `:1042`, `#/hits/3`; empty when the file is one record.
    pub(crate) place: String,
    pub(crate) bytes: Result<Vec<u8>, Refusal>,
}

/// Finds the records of a file, one after the other.
pub(crate) trait Cutter: fmt::Debug {
    fn next(&mut self, input: &mut Input) -> Option<Piece>;
}

/// How the records of a format are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cutting {
    /// JSON: one value a line, an array, or an object with an array of records in it.
    Json,
    /// XML: every element of this name, wherever it is.
    Xml(&'static str),
    /// CSV.
    Rows,
}

impl Cutting {
    pub(crate) fn cutter(self, options: &Options, are_lines: bool) -> Box<dyn Cutter> {
        match self {
            Self::Json if are_lines => Box::new(lines::Lines::default()),
            Self::Json => Box::new(json::Values::default()),
            Self::Xml(name) => Box::new(xml::Elements::named(name)),
            Self::Rows => {
                let delimiter = options.mapping.as_ref().map_or(b',', Mapping::delimiter);
                Box::new(rows::Rows::new(delimiter))
            }
        }
    }
}

/// Returns whether a file has one JSON value on each line.
pub(crate) fn are_lines(path: &Path, beginning: &[u8]) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    if ["jsonl", "ndjson", "jsonlines"].iter().any(|known| extension.eq_ignore_ascii_case(known)) {
        return true;
    }
    // Two lines that are objects, whole or cut by the end of what is looked at.
    let mut lines =
        beginning.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let (Some(first), Some(second)) = (lines.next(), lines.next()) else { return false };
    second.trim_ascii().starts_with(b"{")
        && serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(first).is_ok()
}
