//! The records of a JSON document.
//!
//! A record is an object: the only one, one of several one after the other, an item of an array,
//! or an item of an array within an object under one of the names in [`LISTS`].

use crate::postings::import::input::{Input, RECORD_BYTES_MAX};
use crate::postings::import::pieces::{Cutter, Piece};
use crate::postings::import::refusal::Refusal;

/// Paths at which objects hold their records.
pub(crate) const LISTS: &[&[&str]] = &[
    &["@graph"],
    &["hits"],
    &["hits", "hits"],
    &["ads"],
    &["annonser"],
    &["testannonser"],
    &["results"],
    &["itemListElement"],
];

/// Cuts a JSON document.
#[derive(Debug, Default)]
pub(crate) struct Values {
    /// Names of the objects around the list that is being read, and whether there is a list.
    path: Vec<String>,
    in_list: bool,
    index: u64,
    /// First byte of a record that was met within another one that had no end.
    pending: Option<u8>,
}

/// A record that is being read.
#[derive(Debug, Default)]
struct Value {
    bytes: Vec<u8>,
    is_too_large: bool,
    /// Brackets that are open.
    open: Vec<u8>,
    /// Last name on each level that is an object's.
    names: Vec<String>,
    /// Where the text that was read last begins in `bytes`.
    text_at: usize,
    text: String,
    in_text: bool,
    is_escaped: bool,
    /// Last byte that is not white space.
    last: u8,
}

/// What became of a value when a byte was added.
enum Step {
    More,
    Done,
    /// It holds a list of records, which begins here.
    List(Vec<String>),
    /// An object begins where none can: the value was never closed.
    Unclosed,
}

impl Value {
    fn push(&mut self, byte: u8) -> Step {
        self.add(byte);
        if self.in_text {
            self.in_text_push(byte);
            return Step::More;
        }
        let last = self.last;
        if !byte.is_ascii_whitespace() {
            self.last = byte;
        }
        match byte {
            b'"' => {
                self.in_text = true;
                self.text_at = self.bytes.len();
                Step::More
            }
            b':' => {
                if let Some(name) = self.names.last_mut() {
                    name.clone_from(&self.text);
                }
                Step::More
            }
            b'{' if self.open.last() == Some(&b'{') && last != b':' => Step::Unclosed,
            b'{' | b'[' => self.enter(byte),
            b'}' | b']' => self.leave(byte),
            _ => Step::More,
        }
    }

    fn add(&mut self, byte: u8) {
        if self.bytes.len() < RECORD_BYTES_MAX {
            self.bytes.push(byte);
        } else {
            self.is_too_large = true;
        }
    }

    fn in_text_push(&mut self, byte: u8) {
        match byte {
            _ if self.is_escaped => self.is_escaped = false,
            b'\\' => self.is_escaped = true,
            // A text cannot go over the end of a line; its second quote is missing.
            b'"' | b'\n' => {
                self.in_text = false;
                self.last = b'"';
                // Only short texts can be the names of lists.
                let end = self.bytes.len().saturating_sub(1);
                let text = self.bytes.get(self.text_at..end).unwrap_or_default();
                let text = text.get(..32).unwrap_or(text);
                self.text = String::from_utf8_lossy(text).into_owned();
            }
            _ => {}
        }
    }

    fn enter(&mut self, bracket: u8) -> Step {
        if bracket == b'[' && self.open.iter().all(|open| *open == b'{') {
            let is_list = LISTS.iter().any(|list| list.iter().eq(&self.names));
            if is_list {
                return Step::List(std::mem::take(&mut self.names));
            }
        }
        self.open.push(bracket);
        if bracket == b'{' {
            self.names.push(String::new());
        }
        Step::More
    }

    fn leave(&mut self, bracket: u8) -> Step {
        let opening = if bracket == b'}' { b'{' } else { b'[' };
        // A bracket that closes nothing is left to the parser to complain of.
        if !self.open.contains(&opening) {
            return Step::More;
        }
        while let Some(open) = self.open.pop() {
            if open == b'{' {
                self.names.pop();
            }
            if open == opening {
                break;
            }
        }
        if self.open.is_empty() { Step::Done } else { Step::More }
    }
}

impl Values {
    fn place(&mut self) -> String {
        let place = if self.in_list || self.index > 0 {
            let path = self.path.iter().fold(String::new(), |path, name| path + "/" + name);
            format!("#{path}/{}", self.index)
        } else {
            String::new()
        };
        self.index = self.index.saturating_add(1);
        place
    }

    fn refused(&mut self, refusal: Refusal) -> Piece {
        Piece { place: self.place(), bytes: Err(refusal) }
    }

    /// Reads an object; absent when it held a list, which is read from then on.
    fn object(&mut self, input: &mut Input) -> Option<Piece> {
        let mut value = Value::default();
        value.push(b'{');
        while let Some(byte) = input.next_byte() {
            match value.push(byte) {
                Step::More => {}
                Step::List(path) if !self.in_list => {
                    self.path = path;
                    self.in_list = true;
                    self.index = 0;
                    return None;
                }
                // A list within a record is the record's own.
                Step::List(names) => {
                    value.names = names;
                    value.open.push(b'[');
                }
                Step::Unclosed => {
                    self.pending = Some(b'{');
                    return Some(self.refused(unclosed(&value.bytes)));
                }
                Step::Done if value.is_too_large => {
                    return Some(self.refused(Refusal::too_large()));
                }
                Step::Done => {
                    return Some(Piece { place: self.place(), bytes: Ok(value.bytes) });
                }
            }
        }
        let refusal =
            if value.is_too_large { Refusal::too_large() } else { unclosed(&value.bytes) };
        Some(self.refused(refusal))
    }

    /// Goes past something that is no object, as far as it can belong together.
    fn stray(&mut self, first: u8, input: &mut Input) -> Piece {
        let mut given = vec![first];
        while let Some(byte) = input.peek().filter(|byte| !b",{[]\n".contains(byte)) {
            if given.len() < 400 {
                given.push(byte);
            }
            input.next_byte();
        }
        let given = String::from_utf8_lossy(&given).into_owned();
        self.refused(Refusal::malformed("a JSON object", given.trim()))
    }
}

fn unclosed(bytes: &[u8]) -> Refusal {
    let given = String::from_utf8_lossy(bytes.get(..400).unwrap_or(bytes));
    Refusal::malformed("a JSON object that is closed", &given)
}

impl Cutter for Values {
    fn next(&mut self, input: &mut Input) -> Option<Piece> {
        loop {
            match self.pending.take().or_else(|| input.next_byte())? {
                b'{' => {
                    if let Some(piece) = self.object(input) {
                        return Some(piece);
                    }
                }
                b'[' if !self.in_list => self.in_list = true,
                // What follows a list is the rest of the objects around it.
                b']' if self.in_list && !self.path.is_empty() => {
                    skip_rest(input, self.path.len());
                    *self = Self::default();
                }
                b']' | b',' => {}
                byte if byte.is_ascii_whitespace() => {}
                byte => return Some(self.stray(byte, input)),
            }
        }
    }
}

/// Goes past the end of this many objects.
fn skip_rest(input: &mut Input, mut depth: usize) {
    let mut in_text = false;
    let mut is_escaped = false;
    while depth > 0
        && let Some(byte) = input.next_byte()
    {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_text => is_escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => depth = depth.saturating_add(1),
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::postings::import::input::Input;
    use crate::postings::import::pieces::Cutter;
    use crate::postings::import::pieces::json::Values;

    #[test]
    fn records_are_found_wherever_they_are() {
        check(r#"{"a":1}"#, &[r#" {"a":1}"#]);
        check(r#"[{"a":1}, {"b":[{}]}]"#, &[r#"#/0 {"a":1}"#, r#"#/1 {"b":[{}]}"#]);
        check(
            r#"{"@context":"x","@graph":[{"a":"}"},{"b":"\""}],"c":[{}]}"#,
            &[r#"#/@graph/0 {"a":"}"}"#, r#"#/@graph/1 {"b":"\""}"#],
        );
        check(
            r#"{"took":1,"hits":{"total":2,"hits":[{"a":{"hits":{"hits":[1]}}},{"b":2}]},"x":{"y":[{}]}}"#,
            &[r#"#/hits/hits/0 {"a":{"hits":{"hits":[1]}}}"#, r#"#/hits/hits/1 {"b":2}"#],
        );
        check("{\"a\":1}\n{\"b\":2}", &[r#" {"a":1}"#, r#"#/1 {"b":2}"#]);
        check(r#"{"x":{"results":[{"a":1}]}}"#, &[r#" {"x":{"results":[{"a":1}]}}"#]);
        check("", &[]);
    }

    #[test]
    fn a_broken_record_does_not_take_others_with_it() {
        check(r#"[{"a":1,{"b":2}]"#, &["#/0 refused", r#"#/1 {"b":2}"#]);
        check(r#"[{"a":[1},{"b":2}]"#, &[r#"#/0 {"a":[1}"#, r#"#/1 {"b":2}"#]);
        check("[{\"a\":\"x},\n{\"b\":2}]", &["#/0 refused", r#"#/1 {"b":2}"#]);
        check(
            r#"[{"a":1},nonsense,{"b":2}]"#,
            &[r#"#/0 {"a":1}"#, "#/1 refused", r#"#/2 {"b":2}"#],
        );
        check(r#"[{"a":1},{"b":"#, &[r#"#/0 {"a":1}"#, "#/1 refused"]);
        check("nonsense", &[" refused"]);
    }

    fn check(text: &'static str, expected: &[&str]) {
        let mut input = Input::of(Box::new(text.as_bytes()));
        let mut values = Values::default();
        let pieces: Vec<String> = std::iter::from_fn(|| values.next(&mut input))
            .map(|piece| match piece.bytes {
                Ok(bytes) => format!("{} {}", piece.place, String::from_utf8(bytes).unwrap()),
                Err(_) => format!("{} refused", piece.place),
            })
            .collect();
        assert_eq!(pieces, expected, "{text}");
    }
}
