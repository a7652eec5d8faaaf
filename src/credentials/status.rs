//! How credentials stand: status lists that the hub keeps, and those that it fetches, as memory that is looked up.
//!
//! A change of a status is a row; the publisher brings it into its list off the path of the request and signs the list anew. Every
//! replica keeps the lists that it is asked for in memory, and sees by a look at the database whether there is anything newer: a
//! finding is as of that look.

pub mod book;
pub mod change;
pub mod codec;
pub mod elsewhere;
pub mod keeper;
pub mod look;
pub mod publisher;
pub mod signer;
pub mod statement;
pub mod watch;
pub mod web;

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::Notify;

use crate::credentials::domain::Status;
use crate::credentials::error::CredentialError;
use crate::credentials::status::book::ListBook;
use crate::credentials::status::codec::{Bits, Entries, INFLATED_BYTES_MAX};
use crate::credentials::status::look::{Finding, Look, Place, Why};
use crate::credentials::store::status as store;
use crate::kernel::clock::SharedClock;
use crate::platform::db::Db;
use crate::platform::permit::Permit;

/// For how long after the hub's last look at its database a list that it keeps is taken for the present, and for how long others may
/// keep its token (`ttl`).
pub const LIST_TTL: Duration = Duration::from_mins(5);
/// Places of a list that the hub keeps.
pub const PLACES: u32 = 1 << 20;
/// Bytes of such a list: 2 bits an entry.
pub const LIST_BYTES: usize = 1 << 18;

/// What is known of the status of credentials, shared by all who ask.
#[derive(Clone)]
pub struct Statuses(Arc<Shared>);

struct Shared {
    db: Db,
    clock: SharedClock,
    book: ListBook,
    /// Somebody looked for a list that is not here.
    asked: Notify,
    /// Counts the rounds in which lists were loaded.
    rounds: tokio::sync::watch::Sender<u64>,
}

impl std::fmt::Debug for Statuses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Statuses").field("weight", &self.0.book.weight()).finish_non_exhaustive()
    }
}

impl Statuses {
    /// Returns statuses of which nothing is loaded yet; `own_lists` is what the addresses of the hub's own lists begin with.
    #[must_use]
    pub fn new(db: Db, clock: SharedClock, own_lists: impl Into<Arc<str>>) -> Self {
        Self(Arc::new(Shared {
            db,
            clock,
            book: ListBook::new(own_lists),
            asked: Notify::new(),
            rounds: tokio::sync::watch::Sender::new(0),
        }))
    }

    /// Looks a place up in memory. A list that is not there is loaded or fetched in the background, for later.
    #[must_use]
    pub fn look_up(&self, place: &Place<'_>, now: OffsetDateTime) -> Look {
        let look = self.0.book.look_up(place, now);
        if matches!(look, Look::Unavailable { .. }) && self.0.book.has_wanted() {
            self.0.asked.notify_one();
        }
        look
    }

    /// Looks a place up, and waits for a list that is on its way, no longer than `patience`.
    pub async fn look_up_waiting(&self, place: &Place<'_>, patience: Duration) -> Look {
        let mut rounds = self.0.rounds.subscribe();
        let waiting = async {
            loop {
                rounds.mark_unchanged();
                let look = self.look_up(place, self.0.clock.now());
                let may_come = Look::Unavailable { why: Why::OnItsWay };
                if look != may_come || rounds.changed().await.is_err() {
                    return look;
                }
            }
        };
        match tokio::time::timeout(patience, waiting).await {
            Ok(look) => look,
            Err(_) => self.look_up(place, self.0.clock.now()),
        }
    }

    /// Looks up how a place stood at an instant, by what the hub knew at another one, from history. For a list that is kept elsewhere
    /// only what the hub had fetched before counts: nobody else tells what it said then.
    ///
    /// # Errors
    ///
    /// The database fails, or what is stored cannot be read.
    pub async fn look_up_at(
        &self,
        place: &Place<'_>,
        at: OffsetDateTime,
        known_at: OffsetDateTime,
    ) -> Result<Look, CredentialError> {
        let unavailable = |why| Ok(Look::Unavailable { why });
        let as_of = at.min(known_at);
        // History is public knowledge, as the lists are; whoever asks is not the one who issued.
        let mut tx = self.0.db.read(&Permit::of_hub()).await?;
        let lists = store::lists_at(tx.connection(), &[place.uri.to_owned()]).await?;
        let Some(list) = lists.into_iter().next() else {
            let is_own = self.0.book.is_own(place.uri);
            return unavailable(if is_own { Why::NoSuchList } else { Why::NotKnownThen });
        };
        let found =
            |status| Finding { status, as_of, fresh_until: None, kept_here: list.kept_here };
        let index = i64::try_from(place.index).unwrap_or(i64::MAX);
        if list.kept_here {
            if list.issuer != place.issuer {
                return unavailable(Why::ForeignList);
            }
            if place.index >= u64::from(PLACES) {
                return Ok(Look::OutOfRange);
            }
            let number = store::status_at(tx.connection(), list.id, index, as_of).await?;
            let status = number.map_or(Some(Status::Valid), Status::of_number);
            let corrupt = CredentialError::Corrupt { what: "status" };
            return Ok(Look::Known(found(status.ok_or(corrupt)?)));
        }
        match place.signer {
            None => return unavailable(Why::NobodySigns),
            Some(signer) if signer != list.issuer => return unavailable(Why::ForeignList),
            Some(_) => {}
        }
        let Some((bits, entries, fetched_at)) =
            store::entries_at(tx.connection(), list.id, as_of).await?
        else {
            return unavailable(Why::NotKnownThen);
        };
        drop(tx);
        let entries = decoded(bits, &entries)?;
        let Some(value) = entries.get(place.index) else { return Ok(Look::OutOfRange) };
        Ok(match Status::of_list_value(value) {
            Some(status) => Look::Known(Finding { as_of: fetched_at, ..found(status) }),
            None => Look::Unavailable { why: Why::UnknownValue },
        })
    }

    /// Returns how much memory the lists hold, in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.0.book.weight()
    }
}

/// Reads entries as they are stored.
///
/// # Errors
///
/// They are none.
pub fn decoded(bits: i16, entries: &[u8]) -> Result<Entries, CredentialError> {
    let corrupt = CredentialError::Corrupt { what: "status list" };
    let Some(bits) = Bits::of_number(bits.into()) else { return Err(corrupt) };
    Entries::inflate(bits, entries, INFLATED_BYTES_MAX).map_err(|_| corrupt)
}

/// Reads the entries of a list that the hub keeps, as they are stored: nothing stands for zeros.
///
/// # Errors
///
/// They are none.
pub fn own_entries(entries: Option<&[u8]>) -> Result<Entries, CredentialError> {
    match entries {
        Some(entries) => decoded(2, entries),
        None => Ok(Entries::zeros(Bits::Two, LIST_BYTES)),
    }
}
