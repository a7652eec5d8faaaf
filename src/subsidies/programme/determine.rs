//! The answer to one subject: which version, which verdict, how much, and what is missing.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::codes::divisions::Division;
use crate::pb::peshub::subsidies::v1::{CriterionState, Rounding, Verdict};
use crate::subsidies::domain::{Catalogue, Day, Facts, Value};
use crate::subsidies::evaluator::judgement::{DerivationStep, EvalError, Judgement, Range, State};
use crate::subsidies::evaluator::rule::Trace;
use crate::subsidies::programme::{CompiledProgramme, CompiledVersion, Variant};

/// What a programme answers for a subject.
#[derive(Clone, Debug)]
pub struct Determined {
    /// The verdict; never `EXCLUDED_BY_CLAIM`, which facts do not tell.
    pub verdict: Verdict,
    /// Name of the version; `None` where none applies.
    pub version: Option<Arc<str>>,
    /// The day of the selecting fact; `None` where it is unknown.
    pub selected_on: Option<Day>,
    /// The division whose overlay was applied.
    pub overlay: Option<&'static Division>,
    /// Every criterion, in the version's order.
    pub criteria: Vec<Criterion>,
    /// The amount, or the range in which it lies, rounded; `None` where nobody is eligible.
    pub amount: Option<Range>,
    /// While it is a range: the facts that it may depend on, in order of their names.
    pub amount_open: Vec<Arc<str>>,
    /// How it came about; empty without a trace, and while it is a range.
    pub derivation: Vec<DerivationStep>,
    /// The facts that can still change the verdict, in order of their names.
    pub ask: Vec<Arc<str>>,
    /// What it cost, in steps.
    pub cost: u64,
    /// Whether the list of facts is exact: no fact in it is irrelevant. It is never too short.
    pub is_exact: bool,
}

/// What is to be given back, or the range in which it lies, and the unknown facts that it may depend on.
pub type Clawback = (Range, Vec<Arc<str>>);

/// How a criterion stands.
#[derive(Clone, Debug)]
pub struct Criterion {
    /// Its id.
    pub id: Arc<str>,
    /// How it stands.
    pub state: CriterionState,
    /// Facts that were read for it, in order of their names.
    pub read: Vec<Arc<str>>,
    /// Facts that can still change it, in order of their names.
    pub open: Vec<Arc<str>>,
}

/// States the day of the claim in every fact that the hub itself states and that is not stated yet.
pub fn state_day(facts: &mut Facts, catalogue: &Catalogue, today: Day) {
    for fact in catalogue.iter().filter(|fact| fact.stated_by_hub) {
        facts.entry(Arc::clone(&fact.name)).or_insert(Value::Day(today));
    }
}

/// Returns the day of a value that is one.
#[must_use]
pub const fn day_of(value: &Value) -> Option<Day> {
    match value {
        Value::Day(day) => Some(*day),
        Value::Number(_) | Value::Truth(_) | Value::Text(_) | Value::List(_) => None,
    }
}

impl CompiledProgramme {
    /// Answers for a subject. The day of the claim is a fact like any other, see [`state_day`].
    ///
    /// # Errors
    ///
    /// An expression fails: there is no verdict then.
    pub fn determine(
        &self,
        facts: &Facts,
        division: Option<&'static Division>,
        trace: Trace,
    ) -> Result<Determined, EvalError> {
        let Some(day) = facts.get(&self.select).and_then(day_of) else {
            return self.undated(facts, division);
        };
        let Some(version) = self.version_on(day) else {
            let held = self.holds_claims_of(day);
            let verdict = if held { Verdict::Held } else { Verdict::NoVersion };
            return Ok(Determined { selected_on: Some(day), ..nothing(verdict) });
        };
        let variant = version.variant(division);
        let row = variant.rule.bind(facts);
        let judgement = variant.rule.judge(&row, &variant.values, trace)?;
        let mut concluded = self.concluded(version, variant, &judgement);
        if trace == Trace::On
            && concluded.amount.is_some()
            && judgement.amount.is_some_and(|range| range.known().is_some())
        {
            concluded.derivation = variant.rule.derivation(&row, &judgement);
        }
        Ok(Determined { selected_on: Some(day), ..concluded })
    }

    /// Answers where the selecting day is unknown: it is asked for, and with it what some version would ask for.
    fn undated(
        &self,
        facts: &Facts,
        division: Option<&'static Division>,
    ) -> Result<Determined, EvalError> {
        let mut ask: BTreeSet<Arc<str>> = [Arc::clone(&self.select)].into();
        let mut answer = nothing(Verdict::NeedsFacts);
        for version in &self.versions {
            let variant = version.variant(division);
            let judgement =
                variant.rule.judge(&variant.rule.bind(facts), &variant.values, Trace::Off)?;
            answer.cost = answer.cost.saturating_add(judgement.cost);
            answer.is_exact &= judgement.exact;
            ask.extend(variant.rule.names(judgement.ask).cloned());
        }
        Ok(Determined { ask: ask.into_iter().collect(), ..answer })
    }

    fn concluded(
        &self,
        version: &CompiledVersion,
        variant: &Variant,
        judgement: &Judgement,
    ) -> Determined {
        let rule = &variant.rule;
        let names = |set| rule.names(set).cloned().collect();
        let amount = judgement.amount.filter(|_| judgement.verdict != State::NotMet);
        let criteria = version.criteria.iter().zip(&judgement.criteria);
        Determined {
            verdict: verdict(judgement.verdict),
            version: Some(Arc::clone(&version.name)),
            selected_on: None,
            overlay: variant.overlay,
            criteria: criteria
                .map(|(id, it)| Criterion {
                    id: Arc::clone(id),
                    state: state(it.state),
                    read: names(it.read),
                    open: names(it.open),
                })
                .collect(),
            amount: amount.map(|range| self.rounded(range)),
            amount_open: match amount.and_then(Range::known) {
                None if amount.is_some() => names(judgement.amount_open),
                _ => Vec::new(),
            },
            derivation: Vec::new(),
            ask: names(judgement.ask),
            cost: judgement.cost,
            is_exact: judgement.exact,
        }
    }

    /// Rounds an amount as the programme says.
    fn rounded(&self, range: Range) -> Range {
        let round = |amount| round(self.rounding, amount);
        Range { least: round(range.least), greatest: round(range.greatest), ..range }
    }

    /// Returns what is to be given back of a version when it ends early, and the unknown facts that it may depend on; `None` when nothing
    /// ever is.
    ///
    /// # Errors
    ///
    /// The expression fails.
    pub fn clawback(
        &self,
        version: &str,
        facts: &Facts,
        division: Option<&'static Division>,
    ) -> Result<Option<Clawback>, EvalError> {
        let variant = self.version(version).map(|version| version.variant(division));
        let Some((variant, rule)) =
            variant.and_then(|it| it.clawback.as_ref().map(|rule| (it, rule)))
        else {
            return Ok(None);
        };
        let judgement = rule.judge(&rule.bind(facts), &variant.values, Trace::Off)?;
        let open = rule.names(judgement.amount_open).cloned().collect();
        Ok(judgement.amount.map(|range| (self.rounded(range), open)))
    }
}

const fn verdict(state: State) -> Verdict {
    match state {
        State::Met => Verdict::Eligible,
        State::NotMet => Verdict::NotEligible,
        State::Unknown => Verdict::NeedsFacts,
    }
}

const fn state(state: State) -> CriterionState {
    match state {
        State::Met => CriterionState::Met,
        State::NotMet => CriterionState::NotMet,
        State::Unknown => CriterionState::Unknown,
    }
}

/// An answer without a version.
fn nothing(verdict: Verdict) -> Determined {
    Determined {
        verdict,
        version: None,
        selected_on: None,
        overlay: None,
        criteria: Vec::new(),
        amount: None,
        amount_open: Vec::new(),
        derivation: Vec::new(),
        ask: Vec::new(),
        cost: 0,
        is_exact: true,
    }
}

/// Brings an amount to whole minor units.
fn round(rounding: Rounding, amount: i64) -> i64 {
    let (whole, rest) = (amount.div_euclid(1000), amount.rem_euclid(1000));
    let up = whole.saturating_add(1);
    match rounding {
        Rounding::Unspecified | Rounding::Down => amount,
        Rounding::HalfUp if amount < 0 => {
            if rest > 500 {
                up
            } else {
                whole
            }
        }
        Rounding::HalfUp => {
            if rest >= 500 {
                up
            } else {
                whole
            }
        }
        Rounding::Up if amount < 0 => whole,
        Rounding::Up => {
            if rest > 0 {
                up
            } else {
                whole
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::pb::peshub::subsidies::v1::Rounding;
    use crate::subsidies::programme::determine::round;

    #[test]
    fn amounts_are_rounded_as_the_programme_says() {
        let rows = [
            (Rounding::Down, 66_667, 66_667),
            (Rounding::HalfUp, 1_499, 1),
            (Rounding::HalfUp, 1_500, 2),
            (Rounding::HalfUp, -1_499, -1),
            (Rounding::HalfUp, -1_500, -2),
            (Rounding::HalfUp, -1_501, -2),
            (Rounding::Up, 1_001, 2),
            (Rounding::Up, 1_000, 1),
            (Rounding::Up, -1_001, -2),
            (Rounding::Up, -1_000, -1),
            (Rounding::HalfUp, 0, 0),
        ];
        for (rounding, amount, expected) in rows {
            assert_eq!(round(rounding, amount), expected, "{rounding:?} {amount}");
        }
    }
}
