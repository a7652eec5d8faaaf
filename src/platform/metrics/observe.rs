//! What is measured by looking, every few seconds: how the feed, the pool and the database stand.

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use crate::kernel::clock::SharedClock;
use crate::platform::db::{Db, DbError};
use crate::platform::feed::tail::Tail;
use crate::platform::metrics;
use crate::platform::metrics::store;
use crate::platform::permit::Permit;
use crate::platform::tasks::Tasks;

/// Time between two looks.
const EVERY: Duration = Duration::from_secs(5);
/// Longest look at the database.
const PATIENCE: Duration = Duration::from_secs(4);

/// Version of this program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// What it was built from, if the build was told by `PESHUB_REVISION`.
pub const REVISION: &str = match option_env!("PESHUB_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};

/// Looks at a hub that runs.
pub struct Observer {
    /// The database.
    pub db: Db,
    /// The clock.
    pub clock: SharedClock,
    /// The newest events.
    pub tail: Arc<Tail>,
    /// What runs.
    pub tasks: Tasks,
}

impl std::fmt::Debug for Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Observer").field("tasks", &self.tasks).finish_non_exhaustive()
    }
}

impl Observer {
    /// Runs until cancelled. While the database cannot be looked at, what was seen last stands.
    pub async fn run(self, stop: CancellationToken) {
        metrics::BUILD.set(1, &[VERSION, REVISION]);
        let mut look = tokio::time::interval(EVERY);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = look.tick() => {}
            }
            self.see();
            tokio::select! {
                () = stop.cancelled() => return,
                seen = tokio::time::timeout(PATIENCE, self.see_database()) => match seen {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::debug!("the database cannot be measured: {error}"),
                    Err(_) => tracing::debug!("the database cannot be measured in {PATIENCE:?}"),
                }
            }
        }
    }

    fn see(&self) {
        let head = self.tail.head();
        metrics::FEED_POSITION.set(head.position.0, &[]);
        metrics::FEED_OLDEST.set(head.oldest.0, &[]);
        metrics::FEED_LOOK_AGE.set(self.tail.look_age());
        metrics::FEED_TAIL_BYTES.set_len(self.tail.weight(), &[]);
        metrics::FEED_WATCHERS.set_len(self.tail.watchers(), &[]);
        metrics::TASKS.set_len(self.tasks.running(), &[]);
        let (all, idle, most) = self.db.connections();
        metrics::DATABASE_CONNECTIONS.set_len(all.saturating_sub(idle), &["used"]);
        metrics::DATABASE_CONNECTIONS.set_len(idle, &["idle"]);
        metrics::DATABASE_CONNECTIONS_MAX.set_len(most, &[]);
    }

    async fn see_database(&self) -> Result<(), DbError> {
        let mut tx = self.db.read(&Permit::of_hub()).await?;
        let seen = store::look(tx.connection()).await?;
        let now = self.clock.now();
        metrics::FEED_LAG.set(age(seen.unpositioned_since, now));
        metrics::AUDIT_UNCOVERED.set(age(seen.uncovered_since, now));
        metrics::AUDIT_UNSEALED.set(seen.unsealed, &[]);
        metrics::CLOSES_HELD.set(seen.closes_held, &[]);
        metrics::STATUS_UNPUBLISHED.set(seen.unpublished, &[]);
        metrics::OFFERS_STANDING.set(seen.offers, &[]);
        Ok(())
    }
}

/// Returns how long something has been so; nothing when it is not, or begins only now.
fn age(since: Option<OffsetDateTime>, now: OffsetDateTime) -> Duration {
    since.and_then(|since| Duration::try_from(now - since).ok()).unwrap_or_default()
}
