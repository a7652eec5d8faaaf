//! How a document is read: nodes whose texts are places in it.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

use crate::credentials::sdjwt::json::{JsonFlaw, Member, Node, Text};

/// Members of an object up to which each name is held against each: with more, they are sorted.
const FEW: usize = 16;

/// A value that is being read, and how many levels there may be below it.
#[derive(Clone, Copy)]
pub(super) struct Seed<'a> {
    pub(super) text: &'a str,
    pub(super) open: usize,
    pub(super) flaw: &'a Cell<JsonFlaw>,
}

impl Seed<'_> {
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

    /// Returns the place of a text that stands in the document.
    fn place(self, part: &str) -> Text {
        let start = part.as_ptr().addr().checked_sub(self.text.as_ptr().addr());
        let place = start.and_then(|start| Some((start, start.checked_add(part.len())?)));
        match place.filter(|(start, end)| self.text.get(*start..*end).is_some()) {
            Some((start, end)) => Text::Within { start, end },
            None => Text::Own(part.into()),
        }
    }

    fn has_name_twice(self, members: &[Member]) -> bool {
        let names = members.iter().map(|it| it.name.in_text(self.text));
        if members.len() <= FEW {
            let mut names = names.enumerate();
            names.any(|(count, name)| {
                members.iter().take(count).any(|it| it.name.in_text(self.text) == name)
            })
        } else {
            let mut names: Vec<_> = names.collect();
            names.sort_unstable();
            names.array_windows().any(|[one, other]| one == other)
        }
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Node, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, it: bool) -> Result<Node, E> {
        Ok(Node::Bool(it))
    }

    fn visit_i64<E>(self, it: i64) -> Result<Node, E> {
        Ok(Node::Number(it.into()))
    }

    fn visit_u64<E>(self, it: u64) -> Result<Node, E> {
        Ok(Node::Number(it.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, it: f64) -> Result<Node, E> {
        Number::from_f64(it).map(Node::Number).ok_or_else(|| E::custom("no number"))
    }

    fn visit_borrowed_str<E>(self, it: &'de str) -> Result<Node, E> {
        Ok(Node::Text(self.place(it)))
    }

    fn visit_str<E>(self, it: &str) -> Result<Node, E> {
        Ok(Node::Text(Text::Own(it.into())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let below = self.below()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(below)? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Node, A::Error> {
        let below = self.below()?;
        let mut object = Vec::with_capacity(8);
        while let Some(name) = members.next_key_seed(Name(self))? {
            let value = members.next_value_seed(below)?;
            object.push(Member { name, value });
        }
        if self.has_name_twice(&object) {
            return Err(A::Error::custom(self.flawed::<A::Error>(JsonFlaw::NameTwice)));
        }
        Ok(Node::Object(object))
    }
}

/// A name that is being read.
struct Name<'a>(Seed<'a>);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Text;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Text, D::Error> {
        reader.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name<'_> {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, it: &'de str) -> Result<Text, E> {
        Ok(self.0.place(it))
    }

    fn visit_str<E>(self, it: &str) -> Result<Text, E> {
        Ok(Text::Own(it.into()))
    }
}
