//! Connections as far as their number and their use goes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Most unary calls of one connection that are worked on at the same time, those included whose client is gone.
const WORK_MAX: usize = 100;

/// A connection, as its calls know it; clones share it.
#[derive(Clone, Debug)]
pub struct Link(Arc<State>);

#[derive(Debug)]
struct State {
    number: u64,
    use_: Mutex<Use>,
    is_known: AtomicBool,
    work: Arc<Semaphore>,
    gone: CancellationToken,
}

#[derive(Clone, Copy, Debug)]
struct Use {
    calls: usize,
    quiet_since: Instant,
}

impl Link {
    fn new(number: u64, gone: CancellationToken) -> Self {
        Self(Arc::new(State {
            number,
            use_: Mutex::new(Use { calls: 0, quiet_since: Instant::now() }),
            is_known: AtomicBool::new(false),
            work: Arc::new(Semaphore::new(WORK_MAX)),
            gone,
        }))
    }

    /// Returns its number; later connections have higher ones.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.0.number
    }

    /// Returns the signal that it is to be cut off.
    #[must_use]
    pub fn gone(&self) -> CancellationToken {
        self.0.gone.clone()
    }

    /// Returns the places for its unary calls.
    #[must_use]
    pub fn work(&self) -> Arc<Semaphore> {
        Arc::clone(&self.0.work)
    }

    /// Notes that a caller whom the hub knows uses it.
    pub fn vouch(&self) {
        self.0.is_known.store(true, Ordering::Relaxed);
    }

    /// Counts a call in, until the guard is dropped.
    #[must_use]
    pub fn begin(&self) -> CallGuard {
        self.0.use_.lock().unwrap_or_else(PoisonError::into_inner).calls += 1;
        CallGuard(self.clone())
    }

    /// Returns when it will have been without a call for some time; `None` while it has one.
    #[must_use]
    pub fn idle_until(&self, idle: Duration) -> Option<Instant> {
        let usage = *self.0.use_.lock().unwrap_or_else(PoisonError::into_inner);
        (usage.calls == 0).then(|| usage.quiet_since + idle)
    }
}

/// A call under way.
#[derive(Debug)]
pub struct CallGuard(Link);

impl Drop for CallGuard {
    fn drop(&mut self) {
        let mut usage = self.0.0.use_.lock().unwrap_or_else(PoisonError::into_inner);
        usage.calls = usage.calls.saturating_sub(1);
        usage.quiet_since = Instant::now();
    }
}

/// All connections that are open.
#[derive(Debug)]
pub struct Links {
    most: usize,
    next: AtomicU64,
    open: Mutex<BTreeMap<u64, Link>>,
}

impl Links {
    /// Returns room for some connections.
    #[must_use]
    pub const fn new(most: usize) -> Self {
        Self { most, next: AtomicU64::new(0), open: Mutex::new(BTreeMap::new()) }
    }

    /// Takes one more up. When all places are taken, the oldest connection that nobody known has used makes room, or else the
    /// one that has been without a call for longest; when there is none, the new one is refused.
    #[must_use]
    pub fn admit(self: &Arc<Self>, cutting: &CancellationToken) -> Option<Seat> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= self.most {
            let number = dispensable(&open)?;
            if let Some(link) = open.remove(&number) {
                link.0.gone.cancel();
            }
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let link = Link::new(number, cutting.child_token());
        open.insert(number, link.clone());
        Some(Seat { link, links: Arc::clone(self) })
    }
}

fn dispensable(open: &BTreeMap<u64, Link>) -> Option<u64> {
    let strangers = open.values().find(|link| !link.0.is_known.load(Ordering::Relaxed));
    let quiet = || {
        let quiet = open.values().filter_map(|link| Some((link.idle_until(Duration::ZERO)?, link)));
        quiet.min_by_key(|(since, _)| *since).map(|(_, link)| link)
    };
    strangers.or_else(quiet).map(Link::number)
}

/// A connection's place; free again when it is dropped.
#[derive(Debug)]
pub struct Seat {
    link: Link,
    links: Arc<Links>,
}

impl Seat {
    /// Returns the connection.
    #[must_use]
    pub const fn link(&self) -> &Link {
        &self.link
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut open = self.links.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.remove(&self.link.number());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio_util::sync::CancellationToken;

    use crate::platform::serve::link::Links;

    #[test]
    fn strangers_make_room_first_and_then_who_has_been_quiet_for_longest() {
        let links = Arc::new(Links::new(3));
        let admit = || links.admit(&CancellationToken::new());
        let (busy, quiet, stranger) = (admit().unwrap(), admit().unwrap(), admit().unwrap());
        busy.link().vouch();
        quiet.link().vouch();
        let call = busy.link().begin();

        let next = admit().expect("the stranger's place");
        assert!(stranger.link().gone().is_cancelled());
        assert!(!quiet.link().gone().is_cancelled());
        next.link().vouch();
        let other_call = next.link().begin();

        let last = admit().expect("the quiet one's place");
        assert!(quiet.link().gone().is_cancelled());
        assert!(!busy.link().gone().is_cancelled());
        last.link().vouch();
        let last_call = last.link().begin();
        assert!(admit().is_none(), "all are busy");
        drop((call, other_call, last_call));
        assert!(admit().is_some());
    }

    #[test]
    fn a_seat_that_is_left_is_free() {
        let links = Arc::new(Links::new(1));
        let seat = links.admit(&CancellationToken::new()).unwrap();
        seat.link().vouch();
        let call = seat.link().begin();
        assert!(links.admit(&CancellationToken::new()).is_none());
        drop((call, seat));
        assert!(links.admit(&CancellationToken::new()).is_some());
    }
}
