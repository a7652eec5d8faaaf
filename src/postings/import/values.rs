//! Looking into JSON whose shape nobody promised.

use std::borrow::Cow;

use serde_json::Value;

use crate::postings::import::refusal::Refusal;

/// Reads a record.
pub(crate) fn parse(record: &[u8]) -> Result<Value, Refusal> {
    let given = || String::from_utf8_lossy(record.get(..400).unwrap_or(record)).into_owned();
    if std::str::from_utf8(record).is_err() {
        return Err(Refusal::malformed("text in UTF-8", &given()));
    }
    let value: Value = serde_json::from_slice(record)
        .map_err(|error| Refusal::malformed(&format!("sound JSON: {error}"), &given()))?;
    if value.is_object() { Ok(value) } else { Err(Refusal::malformed("a JSON object", &given())) }
}

/// Returns what is at a path; null where there is nothing.
pub(crate) fn at<'a>(value: &'a Value, path: &[&str]) -> &'a Value {
    path.iter().try_fold(value, |value, name| value.get(name)).unwrap_or(&Value::Null)
}

/// Returns a text, or a number as text; nothing where there is none or it is empty.
pub(crate) fn text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) if text.trim().is_empty() => None,
        Value::String(text) => Some(Cow::Borrowed(text.trim())),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Returns the text at a path, empty where there is none.
pub(crate) fn string(value: &Value, path: &[&str]) -> String {
    text(at(value, path)).map(Cow::into_owned).unwrap_or_default()
}

/// Returns the first text that is at one of several names.
pub(crate) fn first(value: &Value, names: &[&str]) -> String {
    names
        .iter()
        .map(|name| string(value, &[name]))
        .find(|text| !text.is_empty())
        .unwrap_or_default()
}

/// Returns the items of a list, or the value itself where one stands for a list of one.
pub(crate) fn items(value: &Value) -> impl Iterator<Item = &Value> {
    let (list, single) = match value {
        Value::Array(items) => (items.as_slice(), None),
        Value::Null => (&[][..], None),
        other => (&[][..], Some(other)),
    };
    list.iter().chain(single)
}

/// Returns a whole number, which may be written as text.
pub(crate) fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Returns whether something is said to be so.
pub(crate) fn is_true(value: &Value) -> bool {
    value.as_bool() == Some(true)
        || value.as_str().is_some_and(|text| text.eq_ignore_ascii_case("true"))
}
