//! One record a line.

use crate::postings::import::input::{Input, Line, RECORD_BYTES_MAX};
use crate::postings::import::pieces::{Cutter, Piece};
use crate::postings::import::refusal::Refusal;

/// The lines of a file; empty ones are no records.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    number: u64,
}

impl Cutter for Lines {
    fn next(&mut self, input: &mut Input) -> Option<Piece> {
        loop {
            let mut text = Vec::new();
            let line = input.line(&mut text, RECORD_BYTES_MAX);
            self.number = self.number.saturating_add(1);
            let bytes = match line {
                Line::End => return None,
                Line::TooLong => Err(Refusal::too_large()),
                Line::Read if text.trim_ascii().is_empty() => continue,
                Line::Read => Ok(text),
            };
            return Some(Piece { place: format!(":{}", self.number), bytes });
        }
    }
}
