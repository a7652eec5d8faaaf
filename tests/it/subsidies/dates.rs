//! Dates against a second implementation: anniversaries that are counted one by one on a calendar of its own.

use std::sync::Arc;

use peshub::subsidies::domain::{Catalogue, Day, Definition, Facts, Scalar, Value};
use peshub::subsidies::evaluator::expression::Expression;
use peshub::subsidies::evaluator::rule::Trace;
use peshub::subsidies::evaluator::{Scope, Wanted};
use proptest::prelude::{ProptestConfig, Strategy, proptest};

/// A day, as people write it.
type Civil = (i32, u32, u32);

fn leap(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn length(year: i32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

/// The day on which so many months after a day are complete: the one with its number, or else the first of the next month.
fn anniversary((year, month, day): Civil, months: i32) -> Civil {
    let count = year * 12 + month as i32 - 1 + months;
    let (year, month) = (count.div_euclid(12), count.rem_euclid(12) as u32 + 1);
    match (day <= length(year, month), month) {
        (true, _) => (year, month, day),
        (false, 12) => (year + 1, 1, 1),
        (false, _) => (year, month + 1, 1),
    }
}

/// How many complete steps of so many months lie between two days.
fn complete(from: Civil, to: Civil, months: i32) -> i64 {
    if to < from {
        return -complete(to, from, months);
    }
    let mut steps = 0;
    while anniversary(from, (steps + 1) * months) <= to {
        steps += 1;
    }
    steps.into()
}

/// Days since the first of January of the year 1, by counting.
fn number((year, month, day): Civil) -> i64 {
    let years: i64 = (1..year).map(|year| if leap(year) { 366 } else { 365 }).sum();
    let months: i64 = (1..month).map(|month| i64::from(length(year, month))).sum();
    years + months + i64::from(day)
}

struct Between {
    expressions: [Expression; 3],
}

impl Between {
    fn new() -> Self {
        let definition = |name: &str| Definition {
            name: name.into(),
            kind: Scalar::Date,
            max_items: None,
            choices: [].into(),
            least: 0,
            greatest: 0,
            fresh_for_days: 0,
            stated_by_hub: false,
        };
        let catalogue = Catalogue::new([definition("one.day"), definition("other.day")]);
        let scope = Scope { catalogue: &catalogue, parameters: &[] };
        let expressions = ["years", "months", "days"].map(|unit| {
            let text = format!("{unit}_between(one.day, other.day)");
            Expression::compile(&text, &scope, Wanted::Number).unwrap()
        });
        Self { expressions }
    }

    /// Years, months and days between two days.
    fn of(&self, from: Civil, to: Civil) -> [i64; 3] {
        let day = |(year, month, day): Civil| {
            Value::Day(Day::read(&format!("{year:04}-{month:02}-{day:02}")).unwrap())
        };
        let facts =
            Facts::from([(Arc::from("one.day"), day(from)), (Arc::from("other.day"), day(to))]);
        [0, 1, 2].map(|unit| {
            let expression: &Expression = &self.expressions[unit];
            let answer = expression.judge(&expression.bind(&facts), &[], Trace::Off).unwrap();
            answer.amount.unwrap().known().unwrap()
        })
    }
}

fn second(from: Civil, to: Civil) -> [i64; 3] {
    [complete(from, to, 12), complete(from, to, 1), number(to) - number(from)]
}

#[test]
fn ages_are_as_the_law_counts_them() {
    let between = Between::new();
    for (from, to, years) in [
        // The day of birth counts (§ 187 II 2 BGB): one is 18 on the birthday, not the day after.
        ((2007, 6, 15), (2025, 6, 14), 17),
        ((2007, 6, 15), (2025, 6, 15), 18),
        // A day that there is not: the year is over with the month's last day (§ 188 III BGB).
        ((2004, 2, 29), (2022, 2, 28), 17),
        ((2004, 2, 29), (2022, 3, 1), 18),
        ((2004, 2, 29), (2024, 2, 28), 19),
        ((2004, 2, 29), (2024, 2, 29), 20),
        ((1999, 12, 31), (2000, 1, 1), 0),
        ((2000, 1, 1), (1999, 12, 31), 0),
        ((2000, 1, 1), (1998, 12, 31), -1),
        ((1900, 1, 1), (2200, 12, 31), 300),
    ] {
        assert_eq!(between.of(from, to)[0], years, "{from:?} to {to:?}");
        assert_eq!(second(from, to)[0], years, "{from:?} to {to:?}");
    }
    for (from, to, months) in [
        ((2025, 1, 31), (2025, 2, 28), 0),
        ((2025, 1, 31), (2025, 3, 1), 1),
        ((2024, 1, 31), (2024, 2, 29), 0),
        ((2024, 1, 28), (2024, 2, 28), 1),
        ((2025, 3, 31), (2025, 4, 30), 0),
        ((2025, 3, 31), (2025, 5, 1), 1),
        ((2025, 3, 31), (2025, 1, 31), -2),
        ((2025, 12, 28), (2026, 1, 28), 1),
    ] {
        assert_eq!(between.of(from, to)[1], months, "{from:?} to {to:?}");
        assert_eq!(second(from, to)[1], months, "{from:?} to {to:?}");
    }
}

/// Every day around the ends of months, and of February of leap and common years, against every other.
#[test]
fn every_day_at_the_edge_of_a_month_agrees() {
    let between = Between::new();
    let years = [1900, 1999, 2000, 2023, 2024, 2025, 2100];
    let days: Vec<Civil> = years
        .into_iter()
        .flat_map(|year| (1..=12).map(move |month| (year, month)))
        .flat_map(|(year, month)| [1, 27, 28, 29, 30, 31].map(|day| (year, month, day)))
        .filter(|(year, month, day)| *day <= length(*year, *month))
        .collect();
    let some: Vec<_> = days.iter().filter(|(_, month, _)| matches!(month, 1..=3 | 12)).collect();
    for from in &some {
        for to in &days {
            assert_eq!(between.of(**from, *to), second(**from, *to), "{from:?} to {to:?}");
        }
    }
}

fn days() -> impl Strategy<Value = Civil> {
    (1900..=2200_i32, 1..=12_u32, 1..=31_u32)
        .prop_map(|(year, month, day)| (year, month, day.min(length(year, month))))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 5_000, ..ProptestConfig::default() })]

    #[test]
    fn any_two_days_agree(from in days(), to in days()) {
        let between = BETWEEN.with(|between| between.of(from, to));
        assert_eq!(between, second(from, to));
    }
}

thread_local! {
    static BETWEEN: Between = Between::new();
}

/// The comparison sees an evaluator that counts a leapling's birthday on 28 February, or the day of birth itself not.
#[test]
fn another_way_to_count_is_seen() {
    let earlier = |from: Civil, to: Civil| {
        (to.0 - from.0) - i32::from((to.1, to.2) < (from.1, from.2.min(28)))
    };
    let later =
        |from: Civil, to: Civil| (to.0 - from.0) - i32::from((to.1, to.2) <= (from.1, from.2));
    let (birth, day) = ((2004, 2, 29), (2022, 2, 28));
    assert_ne!(i64::from(earlier(birth, day)), second(birth, day)[0]);
    let (birth, day) = ((2007, 6, 15), (2025, 6, 15));
    assert_ne!(i64::from(later(birth, day)), second(birth, day)[0]);
}
