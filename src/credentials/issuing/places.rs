//! Places in status lists, given out by chance and without waiting.
//!
//! Each issuer's places are numbered. A replica takes a block of numbers in a transaction of its own, ahead of need, and gives them out
//! from memory, so that issuing waits for no lock. What a number stands for is decided by a keyed permutation of each shard: places
//! that are given out one after the other lie anywhere, and nobody counts credentials by them. Numbers of a replica that stops are
//! lost, which does no harm.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use crate::credentials::error::CredentialError;
use crate::credentials::issuing::permutation::{PLACES, Permutation};
use crate::credentials::store::places as store;
use crate::credentials::store::status::Spot;
use crate::kernel::clock::SharedClock;
use crate::kernel::ids::{IssuerId, StatusListId};
use crate::platform::db::{Db, DbError, Record};
use crate::platform::keys::sealing::DataKey;
use crate::platform::permit::Permit;
use crate::platform::tasks::Tasks;

/// Numbers of the first block that a replica takes for an issuer; each later one is twice as large.
const BLOCK_MIN: i64 = 64;
/// Numbers of the largest block.
const BLOCK_MAX: i64 = 8_192;

/// A place that was given out.
#[derive(Clone, Debug)]
pub struct Given {
    /// Where it is.
    pub spot: Spot,
    /// Address of the list.
    pub uri: Arc<str>,
}

/// Gives out places.
#[derive(Clone)]
pub struct Places(Arc<Shared>);

struct Shared {
    db: Db,
    clock: SharedClock,
    /// Makes the permutations.
    secret: Arc<DataKey>,
    tasks: Tasks,
    pools: Mutex<HashMap<IssuerId, Arc<Pool>>>,
}

/// What this replica has of an issuer's numbers.
#[derive(Default)]
struct Pool {
    stock: Mutex<Stock>,
    /// One takes a block, the others wait for what it brings.
    leasing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Stock {
    blocks: VecDeque<Block>,
    /// Size of the block that was taken last.
    taken: i64,
}

/// Numbers of one shard.
struct Block {
    list: StatusListId,
    uri: Arc<str>,
    permutation: Permutation,
    numbers: std::ops::Range<u32>,
}

/// Begins a new list of every issuer, and returns how many there are: after a restore to an earlier state, places of the lists of
/// before may have been given out since. One list is left out, should they have gone into the next one by then.
///
/// # Errors
///
/// The database fails.
pub async fn begin_new_lists(db: &Db) -> Result<u64, DbError> {
    let mut tx = db.read(&Permit::of_hub()).await?;
    store::begin_new_lists(tx.connection(), i64::from(PLACES)).await
}

/// Whose places are wanted.
#[derive(Clone, Debug)]
pub struct Owner {
    /// The issuer.
    pub issuer: IssuerId,
    /// What the addresses of its lists begin with.
    pub lists: Arc<str>,
}

impl std::fmt::Debug for Places {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Places").finish_non_exhaustive()
    }
}

impl Places {
    /// Returns what gives out places; `secret` is the one that all replicas share.
    #[must_use]
    pub fn new(db: Db, clock: SharedClock, secret: Arc<DataKey>, tasks: Tasks) -> Self {
        Self(Arc::new(Shared { db, clock, secret, tasks, pools: Mutex::default() }))
    }

    /// Gives out places, each once in the life of the hub.
    ///
    /// # Errors
    ///
    /// The database fails.
    pub async fn take(&self, owner: &Owner, count: usize) -> Result<Vec<Given>, CredentialError> {
        let pool = self.pool(owner.issuer);
        let mut given = Vec::with_capacity(count);
        loop {
            let is_low = pool.draw(count, &mut given);
            if given.len() == count {
                if is_low {
                    self.restock(owner, &pool);
                }
                return Ok(given);
            }
            let _leasing = pool.leasing.lock().await;
            // Whoever was before may have brought enough.
            if !pool.has_some() {
                self.lease(owner, &pool).await?;
            }
        }
    }

    fn pool(&self, issuer: IssuerId) -> Arc<Pool> {
        let mut pools = self.0.pools.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(pools.entry(issuer).or_default())
    }

    /// Takes a block in the background, unless somebody does already.
    fn restock(&self, owner: &Owner, pool: &Arc<Pool>) {
        let (places, owner, pool) = (self.clone(), owner.clone(), Arc::clone(pool));
        drop(self.0.tasks.spawn(async move {
            let Ok(_leasing) = pool.leasing.try_lock() else { return };
            if pool.is_low()
                && let Err(error) = places.lease(&owner, &pool).await
            {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "no places in status lists could be taken: {error}");
            }
        }));
    }

    async fn lease(&self, owner: &Owner, pool: &Pool) -> Result<(), CredentialError> {
        let size = pool.next_size();
        let now = self.0.clock.now();
        let mut tx = self.0.db.write(&Permit::of_hub()).await?;
        let first = store::lease(tx.connection(), owner.issuer, size).await?;
        let mut blocks = Vec::new();
        let (mut from, end) = (first, first.saturating_add(size));
        while from < end {
            let shard = from / i64::from(PLACES);
            let until = end.min((shard + 1).saturating_mul(i64::from(PLACES)));
            let uri = format!("{}{shard}", owner.lists);
            let list = store::shard(tx.connection(), owner.issuer, (shard, &uri), now).await?;
            let number = |at: i64| u32::try_from(at - shard * i64::from(PLACES)).unwrap_or(PLACES);
            blocks.push(Block {
                list,
                uri: uri.into(),
                permutation: self.permutation(owner.issuer, shard),
                numbers: number(from)..number(until),
            });
            from = until;
        }
        let subject = format!("{}: {size} places from {first}", owner.lists);
        tx.commit(Record::new(now, subject, "status_places.leased")).await?;
        pool.put(blocks, size);
        Ok(())
    }

    fn permutation(&self, issuer: IssuerId, shard: i64) -> Permutation {
        let message = [issuer.0.to_be_bytes(), shard.to_be_bytes()].concat();
        Permutation::new(&self.0.secret.mac(b"places in status lists", &message))
    }
}

impl Pool {
    fn stock(&self) -> std::sync::MutexGuard<'_, Stock> {
        self.stock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Draws until there are `count` or no more. Returns whether more should be taken soon.
    fn draw(&self, count: usize, given: &mut Vec<Given>) -> bool {
        let mut stock = self.stock();
        while given.len() < count
            && let Some(block) = stock.blocks.front_mut()
        {
            match block.numbers.next() {
                Some(number) => given.push(block.give(number)),
                None => drop(stock.blocks.pop_front()),
            }
        }
        stock.is_low()
    }

    fn has_some(&self) -> bool {
        self.stock().left() > 0
    }

    fn is_low(&self) -> bool {
        self.stock().is_low()
    }

    fn next_size(&self) -> i64 {
        self.stock().taken.saturating_mul(2).clamp(BLOCK_MIN, BLOCK_MAX)
    }

    fn put(&self, blocks: Vec<Block>, size: i64) {
        let mut stock = self.stock();
        stock.blocks.extend(blocks);
        stock.taken = size;
    }
}

impl Stock {
    fn left(&self) -> i64 {
        let left = self.blocks.iter().map(|block| i64::try_from(block.numbers.len()));
        left.map(|it| it.unwrap_or(i64::MAX)).fold(0, i64::saturating_add)
    }

    fn is_low(&self) -> bool {
        self.left() < self.taken / 2
    }
}

impl Block {
    fn give(&self, number: u32) -> Given {
        let index = i64::from(self.permutation.place(number));
        Given { spot: Spot { list: self.list, index }, uri: Arc::clone(&self.uri) }
    }
}
