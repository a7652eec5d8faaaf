//! Random expressions with an evaluator of their own: the plain reading of the language, one value for every fact.

use std::fmt;
use std::sync::Arc;

use peshub::subsidies::domain::{Catalogue, Definition, Facts, Scalar, Value};

/// Numbers that look random and are the same every time.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 11) % bound as u64) as usize
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

/// What something is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Plain {
    Int(i64),
    Truth(bool),
    Text(String),
    List(Vec<Plain>),
}

impl Plain {
    pub(crate) fn value(&self) -> Value {
        match self {
            Self::Int(number) => Value::Number(*number),
            Self::Truth(truth) => Value::Truth(*truth),
            Self::Text(text) => Value::Text(text.as_str().into()),
            Self::List(items) => Value::List(items.iter().map(Self::value).collect()),
        }
    }
}

/// A fact of the little world in which everything can be tried.
pub(crate) struct Fact {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// All that it can be.
    pub(crate) domain: Vec<Plain>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Int,
    Truth,
    Text,
    Ints,
    Truths,
}

const COLOURS: [&str; 3] = ["red", "green", "reddish"];

/// The little world.
pub(crate) fn world() -> Vec<Fact> {
    let ints = |from: i64, to: i64| (from..=to).map(Plain::Int).collect::<Vec<_>>();
    let truths = || vec![Plain::Truth(false), Plain::Truth(true)];
    let colours = || COLOURS.map(|colour| Plain::Text(colour.to_owned())).to_vec();
    let fact = |name, kind, domain| Fact { name, kind, domain };
    vec![
        fact("a", Kind::Truth, truths()),
        fact("b", Kind::Truth, truths()),
        fact("w.c", Kind::Truth, truths()),
        fact("n", Kind::Int, ints(0, 3)),
        fact("w.m", Kind::Int, ints(-2, 2)),
        fact("hue", Kind::Text, colours()),
        fact("xs", Kind::Ints, lists(&ints(0, 2), 2)),
        fact("bs", Kind::Truths, lists(&truths(), 2)),
    ]
}

fn lists(items: &[Plain], most: usize) -> Vec<Plain> {
    let mut found = vec![vec![]];
    let mut last: Vec<Vec<Plain>> = vec![vec![]];
    for _ in 0..most {
        last = last
            .iter()
            .flat_map(|list| {
                items.iter().map(move |item| [list.as_slice(), std::slice::from_ref(item)].concat())
            })
            .collect();
        found.extend(last.clone());
    }
    found.into_iter().map(Plain::List).collect()
}

/// The little world's catalogue.
pub(crate) fn catalogue() -> Catalogue {
    Catalogue::new(world().into_iter().map(|fact| {
        let (kind, max_items) = match fact.kind {
            Kind::Int => (Scalar::Int, None),
            Kind::Truth => (Scalar::Bool, None),
            Kind::Text => (Scalar::Enum, None),
            Kind::Ints => (Scalar::Int, Some(2)),
            Kind::Truths => (Scalar::Bool, Some(2)),
        };
        let choices = if kind == Scalar::Enum { COLOURS.map(Arc::from).to_vec() } else { vec![] };
        let (least, greatest) = match fact.name {
            "n" => (0, 3),
            "w.m" => (-2, 2),
            "xs" => (0, 2),
            _ => (0, 0),
        };
        Definition {
            name: fact.name.into(),
            kind,
            max_items,
            choices: choices.into(),
            least,
            greatest,
            fresh_for_days: 0,
            stated_by_hub: false,
        }
    }))
}

/// An expression.
#[derive(Clone, Debug)]
pub(crate) enum Tree {
    Lit(Plain),
    Fact(usize),
    /// The variable of the comprehension around it.
    Item,
    Not(Box<Tree>),
    Minus(Box<Tree>),
    Two(&'static str, Box<Tree>, Box<Tree>),
    Choose(Box<Tree>, Box<Tree>, Box<Tree>),
    List(Vec<Tree>),
    Size(Box<Tree>),
    Most(&'static str, Vec<Tree>),
    Test(&'static str, Box<Tree>, Box<Tree>),
    Index(Box<Tree>, Box<Tree>),
    Over(&'static str, Box<Tree>, Box<Tree>),
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lit(Plain::Int(number)) => write!(f, "{number}"),
            Self::Lit(Plain::Truth(truth)) => write!(f, "{truth}"),
            Self::Lit(Plain::Text(text)) => write!(f, "'{text}'"),
            Self::Lit(Plain::List(_)) => f.write_str("[]"),
            Self::Fact(number) => f.write_str(world()[*number].name),
            Self::Item => f.write_str("item"),
            Self::Not(inner) => write!(f, "!({inner})"),
            Self::Minus(inner) => write!(f, "-({inner})"),
            Self::Two(sign, left, right) => write!(f, "({left} {sign} {right})"),
            Self::Choose(test, yes, no) => write!(f, "({test} ? {yes} : {no})"),
            Self::List(items) => write!(f, "[{}]", joined(items)),
            Self::Size(of) => write!(f, "size({of})"),
            Self::Most(name, of) => write!(f, "math.{name}({})", joined(of)),
            Self::Test(name, text, piece) => write!(f, "{text}.{name}({piece})"),
            Self::Index(list, index) => write!(f, "{list}[{index}]"),
            Self::Over(name, list, body) => write!(f, "{list}.{name}(item, {body})"),
        }
    }
}

fn joined(items: &[Tree]) -> String {
    items.iter().map(Tree::to_string).collect::<Vec<_>>().join(", ")
}

/// It failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failed;

impl Tree {
    /// Evaluates with a value for every fact, as the language's definition has it.
    pub(crate) fn plain(&self, facts: &[Plain], item: Option<&Plain>) -> Result<Plain, Failed> {
        let eval = |tree: &Self| tree.plain(facts, item);
        let int = |tree: &Self| match tree.plain(facts, item)? {
            Plain::Int(number) => Ok(number),
            _ => panic!("{tree} is no number"),
        };
        let truth = |tree: &Self| match tree.plain(facts, item)? {
            Plain::Truth(truth) => Ok(truth),
            _ => panic!("{tree} is no truth"),
        };
        let text = |tree: &Self| match tree.plain(facts, item)? {
            Plain::Text(text) => Ok(text),
            _ => panic!("{tree} is no text"),
        };
        let list = |tree: &Self| match tree.plain(facts, item)? {
            Plain::List(items) => Ok(items),
            _ => panic!("{tree} is no list"),
        };
        let checked = |number: Option<i64>| number.map(Plain::Int).ok_or(Failed);
        Ok(match self {
            Self::Lit(value) => value.clone(),
            Self::Fact(number) => facts[*number].clone(),
            Self::Item => item.unwrap().clone(),
            Self::Not(inner) => Plain::Truth(!truth(inner)?),
            Self::Minus(inner) => checked(int(inner)?.checked_neg())?,
            Self::Two("&&", left, right) => match (truth(left), truth(right)) {
                (Ok(false), _) | (_, Ok(false)) => Plain::Truth(false),
                (Ok(true), Ok(true)) => Plain::Truth(true),
                _ => return Err(Failed),
            },
            Self::Two("||", left, right) => match (truth(left), truth(right)) {
                (Ok(true), _) | (_, Ok(true)) => Plain::Truth(true),
                (Ok(false), Ok(false)) => Plain::Truth(false),
                _ => return Err(Failed),
            },
            Self::Two("in", one, of) => Plain::Truth(list(of)?.contains(&eval(one)?)),
            Self::Two("==", left, right) => Plain::Truth(eval(left)? == eval(right)?),
            Self::Two("!=", left, right) => Plain::Truth(eval(left)? != eval(right)?),
            Self::Two("<", left, right) => Plain::Truth(eval(left)? < eval(right)?),
            Self::Two("<=", left, right) => Plain::Truth(eval(left)? <= eval(right)?),
            Self::Two(">", left, right) => Plain::Truth(eval(left)? > eval(right)?),
            Self::Two(">=", left, right) => Plain::Truth(eval(left)? >= eval(right)?),
            Self::Two("+", left, right) => checked(int(left)?.checked_add(int(right)?))?,
            Self::Two("-", left, right) => checked(int(left)?.checked_sub(int(right)?))?,
            Self::Two("*", left, right) => checked(int(left)?.checked_mul(int(right)?))?,
            Self::Two("/", left, right) => checked(int(left)?.checked_div(int(right)?))?,
            Self::Two("%", left, right) => checked(int(left)?.checked_rem(int(right)?))?,
            Self::Two(sign, ..) => panic!("{sign}"),
            Self::Choose(condition, yes, no) => eval(if truth(condition)? { yes } else { no })?,
            Self::List(items) => Plain::List(items.iter().map(eval).collect::<Result<_, _>>()?),
            Self::Size(of) => match eval(of)? {
                Plain::Text(text) => Plain::Int(text.chars().count() as i64),
                Plain::List(items) => Plain::Int(items.len() as i64),
                _ => panic!("no such tree"),
            },
            Self::Most(name, of) => {
                let values = of.iter().map(int).collect::<Result<Vec<_>, _>>()?;
                let most = if *name == "least" { values.iter().min() } else { values.iter().max() };
                Plain::Int(*most.unwrap())
            }
            Self::Test(name, of, piece) => {
                let (of, piece) = (text(of)?, text(piece)?);
                Plain::Truth(match *name {
                    "startsWith" => of.starts_with(&piece),
                    "endsWith" => of.ends_with(&piece),
                    _ => of.contains(&piece),
                })
            }
            Self::Index(of, index) => {
                let (of, index) = (list(of)?, int(index)?);
                usize::try_from(index)
                    .ok()
                    .and_then(|index| of.get(index).cloned())
                    .ok_or(Failed)?
            }
            Self::Over(name, of, body) => {
                over(name, &list(of)?, |item| body.plain(facts, Some(item)))?
            }
        })
    }
}

fn over(
    name: &str,
    items: &[Plain],
    body: impl Fn(&Plain) -> Result<Plain, Failed>,
) -> Result<Plain, Failed> {
    let results: Vec<_> = items.iter().map(body).collect();
    let count =
        |wanted: bool| results.iter().filter(|one| **one == Ok(Plain::Truth(wanted))).count();
    let failed = results.contains(&Err(Failed));
    Ok(match name {
        "all" if count(false) > 0 => Plain::Truth(false),
        "exists" if count(true) > 0 => Plain::Truth(true),
        _ if failed => return Err(Failed),
        "all" => Plain::Truth(true),
        "exists" => Plain::Truth(false),
        "exists_one" => Plain::Truth(count(true) == 1),
        "filter" => {
            let kept =
                items.iter().zip(&results).filter(|(_, kept)| **kept == Ok(Plain::Truth(true)));
            Plain::List(kept.map(|(item, _)| item.clone()).collect())
        }
        _ => Plain::List(results.into_iter().map(Result::unwrap).collect()),
    })
}

/// Makes expressions.
pub(crate) struct Maker<'a> {
    pub(crate) dice: &'a mut Dice,
    /// What the variable of the comprehension around is.
    item: Option<Kind>,
}

impl<'a> Maker<'a> {
    pub(crate) fn new(dice: &'a mut Dice) -> Self {
        Self { dice, item: None }
    }

    fn fact(&mut self, kind: Kind) -> Tree {
        let fitting: Vec<usize> =
            (0..world().len()).filter(|number| world()[*number].kind == kind).collect();
        Tree::Fact(self.dice.one_of(&fitting))
    }

    pub(crate) fn truth(&mut self, depth: usize) -> Tree {
        if self.item == Some(Kind::Truth) && self.dice.below(3) == 0 {
            return Tree::Item;
        }
        if depth == 0 {
            return match self.dice.below(8) {
                0 => Tree::Lit(Plain::Truth(self.dice.below(2) == 0)),
                _ => self.fact(Kind::Truth),
            };
        }
        let below = depth - 1;
        match self.dice.below(14) {
            0 => Tree::Not(self.truth(below).into()),
            1..=2 => Tree::Two("&&", self.truth(below).into(), self.truth(below).into()),
            3..=4 => Tree::Two("||", self.truth(below).into(), self.truth(below).into()),
            5..=7 => {
                let sign = self.dice.one_of(&["==", "!=", "<", "<=", ">", ">="]);
                Tree::Two(sign, self.int(below).into(), self.int(below).into())
            }
            8 => {
                let sign = self.dice.one_of(&["==", "!=", "<", ">="]);
                Tree::Two(sign, self.text(below).into(), self.choice().into())
            }
            9 => {
                let test = self.dice.one_of(&["startsWith", "endsWith", "contains"]);
                Tree::Test(test, self.text(below).into(), self.piece().into())
            }
            10 => Tree::Choose(
                self.truth(below).into(),
                self.truth(below).into(),
                self.truth(below).into(),
            ),
            11 => Tree::Two("in", self.int(below).into(), self.ints(below).into()),
            12 if self.item.is_none() => {
                let fold = self.dice.one_of(&["all", "exists", "exists_one"]);
                let (list, kind) = if self.dice.below(3) == 0 {
                    (self.fact(Kind::Truths), Kind::Truth)
                } else {
                    (self.ints(below), Kind::Int)
                };
                self.item = Some(kind);
                let body = self.truth(below);
                self.item = None;
                Tree::Over(fold, list.into(), body.into())
            }
            _ => self.fact(Kind::Truth),
        }
    }

    pub(crate) fn int(&mut self, depth: usize) -> Tree {
        if self.item == Some(Kind::Int) && self.dice.below(2) == 0 {
            return Tree::Item;
        }
        if depth == 0 {
            return match self.dice.below(3) {
                0 => {
                    let greatest = self.dice.below(40) == 0;
                    let number = self.dice.below(6) as i64 - 1;
                    Tree::Lit(Plain::Int(if greatest { i64::MAX } else { number }))
                }
                _ => self.fact(Kind::Int),
            };
        }
        let below = depth - 1;
        match self.dice.below(12) {
            0..=3 => {
                let sign = self.dice.one_of(&["+", "-", "*", "/", "%", "+", "*"]);
                Tree::Two(sign, self.int(below).into(), self.int(below).into())
            }
            4 => Tree::Minus(self.int(below).into()),
            5 => {
                let name = self.dice.one_of(&["least", "greatest"]);
                Tree::Most(name, (0..2 + self.dice.below(2)).map(|_| self.int(below)).collect())
            }
            6 => Tree::Choose(
                self.truth(below).into(),
                self.int(below).into(),
                self.int(below).into(),
            ),
            7 => Tree::Size(
                if self.dice.below(4) == 0 { self.text(below) } else { self.ints(below) }.into(),
            ),
            8 => Tree::Index(self.ints(below).into(), self.int(0).into()),
            _ => self.int(0),
        }
    }

    fn ints(&mut self, depth: usize) -> Tree {
        if depth == 0 {
            return self.fact(Kind::Ints);
        }
        match self.dice.below(6) {
            0..=1 => Tree::List((0..=self.dice.below(3)).map(|_| self.int(depth - 1)).collect()),
            2 if self.item.is_none() => self.mapped("filter", depth),
            3 if self.item.is_none() => self.mapped("map", depth),
            _ => self.fact(Kind::Ints),
        }
    }

    fn mapped(&mut self, name: &'static str, depth: usize) -> Tree {
        let list = self.fact(Kind::Ints);
        self.item = Some(Kind::Int);
        let body = if name == "map" { self.int(depth - 1) } else { self.truth(depth - 1) };
        self.item = None;
        Tree::Over(name, list.into(), body.into())
    }

    fn choice(&mut self) -> Tree {
        Tree::Lit(Plain::Text(self.dice.one_of(&COLOURS).to_owned()))
    }

    fn piece(&mut self) -> Tree {
        Tree::Lit(Plain::Text(
            self.dice.one_of(&["re", "d", "red", "green", "", "x", "dd"]).to_owned(),
        ))
    }

    fn text(&mut self, depth: usize) -> Tree {
        if depth > 1 && self.dice.below(5) == 0 {
            return Tree::Choose(
                self.truth(depth - 1).into(),
                self.fact(Kind::Text).into(),
                self.choice().into(),
            );
        }
        self.fact(Kind::Text)
    }
}

/// Facts of the little world, but for those that are hidden.
pub(crate) fn facts(values: &[Plain], hidden: &[usize]) -> Facts {
    let named = world().into_iter().zip(values).enumerate();
    let shown = named.filter(|(number, _)| !hidden.contains(number));
    shown.map(|(_, (fact, value))| (Arc::from(fact.name), value.value())).collect()
}
