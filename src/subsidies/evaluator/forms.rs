//! The shortest forms of what laws write most often.

use crate::subsidies::evaluator::check::Type;
use crate::subsidies::evaluator::node::{Compare, List, Node};

/// Returns a list that is written out; one of constants is a constant.
pub(crate) fn listed(nodes: Vec<Node>) -> List {
    let constant = |node: &Node| if let Node::Const(value) = node { Some(*value) } else { None };
    match nodes.iter().map(constant).collect() {
        Some(values) => List::Const(values),
        None => List::Items(nodes.into()),
    }
}

/// Returns a comparison, in its shortest form.
pub(crate) fn compared(compare: Compare, left: Node, right: Node, kind: Type) -> Node {
    if kind == Type::Text && !matches!(compare, Compare::Equal | Compare::Unequal) {
        return Node::CompareText(compare, Box::new([left, right]));
    }
    match (left, right) {
        (Node::Slot(slot, _), Node::Const(value)) => Node::CompareSlot(compare, slot, value),
        (Node::Const(value), Node::Slot(slot, _)) => {
            Node::CompareSlot(compare.flipped(), slot, value)
        }
        // A fact is equal to itself, whatever it is.
        (Node::Slot(one, _), Node::Slot(two, _)) if one == two => {
            Node::Const(i64::from(compare.holds(&0, &0)))
        }
        (Node::Slot(one, _), Node::Slot(two, _)) => Node::CompareSlots(compare, [one, two]),
        (Node::Between(unit, days, place), Node::Const(value)) => match *days {
            [Node::Slot(from, _), Node::Slot(to, _)] => {
                Node::CompareBetween(compare, unit, [from, to], value)
            }
            days => {
                let between = Node::Between(unit, Box::new(days), place);
                Node::Compare(compare, Box::new([between, Node::Const(value)]))
            }
        },
        (left, right) => Node::Compare(compare, Box::new([left, right])),
    }
}
