//! Deciding what becomes of each record of a batch.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::platform::db::Db;
use crate::platform::permit::Permit;
use crate::postings::domain::{self, Close, Glance, Head, State};
use crate::postings::error::PostingError;
use crate::postings::finding::{Finding, FindingCode, Outcome, Verdict};
use crate::postings::parse;
use crate::postings::store;
use crate::postings::store::held::Held;
use crate::postings::sync::batch::{Advance, Batch, Prepared, Seen, Tally, Write, WriteAction};
use crate::postings::wire::{self, Change, Intent};

/// Decides a batch on what is stored now.
///
/// # Errors
///
/// The database fails. Bad records are no errors: they get verdicts.
pub async fn prepare(
    db: &Db,
    permit: &Permit,
    batch: Batch,
    now: OffsetDateTime,
) -> Result<Prepared, PostingError> {
    let (batch, read) = tokio::task::spawn_blocking(move || {
        let read = read_changes(&batch.changes, now);
        (batch, read)
    })
    .await?;
    let ids: Vec<String> =
        read.iter().filter_map(|it| it.as_ref().ok()).map(|it| it.external_id.clone()).collect();
    let mut tx = db.read(permit).await?;
    let heads = store::heads(&mut tx, batch.source.id, &ids).await?;
    let closes = read.iter().any(|it| matches!(it, Ok(Change { intent: Intent::Close(_), .. })));
    let allowance = if closes {
        store::close_history(&mut tx, batch.source.id, now).await?.allowance()
    } else {
        0
    };
    drop(tx);
    let prepared = tokio::task::spawn_blocking(move || {
        let mut decider = Decider { heads, allowance, prepared: empty(batch, ids) };
        decider.decide_all(read);
        decider.prepared
    });
    Ok(prepared.await?)
}

fn empty(batch: Batch, ids: Vec<String>) -> Prepared {
    Prepared {
        batch,
        ids: Arc::new(ids.into_iter().collect()),
        writes: Vec::new(),
        advances: Vec::new(),
        holds: Vec::new(),
        alive: Vec::new(),
        tally: Tally::default(),
    }
}

type Read = Result<Change, (String, Vec<Finding>)>;

fn read_changes(changes: &[Bytes], now: OffsetDateTime) -> Vec<Read> {
    changes.iter().map(|bytes| wire::change(bytes.clone(), now)).collect()
}

/// The change of a posting that counts among several of one batch.
#[derive(Clone, Copy)]
struct Counting {
    index: usize,
    revision: Option<i64>,
    digest: Option<Uuid>,
}

struct Decider {
    heads: HashMap<String, Head>,
    /// How many more closes may pass.
    allowance: usize,
    prepared: Prepared,
}

impl Decider {
    fn decide_all(&mut self, read: Vec<Read>) {
        // Of several changes of one posting the last one counts, but never one that its source calls older.
        let mut counts: HashMap<String, Counting> = HashMap::with_capacity(read.len());
        for (index, change) in read.iter().enumerate() {
            let Ok(change) = change else { continue };
            let known = counts.get(&change.external_id).and_then(|counting| counting.revision);
            let is_older =
                matches!((change.source_revision, known), (Some(new), Some(known)) if new < known);
            if !is_older {
                let (revision, digest) = (change.source_revision.or(known), digest_of(change));
                counts.insert(change.external_id.clone(), Counting { index, revision, digest });
            }
        }
        for (index, change) in read.into_iter().enumerate() {
            match change {
                Err((external_id, findings)) => self.reject(index, external_id, findings),
                Ok(change) => match counts.get(&change.external_id) {
                    Some(counting) if counting.index != index => {
                        let same = digest_of(&change).is_some_and(|it| Some(it) == counting.digest);
                        self.repeated(index, change.external_id, same);
                    }
                    _ => self.decide(index, change),
                },
            }
        }
        self.prepared.writes.sort_unstable_by(|a, b| a.external_id.cmp(&b.external_id));
    }

    fn decide(&mut self, index: usize, change: Change) {
        match change.intent {
            Intent::Upsert(ref bytes, digest) => {
                let bytes = bytes.clone();
                self.upsert(index, change, &bytes, digest);
            }
            Intent::Close(close) => self.close(index, change, close),
        }
    }

    fn upsert(&mut self, index: usize, change: Change, bytes: &[u8], sent_digest: Uuid) {
        let head = self.heads.get(&change.external_id).cloned();
        match domain::glance(head.as_ref(), sent_digest, change.source_revision) {
            Glance::Stale => return self.stale(index, change, head.as_ref()),
            Glance::Unchanged { advance } => {
                return self.unchanged(&change, head.as_ref(), sent_digest, advance);
            }
            Glance::Read => {}
        }
        let (content, fixes) = match parse::posting(bytes) {
            Ok(sound) => sound,
            Err(findings) => return self.reject(index, change.external_id, findings),
        };
        if let Some(head) = head.as_ref().filter(|head| domain::is_same(head, &content)) {
            return self.unchanged(&change, Some(head), sent_digest, true);
        }
        if !fixes.is_empty() {
            self.prepared.tally.verdicts.push(Verdict {
                external_id: change.external_id.clone(),
                index,
                outcome: Outcome::AcceptedWithFixes,
                findings: fixes,
            });
        }
        match &head {
            None => self.prepared.tally.created += 1,
            Some(head) => {
                self.prepared.tally.changed += 1;
                self.prepared.alive.push(head.id);
            }
        }
        self.write(change, head.as_ref(), WriteAction::Store(content, sent_digest));
    }

    fn unchanged(&mut self, change: &Change, head: Option<&Head>, digest: Uuid, advance: bool) {
        self.prepared.tally.unchanged += 1;
        let Some(head) = head else { return };
        self.prepared.alive.push(head.id);
        if advance {
            self.prepared.advances.push(Advance {
                id: head.id,
                seen: head.revision,
                source_revision: change.source_revision,
                sent_digest: digest,
            });
        }
    }

    fn close(&mut self, index: usize, change: Change, close: Close) {
        let Some(head) = self.heads.get(&change.external_id).cloned() else {
            let expected = "the id of a posting that this source has sent";
            let finding = Finding::new("external_id", FindingCode::CloseOfUnknown, expected);
            return self.reject(index, change.external_id, vec![finding]);
        };
        if domain::is_stale(&head, change.source_revision) {
            return self.stale(index, change, Some(&head));
        }
        if head.state == State::Closed {
            self.prepared.tally.unchanged += 1;
            let expected = "a posting that stands; this one was closed before";
            let finding = Finding::new("close", FindingCode::AlreadyClosed, expected);
            return self.say(index, change.external_id, Outcome::AcceptedWithFixes, vec![finding]);
        }
        if self.allowance == 0 {
            return self.hold(index, change, close, &head);
        }
        self.allowance -= 1;
        self.prepared.tally.closed += 1;
        self.prepared.alive.push(head.id);
        self.write(change, Some(&head), WriteAction::Close(close));
    }

    fn hold(&mut self, index: usize, change: Change, close: Close, head: &Head) {
        let expected = "no more closes than usual; held until released or discarded";
        let finding = Finding::new("close", FindingCode::ClosesAboveUsual, expected);
        self.prepared.tally.held += 1;
        self.prepared.holds.push(Held {
            id: head.id,
            external_id: change.external_id.clone(),
            close,
            source_revision: change.source_revision,
        });
        self.say(index, change.external_id, Outcome::Held, vec![finding]);
    }

    fn write(&mut self, change: Change, head: Option<&Head>, action: WriteAction) {
        self.prepared.writes.push(Write {
            external_id: change.external_id,
            source_revision: change.source_revision,
            seen: head.map(|head| Seen {
                id: head.id,
                revision: head.revision,
                was_open: head.state == State::Open,
                created_at: head.created_at,
                source_revision: head.source_revision,
            }),
            action,
        });
    }

    fn stale(&mut self, index: usize, change: Change, head: Option<&Head>) {
        let known = head.and_then(|head| head.source_revision).unwrap_or_default();
        let given = change.source_revision.unwrap_or_default();
        let finding = Finding::new(
            "source_revision",
            FindingCode::Stale,
            format!("{known} or later; a newer one is stored"),
        )
        .given(&given.to_string())
        .suggested(known.to_string());
        self.reject(index, change.external_id, vec![finding]);
    }

    fn repeated(&mut self, index: usize, external_id: String, same: bool) {
        if same {
            self.prepared.tally.unchanged += 1;
            return;
        }
        let expected =
            "each id once in a batch; the later one counts, unless its revision is lower";
        let finding = Finding::new("external_id", FindingCode::RepeatedInBatch, expected);
        self.reject(index, external_id, vec![finding]);
    }

    fn reject(&mut self, index: usize, external_id: String, findings: Vec<Finding>) {
        self.prepared.tally.rejected += 1;
        self.say(index, external_id, Outcome::Rejected, findings);
    }

    fn say(&mut self, index: usize, id: String, outcome: Outcome, findings: Vec<Finding>) {
        self.prepared.tally.verdicts.push(Verdict { external_id: id, index, outcome, findings });
    }
}

fn digest_of(change: &Change) -> Option<Uuid> {
    match change.intent {
        Intent::Upsert(_, digest) => Some(digest),
        Intent::Close(_) => None,
    }
}
