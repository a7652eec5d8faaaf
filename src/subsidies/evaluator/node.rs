//! Compiled expressions: facts are slots, texts are numbers, and what laws write most often is one step.

use crate::subsidies::evaluator::check::Type;
use crate::subsidies::evaluator::days::Unit;
use crate::subsidies::evaluator::defect::Place;

/// Something that has a value.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Const(i64),
    Slot(u8, Place),
    Parameter(u16, Place),
    /// A comprehension's variable.
    Local(u8),
    Not(Box<Node>),
    All(Box<[Node]>),
    Any(Box<[Node]>),
    Choose(Box<[Node; 3]>, Chosen),
    /// A fact against a constant.
    CompareSlot(Compare, u8, i64),
    /// A fact against another.
    CompareSlots(Compare, [u8; 2]),
    /// What lies between two facts that are days, against a constant.
    CompareBetween(Compare, Unit, [u8; 2], i64),
    /// Numbers, days, truths; texts for equality only.
    Compare(Compare, Box<[Node; 2]>),
    /// Texts in the order of their letters.
    CompareText(Compare, Box<[Node; 2]>),
    /// A fact among constants.
    InSlot(u8, Box<[i64]>),
    In(Box<Node>, Box<List>),
    Negate(Box<Node>, Place),
    Arithmetic(Arithmetic, Box<[Node; 2]>, Place),
    /// Complete years, months, or days from the first day to the second.
    Between(Unit, Box<[Node; 2]>, Place),
    Least(Box<[Node]>, Place),
    Greatest(Box<[Node]>, Place),
    /// The least or the greatest (`true`) of a list.
    Extreme(bool, Box<List>, Place),
    Size(Box<List>, Place),
    SizeOfText(Box<Node>),
    Test(Test, Box<[Node; 2]>),
    Index(Box<List>, Box<Node>, Place),
    /// A comprehension: its kind, what it runs over, its variable, its condition.
    Fold(Fold, Box<List>, u8, Box<Node>),
}

/// Something that has items.
#[derive(Clone, Debug)]
pub(crate) enum List {
    Const(Box<[i64]>),
    /// A fact, and how many items it has at most.
    Slot(u8, u32),
    Items(Box<[Node]>),
    Filter(Box<List>, u8, Box<Node>),
    Map(Box<List>, u8, Box<Node>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compare {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Compare {
    #[inline]
    pub(crate) fn holds<T: Ord + ?Sized>(self, left: &T, right: &T) -> bool {
        match self {
            Self::Equal => left == right,
            Self::Unequal => left != right,
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
        }
    }

    /// The same with its sides exchanged.
    pub(crate) fn flipped(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            same @ (Self::Equal | Self::Unequal) => same,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// Tests of texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Test {
    StartsWith,
    EndsWith,
    Contains,
}

impl Test {
    pub(crate) fn holds(self, text: &str, piece: &str) -> bool {
        match self {
            Self::StartsWith => text.starts_with(piece),
            Self::EndsWith => text.ends_with(piece),
            Self::Contains => text.contains(piece),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fold {
    All,
    Exists,
    ExistsOne,
}

/// Where a choice and its condition stand, and what it yields.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chosen {
    pub(crate) whole: Place,
    pub(crate) condition: Place,
    pub(crate) kind: Type,
}

/// A node's parts.
pub(crate) enum Part<'a> {
    Node(&'a Node),
    List(&'a List),
}

impl Node {
    /// Calls with every part it is made of.
    pub(crate) fn parts<'a>(&'a self, each: &mut impl FnMut(Part<'a>)) {
        match self {
            Self::Const(_)
            | Self::Slot(..)
            | Self::Parameter(..)
            | Self::Local(_)
            | Self::CompareSlot(..)
            | Self::CompareSlots(..)
            | Self::CompareBetween(..)
            | Self::InSlot(..) => {}
            Self::Not(one) | Self::Negate(one, _) | Self::SizeOfText(one) => each(Part::Node(one)),
            Self::All(all) | Self::Any(all) | Self::Least(all, _) | Self::Greatest(all, _) => {
                all.iter().for_each(|one| each(Part::Node(one)));
            }
            Self::Choose(all, _) => all.iter().for_each(|one| each(Part::Node(one))),
            Self::Compare(_, two)
            | Self::CompareText(_, two)
            | Self::Arithmetic(_, two, _)
            | Self::Between(_, two, _)
            | Self::Test(_, two) => two.iter().for_each(|one| each(Part::Node(one))),
            Self::In(item, list) => {
                each(Part::Node(item));
                each(Part::List(list));
            }
            Self::Extreme(_, list, _) | Self::Size(list, _) => each(Part::List(list)),
            Self::Index(list, index, _) => {
                each(Part::List(list));
                each(Part::Node(index));
            }
            Self::Fold(_, list, _, body) => {
                each(Part::List(list));
                each(Part::Node(body));
            }
        }
    }

    /// Calls with every slot it reads.
    pub(crate) fn slots(&self, each: &mut dyn FnMut(u8)) {
        match self {
            Self::Slot(slot, _) | Self::CompareSlot(_, slot, _) | Self::InSlot(slot, _) => {
                each(*slot);
            }
            Self::CompareSlots(_, slots) | Self::CompareBetween(_, _, slots, _) => {
                slots.iter().for_each(|slot| each(*slot));
            }
            _ => self.parts(&mut |part| match part {
                Part::Node(node) => node.slots(each),
                Part::List(list) => list.slots(each),
            }),
        }
    }

    /// How many steps it takes at most.
    pub(crate) fn bound(&self) -> u64 {
        if let Self::Fold(_, list, _, body) = self {
            let (items, steps) = list.bound();
            return items.saturating_mul(body.bound()).saturating_add(steps).saturating_add(1);
        }
        let mut sum = 1_u64;
        self.parts(&mut |part| {
            sum = sum.saturating_add(match part {
                Part::Node(node) => node.bound(),
                Part::List(list) => list.bound().1,
            });
        });
        sum
    }
}

impl List {
    fn slots(&self, each: &mut dyn FnMut(u8)) {
        match self {
            Self::Const(_) => {}
            Self::Slot(slot, _) => each(*slot),
            Self::Items(items) => items.iter().for_each(|item| item.slots(&mut *each)),
            Self::Filter(list, _, body) | Self::Map(list, _, body) => {
                list.slots(each);
                body.slots(each);
            }
        }
    }

    /// How many items it has at most, and how many steps it takes to walk through it.
    pub(crate) fn bound(&self) -> (u64, u64) {
        match self {
            Self::Const(items) => {
                let items = u64::try_from(items.len()).unwrap_or(u64::MAX);
                (items, items)
            }
            Self::Slot(_, most) => (u64::from(*most), u64::from(*most)),
            Self::Items(items) => {
                let steps = items.iter().fold(0_u64, |sum, item| sum.saturating_add(item.bound()));
                (u64::try_from(items.len()).unwrap_or(u64::MAX), steps)
            }
            Self::Filter(list, _, body) | Self::Map(list, _, body) => {
                let (items, steps) = list.bound();
                (items, steps.saturating_add(items.saturating_mul(body.bound())))
            }
        }
    }
}
