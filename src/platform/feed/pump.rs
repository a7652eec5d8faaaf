//! The work that keeps the feed moving: positions for new changes, and the tail behind them. Every replica runs it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::PgConnection;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::kernel::ids::Position;
use crate::platform::db::{Db, DbError};
use crate::platform::feed::cursor::CursorKey;
use crate::platform::feed::store::{self, Head};
use crate::platform::feed::tail::Tail;
use crate::platform::feed::traces::Lots;
use crate::platform::metrics;

/// How long after a commit its events wait for others to share the tick.
const GATHER: Duration = Duration::from_millis(3);
/// How often other replicas' and other programs' changes are looked for.
const POLL: Duration = Duration::from_millis(20);
/// How long the pump waits after the database failed.
const PAUSE: Duration = Duration::from_millis(250);
/// Most events that are read at once.
const PAGE: i64 = 1_000;

/// Keeps the feed moving.
#[derive(Debug)]
pub struct Pump {
    db: Db,
    key: CursorKey,
    tail: Arc<Tail>,
    committed: Arc<Notify>,
}

impl Pump {
    /// Returns a pump that feeds a tail.
    #[must_use]
    pub fn new(db: Db, key: CursorKey, tail: Arc<Tail>) -> Self {
        let committed = db.committed();
        Self { db, key, tail, committed }
    }

    /// Runs until cancelled. A failing database makes it pause and go on with a new connection.
    pub async fn run(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let failed = tokio::select! {
                () = stop.cancelled() => return,
                failed = self.run_connected() => failed,
            };
            if let Err(error) = failed {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "feed pump pauses: {error}"
                );
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    async fn run_connected(&self) -> Result<(), DbError> {
        let mut connection = self.db.sequencer().await?;
        let mut poll = tokio::time::interval(POLL);
        poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.committed.notified() => tokio::time::sleep(GATHER).await,
                _ = poll.tick() => {}
            }
            self.turn(&mut connection).await?;
        }
    }

    async fn turn(&self, connection: &mut PgConnection) -> Result<(), DbError> {
        let (mut head, pending) = store::probe(connection).await?;
        // Another replica may be at this tick, with a snapshot from before our callers' commits: then this turn proves
        // nothing to them.
        let mut proves = true;
        if pending {
            proves = Self::tick(connection).await?;
            (head, _) = store::probe(connection).await?;
        }
        let known = self.tail.head();
        let rewound = head.epoch != known.epoch || head.position < known.position;
        if rewound || (self.tail.watchers() == 0 && head != known) {
            self.tail.advance(head, Vec::new());
        } else {
            self.load(connection, (known, head), pending && proves).await?;
        }
        self.tail.looked();
        if proves {
            self.tail.complete_turn();
        }
        Ok(())
    }

    /// Gives positions to what has none. Returns false when another replica is at it.
    async fn tick(connection: &mut PgConnection) -> Result<bool, DbError> {
        let began = Instant::now();
        let count = u64::try_from(store::tick(connection).await?).unwrap_or_default();
        if count == 0 {
            metrics::FEED_TICKS.add(1, &["skipped"]);
            return Ok(false);
        }
        metrics::FEED_TICKS.add(1, &["positioned"]);
        metrics::FEED_TICK_SECONDS.record(began.elapsed(), &[]);
        metrics::FEED_POSITIONED.add(count, &[]);
        Ok(true)
    }

    /// Reads what lies between two heads into the tail, page by page so that watchers start on the first ones at once.
    async fn load(
        &self,
        connection: &mut PgConnection,
        (known, head): (Head, Head),
        has_ticked: bool,
    ) -> Result<(), DbError> {
        let mut from = known.position;
        while from < head.position {
            let events = store::read(connection, &self.key, head.epoch, from, PAGE).await?;
            let Some(last) = events.last().map(|event| event.position) else {
                // Retention dropped them while nobody read: readers find out by their cursor.
                self.tail.advance(head, Vec::new());
                return Ok(());
            };
            from = last;
            if has_ticked {
                // Whoever gave the positions says so in the traces of what got them.
                let make = || {
                    tracing::info_span!(
                        "feed.position",
                        feed.position = last.0,
                        feed.events = tracing::field::Empty
                    )
                };
                events.iter().fold(Lots::new(make), Lots::with).end();
            }
            let reached = Head { position: Position(last.0.min(head.position.0)), ..head };
            self.tail.advance(reached, events);
        }
        Ok(())
    }
}
