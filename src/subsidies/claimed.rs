//! What is claimed already, as checks and sweeps tell it: one look for all programmes and subjects that are asked about.
//!
//! **Invariant:** until when a claim stands in the way is told to who knows its worker by a reference of its own, and to the bureau whose
//! programme is asked about. A claim that is not a worker's, an employer's for example, is told to that bureau alone: registration
//! numbers are public, and whoever knows one has nothing to do with the employer by that.

use std::collections::HashMap;
use std::sync::Arc;

use uuid::Uuid;

use crate::kernel::ids::ParticipantId;
use crate::pb::peshub::subsidies::v1 as pb;
use crate::platform::db::{DbError, ReadTx};
use crate::subsidies::application::TakenUntil;
use crate::subsidies::blind::Blind;
use crate::subsidies::book::{Book, Published};
use crate::subsidies::domain::{Day, Facts};
use crate::subsidies::programme::claims::{self, ClaimKey, Excludes, Subjects};
use crate::subsidies::programme::{Exclusion, KeyPart};
use crate::subsidies::store::claim::{self as store, Claims};

/// Until when something is taken, by the place of what was asked.
pub type Taken = HashMap<usize, TakenUntil>;

/// Whom something is about, by names that tell nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct About {
    /// Pseudonym of the worker.
    pub worker: Option<Uuid>,
    /// Keyed digest of the employer.
    pub employer: Option<Uuid>,
}

/// A programme that gives something once, or beside which something else is not given.
#[derive(Clone, Debug)]
pub struct Keyed {
    published: Arc<Published>,
    others: Vec<Exclusion>,
    /// Whether who asks is the bureau whose it is.
    is_own: bool,
}

impl Keyed {
    /// Returns what is needed to ask for claims of a programme; `None` where nothing is claimed.
    #[must_use]
    pub fn of(book: &Book, published: &Arc<Published>, caller: ParticipantId) -> Option<Self> {
        let others = book.exclusions_of(published.name());
        let compiled = &published.compiled;
        let is_keyed = !(compiled.once_per.is_empty()
            && compiled.exclusive_with.is_empty()
            && others.is_empty());
        let is_own = published.owner == caller;
        is_keyed.then(|| Self { published: Arc::clone(published), others, is_own })
    }

    fn keys(&self, facts: &Facts, about: &About) -> Vec<ClaimKey> {
        let subjects = Subjects {
            worker: about.worker.as_ref().map(|it| it.as_bytes().as_slice()),
            employer: about.employer.as_ref().map(|it| it.as_bytes().as_slice()),
        };
        let is_told = |parts: &[KeyPart]| self.is_own || parts.contains(&KeyPart::Worker);
        claims::known(&self.published.compiled, &self.others, facts, subjects, is_told)
    }
}

/// What is to be looked up.
#[derive(Debug, Default)]
pub struct Look {
    places: Vec<i32>,
    claims: Claims,
}

impl Look {
    /// Asks whether a programme is claimed for somebody, under a place that names the question.
    pub fn ask(
        &mut self,
        place: usize,
        (keyed, blind): (&Keyed, &Blind),
        facts: &Facts,
        about: &About,
    ) {
        let Ok(place) = i32::try_from(place) else { return };
        let claims = blinded(blind, keyed.published.name(), keyed.keys(facts, about));
        self.places.resize(self.places.len() + claims.groups.len(), place);
        self.claims.append(claims);
    }

    /// Returns whether there is nothing to look up.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Looks all of it up at once. What an offer that waits has taken of its own programme counts, unless `spare_offers` says otherwise.
    ///
    /// # Errors
    ///
    /// The database fails.
    pub async fn answer(&self, tx: &mut ReadTx, spare_offers: bool) -> Result<Taken, DbError> {
        let asked = (None, spare_offers);
        let found = store::taken(tx.connection(), asked, &self.places, &self.claims).await?;
        let placed = found.into_iter();
        Ok(placed
            .filter_map(|(place, until)| Some((usize::try_from(place).ok()?, until)))
            .collect())
    }
}

/// Returns whether somebody with a verdict by facts claims: what cannot be told yet claims as well, so that whoever files first is first.
#[must_use]
pub const fn is_claimed_with(verdict: pb::Verdict) -> bool {
    match verdict {
        pb::Verdict::Eligible | pb::Verdict::NeedsFacts | pb::Verdict::Held => true,
        pb::Verdict::Unspecified
        | pb::Verdict::NotEligible
        | pb::Verdict::NoVersion
        | pb::Verdict::ExcludedByClaim => false,
    }
}

/// Says in a determination that it is taken, where facts alone would leave it open; returns whether it says so.
pub fn exclude(determination: &mut pb::Determination, until: Option<&TakenUntil>) -> bool {
    let until = until.filter(|_| is_claimed_with(determination.verdict()));
    let Some(until) = until else { return false };
    determination.set_verdict(pb::Verdict::ExcludedByClaim);
    determination.taken_until = until.to_string();
    determination.ask = Vec::new();
    true
}

/// Returns claims as they are stored: what they are about is a keyed digest, in an order that is the same for everybody, so that no two
/// who claim the same wait for each other crosswise.
#[must_use]
pub fn blinded(blind: &Blind, programme: &str, mut keys: Vec<ClaimKey>) -> Claims {
    keys.sort_by_key(|it| (it.group, it.key));
    let mut claims = Claims::default();
    for key in keys {
        let subject = blind.digest(b"claim", &[key.group, key.key].concat());
        claims.groups.push(short(&key.group));
        claims.subjects.push(short(&subject));
        claims.from.push(key.from.date());
        claims.until.push(key.until.map(Day::date));
        claims.programmes.push(match key.excludes {
            Excludes::Any => String::new(),
            Excludes::OtherProgrammes => programme.to_owned(),
        });
    }
    claims
}

/// Returns the first 128 bits of a digest: enough that no two of many millions meet.
fn short(digest: &[u8; 32]) -> Uuid {
    Uuid::from_bytes(digest.first_chunk::<16>().copied().unwrap_or_default())
}
