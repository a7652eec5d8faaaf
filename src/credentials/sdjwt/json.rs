//! JSON of strangers: no name twice, and no deeper than one can go.
//!
//! A document keeps its text, and texts in it are places of that text: most of what is read is looked at once and thrown away, so
//! that copying it would cost more than reading it.

use std::cell::Cell;

use serde::de::DeserializeSeed as _;
use serde_json::{Map, Number, Value};

use crate::credentials::sdjwt::bounds::NESTING_MAX;

mod seed;

/// A JSON object.
pub type Object = Map<String, Value>;

/// Why bytes are no JSON that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonFlaw {
    /// It breaks the grammar (RFC 8259), or is no UTF-8.
    Grammar,
    /// An object has a name twice: readers would differ in what it says.
    NameTwice,
    /// Objects and lists lie too deep in each other.
    Nesting,
    /// It is something else than what must stand there.
    Kind,
}

/// Reads an object.
///
/// # Errors
///
/// It is none that is taken.
pub fn object(bytes: &[u8]) -> Result<Object, JsonFlaw> {
    let document = Document::read(bytes.to_vec())?;
    match document.root().to_value() {
        Value::Object(object) => Ok(object),
        _ => Err(JsonFlaw::Kind),
    }
}

/// A text, and what stands in it.
pub(crate) struct Document {
    text: String,
    root: Node,
}

impl Document {
    /// Reads a value.
    pub(crate) fn read(bytes: Vec<u8>) -> Result<Self, JsonFlaw> {
        let text = String::from_utf8(bytes).map_err(|_| JsonFlaw::Grammar)?;
        let flaw = Cell::new(JsonFlaw::Grammar);
        let mut reader = serde_json::Deserializer::from_str(&text);
        let seed = seed::Seed { text: &text, open: NESTING_MAX, flaw: &flaw };
        let root = seed.deserialize(&mut reader).map_err(|_| flaw.get())?;
        reader.end().map_err(|_| JsonFlaw::Grammar)?;
        Ok(Self { text, root })
    }

    /// Reads an object.
    pub(crate) fn read_object(bytes: Vec<u8>) -> Result<Self, JsonFlaw> {
        let document = Self::read(bytes)?;
        if document.root().is_object() { Ok(document) } else { Err(JsonFlaw::Kind) }
    }

    /// Returns what it says.
    pub(crate) fn root(&self) -> View<'_> {
        View { text: &self.text, node: &self.root }
    }
}

enum Node {
    Null,
    Bool(bool),
    Number(Number),
    Text(Text),
    List(Vec<Node>),
    Object(Vec<Member>),
}

struct Member {
    name: Text,
    value: Node,
}

/// A text of a document.
enum Text {
    /// It stands there as it is.
    Within { start: usize, end: usize },
    /// It is written with escapes.
    Own(Box<str>),
}

impl Text {
    fn in_text<'a>(&'a self, text: &'a str) -> &'a str {
        match self {
            Self::Within { start, end } => text.get(*start..*end).unwrap_or_default(),
            Self::Own(own) => own,
        }
    }
}

/// A value of a document.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    text: &'a str,
    node: &'a Node,
}

impl<'a> View<'a> {
    pub(crate) fn is_object(self) -> bool {
        matches!(self.node, Node::Object(_))
    }

    pub(crate) fn is_true(self) -> bool {
        matches!(self.node, Node::Bool(true))
    }

    pub(crate) fn is_null(self) -> bool {
        matches!(self.node, Node::Null)
    }

    pub(crate) fn as_text(self) -> Option<&'a str> {
        match self.node {
            Node::Text(text) => Some(text.in_text(self.text)),
            _ => None,
        }
    }

    pub(crate) fn as_number(self) -> Option<&'a Number> {
        match self.node {
            Node::Number(number) => Some(number),
            _ => None,
        }
    }

    /// Returns the items of a list.
    pub(crate) fn items(self) -> Option<impl ExactSizeIterator<Item = Self>> {
        match self.node {
            Node::List(items) => Some(items.iter().map(move |node| View { node, ..self })),
            _ => None,
        }
    }

    /// Returns the members of an object, in their order.
    pub(crate) fn members(self) -> Option<impl ExactSizeIterator<Item = (&'a str, Self)>> {
        match self.node {
            Node::Object(members) => Some(members.iter().map(move |member| {
                (member.name.in_text(self.text), View { node: &member.value, ..self })
            })),
            _ => None,
        }
    }

    /// Returns a member of an object.
    pub(crate) fn get(self, name: &str) -> Option<Self> {
        self.members()?.find(|(own, _)| *own == name).map(|(_, value)| value)
    }

    /// Returns a copy that needs no document.
    pub(crate) fn to_value(self) -> Value {
        let below = |node| View { node, ..self };
        match self.node {
            Node::Null => Value::Null,
            Node::Bool(it) => Value::Bool(*it),
            Node::Number(number) => Value::Number(number.clone()),
            Node::Text(text) => Value::String(text.in_text(self.text).to_owned()),
            Node::List(items) => items.iter().map(|it| below(it).to_value()).collect(),
            Node::Object(members) => Value::Object(
                members
                    .iter()
                    .map(|it| (it.name.in_text(self.text).to_owned(), below(&it.value).to_value()))
                    .collect(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::credentials::sdjwt::bounds::NESTING_MAX;
    use crate::credentials::sdjwt::json::{Document, JsonFlaw, object};

    fn value(text: &[u8]) -> Result<Value, JsonFlaw> {
        Document::read(text.to_vec()).map(|it| it.root().to_value())
    }

    #[test]
    fn what_is_read_is_what_stands_there() {
        let text = r#" {"a": [1, -2, 2.5, true, null, "\u00e9é"], "ä\n": {"b": ""}, "n": 18446744073709551615} "#;
        let expected: Value = serde_json::from_str(text).unwrap();
        assert_eq!(value(text.as_bytes()), Ok(expected));
        assert_eq!(value(br#""a""#), Ok(json!("a")));
    }

    #[test]
    fn what_readers_could_differ_in_is_refused() {
        let check = |text: &[u8], expected| {
            let text_shown = String::from_utf8_lossy(text);
            assert_eq!(value(text).err(), expected, "{text_shown}");
        };
        check(br#"{"a": 1, "b": 1}"#, None);
        check(br#"{"a": 1, "a": 1}"#, Some(JsonFlaw::NameTwice));
        check(br#"{"a": 1, "\u0061": 2}"#, Some(JsonFlaw::NameTwice));
        check(br#"[{"a": {"b": 1, "b": 2}}]"#, Some(JsonFlaw::NameTwice));
        check(br#"{"a": 1} x"#, Some(JsonFlaw::Grammar));
        check(br#"{"a": 01}"#, Some(JsonFlaw::Grammar));
        check(br#"{"a": 1e400}"#, Some(JsonFlaw::Grammar));
        check(br#"{"a": NaN}"#, Some(JsonFlaw::Grammar));
        check(br#"["\ud800"]"#, Some(JsonFlaw::Grammar));
        check(b"[\"\xff\"]", Some(JsonFlaw::Grammar));
        check(b"\xef\xbb\xbf{}", Some(JsonFlaw::Grammar));
        check(b"", Some(JsonFlaw::Grammar));
        assert_eq!(object(b"[]"), Err(JsonFlaw::Kind));
    }

    #[test]
    fn a_name_twice_is_found_among_many() {
        let flaw_of = |names: &[usize]| {
            let members: Vec<_> = names.iter().map(|it| format!(r#""n{it}": 0"#)).collect();
            value(format!("{{{}}}", members.join(",")).as_bytes()).err()
        };
        let mut names: Vec<usize> = (0..1_000).rev().collect();
        assert_eq!(flaw_of(&names), None);
        names.push(500);
        assert_eq!(flaw_of(&names), Some(JsonFlaw::NameTwice));
    }

    #[test]
    fn nesting_ends_at_its_bound() {
        let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        assert!(value(nested(NESTING_MAX).as_bytes()).is_ok());
        assert_eq!(value(nested(NESTING_MAX + 1).as_bytes()), Err(JsonFlaw::Nesting));
        assert_eq!(value(nested(100_000).as_bytes()), Err(JsonFlaw::Nesting));
    }
}
