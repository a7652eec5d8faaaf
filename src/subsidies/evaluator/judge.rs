//! Judging: from a row to a judgement.

use crate::subsidies::evaluator::bounds;
use crate::subsidies::evaluator::cell::{Cell, Outcome, Sure, Tag};
use crate::subsidies::evaluator::judgement::{
    CriterionJudgement, EvalError, Judgement, Range, SlotSet, State,
};
use crate::subsidies::evaluator::possible::Outcomes;
use crate::subsidies::evaluator::row::Row;
use crate::subsidies::evaluator::rule::{Compiled, Rule, Trace, Which};
use crate::subsidies::evaluator::run::{Run, View};
use crate::subsidies::evaluator::search::{Findings, Search};

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
        self.judge_view(row.view(&self.vocabulary, parameters), trace, out)
    }

    pub(crate) fn judge_view(
        &self,
        view: View<'_>,
        trace: Trace,
        out: &mut Judgement,
    ) -> Result<(), EvalError> {
        if view.is_certain() && self.walk::<Sure>(view, trace, out)? == Walked::All {
            return Ok(());
        }
        match self.walk::<Cell>(view, trace, out)? {
            Walked::All => Ok(()),
            Walked::Some => self.search(view, trace, out),
        }
    }

    /// Evaluates the criteria and, where none fails, the amount.
    fn walk<V: Outcome>(
        &self,
        view: View<'_>,
        trace: Trace,
        out: &mut Judgement,
    ) -> Result<Walked, EvalError> {
        out.clear();
        if out.criteria.len() != self.criteria.len() {
            out.criteria.resize(self.criteria.len(), CriterionJudgement::OPEN);
        }
        let mut run = Run::<V>::new(view, std::mem::take(&mut out.steps));
        let mut open = false;
        let mut failed = false;
        let traced = if trace == Trace::Off { 0 } else { u64::MAX };
        for (index, (criterion, judged)) in self.criteria.iter().zip(&mut out.criteria).enumerate()
        {
            run.read = 0;
            let found = criterion.eval(&mut run);
            judged.state = match found.bits() {
                Some(bits) => {
                    failed |= bits == 0;
                    if bits == 0 { State::NotMet } else { State::Met }
                }
                None if found.cell().tag == Tag::Error => {
                    return Err(self.error(Which::Criterion(index), found.cell()));
                }
                None => {
                    open = true;
                    State::Unknown
                }
            };
            judged.read = SlotSet(run.read & traced);
            judged.open = SlotSet::default();
        }
        out.verdict = if failed { State::NotMet } else { State::Met };
        let is_open = open || !(failed || self.amount(&mut run, trace, out)?);
        out.cost = run.cost;
        out.steps = run.steps;
        Ok(if is_open || run.hindered { Walked::Some } else { Walked::All })
    }

    /// Computes the amount; returns whether it is known.
    #[inline]
    fn amount<'a, V: Outcome>(
        &'a self,
        run: &mut Run<'a, V>,
        trace: Trace,
        out: &mut Judgement,
    ) -> Result<bool, EvalError> {
        let Some(amount) = &self.amount else { return Ok(true) };
        run.kinds = (trace == Trace::On).then_some(&self.kinds);
        let cell = run.eval(&amount.node).cell();
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

    /// Settles what depends on unknown facts.
    #[cold]
    fn search(&self, view: View<'_>, trace: Trace, out: &mut Judgement) -> Result<(), EvalError> {
        let mut search = Search::new(self, view);
        let open = search.criteria(out);
        if let Some(met) = search.verdict(&open, out)? {
            let open: Vec<_> = open.iter().map(|one| one.criterion).collect();
            search.amount(&open, trace, out)?;
            if let Some(amount) = &mut out.amount {
                amount.exact &= met == Met::Certainly;
            }
        }
        out.cost = out.cost.saturating_add(search.cost);
        Ok(())
    }
}

impl Judgement {
    fn clear(&mut self) {
        self.verdict = State::Unknown;
        self.amount = None;
        self.amount_open = SlotSet::default();
        self.ask = SlotSet::default();
        self.exact = true;
        self.cost = 0;
        self.steps.clear();
    }
}

/// What a walk through a rule found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Walked {
    /// Every answer.
    All,
    /// Some are open, or do not count.
    Some,
}

/// Whether all criteria can be met.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Met {
    Certainly,
    Possibly,
}

/// A criterion that unknown facts can turn.
struct OpenCriterion<'a> {
    index: usize,
    criterion: &'a Compiled,
    findings: Findings,
}

impl<'a> Search<'a> {
    /// Settles each criterion by itself; returns those that stay open.
    fn criteria(&mut self, out: &mut Judgement) -> Vec<OpenCriterion<'a>> {
        let mut open = Vec::new();
        let rule = self.rule();
        for (index, criterion) in rule.criteria.iter().enumerate() {
            let Some(judged) = out.criteria.get_mut(index) else { continue };
            if judged.state != State::Unknown {
                continue;
            }
            let findings = self.find(&[criterion]);
            judged.open = findings.open();
            if findings.possible == Outcomes::TRUE {
                judged.state = State::Met;
            } else if findings.possible == Outcomes::FALSE {
                judged.state = State::NotMet;
                out.verdict = State::NotMet;
            } else {
                open.push(OpenCriterion { index, criterion, findings });
            }
        }
        open
    }

    /// Settles the verdict; returns whether the criteria can be met.
    fn verdict(
        &mut self,
        open: &[OpenCriterion<'a>],
        out: &mut Judgement,
    ) -> Result<Option<Met>, EvalError> {
        if out.verdict == State::NotMet {
            return Ok(None);
        }
        let groups = self.groups(open);
        let certain = Outcomes::all(groups.iter().map(|group| group.certain));
        let whole = Outcomes::all(groups.iter().map(|group| group.possible));
        if whole == Outcomes::TRUE {
            out.verdict = State::Met;
        } else if whole == Outcomes::FALSE {
            out.verdict = State::NotMet;
        } else if whole == Outcomes::ERROR {
            let failing = open.iter().find(|one| one.findings.error.is_some());
            if let Some((one, cell)) = failing.and_then(|one| Some((one, one.findings.error?))) {
                return Err(self.rule().error(Which::Criterion(one.index), cell));
            }
        } else {
            out.verdict = State::Unknown;
            ask(&groups, out);
        }
        let met = if certain.has(Outcomes::TRUE) { Met::Certainly } else { Met::Possibly };
        Ok(whole.has(Outcomes::TRUE).then_some(met))
    }

    /// Puts criteria that depend on the same unknown facts together and settles them jointly.
    fn groups(&mut self, open: &[OpenCriterion<'a>]) -> Vec<Findings> {
        let mut groups: Vec<(SlotSet, Vec<&OpenCriterion<'a>>)> = Vec::new();
        for one in open {
            let (mut slots, mut members) = (one.findings.open(), vec![one]);
            let (same, others): (Vec<_>, Vec<_>) =
                groups.into_iter().partition(|(theirs, _)| theirs.0 & slots.0 != 0);
            groups = others;
            for (theirs, more) in same {
                slots = slots.with(theirs);
                members.extend(more);
            }
            groups.push((slots, members));
        }
        let mut found = Vec::with_capacity(groups.len());
        for (_, members) in groups {
            found.push(match members.as_slice() {
                [one] => one.findings.clone(),
                several => {
                    let criteria: Vec<_> = several.iter().map(|one| one.criterion).collect();
                    self.find(&criteria)
                }
            });
        }
        found
    }

    /// Bounds the amount over what the unknown facts can be with which the open criteria are met.
    fn amount(
        &mut self,
        open: &[&Compiled],
        trace: Trace,
        out: &mut Judgement,
    ) -> Result<(), EvalError> {
        let Some(amount) = &self.rule().amount else { return Ok(()) };
        let mut slots = self.unknown(amount.slots);
        out.amount_open = slots;
        // Criteria that share no unknown fact with the amount, not even through others, do not bound it.
        let mut binding: Vec<&Compiled> = Vec::new();
        loop {
            let before = binding.len();
            for criterion in open {
                let theirs = self.unknown_of(&[*criterion]);
                let known = binding.iter().any(|one| std::ptr::eq(*one, *criterion));
                if !known && theirs.0 & slots.0 != 0 {
                    binding.push(criterion);
                    slots = slots.with(theirs);
                }
            }
            if binding.len() == before {
                break;
            }
        }
        let found = if slots.is_empty() {
            self.known_amount(trace, out)
        } else {
            self.bound(amount, &binding)
        };
        match found {
            bounds::Found::Range(range) => out.amount = Some(range),
            bounds::Found::None(Some(cell)) if out.verdict == State::Met => {
                return Err(self.rule().error(Which::Amount, cell));
            }
            bounds::Found::None(_) => {}
        }
        Ok(())
    }

    /// Computes an amount all of whose facts are known.
    fn known_amount(&mut self, trace: Trace, out: &mut Judgement) -> bounds::Found {
        let rule = self.rule();
        let mut run = Run::<Cell>::new(self.view(), std::mem::take(&mut out.steps));
        run.kinds = (trace == Trace::On).then_some(&rule.kinds);
        let cell = rule.amount.as_ref().map_or(Cell::UNKNOWN, |amount| run.eval(&amount.node));
        self.cost = self.cost.saturating_add(run.cost);
        out.steps = run.steps;
        match cell.tag {
            Tag::Known => {
                bounds::Found::Range(Range { least: cell.bits, greatest: cell.bits, exact: true })
            }
            Tag::Unknown => bounds::Found::None(None),
            Tag::Error => bounds::Found::None(Some(cell)),
        }
    }
}

/// Fills in which facts can turn the verdict: those that can turn their group while the other groups do not decide it.
fn ask(groups: &[Findings], out: &mut Judgement) {
    for (index, group) in groups.iter().enumerate() {
        let others = |of: fn(&Findings) -> Outcomes| {
            let others = groups.iter().enumerate().filter(|(other, _)| *other != index);
            Outcomes::all(others.map(|(_, other)| of(other)))
        };
        let certain = others(|other| other.certain);
        let possible = others(|other| other.possible);
        for (slot, surely, maybe) in &group.turns {
            if maybe.shows(possible) {
                out.ask.insert(*slot);
                out.exact &= surely.shows(certain);
            }
        }
    }
}
