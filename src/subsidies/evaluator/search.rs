//! Which unknown facts can still change an answer: found by dividing what they can be into regions that are decided.

use std::collections::VecDeque;
use std::ops::Range as Between;

use crate::subsidies::evaluator::abstracted::Spans;
use crate::subsidies::evaluator::cell::{Cell, Outcome as _};
use crate::subsidies::evaluator::judgement::SlotSet;
use crate::subsidies::evaluator::possible::Outcomes;
use crate::subsidies::evaluator::region::{Candidates, Domain, Region, constants, domain, single};
use crate::subsidies::evaluator::rule::{Compiled, Rule};
use crate::subsidies::evaluator::run::View;
use crate::subsidies::evaluator::split::Splitter;

/// How many regions are looked at for one question.
pub(crate) const REGIONS_MAX: usize = 512;
/// After how many steps regions of one judgement are not divided any further.
pub(crate) const STEPS_MAX: u64 = 1_000_000;

/// Between which outcomes a fact alone can turn an answer, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Turns(u8);

impl Turns {
    const TRUE_FALSE: u8 = 1;
    const TRUE_ERROR: u8 = 2;
    const FALSE_ERROR: u8 = 4;

    fn between(one: Outcomes, two: Outcomes) -> Self {
        let pair =
            |a: Outcomes, b: Outcomes| (one.has(a) && two.has(b)) || (one.has(b) && two.has(a));
        let mut turns = 0;
        if pair(Outcomes::TRUE, Outcomes::FALSE) {
            turns |= Self::TRUE_FALSE;
        }
        if pair(Outcomes::TRUE, Outcomes::ERROR) {
            turns |= Self::TRUE_ERROR;
        }
        if pair(Outcomes::FALSE, Outcomes::ERROR) {
            turns |= Self::FALSE_ERROR;
        }
        Self(turns)
    }

    /// Whether it shows where the answer is wanted together with others that have these outcomes.
    pub(crate) fn shows(self, others: Outcomes) -> bool {
        if others.has(Outcomes::TRUE) {
            return self.0 != 0;
        }
        others.has(Outcomes::ERROR) && self.0 & (Self::TRUE_FALSE | Self::FALSE_ERROR) != 0
    }
}

/// What was found out about some criteria taken together.
#[derive(Clone, Debug)]
pub(crate) struct Findings {
    /// Outcomes that there are.
    pub(crate) certain: Outcomes,
    /// Outcomes that there may be: the same unless looking further took too long.
    pub(crate) possible: Outcomes,
    /// For each unknown fact that can turn it: how, for certain and possibly.
    pub(crate) turns: Vec<(u8, Turns, Turns)>,
    /// An error that happens in some region.
    pub(crate) error: Option<Cell>,
}

impl Findings {
    /// The unknown facts that can or may turn it.
    pub(crate) fn open(&self) -> SlotSet {
        let mut set = SlotSet::default();
        self.turns.iter().filter(|(.., possible)| possible.0 != 0).for_each(|(slot, ..)| {
            set.insert(*slot);
        });
        set
    }
}

struct Leaf {
    region: Region,
    outcomes: Outcomes,
}

/// A search over what a row's unknown facts can be.
pub(crate) struct Search<'a> {
    rule: &'a Rule,
    view: View<'a>,
    candidates: Candidates,
    /// Unknown facts with what they, and for lists their items, can be.
    domains: Vec<(u8, Domain)>,
    unknown: SlotSet,
    items: Vec<(u8, Domain, Between<usize>)>,
    pub(crate) cost: u64,
}

impl<'a> Search<'a> {
    pub(crate) fn new(rule: &'a Rule, view: View<'a>) -> Self {
        let known = |slot: usize| view.known.contains(slot);
        let lists = rule.facts.iter().enumerate();
        let lists = lists.filter(|(slot, fact)| fact.max_items.is_some() && !known(*slot)).count();
        let mut found = Vec::new();
        if lists > 0 {
            let bodies = rule.criteria.iter().flat_map(|one| one.bodies().map(|(_, body)| body));
            bodies.chain(&rule.amount).for_each(|body| constants(&body.node, &mut found));
        }
        let mut search = Self {
            rule,
            view,
            candidates: Candidates::default(),
            domains: Vec::new(),
            unknown: SlotSet::default(),
            items: Vec::new(),
            cost: 0,
        };
        for (slot, definition) in (0_u8..).zip(&rule.facts) {
            if known(usize::from(slot)) {
                continue;
            }
            let from = search.candidates.lists.len();
            let whole = domain(definition, &view, &found, &mut search.candidates);
            search.domains.push((slot, whole));
            search.unknown.insert(slot);
            if definition.max_items.is_some() {
                let candidates = from..search.candidates.lists.len();
                search.items.push((slot, single(definition, &view), candidates));
            }
        }
        search
    }

    /// Returns all that the unknown facts among some can be.
    pub(crate) fn region(&self, slots: SlotSet) -> Region {
        let of = |(slot, _): &&(u8, Domain)| slots.contains(usize::from(*slot));
        Region { domains: self.domains.iter().filter(of).cloned().collect() }
    }

    /// Returns the unknown ones of some facts.
    pub(crate) fn unknown(&self, slots: SlotSet) -> SlotSet {
        SlotSet(slots.0 & self.unknown.0)
    }

    pub(crate) fn unknown_of(&self, criteria: &[&Compiled]) -> SlotSet {
        let slots = criteria.iter().fold(SlotSet::default(), |set, one| set.with(one.slots()));
        self.unknown(slots)
    }

    pub(crate) fn with_tools<T>(&mut self, work: impl FnOnce(&mut Splitter<'_, '_>) -> T) -> T {
        let mut spans = Spans::new(self.view, &self.candidates.lists, &self.items);
        spans.cost = self.cost;
        let mut splitter = Splitter { spans: &mut spans, facts: &self.rule.facts };
        let done = work(&mut splitter);
        self.cost = spans.cost;
        done
    }

    /// Finds out what some criteria, all together, can be, and which unknown facts can turn that.
    pub(crate) fn find(&mut self, criteria: &[&Compiled]) -> Findings {
        let slots = self.unknown_of(criteria);
        let whole = self.region(slots);
        self.with_tools(|tools| explore(tools, criteria, whole))
    }

    pub(crate) fn view(&self) -> View<'a> {
        self.view
    }

    pub(crate) fn rule(&self) -> &'a Rule {
        self.rule
    }
}

/// What some criteria, all together, can be in a region.
pub(crate) fn together(
    tools: &mut Splitter<'_, '_>,
    criteria: &[&Compiled],
    region: &Region,
    error: &mut Option<Cell>,
) -> Outcomes {
    let mut parts = Vec::with_capacity(criteria.len());
    for criterion in criteria {
        let mut own = Vec::new();
        for (number, (_, body)) in (0_i64..).zip(criterion.bodies()) {
            let value = tools.spans.value(&body.node, region);
            *error = error.or(value.error.map(|cell| cell.of_source(number)));
            own.push(value.outcomes());
        }
        parts.push(Outcomes::any(own));
    }
    Outcomes::all(parts)
}

fn explore(tools: &mut Splitter<'_, '_>, criteria: &[&Compiled], whole: Region) -> Findings {
    let turns = whole.domains.iter().map(|(slot, _)| (*slot, Turns::default(), Turns::default()));
    let mut found = Findings {
        certain: Outcomes::NONE,
        possible: Outcomes::NONE,
        turns: turns.collect(),
        error: None,
    };
    let mut leaves: Vec<Leaf> = Vec::new();
    let mut waiting = VecDeque::from([whole]);
    let mut looked = 0_usize;
    while let Some(region) = waiting.pop_front() {
        looked = looked.saturating_add(1);
        let outcomes = together(tools, criteria, &region, &mut found.error);
        let room =
            looked.saturating_add(waiting.len()) < REGIONS_MAX && tools.spans.cost < STEPS_MAX;
        if !outcomes.one()
            && room
            && let Some((one, two)) = tools.criteria(criteria, &region)
        {
            waiting.extend([one, two]);
            continue;
        }
        let leaf = Leaf { region, outcomes };
        found.take(&leaves, &leaf);
        leaves.push(leaf);
        if found.settled() && !waiting.is_empty() {
            // Every fact turns it between true and false: what is left to look at adds errors at most.
            found.possible = found.possible.with(Outcomes::ERROR);
            break;
        }
    }
    found
}

impl Findings {
    /// Takes in a region that is not divided further.
    fn take(&mut self, leaves: &[Leaf], leaf: &Leaf) {
        let sure = leaf.outcomes.one();
        self.possible = self.possible.with(leaf.outcomes);
        if sure {
            self.certain = self.certain.with(leaf.outcomes);
        } else {
            let turns = Turns::between(leaf.outcomes, leaf.outcomes);
            for (slot, _, possible) in &mut self.turns {
                if leaf.region.get(*slot).is_some_and(|domain| !domain.point()) {
                    possible.0 |= turns.0;
                }
            }
        }
        for other in leaves {
            let turns = Turns::between(leaf.outcomes, other.outcomes);
            if turns.0 == 0 {
                continue;
            }
            for (slot, certain, possible) in &mut self.turns {
                let sure = sure && other.outcomes.one();
                let news = turns.0 & !if sure { certain.0 } else { possible.0 };
                if news != 0 && leaf.region.meets_but_for(*slot, &other.region) {
                    possible.0 |= turns.0;
                    certain.0 |= if sure { turns.0 } else { 0 };
                }
            }
        }
    }

    fn settled(&self) -> bool {
        self.turns.iter().all(|(_, certain, _)| certain.0 & Turns::TRUE_FALSE != 0)
    }
}
