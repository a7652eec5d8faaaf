//! The records of an XML document.
//!
//! Only tags are looked at, so that an element that is not well-formed ends where it says, or
//! where the next one begins.

use crate::postings::import::input::{Input, RECORD_BYTES_MAX};
use crate::postings::import::pieces::{Cutter, Piece};
use crate::postings::import::refusal::Refusal;

/// Cuts an XML document into the elements of one name, whatever their prefix.
#[derive(Debug)]
pub(crate) struct Elements {
    name: &'static str,
    index: u64,
    /// Start tag of a record that was met within another one that had no end.
    pending: Option<Vec<u8>>,
}

/// What a piece of markup is to the search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tag {
    Start,
    /// Start and end in one.
    Empty,
    End,
    Other,
}

impl Elements {
    pub(crate) fn named(name: &'static str) -> Self {
        Self { name, index: 0, pending: None }
    }

    fn piece(&mut self, bytes: Result<Vec<u8>, Refusal>) -> Piece {
        let place = format!("#{}", self.index);
        self.index = self.index.saturating_add(1);
        Piece { place, bytes }
    }

    /// Reads up to the end of the next tag and returns where it begins; absent at the end of the
    /// file. Outside of a record, the text before the tag is of no use.
    fn tag(&self, input: &mut Input, text: &mut Vec<u8>, is_inside: bool) -> Option<(Tag, usize)> {
        while push(input, text)? != b'<' {
            if !is_inside {
                text.clear();
            }
        }
        let start = text.len();
        let tag = self.tag_after(input, text)?;
        Some((tag, start.saturating_sub(1)))
    }

    fn tag_after(&self, input: &mut Input, text: &mut Vec<u8>) -> Option<Tag> {
        let start = text.len();
        while let Some(byte) = input.peek().filter(|byte| is_name(*byte)) {
            text.push(byte);
            input.next_byte();
            match text.get(start..).unwrap_or_default() {
                b"!--" => return through(input, text, *b"-->"),
                b"![CDATA[" => return through(input, text, *b"]]>"),
                _ => {}
            }
            if text.len() > RECORD_BYTES_MAX {
                break;
            }
        }
        let tag = self.named_tag(text.get(start..).unwrap_or_default());
        let mut quote = None;
        let mut last = text.last().copied().unwrap_or_default();
        loop {
            let byte = push(input, text)?;
            match (quote, byte) {
                (None, b'>') => break,
                (None, b'"' | b'\'') => quote = Some(byte),
                (Some(open), byte) if open == byte => quote = None,
                _ => {}
            }
            last = byte;
        }
        Some(if tag == Tag::Start && last == b'/' { Tag::Empty } else { tag })
    }

    fn named_tag(&self, name: &[u8]) -> Tag {
        let (tag, name) = match name.strip_prefix(b"/") {
            Some(name) => (Tag::End, name),
            None => (Tag::Start, name.strip_suffix(b"/").unwrap_or(name)),
        };
        let local = name.rsplit(|byte| *byte == b':').next().unwrap_or_default();
        if local == self.name.as_bytes() { tag } else { Tag::Other }
    }
}

impl Cutter for Elements {
    fn next(&mut self, input: &mut Input) -> Option<Piece> {
        let mut text = self.pending.take().unwrap_or_default();
        let mut is_inside = !text.is_empty();
        loop {
            let Some((tag, start)) = self.tag(input, &mut text, is_inside) else {
                let is_record = is_inside && !text.is_empty();
                return is_record.then(|| self.piece(Err(unclosed(&text))));
            };
            match (is_inside, tag) {
                (false, Tag::Start) => {
                    text.drain(..start);
                    is_inside = true;
                }
                (false, Tag::Empty) => {
                    text.drain(..start);
                    return Some(self.piece(Ok(text)));
                }
                (false, Tag::End | Tag::Other) => text.clear(),
                (true, Tag::End) if text.len() > RECORD_BYTES_MAX => {
                    return Some(self.piece(Err(Refusal::too_large())));
                }
                (true, Tag::End) => return Some(self.piece(Ok(text))),
                (true, Tag::Start) => {
                    self.pending = Some(text.split_off(start.min(text.len())));
                    return Some(self.piece(Err(unclosed(&text))));
                }
                (true, Tag::Empty | Tag::Other) => {}
            }
        }
    }
}

/// Takes over the next byte; what is beyond the limit of a record only in so far as it is markup.
fn push(input: &mut Input, text: &mut Vec<u8>) -> Option<u8> {
    let byte = input.next_byte()?;
    if text.len() <= RECORD_BYTES_MAX {
        text.push(byte);
    }
    Some(byte)
}

fn through(input: &mut Input, text: &mut Vec<u8>, end: [u8; 3]) -> Option<Tag> {
    let mut last = [0; 3];
    while last != end {
        let [_, second, third] = last;
        last = [second, third, push(input, text)?];
    }
    Some(Tag::Other)
}

fn is_name(byte: u8) -> bool {
    !byte.is_ascii_whitespace() && !matches!(byte, b'>' | b'<' | b'"' | b'\'' | b'=')
}

fn unclosed(text: &[u8]) -> Refusal {
    if text.len() > RECORD_BYTES_MAX {
        return Refusal::too_large();
    }
    let given = String::from_utf8_lossy(text.get(..400).unwrap_or(text));
    Refusal::malformed("an XML element that is closed", &given)
}

#[cfg(test)]
mod tests {
    use crate::postings::import::input::Input;
    use crate::postings::import::pieces::Cutter;
    use crate::postings::import::pieces::xml::Elements;

    #[test]
    fn elements_are_found_at_any_depth() {
        check("<?xml version='1.0'?><Ad>x</Ad>", &["#0 <Ad>x</Ad>"]);
        check(
            "<All a='>'>\n<h:Ad b=\"/>\">x</h:Ad> <Ad/> </All>",
            &["#0 <h:Ad b=\"/>\">x</h:Ad>", "#1 <Ad/>"],
        );
        check(
            "<Ad><![CDATA[</Ad><Ad>]]><!-- </Ad> --></Ad>",
            &["#0 <Ad><![CDATA[</Ad><Ad>]]><!-- </Ad> --></Ad>"],
        );
        check("it's <Adx/><!-- <Ad> --><Ad>1</Ad>", &["#0 <Ad>1</Ad>"]);
        check("", &[]);
    }

    #[test]
    fn an_element_that_is_never_closed_ends_where_the_next_one_begins() {
        check("<x><Ad>1<Ad>2</Ad></x>", &["#0 refused", "#1 <Ad>2</Ad>"]);
        check("<x><Ad>1</Ad><Ad>2", &["#0 <Ad>1</Ad>", "#1 refused"]);
        check("<x><Ad>1</Ad><Ad", &["#0 <Ad>1</Ad>"]);
    }

    fn check(text: &'static str, expected: &[&str]) {
        let mut input = Input::of(Box::new(text.as_bytes()));
        let mut elements = Elements::named("Ad");
        let pieces: Vec<String> = std::iter::from_fn(|| elements.next(&mut input))
            .map(|piece| match piece.bytes {
                Ok(bytes) => format!("{} {}", piece.place, String::from_utf8(bytes).unwrap()),
                Err(_) => format!("{} refused", piece.place),
            })
            .collect();
        assert_eq!(pieces, expected, "{text}");
    }
}
