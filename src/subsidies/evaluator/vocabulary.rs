//! Texts as numbers: two texts are equal when their numbers are.

use std::collections::HashMap;
use std::sync::Arc;

/// The texts that a rule's expressions and its facts' choices have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Vocabulary {
    texts: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, i64>,
}

impl Vocabulary {
    /// Returns the text's number, a new one if it has none yet.
    pub(crate) fn number(&mut self, text: &Arc<str>) -> i64 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = i64::try_from(self.texts.len()).unwrap_or(i64::MAX);
        self.texts.push(Arc::clone(text));
        self.numbers.insert(Arc::clone(text), number);
        number
    }

    /// Returns the text's number if it has one.
    pub(crate) fn find(&self, text: &str) -> Option<i64> {
        self.numbers.get(text).copied()
    }

    /// Returns how many texts there are.
    pub(crate) fn len(&self) -> usize {
        self.texts.len()
    }

    /// Returns all texts, in the order of their numbers.
    pub(crate) fn texts(&self) -> &[Arc<str>] {
        &self.texts
    }
}
