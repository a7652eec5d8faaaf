//! Where a region is divided so that what is open becomes decided.

use std::sync::Arc;

use crate::subsidies::domain::Definition;
use crate::subsidies::evaluator::abstracted::{Abstract, Outcomes, Spans, Values};
use crate::subsidies::evaluator::node::{List, Node, Part};
use crate::subsidies::evaluator::region::{Domain, Region, Scale};
use crate::subsidies::evaluator::rule::Compiled;

/// Looks for divisions.
pub(crate) struct Splitter<'a, 'b> {
    pub(crate) spans: &'a mut Spans<'b>,
    /// The rule's facts, slot by slot.
    pub(crate) facts: &'a [Arc<Definition>],
}

impl Splitter<'_, '_> {
    /// Divides a region in which these criteria, all together, are open; `None` when it cannot be divided.
    pub(crate) fn criteria(
        &mut self,
        criteria: &[&Compiled],
        region: &Region,
    ) -> Option<(Region, Region)> {
        for body in criteria.iter().flat_map(|one| one.bodies().map(|(_, body)| body)) {
            if !self.spans.truth(&body.node, region).one()
                && let Some(found) = self.truth(&body.node, region)
            {
                return Some(found);
            }
        }
        None
    }

    /// Divides a region in which a truth is open.
    fn truth(&mut self, node: &Node, region: &Region) -> Option<(Region, Region)> {
        match node {
            Node::Not(inner) => self.truth(inner, region),
            Node::All(parts) | Node::Any(parts) => {
                for part in parts {
                    if !self.spans.truth(part, region).one()
                        && let Some(found) = self.truth(part, region)
                    {
                        return Some(found);
                    }
                }
                None
            }
            Node::Choose(parts, _) => {
                let [condition, then, otherwise] = parts.as_ref();
                let outcomes = self.spans.truth(condition, region);
                if outcomes == Outcomes::TRUE {
                    return self.truth(then, region);
                }
                if outcomes == Outcomes::FALSE {
                    return self.truth(otherwise, region);
                }
                self.truth(condition, region)
            }
            _ => self.conditions(node, region).or_else(|| self.atom(node, region)),
        }
    }

    /// Divides a region in which a number is open.
    pub(crate) fn number(&mut self, node: &Node, region: &Region) -> Option<(Region, Region)> {
        self.conditions(node, region).or_else(|| self.atom(node, region))
    }

    /// Divides by the open condition of a choice within.
    fn conditions(&mut self, node: &Node, region: &Region) -> Option<(Region, Region)> {
        if let Node::Choose(parts, _) = node {
            let [condition, ..] = parts.as_ref();
            if !self.spans.truth(condition, region).one()
                && let Some(found) = self.truth(condition, region)
            {
                return Some(found);
            }
        }
        if let Node::Fold(..) = node {
            return None;
        }
        let mut below = Vec::new();
        node.parts(&mut |part| below.push(part));
        below.into_iter().find_map(|part| match part {
            Part::Node(node) => self.conditions(node, region),
            Part::List(List::Items(items)) => {
                items.iter().find_map(|item| self.conditions(item, region))
            }
            Part::List(_) => None,
        })
    }

    /// Divides by one of the facts that something is made of: those with few values first.
    fn atom(&mut self, node: &Node, region: &Region) -> Option<(Region, Region)> {
        let mut slots = Vec::new();
        node.slots(&mut |slot| {
            let open = region.get(slot).is_some_and(|domain| !domain.single());
            if open && !slots.contains(&slot) {
                slots.push(slot);
            }
        });
        let weight = |slot: &u8| match region.get(*slot) {
            Some(Domain::Span(least, greatest)) => {
                greatest.saturating_sub(*least).saturating_neg().saturating_sub(3)
            }
            Some(Domain::Texts(_)) => -1,
            Some(Domain::AnyText) => -2,
            _ => -3,
        };
        let truth = |slot: &u8| matches!(region.get(*slot), Some(Domain::Span(0, 1)));
        let alone = slots.len() == 1;
        let slot = slots
            .iter()
            .find(|slot| truth(slot))
            .or_else(|| {
                slots.iter().filter(|slot| weight(slot) > -3).max_by_key(|slot| weight(slot))
            })
            .or_else(|| slots.iter().min_by_key(|slot| weight(slot)))
            .copied()?;
        match region.get(slot)?.clone() {
            Domain::Span(least, greatest) => {
                self.span((node, alone), region, slot, (least, greatest))
            }
            Domain::Texts(texts) => {
                let parted = self.parted(node, region, slot, &texts, Domain::Texts);
                Some(parted)
            }
            Domain::Lists(lists) => Some(self.parted(node, region, slot, &lists, Domain::Lists)),
            Domain::AnyText => {
                let texts: usize = self.spans.view.texts.iter().map(|texts| texts.len()).sum();
                let texts = (0..i64::try_from(texts).unwrap_or(i64::MAX)).collect();
                let known = region.with(slot, Domain::Texts(texts));
                Some((known, region.with(slot, Domain::FreshText)))
            }
            Domain::AnyList => {
                let lists: Arc<[usize]> = self.candidates(slot);
                Some((
                    region.with(slot, Domain::Lists(lists)),
                    region.with(slot, Domain::OtherList),
                ))
            }
            Domain::FreshText | Domain::OtherList => None,
        }
    }

    fn candidates(&self, slot: u8) -> Arc<[usize]> {
        let of = self.spans.items.iter().find(|(one, ..)| *one == slot);
        of.map_or_else(|| Arc::from([]), |(_, _, candidates)| candidates.clone().collect())
    }

    /// Divides values into those with which it is what it is with the first one, and the others.
    fn parted<T: Copy>(
        &mut self,
        node: &Node,
        region: &Region,
        slot: u8,
        values: &Arc<[T]>,
        domain: impl Fn(Arc<[T]>) -> Domain,
    ) -> (Region, Region) {
        let mut region_of_one = region.clone();
        let mut signs = Vec::with_capacity(values.len());
        for value in values.iter() {
            region_of_one.set(slot, domain(Arc::new([*value])));
            signs.push(sign(&self.spans.value(node, &region_of_one)));
        }
        let first = signs.first().copied();
        let alike = signs.iter().all(|sign| Some(*sign) == first);
        let pick = |same: bool| {
            let chosen = values.iter().zip(&signs).enumerate().filter(|(number, (_, sign))| {
                let is_first = if alike { *number == 0 } else { Some(**sign) == first };
                is_first == same
            });
            chosen.map(|(_, (value, _))| *value).collect::<Arc<[T]>>()
        };
        (region.with(slot, domain(pick(true))), region.with(slot, domain(pick(false))))
    }

    /// Divides a span where the expression turns, or in the middle.
    fn span(
        &mut self,
        (node, alone): (&Node, bool),
        region: &Region,
        slot: u8,
        (least, greatest): (i64, i64),
    ) -> Option<(Region, Region)> {
        let scale = Scale::of(self.facts.get(usize::from(slot))?);
        let (low, high) = (scale.down(least), scale.down(greatest));
        let mut cut = low.midpoint(high).min(high.checked_sub(1)?);
        if alone {
            let mut probe = |number: i64| {
                let value = scale.up(number);
                self.probe(node, &region.with(slot, Domain::Span(value, value)))
            };
            let at_low = probe(low);
            if at_low == probe(high) {
                if let Node::InSlot(_, values) = node {
                    let above = |value: &&i64| **value > least && **value <= greatest;
                    cut = match values.iter().filter(above).min() {
                        Some(_) if values.contains(&least) => low,
                        Some(next) => next.saturating_sub(1),
                        None => low,
                    };
                }
            } else {
                let (mut before, mut after) = (low, high);
                while after.saturating_sub(before) > 1 {
                    let middle = before.midpoint(after);
                    if probe(middle) == at_low {
                        before = middle;
                    } else {
                        after = middle;
                    }
                }
                cut = before;
            }
        }
        let upper = cut.checked_add(1)?;
        Some((
            region.with(slot, Domain::Span(least, scale.up(cut))),
            region.with(slot, Domain::Span(scale.up(upper), greatest)),
        ))
    }

    /// How something stands at a point: for a comparison, which side is greater.
    fn probe(&mut self, node: &Node, region: &Region) -> i64 {
        let sides = self.spans.sides(node, region);
        match sides.map(|(_, left, right)| (left.values, right.values)) {
            Some((Values::Span(a, b), Values::Span(c, d))) if a == b && c == d => match a.cmp(&c) {
                std::cmp::Ordering::Less => -1,
                std::cmp::Ordering::Equal => 0,
                std::cmp::Ordering::Greater => 1,
            },
            _ => sign(&self.spans.value(node, region)),
        }
    }
}

/// A number by which two that differ are told apart.
fn sign(value: &Abstract) -> i64 {
    let error = i64::from(value.error.is_some());
    match &value.values {
        Values::Span(least, greatest) if least == greatest => {
            least.wrapping_mul(2).wrapping_add(error)
        }
        Values::Texts(texts) if texts.len() == 1 => {
            texts.first().map_or(0, |text| text.wrapping_mul(2).wrapping_add(error))
        }
        Values::None => i64::MAX,
        _ => i64::MIN,
    }
}
