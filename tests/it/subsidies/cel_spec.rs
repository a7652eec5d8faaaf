//! The language's own conformance tests (cel-spec), as far as they are about the subset.
//!
//! Which of them are is said by construct and type, never by a test's name, and decided on the tree that another parser (crate `cel`)
//! makes of the expression. A test is about the subset when:
//!
//! - it evaluates (tests of CEL's checker do not), in no container, with macros on;
//! - every value that is bound, written or expected is an int, a bool, a string, or a list of one of these;
//! - it uses the constructs of `docs/guides/expressions.md` and no other: its operators between two ints, comparisons of two of one
//!   type that is no list, `in` and `[]` of lists, `size`, tests of strings, `math.least` and `math.greatest`, `all`, `exists`,
//!   `exists_one`, `filter` and `map` of one variable;
//! - it is well typed, its names and functions are declared, and no list mixes types; or it is not, and an error is what is expected:
//!   the evaluator refuses such an expression when it is compiled.

use std::collections::BTreeMap;

use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, IdedExpr, LiteralValue};
use peshub::subsidies::domain::{Catalogue, Definition, Facts, Scalar, Value};
use peshub::subsidies::evaluator::expression::Expression;
use peshub::subsidies::evaluator::judgement::State;
use peshub::subsidies::evaluator::rule::Trace;
use peshub::subsidies::evaluator::{Scope, Wanted};
use serde_json::Value as Json;

/// Types of the subset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Int,
    Bool,
    String,
}

/// What a piece of an expression is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    One(Type),
    /// A list; `None`: an empty one.
    Many(Option<Type>),
}

/// Why a piece is not well typed in the subset.
#[derive(Debug)]
enum Not {
    /// It uses something that the subset does not have.
    Inside(String),
    /// It is wrongly typed, or names what there is not.
    Typed,
}

fn beyond<T>(what: impl Into<String>) -> Result<T, Not> {
    Err(Not::Inside(what.into()))
}

struct Reader {
    names: BTreeMap<String, Kind>,
}

impl Reader {
    fn kind(&mut self, expression: &IdedExpr) -> Result<Kind, Not> {
        match &expression.expr {
            Expr::Literal(LiteralValue::Int(_)) => Ok(Kind::One(Type::Int)),
            Expr::Literal(LiteralValue::Boolean(_)) => Ok(Kind::One(Type::Bool)),
            Expr::Literal(LiteralValue::String(_)) => Ok(Kind::One(Type::String)),
            Expr::Literal(LiteralValue::Double(_)) => beyond("a double"),
            Expr::Literal(LiteralValue::UInt(_)) => beyond("a uint"),
            Expr::Literal(LiteralValue::Bytes(_)) => beyond("bytes"),
            Expr::Literal(LiteralValue::Null) => beyond("null"),
            Expr::Ident(name) => self.name(name),
            Expr::Select(select) if select.test => beyond("has()"),
            Expr::Select(_) => match dotted(expression) {
                Some(name) => self.name(&name),
                None => beyond("a field"),
            },
            Expr::List(list) if list.optional_indices.is_empty() => {
                let mut of = None;
                for item in &list.elements {
                    let Kind::One(kind) = self.kind(item)? else {
                        return beyond("a list of lists");
                    };
                    if *of.get_or_insert(kind) != kind {
                        return Err(Not::Typed);
                    }
                }
                Ok(Kind::Many(of))
            }
            Expr::List(_) => beyond("an optional"),
            Expr::Map(_) => beyond("a map"),
            Expr::Struct(_) => beyond("a message"),
            Expr::Call(call) => self.call(call),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            Expr::Unspecified => beyond("nothing"),
        }
    }

    fn name(&self, name: &str) -> Result<Kind, Not> {
        if ["int", "uint", "double", "bool", "string", "bytes", "list", "map", "null_type", "type"]
            .contains(&name)
        {
            return beyond("a type as a value");
        }
        self.names.get(name).cloned().ok_or(Not::Typed)
    }

    fn one(&mut self, expression: &IdedExpr, wanted: Type) -> Result<(), Not> {
        if self.kind(expression)? == Kind::One(wanted) { Ok(()) } else { Err(Not::Typed) }
    }

    fn call(&mut self, call: &CallExpr) -> Result<Kind, Not> {
        let name = call.func_name.as_str();
        let arguments: Vec<&IdedExpr> = call.args.iter().collect();
        let library = call.target.as_deref().and_then(dotted);
        match (library.as_deref(), name, arguments.as_slice()) {
            (Some("math"), "least" | "greatest", [one]) => match self.kind(one)? {
                Kind::One(Type::Int) | Kind::Many(Some(Type::Int)) => Ok(Kind::One(Type::Int)),
                _ => Err(Not::Typed),
            },
            (Some("math"), "least" | "greatest", several) => {
                for one in several {
                    self.one(one, Type::Int)?;
                }
                if several.is_empty() { Err(Not::Typed) } else { Ok(Kind::One(Type::Int)) }
            }
            (None, "_&&_" | "_||_", [left, right]) => {
                let (left, right) = (self.one(left, Type::Bool), self.one(right, Type::Bool));
                both(left, right)?;
                Ok(Kind::One(Type::Bool))
            }
            (None, "!_", [inner]) => self.one(inner, Type::Bool).map(|()| Kind::One(Type::Bool)),
            (None, "-_", [inner]) => self.one(inner, Type::Int).map(|()| Kind::One(Type::Int)),
            (None, "_+_" | "_-_" | "_*_" | "_/_" | "_%_", [left, right]) => {
                let (left, right) = (self.kind(left)?, self.kind(right)?);
                match (&left, &right) {
                    (Kind::One(Type::Int), Kind::One(Type::Int)) => Ok(Kind::One(Type::Int)),
                    (Kind::One(Type::String), Kind::One(Type::String)) => {
                        beyond("texts made of texts")
                    }
                    (Kind::Many(_), Kind::Many(_)) => beyond("lists made of lists"),
                    _ => Err(Not::Typed),
                }
            }
            (None, "_==_" | "_!=_" | "_<_" | "_<=_" | "_>_" | "_>=_", [left, right]) => {
                match (self.kind(left)?, self.kind(right)?) {
                    (Kind::One(one), Kind::One(two)) if one == two => Ok(Kind::One(Type::Bool)),
                    (Kind::Many(_), Kind::Many(_)) => beyond("lists compared"),
                    _ => Err(Not::Typed),
                }
            }
            (None, "_?_:_", [test, yes, no]) => {
                self.one(test, Type::Bool)?;
                let (yes, no) = (self.kind(yes)?, self.kind(no)?);
                match yes {
                    _ if yes != no => Err(Not::Typed),
                    Kind::One(_) => Ok(yes),
                    Kind::Many(_) => beyond("a choice of lists"),
                }
            }
            (None, "@in", [item, list]) => match (self.kind(item)?, self.kind(list)?) {
                (Kind::One(one), Kind::Many(of)) if of.is_none_or(|of| of == one) => {
                    Ok(Kind::One(Type::Bool))
                }
                (Kind::Many(_), Kind::Many(_)) => beyond("a list in a list"),
                _ => Err(Not::Typed),
            },
            (None, "_[_]", [list, index]) => {
                self.one(index, Type::Int)?;
                match self.kind(list)? {
                    Kind::Many(Some(of)) => Ok(Kind::One(of)),
                    _ => Err(Not::Typed),
                }
            }
            (None, "size", [of]) => self.size(of),
            (_, "size", []) if call.target.is_some() => self.size(call.target.as_deref().unwrap()),
            (_, "startsWith" | "endsWith" | "contains", [piece]) if call.target.is_some() => {
                self.one(call.target.as_deref().unwrap(), Type::String)?;
                self.one(piece, Type::String).map(|()| Kind::One(Type::Bool))
            }
            (None, other, _) if call.target.is_none() && !CEL_FUNCTIONS.contains(&other) => {
                Err(Not::Typed)
            }
            _ => beyond(format!("the function {name}")),
        }
    }

    fn size(&mut self, of: &IdedExpr) -> Result<Kind, Not> {
        match self.kind(of)? {
            Kind::Many(_) | Kind::One(Type::String) => Ok(Kind::One(Type::Int)),
            Kind::One(_) => Err(Not::Typed),
        }
    }

    /// What the other parser makes of `all`, `exists`, `exists_one`, `filter` and `map`.
    fn comprehension(&mut self, it: &ComprehensionExpr) -> Result<Kind, Not> {
        let Kind::Many(of) = self.kind(&it.iter_range)? else { return Err(Not::Typed) };
        if it.iter_var2.is_some() || it.accu_var != "@result" {
            return beyond("a comprehension of two variables");
        }
        let variable = Kind::One(of.unwrap_or(Type::Int));
        if self.names.contains_key(&it.iter_var) {
            return beyond("a variable that hides another");
        }
        self.names.insert(it.iter_var.clone(), variable);
        let found = match &it.accu_init.expr {
            Expr::Literal(LiteralValue::Boolean(_)) => self.last(&it.loop_step, Type::Bool),
            Expr::Literal(LiteralValue::Int(_)) => self.first(&it.loop_step),
            Expr::List(_) => self.collected(&it.loop_step),
            _ => beyond("a comprehension"),
        };
        self.names.remove(&it.iter_var);
        found
    }

    /// `@result && body`
    fn last(&mut self, step: &IdedExpr, wanted: Type) -> Result<Kind, Not> {
        let Expr::Call(call) = &step.expr else { return beyond("a comprehension") };
        self.one(call.args.last().unwrap(), wanted)?;
        Ok(Kind::One(wanted))
    }

    /// `body ? @result + 1 : @result`
    fn first(&mut self, step: &IdedExpr) -> Result<Kind, Not> {
        let Expr::Call(call) = &step.expr else { return beyond("a comprehension") };
        self.one(call.args.first().unwrap(), Type::Bool)?;
        Ok(Kind::One(Type::Bool))
    }

    /// `@result + [body]`, or `condition ? @result + [body] : @result`
    fn collected(&mut self, step: &IdedExpr) -> Result<Kind, Not> {
        let Expr::Call(call) = &step.expr else { return beyond("a comprehension") };
        if call.func_name == "_?_:_" {
            self.one(&call.args[0], Type::Bool)?;
            return self.collected(&call.args[1]);
        }
        match self.kind(&call.args[1])? {
            list @ Kind::Many(_) => Ok(list),
            Kind::One(_) => Err(Not::Typed),
        }
    }
}

/// Functions of CEL and its extensions that the subset does not have.
const CEL_FUNCTIONS: &[&str] = &[
    "dyn",
    "int",
    "uint",
    "double",
    "string",
    "bytes",
    "bool",
    "type",
    "timestamp",
    "duration",
    "matches",
    "list",
    "ip",
    "cidr",
    "isIP",
    "isCIDR",
    "has",
    "all",
    "exists",
    "map",
    "filter",
    "exists_one",
    "optional",
    "_?._",
    "_[?_]",
];

fn both(left: Result<(), Not>, right: Result<(), Not>) -> Result<(), Not> {
    match (left, right) {
        (Err(Not::Inside(what)), _) | (_, Err(Not::Inside(what))) => beyond(what),
        (left, right) => left.and(right),
    }
}

fn dotted(expression: &IdedExpr) -> Option<String> {
    match &expression.expr {
        Expr::Ident(name) => Some(name.clone()),
        Expr::Select(select) if !select.test => {
            Some(format!("{}.{}", dotted(&select.operand)?, select.field))
        }
        _ => None,
    }
}

/// A value of a test.
fn value(json: &Json) -> Option<(Kind, Value)> {
    let text = || json["v"].as_str();
    Some(match json["t"].as_str()? {
        "int" => (Kind::One(Type::Int), Value::Number(text()?.parse().ok()?)),
        "bool" => (Kind::One(Type::Bool), Value::Truth(json["v"].as_bool()?)),
        "string" => (Kind::One(Type::String), Value::Text(text()?.into())),
        "list" => {
            let items = json["v"].as_array()?.iter().map(value).collect::<Option<Vec<_>>>()?;
            let kinds = items.iter().map(|(kind, _)| match kind {
                Kind::One(kind) => Some(*kind),
                Kind::Many(_) => None,
            });
            let kinds = kinds.collect::<Option<Vec<_>>>()?;
            let of = kinds.first().copied();
            if kinds.iter().any(|kind| Some(*kind) != of) {
                return None;
            }
            let values = items.into_iter().map(|(_, value)| value);
            (Kind::Many(of), Value::List(values.collect()))
        }
        _ => return None,
    })
}

struct Test {
    expression: String,
    bound: Vec<(String, Kind, Value)>,
    /// What it yields; `None`: an error.
    wanted: Option<(Kind, Value)>,
    /// What the expression is; `None`: it is not well typed and an error is what is expected.
    kind: Option<Kind>,
}

/// Returns the test, or why it is not about the subset.
fn about_the_subset(test: &Json) -> Result<Test, String> {
    if test["check_only"] == true || test["matcher"] == "typed_result" {
        return Err("a test of the checker".to_owned());
    }
    if test["container"] != "" || test["disable_macros"] == true {
        return Err("a container, or macros off".to_owned());
    }
    let mut bound = Vec::new();
    for (name, json) in test["bind"].as_object().unwrap() {
        let (kind, value) = value(json).ok_or(format!("bound: {}", json["t"]))?;
        bound.push((name.clone(), kind, value));
    }
    let wanted = match test["matcher"].as_str().unwrap() {
        "eval_error" => None,
        _ => Some(value(&test["want"]).ok_or(format!("expected: {}", test["want"]["t"]))?),
    };
    let expression = test["expr"].as_str().unwrap().to_owned();
    let names = bound.iter().map(|(name, kind, _)| (name.clone(), kind.clone())).collect();
    let program = cel::Program::compile(&expression).map_err(|_| "not read by crate cel")?;
    match (Reader { names }).kind(program.expression()) {
        Ok(kind) => Ok(Test { expression, bound, wanted, kind: Some(kind) }),
        Err(Not::Inside(what)) => Err(what),
        Err(Not::Typed) if wanted.is_none() => Ok(Test { expression, bound, wanted, kind: None }),
        Err(Not::Typed) => Err("not well typed".to_owned()),
    }
}

fn definition(name: &str, kind: &Kind) -> Definition {
    let (kind, max_items) = match kind {
        Kind::One(kind) => (*kind, None),
        Kind::Many(kind) => (kind.unwrap_or(Type::Int), Some(100)),
    };
    let kind = match kind {
        Type::Int => Scalar::Int,
        Type::Bool => Scalar::Bool,
        Type::String => Scalar::Text,
    };
    Definition {
        name: name.into(),
        kind,
        max_items,
        choices: [].into(),
        least: i64::MIN,
        greatest: i64::MAX,
        fresh_for_days: 0,
        stated_by_hub: false,
    }
}

/// What the evaluator makes of a test; `Err`: why it is wrong.
fn run(test: &Test) -> Result<(), String> {
    let mut definitions: Vec<_> =
        test.bound.iter().map(|(name, kind, _)| definition(name, kind)).collect();
    let mut facts: Facts =
        test.bound.iter().map(|(name, _, value)| (name.as_str().into(), value.clone())).collect();
    let whole = &test.expression;
    // What is expected is compared within the language: `expected` is a fact.
    let mut questions = Vec::new();
    match (&test.wanted, &test.kind) {
        (Some((Kind::Many(_), Value::List(items))), _) => {
            questions.push(format!("size({whole}\n) == {}", items.len()));
            for (index, item) in items.iter().enumerate() {
                let name = format!("expected.no{index}");
                let Some((Kind::Many(Some(of)), _)) = &test.wanted else {
                    panic!("it was of many")
                };
                definitions.push(definition(&name, &Kind::One(*of)));
                facts.insert(name.as_str().into(), item.clone());
                questions.push(format!("({whole}\n)[{index}] == {name}"));
            }
        }
        (Some((kind, value)), _) => {
            definitions.push(definition("expected", kind));
            facts.insert("expected".into(), value.clone());
            questions.push(format!("({whole}\n) == expected"));
        }
        (None, Some(Kind::Many(_))) => questions.push(format!("size({whole}\n) >= 0")),
        (None, Some(Kind::One(Type::Bool))) => questions.push(format!("({whole}\n)")),
        (None, Some(Kind::One(Type::Int))) => questions.push(format!("({whole}\n) == 0")),
        (None, Some(Kind::One(Type::String)) | None) => {
            questions.push(format!("({whole}\n) == ''"));
        }
    }
    let catalogue = Catalogue::new(definitions);
    let scope = Scope { catalogue: &catalogue, parameters: &[] };
    for question in questions {
        let compiled = Expression::compile(&question, &scope, Wanted::Truth);
        let answer = match &compiled {
            Ok(compiled) => compiled.judge(&compiled.bind(&facts), &[], Trace::Off),
            Err(_) if test.wanted.is_none() && test.kind.is_none() => continue,
            Err(defects) => return Err(format!("refused: {}", defects[0])),
        };
        match (&test.wanted, answer) {
            (None, Err(_)) => {}
            (Some(_), Ok(answer)) if answer.verdict == State::Met => {}
            (_, answer) => return Err(format!("{:?}", answer.map(|answer| answer.verdict))),
        }
    }
    Ok(())
}

fn tests() -> Option<Vec<Json>> {
    let path = crate::subsidies::data("cel-spec-simple-tests.jsonl")?;
    let text = std::fs::read_to_string(path).unwrap();
    Some(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// The other parser recurses deeper than a test's stack, where nothing is optimised.
const STACK: usize = 64 << 20;

#[test]
fn every_conformance_test_about_the_subset_passes() {
    let work = std::thread::Builder::new().stack_size(STACK).spawn(compare_all).unwrap();
    work.join().unwrap();
}

fn compare_all() {
    let Some(tests) = tests() else { return };
    let mut outside = BTreeMap::<String, usize>::new();
    let (mut inside, mut ill_typed) = (0, 0);
    let mut wrong = Vec::new();
    for json in &tests {
        match about_the_subset(json) {
            Err(why) => *outside.entry(why).or_default() += 1,
            Ok(test) => {
                inside += 1;
                ill_typed += usize::from(test.kind.is_none());
                if let Err(why) = run(&test) {
                    wrong.push(format!(
                        "{}/{}: {}: {why}",
                        json["file"], json["name"], json["expr"]
                    ));
                }
            }
        }
    }
    eprintln!("{inside} of {} are about the subset, {ill_typed} of them refused", tests.len());
    eprintln!("outside: {outside:#?}");
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
    assert!(inside >= 250, "too many are left out");
}

/// The comparison sees a wrong value, a wrong item, an error that does not come and one that does.
#[test]
fn a_wrong_expectation_is_seen() {
    for (expr, matcher, want) in [
        ("1 + 1", "value", r#"{"t": "int", "v": "3"}"#),
        (
            "[1, 2].map(x, x * 2)",
            "value",
            r#"{"t": "list", "v": [{"t": "int", "v": "2"}, {"t": "int", "v": "5"}]}"#,
        ),
        ("[1, 2]", "value", r#"{"t": "list", "v": [{"t": "int", "v": "1"}]}"#),
        ("'a' < 'b'", "value", r#"{"t": "bool", "v": false}"#),
        ("1 / 1", "eval_error", "null"),
        ("1 / 0", "value", r#"{"t": "int", "v": "0"}"#),
    ] {
        let json = format!(
            r#"{{"expr": "{expr}", "container": "", "disable_macros": false, "check_only": false, "matcher": "{matcher}", "bind": {{}}, "want": {want}}}"#
        );
        let test = about_the_subset(&serde_json::from_str(&json).unwrap()).unwrap();
        assert!(run(&test).is_err(), "{expr}");
    }
}
