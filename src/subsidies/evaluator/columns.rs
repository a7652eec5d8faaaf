//! Many rows at once: a column of values for each slot, verdict and amount without a trace.

use crate::subsidies::domain::Facts;
use crate::subsidies::evaluator::judgement::{EvalError, Judgement, Range, State};
use crate::subsidies::evaluator::row::{Row, Store};
use crate::subsidies::evaluator::rule::{Rule, Trace};
use crate::subsidies::evaluator::run::Cell;

/// Facts of many subjects, put into a rule's slots. They belong to the rule for which they were made.
#[derive(Clone, Default)]
pub struct Columns {
    rows: usize,
    columns: Vec<Vec<Cell>>,
    store: Store,
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
        let columns = vec![Vec::new(); rule.facts.len()];
        Self { rows: 0, columns, store: Store::default() }
    }

    /// Adds a row.
    pub fn push(&mut self, rule: &Rule, facts: &Facts) {
        for (column, definition) in self.columns.iter_mut().zip(&rule.facts) {
            let cell = facts
                .get(&definition.name)
                .and_then(|value| self.store.cell(definition, &rule.vocabulary, value));
            column.push(cell.unwrap_or(Cell::UNKNOWN));
        }
        self.rows = self.rows.saturating_add(1);
    }

    /// Takes all rows away and keeps the room.
    pub fn clear(&mut self) {
        self.rows = 0;
        self.columns.iter_mut().for_each(Vec::clear);
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
        let mut row = Row { cells: Vec::new(), store: columns.store.clone() };
        let mut judgement = Judgement::default();
        for index in 0..columns.rows {
            row.cells.clear();
            row.cells.extend(columns.columns.iter().filter_map(|column| column.get(index)));
            let answer = match self.judge_into(&row, parameters, Trace::Off, &mut judgement) {
                Ok(()) => Answer { verdict: judgement.verdict, amount: judgement.amount },
                Err(error) => {
                    out.failed.push((index, error));
                    Answer { verdict: State::Unknown, amount: None }
                }
            };
            out.rows.push(answer);
        }
    }
}
