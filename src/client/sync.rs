//! Sending a source's changes: one acknowledgement for every batch, whatever happens to the connection.

use std::collections::VecDeque;
use std::time::Duration;

use http::uri::PathAndQuery;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::{IntoStreamingRequest as _, Request, Status, Streaming};
use tonic_prost::ProstCodec;

use crate::client::batch::Encoded;
use crate::client::connect::{Connection, Transport};
use crate::client::error::{ClientError, Refusal};
use crate::client::retry::{Backoff, Retry};
use crate::pb::peshub::postings::v1::sync_postings_response::Message as Answer;
use crate::pb::peshub::postings::v1::{
    BatchAcknowledgement, PostingChange, SyncOpen, SyncOpened, SyncPostingsResponse,
};
use crate::pb::raw::peshub::postings::v1::sync_postings_request::Message as Question;
use crate::pb::raw::peshub::postings::v1::{SyncBatch, SyncPostingsRequest};

const METHOD: PathAndQuery =
    PathAndQuery::from_static("/peshub.postings.v1.PostingService/SyncPostings");
/// Longest time from the call to the hub's `SyncOpened`.
const OPENING_TIMEOUT: Duration = Duration::from_secs(30);
/// How often the hub is asked for a position that it could not tell at first.
const POSITION_TRIES: u32 = 3;
/// Batches under way that are used at most, whatever the hub offers: each is kept until acknowledged.
const CREDITS_MAX: usize = 64;

/// Which lane to write on, and how.
#[derive(Clone, Debug, Default)]
pub struct SyncOptions {
    /// Name of the source.
    pub source: String,
    /// Lane of the source; empty is the main lane.
    pub lane: String,
    /// Check everything and store nothing.
    pub validate_only: bool,
    /// How a broken connection is tried again.
    pub retry: Retry,
}

/// A lane that is being written on.
///
/// Batches are sent up to the hub's credits and kept until they are acknowledged. When the connection breaks,
/// the session opens the lane again and sends what was not acknowledged; batches that the hub had committed
/// already are acknowledged from its memory. So every batch is acknowledged to the caller exactly once, and
/// stored exactly once.
///
/// **Invariant:** ids of `waiting` rise by one, and all of them are above those of every batch that was handed
/// out as acknowledged before them.
#[derive(Debug)]
pub struct SyncSession {
    transport: Transport,
    options: SyncOptions,
    backoff: Backoff,
    stream: Option<Stream>,
    limits: SyncOpened,
    next_id: i64,
    waiting: VecDeque<Waiting>,
    acknowledged: VecDeque<BatchAcknowledgement>,
    /// The batch that was acknowledged last.
    last: Option<Waiting>,
    reconnects: u64,
}

/// A batch that has no acknowledgement yet.
#[derive(Debug)]
struct Waiting {
    id: i64,
    changes: Encoded,
}

#[derive(Debug)]
struct Stream {
    questions: mpsc::Sender<SyncPostingsRequest>,
    answers: Streaming<SyncPostingsResponse>,
    /// How many of `waiting`, from the front, are under way on this stream.
    under_way: usize,
    /// What to add to an id to get the hub's: not 0 only when nothing is stored, and nothing remembered.
    shift: i64,
}

impl SyncSession {
    /// Opens a lane and learns where to go on.
    ///
    /// # Errors
    ///
    /// The hub refuses, or cannot be reached within the time for trying again.
    pub async fn open(connection: &Connection, options: SyncOptions) -> Result<Self, ClientError> {
        let mut session = Self {
            transport: connection.transport(),
            backoff: Backoff::new(options.retry),
            options,
            stream: None,
            limits: SyncOpened::default(),
            next_id: 0,
            waiting: VecDeque::new(),
            acknowledged: VecDeque::new(),
            last: None,
            reconnects: 0,
        };
        session.connect().await?;
        Ok(session)
    }

    /// Returns the limits of the hub and the last batch that stood when the lane was opened last.
    #[must_use]
    pub const fn limits(&self) -> &SyncOpened {
        &self.limits
    }

    /// Returns how often the connection was lost and opened again.
    #[must_use]
    pub const fn reconnects(&self) -> u64 {
        self.reconnects
    }

    /// Returns how many batches were sent and are not acknowledged yet.
    #[must_use]
    pub fn unacknowledged(&self) -> usize {
        self.waiting.len()
    }

    /// Sends a batch and returns its id. Waits while as many batches as the hub allows are under way; their
    /// acknowledgements are kept for [`SyncSession::acknowledgement`].
    ///
    /// A call that is dropped while it waits has sent nothing.
    ///
    /// # Errors
    ///
    /// The batch is too large, the hub refuses for good, or trying again did not help.
    pub async fn send(&mut self, changes: &[PostingChange]) -> Result<i64, ClientError> {
        let encoded = Encoded::of(changes);
        let limit = |value: i32| usize::try_from(value).ok().filter(|value| *value > 0);
        let bytes_max = limit(self.limits.bytes_per_batch_max).unwrap_or(usize::MAX);
        let changes_max = limit(self.limits.changes_per_batch_max).unwrap_or(usize::MAX);
        if encoded.bytes > bytes_max || changes.len() > changes_max {
            return Err(ClientError::BatchTooLarge {
                changes: changes.len(),
                bytes: encoded.bytes,
            });
        }
        while self.waiting.len() >= self.credits() {
            self.advance().await?;
        }
        let id = self.next_id;
        self.next_id += 1;
        self.waiting.push_back(Waiting { id, changes: encoded });
        self.push_out();
        Ok(id)
    }

    /// Returns the next acknowledgement, waiting for it; nothing when every batch is acknowledged.
    ///
    /// A call that is dropped while it waits has taken nothing.
    ///
    /// # Errors
    ///
    /// The hub refuses for good, or trying again did not help.
    pub async fn acknowledgement(&mut self) -> Result<Option<BatchAcknowledgement>, ClientError> {
        loop {
            if let Some(acknowledgement) = self.acknowledged.pop_front() {
                return Ok(Some(acknowledgement));
            }
            if self.waiting.is_empty() {
                return Ok(None);
            }
            self.advance().await?;
        }
    }

    /// Returns an acknowledgement that came in while a batch was waiting to be sent; waits for none.
    pub fn received(&mut self) -> Option<BatchAcknowledgement> {
        self.acknowledged.pop_front()
    }

    /// Asks for a position at or after every event of the last batch, for one whose acknowledgement came without. All
    /// batches must be acknowledged and taken. Nothing when the hub cannot tell, or when nothing was ever stored.
    ///
    /// The batch is sent again: it has no effect, and its acknowledgement has the position.
    ///
    /// # Errors
    ///
    /// The hub refuses for good, or trying again did not help.
    pub async fn position(&mut self) -> Result<Option<i64>, ClientError> {
        for _ in 0..POSITION_TRIES {
            if !self.waiting.is_empty() || self.options.validate_only {
                return Ok(None);
            }
            let Some(last) = self.last.take() else { return Ok(None) };
            self.waiting.push_back(last);
            self.advance().await?;
            let position = self.acknowledged.pop_back().map_or(0, |again| again.position);
            if position > 0 {
                return Ok(Some(position));
            }
        }
        Ok(None)
    }

    /// Waits for every acknowledgement and ends the stream. Returns those that were not taken yet.
    ///
    /// # Errors
    ///
    /// The hub refuses for good, or trying again did not help.
    pub async fn finish(mut self) -> Result<Vec<BatchAcknowledgement>, ClientError> {
        while !self.waiting.is_empty() {
            self.advance().await?;
        }
        if let Some(stream) = self.stream.take() {
            drop(stream.questions);
            // Everything is acknowledged, so how the stream ends makes no difference any more.
            let mut answers = stream.answers;
            while let Ok(Some(_)) = answers.message().await {}
        }
        Ok(self.acknowledged.into())
    }

    fn credits(&self) -> usize {
        usize::try_from(self.limits.credits).unwrap_or_default().clamp(1, CREDITS_MAX)
    }

    /// Waits until one acknowledgement came in, opening the lane again as often as it must.
    async fn advance(&mut self) -> Result<(), ClientError> {
        loop {
            self.connect().await?;
            self.push_out();
            let Some(stream) = &mut self.stream else { continue };
            let failure = match stream.answers.message().await {
                Ok(Some(answer)) => {
                    if self.take_in(answer)? {
                        return Ok(());
                    }
                    continue;
                }
                Ok(None) => Refusal::ended("the hub ended the stream"),
                Err(status) => Refusal::of(&status),
            };
            self.stream = None;
            self.backoff.pause(failure).await?;
        }
    }

    /// Takes an answer in. Returns whether it acknowledged a batch that was waiting.
    fn take_in(&mut self, answer: SyncPostingsResponse) -> Result<bool, ClientError> {
        let Some(Answer::Acknowledgement(mut acknowledgement)) = answer.message else {
            return Err(ClientError::OutOfStep("a second SyncOpened, or an empty message"));
        };
        let shift = self.stream.as_ref().map_or(0, |stream| stream.shift);
        acknowledgement.batch_id -= shift;
        let id = acknowledgement.batch_id;
        // A batch that is not waiting was acknowledged before; the caller must not see it twice.
        let Some(index) = self.waiting.iter().position(|waiting| waiting.id == id) else {
            return Ok(false);
        };
        self.last = self.waiting.remove(index);
        if let Some(stream) = &mut self.stream {
            stream.under_way = stream.under_way.saturating_sub(1);
        }
        self.backoff.reset();
        self.acknowledged.push_back(acknowledgement);
        Ok(true)
    }

    /// Hands waiting batches to the transport, as many as there are credits.
    fn push_out(&mut self) {
        let credits = self.credits();
        let Some(stream) = &mut self.stream else { return };
        while stream.under_way < credits {
            let Some(waiting) = self.waiting.get(stream.under_way) else { return };
            let batch_id = waiting.id + stream.shift;
            let batch = SyncBatch { batch_id, changes: waiting.changes.changes.clone() };
            let question = SyncPostingsRequest { message: Some(Question::Batch(batch)) };
            if stream.questions.try_send(question).is_err() {
                // The connection is gone; reading the answers will say so.
                return;
            }
            stream.under_way += 1;
        }
    }

    /// Opens the lane unless it is open, trying again as long as the options say.
    async fn connect(&mut self) -> Result<(), ClientError> {
        while self.stream.is_none() {
            let opening = tokio::time::timeout(OPENING_TIMEOUT, self.open_once());
            let failure = match opening.await {
                Ok(Ok((stream, opened))) => return self.resume(stream, opened),
                Ok(Err(OpenError::Failed(status))) => Refusal::of(&status),
                Ok(Err(OpenError::Ended)) => Refusal::ended("the hub ended the stream unopened"),
                Ok(Err(OpenError::OutOfStep)) => {
                    return Err(ClientError::OutOfStep("the first message is not SyncOpened"));
                }
                Err(_) => Refusal::ended("the hub did not open the stream in time"),
            };
            self.backoff.pause(failure).await?;
        }
        Ok(())
    }

    /// Takes a freshly opened stream into use, if the lane stands where it can stand.
    fn resume(&mut self, mut stream: Stream, opened: SyncOpened) -> Result<(), ClientError> {
        let last = opened.last_batch_id;
        let is_first = self.next_id == 0;
        let sent = self.next_id - 1;
        let oldest = self.waiting.front().map_or(self.next_id, |waiting| waiting.id);
        if is_first {
            self.next_id = last + 1;
        } else if self.options.validate_only {
            // Nothing was remembered, so the hub counts from its last batch again.
            stream.shift = last + 1 - oldest;
        } else if last > sent || last < oldest - 1 {
            return Err(ClientError::LaneMoved { found: last, expected: sent });
        }
        if !is_first {
            self.reconnects += 1;
        }
        if self.waiting.is_empty() {
            // Nothing is left to wait for, so the lane is as good as new.
            self.backoff.reset();
        }
        self.limits = opened;
        self.stream = Some(stream);
        self.push_out();
        Ok(())
    }

    async fn open_once(&self) -> Result<(Stream, SyncOpened), OpenError> {
        // Room for the opening and all batches that credits allow, so handing over never waits.
        let (questions, receiver) = mpsc::channel(CREDITS_MAX + 1);
        let open = Question::Open(SyncOpen {
            source: self.options.source.clone(),
            lane: self.options.lane.clone(),
            validate_only: self.options.validate_only,
        });
        let question = SyncPostingsRequest { message: Some(open) };
        questions.try_send(question).map_err(|_| OpenError::Ended)?;

        // The raw view of the contract is used for sending: its changes are bytes, so a batch that is sent
        // again is neither copied nor encoded again.
        let mut grpc = Grpc::new(self.transport.clone());
        grpc.ready().await.map_err(|error| Status::from_error(error.into()))?;
        let codec = ProstCodec::<SyncPostingsRequest, SyncPostingsResponse>::default();
        let request = Request::new(ReceiverStream::new(receiver)).into_streaming_request();
        let mut answers = grpc.streaming(request, METHOD, codec).await?.into_inner();
        let answer = answers.message().await?.ok_or(OpenError::Ended)?;
        let Some(Answer::Opened(opened)) = answer.message else {
            return Err(OpenError::OutOfStep);
        };
        Ok((Stream { questions, answers, under_way: 0, shift: 0 }, opened))
    }
}

/// Why a lane did not open.
enum OpenError {
    Failed(Status),
    Ended,
    OutOfStep,
}

impl From<Status> for OpenError {
    fn from(status: Status) -> Self {
        Self::Failed(status)
    }
}
