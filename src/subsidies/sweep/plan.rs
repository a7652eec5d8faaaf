//! What a sweep evaluates: programmes, and for each since when. The facts that a programme reads are the index by which a change finds it.

use std::collections::HashSet;
use std::sync::Arc;

use crate::kernel::ids::ParticipantId;
use crate::subsidies::book::{Book, Published};
use crate::subsidies::claimed::Keyed;
use crate::subsidies::domain::Day;
use crate::subsidies::population::body::Body;

/// A programme that is swept.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The edition that answers.
    pub published: Arc<Published>,
    /// What has changed after this revision is evaluated; `None`: everybody is.
    pub since: Option<i64>,
    /// Whether whoever is eligible gets an offer.
    pub offers: bool,
    /// How its claims are looked up; `None`: nothing is claimed.
    pub keyed: Option<Keyed>,
    /// Numbers of the facts that it reads.
    reads: HashSet<i64>,
}

/// Up to where a programme was swept before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Before {
    /// Number of the programme.
    pub programme: i64,
    /// Number of the edition.
    pub edition: i64,
    /// Revision of the population.
    pub revision: i64,
    /// As of which day.
    pub day: Day,
    /// Whether offers were made.
    pub offers: bool,
}

impl Planned {
    /// Returns the plan for a programme. Everybody is evaluated when it was not swept before or in another edition, when offers are to
    /// be made that were not, and when the day is another and the programme reads it, or a fact that grows stale.
    #[must_use]
    pub fn new(
        published: Arc<Published>,
        (book, day, participant): (&Book, Day, ParticipantId),
        offers: bool,
        before: Option<&Before>,
    ) -> Self {
        let facts = &published.compiled.facts;
        let definitions = || facts.iter().filter_map(|name| book.fact(name));
        let reads_day = definitions().any(|(_, it)| it.stated_by_hub || it.fresh_for_days > 0);
        let since = before
            .filter(|it| it.programme == published.programme && it.edition == published.edition)
            .filter(|it| (it.day == day || !reads_day) && (it.offers || !offers))
            .map(|it| it.revision);
        let reads = definitions().map(|(id, _)| id).collect();
        let keyed = Keyed::of(book, &published, participant);
        Self { published, since, offers, keyed, reads }
    }

    /// Returns whether a subject is to be evaluated, whose claims moved last at a revision.
    #[must_use]
    pub fn concerns(&self, body: &Body, touched: i64) -> bool {
        let Some(since) = self.since else { return true };
        body.moved_at > since
            || (touched > since && self.keyed.is_some())
            || body.facts.iter().any(|it| it.changed_at > since && self.reads.contains(&it.fact))
    }
}

/// What a sweep evaluates.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The programmes, in order of their numbers.
    pub programmes: Vec<Planned>,
    /// The catalogue.
    pub book: Arc<Book>,
    /// As of which day.
    pub day: Day,
    /// Whose population it is.
    pub participant: ParticipantId,
}

impl Plan {
    /// Returns the plan for some programmes.
    #[must_use]
    pub fn new(
        mut programmes: Vec<Planned>,
        book: Arc<Book>,
        day: Day,
        participant: ParticipantId,
    ) -> Self {
        programmes.sort_by_key(|it| it.published.programme);
        Self { programmes, book, day, participant }
    }

    /// Returns after which revision a subject must have changed to be looked at at all.
    #[must_use]
    pub fn since(&self) -> i64 {
        let since = self.programmes.iter().map(|it| it.since.unwrap_or(-1));
        since.min().unwrap_or(-1)
    }
}
