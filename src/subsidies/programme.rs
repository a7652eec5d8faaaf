//! A programme as it answers: compiled from what a bureau published and from the catalogue. Pure.
//!
//! A programme has versions, of which a date picks one; a version has criteria, an amount, and overlays for regions. What is never
//! done: a fact that is not known counts as no value, an overlay never makes a criterion harder or adds one, and an error of an
//! expression never becomes a verdict.

pub mod canonical;
pub mod cases;
pub mod claims;
pub mod compare;
pub mod compile;
pub mod determine;
pub mod finding;
pub mod horizon;
pub mod question;
pub mod review;
pub mod structure;
pub mod vary;

use std::collections::HashMap;
use std::sync::Arc;

use crate::codes::divisions::Division;
use crate::pb::peshub::subsidies::v1 as pb;
use crate::subsidies::domain::Day;
use crate::subsidies::evaluator::rule::Rule;
use crate::subsidies::programme::vary::Marks;

/// A programme that can answer.
#[derive(Clone, Debug)]
pub struct CompiledProgramme {
    /// Its name.
    pub name: Arc<str>,
    /// Who is paid.
    pub payee: pb::Payee,
    /// ISO 4217.
    pub currency: Arc<str>,
    /// Where it holds, with all below.
    pub divisions: Vec<&'static Division>,
    /// The fact that picks the version.
    pub select: Arc<str>,
    /// Whether claims are held after the last version.
    pub holds_after_end: bool,
    /// How amounts are rounded.
    pub rounding: pb::Rounding,
    /// Whether the bureau decides freely up to the amount.
    pub is_discretionary: bool,
    /// Whether the bureau makes offers by itself.
    pub is_proactive: bool,
    /// Days within which a decision can be appealed; 0: not said.
    pub appeal_days: i32,
    /// Once for what.
    pub once_per: Vec<OncePer>,
    /// What it excludes.
    pub exclusive_with: Vec<Exclusion>,
    /// Until when something must be done.
    pub deadlines: Vec<Deadline>,
    /// What holds when, in order of the days.
    pub versions: Vec<CompiledVersion>,
    /// Every fact that it reads, in order of their names: the selecting one, those of expressions, keys and deadlines.
    pub facts: Arc<[Arc<str>]>,
    /// Those of them that are the day of the claim.
    pub moving: Vec<Arc<str>>,
    /// What its expressions compare with.
    pub marks: Marks,
    /// How each fact can be shown, by name.
    pub shown_by: HashMap<Arc<str>, Shown>,
}

/// How a fact can be shown.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// Kinds of documents.
    pub evidence: Vec<String>,
    /// Names of credential types.
    pub credential_types: Vec<String>,
}

/// What holds between two days.
#[derive(Clone, Debug)]
pub struct CompiledVersion {
    /// Its name.
    pub name: Arc<str>,
    /// First day.
    pub from: Day,
    /// Last day, inclusive.
    pub to: Day,
    /// Ids of its criteria, in their order.
    pub criteria: Vec<Arc<str>>,
    /// Names of its parameters, in the order of their values.
    pub parameters: Vec<Arc<str>>,
    /// What answers without an overlay.
    pub base: Variant,
    /// What answers in regions, by the token of the division.
    pub overlays: HashMap<&'static str, Variant>,
}

/// What answers: a rule, and the values of its parameters.
#[derive(Clone, Debug)]
pub struct Variant {
    /// Criteria and amount.
    pub rule: Arc<Rule>,
    /// What is to be given back when it ends early; a rule without criteria.
    pub clawback: Option<Arc<Rule>>,
    /// Values of the version's parameters.
    pub values: Arc<[i64]>,
    /// The division whose overlay it is; `None` without one.
    pub overlay: Option<&'static Division>,
}

/// Part of a key: a subject of the application, or a fact.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyPart {
    /// The employer.
    Employer,
    /// The worker.
    Worker,
    /// The value of a fact.
    Fact(Arc<str>),
}

/// For how long a claim keeps others out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// For good.
    Forever,
    /// Calendar years, counted from that of the selecting day, both ways.
    CalendarYears(i32),
    /// Months from the selecting day on.
    Months(i32),
}

/// Once for what.
#[derive(Clone, Debug)]
pub struct OncePer {
    /// What is claimed once.
    pub key: Vec<KeyPart>,
    /// For how long.
    pub window: Window,
}

/// A programme that excludes another.
#[derive(Clone, Debug)]
pub struct Exclusion {
    /// The other's name.
    pub programme: Arc<str>,
    /// For what.
    pub key: Vec<KeyPart>,
}

/// A day until which something must be done.
#[derive(Clone, Debug)]
pub struct Deadline {
    /// Its id.
    pub id: Arc<str>,
    /// The fact that moves.
    pub filed_on: Arc<str>,
    /// One criterion: in time.
    pub rule: Arc<Rule>,
    /// Values of the programme's parameters.
    pub values: Arc<[i64]>,
}

impl CompiledProgramme {
    /// Returns whether it holds in a division.
    #[must_use]
    pub fn holds_in(&self, division: &'static Division) -> bool {
        self.divisions.iter().any(|own| division.lies_within(own))
    }

    /// Returns the version for a day of the selecting fact.
    #[must_use]
    pub fn version_on(&self, day: Day) -> Option<&CompiledVersion> {
        self.versions.iter().find(|version| version.from <= day && day <= version.to)
    }

    /// Returns a version by its name.
    #[must_use]
    pub fn version(&self, name: &str) -> Option<&CompiledVersion> {
        self.versions.iter().find(|version| version.name.as_ref() == name)
    }

    /// Returns whether claims of a day are held: it is after the last version of a programme that holds them then.
    #[must_use]
    pub fn holds_claims_of(&self, day: Day) -> bool {
        let last = self.versions.iter().map(|version| version.to).max();
        self.holds_after_end && last.is_some_and(|last| last < day)
    }
}

impl CompiledVersion {
    /// Returns the most steps that an answer takes where all is known.
    #[must_use]
    pub fn cost_bound(&self) -> u64 {
        let variants = self.overlays.values().chain([&self.base]);
        variants.map(|variant| variant.rule.cost_bound()).max().unwrap_or_default()
    }

    /// Returns what answers in a division: the overlay of the nearest division that has one, or the base.
    #[must_use]
    pub fn variant(&self, division: Option<&'static Division>) -> &Variant {
        let mut tokens = division.into_iter().flat_map(Division::path_tokens);
        tokens.find_map(|token| self.overlays.get(token)).unwrap_or(&self.base)
    }
}
