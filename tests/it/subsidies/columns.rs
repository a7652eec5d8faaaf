//! Columns answer for each row as the row by itself is answered.

use peshub::subsidies::domain::Facts;
use peshub::subsidies::evaluator::Scope;
use peshub::subsidies::evaluator::columns::{Answers, Columns};
use peshub::subsidies::evaluator::judgement::State;
use peshub::subsidies::evaluator::rule::{CriterionSource, Rule, RuleSource, Trace};

use crate::subsidies::grammar::{Dice, Maker, Plain, Tree, catalogue, facts, world};

/// More than a block, and not a whole number of words.
const ROWS: usize = 1_500;
const RULES: usize = 250;

/// The first row for which columns say something else.
fn differs(rule: &Rule, rows: &[Facts], answers: &Answers) -> Option<usize> {
    (0..rows.len()).find(|number| {
        let failed = answers.failed.iter().find(|(row, _)| row == number).map(|(_, error)| error);
        match rule.judge(&rule.bind(&rows[*number]), &[7], Trace::On) {
            Ok(right) => {
                let said = &answers.rows[*number];
                failed.is_some() || (said.verdict, said.amount) != (right.verdict, right.amount)
            }
            Err(error) => failed != Some(&error),
        }
    })
}

fn rows(dice: &mut Dice) -> Vec<Facts> {
    let world = world();
    (0..ROWS)
        .map(|_| {
            let values: Vec<Plain> = world
                .iter()
                .map(|fact| fact.domain[dice.below(fact.domain.len())].clone())
                .collect();
            let hidden: Vec<usize> = (0..world.len()).filter(|_| dice.below(12) == 0).collect();
            facts(&values, &hidden)
        })
        .collect()
}

#[test]
fn columns_answer_as_rows_do() {
    let mut dice = Dice(0xc01);
    let rows = rows(&mut dice);
    let parameters = ["cap".into()];
    let (catalogue, mut seen) = (catalogue(), [0; 4]);
    for _ in 0..RULES {
        let mut maker = Maker::new(&mut dice);
        let criteria: Vec<String> = (0..=maker.dice.below(3))
            .map(|_| Tree::Two("||", maker.truth(3).into(), maker.truth(2).into()).to_string())
            .collect();
        let wider = [maker.truth(2).to_string()];
        let wider: Vec<&str> = wider.iter().take(maker.dice.below(2)).map(String::as_str).collect();
        let amount = format!("math.least({}, param.cap) + 1", maker.int(3));
        let sources: Vec<_> = criteria
            .iter()
            .map(|text| CriterionSource { expression: text, wider: &wider })
            .collect();
        let source = RuleSource { criteria: &sources, amount: Some(&amount) };
        let scope = Scope { catalogue: &catalogue, parameters: &parameters };
        let rule = Rule::compile(&source, &scope).unwrap();
        let mut columns = Columns::of(&rule);
        for facts in &rows {
            columns.push(&rule, facts);
        }
        let mut answers = Answers::default();
        rule.judge_columns(&columns, &[7], &mut answers);
        if let Some(number) = differs(&rule, &rows, &answers) {
            panic!(
                "row {number} of {criteria:?} or {wider:?} => {amount}: {:?}",
                answers.rows[number]
            );
        }
        for answer in &answers.rows {
            seen[answer.verdict as usize] += 1;
        }
        seen[3] += answers.failed.len();
        let sound = answers.rows.iter().position(|answer| answer.verdict == State::Met);
        if let Some(number) = sound {
            // The comparison sees a verdict and an amount that are wrong.
            let right = answers.rows[number];
            answers.rows[number].verdict = State::NotMet;
            assert_eq!(differs(&rule, &rows, &answers), Some(number));
            answers.rows[number] = right;
            answers.rows[number].amount = None;
            assert_eq!(differs(&rule, &rows, &answers), Some(number));
        }
    }
    eprintln!("met, not met, unknown, failed: {seen:?}");
    assert!(seen.iter().all(|count| *count > ROWS), "{seen:?}");
}
