//! JSON of strangers: no name twice, and no deeper than one can go.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::credentials::sdjwt::bounds::NESTING_MAX;

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

/// Reads a value.
///
/// # Errors
///
/// It is none that is taken.
pub fn value(bytes: &[u8]) -> Result<Value, JsonFlaw> {
    let flaw = Cell::new(JsonFlaw::Grammar);
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let seed = Node { open: NESTING_MAX, flaw: &flaw };
    let value = seed.deserialize(&mut reader).map_err(|_| flaw.get())?;
    reader.end().map_err(|_| JsonFlaw::Grammar)?;
    Ok(value)
}

/// Reads an object.
///
/// # Errors
///
/// It is none that is taken.
pub fn object(bytes: &[u8]) -> Result<Object, JsonFlaw> {
    match value(bytes)? {
        Value::Object(object) => Ok(object),
        _ => Err(JsonFlaw::Kind),
    }
}

/// Reads a list.
///
/// # Errors
///
/// It is none that is taken.
pub fn list(bytes: &[u8]) -> Result<Vec<Value>, JsonFlaw> {
    match value(bytes)? {
        Value::Array(list) => Ok(list),
        _ => Err(JsonFlaw::Kind),
    }
}

/// A value that is being read, and how many levels there may be below it.
#[derive(Clone, Copy)]
struct Node<'a> {
    open: usize,
    flaw: &'a Cell<JsonFlaw>,
}

impl Node<'_> {
    fn below<E: serde::de::Error>(self) -> Result<Self, E> {
        match self.open.checked_sub(1) {
            Some(open) => Ok(Self { open, ..self }),
            None => Err(self.flawed(JsonFlaw::Nesting)),
        }
    }

    fn flawed<E: serde::de::Error>(self, flaw: JsonFlaw) -> E {
        self.flaw.set(flaw);
        E::custom("refused")
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, it: bool) -> Result<Value, E> {
        Ok(Value::Bool(it))
    }

    fn visit_i64<E>(self, it: i64) -> Result<Value, E> {
        Ok(Value::Number(it.into()))
    }

    fn visit_u64<E>(self, it: u64) -> Result<Value, E> {
        Ok(Value::Number(it.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, it: f64) -> Result<Value, E> {
        Number::from_f64(it).map(Value::Number).ok_or_else(|| E::custom("no number"))
    }

    fn visit_str<E>(self, it: &str) -> Result<Value, E> {
        Ok(Value::String(it.to_owned()))
    }

    fn visit_string<E>(self, it: String) -> Result<Value, E> {
        Ok(Value::String(it))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let below = self.below()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(below)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let below = self.below()?;
        let mut object = Object::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(below)?;
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom(self.flawed::<A::Error>(JsonFlaw::NameTwice)));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use crate::credentials::sdjwt::bounds::NESTING_MAX;
    use crate::credentials::sdjwt::json::{JsonFlaw, object, value};

    #[test]
    fn what_readers_could_differ_in_is_refused() {
        let check = |text: &[u8], expected| {
            let text_shown = String::from_utf8_lossy(text);
            assert_eq!(value(text).err(), expected, "{text_shown}");
        };
        check(br#"{"a": [1, -2, 2.5, true, null, "\u00e9"]}"#, None);
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
    fn nesting_ends_at_its_bound() {
        let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        assert!(value(nested(NESTING_MAX).as_bytes()).is_ok());
        assert_eq!(value(nested(NESTING_MAX + 1).as_bytes()), Err(JsonFlaw::Nesting));
        assert_eq!(value(nested(100_000).as_bytes()), Err(JsonFlaw::Nesting));
    }
}
