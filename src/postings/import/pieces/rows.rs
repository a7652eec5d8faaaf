//! The rows of a CSV file.
//!
//! A row ends at the end of a line that is not inside quotes. A quote that is never closed would
//! take all that follows with it; so a row that grows too large gives up its first line only, and
//! reading goes on at the second.

use std::collections::VecDeque;

use crate::postings::import::input::{Input, Line};
use crate::postings::import::pieces::{Cutter, Piece};
use crate::postings::import::refusal::Refusal;

/// Most bytes of a row.
pub(crate) const ROW_BYTES_MAX: usize = 1024 * 1024;

/// Cuts a CSV file.
#[derive(Debug)]
pub(crate) struct Rows {
    delimiter: u8,
    number: u64,
    /// Lines that were read for a row that turned out to have no end.
    pending: VecDeque<Vec<u8>>,
}

/// Where in a row a byte is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    FieldStart,
    Plain,
    Quoted,
    /// After a quote within quotes: the end of the field, or the first of two.
    Quote,
}

impl Rows {
    pub(crate) fn new(delimiter: u8) -> Self {
        Self { delimiter, number: 0, pending: VecDeque::new() }
    }

    fn line(&mut self, input: &mut Input) -> (Vec<u8>, Line) {
        if let Some(line) = self.pending.pop_front() {
            return (line, Line::Read);
        }
        let mut text = Vec::new();
        let line = input.line(&mut text, ROW_BYTES_MAX);
        (text, line)
    }

    fn after(&self, state: State, line: &[u8]) -> State {
        line.iter().fold(state, |state, byte| match (state, byte) {
            (State::Quoted, b'"') => State::Quote,
            (State::FieldStart | State::Quote, b'"') | (State::Quoted, _) => State::Quoted,
            (_, byte) if *byte == self.delimiter || *byte == b'\n' => State::FieldStart,
            _ => State::Plain,
        })
    }
}

impl Cutter for Rows {
    fn next(&mut self, input: &mut Input) -> Option<Piece> {
        let mut lines: Vec<Vec<u8>> = Vec::new();
        let mut bytes = 0_usize;
        let mut state = State::FieldStart;
        let mut first = self.number.saturating_add(1);
        loop {
            let (text, line) = self.line(input);
            match line {
                Line::End if lines.is_empty() => return None,
                Line::TooLong if lines.is_empty() => {
                    self.number = first;
                    let bytes = Err(Refusal::too_large());
                    return Some(Piece { place: format!(":{first}"), bytes });
                }
                Line::Read if lines.is_empty() && text.trim_ascii().is_empty() => {
                    self.number = first;
                    first = first.saturating_add(1);
                    continue;
                }
                Line::Read => {
                    state = self.after(state, &text);
                    bytes = bytes.saturating_add(text.len());
                    lines.push(text);
                    if state != State::Quoted {
                        break;
                    }
                    if bytes <= ROW_BYTES_MAX {
                        continue;
                    }
                }
                Line::End | Line::TooLong => {}
            }
            // The quotes were never closed.
            let mut rest = lines.into_iter();
            let given = rest.next().unwrap_or_default();
            let mut pending: VecDeque<Vec<u8>> = rest.collect();
            pending.append(&mut self.pending);
            self.pending = pending;
            self.number = first;
            let given = String::from_utf8_lossy(&given);
            let refusal = Refusal::malformed("a row whose quotes are closed", given.trim());
            return Some(Piece { place: format!(":{first}"), bytes: Err(refusal) });
        }
        let count = u64::try_from(lines.len()).unwrap_or(u64::MAX);
        self.number = first.saturating_add(count).saturating_sub(1);
        Some(Piece { place: format!(":{first}"), bytes: Ok(lines.concat()) })
    }
}

#[cfg(test)]
mod tests {
    use crate::postings::import::input::Input;
    use crate::postings::import::pieces::Cutter;
    use crate::postings::import::pieces::rows::Rows;

    #[test]
    fn a_row_ends_where_its_line_ends_outside_of_quotes() {
        check("a,b\nc,d", &[":1 a,b\n", ":2 c,d"]);
        check("a,\"b\nc\",d\r\ne", &[":1 a,\"b\nc\",d\r\n", ":3 e"]);
        check("a,\"say \"\"b\"\"\"\nc", &[":1 a,\"say \"\"b\"\"\"\n", ":2 c"]);
        check("5\" pipe,b\nc", &[":1 5\" pipe,b\n", ":2 c"]);
        check("\n\na\n\nb\n", &[":3 a\n", ":5 b\n"]);
        check("", &[]);
    }

    #[test]
    fn a_quote_that_is_never_closed_takes_one_line_with_it() {
        check("a,\"b\nc,d\ne,f\n", &[":1 refused", ":2 c,d\n", ":3 e,f\n"]);
        check("a\n\"b\nc\n", &[":1 a\n", ":2 refused", ":3 c\n"]);
    }

    fn check(text: &'static str, expected: &[&str]) {
        let mut input = Input::of(Box::new(text.as_bytes()));
        let mut rows = Rows::new(b',');
        let pieces: Vec<String> = std::iter::from_fn(|| rows.next(&mut input))
            .map(|piece| match piece.bytes {
                Ok(bytes) => format!("{} {}", piece.place, String::from_utf8(bytes).unwrap()),
                Err(_) => format!("{} refused", piece.place),
            })
            .collect();
        assert_eq!(pieces, expected, "{text}");
    }
}
