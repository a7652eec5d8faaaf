//! The evaluator: expressions over facts of which some are unknown.
//!
//! The language is a subset of CEL (<https://cel.dev>): whole numbers, dates, truths, texts, and lists of them with a maximum. An
//! expression is read with every bound checked, checked against the catalogue, compiled to slots, and evaluated three-valued: what is
//! unknown stays unknown until no value of it could make a difference. `docs/guides/expressions.md` describes the language,
//! `docs/decisions/0016-own-evaluator.md` why it is our own.
//!
//! Pure: no clock, no input or output, and the same answer on every machine.

pub mod expression;

pub mod rule;

pub mod row;

pub mod judgement;

pub mod columns;

pub mod defect;

mod token;

mod tree;

mod check;

mod vocabulary;

mod node;

mod days;

mod run;

mod judge;

mod region;

mod abstracted;

mod split;

mod search;

mod bounds;

mod block;

use std::sync::Arc;

use crate::subsidies::domain::Catalogue;

/// Number of this evaluator. Another number may answer, ask or count otherwise; decisions record it.
pub const VERSION: i32 = 1;

/// How many bytes an expression has at most.
pub const LENGTH_MAX: usize = 8 * 1024;
/// How deep brackets and operators are nested at most.
pub const NESTING_MAX: usize = 64;
/// How many steps an expression takes at its worst, with lists as long as they can be.
pub const COST_MAX: u64 = 100_000;
/// How many facts a rule reads at most.
pub const FACTS_MAX: usize = 64;
/// How many comprehensions stand within one another at most.
pub const LOCALS_MAX: usize = 4;

/// What expressions may refer to.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// The facts that there are.
    pub catalogue: &'a Catalogue,
    /// Names of the parameters, without `param.`, in the order in which their values are given.
    pub parameters: &'a [Arc<str>],
}

/// What an expression has to yield.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// True or false.
    Truth,
    /// A number.
    Number,
}
