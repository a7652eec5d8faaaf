//! Facts of a subject as they are kept: what each is, when it changed, and on what it rests. The form is compact, since a sweep reads
//! a million of them.
//!
//! `2 | moved_at | count | fact…`, numbers as LEB128, signed ones zigzag. A fact is `id | changed_at | established_on | basis | reference |
//! value`, in order of the ids. A value that was taken back stays as one that is unknown, so that a sweep learns of the change.

use std::sync::Arc;

use crate::subsidies::domain::{Day, Value};
use crate::subsidies::population::code::{Input, put_count, put_signed, put_text};

const VERSION: u8 = 2;
/// Most facts of a subject, those included that were taken back.
pub const FACTS_MAX: usize = 1_000;

/// A fact as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Which: number of its definition.
    pub fact: i64,
    /// Revision of the population at which it changed.
    pub changed_at: i64,
    /// When it was established.
    pub established_on: Day,
    /// On what it rests: number of a `FactBasis`.
    pub basis: u8,
    /// Names what it rests on; may be empty.
    pub reference: Arc<str>,
    /// Its value; `None`: it is known no longer.
    pub value: Option<Value>,
}

/// Facts of a subject.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    /// Revision of the population at which the subject came, or changed its division.
    pub moved_at: i64,
    /// The facts, in order of their numbers, each once.
    pub facts: Vec<Kept>,
}

/// What is stated of a fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stated {
    /// Which.
    pub fact: i64,
    /// When it was established.
    pub established_on: Day,
    /// On what it rests.
    pub basis: u8,
    /// Names what it rests on.
    pub reference: Arc<str>,
    /// Its value; `None`: it is known no longer.
    pub value: Option<Value>,
}

impl Body {
    /// Takes in what is stated; returns whether anything is other than before, and leaves everything as it was when there would be
    /// too many facts.
    ///
    /// # Errors
    ///
    /// There would be too many facts.
    pub fn take_in(&mut self, stated: &[Stated], revision: i64) -> Result<bool, TooMany> {
        let mut facts = self.facts.clone();
        let mut has_changed = false;
        for it in stated {
            match facts.binary_search_by_key(&it.fact, |kept| kept.fact) {
                Ok(place) => {
                    let Some(kept) = facts.get_mut(place) else { continue };
                    let same_ground = (kept.established_on, kept.basis, &kept.reference)
                        == (it.established_on, it.basis, &it.reference);
                    if kept.value == it.value && (same_ground || it.value.is_none()) {
                        continue;
                    }
                    *kept = it.kept(revision);
                }
                Err(_) if it.value.is_none() => continue,
                Err(place) => facts.insert(place, it.kept(revision)),
            }
            has_changed = true;
        }
        if facts.len() > FACTS_MAX {
            return Err(TooMany);
        }
        self.facts = facts;
        Ok(has_changed)
    }

    /// Returns it encoded.
    #[must_use]
    pub fn encoded(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(8 + self.facts.len() * 12);
        out.push(VERSION);
        put_signed(&mut out, self.moved_at);
        put_count(&mut out, self.facts.len());
        for kept in &self.facts {
            put_signed(&mut out, kept.fact);
            put_signed(&mut out, kept.changed_at);
            put_signed(&mut out, i64::from(kept.established_on.0));
            out.push(kept.basis);
            put_text(&mut out, &kept.reference);
            match &kept.value {
                None => out.push(0),
                Some(value) => put_value(&mut out, value),
            }
        }
        out
    }

    /// Reads what [`Body::encoded`] wrote, or returns `None`.
    #[must_use]
    pub fn decoded(bytes: &[u8]) -> Option<Self> {
        let mut input = Input(bytes);
        if input.byte()? != VERSION {
            return None;
        }
        let moved_at = input.signed()?;
        let count = input.count()?;
        let mut facts = Vec::with_capacity(count);
        for _ in 0..count {
            facts.push(Kept {
                fact: input.signed()?,
                changed_at: input.signed()?,
                established_on: Day(i32::try_from(input.signed()?).ok()?),
                basis: input.byte()?,
                reference: text(input.text()?),
                value: match value(&mut input)? {
                    Read::Unknown => None,
                    Read::Known(value) => Some(value),
                },
            });
        }
        input.0.is_empty().then_some(Self { moved_at, facts })
    }
}

impl Stated {
    fn kept(&self, revision: i64) -> Kept {
        Kept {
            fact: self.fact,
            changed_at: revision,
            established_on: self.established_on,
            basis: self.basis,
            reference: Arc::clone(&self.reference),
            value: self.value.clone(),
        }
    }
}

/// A subject would have more than [`FACTS_MAX`] facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

/// Returns a text; the empty one needs no memory of its own.
fn text(text: &str) -> Arc<str> {
    if text.is_empty() { Arc::default() } else { Arc::from(text) }
}

fn put_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Number(number) => {
            out.push(1);
            put_signed(out, *number);
        }
        Value::Day(day) => {
            out.push(2);
            put_signed(out, i64::from(day.0));
        }
        Value::Truth(truth) => out.push(if *truth { 4 } else { 3 }),
        Value::Text(text) => {
            out.push(5);
            put_text(out, text);
        }
        Value::List(items) => {
            out.push(6);
            put_count(out, items.len());
            for item in items.iter() {
                put_value(out, item);
            }
        }
    }
}

/// A value as it is read.
enum Read {
    Unknown,
    Known(Value),
}

/// Reads a value, which may be unknown.
fn value(input: &mut Input<'_>) -> Option<Read> {
    if input.0.first() != Some(&6) {
        return scalar(input);
    }
    input.byte()?;
    let count = input.count()?;
    let mut items = Vec::with_capacity(count);
    for _ in 0..count {
        match scalar(input)? {
            Read::Known(item) => items.push(item),
            Read::Unknown => return None,
        }
    }
    Some(Read::Known(Value::List(items.into())))
}

fn scalar(input: &mut Input<'_>) -> Option<Read> {
    Some(Read::Known(match input.byte()? {
        0 => return Some(Read::Unknown),
        1 => Value::Number(input.signed()?),
        2 => Value::Day(Day(i32::try_from(input.signed()?).ok()?)),
        3 => Value::Truth(false),
        4 => Value::Truth(true),
        5 => Value::Text(text(input.text()?)),
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use crate::subsidies::domain::{Day, Value};
    use crate::subsidies::population::body::{Body, FACTS_MAX, Kept, Stated, TooMany};

    fn stated(fact: i64, value: Option<Value>) -> Stated {
        Stated { fact, established_on: Day(20_000), basis: 4, reference: Arc::default(), value }
    }

    #[test]
    fn only_what_is_other_than_before_counts_as_a_change() {
        let mut body = Body::default();
        let yes = Some(Value::Truth(true));
        assert_eq!(body.take_in(&[stated(2, yes.clone()), stated(1, None)], 7), Ok(true));
        assert_eq!(body.facts.len(), 1, "what was never known is not taken back");
        assert_eq!(body.take_in(&[stated(2, yes)], 8), Ok(false));
        assert_eq!(body.facts[0].changed_at, 7);
        assert_eq!(body.take_in(&[stated(2, None)], 9), Ok(true));
        assert_eq!((body.facts[0].changed_at, &body.facts[0].value), (9, &None));
        assert_eq!(body.take_in(&[stated(2, None)], 10), Ok(false));
    }

    #[test]
    fn a_subject_with_too_many_facts_stays_as_it_was() {
        let mut body = Body::default();
        let many: Vec<Stated> =
            (0..=FACTS_MAX).zip(0..).map(|(_, it)| stated(it, Some(Value::Number(1)))).collect();
        assert_eq!(body.take_in(&many, 1), Err(TooMany));
        assert_eq!(body, Body::default());
        assert_eq!(body.take_in(&many[1..], 1), Ok(true));
    }

    fn value() -> impl Strategy<Value = Value> {
        let scalar = prop_oneof![
            any::<i64>().prop_map(Value::Number),
            any::<i32>().prop_map(|it| Value::Day(Day(it))),
            any::<bool>().prop_map(Value::Truth),
            ".{0,12}".prop_map(|it| Value::Text(it.into())),
        ];
        prop_oneof![
            scalar.clone(),
            prop::collection::vec(scalar, 0..4).prop_map(|it| Value::List(it.into()))
        ]
    }

    proptest! {
        #[test]
        fn what_is_kept_is_read_as_it_was_written(
            moved_at in any::<i64>(),
            facts in prop::collection::btree_map(any::<i64>(), (any::<i64>(), any::<i32>(), any::<u8>(), ".{0,9}",
                prop::option::of(value())), 0..12),
        ) {
            let facts = facts.into_iter().map(|(fact, (changed_at, day, basis, reference, value))| Kept {
                fact, changed_at, established_on: Day(day), basis, reference: reference.into(), value,
            });
            let body = Body { moved_at, facts: facts.collect() };
            let encoded = body.encoded();
            prop_assert_eq!(Body::decoded(&encoded), Some(body));
            for end in 0..encoded.len() {
                prop_assert_eq!(Body::decoded(&encoded[..end]), None);
            }
        }

        #[test]
        fn nothing_that_is_read_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _read = Body::decoded(&[&[2], bytes.as_slice()].concat());
        }
    }
}
