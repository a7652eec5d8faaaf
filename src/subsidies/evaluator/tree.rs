//! The syntax tree of an expression: CEL's grammar, precedences and associativity.

use std::sync::Arc;

use crate::subsidies::evaluator::defect::{Defect, DefectCode, Place};
use crate::subsidies::evaluator::token::{RESERVED, Token, tokens};
use crate::subsidies::evaluator::{LENGTH_MAX, NESTING_MAX};

/// A piece of an expression with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tree {
    pub(crate) kind: Kind,
    pub(crate) place: Place,
    depth: usize,
}

/// What a piece is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Int(i64),
    Truth(bool),
    Text(Arc<str>),
    /// A name, with dots.
    Name(String),
    List(Vec<Tree>),
    Not(Box<Tree>),
    Negate(Box<Tree>),
    /// `&&`
    All(Vec<Tree>),
    /// `||`
    Any(Vec<Tree>),
    /// `condition ? then : otherwise`
    Choose(Box<[Tree; 3]>),
    /// Any other operator between two.
    Binary(&'static str, Box<[Tree; 2]>),
    Index(Box<[Tree; 2]>),
    Call {
        target: Option<Box<Tree>>,
        name: String,
        arguments: Vec<Tree>,
    },
}

impl Tree {
    /// Reads an expression.
    ///
    /// # Errors
    ///
    /// The first place at which it is no expression of the language.
    pub(crate) fn read(source: &str) -> Result<Self, Defect> {
        let tokens = tokens(source)?;
        let mut parser = Parser { source, tokens, at: 0, depth: 0 };
        let tree = parser.expression(0)?;
        match parser.peek() {
            Token::End => Ok(tree),
            _ => parser.unexpected("the expression's end"),
        }
    }

    /// Calls with every name that is no variable of a comprehension.
    pub(crate) fn names(&self, each: &mut impl FnMut(&str)) {
        self.names_but(&mut Vec::new(), each);
    }

    fn names_but<'a>(&'a self, bound: &mut Vec<&'a str>, each: &mut impl FnMut(&str)) {
        match &self.kind {
            Kind::Int(_) | Kind::Truth(_) | Kind::Text(_) => {}
            Kind::Name(name) => {
                if !bound.contains(&name.as_str()) {
                    each(name);
                }
            }
            Kind::List(items) | Kind::All(items) | Kind::Any(items) => {
                for item in items {
                    item.names_but(bound, each);
                }
            }
            Kind::Not(inner) | Kind::Negate(inner) => inner.names_but(bound, each),
            Kind::Choose(parts) => parts.iter().for_each(|part| part.names_but(bound, each)),
            Kind::Binary(_, parts) | Kind::Index(parts) => {
                parts.iter().for_each(|part| part.names_but(bound, each));
            }
            Kind::Call { target, name, arguments } => {
                if let Some(target) = target.as_ref().filter(|target| !target.is_library()) {
                    target.names_but(bound, each);
                }
                match (target, MACROS.contains(&name.as_str()), arguments.as_slice()) {
                    (Some(_), true, [Self { kind: Kind::Name(variable), .. }, body]) => {
                        bound.push(variable);
                        body.names_but(bound, each);
                        bound.pop();
                    }
                    _ => arguments.iter().for_each(|argument| argument.names_but(bound, each)),
                }
            }
        }
    }

    /// Whether it is the name before the dot of `math.least`.
    pub(crate) fn is_library(&self) -> bool {
        matches!(&self.kind, Kind::Name(name) if name == "math")
    }
}

/// Comprehensions: their first argument is a variable.
pub(crate) const MACROS: &[&str] = &["all", "exists", "exists_one", "existsOne", "filter", "map"];

struct Parser<'a> {
    source: &'a str,
    tokens: Vec<(Token, Place)>,
    at: usize,
    depth: usize,
}

/// The operator's precedence: a greater one binds closer.
fn precedence(token: &Token) -> Option<(u8, &'static str)> {
    let (Token::Sign(sign) | Token::Word(sign)) = token else { return None };
    Some(match *sign {
        "||" => (1, sign),
        "&&" => (2, sign),
        "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" => (3, sign),
        "+" | "-" => (4, sign),
        "*" | "/" | "%" => (5, sign),
        _ => return None,
    })
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).map_or(&Token::End, |(token, _)| token)
    }

    fn place(&self) -> Place {
        self.tokens.get(self.at).map(|(_, place)| *place).unwrap_or_default()
    }

    /// The place of the word that was read last.
    fn before(&self) -> Place {
        let index = self.at.saturating_sub(1);
        self.tokens.get(index).map(|(_, place)| *place).unwrap_or_default()
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at = self.at.saturating_add(1);
        token
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Token::Sign(next) if *next == sign);
        if found {
            self.at = self.at.saturating_add(1);
        }
        found
    }

    fn expect(&mut self, sign: &str) -> Result<(), Defect> {
        if self.take(sign) { Ok(()) } else { self.unexpected(&format!("`{sign}`")) }
    }

    fn unexpected<T>(&self, wanted: &str) -> Result<T, Defect> {
        let place = self.place();
        let detail = match self.peek() {
            Token::End => format!("it ends where {wanted} is expected"),
            _ => format!("`{}` stands where {wanted} is expected", place.of(self.source)),
        };
        self.fail(DefectCode::Syntax, place, detail)
    }

    fn fail<T>(&self, code: DefectCode, place: Place, detail: String) -> Result<T, Defect> {
        Err(Defect::new(code, self.source, place, detail))
    }

    fn tree(&self, kind: Kind, from: Place) -> Result<Tree, Defect> {
        let deepest = |parts: &[Tree]| parts.iter().map(|part| part.depth).max().unwrap_or(0);
        let depth = match &kind {
            Kind::Int(_) | Kind::Truth(_) | Kind::Text(_) | Kind::Name(_) => 0,
            Kind::List(parts) | Kind::All(parts) | Kind::Any(parts) => deepest(parts),
            Kind::Not(inner) | Kind::Negate(inner) => inner.depth,
            Kind::Choose(parts) => deepest(parts.as_slice()),
            Kind::Binary(_, parts) | Kind::Index(parts) => deepest(parts.as_slice()),
            Kind::Call { target, arguments, .. } => {
                deepest(arguments).max(target.as_ref().map_or(0, |target| target.depth))
            }
        };
        let depth = depth.saturating_add(1);
        let place = from.to(self.before());
        if depth > NESTING_MAX {
            return self.too_deep(place);
        }
        Ok(Tree { kind, place, depth })
    }

    fn too_deep<T>(&self, place: Place) -> Result<T, Defect> {
        let detail = format!("nested deeper than {NESTING_MAX} levels");
        self.fail(DefectCode::TooDeep, place, detail)
    }

    fn expression(&mut self, least: u8) -> Result<Tree, Defect> {
        self.depth = self.depth.saturating_add(1);
        if self.depth > NESTING_MAX.saturating_mul(2) {
            return self.too_deep(self.place());
        }
        let tree = self.operators(least);
        self.depth = self.depth.saturating_sub(1);
        tree
    }

    fn operators(&mut self, least: u8) -> Result<Tree, Defect> {
        let from = self.place();
        let mut left = self.unary()?;
        loop {
            if least == 0 && self.take("?") {
                let then = self.expression(1)?;
                self.expect(":")?;
                let otherwise = self.expression(0)?;
                left = self.tree(Kind::Choose(Box::new([left, then, otherwise])), from)?;
                continue;
            }
            let Some((strength, sign)) = precedence(self.peek()).filter(|(s, _)| *s >= least)
            else {
                return Ok(left);
            };
            if matches!(sign, "&&" | "||") {
                let mut parts = vec![left];
                while self.take(sign) {
                    parts.push(self.expression(strength.saturating_add(1))?);
                }
                let kind = if sign == "&&" { Kind::All(parts) } else { Kind::Any(parts) };
                left = self.tree(kind, from)?;
                continue;
            }
            self.next();
            let right = self.expression(strength.saturating_add(1))?;
            left = self.tree(Kind::Binary(sign, Box::new([left, right])), from)?;
        }
    }

    fn unary(&mut self) -> Result<Tree, Defect> {
        let mut signs = Vec::new();
        while let Token::Sign(sign @ ("!" | "-")) = self.peek() {
            signs.push((*sign, self.place()));
            self.at = self.at.saturating_add(1);
        }
        let from = signs.last().map_or(self.place(), |(_, place)| *place);
        let negative = matches!(signs.last(), Some(("-", _)));
        let mut tree = match self.peek() {
            Token::Int(number) if negative => {
                let number = 0_i64.checked_sub_unsigned(*number);
                self.at = self.at.saturating_add(1);
                signs.pop();
                let literal = self.int(number, from)?;
                self.members(literal, from)?
            }
            _ => {
                let from = self.place();
                let primary = self.primary()?;
                self.members(primary, from)?
            }
        };
        for (sign, place) in signs.into_iter().rev() {
            let inner = Box::new(tree);
            let kind = if sign == "!" { Kind::Not(inner) } else { Kind::Negate(inner) };
            tree = self.tree(kind, place)?;
        }
        Ok(tree)
    }

    fn int(&self, number: Option<i64>, from: Place) -> Result<Tree, Defect> {
        match number {
            Some(number) => self.tree(Kind::Int(number), from),
            None => {
                let place = from.to(self.before());
                self.fail(DefectCode::Syntax, place, "this number does not fit 64 bits".to_owned())
            }
        }
    }

    fn primary(&mut self) -> Result<Tree, Defect> {
        let from = self.place();
        match self.next() {
            Token::Int(number) => self.int(i64::try_from(number).ok(), from),
            Token::Text(text) => self.tree(Kind::Text(text.into()), from),
            Token::Word("true") => self.tree(Kind::Truth(true), from),
            Token::Word("false") => self.tree(Kind::Truth(false), from),
            Token::Word("null") => self.fail(
                DefectCode::NotInLanguage,
                from,
                "there is no null: what is not known is not there".to_owned(),
            ),
            Token::Sign("(") => {
                let mut tree = self.expression(0)?;
                self.expect(")")?;
                tree.place = from.to(self.before());
                Ok(tree)
            }
            Token::Sign("[") => {
                let items = self.arguments("]", true)?;
                self.tree(Kind::List(items), from)
            }
            Token::Sign("{") => {
                self.fail(DefectCode::NotInLanguage, from, "there are no maps".to_owned())
            }
            Token::Name(name) if RESERVED.contains(&name.as_str()) => {
                self.fail(DefectCode::Syntax, from, format!("`{name}` is a word that CEL keeps"))
            }
            Token::Name(name) if self.take("(") => {
                let arguments = self.arguments(")", false)?;
                self.tree(Kind::Call { target: None, name, arguments }, from)
            }
            Token::Name(name) => self.tree(Kind::Name(name), from),
            _ => {
                self.at = self.at.saturating_sub(1);
                self.unexpected("a value")
            }
        }
    }

    /// Reads what stands behind a value: `.name`, `.name(…)`, `[…]`.
    fn members(&mut self, mut tree: Tree, from: Place) -> Result<Tree, Defect> {
        let mut members = 0_usize;
        loop {
            members = members.saturating_add(1);
            if members > LENGTH_MAX {
                return self.too_deep(from);
            }
            if self.take("[") {
                let index = self.expression(0)?;
                self.expect("]")?;
                tree = self.tree(Kind::Index(Box::new([tree, index])), from)?;
            } else if self.take(".") {
                let Token::Name(name) = self.peek().clone() else {
                    return self.unexpected("a name");
                };
                self.at = self.at.saturating_add(1);
                if self.take("(") {
                    let arguments = self.arguments(")", false)?;
                    let target = Some(Box::new(tree));
                    tree = self.tree(Kind::Call { target, name, arguments }, from)?;
                } else if let Kind::Name(before) = tree.kind {
                    tree = self.tree(Kind::Name(format!("{before}.{name}")), from)?;
                } else {
                    let place = from.to(self.before());
                    let detail = "only facts and parameters have names with dots".to_owned();
                    return self.fail(DefectCode::NotInLanguage, place, detail);
                }
            } else if matches!(self.peek(), Token::Sign("{")) {
                let detail = "there are no messages".to_owned();
                return self.fail(DefectCode::NotInLanguage, self.place(), detail);
            } else {
                return Ok(tree);
            }
        }
    }

    fn arguments(&mut self, close: &str, comma_at_end: bool) -> Result<Vec<Tree>, Defect> {
        let mut found = Vec::new();
        if self.take(close) {
            return Ok(found);
        }
        loop {
            found.push(self.expression(0)?);
            if self.take(close) {
                return Ok(found);
            }
            if !self.take(",") {
                return self.unexpected(&format!("`,` or `{close}`"));
            }
            if comma_at_end && self.take(close) {
                return Ok(found);
            }
        }
    }
}
