//! In what range an amount lies while facts are unknown.

use std::cmp::Reverse;

use crate::subsidies::evaluator::abstracted::{Outcomes, Values};
use crate::subsidies::evaluator::judgement::Range;
use crate::subsidies::evaluator::node::Node;
use crate::subsidies::evaluator::region::{Domain, Region};
use crate::subsidies::evaluator::rule::{Body, Compiled};
use crate::subsidies::evaluator::run::Cell;
use crate::subsidies::evaluator::search::{REGIONS_MAX, STEPS_MAX, Search, together};
use crate::subsidies::evaluator::split::Splitter;

/// What was found out about an amount.
pub(crate) enum Found {
    Range(Range),
    /// It has no value with which the criteria are met; if it always fails, how.
    None(Option<Cell>),
}

/// A region in which the criteria can be met, with what the amount can be there.
struct Open {
    region: Region,
    least: i64,
    greatest: i64,
}

struct Bounding<'a, 'b, 'c> {
    tools: &'a mut Splitter<'b, 'c>,
    criteria: &'a [&'a Compiled],
    amount: &'a Node,
    /// What the amount is known to reach.
    reached: Option<(i64, i64)>,
    error: Option<Cell>,
}

impl Search<'_> {
    /// Bounds the amount over all that the unknown facts can be with which these criteria are met.
    pub(crate) fn bound(&mut self, amount: &Body, criteria: &[&Compiled]) -> Found {
        let slots = self.unknown_of(criteria).with(self.unknown(amount.slots));
        let amount = &amount.node;
        let whole = self.region(slots);
        self.with_tools(|tools| {
            let mut work = Bounding { tools, criteria, amount, reached: None, error: None };
            work.bound(whole)
        })
    }
}

impl Bounding<'_, '_, '_> {
    fn bound(&mut self, whole: Region) -> Found {
        let mut open: Vec<Open> = Vec::new();
        // Regions that cannot be divided and are not settled.
        let mut stuck: Vec<Open> = Vec::new();
        open.extend(self.look(whole));
        let mut looked = 0_usize;
        while let Some(next) = self.next(&mut open) {
            looked = looked.saturating_add(1);
            if looked > REGIONS_MAX || self.tools.spans.cost > STEPS_MAX {
                stuck.push(next);
                break;
            }
            match self.divide(&next.region) {
                Some((one, two)) => {
                    open.extend(self.look(one));
                    open.extend(self.look(two));
                }
                None => stuck.push(next),
            }
        }
        let over = open.iter().chain(&stuck).map(|one| (one.least, one.greatest));
        let whole = over.chain(self.reached).reduce(|(a, b), (c, d)| (a.min(c), b.max(d)));
        match whole {
            Some((least, greatest)) => Found::Range(Range {
                least,
                greatest,
                exact: Some((least, greatest)) == self.reached,
            }),
            None => Found::None(self.error),
        }
    }

    /// Takes the region that reaches furthest beyond what is reached; `None`: none does.
    fn next(&self, open: &mut Vec<Open>) -> Option<Open> {
        let beyond = |one: &Open| match self.reached {
            None => i64::MAX,
            Some((least, greatest)) => {
                let above = one.greatest.saturating_sub(greatest);
                above.max(least.saturating_sub(one.least))
            }
        };
        open.retain(|one| beyond(one) > 0);
        let (index, _) =
            open.iter().enumerate().max_by_key(|(index, one)| (beyond(one), Reverse(*index)))?;
        Some(open.swap_remove(index))
    }

    /// Looks at a region: what the amount can be there, unless the criteria cannot be met or the amount always fails.
    fn look(&mut self, region: Region) -> Option<Open> {
        let mut ignored = None;
        let met = together(self.tools, self.criteria, &region, &mut ignored);
        if !met.has(Outcomes::TRUE) {
            return None;
        }
        let value = self.tools.spans.value(self.amount, &region);
        if met == Outcomes::TRUE {
            self.error = self.error.or(value.error);
        }
        let Values::Span(least, greatest) = value.values else { return None };
        for corner in corners(&region) {
            self.reach(&corner);
        }
        Some(Open { region, least, greatest })
    }

    /// Notes what the amount is at a point where the criteria are met.
    fn reach(&mut self, point: &Region) {
        let mut ignored = None;
        if together(self.tools, self.criteria, point, &mut ignored) != Outcomes::TRUE {
            return;
        }
        let value = self.tools.spans.value(self.amount, point);
        if let (Values::Span(least, greatest), None) = (value.values, value.error)
            && least == greatest
        {
            let (low, high) = self.reached.unwrap_or((least, least));
            self.reached = Some((low.min(least), high.max(least)));
        }
    }

    fn divide(&mut self, region: &Region) -> Option<(Region, Region)> {
        let mut ignored = None;
        if together(self.tools, self.criteria, region, &mut ignored) != Outcomes::TRUE
            && let Some(found) = self.tools.criteria(self.criteria, region)
        {
            return Some(found);
        }
        self.tools.number(self.amount, region)
    }
}

/// Up to how many spans every combination of their ends is tried.
const ENDS_MAX: u32 = 4;

/// Returns points of a region: the ends of its spans, in all combinations or together.
fn corners(region: &Region) -> Vec<Region> {
    let spans = region.domains.iter().filter(|(_, domain)| !domain.single()).count();
    let spans = u32::try_from(spans).unwrap_or(u32::MAX);
    let choices: Vec<u64> =
        if spans <= ENDS_MAX { (0..1_u64 << spans).collect() } else { vec![0, u64::MAX] };
    choices
        .into_iter()
        .map(|mut choice| {
            let mut point = region.clone();
            for (_, domain) in &mut point.domains {
                if domain.single() {
                    continue;
                }
                *domain = end(domain, choice & 1 == 1);
                choice >>= 1;
            }
            point
        })
        .collect()
}

fn end(domain: &Domain, upper: bool) -> Domain {
    match domain {
        Domain::Span(least, greatest) => {
            let value = if upper { *greatest } else { *least };
            Domain::Span(value, value)
        }
        Domain::Texts(texts) => {
            let text = if upper { texts.last() } else { texts.first() };
            Domain::Texts(text.copied().into_iter().collect())
        }
        Domain::Lists(lists) => {
            let list = if upper { lists.last() } else { lists.first() };
            Domain::Lists(list.copied().into_iter().collect())
        }
        Domain::AnyText | Domain::FreshText => Domain::FreshText,
        Domain::AnyList | Domain::OtherList => Domain::OtherList,
    }
}
