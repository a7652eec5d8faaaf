//! Where every fact is known the evaluator answers as another implementation of CEL does (crate `cel`).

use std::collections::HashMap;
use std::sync::Arc;

use cel::{Context, Env, Value as Cel, extensions};
use peshub::subsidies::evaluator::Scope;
use peshub::subsidies::evaluator::judgement::{EvalError, Judgement, State};
use peshub::subsidies::evaluator::rule::{CriterionSource, Rule, RuleSource, Trace};

use crate::subsidies::grammar::{Dice, Maker, Plain, catalogue, facts, world};

/// How many expressions are compared, truths and numbers each.
const EXPRESSIONS: usize = 10_000;

/// What an expression is; `None`: it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Truth(bool),
    Number(i64),
}

fn env() -> Arc<Env> {
    let mut env = Env::stdlib();
    env.add_extension(extensions::math).unwrap();
    Arc::new(env)
}

fn cel_value(value: &Plain) -> Cel {
    match value {
        Plain::Int(number) => Cel::Int(*number),
        Plain::Truth(truth) => Cel::Bool(*truth),
        Plain::Text(text) => Cel::from(text.as_str()),
        Plain::List(items) => Cel::List(Arc::new(items.iter().map(cel_value).collect())),
    }
}

/// What the other implementation says; `Err`: it cannot read it.
fn theirs(env: &Arc<Env>, text: &str, values: &[Plain]) -> Result<Option<Found>, String> {
    let program = env.compile(text).map_err(|error| error.to_string())?;
    let mut context = Context::with_env(Arc::clone(env));
    let mut of_w = HashMap::new();
    for (fact, value) in world().iter().zip(values) {
        match fact.name.strip_prefix("w.") {
            Some(field) => {
                of_w.insert(field.to_owned(), cel_value(value));
            }
            None => context.add_variable_from_value(fact.name, cel_value(value)),
        }
    }
    context.add_variable_from_value("w", of_w);
    Ok(match program.execute(&context) {
        Ok(Cel::Bool(truth)) => Some(Found::Truth(truth)),
        Ok(Cel::Int(number)) => Some(Found::Number(number)),
        Ok(other) => panic!("{text} is {other:?}"),
        Err(_) => None,
    })
}

fn compile(text: &str, truth: bool) -> Option<Rule> {
    let criterion = [CriterionSource { expression: text, wider: &[] }];
    let source = if truth {
        RuleSource { criteria: &criterion, amount: None }
    } else {
        RuleSource { criteria: &[], amount: Some(text) }
    };
    Rule::compile(&source, &Scope { catalogue: &catalogue(), parameters: &[] }).ok()
}

fn ours(answer: Result<Judgement, EvalError>, truth: bool) -> Option<Found> {
    let judgement = answer.ok()?;
    Some(match judgement.verdict {
        State::Met if !truth => Found::Number(judgement.amount.unwrap().known().unwrap()),
        State::Met => Found::Truth(true),
        State::NotMet => Found::Truth(false),
        State::Unknown => panic!("all is known"),
    })
}

/// Whether both say the same of an expression; an expression that is refused is not compared.
fn agree(env: &Arc<Env>, text: &str, truth: bool, values: &[Plain]) -> Result<bool, String> {
    let Some(rule) = compile(text, truth) else { return Ok(false) };
    let found = ours(rule.judge(&rule.bind(&facts(values, &[])), &[], Trace::On), truth);
    let wanted = theirs(env, text, values)?;
    if found == wanted { Ok(true) } else { Err(format!("{found:?}, the other {wanted:?}")) }
}

fn values(dice: &mut Dice) -> Vec<Plain> {
    world().iter().map(|fact| fact.domain[dice.below(fact.domain.len())].clone()).collect()
}

#[test]
fn with_all_facts_known_it_answers_as_another_implementation() {
    let (env, mut dice) = (env(), Dice(0x5eed));
    let mut failing = 0;
    for number in 0..EXPRESSIONS {
        for truth in [true, false] {
            let mut maker = Maker::new(&mut dice);
            let tree = if truth { maker.truth(4) } else { maker.int(4) };
            let (text, values) = (tree.to_string(), values(&mut dice));
            let compared = agree(&env, &text, truth, &values);
            assert_eq!(compared, Ok(true), "{number}: {text} with {values:?}");
            failing += usize::from(tree.plain(&values, None).is_err());
        }
    }
    eprintln!("{} expressions agree, {failing} of them fail", 2 * EXPRESSIONS);
    assert!(failing > EXPRESSIONS / 20);
}

/// What the evaluator reads, the other one reads in the same way: letters are taken out of expressions, put in and exchanged.
#[test]
fn what_is_read_is_cel() {
    let (env, mut dice) = (env(), Dice(0xbad_5eed));
    let letters: Vec<char> = "()[]!&|=<>+-*/%?:.,'\"\\ 0129axnuer_#\n".chars().collect();
    let mut read = 0;
    for _ in 0..EXPRESSIONS {
        let text = Maker::new(&mut dice).truth(2).to_string();
        let mut mutated: Vec<char> = text.chars().collect();
        for _ in 0..=dice.below(3) {
            let at = dice.below(mutated.len());
            let letter = letters[dice.below(letters.len())];
            match dice.below(3) {
                0 => mutated[at] = letter,
                1 => mutated.insert(at, letter),
                _ if mutated.len() > 1 => {
                    mutated.remove(at);
                }
                _ => {}
            }
        }
        let (text, values) = (mutated.into_iter().collect::<String>(), values(&mut dice));
        match agree(&env, &text, true, &values) {
            Ok(compared) => read += usize::from(compared),
            Err(why) => panic!("{text:?}: {why}"),
        }
    }
    eprintln!("{read} of {EXPRESSIONS} mutated expressions are read");
    assert!(read > EXPRESSIONS / 20);
}

/// The comparison sees a difference.
#[test]
fn a_difference_is_seen() {
    let (env, mut dice) = (env(), Dice(3));
    let values = values(&mut dice);
    let rule = compile("7 / 2 == 3", true).unwrap();
    let found = ours(rule.judge(&rule.bind(&facts(&values, &[])), &[], Trace::On), true);
    assert_eq!(found, Some(Found::Truth(true)));
    assert_ne!(theirs(&env, "7 / 2 == 4", &values).unwrap(), found);
    assert_ne!(theirs(&env, "7 / 0 == 3", &values).unwrap(), found);
}
