//! Expressions that are made to hurt are refused, with the place and the reason.

use std::sync::Arc;

use peshub::subsidies::domain::{Catalogue, Definition, Facts, GREATEST_NUMBER, Scalar, Value};
use peshub::subsidies::evaluator::defect::{Defect, DefectCode};
use peshub::subsidies::evaluator::expression::Expression;
use peshub::subsidies::evaluator::rule::{CriterionSource, Rule, RuleSource, Trace};
use peshub::subsidies::evaluator::{NESTING_MAX, Scope, Wanted};

use crate::subsidies::grammar::{Dice, Maker, catalogue as little};

fn catalogue() -> Catalogue {
    let definition = |name: &str, kind, max_items| Definition {
        name: name.into(),
        kind,
        max_items,
        choices: if kind == Scalar::Enum {
            ["large".into(), "small".into()].into()
        } else {
            [].into()
        },
        least: 0,
        greatest: GREATEST_NUMBER,
        fresh_for_days: 0,
        stated_by_hub: false,
    };
    let many = (0..200).map(|number| definition(&format!("many.n{number}"), Scalar::Int, None));
    let few = [
        definition("worker.wage", Scalar::Money, None),
        definition("worker.disabled", Scalar::Bool, None),
        definition("worker.born", Scalar::Date, None),
        definition("employer.size", Scalar::Enum, None),
        definition("worker.name", Scalar::Text, None),
        definition("household.ages", Scalar::Int, Some(1_000)),
        definition("household.born", Scalar::Date, Some(20)),
    ];
    Catalogue::new(many.chain(few))
}

fn refused(source: &str) -> Defect {
    let catalogue = catalogue();
    let parameters = [Arc::from("cap")];
    let scope = Scope { catalogue: &catalogue, parameters: &parameters };
    match Expression::compile(source, &scope, Wanted::Truth) {
        Ok(_) => panic!("not refused: {}", source.chars().take(200).collect::<String>()),
        Err(defects) => defects.into_iter().next().unwrap(),
    }
}

#[test]
fn too_much_of_anything_is_refused_with_its_place() {
    let nested = |open: &str, close: &str, depth: usize| {
        format!("{}true{}", open.repeat(depth), close.repeat(depth))
    };
    let long = |piece: &str, count: usize| vec![piece; count].join(" ");
    for (source, code, at) in [
        (format!("'{}' == ''", "x".repeat(10_000_000)), DefectCode::TooLong, (1, 8193)),
        (format!("worker.disabled\n{}", " ".repeat(9_000)), DefectCode::TooLong, (2, 8177)),
        ("日".repeat(4_000), DefectCode::TooLong, (1, 2731)),
        (nested("(", ")", 1_000), DefectCode::TooDeep, (1, 65)),
        (nested("[", "]", 1_000), DefectCode::TooDeep, (1, 65)),
        (nested("!(", ")", 1_000), DefectCode::TooDeep, (1, 130)),
        (nested("(", "", 4_000), DefectCode::TooDeep, (1, 65)),
        (nested("!", "", 4_000), DefectCode::TooDeep, (1, 3937)),
        (nested("!-", "", 4_000), DefectCode::TooDeep, (1, 7937)),
        (nested("worker.disabled ? true : ", "", 300), DefectCode::TooDeep, (1, 3194)),
        (nested("worker.disabled ? (", ") : true", 300), DefectCode::TooDeep, (1, 1235)),
        (nested("worker.disabled ? ", " : true", 300), DefectCode::Syntax, (1, 35)),
        (format!("1 {} == 1", long("+ 1", 1_500)), DefectCode::TooDeep, (1, 1)),
        (format!("1 {} == 1", long("- -1", 1_000)), DefectCode::TooDeep, (1, 1)),
        (format!("[1]{} == 1", "[0]".repeat(2_000)), DefectCode::TooDeep, (1, 1)),
        (format!("worker{}", ".a".repeat(4_000)), DefectCode::UnknownFact, (1, 1)),
        (
            format!("[{}].exists(x, [{}].exists(y, x == y))", "1,".repeat(1_000), "1,".repeat(1_000)),
            DefectCode::TooCostly,
            (1, 1),
        ),
        (
            "household.ages.all(x, household.ages.all(y, household.ages.all(z, x + y == z)))".into(),
            DefectCode::TooCostly,
            (1, 1),
        ),
        (
            "household.born.map(a, household.born.map(b, household.born.map(c, household.born.map(d, \
             household.born.exists(e, a == e))[0])[0])[0])[0]"
                .into(),
            DefectCode::Comprehension,
            (1, 111),
        ),
        (
            (0..130).map(|number| format!("many.n{number} > 0")).collect::<Vec<_>>().join(" && "),
            DefectCode::TooManyFacts,
            (1, 1),
        ),
    ] {
        let defect = refused(&source);
        let start: String = source.chars().take(60).collect();
        assert_eq!((defect.code, (defect.line, defect.column)), (code, at), "{start}: {defect}");
        assert!(defect.to_string().len() < 1_000, "{start}");
    }
}

#[test]
fn what_is_not_in_the_language_is_refused_with_its_place() {
    use DefectCode as Code;
    for (source, code, at) in [
        ("worker.wage * 1.5 > 3", Code::NotInLanguage, (1, 15)),
        ("worker.wage > .5", Code::NotInLanguage, (1, 15)),
        ("worker.wage > 1e3", Code::NotInLanguage, (1, 15)),
        ("worker.wage > 3u", Code::NotInLanguage, (1, 15)),
        ("worker.name == b'x'", Code::NotInLanguage, (1, 16)),
        ("worker.wage == null", Code::NotInLanguage, (1, 16)),
        ("{'a': 1} == {}", Code::NotInLanguage, (1, 1)),
        ("worker.wage == Money{units: 3}", Code::NotInLanguage, (1, 21)),
        ("worker.wag > 3", Code::UnknownFact, (1, 1)),
        ("worker.disabled &&\n  worker.wag > 3", Code::UnknownFact, (2, 3)),
        ("worker.wage > param.cup", Code::UnknownParameter, (1, 15)),
        ("has(worker.wage)", Code::UnknownFunction, (1, 1)),
        ("now() > worker.born", Code::UnknownFunction, (1, 1)),
        ("worker.name.matches('(a+)+$')", Code::UnknownFunction, (1, 1)),
        ("worker.name.startsWith()", Code::WrongArguments, (1, 1)),
        ("years_between(worker.born) > 3", Code::WrongArguments, (1, 1)),
        ("math.least() > 3", Code::WrongArguments, (1, 1)),
        ("employer.size == 'huge'", Code::UnknownChoice, (1, 18)),
        ("employer.size in ['large', 'tiny']", Code::UnknownChoice, (1, 28)),
        ("worker.wage", Code::WrongType, (1, 1)),
        ("worker.wage && true", Code::WrongType, (1, 1)),
        ("worker.wage + worker.born > 3", Code::WrongType, (1, 15)),
        ("worker.wage == '3'", Code::WrongType, (1, 16)),
        ("worker.disabled ? 1 : 'a'", Code::WrongType, (1, 23)),
        ("household.ages == [3]", Code::WrongType, (1, 1)),
        ("[1, 'a'].size() > 1", Code::WrongType, (1, 5)),
        ("worker.name + 'x' == 'x'", Code::WrongType, (1, 1)),
        ("worker.born > date('2025-02-29')", Code::NoDay, (1, 20)),
        ("worker.born > date('1899-12-31')", Code::NoDay, (1, 20)),
        ("worker.born > date(worker.name)", Code::NotInLanguage, (1, 20)),
        ("worker.name.all(x, x == 'a')", Code::Comprehension, (1, 1)),
        ("household.ages.all(worker.wage, true)", Code::Comprehension, (1, 20)),
        ("household.ages.all(x, [1].all(x, true))", Code::Comprehension, (1, 31)),
        ("household.ages.all(3, true)", Code::Comprehension, (1, 20)),
        ("", Code::Syntax, (1, 1)),
        ("// nothing", Code::Syntax, (1, 11)),
        ("true true", Code::Syntax, (1, 6)),
        ("true &", Code::Syntax, (1, 6)),
        ("worker.disabled = true", Code::Syntax, (1, 17)),
        ("(true", Code::Syntax, (1, 6)),
        ("worker.name == 'x", Code::Syntax, (1, 16)),
        ("worker.name == '\\q'", Code::Syntax, (1, 17)),
        ("worker.name == '\\ud800'", Code::Syntax, (1, 17)),
        ("worker.wage > 9223372036854775808", Code::Syntax, (1, 15)),
        ("worker.wage > 3a", Code::Syntax, (1, 15)),
        ("worker.name == '日本' && while", Code::Syntax, (1, 24)),
    ] {
        let defect = refused(source);
        assert_eq!((defect.code, (defect.line, defect.column)), (code, at), "{source}: {defect}");
    }
}

#[test]
fn every_mistake_is_told_at_once_and_drawn_into_the_line() {
    let catalogue = catalogue();
    let scope = Scope { catalogue: &catalogue, parameters: &[] };
    let source = "worker.disabled &&\n  worker.wag > 3 && employer.size == 'huge'";
    let defects = Expression::compile(source, &scope, Wanted::Truth).unwrap_err();
    let drawn: Vec<String> = defects.iter().map(Defect::to_string).collect();
    assert_eq!(
        drawn,
        [
            "2:3: the catalogue has no fact `worker.wag`\n    worker.wag > 3 && employer.size == 'huge'\n    ^^^^^^^^^^",
            "2:38: `huge` is none of the choices of `employer.size`\n    worker.wag > 3 && employer.size == 'huge'\n                                       ^^^^^^",
        ]
    );
}

/// Nothing that can be read makes it panic or overflow the stack: also what is just allowed, and what is not read at all.
#[test]
fn letters_at_random_do_no_harm() {
    let catalogue = little();
    let scope = Scope { catalogue: &catalogue, parameters: &[] };
    let mut dice = Dice(0xfeed);
    let pieces = [
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "!",
        "-",
        "&&",
        "||",
        "==",
        "<",
        "in",
        "?",
        ":",
        ".",
        ",",
        "a",
        "n",
        "xs",
        "hue",
        "w.m",
        "item",
        "true",
        "null",
        "1",
        "9223372036854775807",
        "'red'",
        "\"",
        "'''",
        "\\",
        "r'",
        "b'",
        "0x",
        "//",
        "\n",
        "日",
        "\u{0}",
        "\u{301}",
        "size(",
        "math.least(",
        "xs.all(item, ",
        "date('2024-02-29')",
        "years_between(",
        "+",
        "*",
        "%",
        "/",
        " ",
    ];
    for _ in 0..20_000 {
        let source: String =
            (0..dice.below(40)).map(|_| pieces[dice.below(pieces.len())]).collect();
        for wanted in [Wanted::Truth, Wanted::Number] {
            if let Ok(expression) = Expression::compile(&source, &scope, wanted) {
                drop(expression.judge(&expression.bind(&Facts::new()), &[], Trace::On));
            }
        }
    }
}

/// As deep as is allowed, on a small stack.
#[test]
fn what_is_just_allowed_is_evaluated_on_a_small_stack() {
    let work = || {
        let catalogue = little();
        let scope = Scope { catalogue: &catalogue, parameters: &[] };
        let depth = NESTING_MAX - 2;
        let sources = [
            format!("{}a{}", "(".repeat(NESTING_MAX), ")".repeat(NESTING_MAX)),
            format!("{}a", "!".repeat(depth)),
            format!("n {} > 1", "+ n".repeat(depth)),
            format!("{}b", "a ? b : ".repeat(depth)),
            format!("{}xs[0]{} > 0", "math.least(n, ".repeat(depth - 2), ")".repeat(depth - 2)),
            format!("{} true", "a && (b || ".repeat(20)) + &")".repeat(20),
        ];
        for source in sources {
            let expression = Expression::compile(&source, &scope, Wanted::Truth)
                .unwrap_or_else(|defects| panic!("{source}: {}", defects[0]));
            let answer = expression.judge(&expression.bind(&Facts::new()), &[], Trace::On).unwrap();
            assert!(!answer.ask.is_empty(), "{source}");
        }
    };
    std::thread::Builder::new().stack_size(1 << 20).spawn(work).unwrap().join().unwrap();
}

/// However a rule is written, looking for what matters ends; it may ask too much then and says so.
#[test]
fn looking_for_what_matters_ends() {
    let catalogue = catalogue();
    let scope = Scope { catalogue: &catalogue, parameters: &[] };
    let sum = (0..60).map(|number| format!("many.n{number}")).collect::<Vec<_>>().join(" + ");
    let criteria: Vec<String> = (0..50).map(|number| format!("({sum}) % 97 != {number}")).collect();
    let criteria: Vec<_> =
        criteria.iter().map(|text| CriterionSource { expression: text, wider: &[] }).collect();
    let amount = format!("({sum}) * 7 % 1000");
    let source = RuleSource { criteria: &criteria, amount: Some(&amount) };
    let rule = Rule::compile(&source, &scope).unwrap();
    let answer = rule.judge(&rule.bind(&Facts::new()), &[], Trace::On).unwrap();
    assert_eq!(answer.ask.len(), 60);
    assert!(!answer.exact && !answer.amount.unwrap().exact);
    assert!(answer.cost < 3_000_000, "{}", answer.cost);
    let mut dice = Dice(11);
    for _ in 0..200 {
        let tree = Maker::new(&mut dice).truth(7);
        let little = little();
        let scope = Scope { catalogue: &little, parameters: &[] };
        let Ok(expression) = Expression::compile(&tree.to_string(), &scope, Wanted::Truth) else {
            continue;
        };
        drop(expression.judge(&expression.bind(&Facts::new()), &[], Trace::On));
    }
}

#[test]
fn an_evaluation_that_fails_says_where() {
    let catalogue = catalogue();
    let scope = Scope { catalogue: &catalogue, parameters: &[] };
    for (source, wage, wanted) in [
        ("100 / worker.wage > 3", 0, "criteria[0] at 1:1: it divides by zero: 100 / worker.wage"),
        (
            "true &&\n 100 % worker.wage > 3",
            0,
            "criteria[0] at 2:2: it divides by zero: 100 % worker.wage",
        ),
        (
            "worker.wage * 9223372036854775807 > 3",
            2,
            "criteria[0] at 1:1: a number does not fit 64 bits: worker.wage * 9223372036854775807",
        ),
        (
            "[1, 2][worker.wage] > 3",
            2,
            "criteria[0] at 1:1: the list has no such item: [1, 2][worker.wage]",
        ),
        (
            "math.least([1].filter(x, x > worker.wage)) > 3",
            2,
            "criteria[0] at 1:1: the list is empty: math.least([1].filter(x, x > worker.wage))",
        ),
    ] {
        let expression = Expression::compile(source, &scope, Wanted::Truth).unwrap();
        let facts = Facts::from([("worker.wage".into(), Value::Number(wage))]);
        let error = expression.judge(&expression.bind(&facts), &[], Trace::On).unwrap_err();
        assert_eq!(error.to_string(), wanted);
    }
}
