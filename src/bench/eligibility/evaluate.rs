//! Evaluating a rule of ten criteria and an amount, against the same rule written by hand, on one core.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::bench::eligibility::rule::{CAP, People, Person, compile};
use crate::bench::{BenchError, Report, rate, ratio};
use crate::subsidies::domain::Facts;
use crate::subsidies::evaluator::columns::{Answers, Columns};
use crate::subsidies::evaluator::judgement::{Judgement, Range, State};
use crate::subsidies::evaluator::row::Row;
use crate::subsidies::evaluator::rule::{Rule, Trace};

/// People that are judged, again and again.
const PEOPLE: u64 = 8_192;
/// How long one turn takes.
const TURN: Duration = Duration::from_millis(200);

/// Measures, and adds the figures.
///
/// # Errors
///
/// The evaluator says something else than the rule by hand.
pub fn run(rounds: usize, report: &mut Report) -> Result<(), BenchError> {
    let wrong = |what: &str| BenchError::Wrong(what.to_owned());
    let rule = compile().map_err(|_| wrong("the rule cannot be compiled"))?;
    let people: Vec<Person> = (1..=PEOPLE).map(Person::new).collect();
    let facts: Vec<Facts> = people.iter().map(Person::facts).collect();
    let rows: Vec<Row> = facts.iter().map(|facts| rule.bind(facts)).collect();
    let missing: Vec<Row> =
        facts.iter().enumerate().map(|(at, facts)| lacking(&rule, at, facts)).collect();
    let by_column = People::of(&people);
    let mut columns = Columns::of(&rule);
    for facts in &facts {
        columns.push(&rule, facts);
    }
    check(&rule, (&people, &rows), (&by_column, &columns))?;
    let mut judgement = Judgement::default();
    let mut judge = |rows: &[Row], trace| {
        for row in rows {
            if rule.judge_into(black_box(row), &[CAP], trace, &mut judgement).is_ok() {
                black_box(&judgement);
            }
        }
    };
    let (mut answers, mut amounts) = (Answers::default(), Vec::new());
    let mut best = [0.0_f64; 6];
    for _ in 0..rounds.max(1) {
        let turns = [
            timed(|| by_hand(&people)),
            timed(|| judge(&rows, Trace::On)),
            timed(|| judge(&rows, Trace::Off)),
            timed(|| judge(&missing, Trace::On)),
            timed(|| by_column.by_hand(CAP, black_box(&mut amounts))),
            timed(|| rule.judge_columns(black_box(&columns), &[CAP], black_box(&mut answers))),
        ];
        best.iter_mut().zip(turns).for_each(|(best, turn)| *best = best.max(turn));
    }
    let [rows_by_hand, traced, bare, open, columns_by_hand, columns] = best;
    report.add("eval_per_s_core", traced);
    report.add("eval_ratio_handwritten", ratio(traced, rows_by_hand));
    report.add("eval_handwritten_per_s_core", rows_by_hand);
    report.add("eval_without_trace_per_s_core", bare);
    report.add("eval_one_fact_missing_per_s_core", open);
    report.add("eval_columns_per_s_core", columns);
    report.add("eval_columns_ratio_handwritten", ratio(columns, columns_by_hand));
    report.add("eval_columns_handwritten_per_s_core", columns_by_hand);
    Ok(())
}

fn by_hand(people: &[Person]) {
    for person in people {
        black_box(black_box(person).by_hand(CAP));
    }
}

/// Repeats something over all people for a turn; returns how many people a second of one core.
fn timed(mut work: impl FnMut()) -> f64 {
    let (start, before) = (Instant::now(), worked());
    let mut done = 0_usize;
    while start.elapsed() < TURN {
        work();
        done = done.saturating_add(usize::try_from(PEOPLE).unwrap_or_default());
    }
    let took = worked().zip(before).map(|(after, before)| after.saturating_sub(before));
    rate(done, took.filter(|took| !took.is_zero()).unwrap_or(start.elapsed()))
}

/// How long this thread has had a core; `None` where the system does not say. Others on the machine do not count then.
fn worked() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    stat.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

/// A row that lacks one fact, another one for each person.
fn lacking(rule: &Rule, at: usize, facts: &Facts) -> Row {
    let names: Vec<&Arc<str>> = facts.keys().collect();
    let mut facts = facts.clone();
    if let Some(name) = names.get(at % names.len().max(1)) {
        facts.remove(*name);
    }
    rule.bind(&facts)
}

/// Checks that everybody comes to the same answers.
fn check(
    rule: &Rule,
    (people, rows): (&[Person], &[Row]),
    (by_column, columns): (&People, &Columns),
) -> Result<(), BenchError> {
    let wrong = |what: &str| BenchError::Wrong(what.to_owned());
    let (mut amounts, mut answers) = (Vec::new(), Answers::default());
    by_column.by_hand(CAP, &mut amounts);
    rule.judge_columns(columns, &[CAP], &mut answers);
    let mut eligible = 0_u64;
    for (((person, row), amount), answer) in
        people.iter().zip(rows).zip(&amounts).zip(&answers.rows)
    {
        let (failed, by_hand) =
            person.by_hand(CAP).ok_or_else(|| wrong("a number does not fit"))?;
        let judged =
            rule.judge(row, &[CAP], Trace::On).map_err(|_| wrong("an evaluation failed"))?;
        let states = judged.criteria.iter().rev();
        let found =
            states.fold(0_u16, |bits, one| (bits << 1) | u16::from(one.state == State::NotMet));
        let same = found == failed
            && judged.amount.and_then(Range::known) == by_hand
            && by_hand.unwrap_or(-1) == *amount
            && (answer.verdict, answer.amount) == (judged.verdict, judged.amount);
        if !same {
            return Err(wrong("the evaluator and the rule by hand disagree"));
        }
        eligible = eligible.saturating_add(u64::from(by_hand.is_some()));
    }
    if !(PEOPLE / 10..=PEOPLE / 10 * 9).contains(&eligible) {
        return Err(wrong("too few or too many are eligible for a fair measurement"));
    }
    Ok(())
}
