//! What time does: the day on which the verdict turns, and the last day on which a claim can be filed.

use std::sync::Arc;

use crate::codes::divisions::Division;
use crate::subsidies::domain::{Day, Facts, Value};
use crate::subsidies::evaluator::judgement::{EvalError, State};
use crate::subsidies::evaluator::rule::Trace;
use crate::subsidies::programme::{CompiledProgramme, Deadline};

/// How many days ahead are looked at: ten years.
const DAYS_AHEAD: i32 = 3_653;
/// The last day that a fact can have: 2200-12-31.
const LAST: Day = Day(84_369);

impl CompiledProgramme {
    /// Returns the first day after today on which the verdict would be another if nothing but the day of the claim changed; `None` when
    /// there is none within ten years.
    ///
    /// # Errors
    ///
    /// An expression fails.
    pub fn turns_on(
        &self,
        facts: &Facts,
        division: Option<&'static Division>,
        today: Day,
    ) -> Result<Option<Day>, EvalError> {
        if self.moving.is_empty() {
            return Ok(None);
        }
        let mut facts = facts.clone();
        let mut verdict_on = |day: Day| {
            for name in &self.moving {
                facts.insert(Arc::clone(name), Value::Day(day));
            }
            self.determine(&facts, division, Trace::Off).map(|answer| answer.verdict)
        };
        let now = verdict_on(today)?;
        for days in 1..=DAYS_AHEAD {
            let day = today.plus(days);
            if verdict_on(day)? != now {
                return Ok(Some(day));
            }
        }
        Ok(None)
    }

    /// Returns the last day on which it can be filed, by the deadlines that are known; `None`: it is not limited, or it is not known how.
    ///
    /// # Errors
    ///
    /// An expression fails.
    pub fn last_day_to_file(&self, facts: &Facts, today: Day) -> Result<Option<Day>, EvalError> {
        let mut last: Option<Day> = None;
        for deadline in &self.deadlines {
            if let Some(day) = deadline.last_day(facts, today)? {
                last = Some(last.map_or(day, |last| last.min(day)));
            }
        }
        Ok(last)
    }
}

impl Deadline {
    /// Returns the last day that is in time. A deadline is met up to a day and not after it.
    fn last_day(&self, facts: &Facts, today: Day) -> Result<Option<Day>, EvalError> {
        let mut facts = facts.clone();
        let mut is_in_time = |day: Day| -> Result<Option<bool>, EvalError> {
            facts.insert(Arc::clone(&self.filed_on), Value::Day(day));
            let row = self.rule.bind(&facts);
            let judgement = self.rule.judge(&row, &self.values, Trace::Off)?;
            Ok(match judgement.criteria.first().map(|it| it.state) {
                Some(State::Met) => Some(true),
                Some(State::NotMet) => Some(false),
                Some(State::Unknown) | None => None,
            })
        };
        // From a day that is in time to one that is not.
        let (Some(now), Some(end)) = (is_in_time(today)?, is_in_time(LAST)?) else {
            return Ok(None);
        };
        if end {
            return Ok(None);
        }
        let mut good = today;
        let mut step = 1_i32;
        while !now && is_in_time(good)? != Some(true) {
            if step > DAYS_AHEAD {
                return Ok(None);
            }
            good = today.plus(step.saturating_neg());
            step = step.saturating_mul(2);
        }
        let mut bad = LAST;
        while bad.0.saturating_sub(good.0) > 1 {
            let middle = good.plus(bad.0.saturating_sub(good.0) / 2);
            if is_in_time(middle)? == Some(true) { good = middle } else { bad = middle }
        }
        Ok(Some(good))
    }
}
