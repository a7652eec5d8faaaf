//! The type checker: from a syntax tree to a compiled expression, or to every mistake in it.

use std::collections::HashMap;
use std::sync::Arc;

use crate::subsidies::domain::{Day, Definition, Scalar};
use crate::subsidies::evaluator::days::{Unit, pack};
use crate::subsidies::evaluator::defect::{Defect, DefectCode, Place};
use crate::subsidies::evaluator::node::{Arithmetic, Chosen, Compare, Fold, List, Node, Test};
use crate::subsidies::evaluator::tree::{Kind, Tree};
use crate::subsidies::evaluator::vocabulary::Vocabulary;
use crate::subsidies::evaluator::{LOCALS_MAX, Scope, Wanted};

/// Types of single values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Number,
    Day,
    Truth,
    Text,
    /// Of the items of an empty list.
    Nothing,
}

impl Type {
    pub(crate) fn of(kind: Scalar) -> Self {
        match kind {
            Scalar::Int | Scalar::Money => Self::Number,
            Scalar::Date => Self::Day,
            Scalar::Bool => Self::Truth,
            Scalar::Enum | Scalar::Text => Self::Text,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Number => "a number",
            Self::Day => "a date",
            Self::Truth => "true or false",
            Self::Text => "a text",
            Self::Nothing => "nothing",
        }
    }

    fn fits(self, other: Self) -> bool {
        self == other || self == Self::Nothing || other == Self::Nothing
    }
}

/// A checked piece.
enum Checked {
    Value(Node, Type),
    List(List, Type),
}

/// What a rule's expressions have in common while they are compiled.
pub(crate) struct Checker<'a> {
    pub(crate) scope: Scope<'a>,
    pub(crate) slots: HashMap<Arc<str>, u8>,
    pub(crate) vocabulary: &'a mut Vocabulary,
}

/// Compiles one expression.
///
/// # Errors
///
/// Every mistake in it.
pub(crate) fn check(
    checker: &mut Checker<'_>,
    source: &str,
    tree: &Tree,
    wanted: Wanted,
) -> Result<Node, Vec<Defect>> {
    let mut pass = Pass { checker, source, defects: Vec::new(), locals: Vec::new() };
    let wanted = match wanted {
        Wanted::Truth => Type::Truth,
        Wanted::Number => Type::Number,
    };
    let node = pass.value(tree, wanted);
    match node {
        Some(node) if pass.defects.is_empty() => Ok(node),
        _ => Err(pass.defects),
    }
}

struct Pass<'a, 'b, 'c> {
    checker: &'a mut Checker<'b>,
    source: &'c str,
    defects: Vec<Defect>,
    locals: Vec<(&'c str, Type)>,
}

impl<'c> Pass<'_, '_, 'c> {
    fn fail<T>(&mut self, code: DefectCode, place: Place, detail: impl Into<String>) -> Option<T> {
        self.defects.push(Defect::new(code, self.source, place, detail.into()));
        None
    }

    /// Checks a piece that has to be of a type.
    fn value(&mut self, tree: &'c Tree, wanted: Type) -> Option<Node> {
        let (node, kind) = self.single(tree)?;
        self.must(kind, wanted, tree.place)?;
        Some(node)
    }

    fn must(&mut self, kind: Type, wanted: Type, place: Place) -> Option<()> {
        if kind.fits(wanted) {
            return Some(());
        }
        let detail = format!("this is {}; {} is needed", kind.name(), wanted.name());
        self.fail(DefectCode::WrongType, place, detail)
    }

    /// Checks a piece that has to be a single value.
    fn single(&mut self, tree: &'c Tree) -> Option<(Node, Type)> {
        match self.any(tree)? {
            Checked::Value(node, kind) => Some((node, kind)),
            Checked::List(..) => {
                self.fail(DefectCode::WrongType, tree.place, "this is a list; one value is needed")
            }
        }
    }

    /// Checks a piece that has to be a list.
    fn list(&mut self, tree: &'c Tree) -> Option<(List, Type)> {
        match self.any(tree)? {
            Checked::List(list, kind) => Some((list, kind)),
            Checked::Value(..) => self.fail(
                DefectCode::Comprehension,
                tree.place,
                "only over lists: facts with a maximum of items, and lists that are written out",
            ),
        }
    }

    fn any(&mut self, tree: &'c Tree) -> Option<Checked> {
        let node = match &tree.kind {
            Kind::Int(number) => (Node::Const(*number), Type::Number),
            Kind::Truth(truth) => (Node::Const(i64::from(*truth)), Type::Truth),
            Kind::Text(text) => (Node::Const(self.checker.vocabulary.number(text)), Type::Text),
            Kind::Name(name) => return self.name(name, tree.place),
            Kind::List(items) => return self.items(items),
            Kind::Not(inner) => match self.value(inner, Type::Truth)? {
                Node::Slot(slot, _) => (Node::CompareSlot(Compare::Equal, slot, 0), Type::Truth),
                inner => (Node::Not(Box::new(inner)), Type::Truth),
            },
            Kind::Negate(inner) => {
                let inner = self.value(inner, Type::Number)?;
                (Node::Negate(Box::new(inner), tree.place), Type::Number)
            }
            Kind::All(parts) => (Node::All(self.values(parts, Type::Truth)?), Type::Truth),
            Kind::Any(parts) => (Node::Any(self.values(parts, Type::Truth)?), Type::Truth),
            Kind::Choose(parts) => self.choose(parts, tree.place)?,
            Kind::Binary(sign, parts) => self.binary(sign, parts, tree.place)?,
            Kind::Index(parts) => {
                let [list, index] = parts.as_ref();
                let list = self.list(list);
                let index = self.value(index, Type::Number);
                let ((list, kind), index) = list.zip(index)?;
                (Node::Index(Box::new(list), Box::new(index), tree.place), kind)
            }
            Kind::Call { target, name, arguments } => {
                return self.call(tree, target.as_deref(), name, arguments);
            }
        };
        Some(Checked::Value(node.0, node.1))
    }

    fn values(&mut self, trees: &'c [Tree], wanted: Type) -> Option<Box<[Node]>> {
        // All are checked before the first mistake ends it, so that all are told.
        let nodes: Vec<_> = trees.iter().map(|tree| self.value(tree, wanted)).collect();
        nodes.into_iter().collect()
    }

    fn name(&mut self, name: &str, place: Place) -> Option<Checked> {
        if let Some(index) = self.locals.iter().position(|(local, _)| *local == name) {
            let kind = self.locals.get(index).map(|(_, kind)| *kind)?;
            return Some(Checked::Value(Node::Local(u8::try_from(index).ok()?), kind));
        }
        if let Some(parameter) = name.strip_prefix("param.") {
            let index = self.checker.scope.parameters.iter().position(|one| &**one == parameter);
            return match index.and_then(|index| u16::try_from(index).ok()) {
                Some(index) => Some(Checked::Value(Node::Parameter(index, place), Type::Number)),
                None => {
                    let detail = format!("no parameter `{parameter}` is declared");
                    self.fail(DefectCode::UnknownParameter, place, detail)
                }
            };
        }
        let definition = self.checker.scope.catalogue.get(name);
        let slot = self.checker.slots.get(name).copied();
        let Some((definition, slot)) = definition.zip(slot) else {
            let detail = format!("the catalogue has no fact `{name}`");
            return self.fail(DefectCode::UnknownFact, place, detail);
        };
        let kind = Type::of(definition.kind);
        Some(match definition.max_items {
            Some(most) => Checked::List(List::Slot(slot, most), kind),
            None => Checked::Value(Node::Slot(slot, place), kind),
        })
    }

    fn items(&mut self, items: &'c [Tree]) -> Option<Checked> {
        let checked: Vec<_> = items.iter().map(|item| self.single(item)).collect();
        let checked: Vec<_> = checked.into_iter().collect::<Option<_>>()?;
        let kind = checked.first().map_or(Type::Nothing, |(_, kind)| *kind);
        let mut nodes = Vec::with_capacity(checked.len());
        for ((node, other), tree) in checked.into_iter().zip(items) {
            self.must(other, kind, tree.place)?;
            nodes.push(node);
        }
        Some(Checked::List(listed(nodes), kind))
    }

    fn choose(&mut self, parts: &'c [Tree; 3], place: Place) -> Option<(Node, Type)> {
        let [test, then, otherwise] = parts;
        let condition = self.value(test, Type::Truth);
        let (first, second) = (self.single(then), self.single(otherwise));
        let ((first, kind), (second, other)) = first.zip(second)?;
        self.must(other, kind, otherwise.place)?;
        let kind = if kind == Type::Nothing { other } else { kind };
        let chosen = Chosen { whole: place, condition: test.place, kind };
        Some((Node::Choose(Box::new([condition?, first, second]), chosen), kind))
    }

    fn binary(&mut self, sign: &str, parts: &'c [Tree; 2], place: Place) -> Option<(Node, Type)> {
        let [left, right] = parts;
        if sign == "in" {
            return self.membership(left, right);
        }
        let arithmetic = match sign {
            "+" => Some(Arithmetic::Add),
            "-" => Some(Arithmetic::Subtract),
            "*" => Some(Arithmetic::Multiply),
            "/" => Some(Arithmetic::Divide),
            "%" => Some(Arithmetic::Remainder),
            _ => None,
        };
        if let Some(arithmetic) = arithmetic {
            let (left, right) = (self.value(left, Type::Number), self.value(right, Type::Number));
            let (left, right) = left.zip(right)?;
            let node = Node::Arithmetic(arithmetic, Box::new([left, right]), place);
            return Some((node, Type::Number));
        }
        let compare = match sign {
            "==" => Compare::Equal,
            "!=" => Compare::Unequal,
            "<" => Compare::Less,
            "<=" => Compare::LessOrEqual,
            ">" => Compare::Greater,
            _ => Compare::GreaterOrEqual,
        };
        let (first, second) = (self.single(left), self.single(right));
        let ((first, kind), (second, other)) = first.zip(second)?;
        self.must(other, kind, right.place)?;
        self.choices(left, right)?;
        self.choices(right, left)?;
        Some((compared(compare, first, second, kind), Type::Truth))
    }

    fn membership(&mut self, item: &'c Tree, list: &'c Tree) -> Option<(Node, Type)> {
        let (checked, items) = (self.single(item), self.list(list));
        let ((node, kind), (items, other)) = checked.zip(items)?;
        self.must(other, kind, list.place)?;
        self.choices(item, list)?;
        self.choices(list, item)?;
        let node = match (node, items) {
            (Node::Slot(slot, _), List::Const(items)) => Node::InSlot(slot, items),
            (node, items) => Node::In(Box::new(node), Box::new(items)),
        };
        Some((node, Type::Truth))
    }

    /// Checks that what a fact with choices is compared to is one of them.
    fn choices(&mut self, fact: &Tree, other: &Tree) -> Option<()> {
        let Kind::Name(name) = &fact.kind else { return Some(()) };
        let definition: Arc<Definition> = match self.checker.scope.catalogue.get(name) {
            Some(definition) if definition.kind == Scalar::Enum => Arc::clone(definition),
            _ => return Some(()),
        };
        let literals = match &other.kind {
            Kind::List(items) => items.as_slice(),
            _ => std::slice::from_ref(other),
        };
        let mut sound = Some(());
        for literal in literals {
            let Kind::Text(text) = &literal.kind else { continue };
            if !definition.choices.contains(text) {
                let detail = format!("`{text}` is none of the choices of `{name}`");
                sound = self.fail(DefectCode::UnknownChoice, literal.place, detail);
            }
        }
        sound
    }

    fn call(
        &mut self,
        tree: &'c Tree,
        target: Option<&'c Tree>,
        name: &str,
        arguments: &'c [Tree],
    ) -> Option<Checked> {
        let place = tree.place;
        let value = match (target, name, arguments) {
            (None, "date", [day]) => self.date(day)?,
            (None, "date", _) => return self.arguments(place, "date('YYYY-MM-DD')"),
            (None, "years_between", [from, to]) => self.between(Unit::Years, from, to, place)?,
            (None, "months_between", [from, to]) => self.between(Unit::Months, from, to, place)?,
            (None, "days_between", [from, to]) => self.between(Unit::Days, from, to, place)?,
            (None, "years_between" | "months_between" | "days_between", _) => {
                return self.arguments(place, "two dates");
            }
            (None, "size", [of]) | (Some(of), "size", []) => self.size(of, place)?,
            (None | Some(_), "size", _) => return self.arguments(place, "one list or text"),
            (Some(library), "least" | "greatest", _) if library.is_library() => {
                self.extreme(name == "greatest", arguments, place)?
            }
            (Some(text), "startsWith", [piece]) => self.test(Test::StartsWith, text, piece)?,
            (Some(text), "endsWith", [piece]) => self.test(Test::EndsWith, text, piece)?,
            (Some(text), "contains", [piece]) => self.test(Test::Contains, text, piece)?,
            (Some(_), "startsWith" | "endsWith" | "contains", _) => {
                return self.arguments(place, "one text");
            }
            (Some(list), "all", [variable, body]) => self.fold(Fold::All, list, variable, body)?,
            (Some(list), "exists", [variable, body]) => {
                self.fold(Fold::Exists, list, variable, body)?
            }
            (Some(list), "exists_one" | "existsOne", [variable, body]) => {
                self.fold(Fold::ExistsOne, list, variable, body)?
            }
            (Some(list), "filter", [variable, body]) => return self.filter(list, variable, body),
            (Some(list), "map", [variable, body]) => return self.map(list, variable, None, body),
            (Some(list), "map", [variable, condition, body]) => {
                return self.map(list, variable, Some(condition), body);
            }
            _ => {
                let detail = format!("there is no function `{name}` that is called like this");
                return self.fail(DefectCode::UnknownFunction, place, detail);
            }
        };
        Some(Checked::Value(value.0, value.1))
    }

    fn arguments<T>(&mut self, place: Place, wanted: &str) -> Option<T> {
        self.fail(DefectCode::WrongArguments, place, format!("it takes {wanted}"))
    }

    fn date(&mut self, literal: &Tree) -> Option<(Node, Type)> {
        let Kind::Text(text) = &literal.kind else {
            let detail = "a date is written out: date('YYYY-MM-DD')";
            return self.fail(DefectCode::NotInLanguage, literal.place, detail);
        };
        match Day::read(text) {
            Some(day) => Some((Node::Const(pack(day)), Type::Day)),
            None => self.fail(
                DefectCode::NoDay,
                literal.place,
                format!("`{text}` is no day of the calendar between 1900 and 2200"),
            ),
        }
    }

    fn between(
        &mut self,
        unit: Unit,
        from: &'c Tree,
        to: &'c Tree,
        place: Place,
    ) -> Option<(Node, Type)> {
        let (from, to) = (self.value(from, Type::Day), self.value(to, Type::Day));
        let (from, to) = from.zip(to)?;
        Some((Node::Between(unit, Box::new([from, to]), place), Type::Number))
    }

    fn size(&mut self, of: &'c Tree, place: Place) -> Option<(Node, Type)> {
        match self.any(of)? {
            Checked::List(list, _) => Some((Node::Size(Box::new(list), place), Type::Number)),
            Checked::Value(node, kind) => {
                self.must(kind, Type::Text, of.place)?;
                Some((Node::SizeOfText(Box::new(node)), Type::Number))
            }
        }
    }

    fn extreme(
        &mut self,
        greatest: bool,
        arguments: &'c [Tree],
        place: Place,
    ) -> Option<(Node, Type)> {
        let node = match arguments {
            [] => return self.arguments(place, "at least one number"),
            [one] => match self.any(one)? {
                Checked::List(list, kind) => {
                    if list.bound().0 == 0 {
                        return self.arguments(place, "at least one number");
                    }
                    self.must(kind, Type::Number, one.place)?;
                    Node::Extreme(greatest, Box::new(list), place)
                }
                Checked::Value(node, kind) => {
                    self.must(kind, Type::Number, one.place)?;
                    node
                }
            },
            several if greatest => Node::Greatest(self.values(several, Type::Number)?, place),
            several => Node::Least(self.values(several, Type::Number)?, place),
        };
        Some((node, Type::Number))
    }

    fn test(&mut self, test: Test, text: &'c Tree, piece: &'c Tree) -> Option<(Node, Type)> {
        let (text, piece) = (self.value(text, Type::Text), self.value(piece, Type::Text));
        let (text, piece) = text.zip(piece)?;
        Some((Node::Test(test, Box::new([text, piece])), Type::Truth))
    }

    /// Checks a body in which a variable stands for the items; returns the variable's number and what the body is.
    fn bound<T>(
        &mut self,
        variable: &'c Tree,
        kind: Type,
        body: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<(u8, T)> {
        let Kind::Name(name) = &variable.kind else {
            return self.fail(DefectCode::Comprehension, variable.place, "a name is needed here");
        };
        let hides = self.checker.scope.catalogue.get(name).is_some()
            || self.locals.iter().any(|(local, _)| local == name);
        if hides || name.contains('.') {
            let detail = format!("`{name}` is a fact or a variable already");
            return self.fail(DefectCode::Comprehension, variable.place, detail);
        }
        if self.locals.len() >= LOCALS_MAX {
            let detail = format!("not more than {LOCALS_MAX} comprehensions within one another");
            return self.fail(DefectCode::Comprehension, variable.place, detail);
        }
        let number = u8::try_from(self.locals.len()).ok()?;
        self.locals.push((name, kind));
        let checked = body(self);
        self.locals.pop();
        Some((number, checked?))
    }

    fn fold(
        &mut self,
        fold: Fold,
        list: &'c Tree,
        variable: &'c Tree,
        body: &'c Tree,
    ) -> Option<(Node, Type)> {
        let (list, kind) = self.list(list)?;
        let (local, body) = self.bound(variable, kind, |pass| pass.value(body, Type::Truth))?;
        Some((Node::Fold(fold, Box::new(list), local, Box::new(body)), Type::Truth))
    }

    fn filter(&mut self, list: &'c Tree, variable: &'c Tree, body: &'c Tree) -> Option<Checked> {
        let (list, kind) = self.list(list)?;
        let (local, body) = self.bound(variable, kind, |pass| pass.value(body, Type::Truth))?;
        Some(Checked::List(List::Filter(Box::new(list), local, Box::new(body)), kind))
    }

    fn map(
        &mut self,
        list: &'c Tree,
        variable: &'c Tree,
        condition: Option<&'c Tree>,
        body: &'c Tree,
    ) -> Option<Checked> {
        let (list, kind) = self.list(list)?;
        let (local, (condition, (body, kind))) = self.bound(variable, kind, |pass| {
            let condition = match condition {
                Some(condition) => Some(pass.value(condition, Type::Truth)?),
                None => None,
            };
            Some((condition, pass.single(body)?))
        })?;
        let list = match condition {
            Some(condition) => List::Filter(Box::new(list), local, Box::new(condition)),
            None => list,
        };
        Some(Checked::List(List::Map(Box::new(list), local, Box::new(body)), kind))
    }
}

/// Returns a list that is written out; one of constants is a constant.
fn listed(nodes: Vec<Node>) -> List {
    let constant = |node: &Node| if let Node::Const(value) = node { Some(*value) } else { None };
    match nodes.iter().map(constant).collect() {
        Some(values) => List::Const(values),
        None => List::Items(nodes.into()),
    }
}

/// Returns a comparison, in its shortest form.
fn compared(compare: Compare, left: Node, right: Node, kind: Type) -> Node {
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
