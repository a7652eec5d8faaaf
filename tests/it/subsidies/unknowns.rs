//! The published suite of expressions with unknown facts: `tests/fixtures/expressions`.

use std::collections::BTreeSet;
use std::path::Path;

use peshub::subsidies::domain::{Catalogue, Day, Definition, Facts, Scalar, Value};
use peshub::subsidies::evaluator::expression::Expression;
use peshub::subsidies::evaluator::judgement::State;
use peshub::subsidies::evaluator::rule::Trace;
use peshub::subsidies::evaluator::{Scope, Wanted};
use serde_json::{Value as Json, json};

fn catalogue() -> Catalogue {
    let fact = |name: &str, kind, max_items, (least, greatest)| Definition {
        name: name.into(),
        kind,
        max_items,
        choices: match name {
            "size" => ["small".into(), "medium".into(), "large".into()].into(),
            _ => [].into(),
        },
        least,
        greatest,
        fresh_for_days: 0,
        stated_by_hub: false,
    };
    let truths = ["a", "b", "c"].map(|name| fact(name, Scalar::Bool, None, (0, 0)));
    let dates = ["born", "hired"].map(|name| fact(name, Scalar::Date, None, (0, 0)));
    let others = [
        fact("n", Scalar::Int, None, (0, 10)),
        fact("m", Scalar::Int, None, (-5, 5)),
        fact("level", Scalar::Int, None, (1, 9)),
        fact("wage", Scalar::Money, None, (0, 1_000_000_000_000)),
        fact("size", Scalar::Enum, None, (0, 0)),
        fact("name", Scalar::Text, None, (0, 0)),
        fact("xs", Scalar::Int, Some(3), (0, 9)),
        fact("bs", Scalar::Bool, Some(3), (0, 0)),
    ];
    Catalogue::new(truths.into_iter().chain(dates).chain(others))
}

fn value(json: &Json) -> Value {
    match json {
        Json::Bool(truth) => Value::Truth(*truth),
        Json::Number(number) => Value::Number(number.as_i64().unwrap()),
        Json::String(text) => {
            Day::read(text).map_or_else(|| Value::Text(text.as_str().into()), Value::Day)
        }
        Json::Array(items) => Value::List(items.iter().map(value).collect()),
        Json::Null | Json::Object(_) => panic!("{json} is no value"),
    }
}

/// What the evaluator says otherwise than a test.
fn wrong(catalogue: &Catalogue, test: &Json) -> Option<String> {
    let scope = Scope { catalogue, parameters: &[] };
    let source = test["expr"].as_str().unwrap();
    let compiled = match Expression::compile(source, &scope, Wanted::Truth) {
        Ok(compiled) => compiled,
        Err(defects) => return Some(format!("refused: {}", defects[0])),
    };
    let known = test["known"].as_object().unwrap();
    let facts: Facts = known.iter().map(|(name, json)| (name.as_str().into(), value(json))).collect();
    let (want, ask) = match compiled.judge(&compiled.bind(&facts), &[], Trace::Off) {
        Err(_) => (json!("error"), BTreeSet::new()),
        Ok(answer) => {
            let names = compiled.rule().names(answer.ask).map(ToString::to_string).collect();
            let want = match answer.verdict {
                State::Met => json!(true),
                State::NotMet => json!(false),
                State::Unknown => json!("unknown"),
            };
            (want, names)
        }
    };
    let wanted: BTreeSet<String> = serde_json::from_value(test["ask"].clone()).unwrap();
    ((&want, &ask) != (&test["want"], &wanted)).then(|| format!("{test}\n  is {want}, asks {ask:?}"))
}

fn suite() -> Vec<Json> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/expressions/unknowns.jsonl");
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_test_of_the_published_suite_passes() {
    let (catalogue, suite) = (catalogue(), suite());
    let wrong: Vec<String> = suite.iter().filter_map(|test| wrong(&catalogue, test)).collect();
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
    assert!(suite.len() >= 150, "{}", suite.len());
}

/// Another answer, a fact too many and one too few are seen, in every test.
#[test]
fn a_wrong_answer_to_the_suite_is_seen() {
    let catalogue = catalogue();
    for test in suite() {
        let mut turned = test.clone();
        turned["want"] = if test["want"] == true { json!("unknown") } else { json!(true) };
        assert!(wrong(&catalogue, &turned).is_some(), "{turned}");
        let mut more = test.clone();
        more["ask"].as_array_mut().unwrap().push(json!("another"));
        assert!(wrong(&catalogue, &more).is_some(), "{more}");
        let mut fewer = test.clone();
        if fewer["ask"].as_array_mut().unwrap().pop().is_some() {
            assert!(wrong(&catalogue, &fewer).is_some(), "{fewer}");
        }
    }
}
