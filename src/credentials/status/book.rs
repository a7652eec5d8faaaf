//! Status lists in memory: a look-up reads one byte of a list that does not move.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use time::OffsetDateTime;

use crate::credentials::domain::Status;
use crate::credentials::status::codec::{Bits, Entries};
use crate::credentials::status::look::{Finding, Look, Place, Why};
use crate::kernel::clock::unix_microseconds;
use crate::kernel::ids::{IssuerId, StatusListId};

/// Most lists that may wait to be loaded or fetched; more are forgotten, and wanted again with the next look-up.
const WANTED_MAX: usize = 4_096;
/// Longest address of a list, in bytes.
pub const URI_BYTES_MAX: usize = 2_048;

/// Where a list is kept, and how long it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// Here: it is as fresh as the hub's last look at its database.
    Here {
        /// Issuer whose list it is.
        issuer: IssuerId,
    },
    /// Elsewhere.
    Elsewhere {
        /// Whose key signed it.
        signer: IssuerId,
        /// When it was signed.
        issued_at: OffsetDateTime,
        /// Until when it may be taken for the present (`ttl` after it was fetched); absent when it does not say.
        fresh_until: Option<OffsetDateTime>,
        /// Until when it counts at all (`exp`).
        expires_at: Option<OffsetDateTime>,
    },
}

/// A list in memory.
#[derive(Debug)]
pub struct List {
    /// Its number.
    pub id: StatusListId,
    /// Which version of its entries.
    pub version: i64,
    /// Where it is kept.
    pub keeping: Keeping,
    bits: Bits,
    cells: Box<[AtomicU8]>,
    /// When it was last looked at, microseconds since 1970.
    asked_at: AtomicI64,
}

impl List {
    /// Returns a list of some entries.
    #[must_use]
    pub fn new(id: StatusListId, version: i64, keeping: Keeping, entries: Entries) -> Self {
        let bits = entries.bits();
        let cells = entries.into_bytes().into_iter().map(AtomicU8::new).collect();
        Self { id, version, keeping, bits, cells, asked_at: AtomicI64::new(0) }
    }

    /// Returns an entry; `None` beyond the end.
    #[must_use]
    pub fn get(&self, index: u64) -> Option<u8> {
        let (byte, shift) = self.bits.place_of(index);
        let cell = self.cells.get(byte)?;
        Some((cell.load(Ordering::Relaxed) >> shift) & self.bits.mask())
    }

    /// Changes an entry while others look; nothing beyond the end.
    pub fn set(&self, index: u64, value: u8) {
        let (byte, shift) = self.bits.place_of(index);
        let mask = self.bits.mask();
        let Some(cell) = self.cells.get(byte).filter(|_| value <= mask) else { return };
        let changed = |old: u8| Some((old & !(mask << shift)) | (value << shift));
        // It always changes, so it never fails.
        cell.fetch_update(Ordering::Relaxed, Ordering::Relaxed, changed).unwrap_or_default();
    }

    /// Returns how much memory it holds, in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        size_of::<Self>() + self.cells.len()
    }

    /// Returns when it was last looked at, microseconds since 1970; 0 when it never was.
    #[must_use]
    pub fn asked_at(&self) -> i64 {
        self.asked_at.load(Ordering::Relaxed)
    }
}

/// The lists that this process has.
#[derive(Debug)]
pub struct ListBook {
    /// What the addresses of the hub's own lists begin with.
    own_lists: Arc<str>,
    lists: ArcSwap<HashMap<Arc<str>, Arc<List>>>,
    /// Why a list is not there, by address.
    missing: Mutex<HashMap<Arc<str>, Why>>,
    wanted: Mutex<HashSet<Wanted>>,
    /// When it was last seen that the database has nothing newer, microseconds since 1970.
    seen_at: AtomicI64,
    /// Within how many microseconds of that the hub's own lists are fresh.
    fresh_for: AtomicI64,
}

/// A list that somebody looked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// Its address.
    pub uri: Arc<str>,
    /// Whose keys sign it; `None` for one of the hub's own.
    pub signer: Option<IssuerId>,
}

impl ListBook {
    /// Returns a book without a list; `own_lists` is what the addresses of the hub's own lists begin with.
    #[must_use]
    pub fn new(own_lists: impl Into<Arc<str>>) -> Self {
        Self {
            own_lists: own_lists.into(),
            lists: ArcSwap::default(),
            missing: Mutex::default(),
            wanted: Mutex::default(),
            seen_at: AtomicI64::new(0),
            fresh_for: AtomicI64::new(0),
        }
    }

    /// Returns whether the hub keeps the list at an address, if there is one.
    #[must_use]
    pub fn is_own(&self, uri: &str) -> bool {
        uri.starts_with(self.own_lists.as_ref())
    }

    /// Looks a place up.
    #[must_use]
    pub fn look_up(&self, place: &Place<'_>, now: OffsetDateTime) -> Look {
        let lists = self.lists.load();
        let Some(list) = lists.get(place.uri) else { return self.miss(place) };
        if let Some(now) = unix_microseconds(now)
            // Written seldom, so that processors do not take the line from each other.
            && now - list.asked_at() > 1_000_000
        {
            list.asked_at.store(now, Ordering::Relaxed);
        }
        let (as_of, fresh_until, kept_here) = match list.keeping {
            Keeping::Here { issuer } if issuer != place.issuer => {
                return Look::Unavailable { why: Why::ForeignList };
            }
            Keeping::Here { .. } => {
                let seen_at = self.seen_at.load(Ordering::Acquire);
                let fresh_for = self.fresh_for.load(Ordering::Relaxed);
                (instant(seen_at), Some(instant(seen_at.saturating_add(fresh_for))), true)
            }
            Keeping::Elsewhere { signer, issued_at, fresh_until, expires_at } => {
                if place.signer.is_none() {
                    return Look::Unavailable { why: Why::NobodySigns };
                }
                if place.signer != Some(signer) {
                    return Look::Unavailable { why: Why::ForeignList };
                }
                if expires_at.is_some_and(|at| now >= at) {
                    self.want(place);
                    return Look::Unavailable { why: Why::Over };
                }
                (issued_at, fresh_until, false)
            }
        };
        let Some(value) = list.get(place.index) else { return Look::OutOfRange };
        match Status::of_list_value(value) {
            Some(status) => Look::Known(Finding { status, as_of, fresh_until, kept_here }),
            None => Look::Unavailable { why: Why::UnknownValue },
        }
    }

    fn miss(&self, place: &Place<'_>) -> Look {
        let is_own = self.is_own(place.uri);
        if place.uri.len() > URI_BYTES_MAX || (place.signer.is_none() && !is_own) {
            return Look::Unavailable { why: Why::NobodySigns };
        }
        self.want(place);
        let missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        let why = missing.get(place.uri).copied().unwrap_or(Why::OnItsWay);
        Look::Unavailable { why }
    }

    fn want(&self, place: &Place<'_>) {
        let signer = place.signer.filter(|_| !self.is_own(place.uri));
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        if wanted.len() < WANTED_MAX {
            wanted.insert(Wanted { uri: place.uri.into(), signer });
        }
    }

    /// Takes what was looked for and not found since the last call.
    #[must_use]
    pub fn take_wanted(&self) -> Vec<Wanted> {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        wanted.drain().collect()
    }

    /// Returns whether something was looked for and not found since.
    #[must_use]
    pub fn has_wanted(&self) -> bool {
        !self.wanted.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Says why a list is not there.
    pub fn miss_because(&self, uri: &Arc<str>, why: Why) {
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        if missing.len() >= WANTED_MAX {
            missing.clear();
        }
        missing.insert(Arc::clone(uri), why);
    }

    /// Puts lists in, each in the place of its older version, and takes some out.
    pub fn change(&self, put: Vec<(Arc<str>, Arc<List>)>, out: &[Arc<str>]) {
        if put.is_empty() && out.is_empty() {
            return;
        }
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        for (uri, _) in &put {
            missing.remove(uri);
        }
        drop(missing);
        let mut lists = HashMap::clone(&self.lists.load());
        for uri in out {
            lists.remove(uri);
        }
        for (uri, list) in put {
            if let Some(older) = lists.get(&uri) {
                list.asked_at.store(older.asked_at(), Ordering::Relaxed);
            }
            lists.insert(uri, list);
        }
        lists.shrink_to_fit();
        self.lists.store(Arc::new(lists));
    }

    /// Says that everything that stood in the database at an instant is here, and for how long that is fresh.
    pub fn saw_all(&self, at: OffsetDateTime, fresh_for: std::time::Duration) {
        let fresh_for = i64::try_from(fresh_for.as_micros()).unwrap_or(i64::MAX);
        self.fresh_for.store(fresh_for, Ordering::Relaxed);
        if let Some(at) = unix_microseconds(at) {
            self.seen_at.store(at, Ordering::Release);
        }
    }

    /// Returns the lists that are here.
    #[must_use]
    pub fn lists(&self) -> Arc<HashMap<Arc<str>, Arc<List>>> {
        self.lists.load_full()
    }

    /// Returns how much memory the lists hold, in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        let lists = self.lists.load();
        let entry = size_of::<Arc<str>>() + size_of::<Arc<List>>() + 16;
        let rows = lists.iter().map(|(uri, list)| uri.len() + list.weight() + entry);
        size_of::<Self>() + rows.sum::<usize>()
    }
}

fn instant(microseconds: i64) -> OffsetDateTime {
    let nanos = i128::from(microseconds) * 1_000;
    OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
