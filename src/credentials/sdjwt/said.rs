//! What a token says, put together of what stands in its parts: nothing is copied before somebody needs a copy.

use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::{Number, Value};

use crate::credentials::domain::{ClaimPath, Segment};
use crate::credentials::sdjwt::json::{Object, View};

/// Something that a token says.
pub(crate) enum Said<'a> {
    /// A text, a number, a truth value or nothing.
    Plain(View<'a>),
    /// A list.
    List(Vec<Self>),
    /// An object: its members in the order of their names, each name once.
    Object(Vec<(&'a str, Self)>),
}

impl<'a> Said<'a> {
    /// Returns what a document says, without a look at what the format means by it.
    #[cfg(test)]
    pub(crate) fn of(view: View<'a>) -> Self {
        if let Some(items) = view.items() {
            Self::List(items.map(Self::of).collect())
        } else if let Some(members) = view.members() {
            let mut members: Vec<_> = members.map(|(name, it)| (name, Self::of(it))).collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            Self::Object(members)
        } else {
            Self::Plain(view)
        }
    }

    /// Returns the members, if it is an object.
    pub(crate) fn members(&self) -> Option<&[(&'a str, Self)]> {
        match self {
            Self::Object(members) => Some(members),
            Self::Plain(_) | Self::List(_) => None,
        }
    }

    /// Returns a member, if it is an object that has one of the name.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        let members = self.members()?;
        let at = members.binary_search_by(|(own, _)| (*own).cmp(name)).ok()?;
        members.get(at).map(|(_, it)| it)
    }

    /// Returns the items, if it is a list.
    pub(crate) fn items(&self) -> Option<&[Self]> {
        match self {
            Self::List(items) => Some(items),
            Self::Plain(_) | Self::Object(_) => None,
        }
    }

    /// Returns what stands at a path that names one place.
    pub(crate) fn at(&self, path: &ClaimPath) -> Option<&Self> {
        path.segments().iter().try_fold(self, |it, segment| match segment {
            Segment::Name(name) => it.get(name),
            Segment::Element(index) => it.items()?.get(*index),
            Segment::Every => None,
        })
    }

    /// Returns the text, if it is one.
    pub(crate) fn as_text(&self) -> Option<&'a str> {
        match self {
            Self::Plain(view) => view.as_text(),
            Self::List(_) | Self::Object(_) => None,
        }
    }

    /// Returns the number, if it is one.
    pub(crate) fn as_number(&self) -> Option<&'a Number> {
        match self {
            Self::Plain(view) => view.as_number(),
            Self::List(_) | Self::Object(_) => None,
        }
    }

    /// Returns whether it is nothing: `null`.
    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Self::Plain(view) if view.is_null())
    }

    /// Returns a copy that needs no document.
    pub(crate) fn to_value(&self) -> Value {
        match self {
            Self::Plain(view) => view.to_value(),
            Self::List(items) => items.iter().map(Self::to_value).collect(),
            Self::Object(_) => Value::Object(self.to_object()),
        }
    }

    /// Returns a copy of the members; none when it is no object.
    pub(crate) fn to_object(&self) -> Object {
        let members = self.members().into_iter().flatten();
        members.map(|(name, it)| ((*name).to_owned(), it.to_value())).collect()
    }
}

impl Serialize for Said<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Plain(view) => match (view.as_text(), view.as_number()) {
                (Some(text), _) => serializer.serialize_str(text),
                (None, Some(number)) => number.serialize(serializer),
                (None, None) => view.to_value().serialize(serializer),
            },
            Self::List(items) => serializer.collect_seq(items),
            Self::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (name, it) in members {
                    map.serialize_entry(name, it)?;
                }
                map.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::credentials::domain::{ClaimPath, Segment};
    use crate::credentials::sdjwt::json::Document;
    use crate::credentials::sdjwt::said::Said;

    const TEXT: &str = r#" {"z": "\u00e9\n\"", "a": [1, -2.5, 18446744073709551615, null, true, []],
        "m": {"y": {"b": "", "a": false}, "x": "plain"}, "ä": 1e3} "#;

    #[test]
    fn it_is_written_as_a_copy_of_it_is() {
        let document = Document::read(TEXT.as_bytes().to_vec()).unwrap();
        let said = Said::of(document.root());
        let expected: Value = serde_json::from_str(TEXT).unwrap();
        assert_eq!(said.to_value(), expected);
        assert_eq!(Value::Object(said.to_object()), expected);
        assert_eq!(serde_json::to_string(&said).unwrap(), expected.to_string());
    }

    #[test]
    fn what_stands_somewhere_is_found() {
        let document = Document::read(TEXT.as_bytes().to_vec()).unwrap();
        let said = Said::of(document.root());
        let at = |segments: &[Segment]| {
            said.at(&ClaimPath::new(segments.to_vec()).unwrap()).map(Said::to_value)
        };
        let name = |it: &str| Segment::Name(it.to_owned());
        assert_eq!(at(&[name("m"), name("x")]), Some(json!("plain")));
        assert_eq!(at(&[name("m"), name("y"), name("a")]), Some(json!(false)));
        assert_eq!(at(&[name("a"), Segment::Element(1)]), Some(json!(-2.5)));
        assert_eq!(at(&[name("a"), Segment::Every]), None);
        assert_eq!(at(&[name("a"), name("0")]), None);
        assert_eq!(at(&[name("n")]), None);
        let nothing = ClaimPath::new(vec![name("a"), Segment::Element(3)]).unwrap();
        assert!(said.at(&nothing).unwrap().is_null());
    }
}
