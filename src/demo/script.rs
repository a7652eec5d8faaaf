//! What a platform of the demonstration does: a deterministic series of changes, most of them good, some as they should not be,
//! each with what ought to become of it.

use bytes::Bytes;
use prost::Message as _;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::pb::peshub::common::v1::FindingCode;
use crate::pb::peshub::postings::v1::posting_change::Change;
use crate::pb::peshub::postings::v1::{CloseReason, Posting, PostingChange, PostingClose};
use crate::samples::{self, Generator};

/// One posting of this many keeps its content, so that it can be edited later; the others need few bytes each.
const KEPT_EVERY: usize = 4;
/// How often a posting that suits a change is looked for.
const TRIES: usize = 8;
/// A source may close so many postings without being asked, and this share of what it has.
const FREE_CLOSES: usize = 100;
const CLOSE_SHARE: usize = 10;
/// Closes that the burst has beyond what is free, at least.
const BURST_EXCESS: usize = 50;

/// A change with what ought to become of it.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    /// What is sent.
    pub(crate) change: PostingChange,
    /// What it is about, and what ought to become of it.
    pub(crate) plan: Plan,
}

/// What a change is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Number of the posting; `None` for one that never comes to be.
    pub(crate) posting: Option<usize>,
    /// The source's revision.
    pub(crate) revision: i64,
    /// What it does to the posting.
    pub(crate) effect: Effect,
    /// What the hub ought to say.
    pub(crate) expected: Expected,
}

/// What a change does to a posting when it is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It stands, in these divisions of today.
    Stands(Vec<String>),
    /// It is closed.
    Closes,
    /// Nothing.
    Nothing,
}

/// What the hub ought to say of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Nothing: it is plainly taken.
    Taken,
    /// That it was taken with this repair.
    Fixed(FindingCode),
    /// That it was rejected because of this.
    Rejected(FindingCode),
    /// That it was closed or held: only the hub knows how many closes are still free.
    ClosedOrHeld,
}

/// What the script knows of a posting: as if the hub had done what it ought to.
#[derive(Debug)]
struct Known {
    external_id: String,
    revision: i64,
    is_open: bool,
    /// The batch that has touched it last. Twice in one batch would be a repeat.
    batch: u64,
    content: Option<Bytes>,
}

/// How much is to be done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Volume {
    /// Postings to create.
    pub(crate) postings: usize,
    /// Whether the platform ends with more closes than are usual.
    pub(crate) burst: bool,
}

/// The series of changes of one platform.
#[derive(Debug)]
pub(crate) struct Script {
    generator: Generator,
    rng: StdRng,
    known: Vec<Known>,
    volume: Volume,
    batch: u64,
    /// Closes of the burst that are still to be sent; counted when everything else is.
    burst_left: Option<usize>,
    closed: usize,
}

impl Script {
    pub(crate) fn new(seed: u64, platform_index: u32, volume: Volume) -> Self {
        Self {
            generator: Generator::new(seed, platform_index),
            rng: StdRng::seed_from_u64(seed ^ (u64::from(platform_index) << 32)),
            known: Vec::new(),
            volume,
            batch: 0,
            burst_left: None,
            closed: 0,
        }
    }

    /// Returns the next batch; an empty one when everything is done.
    pub(crate) fn batch(&mut self, size: usize) -> Vec<Planned> {
        self.batch += 1;
        let mut planned = Vec::with_capacity(size + 1);
        while planned.len() < size && self.known.len() < self.volume.postings {
            self.step(&mut planned, size);
        }
        while planned.len() < size && self.burst_remains() {
            let Some(close) = self.close(Expected::ClosedOrHeld) else { break };
            planned.push(close);
            self.burst_left = self.burst_left.map(|left| left - 1);
        }
        planned
    }

    /// Returns the platform's own ids, in the order of their numbers.
    pub(crate) fn into_external_ids(self) -> Vec<String> {
        self.known.into_iter().map(|known| known.external_id).collect()
    }

    fn step(&mut self, planned: &mut Vec<Planned>, size: usize) {
        let done = match self.rng.random_range(0..1_000) {
            0..90 => self.edit(),
            90..150 => self.movement(),
            150..175 => self.close(Expected::Taken),
            175..200 => Some(self.spoiled_new()),
            200..210 => self.spoiled_edit(),
            210..225 => self.stale(),
            225..240 if planned.len() + 2 <= size => {
                let pair = self.repeated();
                let is_done = pair.is_some();
                planned.extend(pair.into_iter().flatten());
                if is_done {
                    return;
                }
                None
            }
            240..248 => Some(self.close_of_unknown()),
            248..263 => self.same_again(),
            263..271 => self.reopening(),
            271..276 => self.second_close(),
            _ => None,
        };
        let next = done.unwrap_or_else(|| self.creation());
        planned.push(next);
    }

    fn creation(&mut self) -> Planned {
        let (external_id, posting) = self.generator.posting();
        let number = self.known.len();
        let change = upsert(&external_id, 1, posting);
        let content = number.is_multiple_of(KEPT_EVERY).then(|| encoded(&change)).flatten();
        let known = Known { external_id, revision: 1, is_open: true, batch: self.batch, content };
        self.known.push(known);
        taken(number, 1, change)
    }

    fn edit(&mut self) -> Option<Planned> {
        let (number, posting) = self.find_content(true)?;
        let edited = self.generator.edit(&posting);
        self.store(number, edited)
    }

    fn movement(&mut self) -> Option<Planned> {
        let (number, posting) = self.find_content(true)?;
        let moved = self.generator.move_division(&posting);
        self.store(number, moved)
    }

    fn reopening(&mut self) -> Option<Planned> {
        let (number, posting) = self.find_content(false)?;
        self.store(number, posting)
    }

    /// Sends new content of a known posting.
    fn store(&mut self, number: usize, posting: Posting) -> Option<Planned> {
        let batch = self.batch;
        let known = self.known.get_mut(number)?;
        known.revision += 1;
        known.is_open = true;
        known.batch = batch;
        let change = upsert(&known.external_id, known.revision, posting);
        known.content = encoded(&change);
        Some(taken(number, known.revision, change))
    }

    fn close(&mut self, expected: Expected) -> Option<Planned> {
        let number = self.find(|known| known.is_open)?;
        let (batch, reason) = (self.batch, self.rng.random_range(1..=3));
        let known = self.known.get_mut(number)?;
        known.revision += 1;
        known.is_open = false;
        known.batch = batch;
        self.closed += 1;
        let change = close(&known.external_id, known.revision, reason);
        let plan = Plan {
            posting: Some(number),
            revision: known.revision,
            effect: Effect::Closes,
            expected,
        };
        Some(Planned { change, plan })
    }

    fn second_close(&mut self) -> Option<Planned> {
        let number = self.find(|known| !known.is_open)?;
        let batch = self.batch;
        let known = self.known.get_mut(number)?;
        known.batch = batch;
        let change = close(&known.external_id, known.revision, CloseReason::Filled.into());
        let expected = Expected::Fixed(FindingCode::AlreadyClosed);
        Some(without_effect(change, Some(number), expected))
    }

    fn spoiled_new(&mut self) -> Planned {
        let (external_id, posting) = self.generator.posting();
        let (spoiled, code) = self.generator.spoil(posting);
        without_effect(upsert(&external_id, 1, spoiled), None, Expected::Rejected(code))
    }

    fn spoiled_edit(&mut self) -> Option<Planned> {
        let (number, posting) = self.find_content(true)?;
        let (spoiled, code) = self.generator.spoil(posting);
        let batch = self.batch;
        let known = self.known.get_mut(number)?;
        known.batch = batch;
        // The revision is not used up: a rejected record leaves nothing behind.
        let change = upsert(&known.external_id, known.revision + 1, spoiled);
        Some(without_effect(change, Some(number), Expected::Rejected(code)))
    }

    fn stale(&mut self) -> Option<Planned> {
        let (number, posting) = self.find_content(true)?;
        let edited = self.generator.edit(&posting);
        let batch = self.batch;
        let known = self.known.get_mut(number)?;
        known.batch = batch;
        let change = upsert(&known.external_id, known.revision - 1, edited);
        Some(without_effect(change, Some(number), Expected::Rejected(FindingCode::Stale)))
    }

    fn repeated(&mut self) -> Option<[Planned; 2]> {
        let (number, posting) = self.find_content(true)?;
        let first = self.generator.edit(&posting);
        // An edit of an edit can lead back, and what stands already is no change.
        let second =
            (0..TRIES).map(|_| self.generator.edit(&first)).find(|second| *second != posting)?;
        let Planned { change, .. } = self.store(number, first)?;
        let expected = Expected::Rejected(FindingCode::RepeatedInBatch);
        Some([without_effect(change, Some(number), expected), self.store(number, second)?])
    }

    fn close_of_unknown(&mut self) -> Planned {
        let external_id = format!("nowhere-{}", self.rng.random_range(0..1_000_000_000));
        let change = close(&external_id, 1, CloseReason::Filled.into());
        without_effect(change, None, Expected::Rejected(FindingCode::CloseOfUnknown))
    }

    fn same_again(&mut self) -> Option<Planned> {
        let (number, posting) = self.find_content(true)?;
        let batch = self.batch;
        let known = self.known.get_mut(number)?;
        known.batch = batch;
        let change = upsert(&known.external_id, known.revision, posting);
        Some(without_effect(change, Some(number), Expected::Taken))
    }

    fn find_content(&mut self, is_open: bool) -> Option<(usize, Posting)> {
        let number = self.find(|known| known.is_open == is_open && known.content.is_some())?;
        let content = self.known.get(number)?.content.clone()?;
        Some((number, Posting::decode(content).ok()?))
    }

    /// Returns a posting that suits and was not touched in this batch.
    fn find(&mut self, suits: impl Fn(&Known) -> bool) -> Option<usize> {
        let batch = self.batch;
        let suits = |known: &Known| known.batch < batch && suits(known);
        if self.known.is_empty() {
            return None;
        }
        for _ in 0..TRIES {
            let number = self.rng.random_range(0..self.known.len());
            if self.known.get(number).is_some_and(suits) {
                return Some(number);
            }
        }
        // In the burst most postings are closed; what is left must still be found.
        let is_burst = self.burst_left.is_some();
        is_burst.then(|| self.known.iter().position(suits)).flatten()
    }

    fn burst_remains(&mut self) -> bool {
        if !self.volume.burst {
            return false;
        }
        let open = self.known.len() - self.closed.min(self.known.len());
        let closed = self.closed;
        let left = self.burst_left.get_or_insert_with(|| {
            let free = FREE_CLOSES.max((open + closed) / CLOSE_SHARE).saturating_sub(closed);
            let wanted = free + BURST_EXCESS.max(open / 50);
            // A platform that has hardly more postings than it may close cannot show a burst.
            if wanted < open { wanted } else { 0 }
        });
        *left > 0
    }
}

fn upsert(external_id: &str, revision: i64, posting: Posting) -> PostingChange {
    PostingChange {
        external_id: external_id.to_owned(),
        source_revision: Some(revision),
        source_updated_at: None,
        change: Some(Change::Upsert(posting)),
    }
}

fn close(external_id: &str, revision: i64, reason: i32) -> PostingChange {
    PostingChange {
        external_id: external_id.to_owned(),
        source_revision: Some(revision),
        source_updated_at: None,
        change: Some(Change::Close(PostingClose { reason, closed_at: None })),
    }
}

fn encoded(change: &PostingChange) -> Option<Bytes> {
    match &change.change {
        Some(Change::Upsert(posting)) => Some(posting.encode_to_vec().into()),
        Some(Change::Close(_)) | None => None,
    }
}

/// Plans a change that is good.
fn taken(number: usize, revision: i64, change: PostingChange) -> Planned {
    let mut divisions = Vec::new();
    let mut expected = Expected::Taken;
    if let Some(Change::Upsert(posting)) = &change.change {
        for division in posting.workplaces.iter().filter_map(|place| place.division.as_ref()) {
            if samples::is_retired_division(&division.code) {
                expected = Expected::Fixed(FindingCode::DivisionRetired);
            }
            divisions.push(samples::current_division(&division.code).to_owned());
        }
    }
    let plan =
        Plan { posting: Some(number), revision, effect: Effect::Stands(divisions), expected };
    Planned { change, plan }
}

fn without_effect(change: PostingChange, posting: Option<usize>, expected: Expected) -> Planned {
    let revision = change.source_revision.unwrap_or_default();
    Planned { change, plan: Plan { posting, revision, effect: Effect::Nothing, expected } }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use crate::demo::script::{Effect, Expected, Planned, Script, Volume};
    use crate::kernel::fields;
    use crate::pb::peshub::postings::v1::posting_change::Change;

    fn all(seed: u64, postings: usize, burst: bool) -> Vec<Vec<Planned>> {
        let mut script = Script::new(seed, 0, Volume { postings, burst });
        std::iter::from_fn(|| Some(script.batch(500)).filter(|batch| !batch.is_empty())).collect()
    }

    #[test]
    fn the_same_seed_does_the_same() {
        let shown = |seed| format!("{:?}", all(seed, 2_000, true));
        assert!(shown(1) == shown(1));
        assert!(shown(1) != shown(2));
    }

    #[test]
    fn every_kind_of_change_is_there_and_batches_are_full() {
        let batches = all(3, 8_000, true);
        let mut kinds: HashMap<String, usize> = HashMap::new();
        for planned in batches.iter().flatten() {
            *kinds.entry(format!("{:?}", planned.plan.expected)).or_default() += 1;
        }
        assert!(kinds.len() >= 15, "{kinds:?}");
        assert!(kinds["ClosedOrHeld"] > 500, "{kinds:?}");
        assert!(batches.iter().rev().skip(1).all(|batch| batch.len() >= 499));
        // Without a burst fewer than a tenth are closed, so nothing ought to be held.
        let quiet = all(3, 8_000, false);
        let closes =
            quiet.iter().flatten().filter(|planned| planned.plan.effect == Effect::Closes).count();
        assert!((150..800).contains(&closes), "{closes}");
    }

    #[test]
    fn a_posting_is_touched_once_in_a_batch_but_for_repeats() {
        for batch in all(4, 5_000, true) {
            let mut seen = HashSet::new();
            for planned in &batch {
                let is_repeat = matches!(planned.plan.expected, Expected::Rejected(code)
                    if code.as_str_name().ends_with("REPEATED_IN_BATCH"));
                assert!(is_repeat || seen.insert(planned.change.external_id.clone()));
                let is_sound = match &planned.change.change {
                    Some(Change::Upsert(posting)) => fields::check(posting).is_empty(),
                    _ => true,
                };
                let is_good = matches!(planned.plan.expected, Expected::Taken | Expected::Fixed(_));
                assert!(is_sound || !is_good);
            }
        }
    }

    #[test]
    fn few_postings_have_no_burst() {
        let burst = |postings| {
            all(5, postings, true)
                .iter()
                .flatten()
                .filter(|planned| planned.plan.expected == Expected::ClosedOrHeld)
                .count()
        };
        assert_eq!(burst(100), 0);
        assert!(burst(1_000) > 100);
    }
}
