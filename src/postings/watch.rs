//! A watch: a snapshot and the changes after it, or the changes since a cursor.
//!
//! The snapshot and the position that the stream goes on from are read in one REPEATABLE READ transaction, so that nothing
//! lies between them and nothing comes twice. After that the watch follows the tail; when it is slower than the tail it reads
//! from storage. It keeps a position and no queue, so it needs the same memory however slow its reader is.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::kernel::clock::SharedClock;
use crate::kernel::fault::Fault;
use crate::kernel::ids::{Position, PostingId};
use crate::pb::peshub::feed::v1 as feed_pb;
use crate::pb::raw::peshub::postings::v1 as raw;
use crate::platform::db::{Db, DbError, SnapshotTx};
use crate::platform::feed::cursor::{Cursor, CursorKey};
use crate::platform::feed::event::{Event, FacetFilter, Meaning, Topic};
use crate::platform::feed::store as feed;
use crate::platform::feed::store::Head;
use crate::platform::feed::tail::{Next, Tail};
use crate::platform::permit::Permit;
use crate::platform::tasks::Tasks;
use crate::postings::error::PostingError;
use crate::postings::store::read;
use crate::postings::wire;

/// Most events that a watch takes from the tail or from storage at once.
const PAGE: usize = 500;
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
#[derive(Clone)]
pub struct Watches {
    db: Db,
    clock: SharedClock,
    key: CursorKey,
    tail: Arc<Tail>,
    tasks: Tasks,
    snapshots: Arc<Semaphore>,
}

impl std::fmt::Debug for Watches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watches").field("tail", &self.tail).finish_non_exhaustive()
    }
}

impl Watches {
    /// Returns watches over a feed.
    #[must_use]
    pub fn new(db: Db, clock: SharedClock, key: CursorKey, tail: Arc<Tail>, tasks: Tasks) -> Self {
        let snapshots = Arc::new(Semaphore::new(SNAPSHOTS));
        Self { db, clock, key, tail, tasks, snapshots }
    }

    /// Returns what a cursor says.
    ///
    /// # Errors
    ///
    /// `CURSOR_INVALID` when it was not made by this installation.
    pub fn open_cursor(&self, sealed: &[u8]) -> Result<Cursor, PostingError> {
        self.key.open(sealed).ok_or(PostingError::CursorInvalid)
    }

    /// Serves a watch until either side ends it.
    #[must_use]
    pub fn serve(&self, permit: Permit, wish: Wish) -> mpsc::Receiver<Outgoing> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let mut watch = Watch {
            hub: self.clone(),
            permit,
            filter: wish.filter,
            bookmarks_every: wish.bookmarks_every,
            draining: wish.draining,
            sender,
            position: Position(0),
            epoch: uuid::Uuid::nil(),
        };
        let work = async move {
            if let Err(End::Failed(error)) = watch.run(wish.start).await {
                // Nobody listens any more when this fails.
                watch.sender.send(Err(error.into())).await.unwrap_or_default();
            }
        };
        drop(self.tasks.spawn(work.in_current_span()));
        receiver
    }
}

/// Why a watch ends.
enum End {
    /// Its reader is gone.
    Gone,
    /// Something is told to its reader.
    Failed(PostingError),
}

impl<E: Into<PostingError>> From<E> for End {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

struct Watch {
    hub: Watches,
    permit: Permit,
    filter: FacetFilter,
    bookmarks_every: Duration,
    draining: CancellationToken,
    sender: mpsc::Sender<Outgoing>,
    /// Everything up to here was sent.
    position: Position,
    epoch: uuid::Uuid,
}

impl Watch {
    async fn run(&mut self, start: Start) -> Result<(), End> {
        // Counted in before the first position is read, so that the tail holds what comes after it.
        let _counted = self.hub.tail.watch();
        match start {
            Start::Snapshot => self.snapshot().await?,
            Start::Now => {
                let head = self.head().await?;
                (self.epoch, self.position) = (head.epoch, head.position);
                self.bookmark(false, false).await?;
            }
            Start::After(cursor) => {
                let head = self.head().await?;
                check(cursor, head)?;
                (self.epoch, self.position) = (cursor.epoch, cursor.position);
                self.bookmark(false, false).await?;
            }
        }
        self.follow().await
    }

    async fn head(&self) -> Result<Head, PostingError> {
        let mut tx = self.hub.db.read(&Permit::of_hub()).await?;
        let (head, _) = feed::probe(tx.connection()).await?;
        Ok(head)
    }

    async fn snapshot(&mut self) -> Result<(), End> {
        let snapshots = Arc::clone(&self.hub.snapshots);
        let _turn = self.await_turn(snapshots).await?;
        let mut tx = self.open_at_one_position().await?;
        tx.enter_wall().await?;
        read::open_snapshot(&mut tx, &self.filter).await?;
        let mut page = read::next_of_snapshot(&mut tx).await?;
        while !page.is_empty() {
            // The next page is read while this one is sent.
            let (sent, next) = tokio::join!(self.send_page(page), read::next_of_snapshot(&mut tx));
            sent?;
            page = next?;
        }
        drop(tx);
        self.bookmark(true, false).await
    }

    /// Opens a transaction whose every change has a position, and takes the last one for this watch's.
    async fn open_at_one_position(&mut self) -> Result<SnapshotTx, End> {
        for _ in 0..SNAPSHOT_TRIES {
            let mut tx = self.hub.db.snapshot(&self.permit).await?;
            let (head, pending) = feed::probe(tx.connection()).await?;
            self.epoch = head.epoch;
            if !pending {
                self.position = head.position;
                return Ok(tx);
            }
            // What it sees beyond the head gets its positions now, in the same snapshot, and nothing else does.
            let snapshot = feed::export_snapshot(tx.connection()).await?;
            let mut sequencer = self.hub.db.sequencer().await?;
            if let Some(position) = feed::tick_at(&mut sequencer, &snapshot).await? {
                self.position = position;
                return Ok(tx);
            }
            drop(tx);
            if self.sender.is_closed() {
                return Err(End::Gone);
            }
        }
        Err(PostingError::from(DbError::Contended(None)).into())
    }

    async fn send_page(&self, page: Vec<(Bytes, Bytes)>) -> Result<(), End> {
        for (header, body) in page {
            let event = raw::PostingEvent {
                kind: feed_pb::EventKind::Snapshot.into(),
                position: self.position.0,
                cursor: Bytes::new(),
                record: wire::record(&header, Some(&body)),
            };
            self.send(raw::watch_postings_response::Message::Event(event)).await?;
        }
        Ok(())
    }

    async fn await_turn(
        &self,
        snapshots: Arc<Semaphore>,
    ) -> Result<tokio::sync::OwnedSemaphorePermit, End> {
        tokio::select! {
            () = self.sender.closed() => Err(End::Gone),
            turn = snapshots.acquire_owned() => turn.map_err(|_| End::Gone),
        }
    }

    async fn follow(&mut self) -> Result<(), End> {
        let draining = self.draining.clone();
        let mut moves = self.hub.tail.moves();
        let mut next_bookmark = Instant::now() + self.bookmarks_every;
        loop {
            moves.mark_unchanged();
            self.catch_up().await?;
            if Instant::now() >= next_bookmark {
                self.bookmark(false, false).await?;
                next_bookmark = Instant::now() + self.bookmarks_every;
            }
            tokio::select! {
                () = draining.cancelled() => {
                    self.bookmark(false, true).await?;
                    return Err(PostingError::ShuttingDown.into());
                }
                () = self.sender.closed() => return Err(End::Gone),
                () = tokio::time::sleep_until(next_bookmark) => {}
                changed = moves.changed() => changed.map_err(|_| End::Gone)?,
            }
        }
    }

    /// Sends everything up to the head.
    async fn catch_up(&mut self) -> Result<(), End> {
        loop {
            let at = Cursor { epoch: self.epoch, position: self.position };
            if check(at, self.hub.tail.head()).is_err() {
                // The tail may be behind the database, where this watch or another replica has read its position: then
                // there is nothing to send until the tail has come there.
                return Ok(check(at, self.head().await?)?);
            }
            let events = match self.hub.tail.after(self.position, PAGE) {
                Next::Events(events) if events.is_empty() => return Ok(()),
                Next::Events(events) => events,
                Next::Behind => self.read_storage().await?,
            };
            for event in events {
                self.position = event.position;
                if event.topic != Some(Topic::Posting) {
                    continue;
                }
                if let Some(meaning) = event.meaning(&self.filter) {
                    self.event(&event, meaning).await?;
                }
            }
        }
    }

    async fn read_storage(&self) -> Result<Vec<Arc<Event>>, End> {
        let limit = i64::try_from(PAGE).unwrap_or(i64::MAX);
        // The feed is read by the hub; what of it this watch is told is decided by its filter, which lies within the scope.
        let mut tx = self.hub.db.read(&Permit::of_hub()).await?;
        let connection = tx.connection();
        let events =
            feed::read(connection, &self.hub.key, self.epoch, self.position, limit).await?;
        match events.first() {
            Some(first) if first.position.0 == self.position.0 + 1 => {
                Ok(events.into_iter().map(Arc::new).collect())
            }
            _ => Err(PostingError::CursorExpired.into()),
        }
    }

    async fn event(&self, event: &Event, meaning: Meaning) -> Result<(), End> {
        let (kind, record) = match meaning {
            Meaning::Entered => (feed_pb::EventKind::Entered, self.content(event).await?),
            Meaning::Changed => (feed_pb::EventKind::Changed, self.content(event).await?),
            // Who may no longer see a posting is told that it is gone, not what it says now.
            Meaning::Left => (feed_pb::EventKind::Left, event.header.clone()),
        };
        let event = raw::PostingEvent {
            kind: kind.into(),
            position: event.position.0,
            cursor: event.cursor.clone(),
            record,
        };
        self.send(raw::watch_postings_response::Message::Event(event)).await
    }

    /// Returns the record with its content. A change that did not touch the content, such as a close that a filter on closed
    /// postings lets in, finds it with the posting.
    async fn content(&self, event: &Event) -> Result<Bytes, End> {
        if let Some(body) = &event.body {
            return Ok(wire::record(&event.header, Some(body)));
        }
        let mut tx = self.hub.db.read(&self.permit).await?;
        let body = read::body(&mut tx, PostingId(event.entity)).await?;
        Ok(wire::record(&event.header, body.as_deref()))
    }

    async fn bookmark(&self, snapshot_complete: bool, closing: bool) -> Result<(), End> {
        let cursor = Cursor { epoch: self.epoch, position: self.position };
        let bookmark = feed_pb::Bookmark {
            position: self.position.0,
            cursor: self.hub.key.seal(cursor),
            at: Some(wire::timestamp(self.hub.clock.now())),
            snapshot_complete,
            closing,
        };
        self.send(raw::watch_postings_response::Message::Bookmark(bookmark)).await
    }

    async fn send(&self, message: raw::watch_postings_response::Message) -> Result<(), End> {
        let response = raw::WatchPostingsResponse { message: Some(message) };
        self.sender.send(Ok(response)).await.map_err(|_| End::Gone)
    }
}

/// Holds a cursor against where the feed stands.
fn check(cursor: Cursor, head: Head) -> Result<(), PostingError> {
    if cursor.epoch != head.epoch || cursor.position > head.position {
        return Err(PostingError::FeedRewound);
    }
    // The event after the cursor must still be there, or be yet to come.
    if cursor.position.0 + 1 < head.oldest.0 {
        return Err(PostingError::CursorExpired);
    }
    Ok(())
}
