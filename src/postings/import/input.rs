//! The bytes of a file, counted.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// Bytes that are read at a time, and that are looked at to recognise a format.
const BUFFER_BYTES: usize = 256 * 1024;

/// Most bytes of one record. What a hub takes is a fraction of it; a file that never ends a record
/// must not fill the memory.
pub(crate) const RECORD_BYTES_MAX: usize = 4 * 1024 * 1024;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// A file that is being read.
///
/// A failure to read looks like the end of the file; [`Input::take_failure`] tells it apart.
pub(crate) struct Input {
    reader: BufReader<Box<dyn Read>>,
    read_bytes: u64,
    failure: Option<String>,
}

/// What a line turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    /// It was added to the text, with its end.
    Read,
    /// It was longer than allowed and was left out.
    TooLong,
    /// There is no further line.
    End,
}

impl Input {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self::of(Box::new(File::open(path)?)))
    }

    pub(crate) fn of(source: Box<dyn Read>) -> Self {
        let reader = BufReader::with_capacity(BUFFER_BYTES, source);
        Self { reader, read_bytes: 0, failure: None }
    }

    /// Returns the beginning of the file, without a byte order mark.
    pub(crate) fn beginning(&mut self) -> io::Result<&[u8]> {
        if self.reader.fill_buf()?.starts_with(BYTE_ORDER_MARK) {
            self.consume(BYTE_ORDER_MARK.len());
        }
        self.reader.fill_buf()
    }

    pub(crate) fn read_bytes(&self) -> u64 {
        self.read_bytes
    }

    pub(crate) fn take_failure(&mut self) -> Option<String> {
        self.failure.take()
    }

    /// Returns the next byte and goes past it.
    pub(crate) fn next_byte(&mut self) -> Option<u8> {
        let byte = *self.fill().first()?;
        self.consume(1);
        Some(byte)
    }

    /// Returns the next byte.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        self.fill().first().copied()
    }

    /// Adds the next line, with its end, to `text`, which then has at most `max` bytes.
    pub(crate) fn line(&mut self, text: &mut Vec<u8>, max: usize) -> Line {
        let before = text.len();
        let mut line = Line::End;
        loop {
            let buffer = self.fill();
            if buffer.is_empty() {
                return line;
            }
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let length = end.map_or(buffer.len(), |end| end.saturating_add(1));
            let is_within = text.len().saturating_add(length) <= max;
            if line != Line::TooLong && is_within {
                text.extend_from_slice(buffer.get(..length).unwrap_or_default());
                line = Line::Read;
            } else {
                text.truncate(before);
                line = Line::TooLong;
            }
            self.consume(length);
            if end.is_some() {
                return line;
            }
        }
    }

    fn fill(&mut self) -> &[u8] {
        if self.failure.is_some() {
            return &[];
        }
        // The borrow checker does not see through a `match` that returns the buffer here.
        if self.reader.buffer().is_empty()
            && let Err(error) = self.reader.fill_buf()
        {
            self.failure = Some(format!("the file to be readable to its end: {error}"));
            return &[];
        }
        self.reader.buffer()
    }

    fn consume(&mut self, bytes: usize) {
        self.reader.consume(bytes);
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.read_bytes = self.read_bytes.saturating_add(bytes);
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input").field("read_bytes", &self.read_bytes).finish_non_exhaustive()
    }
}

/// Returns what a text looks like that is not UTF-8, and what to do about it.
pub(crate) fn foreign_encoding(beginning: &[u8]) -> Option<&'static str> {
    if beginning.starts_with(b"\xFF\xFE") || beginning.starts_with(b"\xFE\xFF") {
        return Some("it looks like UTF-16; convert it with `iconv -f UTF-16 -t UTF-8`");
    }
    let broken = broken_bytes(beginning);
    // A few broken bytes are broken records; a text in another encoding is broken all over.
    let non_ascii = beginning.iter().filter(|byte| !byte.is_ascii()).count();
    if broken.saturating_mul(4) < non_ascii || broken < 8 {
        return None;
    }
    Some(if pairs(beginning).saturating_mul(10) >= non_ascii.saturating_mul(4) {
        "it looks like GB18030 or GBK; convert it with `iconv -f GB18030 -t UTF-8`"
    } else {
        "it looks like a one-byte encoding; convert it, for example with \
         `iconv -f ISO-8859-1 -t UTF-8`"
    })
}

/// Counts the bytes that are no part of a UTF-8 character.
fn broken_bytes(mut bytes: &[u8]) -> usize {
    let mut broken = 0_usize;
    while let Err(error) = std::str::from_utf8(bytes) {
        // A character that the beginning cuts in two is not broken.
        let Some(length) = error.error_len() else { break };
        broken = broken.saturating_add(length);
        bytes = bytes.get(error.valid_up_to().saturating_add(length)..).unwrap_or_default();
    }
    broken
}

/// Counts the pairs of bytes that a Chinese character has in GB18030.
fn pairs(bytes: &[u8]) -> usize {
    let mut count = 0_usize;
    let mut bytes = bytes.iter();
    while let Some(first) = bytes.next() {
        if (0x81..=0xFE).contains(first)
            && let Some(second) = bytes.next()
            && (0x40..=0xFE).contains(second)
            && *second != 0x7F
            && !second.is_ascii()
        {
            count = count.saturating_add(1);
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use crate::postings::import::input::{Input, Line, foreign_encoding};

    #[test]
    fn lines_are_read_whole_or_not_at_all() {
        let mut input = Input::of(Box::new(&b"\xEF\xBB\xBFone\r\nmuch too long\nend"[..]));
        assert_eq!(input.beginning().unwrap().first(), Some(&b'o'));
        let mut text = Vec::new();
        assert_eq!(input.line(&mut text, 8), Line::Read);
        assert_eq!(text, b"one\r\n");
        assert_eq!(input.line(&mut text, 8), Line::TooLong);
        assert_eq!(text, b"one\r\n");
        assert_eq!(input.line(&mut text, 8), Line::Read);
        assert_eq!(text, b"one\r\nend");
        assert_eq!(input.line(&mut text, 8), Line::End);
        assert_eq!(input.read_bytes(), 25);
    }

    #[test]
    fn another_encoding_is_told_from_a_broken_byte() {
        let check = |bytes: &[u8], expected: Option<&str>| {
            let hint = foreign_encoding(bytes);
            assert_eq!(hint.map(|hint| hint.split([';', ' ']).nth(3).unwrap()), expected);
        };
        check("职位,公司,城市\n测试工程师".as_bytes(), None);
        check(b"plain", None);
        check("公司".as_bytes().get(..4).unwrap(), None);
        check(&["职位,公司,城市\n测试工程师".as_bytes(), b"\xFF"].concat(), None);
        // 职位,公司,城市,薪资,学历 in GBK.
        let gbk = b"\xD6\xB0\xCE\xBB,\xB9\xAB\xCB\xBE,\xB3\xC7\xCA\xD0,\xD0\xBD\xD7\xCA,\xD1\xA7\xC0\xFA\n";
        check(gbk, Some("GB18030"));
        check(
            b"k\xF6k, f\xF6rs\xE4ljning, l\xE4n, \xC4lvsbyn, \xD6rebro, p\xE5, f\xF6r, \xE5r",
            Some("a"),
        );
        check(b"\xFF\xFEa\0b\0", Some("UTF-16"));
    }
}
