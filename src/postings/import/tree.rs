//! Elements of XML, by local name.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::postings::import::refusal::Refusal;

/// Most elements within each other; deeper ones are no posting.
const DEPTH_MAX: usize = 64;

/// An element. Prefixes of names are left out: what a prefix is bound to may stand outside of the
/// record, and no format here has one local name in two namespaces.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) name: String,
    attributes: Vec<(String, String)>,
    /// Text directly within, with CDATA taken as it is.
    text: String,
    children: Vec<Element>,
}

impl Element {
    /// Reads a record of one element.
    pub(crate) fn parse(record: &[u8]) -> Result<Self, Refusal> {
        let given = |text: &str| text.chars().take(400).collect::<String>();
        let text = std::str::from_utf8(record).map_err(|_| {
            Refusal::malformed("text in UTF-8", &given(&String::from_utf8_lossy(record)))
        })?;
        let malformed = |why: &str| Refusal::malformed(&format!("sound XML: {why}"), &given(text));
        let mut reader = Reader::from_str(text);
        let mut open: Vec<Self> = Vec::new();
        loop {
            let event = reader.read_event().map_err(|error| malformed(&error.to_string()))?;
            let done = match event {
                Event::Start(start) if open.len() < DEPTH_MAX => {
                    open.push(Self::of(&start));
                    None
                }
                Event::Start(_) => return Err(malformed("elements are nested too deep")),
                Event::Empty(start) => Some(Self::of(&start)),
                Event::End(_) => open.pop(),
                Event::Text(text) => {
                    add(&mut open, &text);
                    None
                }
                Event::CData(text) => {
                    add(&mut open, &text);
                    None
                }
                Event::GeneralRef(name) => {
                    add(&mut open, &entity(&name));
                    None
                }
                Event::Eof => return Err(malformed("it ends too early")),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => None,
            };
            let Some(done) = done else { continue };
            match open.last_mut() {
                Some(parent) => parent.children.push(done),
                None => return Ok(done),
            }
        }
    }

    fn of(start: &BytesStart<'_>) -> Self {
        let name = start.local_name().as_ref().to_owned();
        let attributes = start.attributes().flatten().map(|attribute| {
            let name = attribute.key.local_name().as_ref().to_owned();
            (name, resolved(&attribute.value))
        });
        Self { name, attributes: attributes.collect(), ..Self::default() }
    }

    /// Returns the text directly within, without white space around it.
    pub(crate) fn text(&self) -> &str {
        self.text.trim()
    }

    /// Returns an attribute, empty where there is none.
    pub(crate) fn attribute(&self, name: &str) -> &str {
        let found = self.attributes.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.trim())
    }

    /// Returns the children of a name.
    pub(crate) fn children<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// Returns the first element at a path.
    pub(crate) fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |element, name| {
            element.children.iter().find(|child| child.name == *name)
        })
    }

    /// Returns the text at a path, empty where there is none.
    pub(crate) fn string(&self, path: &[&str]) -> &str {
        self.at(path).map_or("", Self::text)
    }

    /// Returns all elements of a name, at any depth, in the order of the document.
    pub(crate) fn all<'a>(&'a self, name: &str, found: &mut Vec<&'a Self>) {
        for child in &self.children {
            if child.name == name {
                found.push(child);
            }
            child.all(name, found);
        }
    }
}

fn add(open: &mut [Element], text: &str) {
    if let Some(element) = open.last_mut() {
        element.text.push_str(text);
    }
}

/// Returns what an entity stands for; one that is not predefined stays as it is written, for a
/// document may not define its own.
fn entity(name: &str) -> String {
    let predefined = match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "nbsp" => Some('\u{a0}'),
        _ => name.strip_prefix('#').and_then(|number| {
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }),
    };
    predefined.map_or_else(|| format!("&{name};"), String::from)
}

fn resolved(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('&') {
        text.push_str(before);
        match after.split_once(';') {
            Some((name, after)) => {
                text.push_str(&entity(name));
                rest = after;
            }
            None => {
                text.push('&');
                rest = after;
            }
        }
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use crate::postings::import::tree::Element;

    #[test]
    fn elements_are_read_without_their_prefixes() {
        let record = br#"<a:Ad xmlns:a="x" kind="1 &amp; 2"><b:T>x &lt; y &#65;&nope;</b:T><T><![CDATA[<p>]]></T></a:Ad>"#;
        let ad = Element::parse(record).unwrap();
        assert_eq!(ad.name, "Ad");
        assert_eq!(ad.attribute("kind"), "1 & 2");
        assert_eq!(ad.string(&["T"]), "x < y A&nope;");
        assert_eq!(ad.children("T").nth(1).unwrap().text(), "<p>");
        let mut found = Vec::new();
        ad.all("T", &mut found);
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn what_is_not_well_formed_is_refused() {
        for record in [&b"<a><b></a>"[..], b"<a>", b"", b"x", b"<a>\xFF</a>", b"</a>"] {
            assert!(Element::parse(record).is_err(), "{record:?}");
        }
    }

    #[test]
    fn elements_that_are_nested_too_deep_are_refused() {
        let deep = "<a>".repeat(10_000);
        assert!(Element::parse(deep.as_bytes()).is_err());
    }
}
