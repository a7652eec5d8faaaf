//! Receiving postings: a watch that goes on where it was, whatever happens to the connection.

use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use tonic::{Code, Streaming};

use crate::client::connect::{Connection, Transport};
use crate::client::error::{ClientError, Refusal};
use crate::client::retry::{Backoff, Retry};
use crate::pb::peshub::feed::v1::{Bookmark, EventKind};
use crate::pb::peshub::postings::v1::posting_service_client::PostingServiceClient;
use crate::pb::peshub::postings::v1::watch_postings_response::Message as Answer;
use crate::pb::peshub::postings::v1::{
    AcknowledgeWatchRequest, PostingEvent, PostingFilter, WatchPostingsRequest,
    WatchPostingsResponse,
};

/// Longest silence. Bookmarks come at least every minute, so a longer one means that the peer is gone.
const SILENCE_MAX: Duration = Duration::from_secs(90);

/// What to watch, and how.
#[derive(Clone, Debug, Default)]
pub struct WatchOptions {
    /// Which postings; all that the caller may see when empty.
    pub filter: PostingFilter,
    /// Where to go on; empty to begin.
    pub cursor: Bytes,
    /// Name under which the hub keeps the cursor of [`Watch::acknowledge`]; empty for none.
    pub consumer: String,
    /// Begin at the end of the feed, without a snapshot.
    pub skip_snapshot: bool,
    /// Longest time between two bookmarks in seconds; the hub's own choice when 0.
    pub bookmark_seconds: i32,
    /// How a broken connection is tried again.
    pub retry: Retry,
}

/// What a watch yields.
#[derive(Clone, Debug, PartialEq)]
pub enum WatchItem {
    /// Something happened to a posting.
    Event(Box<PostingEvent>),
    /// Everything up to a position was delivered.
    Bookmark(Bookmark),
    /// The watch begins again with a snapshot: what was received before may have been left or closed
    /// meanwhile without an event. A snapshot follows.
    Restart(Restart),
}

/// Why a watch begins again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// The cursor is older than what the hub keeps.
    CursorExpired,
    /// The hub was restored to a time before the cursor.
    FeedRewound,
    /// The connection broke within the snapshot, which cannot be resumed midway.
    SnapshotBroken,
}

/// How far the snapshot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Snapshot {
    /// Nothing of it came yet; there may be none.
    Unseen,
    /// Some of it came.
    Begun,
    /// It is complete, or there is none.
    Done,
}

/// A watch over postings. It connects when it is first asked for an item and ends only with an error.
#[derive(Debug)]
pub struct Watch {
    client: PostingServiceClient<Transport>,
    options: WatchOptions,
    backoff: Backoff,
    stream: Option<Streaming<WatchPostingsResponse>>,
    cursor: Bytes,
    snapshot: Snapshot,
    /// The cursor that the hub keeps is of no use any more: begin without it.
    is_restarted: bool,
    pending: Option<Restart>,
    reconnects: u64,
}

impl Watch {
    /// Prepares a watch.
    #[must_use]
    pub fn new(connection: &Connection, options: WatchOptions) -> Self {
        Self {
            client: connection.postings(),
            backoff: Backoff::new(options.retry),
            stream: None,
            cursor: options.cursor.clone(),
            snapshot: if options.cursor.is_empty() { Snapshot::Unseen } else { Snapshot::Done },
            options,
            is_restarted: false,
            pending: None,
            reconnects: 0,
        }
    }

    /// Returns the resume token of the last event or bookmark; empty before the snapshot is complete.
    #[must_use]
    pub const fn cursor(&self) -> &Bytes {
        &self.cursor
    }

    /// Returns how often the connection was lost.
    #[must_use]
    pub const fn reconnects(&self) -> u64 {
        self.reconnects
    }

    /// Returns the next item, waiting for it. A call that is dropped while it waits has taken nothing.
    ///
    /// # Errors
    ///
    /// The hub refuses for good, or trying again did not help.
    pub async fn next(&mut self) -> Result<WatchItem, ClientError> {
        loop {
            if let Some(restart) = self.pending.take() {
                return Ok(WatchItem::Restart(restart));
            }
            let failure = match self.receive().await {
                Ok(Some(item)) => {
                    self.backoff.reset();
                    return Ok(item);
                }
                // The hub ends a stream without an error when it shuts down.
                Ok(None) => Refusal::ended("the hub ended the stream"),
                Err(failure) => failure,
            };
            if self.stream.take().is_some() {
                self.reconnects += 1;
            }
            self.recover(failure).await?;
        }
    }

    /// Turns the watch into a stream of its items, which ends after the first error.
    pub fn into_stream(self) -> impl Stream<Item = Result<WatchItem, ClientError>> {
        futures_util::stream::unfold(Some(self), |watch| async move {
            let mut watch = watch?;
            match watch.next().await {
                Ok(item) => Some((Ok(item), Some(watch))),
                Err(error) => Some((Err(error), None)),
            }
        })
    }

    /// Tells the hub that everything up to the cursor was worked off. Does nothing without a consumer's name
    /// or before there is a cursor.
    ///
    /// # Errors
    ///
    /// The hub refuses or cannot be reached.
    pub async fn acknowledge(&mut self) -> Result<(), ClientError> {
        if self.options.consumer.is_empty() || self.cursor.is_empty() {
            return Ok(());
        }
        let request = AcknowledgeWatchRequest {
            consumer: self.options.consumer.clone(),
            cursor: self.cursor.clone(),
            request_id: String::new(),
        };
        let answer = self.client.acknowledge_watch(request).await;
        answer.map(drop).map_err(|status| ClientError::Refused(Refusal::of(&status)))
    }

    async fn receive(&mut self) -> Result<Option<WatchItem>, Refusal> {
        if self.stream.is_none() {
            let answer = self.client.watch_postings(self.request()).await;
            self.stream = Some(answer.map_err(|status| Refusal::of(&status))?.into_inner());
        }
        let Some(stream) = &mut self.stream else { return Ok(None) };
        let answer = tokio::time::timeout(SILENCE_MAX, stream.message())
            .await
            .map_err(|_| Refusal::ended("the hub fell silent"))?
            .map_err(|status| Refusal::of(&status))?;
        let Some(answer) = answer else { return Ok(None) };
        match answer.message {
            Some(Answer::Event(event)) => Ok(Some(self.take_event(event))),
            Some(Answer::Bookmark(bookmark)) => Ok(Some(self.take_bookmark(bookmark))),
            None => Err(Refusal::ended("the hub sent an empty message")),
        }
    }

    fn request(&self) -> WatchPostingsRequest {
        let begins = self.cursor.is_empty();
        WatchPostingsRequest {
            filter: Some(self.options.filter.clone()),
            cursor: self.cursor.clone(),
            // With its name the hub would resume at the cursor that has just turned out to be useless.
            consumer: if begins && self.is_restarted {
                String::new()
            } else {
                self.options.consumer.clone()
            },
            skip_snapshot: begins && self.options.skip_snapshot && !self.is_restarted,
            bookmark_seconds: self.options.bookmark_seconds,
        }
    }

    fn take_event(&mut self, event: PostingEvent) -> WatchItem {
        if event.kind == i32::from(EventKind::Snapshot) {
            self.snapshot = Snapshot::Begun;
        } else {
            self.snapshot = Snapshot::Done;
            self.keep(&event.cursor);
        }
        WatchItem::Event(Box::new(event))
    }

    fn take_bookmark(&mut self, bookmark: Bookmark) -> WatchItem {
        if bookmark.snapshot_complete {
            self.snapshot = Snapshot::Done;
        }
        // A bookmark within the snapshot is a sign of life; going on from it would skip the rest.
        if self.snapshot != Snapshot::Begun {
            self.keep(&bookmark.cursor);
        }
        WatchItem::Bookmark(bookmark)
    }

    fn keep(&mut self, cursor: &Bytes) {
        if !cursor.is_empty() {
            self.cursor = cursor.clone();
        }
    }

    /// Decides how to go on after a failure.
    async fn recover(&mut self, failure: Refusal) -> Result<(), ClientError> {
        let restart = match (failure.code, failure.reason.as_str()) {
            (Code::OutOfRange, "CURSOR_EXPIRED") => Some(Restart::CursorExpired),
            (Code::OutOfRange, "FEED_REWOUND") => Some(Restart::FeedRewound),
            _ if self.snapshot == Snapshot::Begun && failure.is_passing() => {
                Some(Restart::SnapshotBroken)
            }
            _ => None,
        };
        let Some(restart) = restart else { return self.backoff.pause(failure).await };
        if restart == Restart::SnapshotBroken {
            self.backoff.pause(failure).await?;
        } else if self.is_restarted && self.cursor.is_empty() {
            // A watch without a cursor cannot have one that expired.
            return Err(ClientError::Refused(failure));
        }
        self.cursor = Bytes::new();
        self.snapshot = Snapshot::Unseen;
        self.is_restarted = true;
        self.pending = Some(restart);
        Ok(())
    }
}
