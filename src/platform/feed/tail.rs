//! The newest events, read once for the whole process and shared by all its watchers.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::kernel::ids::Position;
use crate::platform::feed::event::Event;
use crate::platform::feed::store::Head;

/// Most memory that the tail keeps, in bytes.
const WEIGHT_MAX: usize = 32 * 1024 * 1024;

/// The newest events of the feed.
#[derive(Debug)]
pub struct Tail {
    ring: Mutex<Ring>,
    head: watch::Sender<Head>,
    turns: watch::Sender<u64>,
    watchers: AtomicUsize,
    looked_at: Mutex<Instant>,
}

#[derive(Debug, Default)]
struct Ring {
    events: VecDeque<Arc<Event>>,
    weight: usize,
}

/// What the tail has after a position.
#[derive(Debug)]
pub enum Next {
    /// Events without a gap; empty when there is nothing newer.
    Events(Vec<Arc<Event>>),
    /// The tail does not reach back that far; storage does.
    Behind,
}

impl Tail {
    /// Returns an empty tail at a head.
    #[must_use]
    pub fn new(head: Head) -> Self {
        Self {
            ring: Mutex::default(),
            head: watch::Sender::new(head),
            turns: watch::Sender::new(0),
            watchers: AtomicUsize::new(0),
            looked_at: Mutex::new(Instant::now()),
        }
    }

    /// Returns where the feed stands, as far as this process knows.
    #[must_use]
    pub fn head(&self) -> Head {
        *self.head.borrow()
    }

    /// Returns a receiver that wakes when the feed moves.
    #[must_use]
    pub fn moves(&self) -> watch::Receiver<Head> {
        self.head.subscribe()
    }

    /// Counts a watcher in for as long as the guard lives; without watchers nothing is read.
    #[must_use]
    pub fn watch(self: &Arc<Self>) -> WatcherGuard {
        self.watchers.fetch_add(1, Ordering::Relaxed);
        WatcherGuard(Arc::clone(self))
    }

    /// Returns how many watchers there are.
    #[must_use]
    pub fn watchers(&self) -> usize {
        self.watchers.load(Ordering::Relaxed)
    }

    /// Returns at most `limit` events after a position.
    #[must_use]
    pub fn after(&self, position: Position, limit: usize) -> Next {
        let head = self.head().position;
        if position >= head {
            return Next::Events(Vec::new());
        }
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(first) = ring.events.front().map(|event| event.position) else {
            return Next::Behind;
        };
        let Ok(skip) = usize::try_from(position.0 - first.0 + 1) else {
            return Next::Behind;
        };
        let events: Vec<_> = ring.events.iter().skip(skip).take(limit).cloned().collect();
        if events.is_empty() { Next::Behind } else { Next::Events(events) }
    }

    /// Says that the tail is where the feed is now.
    pub fn looked(&self) {
        *self.looked_at.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Returns how long ago the tail was where the feed is.
    #[must_use]
    pub fn look_age(&self) -> Duration {
        self.looked_at.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    /// Returns roughly how much memory its events hold, in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner).weight
    }

    /// Says that everything committed before the turn that ends now has a position.
    pub fn complete_turn(&self) {
        self.turns.send_modify(|turns| *turns = turns.wrapping_add(1));
    }

    /// Waits until everything that was committed before this call has a position, and returns a position at or after it
    /// all; `None` when that does not happen in time.
    pub async fn settled(&self, wait: Duration) -> Option<Position> {
        let mut turns = self.turns.subscribe();
        let seen = *turns.borrow_and_update();
        // The turn under way may have looked before the caller's commit; the one after it has not.
        let settled = turns.wait_for(|turns| turns.wrapping_sub(seen) >= 2);
        tokio::time::timeout(wait, settled).await.ok()?.ok()?;
        Some(self.head().position)
    }

    /// Adds the events up to a new head. Without them, or with a gap, the tail begins anew behind the head.
    pub fn advance(&self, head: Head, events: Vec<Event>) {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let joins = match (ring.events.back(), events.first()) {
            (Some(last), Some(first)) => last.position.0 + 1 == first.position.0,
            (None, Some(_)) => true,
            (_, None) => false,
        };
        if !joins {
            ring.events.clear();
            ring.weight = 0;
        }
        for event in events {
            ring.weight += event.weight();
            ring.events.push_back(Arc::new(event));
        }
        while ring.weight > WEIGHT_MAX
            && let Some(oldest) = ring.events.pop_front()
        {
            ring.weight -= oldest.weight();
        }
        drop(ring);
        self.head.send_replace(head);
    }
}

/// Keeps a watcher counted.
#[derive(Debug)]
pub struct WatcherGuard(Arc<Tail>);

impl Drop for WatcherGuard {
    fn drop(&mut self) {
        self.0.watchers.fetch_sub(1, Ordering::Relaxed);
    }
}
