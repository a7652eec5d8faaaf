//! Many rows at once: a column of values for each slot, verdict and amount without a trace.
//!
//! Rows that are decided by what is known are worked off a thousand at a time. What is left, open or failing, is judged row by row.

use std::sync::Arc;

use crate::subsidies::domain::{Facts, Value};
use crate::subsidies::evaluator::block::{BLOCK, Block, WORD, Words};
use crate::subsidies::evaluator::judgement::{EvalError, Judgement, Range, State};
use crate::subsidies::evaluator::row::{Slots, Store};
use crate::subsidies::evaluator::rule::{Rule, Trace};

/// Facts of many subjects, put into a rule's slots. They belong to the rule for which they were made.
#[derive(Clone, Default)]
pub struct Columns {
    rows: usize,
    pub(crate) slots: Vec<Column>,
    store: Store,
}

/// A slot's values.
#[derive(Clone, Default)]
pub(crate) struct Column {
    /// Zero where it is not known.
    pub(crate) values: Vec<i64>,
    /// A bit for each row.
    pub(crate) known: Vec<u64>,
}

impl Column {
    fn push(&mut self, value: Option<i64>) {
        let bit = self.values.len() % WORD;
        if bit == 0 {
            self.known.push(0);
        }
        if let Some(word) = self.known.last_mut() {
            *word |= u64::from(value.is_some()) << bit;
        }
        self.values.push(value.unwrap_or_default());
    }

    pub(crate) fn get(&self, row: usize) -> Option<i64> {
        let known = self.known.get(row / WORD).is_some_and(|word| (word >> (row % WORD)) & 1 == 1);
        self.values.get(row).copied().filter(|_| known)
    }
}

/// Facts are personal data: nothing of them is printed.
impl std::fmt::Debug for Columns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Columns { .. }")
    }
}

/// What a rule answers for a row of columns: the same as [`Rule::judge`] without a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// As in [`Judgement`].
    pub verdict: State,
    /// As in [`Judgement`].
    pub amount: Option<Range>,
}

/// What a rule answers for columns.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// One for each row, in order; of a row that failed it says `Unknown`.
    pub rows: Vec<Answer>,
    /// Rows that failed, with why.
    pub failed: Vec<(usize, EvalError)>,
}

impl Columns {
    /// Returns columns of a rule, without rows.
    #[must_use]
    pub fn of(rule: &Rule) -> Self {
        let columns = vec![Column::default(); rule.facts.len()];
        Self { rows: 0, slots: columns, store: Store::default() }
    }

    /// Adds a row.
    pub fn push(&mut self, rule: &Rule, facts: &Facts) {
        self.push_with(rule, |name| facts.get(name));
    }

    /// Adds a row of what a look-up finds by the facts' names.
    pub fn push_with<'a>(&mut self, rule: &Rule, find: impl Fn(&Arc<str>) -> Option<&'a Value>) {
        for (column, definition) in self.slots.iter_mut().zip(&rule.facts) {
            let value = find(&definition.name)
                .and_then(|value| self.store.slot(definition, &rule.vocabulary, value));
            column.push(value);
        }
        self.rows = self.rows.saturating_add(1);
    }

    /// Takes all rows away and keeps the room.
    pub fn clear(&mut self) {
        self.rows = 0;
        for column in &mut self.slots {
            column.values.clear();
            column.known.clear();
        }
        self.store.clear();
    }

    /// Returns how many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }
}

impl Rule {
    /// Judges all rows of columns.
    pub fn judge_columns(&self, columns: &Columns, parameters: &[i64], out: &mut Answers) {
        out.rows.clear();
        out.failed.clear();
        out.rows.reserve(columns.rows);
        let mut slots = Slots::default();
        let mut judgement = Judgement::default();
        let none = Slots::default();
        let view = columns.store.view(&none, &self.vocabulary, parameters);
        for from in (0..columns.rows).step_by(BLOCK) {
            let rows = columns.rows.saturating_sub(from).min(BLOCK);
            let mut block = Block::new(&columns.slots, from, rows, view);
            let (met, failed) = self.verdicts(&mut block);
            let amount = self.amount.as_ref().filter(|_| met.any());
            let amounts = amount.map(|amount| block.number(&amount.node));
            let without = Words::full();
            let counted = amounts.as_ref().map_or(&without, |amounts| &amounts.known);
            for index in 0..rows {
                let row = from.saturating_add(index);
                let answer = if failed.bit(index) {
                    Answer { verdict: State::NotMet, amount: None }
                } else if met.bit(index) && counted.bit(index) {
                    let amount = amounts.as_ref().and_then(|amounts| amounts.values.get(index));
                    let exact =
                        |value: &i64| Range { least: *value, greatest: *value, exact: true };
                    Answer { verdict: State::Met, amount: amount.map(exact) }
                } else {
                    slots.clear();
                    columns.slots.iter().for_each(|column| slots.push(column.get(row)));
                    let view = columns.store.view(&slots, &self.vocabulary, parameters);
                    match self.judge_view(view, Trace::Off, &mut judgement) {
                        Ok(()) => Answer { verdict: judgement.verdict, amount: judgement.amount },
                        Err(error) => {
                            out.failed.push((row, error));
                            Answer { verdict: State::Unknown, amount: None }
                        }
                    }
                };
                out.rows.push(answer);
            }
        }
    }

    /// Which rows of a block surely meet all criteria, and which surely fail one without an error in another.
    fn verdicts<'a>(&'a self, block: &mut Block<'a>) -> (Words, Words) {
        let (mut met, mut failed, mut error) = (Words::full(), Words::none(), Words::none());
        for criterion in &self.criteria {
            let mut truth = block.truth(&criterion.own.node);
            for wider in &criterion.wider {
                let other = block.truth(&wider.node);
                truth = truth.or(&other);
            }
            met = met.and(&truth.yes);
            failed = failed.or(&truth.no);
            error = error.or(&truth.error);
        }
        (met, failed.and(&error.not()))
    }
}
