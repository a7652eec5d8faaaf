//! Contract ⇄ facts: definitions of the catalogue, and what is stated.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::kernel::fields::{Rule, Violation};
use crate::pb::peshub::subsidies::v1 as pb;
use crate::pb::peshub::subsidies::v1::fact_value::Value as Sent;
use crate::subsidies::domain::{Catalogue, Day, Definition, Facts, GREATEST_NUMBER, Scalar, Value};
use crate::subsidies::wire::violation;

/// Words of CEL that cannot be a part of a name.
const RESERVED: [&str; 22] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "false",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "math",
    "namespace",
    "null",
    "package",
    "return",
    "true",
    "var",
    "void",
    "while",
];
/// Functions and the parameters' own name, with which no name begins.
const TAKEN: [&str; 5] = ["param", "date", "years_between", "months_between", "days_between"];
/// Longest text of a value.
const TEXT_CHARS_MAX: usize = 1000;

/// Returns whether a text is a name that expressions can read: lower-case words with digits and underscores, joined by dots.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let is_word = |word: &str| {
        word.starts_with(|it: char| it.is_ascii_lowercase())
            && word.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'_')
            && !RESERVED.contains(&word)
    };
    let first = text.split('.').next().unwrap_or_default();
    text.len() <= 100 && text.split('.').all(is_word) && !TAKEN.contains(&first)
}

fn scalar(kind: pb::FactKind) -> Option<Scalar> {
    match kind {
        pb::FactKind::Unspecified | pb::FactKind::List => None,
        pb::FactKind::Int => Some(Scalar::Int),
        pb::FactKind::Money => Some(Scalar::Money),
        pb::FactKind::Date => Some(Scalar::Date),
        pb::FactKind::Bool => Some(Scalar::Bool),
        pb::FactKind::Enum => Some(Scalar::Enum),
        pb::FactKind::String => Some(Scalar::Text),
    }
}

/// Reads a definition; `at` is where it stands.
///
/// # Errors
///
/// Everything that keeps it from being one.
pub fn definition(sent: &pb::FactDefinition, at: &str) -> Result<Definition, Vec<Violation>> {
    let mut wrong = Vec::new();
    let mut say = |field: &str, rule, expected: &str| {
        wrong.push(violation(&format!("{at}{field}"), rule, expected, ""));
    };
    if !is_name(&sent.name) {
        let expected = "lower-case words of letters, digits and underscores, joined by dots; none of them a word of the language";
        say("name", Rule::BadFormat, expected);
    }
    let is_list = sent.kind() == pb::FactKind::List;
    let kind = scalar(if is_list { sent.item_kind() } else { sent.kind() });
    if is_list && kind.is_none() {
        say("item_kind", Rule::Required, "the kind of the list's items");
    }
    if !is_list && sent.item_kind() != pb::FactKind::Unspecified {
        say("item_kind", Rule::OutOfRange, "nothing: it is no list");
    }
    if is_list != (sent.max_items > 0) {
        say("max_items", Rule::OutOfRange, "1 to 1,000 for a list, 0 for anything else");
    }
    let is_enum = kind == Some(Scalar::Enum);
    if is_enum == sent.choices.is_empty() {
        say("choices", Rule::Required, "every value of an ENUM; none for another kind");
    }
    let mut choices: Vec<&str> = sent.choices.iter().map(String::as_str).collect();
    choices.sort_unstable();
    if choices.windows(2).any(|pair| pair.first() == pair.last()) {
        say("choices", Rule::BadFormat, "choices that differ");
    }
    let is_number = matches!(kind, Some(Scalar::Int | Scalar::Money));
    let (least, greatest) = (sent.least.unwrap_or(0), sent.greatest.unwrap_or(GREATEST_NUMBER));
    if !is_number && (sent.least.is_some() || sent.greatest.is_some()) {
        say("least", Rule::OutOfRange, "bounds only for numbers");
    }
    if least > greatest {
        say("least", Rule::OutOfRange, "no more than the greatest value");
    }
    if sent.stated_by_hub && (is_list || kind != Some(Scalar::Date)) {
        say("stated_by_hub", Rule::OutOfRange, "only a DATE: the day of the claim");
    }
    match kind {
        Some(kind) if wrong.is_empty() => Ok(Definition {
            name: sent.name.as_str().into(),
            kind,
            max_items: is_list.then(|| u32::try_from(sent.max_items).unwrap_or_default()),
            choices: sent.choices.iter().map(|choice| Arc::from(choice.as_str())).collect(),
            least,
            greatest,
            fresh_for_days: sent.fresh_for_days,
            stated_by_hub: sent.stated_by_hub,
        }),
        _ => Err(wrong),
    }
}

/// Returns the catalogue of definitions that are sound; what is not is left out.
#[must_use]
pub fn catalogue(definitions: &[pb::FactDefinition]) -> Catalogue {
    Catalogue::new(definitions.iter().filter_map(|sent| definition(sent, "").ok()))
}

/// Returns what a value of a fact must be, for a person.
fn expected(definition: &Definition) -> String {
    let one = match definition.kind {
        Scalar::Int | Scalar::Money => {
            format!("number from {} to {}", definition.least, definition.greatest)
        }
        Scalar::Date => "date YYYY-MM-DD of the years 1900 to 2200".to_owned(),
        Scalar::Bool => "truth".to_owned(),
        Scalar::Enum => {
            let choices: Vec<_> = definition.choices.iter().map(AsRef::as_ref).collect();
            format!("text, one of {}", choices.join(", "))
        }
        Scalar::Text => "text of at most 1,000 characters".to_owned(),
    };
    match definition.max_items {
        None => format!("a {one}"),
        Some(max) => format!("a list of at most {max}, each a {one}"),
    }
}

fn number(definition: &Definition, number: i64) -> Option<Value> {
    let is_within = (definition.least..=definition.greatest).contains(&number);
    let is_number = matches!(definition.kind, Scalar::Int | Scalar::Money);
    (is_number && is_within).then_some(Value::Number(number))
}

fn date(definition: &Definition, text: &str) -> Option<Value> {
    let day = Day::read(text).filter(|_| definition.kind == Scalar::Date)?;
    Some(Value::Day(day))
}

fn truth(definition: &Definition, truth: bool) -> Option<Value> {
    (definition.kind == Scalar::Bool).then_some(Value::Truth(truth))
}

fn text(definition: &Definition, text: &str) -> Option<Value> {
    match definition.kind {
        Scalar::Enum => {
            let choice = definition.choices.iter().find(|choice| choice.as_ref() == text)?;
            Some(Value::Text(Arc::clone(choice)))
        }
        Scalar::Text if text.chars().count() <= TEXT_CHARS_MAX && !text.contains('\0') => {
            Some(Value::Text(text.into()))
        }
        _ => None,
    }
}

fn list(definition: &Definition, sent: &pb::FactList) -> Option<Value> {
    let most = usize::try_from(definition.max_items?).ok()?;
    let pb::FactList { numbers, dates, truths, texts } = sent;
    let counts = [numbers.len(), dates.len(), truths.len(), texts.len()];
    let kinds = counts.iter().filter(|count| **count > 0).count();
    if kinds > 1 || counts.iter().any(|count| *count > most) {
        return None;
    }
    let numbers = numbers.iter().map(|it| number(definition, *it));
    let dates = dates.iter().map(|it| date(definition, it));
    let truths = truths.iter().map(|it| truth(definition, *it));
    let texts = texts.iter().map(|it| text(definition, it));
    let items: Option<Vec<Value>> = numbers.chain(dates).chain(truths).chain(texts).collect();
    Some(Value::List(items?.into()))
}

/// Reads a value; `Ok(None)`: it is said to be unknown.
///
/// # Errors
///
/// What it must be, for a person.
pub fn value(sent: &pb::FactValue, definition: &Definition) -> Result<Option<Value>, String> {
    let Some(sent) = &sent.value else { return Ok(None) };
    let is_list = definition.max_items.is_some();
    let read = match sent {
        Sent::List(sent) if is_list => list(definition, sent),
        Sent::List(_) => None,
        _ if is_list => None,
        Sent::Number(it) => number(definition, *it),
        Sent::Date(it) => date(definition, it),
        Sent::Truth(it) => truth(definition, *it),
        Sent::Text(it) => text(definition, it),
    };
    read.map(Some).ok_or_else(|| expected(definition))
}

/// Returns a value as the contract has it.
#[must_use]
pub fn rendered(value: &Value) -> pb::FactValue {
    let value = match value {
        Value::Number(number) => Sent::Number(*number),
        Value::Day(day) => Sent::Date(day.to_string()),
        Value::Truth(truth) => Sent::Truth(*truth),
        Value::Text(text) => Sent::Text(text.to_string()),
        Value::List(items) => Sent::List(rendered_list(items)),
    };
    pb::FactValue { value: Some(value) }
}

fn rendered_list(items: &[Value]) -> pb::FactList {
    let mut list = pb::FactList::default();
    for item in items {
        match item {
            Value::Number(number) => list.numbers.push(*number),
            Value::Day(day) => list.dates.push(day.to_string()),
            Value::Truth(truth) => list.truths.push(*truth),
            Value::Text(text) => list.texts.push(text.to_string()),
            // A list of lists is no kind of fact.
            Value::List(_) => {}
        }
    }
    list
}

/// Returns facts as the contract has them, by name.
#[must_use]
pub fn rendered_facts(facts: &Facts) -> Vec<pb::Fact> {
    let fact = |(name, value): (&Arc<str>, &Value)| pb::Fact {
        name: name.to_string(),
        value: Some(rendered(value)),
        provenance: None,
    };
    facts.iter().map(fact).collect()
}

/// What was stated of a subject.
#[derive(Clone, Debug, Default)]
pub struct Stated {
    /// The facts that are known.
    pub facts: Facts,
    /// Where those come from that rest on more than somebody's word.
    pub rests_on: BTreeMap<Arc<str>, pb::Provenance>,
    /// Facts that were established too long ago to be relied on: they are unknown.
    pub stale: Vec<Arc<str>>,
}

/// Reads what is stated; `at` is the name of the field that lists it. Values are not repeated in what is wrong: they are personal.
///
/// # Errors
///
/// Everything that is not in the catalogue, has no value of its kind, or is stated twice.
pub fn stated(
    sent: &[pb::Fact],
    catalogue: &Catalogue,
    today: Day,
    at: &str,
) -> Result<Stated, Vec<Violation>> {
    let (mut read, mut wrong) = (Stated::default(), Vec::new());
    for (index, fact) in sent.iter().enumerate() {
        let mut say = |field: &str, rule, expected: &str, given: &str| {
            wrong.push(violation(&format!("{at}[{index}].{field}"), rule, expected, given));
        };
        let Some(definition) = catalogue.get(&fact.name) else {
            say("name", Rule::BadFormat, "a fact of the catalogue", &fact.name);
            continue;
        };
        let value =
            match value(fact.value.as_ref().unwrap_or(&pb::FactValue::default()), definition) {
                Ok(value) => value,
                Err(expected) => {
                    say("value", Rule::BadFormat, &expected, "");
                    continue;
                }
            };
        let name = Arc::clone(&definition.name);
        let provenance = fact.provenance.clone().unwrap_or_default();
        let established = match provenance.established_on.as_str() {
            "" => today,
            text => Day::read(text).unwrap_or_else(|| {
                say("provenance.established_on", Rule::BadFormat, "a day YYYY-MM-DD", "");
                today
            }),
        };
        let fresh = definition.fresh_for_days;
        if fresh > 0 && established.plus(fresh) < today {
            read.stale.push(name);
            continue;
        }
        if read.facts.contains_key(&name) {
            say("name", Rule::BadFormat, "a fact that was not stated before", &fact.name);
            continue;
        }
        if let Some(value) = value {
            if !matches!(provenance.basis(), pb::FactBasis::Unspecified | pb::FactBasis::Declared) {
                read.rests_on.insert(Arc::clone(&name), provenance);
            }
            read.facts.insert(name, value);
        }
    }
    if wrong.is_empty() { Ok(read) } else { Err(wrong) }
}
