//! The trail's background work: refusals become rows, and rows get their places.

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::kernel::clock::SharedClock;
use crate::platform::audit::refusals::Refusals;
use crate::platform::audit::seal::{SealError, Sealer};
use crate::platform::audit::store::{self, Refused};
use crate::platform::db::{Db, DbError};
use crate::platform::permit::Permit;

/// Time between two writings of refusals.
const REFUSALS_EVERY: Duration = Duration::from_secs(1);

/// Refusals that were gathered and are to be written.
type Gathered = Option<(OffsetDateTime, Vec<Refused>)>;

/// Keeps the trail.
#[derive(Clone)]
pub struct Trail {
    db: Db,
    clock: SharedClock,
    refusals: Refusals,
    sealer: Sealer,
    seal_every: Duration,
    unwritten: Arc<Mutex<Gathered>>,
}

impl std::fmt::Debug for Trail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trail").field("seal_every", &self.seal_every).finish_non_exhaustive()
    }
}

impl Trail {
    /// Returns the trail of a database that makes a checkpoint every so often if there is something to seal.
    #[must_use]
    pub fn new(
        db: Db,
        clock: SharedClock,
        refusals: Refusals,
        sealer: Sealer,
        seal_every: Duration,
    ) -> Self {
        Self { db, clock, refusals, sealer, seal_every, unwritten: Arc::default() }
    }

    /// Runs until cancelled. What fails is tried again.
    pub async fn run(self, stop: CancellationToken) {
        let mut writing = tokio::time::interval(REFUSALS_EVERY);
        let mut sealing = tokio::time::interval(self.seal_every);
        for interval in [&mut writing, &mut sealing] {
            interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        }
        loop {
            let failed = tokio::select! {
                () = stop.cancelled() => break,
                _ = writing.tick() => self.write().await.map_err(SealError::from),
                _ = sealing.tick() => self.sealer.seal_all().await.map(|_| ()),
            };
            if let Err(error) = failed {
                report(&error);
            }
        }
    }

    /// Writes and seals what is left, once nobody writes any more.
    pub async fn finish(&self) {
        let written = self.write().await.map_err(SealError::from);
        let sealed = self.sealer.seal_all().await;
        if let Err(error) = written.and(sealed) {
            report(&error);
        }
    }

    /// Writes what was gathered; what could not be written stays for the next time, and nothing more is taken meanwhile.
    async fn write(&self) -> Result<(), DbError> {
        let mut unwritten = self.unwritten.lock().await;
        if unwritten.is_none() {
            let now = self.clock.now();
            let refused = self.refusals.take(now);
            *unwritten = (!refused.is_empty()).then_some((now, refused));
        }
        if let Some((at, refused)) = &*unwritten {
            let mut tx = self.db.read(&Permit::of_hub()).await?;
            store::write_refusals(tx.connection(), refused, *at).await?;
            *unwritten = None;
        }
        Ok(())
    }
}

fn report(error: &SealError) {
    match error {
        SealError::Db(_) => {
            tracing::warn!(error = error as &dyn std::error::Error, "audit trail pauses: {error}");
        }
        SealError::Corrupt { .. } => {
            tracing::error!(
                error = error as &dyn std::error::Error,
                "audit trail stopped: {error}"
            );
        }
    }
}
