//! A rule: criteria that must all be met, and an amount.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use crate::subsidies::domain::{Definition, Facts};
use crate::subsidies::evaluator::cell::{Cell, Outcome};
use crate::subsidies::evaluator::check::{Checker, Type, check};
use crate::subsidies::evaluator::days::unpack;
use crate::subsidies::evaluator::defect::{Defect, DefectCode, Place};
use crate::subsidies::evaluator::judgement::{
    DerivationStep, EvalError, Judgement, Range, SlotSet,
};
use crate::subsidies::evaluator::node::Node;
use crate::subsidies::evaluator::row::Row;
use crate::subsidies::evaluator::run::{Run, Step, View};
use crate::subsidies::evaluator::tree::Tree;
use crate::subsidies::evaluator::vocabulary::Vocabulary;
use crate::subsidies::evaluator::{COST_MAX, FACTS_MAX, Scope, Wanted};

/// A rule as it is written.
#[derive(Clone, Copy, Debug)]
pub struct RuleSource<'a> {
    /// All must be met.
    pub criteria: &'a [CriterionSource<'a>],
    /// An expression that yields a number; absent: there is no amount.
    pub amount: Option<&'a str>,
}

/// A criterion as it is written.
#[derive(Clone, Copy, Debug)]
pub struct CriterionSource<'a> {
    /// An expression that yields true or false.
    pub expression: &'a str,
    /// Expressions that make it wider: it is met when its own one or any of these is true.
    pub wider: &'a [&'a str],
}

/// Which of a rule's expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Which {
    /// A criterion's own, by its place in the rule.
    Criterion(usize),
    /// One that makes a criterion wider, by its place in the rule and among these.
    Wider(usize, usize),
    /// The amount's.
    Amount,
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Criterion(index) => write!(f, "criteria[{index}]"),
            Self::Wider(index, wider) => write!(f, "criteria[{index}].wider[{wider}]"),
            Self::Amount => f.write_str("amount"),
        }
    }
}

/// What is wanted besides the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trace {
    /// Nothing.
    Off,
    /// The facts that each criterion read.
    Reads,
    /// These, and the amount's derivation.
    On,
}

/// A compiled rule.
#[derive(Clone, Debug)]
pub struct Rule {
    pub(crate) facts: Vec<Arc<Definition>>,
    pub(crate) kinds: Vec<Type>,
    pub(crate) vocabulary: Vocabulary,
    pub(crate) criteria: Vec<Compiled>,
    pub(crate) amount: Option<Body>,
}

/// A compiled criterion: met when any of its expressions is true.
#[derive(Clone, Debug)]
pub(crate) struct Compiled {
    pub(crate) own: Body,
    pub(crate) wider: Vec<Body>,
}

/// A compiled expression.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    pub(crate) source: Box<str>,
    pub(crate) node: Node,
    /// The facts it reads.
    pub(crate) slots: SlotSet,
}

impl Body {
    fn new(source: &str, node: Node) -> Self {
        let mut slots = SlotSet::default();
        node.slots(&mut |slot| slots.insert(slot));
        Self { source: source.into(), node, slots }
    }
}

impl Rule {
    /// Compiles a rule.
    ///
    /// # Errors
    ///
    /// Every mistake, with the expression it is in.
    pub fn compile(
        source: &RuleSource<'_>,
        scope: &Scope<'_>,
    ) -> Result<Self, Vec<(Which, Defect)>> {
        let mut texts = Vec::new();
        for (index, criterion) in source.criteria.iter().enumerate() {
            texts.push((Which::Criterion(index), criterion.expression, Wanted::Truth));
            for (wider, expression) in criterion.wider.iter().enumerate() {
                texts.push((Which::Wider(index, wider), expression, Wanted::Truth));
            }
        }
        texts.extend(source.amount.map(|amount| (Which::Amount, amount, Wanted::Number)));
        compile(&texts, scope)
    }

    /// Returns the definitions of the facts that it reads, in the order of their names: slot by slot.
    #[must_use]
    pub fn facts(&self) -> &[Arc<Definition>] {
        &self.facts
    }

    /// Returns the names of the facts of a set, in order.
    pub fn names(&self, set: SlotSet) -> impl Iterator<Item = &Arc<str>> {
        self.facts
            .iter()
            .enumerate()
            .filter(move |(slot, _)| set.contains(*slot))
            .map(|(_, definition)| &definition.name)
    }

    /// Returns how many criteria it has.
    #[must_use]
    pub fn criteria(&self) -> usize {
        self.criteria.len()
    }

    /// Returns the facts that a criterion reads, known or not.
    #[must_use]
    pub fn facts_of_criterion(&self, index: usize) -> SlotSet {
        self.criteria.get(index).map_or(SlotSet::default(), Compiled::slots)
    }

    /// Returns the facts that the amount reads, known or not.
    #[must_use]
    pub fn facts_of_amount(&self) -> SlotSet {
        self.amount.as_ref().map_or(SlotSet::default(), |amount| amount.slots)
    }

    /// Returns how many steps it takes at most where all is known.
    #[must_use]
    pub fn cost_bound(&self) -> u64 {
        let criteria = self.criteria.iter().flat_map(|one| one.bodies().map(|(_, body)| body));
        criteria.chain(&self.amount).fold(0, |sum, body| sum.saturating_add(body.node.bound()))
    }

    /// Puts facts into the rule's slots. A value of another kind than its fact's is as if it were not there.
    #[must_use]
    pub fn bind(&self, facts: &Facts) -> Row {
        let mut row = Row::default();
        self.bind_into(facts, &mut row);
        row
    }

    /// The same into a row of this rule that is there already.
    pub fn bind_into(&self, facts: &Facts, row: &mut Row) {
        row.fill(&self.facts, &self.vocabulary, facts);
    }

    /// Returns the steps by which the amount came about; empty where it is a range or where no trace was wanted.
    #[must_use]
    pub fn derivation(&self, row: &Row, judgement: &Judgement) -> Vec<DerivationStep> {
        let Some(amount) = &self.amount else { return Vec::new() };
        let view = row.view(&self.vocabulary, &[]);
        let whole = Step {
            place: Place::new(0, amount.source.len()),
            kind: Type::Number,
            bits: judgement.amount.and_then(Range::known).unwrap_or_default(),
        };
        let steps = judgement.steps.iter();
        let last = steps.clone().last().map(|step| step.place.of(&amount.source));
        let whole = (!judgement.steps.is_empty() || judgement.amount.is_some())
            .then_some(&whole)
            .filter(|_| last != Some(amount.source.trim()));
        steps
            .chain(whole)
            .map(|step| DerivationStep {
                expression: step.place.of(&amount.source).trim().to_owned(),
                value: rendered(&view, step),
            })
            .collect()
    }

    pub(crate) fn error(&self, which: Which, cell: Cell) -> EvalError {
        let (kind, place) = cell.what();
        let (which, body) = match which {
            Which::Criterion(index) | Which::Wider(index, _) => {
                let found = self.criteria.get(index).and_then(|one| one.failing(cell));
                found.map_or((which, None), |(wider, body)| match wider {
                    Some(wider) => (Which::Wider(index, wider), Some(body)),
                    None => (Which::Criterion(index), Some(body)),
                })
            }
            Which::Amount => (which, self.amount.as_ref()),
        };
        EvalError::new(which, body.map_or("", |body| &body.source), kind, place)
    }
}

impl Compiled {
    /// Returns its expressions, the own one first.
    pub(crate) fn bodies(&self) -> impl Iterator<Item = (Option<usize>, &Body)> {
        let wider = self.wider.iter().enumerate().map(|(index, body)| (Some(index), body));
        std::iter::once((None, &self.own)).chain(wider)
    }

    /// Returns the facts that they read.
    pub(crate) fn slots(&self) -> SlotSet {
        self.bodies().fold(SlotSet::default(), |set, (_, body)| set.with(body.slots))
    }

    /// Evaluates it: true when any of its expressions is.
    #[inline]
    pub(crate) fn eval<'a, V: Outcome>(&'a self, run: &mut Run<'a, V>) -> V {
        let own = run.eval(&self.own.node);
        if self.wider.is_empty() { own } else { self.widened(run, own) }
    }

    #[cold]
    fn widened<'a, V: Outcome>(&'a self, run: &mut Run<'a, V>, own: V) -> V {
        let mut found = own;
        for (number, body) in (1_i64..).zip(&self.wider) {
            if found.bits() == Some(1) {
                return found;
            }
            let wider = run.eval(&body.node).of_source(number);
            found = match wider.bits() {
                Some(_) if found.bits().is_some() => wider,
                Some(1) => wider,
                _ => found.weaker(wider),
            };
        }
        found
    }

    /// Returns the expression in which an error happened.
    fn failing(&self, cell: Cell) -> Option<(Option<usize>, &Body)> {
        self.bodies().nth(usize::try_from(cell.source()).unwrap_or_default())
    }
}

/// Compiles expressions that share their slots.
fn compile(
    texts: &[(Which, &str, Wanted)],
    scope: &Scope<'_>,
) -> Result<Rule, Vec<(Which, Defect)>> {
    let mut defects = Vec::new();
    let mut names = BTreeSet::new();
    let mut trees = Vec::new();
    for (which, source, wanted) in texts {
        match Tree::read(source) {
            Ok(tree) => {
                tree.names(&mut |name| {
                    names.extend(scope.catalogue.get(name).map(|found| Arc::clone(&found.name)));
                });
                if names.len() > FACTS_MAX {
                    let detail = format!("a rule reads at most {FACTS_MAX} facts");
                    let code = DefectCode::TooManyFacts;
                    defects.push((*which, Defect::new(code, source, tree.place, detail)));
                    return Err(defects);
                }
                trees.push((*which, *source, *wanted, tree));
            }
            Err(defect) => defects.push((*which, defect)),
        }
    }
    let facts: Vec<_> =
        names.iter().filter_map(|name| scope.catalogue.get(name).cloned()).collect();
    let slots = names.into_iter().zip(0_u8..).collect::<HashMap<_, _>>();
    let mut vocabulary = Vocabulary::default();
    for choice in facts.iter().flat_map(|definition| definition.choices.iter()) {
        vocabulary.number(choice);
    }
    let mut checker = Checker { scope: *scope, slots, vocabulary: &mut vocabulary };
    let mut bodies = Vec::new();
    for (which, source, wanted, tree) in &trees {
        match check(&mut checker, source, tree, *wanted)
            .and_then(|node| bounded(source, tree, node))
        {
            Ok(node) => bodies.push((*which, Body::new(source, node))),
            Err(found) => defects.extend(found.into_iter().map(|defect| (*which, defect))),
        }
    }
    if !defects.is_empty() {
        return Err(defects);
    }
    let kinds = facts.iter().map(|definition| Type::of(definition.kind)).collect();
    let mut rule = Rule { facts, kinds, vocabulary, criteria: Vec::new(), amount: None };
    for (which, body) in bodies {
        match which {
            Which::Criterion(_) => rule.criteria.push(Compiled { own: body, wider: Vec::new() }),
            Which::Wider(..) => {
                if let Some(criterion) = rule.criteria.last_mut() {
                    criterion.wider.push(body);
                }
            }
            Which::Amount => rule.amount = Some(body),
        }
    }
    Ok(rule)
}

fn bounded(source: &str, tree: &Tree, node: Node) -> Result<Node, Vec<Defect>> {
    let bound = node.bound();
    if bound <= COST_MAX {
        return Ok(node);
    }
    let detail = format!("up to {bound} steps; an expression takes at most {COST_MAX}");
    Err(vec![Defect::new(DefectCode::TooCostly, source, tree.place, detail)])
}

fn rendered(view: &View<'_>, step: &Step) -> String {
    match step.kind {
        Type::Number | Type::Nothing => step.bits.to_string(),
        Type::Day => unpack(step.bits).to_string(),
        Type::Truth => (step.bits != 0).to_string(),
        Type::Text => view.text(step.bits).to_owned(),
    }
}
