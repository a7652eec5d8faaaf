//! Programmes and cases of others, in their form `elig/0`. They are not part of the project.

use std::collections::{BTreeMap, BTreeSet};

use peshub::pb::peshub::common::v1::{Division, DivisionScheme};
use peshub::pb::peshub::subsidies::v1 as pb;
use serde_json::{Map, Value};

use crate::subsidies::data;

fn yaml(name: &str) -> Option<Value> {
    let text = std::fs::read_to_string(data(name)?).unwrap();
    Some(serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}")))
}

/// A programme with its cases, and sums that are given back.
pub(crate) struct Suite {
    pub(crate) programme: pb::Programme,
    pub(crate) clawbacks: Vec<Clawback>,
}

pub(crate) struct Clawback {
    pub(crate) id: String,
    pub(crate) facts: Vec<pb::Fact>,
    pub(crate) expected: i64,
}

/// Everything.
pub(crate) struct Shared {
    pub(crate) suites: Vec<Suite>,
    pub(crate) facts: Vec<pb::FactDefinition>,
}

/// Reads everything; `None` when it is absent.
pub(crate) fn read() -> Option<Shared> {
    let (programmes, golden) = (yaml("programmes.yaml")?, yaml("golden.yaml")?);
    let mut facts = BTreeMap::<String, Value>::new();
    let mut suites = Vec::new();
    for suite in list(&golden, "suites") {
        let name = text(suite, "programme");
        let mut all = list(&programmes, "programmes");
        let found = all.find(|it| text(it, "id") == name).unwrap();
        let mut programme = programme(found);
        let base = suite["base"].as_object().unwrap().clone();
        note(&base, &mut facts);
        for case in list(suite, "cases") {
            programme.cases.push(golden_case(case, &base, &mut facts));
        }
        let clawbacks = list(suite, "clawback").map(|it| {
            let known = it["facts"].as_object().unwrap();
            note(known, &mut facts);
            let facts = known.iter().map(fact).collect();
            Clawback { id: text(it, "id"), facts, expected: it["expect"].as_i64().unwrap() }
        });
        let clawbacks = clawbacks.collect();
        suites.push(Suite { programme, clawbacks });
    }
    Some(Shared { suites, facts: facts.into_iter().map(definition).collect() })
}

fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn text(value: &Value, name: &str) -> String {
    match value.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

fn note(known: &Map<String, Value>, facts: &mut BTreeMap<String, Value>) {
    facts.extend(known.iter().map(|(name, value)| (name.clone(), value.clone())));
}

fn is_day(text: &str) -> bool {
    peshub::subsidies::domain::Day::read(text).is_some()
}

/// The kind is that of the value.
fn definition((name, value): (String, Value)) -> pb::FactDefinition {
    let kind = match &value {
        Value::Bool(_) => pb::FactKind::Bool,
        Value::Number(_) => pb::FactKind::Int,
        Value::String(text) if is_day(text) => pb::FactKind::Date,
        Value::String(_) => pb::FactKind::String,
        other => panic!("{name}: {other}"),
    };
    pb::FactDefinition {
        name,
        kind: kind.into(),
        meaning: "as the data has it".to_owned(),
        lawful_source: "as the data has it".to_owned(),
        ..pb::FactDefinition::default()
    }
}

fn fact((name, value): (&String, &Value)) -> pb::Fact {
    use pb::fact_value::Value as Sent;
    let value = match value {
        Value::Bool(truth) => Sent::Truth(*truth),
        Value::Number(number) => Sent::Number(number.as_i64().unwrap()),
        Value::String(text) if is_day(text) => Sent::Date(text.clone()),
        Value::String(text) => Sent::Text(text.clone()),
        other => panic!("{name}: {other}"),
    };
    let value = Some(pb::FactValue { value: Some(value) });
    pb::Fact { name: name.clone(), value, provenance: None }
}

fn parameters(value: Option<&Value>) -> Vec<pb::Parameter> {
    let object = value.and_then(Value::as_object);
    let named = object.into_iter().flatten().filter(|(name, _)| *name != "source");
    let parameter = |(name, value): (&String, &Value)| pb::Parameter {
        name: name.clone(),
        value: value.as_i64().unwrap(),
        ..pb::Parameter::default()
    };
    named.map(parameter).collect()
}

pub(crate) fn division(code: &str) -> Division {
    let (scheme, code) = match code.strip_prefix("CN-") {
        Some(digits) => (DivisionScheme::Gbt2260, digits),
        None => (DivisionScheme::Iso31662, code),
    };
    Division { scheme: scheme.into(), code: code.to_owned(), name: String::new() }
}

fn said(language: &str, text: &str) -> pb::LocalisedText {
    pb::LocalisedText { language: language.to_owned(), text: text.to_owned() }
}

fn programme(value: &Value) -> pb::Programme {
    let name = text(value, "id");
    let (country, _) = name.split_once('.').unwrap();
    let country = if country == "uk" { "GB".to_owned() } else { country.to_uppercase() };
    let clawback = value.get("clawback").map(|it| text(it, "expr")).unwrap_or_default();
    let overlays = value.get("overlays").and_then(Value::as_object).into_iter().flatten();
    pb::Programme {
        titles: vec![said("en", &name)],
        payee: if text(value, "payee") == "worker" { 1 } else { 2 },
        unit: text(value, "unit"),
        currency: text(value, "currency"),
        divisions: vec![division(&country)],
        select: text(value, "select"),
        after_end: if text(value, "after_end") == "hold" { 2 } else { 1 },
        hold_source: text(value, "hold_source"),
        parameters: parameters(value.get("params")),
        versions: list(value, "versions").map(|it| version(it, &clawback)).collect(),
        overlays: overlays
            .map(|(code, it)| pb::Overlay {
                division: Some(division(code)),
                parameters: parameters(Some(it)),
                legal_source: text(it, "source"),
                ..pb::Overlay::default()
            })
            .collect(),
        deadlines: list(value, "deadlines")
            .map(|it| pb::FilingDeadline {
                id: text(it, "id"),
                filed_on: format!("{}.date", text(it, "id")),
                expression: text(it, "expr"),
                legal_source: text(it, "source"),
            })
            .collect(),
        name,
        ..pb::Programme::default()
    }
}

fn version(value: &Value, clawback: &str) -> pb::Version {
    let criterion = |it: &Value| pb::Criterion {
        id: text(it, "id"),
        expression: text(it, "expr"),
        texts: vec![said("en", &text(it, "text"))],
        ..pb::Criterion::default()
    };
    pb::Version {
        name: text(value, "v"),
        from: text(value, "from"),
        to: text(value, "to"),
        legal_source: text(value, "source"),
        parameters: parameters(value.get("params")),
        criteria: list(value, "criteria").map(criterion).collect(),
        amount: text(value, "amount"),
        clawback: clawback.to_owned(),
    }
}

fn golden_case(
    value: &Value,
    base: &Map<String, Value>,
    facts: &mut BTreeMap<String, Value>,
) -> pb::GoldenCase {
    let mut known = base.clone();
    if let Some(set) = value.get("set").and_then(Value::as_object) {
        note(set, facts);
        known.extend(set.clone());
    }
    for name in list(value, "unset") {
        known.remove(name.as_str().unwrap());
    }
    let expected = &value["expect"];
    let verdict = match text(expected, "verdict").as_str() {
        "eligible" => pb::Verdict::Eligible,
        "not_eligible" => pb::Verdict::NotEligible,
        "needs_facts" => pb::Verdict::NeedsFacts,
        "no_version" => pb::Verdict::NoVersion,
        "held" => pb::Verdict::Held,
        other => panic!("{other}"),
    };
    let texts = |name: &str| -> Vec<String> {
        let sorted: BTreeSet<_> =
            list(expected, name).map(|it| it.as_str().unwrap().to_owned()).collect();
        sorted.into_iter().collect()
    };
    let amount = expected.get("amount").or_else(|| expected.get("amount_if_granted"));
    pb::GoldenCase {
        id: text(value, "id"),
        division: value.get("region").map(|it| division(it.as_str().unwrap())),
        facts: known.iter().map(fact).collect(),
        verdict: verdict.into(),
        version: text(expected, "version"),
        amount: amount.map(|it| it.as_i64().unwrap()),
        failed: texts("failed"),
        ask: texts("ask"),
        why: text(value, "why"),
    }
}
