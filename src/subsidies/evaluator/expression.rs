//! A single expression, on its own.

use crate::subsidies::domain::{Definition, Facts};
use crate::subsidies::evaluator::defect::Defect;
use crate::subsidies::evaluator::judgement::{EvalError, Judgement};
use crate::subsidies::evaluator::row::Row;
use crate::subsidies::evaluator::rule::{CriterionSource, Rule, RuleSource, Trace};
use crate::subsidies::evaluator::{Scope, Wanted};
use std::sync::Arc;

/// A compiled expression.
#[derive(Clone, Debug)]
pub struct Expression {
    rule: Rule,
}

impl Expression {
    /// Compiles an expression.
    ///
    /// # Errors
    ///
    /// Every mistake in it.
    pub fn compile(source: &str, scope: &Scope<'_>, wanted: Wanted) -> Result<Self, Vec<Defect>> {
        let criterion = [CriterionSource { expression: source, wider: &[] }];
        let source = match wanted {
            Wanted::Truth => RuleSource { criteria: &criterion, amount: None },
            Wanted::Number => RuleSource { criteria: &[], amount: Some(source) },
        };
        match Rule::compile(&source, scope) {
            Ok(rule) => Ok(Self { rule }),
            Err(defects) => Err(defects.into_iter().map(|(_, defect)| defect).collect()),
        }
    }

    /// Returns the definitions of the facts that it reads, in the order of their names.
    #[must_use]
    pub fn facts(&self) -> &[Arc<Definition>] {
        self.rule.facts()
    }

    /// Returns how many steps it takes at most where all is known.
    #[must_use]
    pub fn cost_bound(&self) -> u64 {
        self.rule.cost_bound()
    }

    /// Returns the rule that it is: one criterion, or nothing but an amount.
    #[must_use]
    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// Puts facts into its slots.
    #[must_use]
    pub fn bind(&self, facts: &Facts) -> Row {
        self.rule.bind(facts)
    }

    /// Evaluates it. One that yields true or false answers in `verdict` and `ask`, one that yields a number in `amount` and
    /// `amount_open`.
    ///
    /// # Errors
    ///
    /// As [`Rule::judge`].
    pub fn judge(
        &self,
        row: &Row,
        parameters: &[i64],
        trace: Trace,
    ) -> Result<Judgement, EvalError> {
        self.rule.judge(row, parameters, trace)
    }
}
