//! Any text as an expression: it is refused with a place within it, or evaluated with all facts unknown.

#![no_main]

use std::sync::Arc;

use peshub_fuzz::subsidies::domain::{Catalogue, Definition, Facts, Scalar};
use peshub_fuzz::subsidies::evaluator::expression::Expression;
use peshub_fuzz::subsidies::evaluator::rule::Trace;
use peshub_fuzz::subsidies::evaluator::{Scope, Wanted};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let fact = |name: &str, kind, max_items| Definition {
        name: name.into(),
        kind,
        max_items,
        choices: if kind == Scalar::Enum { ["red".into(), "green".into()].into() } else { [].into() },
        least: 0,
        greatest: 9,
        fresh_for_days: 0,
        stated_by_hub: false,
    };
    let catalogue = Catalogue::new([
        fact("a", Scalar::Bool, None),
        fact("n", Scalar::Int, None),
        fact("d", Scalar::Date, None),
        fact("hue", Scalar::Enum, None),
        fact("t", Scalar::Text, None),
        fact("xs", Scalar::Int, Some(3)),
    ]);
    let parameters = [Arc::from("p")];
    let scope = Scope { catalogue: &catalogue, parameters: &parameters };
    for wanted in [Wanted::Truth, Wanted::Number] {
        match Expression::compile(text, &scope, wanted) {
            Ok(expression) => {
                let row = expression.bind(&Facts::new());
                let traced = expression.judge(&row, &[7], Trace::On);
                let bare = expression.judge(&row, &[7], Trace::Off);
                assert_eq!(traced.map(|it| (it.verdict, it.cost)), bare.map(|it| (it.verdict, it.cost)));
            }
            Err(defects) => {
                let lines = u32::try_from(text.split('\n').count()).expect("not so many");
                assert!(!defects.is_empty() && defects.iter().all(|it| (1..=lines).contains(&it.line)));
            }
        }
    }
});
