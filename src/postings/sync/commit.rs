//! Committing a prepared batch.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use prost::Message as _;
use tokio::sync::Mutex;

use crate::kernel::clock::SharedClock;
use crate::kernel::ids::{LaneId, PostingId, Revision};
use crate::pb::peshub::common::v1 as common;
use crate::pb::peshub::common::v1::QuotaClass;
use crate::pb::peshub::postings::v1 as pb;
use crate::platform::audit::receipt::{Accepted, Receipts};
use crate::platform::config::LimitOptions;
use crate::platform::db::{Db, DbError, Record, WriteTx};
use crate::platform::limits::quotas;
use crate::platform::metrics;
use crate::platform::permit::Permit;
use crate::platform::replay::{self, Known};
use crate::postings::domain::State;
use crate::postings::error::PostingError;
use crate::postings::facets;
use crate::postings::store::write::{NewContent, Row};
use crate::postings::store::{self, Finish, held, write};
use crate::postings::sync::batch::{Batch, Committed, Prepared, Write, WriteAction};
use crate::postings::sync::prepare::prepare;
use crate::postings::wire::{self, Facts};

/// How often a batch is prepared again because another writer came first.
const TRIES: u32 = 20;

/// What committing needs.
#[derive(Clone, Debug)]
pub struct Committer {
    db: Db,
    clock: ClockHandle,
    receipts: Receipts,
    numbers: Arc<Mutex<std::ops::Range<i64>>>,
    limits: Arc<LimitOptions>,
}

#[derive(Clone)]
struct ClockHandle(SharedClock);

impl std::fmt::Debug for ClockHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

impl Committer {
    /// Returns a committer over a database that heeds the quotas of records.
    #[must_use]
    pub fn new(db: Db, clock: SharedClock, receipts: Receipts, limits: LimitOptions) -> Self {
        let (numbers, limits) = (Arc::new(Mutex::new(0..0)), Arc::new(limits));
        Self { db, clock: ClockHandle(clock), receipts, numbers, limits }
    }

    /// Returns the database.
    #[must_use]
    pub const fn db(&self) -> &Db {
        &self.db
    }

    /// Returns the present instant.
    #[must_use]
    pub fn now(&self) -> time::OffsetDateTime {
        self.clock.0.now()
    }

    /// Returns the receipt for what a record closes. It is kept with the answer and must not leave before the commit.
    #[must_use]
    pub fn receipt(
        &self,
        permit: &Permit,
        record: &Record,
        accepted: &Accepted<'_>,
    ) -> common::Receipt {
        let receipt = self.receipts.issue(permit, record, accepted);
        common::Receipt {
            body_sha256: record.body_sha256.clone().unwrap_or_default(),
            committed_at: Some(wire::timestamp(record.at)),
            source: accepted.source.to_owned(),
            entry_id: receipt.entry_id,
            statement: receipt.statement,
            algorithm: receipt.algorithm,
            key_id: receipt.key_id,
            signature: receipt.signature.into(),
        }
    }

    /// Prepares a batch.
    ///
    /// # Errors
    ///
    /// The database fails.
    pub async fn prepare(&self, permit: &Permit, batch: Batch) -> Result<Prepared, PostingError> {
        let began = Instant::now();
        let prepared = prepare(&self.db, permit, batch, self.now()).await;
        metrics::INGEST_SECONDS.record(began.elapsed(), &["prepare"]);
        prepared
    }

    /// Commits a prepared batch on its lane. When another writer came first, it is prepared and tried again.
    ///
    /// # Errors
    ///
    /// `BATCH_OUT_OF_ORDER`, `BATCH_ID_REUSED`, `LANE_TAKEN_OVER`, `QUOTA_EXCEEDED`, or the database fails.
    pub async fn commit(
        &self,
        permit: &Permit,
        lane: LaneId,
        prepared: Prepared,
    ) -> Result<Committed, PostingError> {
        self.commit_once(permit, lane, prepared, "").await
    }

    /// Commits a prepared batch that has no number and, unless it is empty, a request id.
    ///
    /// # Errors
    ///
    /// `REQUEST_ID_REUSED`, and as [`Committer::commit`].
    pub async fn commit_once(
        &self,
        permit: &Permit,
        lane: LaneId,
        mut prepared: Prepared,
        request_id: &str,
    ) -> Result<Committed, PostingError> {
        let began = Instant::now();
        let mut tries = 0;
        loop {
            let outcome = self.try_commit(permit, lane, &prepared, request_id).await;
            tries += 1;
            match outcome {
                Ok(Some(committed)) => {
                    metrics::INGEST_SECONDS.record(began.elapsed(), &["commit"]);
                    count(&prepared, &committed);
                    return Ok(committed);
                }
                Ok(None) | Err(PostingError::Db(DbError::Contended(_))) if tries < TRIES => {
                    tokio::time::sleep(Duration::from_millis(2) * tries).await;
                    prepared = self.prepare(permit, prepared.batch).await?;
                }
                failed => {
                    metrics::INGEST_BATCHES.add(1, &["failed"]);
                    let contended = || DbError::Contended(None).into();
                    return failed.and_then(|committed| committed.ok_or_else(contended));
                }
            }
        }
    }

    /// Tries once; `None` when another writer came first.
    async fn try_commit(
        &self,
        permit: &Permit,
        lane: LaneId,
        prepared: &Prepared,
        request_id: &str,
    ) -> Result<Option<Committed>, PostingError> {
        let now = self.now();
        let mut tx = self.db.write(permit).await?;
        let digest = &request_sha256(&prepared.batch);
        if !request_id.is_empty() {
            match replay::look_up(&mut tx, request_id, digest).await? {
                Known::New => {}
                Known::Answered(stored) => return replayed(&stored).map(Some),
                Known::Reused => return Err(PostingError::Invalid(replay::reused())),
            }
        }
        let record = record(prepared, now);
        let wanted = (lane, request_id);
        let Some(committed) = self.write_all(&mut tx, wanted, prepared, &record).await? else {
            return Ok(None);
        };
        match &committed {
            Ok(committed) => {
                if !request_id.is_empty() {
                    let answer = committed.acknowledgement.encode_to_vec();
                    replay::store(&mut tx, request_id, digest, &answer, now).await?;
                }
                tx.commit(record).await?;
                Ok(Some(committed.clone()))
            }
            Err(()) => {
                drop(tx);
                self.why_not(permit, lane, &prepared.batch).await.map(Some)
            }
        }
    }

    /// Writes everything; `None` when another writer came first, `Err` when the lane stands elsewhere.
    async fn write_all(
        &self,
        tx: &mut WriteTx,
        (lane, request_id): (LaneId, &str),
        prepared: &Prepared,
        record: &Record,
    ) -> Result<Option<Result<Committed, ()>>, PostingError> {
        let (source, now) = (&prepared.batch.source, record.at);
        let Some(rows) = self.rows(tx, prepared, now).await? else { return Ok(None) };
        if !rows.is_empty() && !write::write(tx, source.id, &rows, now).await? {
            return Ok(None);
        }
        if !prepared.advances.is_empty() {
            write::advance(tx, &prepared.advances).await?;
        }
        if !prepared.alive.is_empty() {
            held::forget(tx, &prepared.alive).await?;
        }
        if !prepared.holds.is_empty() {
            held::hold(tx, source.id, &prepared.holds, now).await?;
        }
        let acknowledgement = self.acknowledgement(tx.permit(), record, prepared, request_id);
        let (opened, closed) = prepared.opened_and_closed();
        let finish = Finish {
            lane,
            numbered: prepared.batch.numbered,
            body_sha256: prepared.batch.body_sha256.clone(),
            acknowledgement: Bytes::from(acknowledgement.encode_to_vec()),
            at: now,
            opened: i64::try_from(opened).unwrap_or(i64::MAX),
            closed: i64::try_from(closed).unwrap_or(i64::MAX),
            records: i64::try_from(prepared.batch.changes.len()).unwrap_or(i64::MAX),
        };
        if !store::finish(tx, &finish).await? {
            return Ok(Some(Err(())));
        }
        self.check_records(tx, now).await?;
        let has_events = !prepared.writes.is_empty();
        Ok(Some(Ok(Committed { acknowledgement, has_events })))
    }

    /// Holds what the participant has sent today, this batch included, against its quota.
    async fn check_records(
        &self,
        tx: &mut WriteTx,
        now: time::OffsetDateTime,
    ) -> Result<(), PostingError> {
        let standing = tx.permit().holder();
        let most = standing.and_then(|it| quotas::most(&self.limits, it, QuotaClass::Record));
        let Some((standing, most)) = standing.cloned().zip(most) else { return Ok(()) };
        if store::records_of_day(tx, standing.participant, now.date()).await? <= most {
            return Ok(());
        }
        let midnight = now.date().next_day().map(|day| day.midnight().assume_utc());
        let wait = midnight.and_then(|midnight| Duration::try_from(midnight - now).ok());
        let wait = wait.unwrap_or(Duration::from_hours(24));
        Err(PostingError::QuotaExceeded(quotas::exceeded(
            &standing,
            QuotaClass::Record,
            most,
            wait,
        )))
    }

    /// Returns the answer to a batch, with its receipt.
    fn acknowledgement(
        &self,
        permit: &Permit,
        record: &Record,
        prepared: &Prepared,
        request_id: &str,
    ) -> pb::BatchAcknowledgement {
        let acknowledgement = prepared.acknowledgement();
        let count = |count: i32| i64::from(count);
        let accepted = Accepted {
            source: &prepared.batch.source.name,
            lane: &prepared.batch.lane,
            batch_id: prepared.batch.numbered.map(|(id, _)| id),
            request_id,
            counts: vec![
                ("records", i64::try_from(prepared.batch.changes.len()).unwrap_or(i64::MAX)),
                ("created", count(acknowledgement.created)),
                ("changed", count(acknowledgement.changed)),
                ("unchanged", count(acknowledgement.unchanged)),
                ("closed", count(acknowledgement.closed)),
                ("held", count(acknowledgement.held)),
                ("rejected", count(acknowledgement.rejected)),
            ],
        };
        let receipt = Some(self.receipt(permit, record, &accepted));
        pb::BatchAcknowledgement { receipt, ..acknowledgement }
    }

    /// Locks what is to change and returns it ready to be written; `None` when it is not what was decided on.
    async fn rows(
        &self,
        tx: &mut WriteTx,
        prepared: &Prepared,
        now: time::OffsetDateTime,
    ) -> Result<Option<Vec<Row>>, PostingError> {
        let written = prepared.writes.iter().filter_map(|write| write.seen.map(|seen| seen.id));
        let moved = prepared.advances.iter().map(|advance| advance.id);
        let seen: Vec<PostingId> = written.chain(moved).collect();
        let locked = if seen.is_empty() { HashMap::new() } else { write::lock(tx, &seen).await? };
        for advance in &prepared.advances {
            if locked.get(&advance.id).is_none_or(|(revision, _)| *revision != advance.seen) {
                return Ok(None);
            }
        }
        let mut rows = Vec::with_capacity(prepared.writes.len());
        for planned in &prepared.writes {
            let before = match planned.seen {
                None => (self.number().await?, Vec::new()),
                Some(seen) => match locked.get(&seen.id) {
                    Some((revision, facets)) if *revision == seen.revision => {
                        (seen.id, facets.clone())
                    }
                    _ => return Ok(None),
                },
            };
            rows.push(row(prepared, planned, before, now));
        }
        Ok(Some(rows))
    }

    /// Returns a number for a new posting.
    async fn number(&self) -> Result<PostingId, PostingError> {
        const BLOCK: i64 = 1_000;
        let mut numbers = self.numbers.lock().await;
        if let Some(number) = numbers.next() {
            return Ok(PostingId(number));
        }
        let mut tx = self.db.read(&Permit::of_hub()).await?;
        let first = store::posting_id_block(&mut tx).await?.saturating_mul(BLOCK);
        *numbers = first + 1..first + BLOCK;
        Ok(PostingId(first))
    }

    /// Says why a batch does not fit onto its lane, or returns its earlier answer.
    ///
    /// # Errors
    ///
    /// `BATCH_OUT_OF_ORDER`, `BATCH_ID_REUSED`, `LANE_TAKEN_OVER`, or the database fails.
    pub async fn why_not(
        &self,
        permit: &Permit,
        lane: LaneId,
        batch: &Batch,
    ) -> Result<Committed, PostingError> {
        let Some((batch_id, holder)) = batch.numbered else {
            return Err(PostingError::Corrupt { what: "lane" });
        };
        let mut tx = self.db.read(permit).await?;
        let (last, is_holder) = store::lane_state(&mut tx, lane, holder).await?;
        let answered = store::answered_batch(tx.connection(), lane, batch_id).await?;
        match answered {
            Some((digest, stored)) if digest == batch.body_sha256 => replayed(&stored),
            Some(_) => Err(PostingError::BatchIdReused { sent: batch_id }),
            None if !is_holder => Err(PostingError::LaneTakenOver),
            None if batch_id > 0 && batch_id <= last => {
                Err(PostingError::BatchIdReused { sent: batch_id })
            }
            None => Err(PostingError::BatchOutOfOrder { sent: batch_id, expected: last + 1 }),
        }
    }
}

/// Measures a batch that was answered.
fn count(prepared: &Prepared, committed: &Committed) {
    if committed.acknowledgement.replayed {
        metrics::INGEST_BATCHES.add(1, &["replayed"]);
        return;
    }
    metrics::INGEST_BATCHES.add(1, &["committed"]);
    let bytes: usize = prepared.batch.changes.iter().map(Bytes::len).sum();
    metrics::INGEST_BYTES.add_len(bytes, &[]);
    let tally = &prepared.tally;
    for (count, outcome) in [
        (tally.created, "created"),
        (tally.changed, "changed"),
        (tally.unchanged, "unchanged"),
        (tally.closed, "closed"),
        (tally.held, "held"),
        (tally.rejected, "rejected"),
    ] {
        metrics::INGEST_RECORDS.add_len(count, &[outcome]);
    }
}

/// Returns what a request id is bound to: the same changes for another source are another request.
fn request_sha256(batch: &Batch) -> Bytes {
    let source = Bytes::copy_from_slice(batch.source.name.as_bytes());
    wire::body_sha256([&source, &batch.body_sha256])
}

fn replayed(stored: &[u8]) -> Result<Committed, PostingError> {
    Committed::replayed(stored).map_err(|_| PostingError::Corrupt { what: "acknowledgement" })
}

fn row(
    prepared: &Prepared,
    planned: &Write,
    (id, facets_before): (PostingId, Vec<String>),
    now: time::OffsetDateTime,
) -> Row {
    let source = &prepared.batch.source;
    let revision = planned.seen.map_or(Revision::FIRST, |seen| seen.revision.next());
    let created_at = planned.seen.map_or(now, |seen| seen.created_at);
    let known = planned.seen.and_then(|seen| seen.source_revision);
    let source_revision = planned.source_revision.or(known);
    let (state, close, facets, content) = match &planned.action {
        WriteAction::Store(content, sent_digest) => {
            let facets = facets::of_posting(&content.facets, source.id, source.owner, State::Open);
            let content = NewContent {
                body: content.body.clone(),
                sent_digest: *sent_digest,
                digest: content.digest,
                pay: content.pay.clone(),
                search_text: content.search_text.clone(),
            };
            (State::Open, None, facets, Some(content))
        }
        WriteAction::Close(close) => {
            let facets = facets::in_state(&facets_before, State::Closed);
            (State::Closed, Some(*close), facets, None)
        }
    };
    let header = wire::header(Facts {
        id,
        source: &source.name,
        external_id: &planned.external_id,
        revision,
        source_revision,
        created_at,
        updated_at: now,
        close,
    });
    Row {
        id,
        external_id: planned.external_id.clone(),
        is_new: planned.seen.is_none(),
        revision,
        source_revision,
        state,
        header,
        facets_before,
        facets,
        content,
        created_at,
    }
}

fn record(prepared: &Prepared, at: time::OffsetDateTime) -> Record {
    let rejected = prepared.tally.rejected;
    let batch =
        prepared.batch.numbered.map_or_else(String::new, |(id, _)| format!("/batches/{id}"));
    let subject = format!(
        "sources/{}{batch}: {} records, {} written, {rejected} rejected",
        prepared.batch.source.name,
        prepared.batch.changes.len(),
        prepared.writes.len(),
    );
    Record::new(at, subject, "postings.synced").of_body(prepared.batch.body_sha256.clone())
}
