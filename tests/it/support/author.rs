//! Somebody who writes postings at random and knows what must be there afterwards.

use std::collections::{BTreeMap, BTreeSet};

use peshub::pb::peshub::postings::v1::{PostingChange, PostingState};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::support::postings::{close, posting, upsert};

/// Divisions that postings are in and move between: some in Hangzhou, some elsewhere in Zhejiang, some in Shenzhen.
const DIVISIONS: [&str; 6] = ["330106", "330102", "330200", "330482", "440305", "440300"];
/// A source may close a hundred postings a day without being asked.
const CLOSES_MAX: usize = 90;

/// What must be stored of a posting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) title: String,
    pub(crate) division: &'static str,
    pub(crate) state: PostingState,
    pub(crate) revision: i64,
}

/// An author of one source's postings. Every change that it makes has an effect, so that revisions tell how often it counted.
pub(crate) struct Author {
    rng: StdRng,
    prefix: String,
    wrote: u64,
    closes: usize,
    ids: Vec<String>,
    /// By external id.
    pub(crate) expected: BTreeMap<String, Expected>,
}

impl Author {
    pub(crate) fn new(seed: u64, prefix: &str) -> Self {
        let rng = StdRng::seed_from_u64(seed);
        let prefix = prefix.to_owned();
        Self { rng, prefix, wrote: 0, closes: 0, ids: Vec::new(), expected: BTreeMap::new() }
    }

    /// Writes a batch: new postings, edits, moves, closes, and closed ones that are opened again.
    pub(crate) fn batch(&mut self, size: usize) -> Vec<PostingChange> {
        let mut taken = BTreeSet::new();
        let known = self.ids.len();
        let mut batch = Vec::new();
        for _ in 0..size {
            let is_known = known > 0 && self.rng.random_range(0..100) < 70;
            let index = if is_known { self.rng.random_range(0..known) } else { known };
            let id = (is_known && taken.insert(index)).then(|| self.ids[index].clone());
            batch.push(self.change(id));
        }
        batch
    }

    fn change(&mut self, known: Option<String>) -> PostingChange {
        self.wrote += 1;
        let wrote = self.wrote;
        let id = known.unwrap_or_else(|| {
            let fresh = format!("{}{wrote:06}", self.prefix);
            self.ids.push(fresh.clone());
            fresh
        });
        let title = format!("{} {wrote}", self.prefix);
        let before = self.expected.get(&id).cloned();
        let revision = before.as_ref().map_or(0, |it| it.revision) + 1;
        let may_close = before.as_ref().is_some_and(|it| it.state == PostingState::Open);
        if may_close && self.closes < CLOSES_MAX && self.rng.random_range(0..100) < 15 {
            self.closes += 1;
            let expected = self.expected.get_mut(&id).unwrap();
            (expected.state, expected.revision) = (PostingState::Closed, revision);
            return close(&id);
        }
        let stays = before.filter(|_| self.rng.random_range(0..100) < 60);
        let division = stays.map_or_else(
            || DIVISIONS[self.rng.random_range(0..DIVISIONS.len())],
            |before| before.division,
        );
        let change = upsert(&id, posting(&title, division));
        let state = PostingState::Open;
        self.expected.insert(id, Expected { title, division, state, revision });
        change
    }
}
