//! The work that keeps the lists in memory fresh. Every replica does it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::credentials::domain::Status;
use crate::credentials::error::CredentialError;
use crate::credentials::status::book::{Keeping, List, Wanted};
use crate::credentials::status::look::Why;
use crate::credentials::status::{LIST_TTL, Statuses, decoded, own_entries};
use crate::credentials::store::status::{self as store, StoredList, elsewhere};
use crate::kernel::clock::unix_microseconds;
use crate::platform::db::SnapshotTx;
use crate::platform::feed::tail::Tail;
use crate::platform::metrics;
use crate::platform::permit::Permit;

/// How often the database is looked at when nothing is heard of a change.
const POLL: Duration = Duration::from_millis(100);
/// Least time between two looks.
const PACE: Duration = Duration::from_millis(20);
/// How long the keeper waits after the database failed.
const PAUSE: Duration = Duration::from_millis(250);
/// Most changes that are read before the publisher has brought them into their lists.
const PENDING_MAX: i64 = 100_000;
/// A list that nobody has looked at for so long is let go.
const IDLE: Duration = Duration::from_hours(6);
/// How often lists that nobody looks at are looked for.
const SWEEP: Duration = Duration::from_mins(10);

/// Keeps the lists in memory fresh.
#[derive(Debug)]
pub struct Keeper {
    statuses: Statuses,
    tail: Arc<Tail>,
    /// Counter of changes of lists up to which everything is here; `None` before the first look.
    epoch: Option<i64>,
    /// When all of them were last seen to be here.
    complete_at: Instant,
}

impl Keeper {
    /// Returns the keeper of some statuses, which hears of changes by the feed.
    #[must_use]
    pub fn new(statuses: Statuses, tail: Arc<Tail>) -> Self {
        Self { statuses, tail, epoch: None, complete_at: Instant::now() }
    }

    /// Runs until told to stop. While the database fails, what is here grows old.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut moves = self.tail.moves();
        let shared = Arc::clone(&self.statuses.0);
        let mut swept = Instant::now();
        let mut is_failing = false;
        loop {
            let pause = match self.round().await {
                Ok(()) => {
                    is_failing = false;
                    PACE
                }
                Err(error) => {
                    if !is_failing {
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(error, "status lists cannot be kept fresh: {error}");
                    }
                    is_failing = true;
                    PAUSE
                }
            };
            metrics::STATUS_LISTS_AGE.set(self.complete_at.elapsed());
            if swept.elapsed() > SWEEP {
                swept = Instant::now();
                self.let_go();
                // Those that are in use stay wanted; if this fails, the next time does it.
                self.ask_elsewhere(&self.in_use()).await.unwrap_or_default();
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(POLL) => {}
                () = shared.asked.notified() => {}
                // Without a feed there is no hub.
                _ = moves.changed() => {}
            }
        }
    }

    /// Looks once whether there is something newer.
    async fn round(&mut self) -> Result<(), CredentialError> {
        let shared = Arc::clone(&self.statuses.0);
        let began = shared.clock.now();
        let mut tx = shared.db.read(&Permit::of_hub()).await?;
        let (epoch, pending) = store::probe(tx.connection()).await?;
        drop(tx);
        let wanted = shared.book.take_wanted();
        let mut has_all = true;
        if !wanted.is_empty() || pending || self.epoch != Some(epoch) {
            has_all = self.load(&wanted).await?;
        }
        if has_all {
            self.complete_at = Instant::now();
            shared.book.saw_all(began, LIST_TTL);
        }
        shared.rounds.send_modify(|rounds| *rounds = rounds.wrapping_add(1));
        Ok(())
    }

    /// Loads what is wanted and what is newer, and changes that are not in their lists yet. Returns whether that was all.
    async fn load(&mut self, wanted: &[Wanted]) -> Result<bool, CredentialError> {
        let shared = Arc::clone(&self.statuses.0);
        let mut tx = shared.db.snapshot(&Permit::of_hub()).await?;
        let (epoch, _) = store::probe(tx.connection()).await?;
        let here = shared.book.lists();
        let uris: Vec<String> = wanted.iter().map(|it| it.uri.to_string()).collect();
        let mut found = if uris.is_empty() {
            Vec::new()
        } else {
            store::lists_at(tx.connection(), &uris).await?
        };
        if self.epoch != Some(epoch) {
            let (ids, versions): (Vec<i64>, Vec<i64>) =
                here.values().map(|list| (list.id.0, list.version)).unzip();
            found.extend(store::newer_lists(tx.connection(), &ids, &versions).await?);
        }
        self.miss(wanted, &found);
        self.ask_elsewhere(wanted).await?;
        let loaded = found.iter().filter_map(|stored| loaded(stored).transpose());
        let loaded: Vec<Loaded> = loaded.collect::<Result<_, _>>()?;
        let has_all = overlay(&mut tx, here.values().chain(loaded.iter().map(|it| &it.1))).await?;
        drop(tx);
        shared.book.change(loaded, &[]);
        self.epoch = Some(epoch);
        Ok(has_all)
    }

    /// Says of lists that were looked for why they are not there.
    fn miss(&self, wanted: &[Wanted], found: &[StoredList]) {
        let book = &self.statuses.0.book;
        let by_uri: HashMap<&str, &StoredList> =
            found.iter().map(|it| (it.uri.as_str(), it)).collect();
        for wanted in wanted {
            match by_uri.get(wanted.uri.as_ref()) {
                None if wanted.signer.is_none() => book.miss_because(&wanted.uri, Why::NoSuchList),
                Some(list) if list.has_failed && list.entries.is_none() && !list.kept_here => {
                    book.miss_because(&wanted.uri, Why::NotHad);
                }
                _ => {}
            }
        }
    }

    /// Notes that lists are asked for that are kept elsewhere.
    async fn ask_elsewhere(&self, wanted: &[Wanted]) -> Result<(), CredentialError> {
        let shared = &self.statuses.0;
        let elsewhere = wanted.iter().filter_map(|it| Some((it.uri.to_string(), it.signer?.0)));
        let (uris, signers): (Vec<String>, Vec<i64>) = elsewhere.unzip();
        if uris.is_empty() {
            return Ok(());
        }
        let mut tx = shared.db.read(&Permit::of_hub()).await?;
        Ok(elsewhere::want(tx.connection(), &uris, &signers, shared.clock.now()).await?)
    }

    /// Returns the lists that are kept elsewhere and were looked at a short while ago.
    fn in_use(&self) -> Vec<Wanted> {
        let shared = &self.statuses.0;
        let Some(now) = unix_microseconds(shared.clock.now()) else { return Vec::new() };
        let recent = i64::try_from((SWEEP * 2).as_micros()).unwrap_or(i64::MAX);
        let lists = shared.book.lists();
        let used = lists.iter().filter(|(_, list)| now - list.asked_at() < recent);
        let elsewhere = used.filter_map(|(uri, list)| match list.keeping {
            Keeping::Here { .. } => None,
            Keeping::Elsewhere { signer, .. } => {
                Some(Wanted { uri: Arc::clone(uri), signer: Some(signer) })
            }
        });
        elsewhere.collect()
    }

    /// Lets lists go that nobody looks at.
    fn let_go(&self) {
        let shared = &self.statuses.0;
        let Some(now) = unix_microseconds(shared.clock.now()) else { return };
        let idle = i64::try_from(IDLE.as_micros()).unwrap_or(i64::MAX);
        let lists = shared.book.lists();
        let unused = lists.iter().filter(|(_, list)| now - list.asked_at() > idle);
        let unused: Vec<Arc<str>> = unused.map(|(uri, _)| Arc::clone(uri)).collect();
        shared.book.change(Vec::new(), &unused);
    }
}

/// A list by its address.
type Loaded = (Arc<str>, Arc<List>);

/// Returns a list as it lies in memory; `None` for one of which nothing is known yet.
fn loaded(stored: &StoredList) -> Result<Option<Loaded>, CredentialError> {
    let (keeping, entries) = if stored.kept_here {
        (Keeping::Here { issuer: stored.issuer }, own_entries(stored.entries.as_deref())?)
    } else {
        let (Some(entries), Some(issued_at), Some(fetched_at)) =
            (&stored.entries, stored.issued_at, stored.fetched_at)
        else {
            return Ok(None);
        };
        let ttl = stored.ttl_s.and_then(|ttl_s| u64::try_from(ttl_s).ok()).map(Duration::from_secs);
        let keeping = Keeping::Elsewhere {
            signer: stored.issuer,
            issued_at: issued_at.min(fetched_at),
            fresh_until: ttl.map(|ttl| fetched_at + ttl),
            expires_at: stored.expires_at,
        };
        (keeping, decoded(stored.bits, entries)?)
    };
    let list = List::new(stored.id, stored.version, keeping, entries);
    Ok(Some((stored.uri.as_str().into(), Arc::new(list))))
}

/// Brings changes that are not in their lists yet into those in memory. Returns whether that was all.
async fn overlay<'a>(
    tx: &mut SnapshotTx,
    lists: impl Iterator<Item = &'a Arc<List>>,
) -> Result<bool, CredentialError> {
    // Where a list is here twice, the newer one comes later and counts.
    let own = lists.filter(|list| matches!(list.keeping, Keeping::Here { .. }));
    let own: HashMap<i64, &Arc<List>> = own.map(|list| (list.id.0, list)).collect();
    if own.is_empty() {
        return Ok(true);
    }
    let ids: Vec<i64> = own.keys().copied().collect();
    let changes = store::pending(tx.connection(), &ids, PENDING_MAX).await?;
    for change in &changes {
        let status = Status::of_number(change.status);
        let index = u64::try_from(change.index).ok();
        if let (Some(list), Some(status), Some(index)) = (own.get(&change.list.0), status, index) {
            list.set(index, status.list_value());
        }
    }
    Ok(i64::try_from(changes.len()).is_ok_and(|count| count < PENDING_MAX))
}
