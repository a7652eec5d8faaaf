//! A reader of the feed for one client: a position, from which it follows the tail, and storage where it is slower than the tail.
//!
//! Which events are told, and how, is the exchange's to say. The reader keeps a position and no queue, so it needs the same memory
//! however slow its client is; and it says at times, and last of all, up to where nothing is missing.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::kernel::clock::SharedClock;
use crate::kernel::fault::{Fault, Kind, Reason};
use crate::kernel::ids::Position;
use crate::platform::db::{Db, DbError};
use crate::platform::feed::cursor::{Cursor, CursorKey};
use crate::platform::feed::event::Event;
use crate::platform::feed::store::{self, Head};
use crate::platform::feed::tail::{Next, Tail};
use crate::platform::feed::traces::Lots;
use crate::platform::metrics;
use crate::platform::permit::Permit;
use crate::platform::tasks::Tasks;
use crate::platform::telemetry::context;

/// Most events that a reader takes from the tail or from storage at once.
const PAGE: usize = 500;

/// Why a reader of the feed ends, as its client is told.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The database fails.
    #[error("the database cannot be used")]
    Db(#[from] DbError),
    /// The cursor is not one of this hub's.
    #[error("this cursor was not made by this hub")]
    CursorInvalid,
    /// The cursor is older than what is kept.
    #[error("this cursor is older than what the hub keeps; begin again with a snapshot")]
    CursorExpired,
    /// The cursor is of another life of the feed.
    #[error("the feed was restored to before this cursor; begin again with a snapshot")]
    FeedRewound,
    /// The hub ends the connection: it shuts down, or the connection has reached its age.
    #[error("the hub ends this connection; reconnect and continue")]
    ShuttingDown,
}

impl From<FeedError> for Fault {
    fn from(error: FeedError) -> Self {
        let message = error.to_string();
        match error {
            FeedError::Db(error) => error.into(),
            FeedError::CursorInvalid => {
                Self::new(Kind::InvalidArgument, Reason::CursorInvalid, message)
            }
            FeedError::CursorExpired => Self::new(Kind::OutOfRange, Reason::CursorExpired, message),
            FeedError::FeedRewound => Self::new(Kind::OutOfRange, Reason::FeedRewound, message),
            FeedError::ShuttingDown => Self::new(Kind::Unavailable, Reason::ShuttingDown, message)
                .retry_after(Duration::from_millis(500)),
        }
    }
}

/// Why a reader ends.
#[derive(Debug)]
pub enum End {
    /// Its client is gone.
    Gone,
    /// Something is told to its client.
    Failed(Fault),
}

impl<E: Into<Fault>> From<E> for End {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// The feed, as readers need it.
#[derive(Clone)]
pub struct Feed {
    /// The database.
    pub db: Db,
    /// The clock.
    pub clock: SharedClock,
    /// Seals cursors.
    pub key: CursorKey,
    /// The newest events.
    pub tail: Arc<Tail>,
    /// Where readers run.
    pub tasks: Tasks,
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feed").field("tail", &self.tail).finish_non_exhaustive()
    }
}

impl Feed {
    /// Returns what a cursor says.
    ///
    /// # Errors
    ///
    /// `CURSOR_INVALID` when it was not made by this installation.
    pub fn open_cursor(&self, sealed: &[u8]) -> Result<Cursor, FeedError> {
        self.key.open(sealed).ok_or(FeedError::CursorInvalid)
    }

    /// Returns where the feed stands in the database.
    ///
    /// # Errors
    ///
    /// The database fails.
    pub async fn head(&self) -> Result<Head, DbError> {
        let mut tx = self.db.read(&Permit::of_hub()).await?;
        let (head, _) = store::probe(tx.connection()).await?;
        Ok(head)
    }
}

/// A position without an event: everything up to it was sent.
#[derive(Clone, Debug)]
pub struct Mark {
    /// The position.
    pub position: Position,
    /// Resume token for it.
    pub cursor: bytes::Bytes,
    /// When it was made.
    pub at: time::OffsetDateTime,
    /// Whether it ends the snapshot.
    pub snapshot_complete: bool,
    /// Whether it is the last one before the hub ends the stream.
    pub closing: bool,
}

/// What an exchange tells of the feed.
pub trait Telling: Send + Sync {
    /// What goes out.
    type Message: Send + 'static;

    /// Returns whether an event is any of the client's business.
    fn concerns(&self, event: &Event) -> bool;

    /// Returns what the client is told of an event that concerns it; `None` when it turns out to be nothing.
    fn event<'a>(&'a self, event: &'a Event)
    -> BoxFuture<'a, Result<Option<Self::Message>, Fault>>;

    /// Returns a bookmark.
    fn bookmark(&self, mark: Mark) -> Self::Message;
}

/// How a reader is served.
#[derive(Clone, Debug)]
pub struct Manner {
    /// Longest time between two bookmarks.
    pub bookmarks_every: Duration,
    /// Says when the reader must end with a last bookmark, to be continued elsewhere.
    pub draining: CancellationToken,
}

/// A reader at a position.
pub struct Reader<T: Telling> {
    feed: Feed,
    telling: T,
    manner: Manner,
    sender: mpsc::Sender<Result<T::Message, Fault>>,
    /// Everything up to here was sent.
    position: Position,
    epoch: Uuid,
}

impl<T: Telling> std::fmt::Debug for Reader<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("position", &self.position).finish_non_exhaustive()
    }
}

impl<T: Telling> Reader<T> {
    /// Returns a reader that stands nowhere yet. The tail must count its client in before its first position is read.
    #[must_use]
    pub fn new(
        feed: Feed,
        telling: T,
        manner: Manner,
        sender: mpsc::Sender<Result<T::Message, Fault>>,
    ) -> Self {
        Self { feed, telling, manner, sender, position: Position(0), epoch: Uuid::nil() }
    }

    /// Returns what it tells.
    #[must_use]
    pub const fn telling(&self) -> &T {
        &self.telling
    }

    /// Returns where it stands.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.position
    }

    /// Puts it at a position of a life of the feed, of which nobody is told.
    pub const fn stand_at(&mut self, epoch: Uuid, position: Position) {
        self.epoch = epoch;
        self.position = position;
    }

    /// Begins at the end of the feed.
    ///
    /// # Errors
    ///
    /// The database fails, or the client is gone.
    pub async fn begin_now(&mut self) -> Result<(), End> {
        let head = self.feed.head().await?;
        self.stand_at(head.epoch, head.position);
        self.bookmark(false, false).await
    }

    /// Begins after a cursor.
    ///
    /// # Errors
    ///
    /// `CURSOR_EXPIRED`, `FEED_REWOUND`, the database fails, or the client is gone.
    pub async fn begin_after(&mut self, cursor: Cursor) -> Result<(), End> {
        check(cursor, self.feed.head().await?)?;
        self.stand_at(cursor.epoch, cursor.position);
        self.bookmark(false, false).await
    }

    /// Sends what comes, and a bookmark at times, until one side ends it.
    ///
    /// # Errors
    ///
    /// Always, with the reason why it ends.
    pub async fn follow(&mut self) -> Result<(), End> {
        let (draining, every) = (self.manner.draining.clone(), self.manner.bookmarks_every);
        let mut moves = self.feed.tail.moves();
        let mut next_bookmark = Instant::now() + every;
        loop {
            moves.mark_unchanged();
            self.catch_up().await?;
            if Instant::now() >= next_bookmark {
                self.bookmark(false, false).await?;
                next_bookmark = Instant::now() + every;
            }
            tokio::select! {
                () = draining.cancelled() => {
                    self.bookmark(false, true).await?;
                    return Err(FeedError::ShuttingDown.into());
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
            if check(at, self.feed.tail.head()).is_err() {
                // The tail may be behind the database, where this reader or another replica has read its position: then
                // there is nothing to send until the tail has come there.
                return Ok(check(at, self.feed.head().await?)?);
            }
            let (events, is_new) = match self.feed.tail.after(self.position, PAGE) {
                Next::Events(events) if events.is_empty() => return Ok(()),
                Next::Events(events) => (events, true),
                Next::Behind => (self.read_storage().await?, false),
            };
            self.tell(&events, is_new).await?;
        }
    }

    /// Sends what concerns the client, and measures it.
    async fn tell(&mut self, events: &[Arc<Event>], is_new: bool) -> Result<(), End> {
        let mut told = 0;
        let mut last = None;
        let mut lots = Lots::new(delivery);
        for event in events {
            self.position = event.position;
            if !self.telling.concerns(event) {
                continue;
            }
            lots.add(event);
            if let Some(message) = self.telling.event(event).await? {
                self.send(message).await?;
                told += 1;
                last = Some(event.at);
            }
        }
        lots.end();
        metrics::FEED_DELIVERED.add_len(told, &[]);
        if let Some(at) = last.filter(|_| is_new) {
            let age = Duration::try_from(self.feed.clock.now() - at).unwrap_or_default();
            metrics::FEED_DELIVERY_SECONDS.record(age, &[]);
        }
        Ok(())
    }

    async fn read_storage(&self) -> Result<Vec<Arc<Event>>, End> {
        let limit = i64::try_from(PAGE).unwrap_or(i64::MAX);
        // The feed is read by the hub; what of it this client is told is decided by its filter, which lies within the scope.
        let mut tx = self.feed.db.read(&Permit::of_hub()).await?;
        let key = &self.feed.key;
        let events = store::read(tx.connection(), key, self.epoch, self.position, limit).await?;
        match events.first() {
            Some(first) if first.position.0 == self.position.0 + 1 => {
                Ok(events.into_iter().map(Arc::new).collect())
            }
            _ => Err(FeedError::CursorExpired.into()),
        }
    }

    /// Says that nothing up to its position is missing.
    ///
    /// # Errors
    ///
    /// The client is gone.
    pub async fn bookmark(&self, snapshot_complete: bool, closing: bool) -> Result<(), End> {
        let cursor = Cursor { epoch: self.epoch, position: self.position };
        let mark = Mark {
            position: self.position,
            cursor: self.feed.key.seal(cursor),
            at: self.feed.clock.now(),
            snapshot_complete,
            closing,
        };
        self.send(self.telling.bookmark(mark)).await
    }

    /// Sends a message.
    ///
    /// # Errors
    ///
    /// The client is gone.
    pub async fn send(&self, message: T::Message) -> Result<(), End> {
        self.sender.send(Ok(message)).await.map_err(|_| End::Gone)
    }

    /// Returns whether the client is gone.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.sender.is_closed()
    }

    /// Waits until the client is gone.
    pub async fn gone(&self) {
        self.sender.closed().await;
    }

    /// Tells the client why it ends, if it is still there.
    pub async fn end(&self, end: End) {
        if let End::Failed(fault) = end {
            // Nobody listens any more when this fails.
            self.sender.send(Err(fault)).await.unwrap_or_default();
        }
    }
}

/// Returns the span of a delivery, which belongs to the trace of what is delivered and is linked with the watch that it goes to.
fn delivery() -> tracing::Span {
    let empty = tracing::field::Empty;
    let span = tracing::info_span!("feed.deliver", otel.kind = "producer", feed.events = empty);
    context::link_present(&span);
    span
}

/// Holds a cursor against where the feed stands.
fn check(cursor: Cursor, head: Head) -> Result<(), FeedError> {
    if cursor.epoch != head.epoch || cursor.position > head.position {
        return Err(FeedError::FeedRewound);
    }
    // The event after the cursor must still be there, or be yet to come.
    if cursor.position.0 + 1 < head.oldest.0 {
        return Err(FeedError::CursorExpired);
    }
    Ok(())
}
