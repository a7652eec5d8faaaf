//! Cuts a series of changes into batches that the hub takes.

use bytes::{Bytes, BytesMut};
use prost::Message as _;

use crate::pb::peshub::postings::v1::PostingChange;

/// Most changes in a batch by the contract.
pub const CHANGES_MAX: usize = 1_000;
/// Most bytes in a batch by the contract.
const CONTRACT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Most bytes that a builder puts into a batch: some are left for what surrounds the changes.
pub const BYTES_MAX: usize = CONTRACT_BYTES_MAX - 64 * 1024;

/// A change that is larger than a whole batch. The hub cannot even answer it with a verdict.
#[derive(Debug, thiserror::Error)]
#[error("a change of {bytes} bytes is larger than a batch may be")]
pub struct Oversized {
    /// The change.
    pub change: Box<PostingChange>,
    /// Its encoded size.
    pub bytes: usize,
}

/// Collects changes until a batch is full.
#[derive(Debug)]
pub struct BatchBuilder {
    changes: Vec<PostingChange>,
    bytes: usize,
    changes_max: usize,
    bytes_max: usize,
}

impl Default for BatchBuilder {
    fn default() -> Self {
        Self::new(CHANGES_MAX, BYTES_MAX)
    }
}

impl BatchBuilder {
    /// Returns a builder with limits, at most those of the contract.
    #[must_use]
    pub fn new(changes_max: usize, bytes_max: usize) -> Self {
        Self {
            changes: Vec::new(),
            bytes: 0,
            changes_max: changes_max.clamp(1, CHANGES_MAX),
            bytes_max: bytes_max.clamp(1, BYTES_MAX),
        }
    }

    /// Adds a change. Returns the batch before it when the change does not fit in any more.
    ///
    /// # Errors
    ///
    /// The change alone is larger than a batch; it is handed back, and the batch stays as it was.
    pub fn push(&mut self, change: PostingChange) -> Result<Option<Vec<PostingChange>>, Oversized> {
        let bytes = framed(change.encoded_len());
        if bytes > self.bytes_max {
            return Err(Oversized { change: Box::new(change), bytes });
        }
        let is_full = self.changes.len() >= self.changes_max || self.bytes + bytes > self.bytes_max;
        let full = if is_full { self.take() } else { None };
        self.bytes += bytes;
        self.changes.push(change);
        Ok(full)
    }

    /// Returns what is left; nothing when there is nothing.
    pub fn take(&mut self) -> Option<Vec<PostingChange>> {
        self.bytes = 0;
        let changes = std::mem::take(&mut self.changes);
        (!changes.is_empty()).then_some(changes)
    }
}

/// Returns the bytes a change takes within its batch: tag, length and content.
fn framed(length: usize) -> usize {
    1 + prost::length_delimiter_len(length) + length
}

/// Changes in their encoded form: sending them again costs nothing.
#[derive(Clone, Debug)]
pub(crate) struct Encoded {
    /// Each change, all within one allocation.
    pub(crate) changes: Vec<Bytes>,
    /// Their bytes within a batch.
    pub(crate) bytes: usize,
}

impl Encoded {
    pub(crate) fn of(changes: &[PostingChange]) -> Self {
        let lengths: Vec<usize> = changes.iter().map(PostingChange::encoded_len).collect();
        let mut buffer = BytesMut::with_capacity(lengths.iter().sum());
        let encoded = changes.iter().map(|change| {
            // The buffer grows as it must, so encoding cannot fail.
            change.encode(&mut buffer).unwrap_or_default();
            buffer.split().freeze()
        });
        Self { changes: encoded.collect(), bytes: lengths.into_iter().map(framed).sum() }
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use crate::client::batch::{BYTES_MAX, BatchBuilder, Encoded};
    use crate::pb::peshub::postings::v1::posting_change::Change;
    use crate::pb::peshub::postings::v1::{Posting, PostingChange, SyncBatch};

    fn change(number: usize, bytes: usize) -> PostingChange {
        let posting = Posting { description: "x".repeat(bytes), ..Posting::default() };
        PostingChange {
            external_id: number.to_string(),
            change: Some(Change::Upsert(posting)),
            ..PostingChange::default()
        }
    }

    #[test]
    fn batches_keep_order_and_both_limits() {
        let mut builder = BatchBuilder::default();
        let mut batches = Vec::new();
        // A few large ones among many small ones: sometimes one limit is met first, sometimes the other.
        for number in 0..5_000 {
            let bytes = if number % 97 == 0 { 900_000 } else { 200 };
            batches.extend(builder.push(change(number, bytes)).unwrap());
        }
        batches.extend(builder.take());
        assert!(builder.take().is_none());
        let ids: Vec<String> =
            batches.iter().flatten().map(|change| change.external_id.clone()).collect();
        assert_eq!(ids, (0..5_000).map(|number: usize| number.to_string()).collect::<Vec<_>>());
        for changes in batches {
            assert!(!changes.is_empty() && changes.len() <= 1_000);
            let encoded = Encoded::of(&changes);
            let batch = SyncBatch { batch_id: i64::MAX, changes };
            assert!(batch.encoded_len() <= 4 * 1024 * 1024);
            assert_eq!(encoded.bytes + 11 - 1, batch.encoded_len());
        }
    }

    #[test]
    fn a_change_that_is_larger_than_a_batch_is_handed_back() {
        let mut builder = BatchBuilder::new(10, usize::MAX);
        assert!(builder.push(change(1, 10)).unwrap().is_none());
        let oversized = builder.push(change(2, BYTES_MAX)).unwrap_err();
        assert_eq!(oversized.change.external_id, "2");
        // One that just fits has a batch of its own.
        let before = builder.push(change(3, BYTES_MAX - 20)).unwrap().unwrap();
        assert_eq!(before.len(), 1);
        assert_eq!(builder.take().unwrap()[0].external_id, "3");
    }

    #[test]
    fn encoded_changes_are_the_changes() {
        let changes = [change(1, 3), PostingChange::default(), change(2, 70_000)];
        let encoded = Encoded::of(&changes);
        for (bytes, change) in encoded.changes.iter().zip(&changes) {
            assert_eq!(&PostingChange::decode(bytes.clone()).unwrap(), change);
        }
    }
}
