//! A watch: a snapshot and the changes after it, or the changes since a cursor.
//!
//! The snapshot and the position that the stream goes on from are read in one REPEATABLE READ transaction, so that nothing
//! lies between them and nothing comes twice. After that the watch reads the feed.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::kernel::fault::Fault;
use crate::kernel::ids::PostingId;
use crate::pb::peshub::feed::v1 as feed_pb;
use crate::pb::raw::peshub::postings::v1 as raw;
use crate::platform::db::{Db, DbError, SnapshotTx};
use crate::platform::feed::cursor::Cursor;
use crate::platform::feed::event::{Event, FacetFilter, Meaning, Topic};
use crate::platform::feed::reader::{End, Feed, Manner, Mark, Reader, Telling};
use crate::platform::feed::store as feed;
use crate::platform::permit::Permit;
use crate::postings::error::PostingError;
use crate::postings::store::read;
use crate::postings::wire;

/// Messages that may wait for the transport.
const QUEUE: usize = 256;
/// Snapshots that are read at the same time in one process; each holds a database connection.
const SNAPSHOTS: usize = 6;

/// How often a snapshot is opened anew because the feed moved while it was.
const SNAPSHOT_TRIES: u32 = 100;

/// What goes out on a watch.
pub type Outgoing = Result<raw::WatchPostingsResponse, Fault>;

/// Where a watch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With a snapshot.
    Snapshot,
    /// At the end of the feed.
    Now,
    /// After a cursor.
    After(Cursor),
}

/// What a caller wants to watch.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Which postings, scope included.
    pub filter: FacetFilter,
    /// Where to begin.
    pub start: Start,
    /// Longest time between two bookmarks.
    pub bookmarks_every: Duration,
    /// Says when the watch must end with a last bookmark, to be continued elsewhere.
    pub draining: CancellationToken,
}

/// What a watch needs.
#[derive(Clone, Debug)]
pub struct Watches {
    feed: Feed,
    snapshots: Arc<Semaphore>,
}

impl Watches {
    /// Returns watches over a feed.
    #[must_use]
    pub fn new(feed: Feed) -> Self {
        Self { feed, snapshots: Arc::new(Semaphore::new(SNAPSHOTS)) }
    }

    /// Returns what a cursor says.
    ///
    /// # Errors
    ///
    /// `CURSOR_INVALID` when it was not made by this installation.
    pub fn open_cursor(&self, sealed: &[u8]) -> Result<Cursor, PostingError> {
        Ok(self.feed.open_cursor(sealed)?)
    }

    /// Serves a watch until either side ends it.
    #[must_use]
    pub fn serve(&self, permit: Permit, wish: Wish) -> mpsc::Receiver<Outgoing> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let manner = Manner { bookmarks_every: wish.bookmarks_every, draining: wish.draining };
        let telling = PostingTelling { db: self.feed.db.clone(), permit, filter: wish.filter };
        let reader = Reader::new(self.feed.clone(), telling, manner, sender);
        let mut watch =
            Watch { feed: self.feed.clone(), snapshots: Arc::clone(&self.snapshots), reader };
        let work = async move {
            if let Err(end) = watch.run(wish.start).await {
                watch.reader.end(end).await;
            }
        };
        drop(self.feed.tasks.spawn(work.in_current_span()));
        receiver
    }
}

/// What a watch of postings tells.
struct PostingTelling {
    db: Db,
    permit: Permit,
    filter: FacetFilter,
}

impl Telling for PostingTelling {
    type Message = raw::WatchPostingsResponse;

    fn concerns(&self, event: &Event) -> bool {
        event.topic == Some(Topic::Posting) && event.meaning(&self.filter).is_some()
    }

    fn event<'a>(
        &'a self,
        event: &'a Event,
    ) -> BoxFuture<'a, Result<Option<Self::Message>, Fault>> {
        Box::pin(async move {
            match event.meaning(&self.filter) {
                Some(meaning) => Ok(Some(self.change(event, meaning).await?)),
                None => Ok(None),
            }
        })
    }

    fn bookmark(&self, mark: Mark) -> Self::Message {
        message(raw::watch_postings_response::Message::Bookmark(feed_pb::Bookmark {
            position: mark.position.0,
            cursor: mark.cursor,
            at: Some(wire::timestamp(mark.at)),
            snapshot_complete: mark.snapshot_complete,
            closing: mark.closing,
        }))
    }
}

impl PostingTelling {
    async fn change(
        &self,
        event: &Event,
        meaning: Meaning,
    ) -> Result<raw::WatchPostingsResponse, PostingError> {
        let (kind, record) = match meaning {
            Meaning::Entered => (feed_pb::EventKind::Entered, self.content(event).await?),
            Meaning::Changed => (feed_pb::EventKind::Changed, self.content(event).await?),
            // Who may no longer see a posting is told that it is gone, not what it says now.
            Meaning::Left => (feed_pb::EventKind::Left, event.header.clone()),
        };
        Ok(message(raw::watch_postings_response::Message::Event(raw::PostingEvent {
            kind: kind.into(),
            position: event.position.0,
            cursor: event.cursor.clone(),
            record,
        })))
    }

    /// Returns the record with its content. A change that did not touch the content, such as a close that a filter on closed
    /// postings lets in, finds it with the posting.
    async fn content(&self, event: &Event) -> Result<Bytes, PostingError> {
        if let Some(body) = &event.body {
            return Ok(wire::record(&event.header, Some(body)));
        }
        let mut tx = self.db.read(&self.permit).await?;
        let body = read::body(&mut tx, PostingId(event.entity)).await?;
        Ok(wire::record(&event.header, body.as_deref()))
    }
}

fn message(message: raw::watch_postings_response::Message) -> raw::WatchPostingsResponse {
    raw::WatchPostingsResponse { message: Some(message) }
}

struct Watch {
    feed: Feed,
    snapshots: Arc<Semaphore>,
    reader: Reader<PostingTelling>,
}

impl Watch {
    async fn run(&mut self, start: Start) -> Result<(), End> {
        // Counted in before the first position is read, so that the tail holds what comes after it.
        let _counted = self.feed.tail.watch();
        match start {
            Start::Snapshot => self.snapshot().await?,
            Start::Now => self.reader.begin_now().await?,
            Start::After(cursor) => self.reader.begin_after(cursor).await?,
        }
        self.reader.follow().await
    }

    async fn snapshot(&mut self) -> Result<(), End> {
        let _turn = self.await_turn().await?;
        let mut tx = self.open_at_one_position().await?;
        tx.enter_wall().await?;
        read::open_snapshot(&mut tx, &self.reader.telling().filter).await?;
        let mut page = read::next_of_snapshot(&mut tx).await?;
        while !page.is_empty() {
            // The next page is read while this one is sent.
            let (sent, next) = tokio::join!(self.send_page(page), read::next_of_snapshot(&mut tx));
            sent?;
            page = next?;
        }
        drop(tx);
        self.reader.bookmark(true, false).await
    }

    /// Opens a transaction whose every change has a position, and takes the last one for this watch's.
    async fn open_at_one_position(&mut self) -> Result<SnapshotTx, End> {
        for _ in 0..SNAPSHOT_TRIES {
            let mut tx = self.feed.db.snapshot(&self.reader.telling().permit).await?;
            let (head, pending) = feed::probe(tx.connection()).await?;
            if !pending {
                self.reader.stand_at(head.epoch, head.position);
                return Ok(tx);
            }
            // What it sees beyond the head gets its positions now, in the same snapshot, and nothing else does.
            let snapshot = feed::export_snapshot(tx.connection()).await?;
            let mut sequencer = self.feed.db.sequencer().await?;
            if let Some(position) = feed::tick_at(&mut sequencer, &snapshot).await? {
                self.reader.stand_at(head.epoch, position);
                return Ok(tx);
            }
            drop(tx);
            if self.reader.is_gone() {
                return Err(End::Gone);
            }
        }
        Err(PostingError::from(DbError::Contended(None)).into())
    }

    async fn send_page(&self, page: Vec<(Bytes, Bytes)>) -> Result<(), End> {
        for (header, body) in page {
            let event = raw::PostingEvent {
                kind: feed_pb::EventKind::Snapshot.into(),
                position: self.reader.position().0,
                cursor: Bytes::new(),
                record: wire::record(&header, Some(&body)),
            };
            self.reader.send(message(raw::watch_postings_response::Message::Event(event))).await?;
        }
        Ok(())
    }

    async fn await_turn(&self) -> Result<OwnedSemaphorePermit, End> {
        let snapshots = Arc::clone(&self.snapshots);
        tokio::select! {
            () = self.reader.gone() => Err(End::Gone),
            turn = snapshots.acquire_owned() => turn.map_err(|_| End::Gone),
        }
    }
}
