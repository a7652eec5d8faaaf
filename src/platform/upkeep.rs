//! What the hub does by itself from time to time: partitions ahead, answers and changes past their time away.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::kernel::clock::SharedClock;
use crate::platform::db::{Db, DbError};
use crate::platform::feed::{retention, store as feed};
use crate::platform::permit::Permit;
use crate::platform::replay;

/// Time between two rounds.
const EVERY: Duration = Duration::from_secs(30);

/// Keeps the house.
pub struct Upkeep {
    db: Db,
    clock: SharedClock,
    feed_days: u32,
}

impl std::fmt::Debug for Upkeep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upkeep").field("feed_days", &self.feed_days).finish_non_exhaustive()
    }
}

impl Upkeep {
    /// Returns the upkeep of a database whose feed keeps changes for some days.
    #[must_use]
    pub const fn new(db: Db, clock: SharedClock, feed_days: u32) -> Self {
        Self { db, clock, feed_days }
    }

    /// Runs until cancelled.
    pub async fn run(self, stop: CancellationToken) {
        let mut round = tokio::time::interval(EVERY);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = round.tick() => {}
            }
            if let Err(error) = self.round().await {
                tracing::warn!(error = &error as &dyn std::error::Error, "upkeep failed: {error}");
            }
        }
    }

    /// Does one round.
    ///
    /// # Errors
    ///
    /// The database fails; the next round tries again.
    pub async fn round(&self) -> Result<(), DbError> {
        let now = self.clock.now();
        let mut tx = self.db.read(&Permit::of_hub()).await?;
        feed::extend(tx.connection()).await?;
        let answers_until = now - replay::KEPT;
        sqlx::query!("DELETE FROM replay WHERE created_at < $1", answers_until)
            .execute(tx.connection())
            .await?;
        // The last answer of a lane stays: a client that was away for long still learns what became of its last batch.
        sqlx::query!(
            "DELETE FROM sync_batch b USING sync_lane l
             WHERE l.lane_id = b.lane_id AND b.batch_id < l.last_batch_id AND b.committed_at < $1",
            answers_until,
        )
        .execute(tx.connection())
        .await?;
        let changes_until = now - Duration::from_secs(u64::from(self.feed_days) * 24 * 60 * 60);
        retention::drop_before(tx.connection(), changes_until).await
    }
}
