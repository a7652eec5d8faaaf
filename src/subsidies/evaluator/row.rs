//! Facts of a subject, put into a rule's slots.

use std::sync::Arc;

use crate::subsidies::domain::{Definition, Facts, Scalar, Value};
use crate::subsidies::evaluator::days::pack;
use crate::subsidies::evaluator::judgement::SlotSet;
use crate::subsidies::evaluator::run::View;
use crate::subsidies::evaluator::vocabulary::Vocabulary;

/// What is known of a subject, as far as one rule reads it. It belongs to the rule that made it.
#[derive(Clone, Default)]
pub struct Row {
    slots: Slots,
    store: Store,
}

/// Facts are personal data: nothing of them is printed.
impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Row { .. }")
    }
}

impl Row {
    pub(crate) fn view<'a>(&'a self, known: &'a Vocabulary, parameters: &'a [i64]) -> View<'a> {
        self.store.view(&self.slots, known, parameters)
    }

    /// Takes other facts in, in place of those that are there.
    pub(crate) fn fill(&mut self, slots: &[Arc<Definition>], known: &Vocabulary, facts: &Facts) {
        self.store.clear();
        self.slots.clear();
        for definition in slots {
            let value = facts.get(&definition.name);
            self.slots.push(value.and_then(|value| self.store.slot(definition, known, value)));
        }
    }
}

/// Values of a rule's slots, and which of them are known.
#[derive(Clone, Default)]
pub(crate) struct Slots {
    /// Zero where it is not known.
    values: Vec<i64>,
    known: SlotSet,
}

impl Slots {
    pub(crate) fn clear(&mut self) {
        self.values.clear();
        self.known = SlotSet::default();
    }

    /// Adds the next slot's value.
    pub(crate) fn push(&mut self, value: Option<i64>) {
        if value.is_some() {
            // A rule reads at most 64 facts.
            self.known.insert(u8::try_from(self.values.len()).unwrap_or(u8::MAX));
        }
        self.values.push(value.unwrap_or_default());
    }

    /// Returns a view of these slots in place of its own.
    pub(crate) fn within<'a>(&'a self, view: View<'a>) -> View<'a> {
        View { values: &self.values, known: self.known, ..view }
    }
}

/// Lists and texts of facts, for one row or for columns.
#[derive(Clone, Default)]
pub(crate) struct Store {
    lists: Vec<Box<[i64]>>,
    texts: Vec<Arc<str>>,
}

impl Store {
    pub(crate) fn clear(&mut self) {
        self.lists.clear();
        self.texts.clear();
    }

    pub(crate) fn view<'a>(
        &'a self,
        slots: &'a Slots,
        known: &'a Vocabulary,
        parameters: &'a [i64],
    ) -> View<'a> {
        let texts = [known.texts(), self.texts.as_slice()];
        let (values, known) = (slots.values.as_slice(), slots.known);
        View { values, known, lists: &self.lists, texts, parameters }
    }

    /// Returns what a value is in a slot; `None` when it is of another kind than the fact.
    pub(crate) fn slot(
        &mut self,
        definition: &Definition,
        known: &Vocabulary,
        value: &Value,
    ) -> Option<i64> {
        match (value, definition.max_items) {
            (Value::List(items), Some(_)) => {
                let bits = items.iter().map(|item| self.bits(definition.kind, known, item));
                let bits = bits.collect::<Option<_>>()?;
                let number = i64::try_from(self.lists.len()).ok()?;
                self.lists.push(bits);
                Some(number)
            }
            (_, None) => self.bits(definition.kind, known, value),
            (_, Some(_)) => None,
        }
    }

    fn bits(&mut self, kind: Scalar, known: &Vocabulary, value: &Value) -> Option<i64> {
        match (kind, value) {
            (Scalar::Int | Scalar::Money, Value::Number(number)) => Some(*number),
            (Scalar::Date, Value::Day(day)) => Some(pack(*day)),
            (Scalar::Bool, Value::Truth(truth)) => Some(i64::from(*truth)),
            (Scalar::Enum | Scalar::Text, Value::Text(text)) => self.text(known, text),
            _ => None,
        }
    }

    fn text(&mut self, known: &Vocabulary, text: &Arc<str>) -> Option<i64> {
        if let Some(number) = known.find(text) {
            return Some(number);
        }
        let own = self.texts.iter().position(|one| one == text).unwrap_or_else(|| {
            self.texts.push(Arc::clone(text));
            self.texts.len().saturating_sub(1)
        });
        i64::try_from(known.len().checked_add(own)?).ok()
    }
}
