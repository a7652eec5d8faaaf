//! The trust registry: who may issue which credentials, for which occupations, where and when, with which keys.
//!
//! It is small and read with every verification, so that all of it lies in memory as a [`Book`], which is never changed: a change of
//! the registry makes another one. Nothing is overwritten, so that the book of every revision can be read again.

pub mod addresses;
pub mod book;
pub mod chain;
pub mod commands;
pub mod discovery;
pub mod entry;
pub mod keys;
pub mod kind;
pub mod publication;
pub mod publicity;
pub mod queries;
pub mod rewrap;
pub mod trust;

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;

use crate::credentials::error::CredentialError;
use crate::credentials::registry::book::Book;
use crate::credentials::store::registry as store;
use crate::kernel::ids::IssuerId;
use crate::platform::db::Db;
use crate::platform::permit::Permit;

/// How often a change by another replica is looked for.
const POLL: Duration = Duration::from_millis(200);
/// How many books of earlier revisions are kept.
const KEPT: usize = 8;

/// The registry, shared by all who ask it.
#[derive(Clone, Debug)]
pub struct Registry(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    db: Db,
    present: ArcSwap<Book>,
    /// One reads the database, the others wait for what it brings.
    reading: tokio::sync::Mutex<()>,
    reading_earlier: tokio::sync::Mutex<()>,
    earlier: Mutex<VecDeque<Arc<Book>>>,
    /// Issuers somebody names a key of that is not there.
    wanted: Mutex<HashSet<IssuerId>>,
}

impl Registry {
    /// Reads the registry.
    ///
    /// # Errors
    ///
    /// The database fails, or what is stored cannot be read.
    pub async fn open(db: Db) -> Result<Self, CredentialError> {
        let registry = Self(Arc::new(Shared {
            db,
            present: ArcSwap::default(),
            reading: tokio::sync::Mutex::default(),
            reading_earlier: tokio::sync::Mutex::default(),
            earlier: Mutex::default(),
            wanted: Mutex::default(),
        }));
        let book = registry.read(None).await?;
        registry.0.present.store(Arc::new(book));
        Ok(registry)
    }

    /// Returns the registry as it stands; it trails the database by less than half a second.
    #[must_use]
    pub fn present(&self) -> Arc<Book> {
        self.0.present.load_full()
    }

    /// Sees that nothing is missing that was committed before this was asked, and returns the registry.
    ///
    /// # Errors
    ///
    /// The database fails, or what is stored cannot be read.
    pub async fn refresh(&self) -> Result<Arc<Book>, CredentialError> {
        let _reading = self.0.reading.lock().await;
        let mut tx = self.0.db.read(&Permit::of_hub()).await?;
        let newest = store::revision(tx.connection()).await?;
        drop(tx);
        if newest != self.present().revision() {
            let book = self.read(None).await?;
            self.0.present.store(Arc::new(book));
        }
        Ok(self.present())
    }

    /// Returns the registry as it stood at a revision; `None` for one that is yet to come.
    ///
    /// # Errors
    ///
    /// The database fails, or what is stored cannot be read.
    pub async fn as_of(&self, revision: i64) -> Result<Option<Arc<Book>>, CredentialError> {
        let mut present = self.present();
        if revision > present.revision() {
            present = self.refresh().await?;
        }
        if revision >= present.revision() {
            return Ok((revision == present.revision()).then_some(present));
        }
        let kept = |kept: &VecDeque<Arc<Book>>| {
            kept.iter().find(|book| book.revision() == revision).map(Arc::clone)
        };
        if let Some(book) = kept(&self.earlier()) {
            return Ok(Some(book));
        }
        // One at a time: who asks for many revisions keeps the database busy with one.
        let _reading = self.0.reading_earlier.lock().await;
        if let Some(book) = kept(&self.earlier()) {
            return Ok(Some(book));
        }
        let book = Arc::new(self.read(Some(revision)).await?);
        let mut earlier = self.earlier();
        earlier.push_front(Arc::clone(&book));
        earlier.truncate(KEPT);
        Ok(Some(book))
    }

    /// Keeps the registry fresh until told to stop. While the database fails, what was read last counts.
    pub async fn follow(self, stop: CancellationToken) {
        let mut is_failing = false;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(POLL) => {}
            }
            let refreshed = tokio::select! {
                () = stop.cancelled() => return,
                refreshed = self.refresh() => refreshed,
            };
            match refreshed {
                Ok(_) => is_failing = false,
                Err(error) if is_failing => drop(error),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "the trust registry cannot be read again: {error}");
                    is_failing = true;
                }
            }
        }
    }

    /// Says that a credential names a key of an issuer that is not there: if its keys are looked up, they are soon.
    pub fn want_keys(&self, issuer: IssuerId) {
        self.wanted().insert(issuer);
    }

    /// Returns whether keys of an issuer are wanted, which they are no longer then.
    fn take_wanted(&self, issuer: IssuerId) -> bool {
        self.wanted().remove(&issuer)
    }

    fn wanted(&self) -> std::sync::MutexGuard<'_, HashSet<IssuerId>> {
        self.0.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read(&self, at: Option<i64>) -> Result<Book, CredentialError> {
        let mut tx = self.0.db.snapshot(&Permit::of_hub()).await?;
        store::book(tx.connection(), at, &self.present()).await
    }

    fn earlier(&self) -> std::sync::MutexGuard<'_, VecDeque<Arc<Book>>> {
        self.0.earlier.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
