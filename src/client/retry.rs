//! How long to wait before trying again, and when to give up.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use tokio::time::Instant;

use crate::client::error::{ClientError, Refusal};

/// How a broken connection is tried again.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    /// Longest first wait; every further one may be twice as long.
    pub first: Duration,
    /// Longest wait.
    pub longest: Duration,
    /// Longest time without any progress before giving up.
    pub total: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(100),
            // A hub that restarts is back within seconds; a longer wait would be what keeps a stream down.
            longest: Duration::from_secs(3),
            total: Duration::from_mins(5),
        }
    }
}

/// The waits of one session.
#[derive(Debug)]
pub(crate) struct Backoff {
    retry: Retry,
    failures: u32,
    failing_since: Option<Instant>,
    randomness: RandomState,
}

impl Backoff {
    pub(crate) fn new(retry: Retry) -> Self {
        Self { retry, failures: 0, failing_since: None, randomness: RandomState::new() }
    }

    /// Notes progress: the next failure is a first one.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
        self.failing_since = None;
    }

    /// Waits before the next attempt.
    ///
    /// # Errors
    ///
    /// The failure is final, or the time for trying is over.
    pub(crate) async fn pause(&mut self, failure: Refusal) -> Result<(), ClientError> {
        let wait = self.next_wait(failure, Instant::now())?;
        tokio::time::sleep(wait).await;
        Ok(())
    }

    fn next_wait(&mut self, failure: Refusal, now: Instant) -> Result<Duration, ClientError> {
        if !failure.is_passing() {
            return Err(ClientError::Refused(failure));
        }
        let waited = now.duration_since(*self.failing_since.get_or_insert(now));
        if waited >= self.retry.total {
            return Err(ClientError::GaveUp { waited, last: Box::new(failure) });
        }
        tracing::debug!(attempt = self.failures, "trying again: {failure}");
        let wait = self.wait(failure.retry_after);
        self.failures = self.failures.saturating_add(1);
        Ok(wait)
    }

    /// Returns a wait between half and all of what has doubled so far; what the hub asks for is the least.
    fn wait(&self, asked: Option<Duration>) -> Duration {
        let factor = 2_u32.checked_pow(self.failures).unwrap_or(u32::MAX);
        let most = self.retry.first.saturating_mul(factor).min(self.retry.longest);
        // Clients that lost the same hub must not come back at the same instant.
        let spread = u64::try_from((most / 2).as_micros()).unwrap_or(u64::MAX);
        let jitter = self.randomness.hash_one(self.failures) % spread.saturating_add(1);
        let wait = most / 2 + Duration::from_micros(jitter);
        asked.map_or(wait, |asked| wait.max(asked.min(self.retry.total)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use crate::client::error::{ClientError, Refusal};
    use crate::client::retry::{Backoff, Retry};

    #[test]
    fn waits_double_and_end() {
        let retry = Retry {
            first: Duration::from_millis(100),
            longest: Duration::from_secs(1),
            total: Duration::from_secs(10),
        };
        let mut backoff = Backoff::new(retry);
        let started = Instant::now();
        let mut now = started;
        let mut waits = Vec::new();
        let error = loop {
            match backoff.next_wait(Refusal::ended("gone"), now) {
                Ok(wait) => {
                    now += wait;
                    waits.push(wait);
                }
                Err(error) => break error,
            }
        };
        assert!(matches!(error, ClientError::GaveUp { .. }), "{error}");
        assert!((10..12).contains(&(now - started).as_secs()));
        let within = |wait: Duration, most: u64| {
            (Duration::from_millis(most / 2)..=Duration::from_millis(most)).contains(&wait)
        };
        assert!(within(waits[0], 100) && within(waits[2], 400), "{waits:?}");
        assert!(waits[5..].iter().all(|wait| within(*wait, 1_000)), "{waits:?}");

        backoff.reset();
        assert!(within(backoff.next_wait(Refusal::ended("gone"), now).unwrap(), 100));
    }

    #[test]
    fn the_hub_may_ask_for_a_longer_wait() {
        let mut backoff = Backoff::new(Retry::default());
        let asked = Some(Duration::from_secs(7));
        let failure = Refusal { retry_after: asked, ..Refusal::ended("busy") };
        assert_eq!(backoff.next_wait(failure, Instant::now()).ok(), asked);
    }
}
