//! A sync stream: batches come in, are prepared while earlier ones commit, and are acknowledged in order.
//!
//! Three stages run side by side, joined by short queues: reading and preparing, committing, acknowledging. What is sent
//! beyond the credits waits in the transport.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Streaming};
use tracing::Instrument as _;
use uuid::Uuid;

use crate::kernel::fault::Fault;
use crate::kernel::fields;
use crate::kernel::ids::LaneId;
use crate::pb::peshub::postings::v1 as pb;
use crate::pb::raw::peshub::postings::v1 as raw;
use crate::platform::feed::tail::Tail;
use crate::platform::permit::Permit;
use crate::platform::tasks::Tasks;
use crate::platform::telemetry::context;
use crate::postings::domain::{BYTES_PER_BATCH_MAX, CHANGES_PER_BATCH_MAX, CREDITS};
use crate::postings::error::PostingError;
use crate::postings::store::{self, Source};
use crate::postings::sync::batch::{Batch, Committed, Prepared};
use crate::postings::sync::commit::Committer;
use crate::postings::wire;

/// How long an acknowledgement waits to be told its position. Without one it is sent with position 0.
const POSITION_WAIT: Duration = Duration::from_secs(2);

/// What goes out on a stream.
pub type Outgoing = Result<pb::SyncPostingsResponse, Fault>;

/// A batch on its way to being committed.
struct InTurn {
    prepared: Prepared,
    /// How many batches of this stream had been committed when it was decided.
    seen: u64,
    span: tracing::Span,
}

/// What a sync stream needs.
#[derive(Clone, Debug)]
pub struct SyncStreams {
    /// Commits batches.
    pub committer: Committer,
    /// Tells positions.
    pub tail: Arc<Tail>,
    /// Where the stages run.
    pub tasks: Tasks,
}

/// A stream that has been opened.
#[derive(Clone, Debug)]
struct Opened {
    permit: Permit,
    source: Arc<Source>,
    /// The lane and this stream's name on it; `None` when nothing is to be stored.
    lane: Option<(LaneId, Uuid)>,
    /// The lane's name.
    lane_name: Arc<str>,
}

impl SyncStreams {
    /// Serves a stream until either side ends it. Answers come out of the receiver.
    #[must_use]
    pub fn serve(
        &self,
        permit: Permit,
        incoming: Streaming<raw::SyncPostingsRequest>,
        draining: CancellationToken,
    ) -> mpsc::Receiver<Outgoing> {
        let (answers, receiver) = mpsc::channel(CREDITS + 1);
        let streams = self.clone();
        let span = tracing::Span::current();
        drop(
            self.tasks.spawn(
                async move {
                    if let Err(error) =
                        streams.read(permit, (incoming, draining), answers.clone()).await
                    {
                        // Nobody listens any more when this fails.
                        answers.send(Err(error.into())).await.unwrap_or_default();
                    }
                }
                .instrument(span),
            ),
        );
        receiver
    }

    /// First stage: reads batches and prepares them.
    async fn read(
        &self,
        permit: Permit,
        (mut incoming, draining): (Streaming<raw::SyncPostingsRequest>, CancellationToken),
        answers: mpsc::Sender<Outgoing>,
    ) -> Result<(), PostingError> {
        let Some(opened) = self.open(permit, &mut incoming, &answers).await? else { return Ok(()) };
        let done = Arc::new(AtomicU64::new(0));
        let (to_commit, prepared) = mpsc::channel(1);
        let (to_acknowledge, committed) = mpsc::channel(CREDITS);
        let streams = self.clone();
        let committing = {
            let opened = opened.clone();
            let done = Arc::clone(&done);
            async move { streams.commit(&opened, prepared, (to_acknowledge, done)).await }
        };
        let committing = self.tasks.spawn(committing.in_current_span());
        let streams = self.clone();
        let (outgoing, validate_only) = (answers.clone(), opened.lane.is_none());
        let acknowledging =
            async move { streams.acknowledge(committed, outgoing, validate_only).await };
        let acknowledging = self.tasks.spawn(acknowledging.in_current_span());

        let mut incoming = (incoming, draining);
        let reading = self.read_batches(&opened, &mut incoming, to_commit, (&answers, &done)).await;
        // Everything that was read is committed and acknowledged before the stream ends, whatever ends it.
        let committing = committing.await?;
        acknowledging.await?;
        committing.and(reading)
    }

    async fn open(
        &self,
        permit: Permit,
        incoming: &mut Streaming<raw::SyncPostingsRequest>,
        answers: &mpsc::Sender<Outgoing>,
    ) -> Result<Option<Opened>, PostingError> {
        let Some(message) = next(incoming).await? else { return Ok(None) };
        let Some(raw::sync_postings_request::Message::Open(open)) = message.message else {
            let expected = "the first message opens the stream";
            return Err(PostingError::OutOfStep { expected });
        };
        let violations = fields::check(&open);
        if !violations.is_empty() {
            return Err(PostingError::Invalid(Fault::fields(violations)));
        }
        let db = self.committer.db();
        let mut tx = db.read(&permit).await?;
        let source = store::source(&mut tx, &open.source).await?;
        let (lane, last_batch_id) = if open.validate_only {
            let last = store::peek_lane(&mut tx, source.id, &open.lane).await?;
            (None, last.unwrap_or(0))
        } else {
            let holder = Uuid::from_bytes(random());
            drop(tx);
            // The source is the caller's; its lanes are the hub's to make.
            let mut tx = db.read(&Permit::of_hub()).await?;
            let taken =
                store::take_lane(tx.connection(), source.id, &open.lane, Some(holder)).await?;
            (Some((taken.id, holder)), taken.last_batch_id)
        };
        let message = pb::sync_postings_response::Message::Opened(pb::SyncOpened {
            last_batch_id,
            credits: i32::try_from(CREDITS).unwrap_or(1),
            changes_per_batch_max: i32::try_from(CHANGES_PER_BATCH_MAX).unwrap_or(i32::MAX),
            bytes_per_batch_max: i32::try_from(BYTES_PER_BATCH_MAX).unwrap_or(i32::MAX),
        });
        let response = pb::SyncPostingsResponse { message: Some(message) };
        let is_there = answers.send(Ok(response)).await.is_ok();
        let lane_name = open.lane.into();
        Ok(is_there.then(|| Opened { permit, source: Arc::new(source), lane, lane_name }))
    }

    async fn read_batches(
        &self,
        opened: &Opened,
        (incoming, draining): &mut (Streaming<raw::SyncPostingsRequest>, CancellationToken),
        to_commit: mpsc::Sender<InTurn>,
        (answers, done): (&mpsc::Sender<Outgoing>, &AtomicU64),
    ) -> Result<(), PostingError> {
        loop {
            let message = tokio::select! {
                () = draining.cancelled() => return Err(PostingError::ShuttingDown),
                () = answers.closed() => return Ok(()),
                // The second stage has failed and says why.
                () = to_commit.closed() => return Ok(()),
                message = next(incoming) => message?,
            };
            let batch = match message.map(|message| message.message) {
                None => return Ok(()),
                Some(Some(raw::sync_postings_request::Message::Batch(batch))) => batch,
                Some(_) => {
                    let expected = "batches follow the opening";
                    return Err(PostingError::OutOfStep { expected });
                }
            };
            let batch = within_limits(opened, batch)?;
            let seen = done.load(Ordering::Acquire);
            let span = span(&batch);
            let preparing = self.committer.prepare(&opened.permit, batch);
            let prepared = preparing.instrument(span.clone()).await?;
            if to_commit.send(InTurn { prepared, seen, span }).await.is_err() {
                return Ok(());
            }
        }
    }

    /// Second stage: commits batches one after the other.
    async fn commit(
        &self,
        opened: &Opened,
        mut queue: mpsc::Receiver<InTurn>,
        (to_acknowledge, done): (mpsc::Sender<Committed>, Arc<AtomicU64>),
    ) -> Result<(), PostingError> {
        let mut latest: VecDeque<(u64, Arc<HashSet<String>>)> = VecDeque::new();
        while let Some(InTurn { mut prepared, seen, span }) = queue.recv().await {
            latest.retain(|(number, _)| *number > seen);
            // It was decided before these were committed: where they speak of the same postings, it is decided anew.
            if latest.iter().any(|(_, earlier)| !earlier.is_disjoint(&prepared.ids)) {
                prepared = self.committer.prepare(&opened.permit, prepared.batch).await?;
            }
            let ids = Arc::clone(&prepared.ids);
            let committed = match opened.lane {
                Some((lane, _)) => {
                    let committing = self.committer.commit(&opened.permit, lane, prepared);
                    committing.instrument(span).await?
                }
                None => {
                    Committed { acknowledgement: prepared.acknowledgement(), has_events: false }
                }
            };
            latest.push_back((done.fetch_add(1, Ordering::AcqRel) + 1, ids));
            if to_acknowledge.send(committed).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Third stage: tells positions. Batches that were committed while the feed moved share one wait.
    async fn acknowledge(
        &self,
        mut committed: mpsc::Receiver<Committed>,
        answers: mpsc::Sender<Outgoing>,
        validate_only: bool,
    ) {
        let mut together = Vec::new();
        while committed.recv_many(&mut together, CREDITS).await > 0 {
            let has_events = together.iter().any(|batch| batch.has_events);
            let position = if has_events { self.tail.settled(POSITION_WAIT).await } else { None };
            for batch in together.drain(..) {
                let acknowledgement =
                    pb::BatchAcknowledgement { validate_only, ..batch.at(position) };
                let message = pb::sync_postings_response::Message::Acknowledgement(acknowledgement);
                let response = pb::SyncPostingsResponse { message: Some(message) };
                if answers.send(Ok(response)).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Returns the span of a batch, from its arrival to its commit.
fn span(batch: &Batch) -> tracing::Span {
    context::piece(tracing::info_span!(
        "ingest.batch",
        trace.id = tracing::field::Empty,
        batch.id = batch.numbered.map_or(0, |(id, _)| id),
        batch.records = batch.changes.len(),
    ))
}

/// Returns a batch that is within its limits.
fn within_limits(opened: &Opened, batch: raw::SyncBatch) -> Result<Batch, PostingError> {
    let bytes: usize = batch.changes.iter().map(bytes::Bytes::len).sum();
    if batch.changes.len() > CHANGES_PER_BATCH_MAX || bytes > BYTES_PER_BATCH_MAX {
        return Err(PostingError::BatchTooLarge);
    }
    let holder = opened.lane.map_or(Uuid::nil(), |(_, holder)| holder);
    Ok(Batch {
        numbered: Some((batch.batch_id, holder)),
        source: Arc::clone(&opened.source),
        lane: Arc::clone(&opened.lane_name),
        body_sha256: wire::body_sha256(&batch.changes),
        changes: batch.changes,
    })
}

/// Returns the next message; `None` at the end, or when the client broke off.
async fn next(
    incoming: &mut Streaming<raw::SyncPostingsRequest>,
) -> Result<Option<raw::SyncPostingsRequest>, PostingError> {
    match incoming.message().await {
        Ok(message) => Ok(message),
        // What tonic says to a frame that is larger than its limit.
        Err(status) if status.code() == Code::OutOfRange => Err(PostingError::BatchTooLarge),
        Err(status)
            if status.code() == Code::Internal || status.code() == Code::InvalidArgument =>
        {
            let expected = "a message of peshub.postings.v1.SyncPostingsRequest";
            let violation = wire::violation("", fields::Rule::Malformed, expected, "");
            Err(PostingError::Invalid(Fault::fields(vec![violation]).because(status)))
        }
        Err(status) => {
            tracing::debug!("sync stream broke off: {status}");
            Ok(None)
        }
    }
}

/// Returns random bytes. A machine without randomness gives zeros, which only makes two streams of one lane share a name.
fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).unwrap_or_default();
    bytes
}
