//! What makes a credential type fit to be published: its claims and its schema say the same.

use std::collections::HashSet;

use serde_json::Value;

use crate::credentials::domain::{ClaimPath, Segment};
use crate::credentials::registry::addresses::Addresses;
use crate::credentials::registry::kind::{Claim, Disclosure, Rules};
use crate::credentials::wire::violation;
use crate::kernel::fields::{Rule, Violation};
use crate::pb::peshub::credentials::v1 as pb;

/// Names that the format itself gives a meaning to (RFC 7519, RFC 9901, SD-JWT VC): no claim of a type has one of them.
const RESERVED: [&str; 14] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "cnf",
    "vct",
    "vct#integrity",
    "status",
    "_sd",
    "_sd_alg",
    "...",
];

/// Returns everything that keeps a type from being published.
#[must_use]
pub fn violations(content: &pb::CredentialType, addresses: &Addresses) -> Vec<Violation> {
    let mut wrong = Vec::new();
    names(content, addresses, &mut wrong);
    let rules = match Rules::read(content) {
        Ok(rules) => rules,
        Err(why) => {
            let expected =
                format!("a JSON Schema of edition 2020-12 that stands by itself; this {why}");
            wrong.push(broken("schema_json", &expected));
            return wrong;
        }
    };
    let schema = Node { whole: rules.schema.value(), here: rules.schema.value() };
    root(&schema, &rules.claims, &mut wrong);
    for (index, claim) in rules.claims.iter().enumerate() {
        let twice = rules.claims.iter().take(index).any(|other| other.path == claim.path);
        claims(&schema, claim, (index, twice), &mut wrong);
    }
    scope(content, &rules, &schema, &mut wrong);
    wrong
}

/// Holds names, texts and `vct` against their forms.
fn names(content: &pb::CredentialType, addresses: &Addresses, wrong: &mut Vec<Violation>) {
    let is_letter = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-';
    let name = &content.name;
    if !name.bytes().all(is_letter) || name.starts_with('-') || name.ends_with('-') {
        let expected = "lower-case letters, digits and hyphens, a letter or digit first and last";
        wrong.push(broken("name", expected));
    }
    let is_uri = |text: &str| {
        let has_scheme = ["https://", "urn:"].iter().any(|scheme| text.starts_with(scheme));
        has_scheme && text.bytes().all(|it| it.is_ascii_graphic())
    };
    if addresses.is_own(&content.vct) {
        wrong.push(broken("vct", "empty, or an address that is not one of this hub's own"));
    } else if !content.vct.is_empty() && !is_uri(&content.vct) {
        wrong.push(broken("vct", "an https address or a URN"));
    }
    display("names", &content.names, wrong);
    for (index, claim) in content.claims.iter().enumerate() {
        display(&format!("claims[{index}].names"), &claim.names, wrong);
    }
}

/// Sees that names are in languages, each in one.
fn display(field: &str, names: &[pb::DisplayName], wrong: &mut Vec<Violation>) {
    let is_tag = |tag: &str| {
        let is_part = |part: &str| {
            (1..=8).contains(&part.len()) && part.bytes().all(|it| it.is_ascii_alphanumeric())
        };
        tag.split('-').all(is_part) && tag.starts_with(|it: char| it.is_ascii_alphabetic())
    };
    let mut seen = HashSet::new();
    for (index, name) in names.iter().enumerate() {
        let field = format!("{field}[{index}].language");
        if !is_tag(&name.language) {
            wrong.push(broken(&field, "a language tag (BCP 47), for example zh-CN"));
        } else if !seen.insert(name.language.to_ascii_lowercase()) {
            wrong.push(broken(&field, "one name in each language"));
        }
    }
}

/// Sees that credentials are objects of claims that are defined, and nothing else.
fn root(schema: &Node<'_>, claims: &[Claim], wrong: &mut Vec<Violation>) {
    let root = schema.resolved();
    if root.get("type").and_then(Value::as_str) != Some("object") {
        wrong.push(broken("schema_json", "an object (`type`) of claims"));
    }
    let is_closed = root.get("additionalProperties") == Some(&Value::Bool(false));
    if !is_closed || root.get("patternProperties").is_some() {
        let expected = "no claims but those that it names: `additionalProperties` is false, and there is no `patternProperties`";
        wrong.push(broken("schema_json", expected));
    }
    let properties = root.get("properties").and_then(Value::as_object);
    for name in properties.into_iter().flat_map(serde_json::Map::keys) {
        let is_first =
            |claim: &Claim| claim.path.segments().first() == Some(&Segment::Name(name.clone()));
        if !claims.iter().any(is_first) {
            wrong.push(broken("claims", &format!("a definition of {name}, which the schema has")));
        }
    }
}

/// Sees that a claim is one of the schema's and can be disclosed as it says.
fn claims(
    schema: &Node<'_>,
    claim: &Claim,
    (index, twice): (usize, bool),
    wrong: &mut Vec<Violation>,
) {
    let field = format!("claims[{index}].path");
    let first = claim.path.segments().first().map(ToString::to_string).unwrap_or_default();
    let is_digest = |segment: &Segment| ["_sd", "..."].contains(&segment.to_string().as_str());
    if RESERVED.contains(&first.as_str()) || claim.path.segments().iter().any(is_digest) {
        wrong.push(broken(&field, "a claim that is not the format's own"));
        return;
    }
    if twice {
        wrong.push(broken(&field, "each claim once"));
    }
    let Some(is_required) = schema.leads(&claim.path) else {
        wrong.push(broken(&field, "a claim that the schema describes"));
        return;
    };
    let is_member = matches!(claim.path.segments().last(), Some(Segment::Name(_)));
    if is_member && is_required != claim.is_mandatory {
        let expected = "mandatory if the schema requires it, and only then";
        wrong.push(broken(&format!("claims[{index}].mandatory"), expected));
    }
    if claim.is_sensitive && claim.disclosure != Disclosure::Always {
        let expected = "always: a sensitive claim is its holder's to disclose";
        wrong.push(broken(&format!("claims[{index}].disclosure"), expected));
    }
}

/// Sees that what an accreditation is held against is in every credential, for everybody to see.
fn scope(
    content: &pb::CredentialType,
    rules: &Rules,
    schema: &Node<'_>,
    wrong: &mut Vec<Violation>,
) {
    if content.occupation_claim.is_some() != (content.occupation_scheme != 0) {
        let expected = "together with occupation_claim, and only then";
        wrong.push(broken("occupation_scheme", expected));
    }
    let occupation = rules.occupation.as_ref().map(|(path, _)| ("occupation_claim", path));
    let division = rules.division.as_ref().map(|path| ("division_claim", path));
    for (field, path) in occupation.into_iter().chain(division) {
        let names_one = !path.segments().contains(&Segment::Every);
        let is_there = (1..=path.segments().len()).all(|length| {
            let above = path.segments().get(..length).map(<[Segment]>::to_vec);
            let above = above.and_then(ClaimPath::new);
            above.is_some_and(|above| schema.leads(&above) == Some(true))
        });
        let above = rules.claims.iter().filter(|claim| claim.path.covers(path));
        let is_seen = above.clone().all(|claim| claim.disclosure == Disclosure::Never);
        let is_defined = above.clone().any(|claim| claim.path == *path);
        if !(names_one && is_there && is_seen && is_defined) {
            let expected = "one defined claim that the schema requires and that is never hidden";
            wrong.push(broken(field, expected));
        }
    }
}

/// A place in a schema.
#[derive(Clone, Copy)]
struct Node<'a> {
    whole: &'a Value,
    here: &'a Value,
}

impl<'a> Node<'a> {
    /// Returns what stands here, references followed. A schema has no circles of them.
    fn resolved(self) -> &'a Value {
        let target = self.here.get("$ref").and_then(Value::as_str);
        let found = target.and_then(|it| self.whole.pointer(it.strip_prefix('#')?));
        found.map_or(self.here, |here| Self { here, ..self }.resolved())
    }

    /// Follows a path; `None` when the schema describes no such claim. Returns whether its last step must be there.
    fn leads(self, path: &ClaimPath) -> Option<bool> {
        let mut node = self;
        let mut is_required = false;
        for segment in path.segments() {
            let here = node.resolved();
            let below = match segment {
                Segment::Name(name) => {
                    let required = here.get("required").and_then(Value::as_array);
                    is_required =
                        required.is_some_and(|all| all.iter().any(|it| it.as_str() == Some(name)));
                    here.get("properties")?.get(name)?
                }
                Segment::Element(index) => {
                    is_required = false;
                    let prefix = here.get("prefixItems").and_then(|items| items.get(index));
                    prefix.or_else(|| here.get("items"))?
                }
                Segment::Every => {
                    is_required = false;
                    here.get("items")?
                }
            };
            node = Self { here: below, ..node };
        }
        Some(is_required)
    }
}

fn broken(field: &str, expected: &str) -> Violation {
    violation(&format!("credential_type.{field}"), Rule::BadFormat, expected, "")
}
