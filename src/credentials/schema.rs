//! JSON Schema (edition 2020-12) of what credentials say. Nothing is ever fetched: a schema stands by itself.

use std::fmt;

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

/// Most objects and lists of a schema, one within the other, references followed.
const DEPTH_MAX: usize = 32;
/// Most objects, lists and values of a schema, references followed: what a small text can unfold into has an end.
const NODES_MAX: usize = 20_000;
/// Most violations that are told.
const VIOLATIONS_MAX: usize = 20;
/// Most bytes that one regular expression of a schema may compile to.
const PATTERN_BYTES_MAX: usize = 1024 * 1024;

/// A schema, ready to be used.
pub struct Schema {
    validator: Validator,
    value: Value,
}

/// What breaks a schema. It names the place and the rule, and repeats nothing of what stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Where, as a JSON Pointer (RFC 6901).
    pub pointer: String,
    /// Which keyword of the schema is broken, for example `maxLength`.
    pub keyword: String,
}

impl Schema {
    /// Reads a schema.
    ///
    /// # Errors
    ///
    /// What is wrong with it, for a person.
    pub fn read(text: &str) -> Result<Self, String> {
        let value: Value =
            serde_json::from_str(text).map_err(|error| format!("is no JSON: {error}"))?;
        if !value.is_object() {
            return Err("is no JSON object".to_owned());
        }
        Reading { whole: &value, nodes_left: NODES_MAX }.sound(&value, 0)?;
        let validator = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_BYTES_MAX))
            .should_validate_formats(true)
            .offline()
            .build(&value)
            .map_err(|error| format!("is no JSON Schema: {error}"))?;
        Ok(Self { validator, value })
    }

    /// Returns what a value breaks of it, at most twenty rules; nothing when it is sound.
    #[must_use]
    pub fn violations(&self, value: &Value) -> Vec<Violation> {
        let violation = |error: jsonschema::ValidationError<'_>| Violation {
            pointer: error.instance_path().to_string(),
            keyword: error.kind().keyword().to_owned(),
        };
        self.validator.iter_errors(value).take(VIOLATIONS_MAX).map(violation).collect()
    }

    /// Returns the schema as it was written.
    #[must_use]
    pub const fn value(&self) -> &Value {
        &self.value
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schema").finish_non_exhaustive()
    }
}

/// Sees that a schema is neither too deep nor too large, and refers to nothing elsewhere and not to itself.
struct Reading<'a> {
    whole: &'a Value,
    nodes_left: usize,
}

impl<'a> Reading<'a> {
    fn sound(&mut self, value: &'a Value, depth: usize) -> Result<(), String> {
        if depth > DEPTH_MAX {
            return Err(format!("is more than {DEPTH_MAX} levels deep, or refers to itself"));
        }
        let deeper = depth.saturating_add(1);
        self.nodes_left = self.nodes_left.checked_sub(1).ok_or("unfolds into too much")?;
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    self.member(name, member, depth)?;
                }
                Ok(())
            }
            Value::Array(items) => items.iter().try_for_each(|item| self.sound(item, deeper)),
            _ => Ok(()),
        }
    }

    fn member(&mut self, name: &str, member: &'a Value, depth: usize) -> Result<(), String> {
        let deeper = depth.saturating_add(1);
        match (name, member) {
            ("$schema", Value::String(edition)) if edition != EDITION => {
                Err(format!("is of another edition than {EDITION}"))
            }
            ("$id", _) if depth > 0 => Err("has an $id within".to_owned()),
            ("$anchor" | "$dynamicAnchor" | "$dynamicRef" | "$recursiveRef", _) => {
                Err(format!("uses {name}; references are of the form #/$defs/name"))
            }
            ("$ref", Value::String(target)) => {
                let pointer = target.strip_prefix('#').filter(|it| it.starts_with('/'));
                let pointer = pointer.ok_or_else(|| format!("refers to {target}, elsewhere"))?;
                let found = self.whole.pointer(pointer);
                self.sound(found.ok_or_else(|| format!("lacks {target}"))?, deeper)
            }
            ("$ref", _) => Err("has a $ref that is no text".to_owned()),
            _ => self.sound(member, deeper),
        }
    }
}

/// The one edition.
const EDITION: &str = "https://json-schema.org/draft/2020-12/schema";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::credentials::schema::{Schema, Violation};

    #[test]
    fn a_value_is_held_against_a_schema_without_being_repeated() {
        let schema = json!({
            "type": "object",
            "properties": {
                "level": {"type": "integer", "minimum": 1, "maximum": 5},
                "issued_on": {"type": "string", "format": "date"}
            },
            "required": ["level"],
            "additionalProperties": false
        });
        let schema = Schema::read(&schema.to_string()).unwrap();
        assert_eq!(schema.violations(&json!({"level": 3, "issued_on": "2026-01-31"})), []);
        let found = schema.violations(&json!({"level": 6, "issued_on": "2026-02-31"}));
        let violation = |pointer: &str, keyword: &str| Violation {
            pointer: pointer.to_owned(),
            keyword: keyword.to_owned(),
        };
        assert_eq!(found, [violation("/issued_on", "format"), violation("/level", "maximum")]);
        assert_eq!(schema.violations(&json!({})), [violation("", "required")]);
        assert_eq!(schema.violations(&json!(7)).len(), 1);
    }

    #[test]
    fn what_is_no_schema_of_its_own_is_refused() {
        let check = |text: &str, expected: &str| {
            let why = Schema::read(text).unwrap_err();
            assert!(why.contains(expected), "{text}: {why}");
        };
        check("{", "no JSON");
        check("true", "no JSON object");
        check(r#"{"type": "thing"}"#, "no JSON Schema");
        check(r#"{"$ref": "https://elsewhere.example/schema"}"#, "elsewhere");
        check(r##"{"properties": {"a": {"$dynamicRef": "#a"}}}"##, "$dynamicRef");
        check(r##"{"allOf": [{"$ref": "#/allOf/0"}]}"##, "refers to itself");
        check(r##"{"properties": {"a": {"$id": "b", "$ref": "#/c"}}}"##, "$id");
        check(r#"{"$schema": "http://json-schema.org/draft-07/schema#"}"#, "another edition");
        check(r##"{"$ref": "#/$defs/nothing"}"##, "lacks #/$defs/nothing");
        let laughs = (1..7).map(|at| {
            let below = at - 1;
            let many = vec![json!({"$ref": format!("#/$defs/d{below}")}); 10];
            (format!("d{at}"), json!({"allOf": many}))
        });
        let mut defs: serde_json::Map<_, _> = laughs.collect();
        defs.insert("d0".to_owned(), json!({"type": "string"}));
        check(&json!({"$defs": defs}).to_string(), "unfolds into too much");
        check(r#"{"pattern": "(a{1000}){1000}"}"#, "no JSON Schema");
        let deep = (0..40).fold("{}".to_owned(), |inner, _| format!(r#"{{"not": {inner}}}"#));
        check(&deep, "levels deep");
    }
}
