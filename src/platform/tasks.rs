//! Background work that shutdown waits for.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Starts background work and ends it.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    cut: CancellationToken,
}

impl Tasks {
    /// Starts a piece of work. It should end soon after [`Tasks::stopping`] is cancelled.
    pub fn spawn<F>(&self, work: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tracker.spawn(work)
    }

    /// Returns the signal that says: end.
    #[must_use]
    pub fn stopping(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Returns the signal that says: whoever waits for a peer waits no longer.
    #[must_use]
    pub fn cutting(&self) -> CancellationToken {
        self.cut.clone()
    }

    /// Asks everything to end and waits for it.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// Asks everything to end and waits for it. What waits for a peer may do so for as long as `patience`; a peer that
    /// reads nothing would otherwise keep the process.
    pub async fn stop_within(&self, patience: Duration) {
        if tokio::time::timeout(patience, self.stop()).await.is_err() {
            tracing::warn!(
                "{} tasks have not ended in {patience:?}; peers are cut off",
                self.running()
            );
            self.cut.cancel();
            self.stop().await;
        }
    }

    /// Returns how many pieces of work are under way.
    #[must_use]
    pub fn running(&self) -> usize {
        self.tracker.len()
    }
}
