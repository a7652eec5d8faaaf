//! People made up: the people of the cases, each changed in one thing, to find out whom a change of the rules touches.
//!
//! A number becomes what expressions and parameters compare with, one more and one less; a date the first and last days of versions,
//! and the days on which an age or a time is completed; a truth its opposite; a choice every other one.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::codes::divisions::Division;
use crate::subsidies::domain::{Catalogue, Day, Definition, Facts, Scalar, Value};
use crate::subsidies::programme::CompiledProgramme;
use crate::subsidies::programme::cases::Case;

/// Most people who are made up.
pub const PEOPLE_MAX: usize = 20_000;

/// Most steps that a search among people, or a run of all cases, takes: a second or two.
const STEPS_MAX: u64 = 200_000_000;
/// What an answer costs besides its steps, in steps.
const STEPS_BESIDES: u64 = 1_000;

/// How much a search may still cost.
#[derive(Clone, Copy, Debug)]
pub struct Budget(u64);

impl Default for Budget {
    fn default() -> Self {
        Self(STEPS_MAX)
    }
}

impl Budget {
    /// Spends what an answer has cost; returns whether there is something left.
    pub const fn spend(&mut self, cost: u64) -> bool {
        self.0 = self.0.saturating_sub(cost.saturating_add(STEPS_BESIDES));
        self.0 > 0
    }
}

/// Somebody made up.
#[derive(Clone, Debug)]
pub struct Person {
    /// All that is known of them.
    pub facts: Facts,
    /// Where.
    pub division: Option<&'static Division>,
    /// Place of the case that they were made from, in the list of cases.
    pub case: usize,
}

/// What expressions compare with: their constants.
#[derive(Clone, Debug, Default)]
pub struct Marks {
    numbers: BTreeSet<i64>,
    days: BTreeSet<Day>,
    texts: BTreeSet<Arc<str>>,
}

/// Returns the people of the cases of two editions, and those in whom one thing is another.
#[must_use]
pub fn people(
    editions: &[&CompiledProgramme],
    cases: &[Case<'_>],
    catalogue: &Catalogue,
) -> Vec<Person> {
    let marks = marks(editions);
    let divisions = divisions(editions);
    let names: BTreeSet<&Arc<str>> = editions.iter().flat_map(|it| it.facts.iter()).collect();
    let mut people = Vec::new();
    for (case, known) in cases.iter().enumerate() {
        let facts = known.facts.clone();
        people.push(Person { facts, division: known.division, case });
    }
    for (case, known) in cases.iter().enumerate() {
        for division in divisions.iter().filter(|it| **it != known.division) {
            people.push(Person { facts: known.facts.clone(), division: *division, case });
        }
        for name in &names {
            let Some(definition) = catalogue.get(name) else { continue };
            for value in others(definition, &known.facts, &marks) {
                if people.len() >= PEOPLE_MAX {
                    return people;
                }
                let mut facts = known.facts.clone();
                facts.insert(Arc::clone(name), value);
                people.push(Person { facts, division: known.division, case });
            }
        }
    }
    people
}

/// Where overlays hold, and without any.
fn divisions(editions: &[&CompiledProgramme]) -> Vec<Option<&'static Division>> {
    let versions = editions.iter().flat_map(|edition| &edition.versions);
    let overlays = versions.flat_map(|version| version.overlays.values());
    let found: BTreeSet<_> = overlays.filter_map(|it| it.overlay.map(Division::token)).collect();
    let found = found.into_iter().filter_map(crate::subsidies::wire::division_of_token);
    [None].into_iter().chain(found.map(Some)).collect()
}

/// What both editions compare with, and what lies beside it.
fn marks(editions: &[&CompiledProgramme]) -> Marks {
    let mut marks = Marks::default();
    for edition in editions {
        marks.numbers.extend(edition.marks.numbers.iter().flat_map(|it| beside(*it)));
        marks.days.extend(edition.marks.days.iter().copied().flat_map(around));
        marks.texts.extend(edition.marks.texts.iter().cloned());
        for version in &edition.versions {
            marks.days.extend([version.from, version.to].into_iter().flat_map(around));
            for variant in version.overlays.values().chain([&version.base]) {
                marks.numbers.extend(variant.values.iter().flat_map(|it| beside(*it)));
            }
        }
    }
    marks
}

const fn beside(number: i64) -> [i64; 3] {
    [number.saturating_sub(1), number, number.saturating_add(1)]
}

fn around(day: Day) -> [Day; 3] {
    [day.plus(-1), day, day.plus(1)]
}

impl Marks {
    /// Adds the constants of an expression.
    pub fn read(&mut self, expression: &str) {
        let mut rest = expression;
        while let Some(letter) = rest.chars().next() {
            let (_, after) = rest.split_at(letter.len_utf8());
            rest = match letter {
                '\'' | '"' => {
                    let (text, after) = after.split_once(letter).unwrap_or((after, ""));
                    match Day::read(text) {
                        Some(day) => self.days.insert(day),
                        None => self.texts.insert(text.into()),
                    };
                    after
                }
                _ if letter.is_ascii_digit() => {
                    let end = rest.find(|it: char| !it.is_ascii_digit()).unwrap_or(rest.len());
                    let (number, after) = rest.split_at(end);
                    self.numbers.extend(number.parse::<i64>());
                    after
                }
                _ if letter.is_ascii_alphabetic() => {
                    let is_part = |it: char| it.is_ascii_alphanumeric() || it == '_' || it == '.';
                    let end = rest.find(|it: char| !is_part(it)).unwrap_or(rest.len());
                    rest.split_at(end).1
                }
                _ => after,
            };
        }
    }
}

/// Returns the values that a fact can have instead.
fn others(definition: &Definition, facts: &Facts, marks: &Marks) -> Vec<Value> {
    let own = facts.get(&definition.name);
    let mut values: Vec<Value> = match definition.kind {
        _ if definition.max_items.is_some() => Vec::new(),
        Scalar::Bool => vec![Value::Truth(true), Value::Truth(false)],
        Scalar::Int | Scalar::Money => {
            let bounds = definition.least..=definition.greatest;
            let ends = [definition.least, definition.greatest];
            let numbers = marks.numbers.iter().copied().chain(ends);
            numbers.filter(|it| bounds.contains(it)).map(Value::Number).collect()
        }
        Scalar::Enum => definition.choices.iter().cloned().map(Value::Text).collect(),
        Scalar::Text => marks.texts.iter().cloned().map(Value::Text).collect(),
        Scalar::Date => days(facts, marks).into_iter().map(Value::Day).collect(),
    };
    values.retain(|value| Some(value) != own);
    values
}

/// Returns days that matter: those that are named, and those that lie as many years, months or days from another known day as some
/// number says.
fn days(facts: &Facts, marks: &Marks) -> BTreeSet<Day> {
    let mut days = marks.days.clone();
    let known = facts.values().filter_map(crate::subsidies::programme::determine::day_of);
    for day in known {
        for number in marks.numbers.iter().filter(|number| number.abs() <= 200) {
            let Ok(number) = i32::try_from(*number) else { continue };
            for sign in [number, number.saturating_neg()] {
                let years = day.plus_months(sign.saturating_mul(12));
                let shifted = [years, day.plus_months(sign), day.plus(sign)];
                days.extend(shifted.into_iter().flat_map(around));
            }
        }
    }
    days.retain(|day| (Day(-25_567)..=Day(84_369)).contains(day));
    days
}

#[cfg(test)]
mod tests {
    use crate::subsidies::domain::Day;
    use crate::subsidies::programme::vary::Marks;

    #[test]
    fn the_constants_of_an_expression_are_found() {
        let mut marks = Marks::default();
        let expression = "hire.hours_2y >= 120 && x.kind in ['a', \"b\"] && d.on < date('2027-01-01') ? -400 : form8850.n";
        marks.read(expression);
        assert_eq!(marks.numbers.into_iter().collect::<Vec<_>>(), [120, 400]);
        assert_eq!(marks.days.into_iter().collect::<Vec<_>>(), [Day::read("2027-01-01").unwrap()]);
        let texts: Vec<_> = marks.texts.iter().map(AsRef::as_ref).collect();
        assert_eq!(texts, ["a", "b"]);
    }
}
