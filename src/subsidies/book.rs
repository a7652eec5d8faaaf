//! The book: the catalogue of facts and every programme in force, in memory, as they stand. It is never changed: a change of what is
//! published makes another one.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio_util::sync::CancellationToken;

use crate::codes::divisions::Division;
use crate::kernel::ids::ParticipantId;
use crate::platform::db::Db;
use crate::platform::permit::Permit;
use crate::subsidies::domain::{Catalogue, Definition};
use crate::subsidies::error::SubsidyError;
use crate::subsidies::programme::canonical::Sha256;
use crate::subsidies::programme::{CompiledProgramme, Exclusion};
use crate::subsidies::store::book as store;

/// How often a change by another replica is looked for.
const POLL: Duration = Duration::from_millis(200);
/// How many editions are kept that are not in force.
const KEPT: usize = 32;

/// The programmes, shared by all who ask.
#[derive(Clone, Debug)]
pub struct Programmes(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    db: Db,
    present: ArcSwap<Book>,
    /// One reads the database, the others wait for what it brings.
    reading: tokio::sync::Mutex<()>,
    /// Editions that are not in force, the one that was asked for last first.
    earlier: Mutex<VecDeque<Arc<Published>>>,
}

/// What is published, at a revision.
#[derive(Debug, Default)]
pub struct Book {
    revision: i64,
    catalogue: Arc<Catalogue>,
    /// Numbers of the catalogue's definitions, by name.
    numbers: HashMap<Arc<str>, i64>,
    /// The catalogue's definitions, by number.
    by_number: HashMap<i64, Arc<Definition>>,
    /// Facts that the hub states by itself.
    moving: Vec<Arc<str>>,
    /// Editions in force, in order of their programmes' names.
    programmes: Vec<Arc<Published>>,
}

/// An edition that was published.
#[derive(Debug)]
pub struct Published {
    /// Number of the programme.
    pub programme: i64,
    /// Number of the edition.
    pub edition: i64,
    /// SHA-256 of its encoding.
    pub sha256: Sha256,
    /// The bureau whose it is.
    pub owner: ParticipantId,
    /// What answers.
    pub compiled: CompiledProgramme,
}

impl Published {
    /// Returns the programme's name.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.compiled.name
    }
}

impl Book {
    /// Returns the book of what is published.
    #[must_use]
    pub fn new(
        revision: i64,
        facts: Vec<(i64, Definition)>,
        mut programmes: Vec<Arc<Published>>,
    ) -> Self {
        programmes.sort_by(|one, other| one.name().cmp(other.name()));
        let numbers = facts.iter().map(|(id, it)| (Arc::clone(&it.name), *id)).collect();
        let by_number = facts.iter().map(|(id, it)| (*id, Arc::new(it.clone()))).collect();
        let moving = facts.iter().filter(|(_, it)| it.stated_by_hub);
        let moving = moving.map(|(_, it)| Arc::clone(&it.name)).collect();
        let catalogue = Arc::new(Catalogue::new(facts.into_iter().map(|(_, it)| it)));
        Self { revision, catalogue, numbers, by_number, moving, programmes }
    }

    /// Returns its revision: another book has another one.
    #[must_use]
    pub const fn revision(&self) -> i64 {
        self.revision
    }

    /// Returns the facts that there are.
    #[must_use]
    pub const fn catalogue(&self) -> &Arc<Catalogue> {
        &self.catalogue
    }

    /// Returns a fact's number and definition.
    #[must_use]
    pub fn fact(&self, name: &str) -> Option<(i64, &Arc<Definition>)> {
        Some((*self.numbers.get(name)?, self.catalogue.get(name)?))
    }

    /// Returns the facts that the hub states by itself: all of them are the day.
    #[must_use]
    pub fn moving(&self) -> &[Arc<str>] {
        &self.moving
    }

    /// Returns every edition in force, in order of the programmes' names.
    #[must_use]
    pub fn programmes(&self) -> &[Arc<Published>] {
        &self.programmes
    }

    /// Returns the editions in force that hold in a division, in order of the programmes' names.
    pub fn in_force(&self, division: &'static Division) -> impl Iterator<Item = &Arc<Published>> {
        self.programmes.iter().filter(move |it| it.compiled.holds_in(division))
    }

    /// Returns the edition in force of a programme.
    #[must_use]
    pub fn programme(&self, name: &str) -> Option<&Arc<Published>> {
        let place = self.programmes.binary_search_by(|it| it.name().as_ref().cmp(name)).ok()?;
        self.programmes.get(place)
    }

    /// Returns what other programmes in force exclude one by, with the names of those.
    #[must_use]
    pub fn exclusions_of(&self, name: &Arc<str>) -> Vec<Exclusion> {
        let others = self.programmes.iter().filter(|it| it.name() != name);
        let said = others.flat_map(|other| {
            let against = other.compiled.exclusive_with.iter().filter(|it| it.programme == *name);
            against.map(|it| Exclusion { programme: Arc::clone(other.name()), key: it.key.clone() })
        });
        said.collect()
    }

    /// Returns the fact of a number; `None` when it was retired.
    #[must_use]
    pub fn fact_of(&self, number: i64) -> Option<&Arc<Definition>> {
        self.by_number.get(&number)
    }
}

impl Programmes {
    /// Reads the book.
    ///
    /// # Errors
    ///
    /// The database fails, or what is stored cannot be read.
    pub async fn open(db: Db) -> Result<Self, SubsidyError> {
        let shared = Shared {
            db,
            present: ArcSwap::default(),
            reading: tokio::sync::Mutex::default(),
            earlier: Mutex::default(),
        };
        let programmes = Self(Arc::new(shared));
        let book = programmes.read().await?;
        programmes.0.present.store(Arc::new(book));
        Ok(programmes)
    }

    /// Returns the book as it stands; it trails the database by less than half a second.
    #[must_use]
    pub fn present(&self) -> Arc<Book> {
        self.0.present.load_full()
    }

    /// Sees that nothing is missing that was committed before this was asked, and returns the book.
    ///
    /// # Errors
    ///
    /// The database fails, or what is stored cannot be read.
    pub async fn refresh(&self) -> Result<Arc<Book>, SubsidyError> {
        let _reading = self.0.reading.lock().await;
        let mut tx = self.0.db.read(&Permit::of_hub()).await?;
        let newest = store::revision(tx.connection()).await?;
        drop(tx);
        if newest != self.present().revision() {
            let book = self.read().await?;
            self.0.present.store(Arc::new(book));
        }
        Ok(self.present())
    }

    /// Keeps the book fresh until told to stop. While the database fails, what was read last counts.
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
                    tracing::warn!(error, "the programmes cannot be read again: {error}");
                    is_failing = true;
                }
            }
        }
    }

    /// Returns an edition of a programme, in force or not; `None` when there is none.
    ///
    /// # Errors
    ///
    /// The database fails, or what is stored cannot be read.
    pub async fn edition(
        &self,
        name: &str,
        number: i64,
    ) -> Result<Option<Arc<Published>>, SubsidyError> {
        let is_this = |it: &&Arc<Published>| it.edition == number;
        if let Some(found) = self.present().programme(name).filter(is_this) {
            return Ok(Some(Arc::clone(found)));
        }
        let is_kept = |it: &&Arc<Published>| it.name().as_ref() == name && it.edition == number;
        if let Some(found) = self.earlier().iter().find(is_kept) {
            return Ok(Some(Arc::clone(found)));
        }
        let mut tx = self.0.db.read(&Permit::of_hub()).await?;
        let found = store::edition(tx.connection(), name, number).await?.map(Arc::new);
        if let Some(found) = &found {
            let mut earlier = self.earlier();
            earlier.push_front(Arc::clone(found));
            earlier.truncate(KEPT);
        }
        Ok(found)
    }

    fn earlier(&self) -> MutexGuard<'_, VecDeque<Arc<Published>>> {
        self.0.earlier.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read(&self) -> Result<Book, SubsidyError> {
        let mut tx = self.0.db.snapshot(&Permit::of_hub()).await?;
        store::book(tx.connection(), &self.present()).await
    }
}
