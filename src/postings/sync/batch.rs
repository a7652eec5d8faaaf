//! A batch, what was decided for it, and how it is answered.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::kernel::ids::{Position, PostingId, Revision};
use crate::pb::peshub::common::v1 as common;
use crate::pb::peshub::postings::v1 as pb;
use crate::postings::domain::{Close, Content};
use crate::postings::finding::Verdict;
use crate::postings::store::Source;
use crate::postings::store::held::Held;
use crate::postings::wire;

/// Changes that are committed together.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Its number on the lane, and the stream that sends it; `None` for a call without a stream.
    pub numbered: Option<(i64, Uuid)>,
    /// Whose postings.
    pub source: Arc<Source>,
    /// Name of the lane; empty for the main one and without a stream.
    pub lane: Arc<str>,
    /// The encoded changes.
    pub changes: Vec<Bytes>,
    /// Digest of the changes as received.
    pub body_sha256: Bytes,
}

/// A batch for which everything is decided.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The batch.
    pub batch: Batch,
    /// The ids that the batch speaks of.
    pub ids: Arc<HashSet<String>>,
    /// What is to be written, in the order of external ids.
    pub writes: Vec<Write>,
    /// Postings whose source revision moved on without new content.
    pub advances: Vec<Advance>,
    /// Closes that are held.
    pub holds: Vec<Held>,
    /// Postings that the source still has: whatever close was held of them is forgotten.
    pub alive: Vec<PostingId>,
    /// What became of the records.
    pub tally: Tally,
}

/// A posting whose content stayed while its source's revision, or the bytes it was sent as, did not.
#[derive(Clone, Copy, Debug)]
pub struct Advance {
    /// The posting.
    pub id: PostingId,
    /// Its revision when this was decided.
    pub seen: Revision,
    /// The source's revision from now on.
    pub source_revision: Option<i64>,
    /// Digest of the content as it was sent.
    pub sent_digest: Uuid,
}

/// What is to be written for one posting.
#[derive(Clone, Debug)]
pub struct Write {
    /// The source's own id.
    pub external_id: String,
    /// The source's revision.
    pub source_revision: Option<i64>,
    /// What stood when it was decided; `None` for a new posting.
    pub seen: Option<Seen>,
    /// What to write.
    pub action: WriteAction,
}

/// The state on which a write was decided.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// The posting.
    pub id: PostingId,
    /// Its revision.
    pub revision: Revision,
    /// Whether it stood.
    pub was_open: bool,
    /// When it was first stored.
    pub created_at: OffsetDateTime,
    /// The source's revision before.
    pub source_revision: Option<i64>,
}

/// What to write.
#[derive(Clone, Debug)]
pub enum WriteAction {
    /// This content, which was sent with this digest.
    Store(Content, Uuid),
    /// A close.
    Close(Close),
}

/// What became of the records of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// New postings.
    pub created: usize,
    /// Postings with new content.
    pub changed: usize,
    /// Postings that stayed the same.
    pub unchanged: usize,
    /// Postings that were closed.
    pub closed: usize,
    /// Closes that were held.
    pub held: usize,
    /// Records that were rejected.
    pub rejected: usize,
    /// Verdicts, in the order of the batch.
    pub verdicts: Vec<Verdict>,
}

impl Prepared {
    /// Returns how many postings come to stand and how many are closed.
    #[must_use]
    pub fn opened_and_closed(&self) -> (usize, usize) {
        let closed = self.tally.closed;
        let opened = self.writes.iter().filter(|write| {
            matches!(write.action, WriteAction::Store(..))
                && write.seen.is_none_or(|seen| !seen.was_open)
        });
        (opened.count(), closed)
    }

    /// Returns the acknowledgement, without a position and a receipt.
    #[must_use]
    pub fn acknowledgement(&self) -> pb::BatchAcknowledgement {
        let tally = &self.tally;
        let count = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
        pb::BatchAcknowledgement {
            batch_id: self.batch.numbered.map_or(0, |(id, _)| id),
            position: 0,
            receipt: None,
            created: count(tally.created),
            changed: count(tally.changed),
            unchanged: count(tally.unchanged),
            closed: count(tally.closed),
            held: count(tally.held),
            rejected: count(tally.rejected),
            verdicts: within_budget(wire::verdicts(tally.verdicts.clone())),
            replayed: false,
            validate_only: false,
        }
    }
}

/// Most bytes of an acknowledgement's findings: a client with the usual limit of 4 MiB a message must be able to read it, or
/// its lane would never go on.
const FINDINGS_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Returns verdicts of which those beyond [`FINDINGS_BYTES_MAX`] keep one finding, with its field and code alone.
fn within_budget(mut verdicts: Vec<common::Verdict>) -> Vec<common::Verdict> {
    let mut bytes = 0;
    for verdict in &mut verdicts {
        bytes += verdict.encoded_len();
        if bytes > FINDINGS_BYTES_MAX {
            verdict.findings.truncate(1);
            for finding in &mut verdict.findings {
                finding.expected.clear();
                finding.given.clear();
                finding.suggested.clear();
            }
        }
    }
    verdicts
}

/// A batch that is durable, or was before.
#[derive(Clone, Debug)]
pub struct Committed {
    /// What is answered, without a position.
    pub acknowledgement: pb::BatchAcknowledgement,
    /// Whether anything was written to the feed.
    pub has_events: bool,
}

impl Committed {
    /// Returns the answer that was stored, as the answer to a batch that came again.
    ///
    /// # Errors
    ///
    /// What is stored cannot be read.
    pub fn replayed(stored: &[u8]) -> Result<Self, prost::DecodeError> {
        let acknowledgement = pb::BatchAcknowledgement::decode(stored)?;
        Ok(Self {
            acknowledgement: pb::BatchAcknowledgement { replayed: true, ..acknowledgement },
            has_events: true,
        })
    }

    /// Returns the acknowledgement with a position at or after all its events.
    #[must_use]
    pub fn at(self, position: Option<Position>) -> pb::BatchAcknowledgement {
        let position = position.filter(|_| self.has_events).map_or(0, |position| position.0);
        pb::BatchAcknowledgement { position, ..self.acknowledgement }
    }
}
