//! What is told of a credential: the claims that the grounds cover.

use crate::credentials::consent::Terms;
use crate::credentials::domain::{ClaimPath, Segment};
use crate::credentials::sdjwt::said::Said;
use crate::credentials::verify::verdict::Told;

/// What the format itself needs, and is not told: the holder's key and the place of the status are in the verdict otherwise.
const FORMAT: [&str; 5] = ["cnf", "status", "_sd", "_sd_alg", "..."];
/// What says which credential it is and when it counts, and nothing of its holder: it needs no consent.
const FREE: [&str; 7] = ["iss", "vct", "vct#integrity", "iat", "nbf", "exp", "ttl"];

/// Room for the claims that most credentials tell.
const CLAIMS_BYTES: usize = 500;

/// Returns what a credential says without what the format itself needs.
#[must_use]
pub(crate) fn bare(mut claims: Said<'_>) -> Said<'_> {
    if let Said::Object(members) = &mut claims {
        members.retain(|(name, _)| !FORMAT.contains(name));
    }
    claims
}

/// Takes out what some terms do not cover, and returns where it stood. What is sensitive must be named by itself.
pub(crate) fn withhold(
    claims: &mut Said<'_>,
    terms: &Terms,
    sensitive: &[ClaimPath],
) -> Vec<ClaimPath> {
    let mut filter = Filter { terms, sensitive, at: Vec::new(), withheld: Vec::new() };
    if let Said::Object(members) = claims {
        filter.object(members);
    }
    filter.withheld
}

struct Filter<'a> {
    terms: &'a Terms,
    sensitive: &'a [ClaimPath],
    at: Vec<Segment>,
    withheld: Vec<ClaimPath>,
}

impl Filter<'_> {
    fn object(&mut self, members: &mut Vec<(&str, Said<'_>)>) {
        let is_top = self.at.is_empty();
        members.retain_mut(|(name, value)| {
            if is_top && FREE.contains(name) {
                return true;
            }
            self.at.push(Segment::Name((*name).to_owned()));
            let stays = self.value(value);
            self.at.pop();
            stays
        });
    }

    /// Returns whether something of a value stays.
    fn value(&mut self, value: &mut Said<'_>) -> bool {
        let Some(path) = ClaimPath::new(self.at.clone()) else { return false };
        let below = |own: &[ClaimPath]| own.iter().any(|it| reaches_below(&path, it));
        if self.terms.cover(&path, self.sensitive) && !below(self.sensitive) {
            return true;
        }
        let goes_below = self.terms.reach_below(&path) || self.terms.cover(&path, self.sensitive);
        match value {
            Said::Object(members) if goes_below && !members.is_empty() => {
                let before = self.withheld.len();
                self.object(members);
                self.has_rest(members.is_empty(), before, path)
            }
            Said::List(items) if goes_below && !items.is_empty() => {
                let before = self.withheld.len();
                let mut index = 0;
                items.retain_mut(|item| {
                    self.at.push(Segment::Element(index));
                    let stays = self.value(item);
                    self.at.pop();
                    index += 1;
                    stays
                });
                self.has_rest(items.is_empty(), before, path)
            }
            // A member that has nothing below it and is above what is sensitive cannot be that.
            _ if self.terms.cover(&path, self.sensitive) => true,
            _ => {
                self.withheld.push(path);
                false
            }
        }
    }

    /// Names the whole instead of all its parts when nothing of it is left.
    fn has_rest(&mut self, is_empty: bool, before: usize, path: ClaimPath) -> bool {
        if is_empty {
            self.withheld.truncate(before);
            self.withheld.push(path);
        }
        !is_empty
    }
}

/// Returns whether a path leads from another one further down.
fn reaches_below(path: &ClaimPath, other: &ClaimPath) -> bool {
    let depth = path.segments().len();
    other.segments().len() > depth
        && other
            .segments()
            .get(..depth)
            .and_then(|it| ClaimPath::new(it.to_vec()))
            .is_some_and(|it| it.covers(path))
}

/// Writes down what is told.
#[must_use]
pub(crate) fn written(claims: &Said<'_>) -> Told {
    let subject = claims.get("sub").and_then(Said::as_text).unwrap_or_default().to_owned();
    let mut text = Vec::with_capacity(CLAIMS_BYTES);
    // Only maps whose keys are no texts cannot be written, and there are none.
    serde_json::to_writer(&mut text, claims).unwrap_or_default();
    Told { subject, claims_json: String::from_utf8(text).unwrap_or_default() }
}

/// Returns the first of some claims that is not told.
#[must_use]
pub(crate) fn missing<'a>(claims: &Said<'_>, required: &'a [ClaimPath]) -> Option<&'a ClaimPath> {
    required.iter().find(|path| match path.segments().split_first() {
        Some((Segment::Every, _)) | None => true,
        Some((named, below)) => {
            claims.get(&named.to_string()).is_none_or(|value| !is_there(value, below))
        }
    })
}

fn is_there(value: &Said<'_>, path: &[Segment]) -> bool {
    match path.split_first() {
        None => !value.is_null(),
        Some((Segment::Every, below)) => value
            .items()
            .is_some_and(|items| !items.is_empty() && items.iter().all(|it| is_there(it, below))),
        Some((Segment::Element(index), below)) => {
            let element = value.items().and_then(|items| items.get(*index));
            let element = element.or_else(|| value.get(&index.to_string()));
            element.is_some_and(|it| is_there(it, below))
        }
        Some((Segment::Name(name), below)) => value.get(name).is_some_and(|it| is_there(it, below)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};
    use time::macros::datetime;

    use crate::credentials::consent::Terms;
    use crate::credentials::domain::ClaimPath;
    use crate::credentials::sdjwt::json::Document;
    use crate::credentials::sdjwt::said::Said;
    use crate::credentials::verify::claims::{bare, missing, withhold, written};

    fn path(text: &str) -> ClaimPath {
        let segments: Vec<String> = text.split('.').map(ToOwned::to_owned).collect();
        ClaimPath::parse(&segments).unwrap()
    }

    fn object(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(members) => members,
            other => panic!("{other}"),
        }
    }

    fn document(value: &Value) -> Document {
        Document::read(value.to_string().into_bytes()).unwrap()
    }

    fn credential() -> Document {
        document(&json!({
            "iss": "https://issuer.example", "vct": "urn:skill", "exp": 1, "sub": "s-1",
            "name": "Qelv Zhrau", "level": 3,
            "employer": {"name": "Works", "number": "E1", "site": {"code": "330106", "street": "Long"}},
            "skills": [{"code": "a", "score": 1}, {"code": "b", "score": 2}],
            "insurance": {"from": "2020", "number": "I-9"},
        }))
    }

    fn check(claims: &[&str], expected: Value, withheld: &[&str]) {
        let terms = Terms {
            recipient: "platform-north".to_owned(),
            purpose: "placing".to_owned(),
            type_names: vec!["skill".to_owned()],
            claims: claims.iter().map(|it| path(it)).collect(),
            until: datetime!(2027-01-01 0:00 UTC),
        };
        let credential = credential();
        let mut told = Said::of(credential.root());
        let mut found = withhold(&mut told, &terms, &[path("insurance.number")]);
        let free = object(json!({"iss": "https://issuer.example", "vct": "urn:skill", "exp": 1}));
        let expected: Map<String, Value> = free.into_iter().chain(object(expected)).collect();
        assert_eq!(told.to_object(), expected, "{claims:?}");
        found.sort();
        let mut withheld: Vec<_> = withheld.iter().map(|it| path(it)).collect();
        withheld.sort();
        assert_eq!(found, withheld, "{claims:?}");
    }

    #[test]
    fn what_the_terms_do_not_cover_is_withheld_and_named() {
        let all = ["sub", "name", "level", "employer", "skills", "insurance"];
        let but = |told: &[&'static str]| -> Vec<&'static str> {
            all.iter().filter(|it| !told.contains(it)).copied().collect()
        };
        check(&["level"], json!({"level": 3}), &but(&["level"]));
        let named = [but(&["employer"]), vec!["employer.number", "employer.site.street"]].concat();
        check(
            &["employer.name", "employer.site.code"],
            json!({"employer": {"name": "Works", "site": {"code": "330106"}}}),
            &named,
        );
        let scores = [but(&["skills"]), vec!["skills.0.score", "skills.1.score"]].concat();
        check(&["skills.*.code"], json!({"skills": [{"code": "a"}, {"code": "b"}]}), &scores);
        let first = [but(&["skills"]), vec!["skills.0"]].concat();
        check(&["skills.1"], json!({"skills": [{"code": "b", "score": 2}]}), &first);
        check(&["employer.nothing"], json!({}), &all);
    }

    #[test]
    fn what_is_sensitive_is_withheld_unless_it_is_named_by_itself() {
        let others = ["sub", "name", "level", "employer", "skills"];
        let named = [others.as_slice(), &["insurance.number"]].concat();
        check(&["insurance"], json!({"insurance": {"from": "2020"}}), &named);
        let all = json!({"insurance": {"from": "2020", "number": "I-9"}});
        check(&["insurance", "insurance.number"], all, &others);
        let named = [others.as_slice(), &["insurance.from"]].concat();
        check(&["insurance.number"], json!({"insurance": {"number": "I-9"}}), &named);
    }

    #[test]
    fn what_the_format_needs_is_not_told() {
        let claims = json!({"cnf": {}, "status": {}, "_sd_alg": "sha-256", "level": 3, "sub": "s"});
        let document = document(&claims);
        let told = written(&bare(Said::of(document.root())));
        assert_eq!(told.claims_json, r#"{"level":3,"sub":"s"}"#);
        assert_eq!(told.subject, "s");
    }

    #[test]
    fn a_claim_that_is_required_must_be_there_with_a_value() {
        let told = json!({"a": {"b": [1, 2]}, "n": null, "s": [{"c": 1}, {}], "e": []});
        let document = document(&told);
        let told = Said::of(document.root());
        let check = |text: &str, is_missing: bool| {
            assert_eq!(missing(&told, &[path(text)]).is_some(), is_missing, "{text}");
        };
        check("a", false);
        check("a.b.1", false);
        check("a.b.2", true);
        check("a.c", true);
        check("n", true);
        check("s.*", false);
        check("s.*.c", true);
        check("e.*", true);
        check("*", true);
    }
}
