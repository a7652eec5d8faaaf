//! Judging: from a row to a judgement.

use crate::subsidies::evaluator::judgement::{
    CriterionJudgement, EvalError, Judgement, Range, SlotSet, State,
};
use crate::subsidies::evaluator::row::Row;
use crate::subsidies::evaluator::rule::{Rule, Trace, Which};
use crate::subsidies::evaluator::run::{Run, Tag};

impl Rule {
    /// Judges a row. Parameters are given in the order of the scope's names.
    ///
    /// # Errors
    ///
    /// An expression that fails with these facts whatever the unknown ones are.
    pub fn judge(
        &self,
        row: &Row,
        parameters: &[i64],
        trace: Trace,
    ) -> Result<Judgement, EvalError> {
        let mut judgement = Judgement::default();
        self.judge_into(row, parameters, trace, &mut judgement)?;
        Ok(judgement)
    }

    /// The same into a judgement that is there already: nothing is allocated where all is known.
    ///
    /// # Errors
    ///
    /// As [`Rule::judge`]; the judgement is of no use then.
    pub fn judge_into(
        &self,
        row: &Row,
        parameters: &[i64],
        trace: Trace,
        out: &mut Judgement,
    ) -> Result<(), EvalError> {
        let mut steps = std::mem::take(&mut out.steps);
        steps.clear();
        out.criteria.clear();
        let view = row.view(&self.vocabulary, parameters);
        let mut run = Run::new(view, steps);
        let mut verdict = State::Met;
        for (index, criterion) in self.criteria.iter().enumerate() {
            run.read = 0;
            let cell = criterion.eval(&mut run);
            let state = match cell.tag {
                Tag::Known if cell.bits != 0 => State::Met,
                Tag::Known => State::NotMet,
                Tag::Unknown => State::Unknown,
                Tag::Error => return Err(self.error(Which::Criterion(index), cell)),
            };
            if state == State::NotMet || (state == State::Unknown && verdict == State::Met) {
                verdict = state;
            }
            let read = if trace == Trace::On { SlotSet(run.read) } else { SlotSet::default() };
            out.criteria.push(CriterionJudgement { state, read, open: SlotSet::default() });
        }
        out.verdict = verdict;
        out.amount = None;
        out.amount_open = SlotSet::default();
        out.ask = SlotSet::default();
        out.exact = true;
        let known = out.criteria.iter().all(|criterion| criterion.state != State::Unknown);
        if known && verdict == State::Met {
            self.amount(&mut run, trace, out)?;
        }
        out.cost = run.cost;
        out.steps = run.steps;
        Ok(())
    }

    /// Computes the amount; returns whether it is known.
    fn amount<'a>(
        &'a self,
        run: &mut Run<'a>,
        trace: Trace,
        out: &mut Judgement,
    ) -> Result<bool, EvalError> {
        let Some(amount) = &self.amount else { return Ok(true) };
        run.kinds = (trace == Trace::On).then_some(&self.kinds);
        let cell = run.eval(&amount.node);
        run.kinds = None;
        match cell.tag {
            Tag::Known => {
                out.amount = Some(Range { least: cell.bits, greatest: cell.bits, exact: true });
                Ok(true)
            }
            Tag::Unknown => Ok(false),
            Tag::Error => Err(self.error(Which::Amount, cell)),
        }
    }
}
