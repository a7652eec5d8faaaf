//! The next best question: which missing fact can unlock the most money, over all programmes.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::pb::peshub::subsidies::v1::Verdict;
use crate::subsidies::programme::CompiledProgramme;
use crate::subsidies::programme::determine::Determined;

/// A fact to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The fact.
    pub fact: Arc<str>,
    /// The most that it can unlock, in minor units by currency: the greatest amount of each programme that waits for it.
    pub unlocks: BTreeMap<Arc<str>, i64>,
    /// Programmes that wait for it.
    pub programmes: Vec<Arc<str>>,
    /// Those of them that wait for nothing else.
    pub settles: Vec<Arc<str>>,
}

impl Question {
    /// The most that it can unlock in one currency.
    fn most(&self) -> i64 {
        self.unlocks.values().copied().max().unwrap_or_default()
    }
}

/// Ranks the facts that some programmes wait for: by the money that they can unlock, then by how many programmes wait for nothing
/// else, then by name. Amounts of different currencies are not added up.
#[must_use]
pub fn rank<'a>(
    answers: impl IntoIterator<Item = (&'a CompiledProgramme, &'a Determined)>,
) -> Vec<Question> {
    let mut questions = BTreeMap::<Arc<str>, Question>::new();
    for (programme, answer) in answers {
        if answer.verdict != Verdict::NeedsFacts {
            continue;
        }
        for fact in &answer.ask {
            let question = questions.entry(Arc::clone(fact)).or_insert_with(|| Question {
                fact: Arc::clone(fact),
                unlocks: BTreeMap::new(),
                programmes: Vec::new(),
                settles: Vec::new(),
            });
            let amount = answer.amount.map_or(0, |range| range.greatest.max(0));
            let sum = question.unlocks.entry(Arc::clone(&programme.currency)).or_default();
            *sum = sum.saturating_add(amount);
            question.programmes.push(Arc::clone(&programme.name));
            if answer.ask.len() == 1 {
                question.settles.push(Arc::clone(&programme.name));
            }
        }
    }
    let mut ranked: Vec<_> = questions.into_values().collect();
    ranked
        .sort_by_key(|it| (std::cmp::Reverse((it.most(), it.settles.len())), Arc::clone(&it.fact)));
    ranked
}
