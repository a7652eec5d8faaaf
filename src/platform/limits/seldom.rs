//! Telling of what happens often, seldom: under a flood the log must not become the next one.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Shortest time between two words on the same thing.
const PAUSE: Duration = Duration::from_secs(10);

/// Counts what happens often.
#[derive(Debug, Default)]
pub struct Seldom(Mutex<(Option<Instant>, u64)>);

impl Seldom {
    /// Counts one more. Returns how many there were since it was last told of, if it is time to tell.
    #[must_use]
    pub fn count(&self) -> Option<u64> {
        self.count_at(Instant::now())
    }

    fn count_at(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (told, count) = &mut *state;
        *count += 1;
        if told.is_some_and(|told| now.saturating_duration_since(told) < PAUSE) {
            return None;
        }
        *told = Some(now);
        Some(std::mem::take(count))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use crate::platform::limits::seldom::{PAUSE, Seldom};

    #[test]
    fn the_first_is_told_at_once_and_the_others_together() {
        let seldom = Seldom::default();
        let start = Instant::now();
        assert_eq!(seldom.count_at(start), Some(1));
        for millis in 1..=99 {
            assert_eq!(seldom.count_at(start + Duration::from_millis(millis)), None);
        }
        assert_eq!(seldom.count_at(start + PAUSE), Some(100));
        assert_eq!(seldom.count_at(start + PAUSE), None);
    }
}
