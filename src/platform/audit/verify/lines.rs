//! The lines of an export, one at a time.

use std::io::{self, BufRead, Read as _};

use serde::Serialize;

use crate::platform::audit::entry::canonical;
use crate::platform::audit::hash::{Hash, Running};

/// Longest line.
const BYTES_MAX: u64 = 4 * 1024 * 1024;

/// What a line is, by how it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `{"header":`.
    Header,
    /// `{"entry":`.
    Entry,
    /// `{"checkpoint":`.
    Checkpoint,
    /// `{"trailer":`.
    Trailer,
    /// Anything else.
    Other,
    /// A line without an end.
    Unended,
}

/// Reads lines and hashes what was accepted.
pub struct Lines<R> {
    reader: R,
    buffer: Vec<u8>,
    number: u64,
    accepted: Running,
}

impl<R: BufRead> Lines<R> {
    /// Returns the lines of an export.
    pub fn new(reader: R) -> Self {
        Self { reader, buffer: Vec::new(), number: 0, accepted: Running::default() }
    }

    /// Returns the number of the line that was read last.
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Returns the hash of all lines that were accepted.
    pub fn sha256(&self) -> Hash {
        self.accepted.clone().finish()
    }

    /// Takes the last line into the hash.
    pub fn accept(&mut self) {
        self.accepted.update(&self.buffer);
    }

    /// Returns the last line without its end.
    pub fn text(&self) -> &[u8] {
        self.buffer.strip_suffix(b"\n").unwrap_or(&self.buffer)
    }

    /// Reads the next line and says what it is; `None` at the end of the file.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn advance(&mut self) -> io::Result<Option<Kind>> {
        self.buffer.clear();
        let length = (&mut self.reader).take(BYTES_MAX).read_until(b'\n', &mut self.buffer)?;
        if length == 0 {
            return Ok(None);
        }
        self.number += 1;
        if !self.buffer.ends_with(b"\n") {
            return Ok(Some(Kind::Unended));
        }
        let begins = |beginning: &str| self.buffer.starts_with(beginning.as_bytes());
        Ok(Some(if begins("{\"header\":") {
            Kind::Header
        } else if begins("{\"entry\":") {
            Kind::Entry
        } else if begins("{\"checkpoint\":") {
            Kind::Checkpoint
        } else if begins("{\"trailer\":") {
            Kind::Trailer
        } else {
            Kind::Other
        }))
    }
}

/// Returns the bytes that the signature of a statement is over.
pub fn signed(statement: &impl Serialize) -> Vec<u8> {
    canonical(statement).into_bytes()
}
