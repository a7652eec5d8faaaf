//! Soundness by trying everything: over a little world every value of every hidden fact is tried, and no answer may contradict one.

use std::collections::BTreeSet;
use std::sync::Arc;

use peshub::subsidies::evaluator::Scope;
use peshub::subsidies::evaluator::columns::{Answers, Columns};
use peshub::subsidies::evaluator::judgement::{EvalError, Judgement, Range, SlotSet, State};
use peshub::subsidies::evaluator::rule::{CriterionSource, Rule, RuleSource, Trace, Which};

use crate::subsidies::grammar::{Dice, Failed, Maker, Plain, Tree, catalogue, facts, world};

/// How many rules are tried. Each has one to three criteria and an amount.
const RULES: usize = 20_000;

/// What is true of a rule, found by trying everything.
struct Truth {
    /// What each criterion is, by completion.
    criteria: Vec<Vec<Option<bool>>>,
    /// The same of all together: false wins over an error.
    verdicts: Vec<Option<bool>>,
    /// The amounts with which all criteria are met.
    amounts: Vec<i64>,
    /// Whether the amount has no value in any completion that meets the criteria.
    fails: bool,
    /// The hidden facts with their values, by completion.
    completions: Vec<Vec<usize>>,
    hidden: Vec<usize>,
}

fn outcome(result: &Result<Plain, Failed>) -> Option<bool> {
    match result {
        Ok(Plain::Truth(truth)) => Some(*truth),
        Ok(_) => panic!("a criterion is a truth"),
        Err(Failed) => None,
    }
}

impl Truth {
    fn find(criteria: &[Tree], amount: &Tree, values: &[Plain], hidden: &[usize]) -> Self {
        let world = world();
        let mut truth = Self {
            criteria: vec![Vec::new(); criteria.len()],
            verdicts: Vec::new(),
            amounts: Vec::new(),
            fails: false,
            completions: Vec::new(),
            hidden: hidden.to_vec(),
        };
        let mut amounts = Vec::new();
        let mut picks = vec![0; hidden.len()];
        loop {
            let mut values = values.to_vec();
            for (fact, pick) in hidden.iter().zip(&picks) {
                values[*fact] = world[*fact].domain[*pick].clone();
            }
            let mut verdict = Some(true);
            for (criterion, found) in criteria.iter().zip(&mut truth.criteria) {
                let outcome = outcome(&criterion.plain(&values, None));
                found.push(outcome);
                verdict = match (verdict, outcome) {
                    (Some(false), _) | (_, Some(false)) => Some(false),
                    (Some(true), Some(true)) => Some(true),
                    _ => None,
                };
            }
            if verdict == Some(true) {
                amounts.push(amount.plain(&values, None));
            }
            truth.verdicts.push(verdict);
            truth.completions.push(picks.clone());
            let Some(place) =
                (0..picks.len()).rfind(|at| picks[*at] + 1 < world[hidden[*at]].domain.len())
            else {
                break;
            };
            picks[place] += 1;
            picks[place + 1..].fill(0);
        }
        let number = |amount: &Result<Plain, Failed>| match amount {
            Ok(Plain::Int(number)) => Some(*number),
            _ => None,
        };
        truth.amounts = amounts.iter().filter_map(number).collect();
        truth.fails = !amounts.is_empty() && truth.amounts.is_empty();
        truth
    }

    /// The hidden facts that alone can turn something.
    fn turning(&self, outcomes: &[Option<bool>]) -> BTreeSet<Arc<str>> {
        let mut found = BTreeSet::new();
        for (place, fact) in self.hidden.iter().enumerate() {
            let mut groups = std::collections::HashMap::new();
            let turns = self.completions.iter().zip(outcomes).any(|(picks, outcome)| {
                let mut others = picks.clone();
                others.remove(place);
                *groups.entry(others).or_insert(outcome) != outcome
            });
            if turns {
                found.insert(Arc::from(world()[*fact].name));
            }
        }
        found
    }
}

fn state(outcomes: &[Option<bool>]) -> State {
    let all = |wanted| outcomes.iter().all(|outcome| *outcome == wanted);
    match (all(Some(true)), all(Some(false))) {
        (true, _) => State::Met,
        (_, true) => State::NotMet,
        _ => State::Unknown,
    }
}

/// What an answer says that is not so.
fn complaints(rule: &Rule, truth: &Truth, answer: &Result<Judgement, EvalError>) -> Vec<String> {
    let mut found = Vec::new();
    let judgement = match answer {
        Err(error) => {
            let fails = match error.which {
                Which::Criterion(index) | Which::Wider(index, _) => {
                    truth.criteria[index].iter().all(Option::is_none)
                        || truth.verdicts.iter().all(Option::is_none)
                }
                Which::Amount => truth.fails,
            };
            if !fails {
                found.push(format!("it failed where it need not: {error}"));
            }
            return found;
        }
        Ok(judgement) => judgement,
    };
    if truth.verdicts.iter().all(Option::is_none) {
        found.push("it did not fail where it always does".to_owned());
    }
    let mut judge =
        |what: &str, said: State, open: BTreeSet<Arc<str>>, outcomes: &[Option<bool>]| {
            let right = state(outcomes);
            if said != right {
                found.push(format!("{what} is {said:?}, right is {right:?}"));
            }
            let turning = truth.turning(outcomes);
            if !open.is_superset(&turning) {
                found.push(format!("{what}: {turning:?} can turn it, only {open:?} are said"));
            }
            if judgement.exact && open != turning {
                found.push(format!("{what}: only {turning:?} can turn it, {open:?} are said"));
            }
        };
    let names = |set| rule.names(set).cloned().collect::<BTreeSet<_>>();
    for (index, (said, outcomes)) in judgement.criteria.iter().zip(&truth.criteria).enumerate() {
        judge(&format!("criterion {index}"), said.state, names(said.open), outcomes);
    }
    judge("the verdict", judgement.verdict, names(judgement.ask), &truth.verdicts);
    let right = truth.amounts.iter().min().zip(truth.amounts.iter().max());
    match (judgement.amount, right) {
        (None, Some(right)) => found.push(format!("no amount, right is {right:?}")),
        (Some(Range { least, greatest, exact }), Some((low, high))) => {
            if least > *low || greatest < *high || (exact && (least, greatest) != (*low, *high)) {
                found.push(format!("the amount is {least}..{greatest}, right is {low}..{high}"));
            }
        }
        (Some(Range { exact: true, .. }), None) => found.push("an amount where none is".to_owned()),
        (_, None) => {}
    }
    found
}

/// A rule with facts of which some are hidden.
struct Case {
    rule: Rule,
    text: String,
    truth: Truth,
    facts: peshub::subsidies::domain::Facts,
}

fn case(dice: &mut Dice) -> Case {
    let world = world();
    let mut maker = Maker::new(dice);
    let criteria: Vec<Tree> = (0..=maker.dice.below(3)).map(|_| maker.truth(3)).collect();
    let amount = maker.int(2);
    let values: Vec<Plain> =
        world.iter().map(|fact| fact.domain[dice.below(fact.domain.len())].clone()).collect();
    let mut hidden: Vec<usize> = (0..world.len()).filter(|_| dice.below(3) == 0).collect();
    while hidden.iter().map(|fact| world[*fact].domain.len()).product::<usize>() > 150 {
        hidden.pop();
    }
    let texts: Vec<String> = criteria.iter().map(Tree::to_string).collect();
    let sources: Vec<_> =
        texts.iter().map(|text| CriterionSource { expression: text, wider: &[] }).collect();
    let amount_text = amount.to_string();
    let text = format!(
        "{} => {amount_text}, hidden {:?}",
        texts.join(" ;; "),
        hidden.iter().map(|fact| world[*fact].name).collect::<Vec<_>>()
    );
    let source = RuleSource { criteria: &sources, amount: Some(&amount_text) };
    let rule = Rule::compile(&source, &Scope { catalogue: &catalogue(), parameters: &[] });
    let rule = rule.unwrap_or_else(|defects| panic!("{text}: {defects:?}"));
    let truth = Truth::find(&criteria, &amount, &values, &hidden);
    Case { rule, text, truth, facts: facts(&values, &hidden) }
}

#[test]
fn no_answer_contradicts_a_completion_and_exactly_what_matters_is_asked() {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let (mut asked, mut inexact, mut loose, mut settled, mut failed) = (0, 0, 0, 0, 0);
    for number in 0..RULES {
        let case = case(&mut dice);
        let row = case.rule.bind(&case.facts);
        let answer = case.rule.judge(&row, &[], Trace::On);
        let found = complaints(&case.rule, &case.truth, &answer);
        assert!(found.is_empty(), "{number}: {}\n{}", case.text, found.join("\n"));
        let bare = case.rule.judge(&row, &[], Trace::Off);
        match (&answer, &bare) {
            (Ok(one), Ok(two)) => {
                assert_eq!((one.verdict, one.amount, one.ask), (two.verdict, two.amount, two.ask));
                assert_eq!(one.cost, two.cost, "{}", case.text);
                asked += usize::from(!one.ask.is_empty());
                inexact += usize::from(!one.exact);
                loose += usize::from(one.amount.is_some_and(|amount| !amount.exact));
                settled +=
                    usize::from(one.verdict != State::Unknown && case.truth.verdicts.len() > 1);
            }
            (Err(one), Err(two)) => {
                assert_eq!(one, two);
                failed += 1;
            }
            _ => panic!("a trace changes the answer of {}", case.text),
        }
        same_in_columns(&case, &bare);
    }
    eprintln!(
        "{RULES} rules: {asked} ask, {settled} are settled in spite of hidden facts, {failed} fail; \
         {inexact} ask lists and {loose} ranges are not exact"
    );
    assert!(asked > RULES / 5 && settled > RULES / 5, "the rules are too plain");
    assert_eq!((inexact, loose), (0, 0), "so little a world can be looked through");
}

fn same_in_columns(case: &Case, bare: &Result<Judgement, EvalError>) {
    let mut columns = Columns::of(&case.rule);
    columns.push(&case.rule, &case.facts);
    let mut answers = Answers::default();
    case.rule.judge_columns(&columns, &[], &mut answers);
    match bare {
        Ok(judgement) => {
            let said = (answers.rows[0].verdict, answers.rows[0].amount);
            assert_eq!(said, (judgement.verdict, judgement.amount), "{}", case.text);
            assert!(answers.failed.is_empty());
        }
        Err(error) => assert_eq!(answers.failed, [(0, error.clone())], "{}", case.text),
    }
}

/// The checker sees each kind of wrong answer.
#[test]
fn a_wrong_answer_is_complained_of() {
    let mut dice = Dice(7);
    let mut seen = [0; 5];
    for _ in 0..2_000 {
        let case = case(&mut dice);
        let row = case.rule.bind(&case.facts);
        let Ok(right) = case.rule.judge(&row, &[], Trace::On) else { continue };
        assert!(complaints(&case.rule, &case.truth, &Ok(right.clone())).is_empty());
        let mut tampered = Vec::new();
        let mut turned = right.clone();
        turned.verdict = if right.verdict == State::Met { State::NotMet } else { State::Met };
        tampered.push((0, turned));
        if !right.ask.is_empty() {
            let mut silent = right.clone();
            silent.ask = SlotSet::default();
            tampered.push((1, silent));
        }
        let all = case.rule.facts_of_criterion(0);
        if right.ask != all && !all.is_empty() {
            let mut chatty = right.clone();
            chatty.ask = all;
            tampered.push((2, chatty));
        }
        if let Some(amount) = right.amount {
            let mut poor = right.clone();
            poor.amount = Some(Range { greatest: amount.greatest - 1, ..amount });
            tampered.push((3, poor));
        }
        let mut criterion = right.clone();
        criterion.criteria[0].state = match right.criteria[0].state {
            State::Met => State::Unknown,
            State::NotMet | State::Unknown => State::Met,
        };
        tampered.push((4, criterion));
        for (kind, wrong) in tampered {
            let found = complaints(&case.rule, &case.truth, &Ok(wrong));
            assert!(!found.is_empty(), "fault {kind} is not seen: {}", case.text);
            seen[kind] += 1;
        }
    }
    assert!(seen.iter().all(|count| *count > 20), "{seen:?}");
}
