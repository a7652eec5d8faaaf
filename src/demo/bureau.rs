//! A bureau: watches its divisions and keeps what came.

use std::sync::Arc;
use std::time::Duration;

use prost_types::Timestamp;
use time::OffsetDateTime;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::client::connect::Connection;
use crate::client::watch::{Watch, WatchItem, WatchOptions};
use crate::demo::latencies::Latencies;
use crate::demo::ledger::Kind;
use crate::demo::platform::Sent;
use crate::demo::progress::Board;
use crate::demo::{DemoError, Settings};
use crate::kernel::clock::{SharedClock, unix_microseconds};
use crate::pb::peshub::common::v1::{Division, DivisionScheme};
use crate::pb::peshub::feed::v1::Bookmark;
use crate::pb::peshub::postings::v1::{PostingEvent, PostingFilter};

/// Where the position of the last commit is not known: so many seconds after it, by the hub's clock, it has one.
const SETTLED_S: i64 = 3;
/// Bookmarks since the connection was made that are needed then: the first one only repeats where the watch resumed.
const SETTLED_BOOKMARKS: u32 = 3;

/// How far a bureau must have come to be done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    /// Position of the last acknowledgement.
    position: i64,
    /// When a position is missing: also this time of the hub.
    at: Option<Timestamp>,
}

impl Target {
    pub(crate) fn of(sent: &[(usize, Sent)]) -> Self {
        let counts = sent.iter().map(|(_, sent)| &sent.ledger.counts);
        let is_missing = counts.clone().any(|counts| counts.is_position_missing);
        let last =
            sent.iter().filter_map(|(_, sent)| sent.committed_at).max_by_key(|at| at.seconds);
        Self {
            position: counts.map(|counts| counts.position).max().unwrap_or_default(),
            at: last
                .filter(|_| is_missing)
                .map(|at| Timestamp { seconds: at.seconds + SETTLED_S, ..at }),
        }
    }

    /// Returns whether a bookmark says that everything was delivered, the `count`th since the connection was made.
    fn is_reached(self, bookmark: &Bookmark, count: u32) -> bool {
        let is_settled = self.at.is_none_or(|due| {
            let at = bookmark.at.map_or(i64::MIN, |at| at.seconds);
            at >= due.seconds && count >= SETTLED_BOOKMARKS
        });
        is_settled && bookmark.position >= self.position
    }
}

/// One event, as it came.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    /// Which source.
    pub(crate) source: usize,
    /// The source's own id.
    pub(crate) external_id: Box<str>,
    /// The source's revision.
    pub(crate) revision: i64,
    /// What it means to the bureau; `None` within a snapshot.
    pub(crate) kind: Option<Kind>,
}

/// What a bureau has received.
#[derive(Debug)]
pub(crate) struct Received {
    /// Every event, in the order of arrival.
    pub(crate) arrivals: Vec<Arrival>,
    /// Events whose position was not above that of the event before.
    pub(crate) inversions: u64,
    /// Events of other sources, or that could not be read.
    pub(crate) strays: u64,
    /// How often the watch began again with a snapshot.
    pub(crate) restarts: u64,
    /// How often the connection was lost.
    pub(crate) reconnects: u64,
    /// From the commit to the arrival.
    pub(crate) latencies: Latencies,
    /// Whether a bookmark said that everything was delivered.
    pub(crate) is_complete: bool,
}

/// A bureau at work.
pub(crate) struct Desk {
    name: String,
    number: usize,
    settings: Arc<Settings>,
    watch: Watch,
    clock: SharedClock,
    position: i64,
    /// Which connection it is, and how many bookmarks came on it.
    connection: u64,
    bookmarks: u32,
    received: Received,
}

impl Desk {
    pub(crate) fn new(
        connection: &Connection,
        settings: &Arc<Settings>,
        number: usize,
        clock: SharedClock,
    ) -> Self {
        let bureau = settings.bureaus.get(number);
        let divisions = bureau.map_or(&[][..], |bureau| &bureau.divisions);
        let division = |code: &String| Division {
            scheme: DivisionScheme::Gbt2260.into(),
            code: code.clone(),
            name: String::new(),
        };
        let filter = PostingFilter {
            divisions: divisions.iter().map(division).collect(),
            sources: settings.platforms.iter().map(|platform| platform.source.clone()).collect(),
            ..PostingFilter::default()
        };
        let options = WatchOptions { filter, bookmark_seconds: 1, ..WatchOptions::default() };
        Self {
            name: bureau.map_or_else(String::new, |bureau| bureau.name.clone()),
            number,
            settings: Arc::clone(settings),
            watch: Watch::new(connection, options),
            clock,
            position: 0,
            connection: 0,
            bookmarks: 0,
            received: Received {
                arrivals: Vec::new(),
                inversions: 0,
                strays: 0,
                restarts: 0,
                reconnects: 0,
                latencies: Latencies::new(),
                is_complete: false,
            },
        }
    }

    /// Waits until the snapshot is complete: from then on every change comes as an event.
    pub(crate) async fn begin(&mut self) -> Result<(), DemoError> {
        loop {
            match self.watch.next().await.map_err(DemoError::of(&self.name))? {
                WatchItem::Bookmark(bookmark) if bookmark.snapshot_complete => return Ok(()),
                WatchItem::Bookmark(_) | WatchItem::Restart(_) => {}
                WatchItem::Event(event) => self.take(&event),
            }
        }
    }

    /// Receives until a bookmark says that everything was delivered, or the hub is silent for too long after that
    /// was due.
    pub(crate) async fn receive(
        mut self,
        mut targets: watch::Receiver<Option<Target>>,
        board: &Board,
    ) -> Result<Received, DemoError> {
        let mut target = None;
        loop {
            let item = tokio::select! {
                item = timeout(self.settings.patience, self.watch.next()) => item,
                changed = targets.changed(), if target.is_none() => {
                    if changed.is_err() {
                        break;
                    }
                    target = *targets.borrow_and_update();
                    continue;
                }
            };
            match item {
                Ok(item) => match item.map_err(DemoError::of(&self.name))? {
                    WatchItem::Event(event) => self.take(&event),
                    WatchItem::Restart(_) => self.received.restarts += 1,
                    WatchItem::Bookmark(bookmark) => {
                        board.bookmarked(self.number, bookmark.position);
                        if self.is_done(&bookmark, target) {
                            self.received.is_complete = true;
                            break;
                        }
                    }
                },
                Err(_) if target.is_some() => break,
                Err(_) => {}
            }
            board.delivered(self.number, self.received.arrivals.len());
        }
        self.received.reconnects = self.watch.reconnects();
        Ok(self.received)
    }

    /// Counts a bookmark in. Returns whether it says that everything was delivered.
    fn is_done(&mut self, bookmark: &Bookmark, target: Option<Target>) -> bool {
        let connection = self.watch.reconnects();
        if self.connection != connection {
            self.connection = connection;
            self.bookmarks = 0;
        }
        self.bookmarks += 1;
        target.is_some_and(|target| target.is_reached(bookmark, self.bookmarks))
    }

    fn take(&mut self, event: &PostingEvent) {
        let kind = Kind::of(event.kind());
        if kind.is_some() {
            if event.position <= self.position {
                self.received.inversions += 1;
            }
            self.position = event.position;
        }
        let Some(record) = &event.record else {
            self.received.strays += 1;
            return;
        };
        let key = record.key.as_ref();
        let source = key.and_then(|key| {
            self.settings.platforms.iter().position(|platform| platform.source == key.source)
        });
        let (Some(source), Some(key)) = (source, key) else {
            self.received.strays += 1;
            return;
        };
        if kind.is_some() {
            let took = record.updated_at.and_then(|at| since(at, self.clock.now()));
            self.received.latencies.record(took.unwrap_or_default());
        }
        self.received.arrivals.push(Arrival {
            source,
            external_id: key.external_id.as_str().into(),
            revision: record.source_revision.unwrap_or_default(),
            kind,
        });
    }
}

/// Returns the time from an instant of the hub to now; `None` when the clocks differ by more than has passed.
fn since(at: Timestamp, now: OffsetDateTime) -> Option<Duration> {
    let then = at.seconds.checked_mul(1_000_000)?.checked_add(i64::from(at.nanos) / 1_000)?;
    u64::try_from(unix_microseconds(now)?.checked_sub(then)?).ok().map(Duration::from_micros)
}
