//! What a posting is and what may happen to it. Pure: decisions are made here and carried out elsewhere.

use bytes::Bytes;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::kernel::ids::{ChangeId, PostingId, Revision};

/// Most changes in a batch. Source: design of the contract, `SyncBatch`.
pub const CHANGES_PER_BATCH_MAX: usize = 1_000;
/// Most bytes in a batch. Source: design of the contract, `SyncBatch`.
pub const BYTES_PER_BATCH_MAX: usize = 4 * 1024 * 1024;
/// Most bytes in one change.
pub const BYTES_PER_CHANGE_MAX: usize = 1024 * 1024;
/// Most characters of an external id. Source: the contract, `PostingKey.external_id`.
pub const EXTERNAL_ID_CHARS_MAX: usize = 200;
/// Batches that may be under way unacknowledged on one stream.
pub const CREDITS: usize = 4;

/// Whether a posting stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// It stands.
    Open,
    /// Its source closed it.
    Closed,
}

impl State {
    /// Returns the number that stands in the database and in the contract.
    #[must_use]
    pub const fn number(self) -> i16 {
        match self {
            Self::Open => 1,
            Self::Closed => 2,
        }
    }

    /// Returns the state with a number, or `None`.
    #[must_use]
    pub const fn of_number(number: i16) -> Option<Self> {
        match number {
            1 => Some(Self::Open),
            2 => Some(Self::Closed),
            _ => None,
        }
    }
}

/// Why and when a posting was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close {
    /// Number of the reason in the contract, 1 to 4.
    pub reason: i16,
    /// When, at the source.
    pub at: OffsetDateTime,
}

/// Content that was found sound and brought into its stored form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// The encoded posting, as it is stored and sent on.
    pub body: Bytes,
    /// Digest of `body`.
    pub digest: Uuid,
    /// What it can be found by: divisions, occupations, kinds of employment.
    pub facets: Vec<String>,
    /// What it pays a month, where that can be told.
    pub pay: Option<MonthlyPay>,
    /// Title and employer's name in lower case.
    pub search_text: String,
}

/// Pay brought to a month, in minor units of a currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonthlyPay {
    /// Lowest.
    pub min_minor: Option<i64>,
    /// Highest.
    pub max_minor: Option<i64>,
    /// ISO 4217 code.
    pub currency: String,
}

/// What is stored of a posting, as far as deciding needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its number.
    pub id: PostingId,
    /// How often it has changed.
    pub revision: Revision,
    /// The source's revision.
    pub source_revision: Option<i64>,
    /// Whether it stands.
    pub state: State,
    /// Digest of the content as it was sent.
    pub sent_digest: Uuid,
    /// Digest of the content as it is stored.
    pub content_digest: Uuid,
    /// When it was first stored.
    pub created_at: OffsetDateTime,
    /// The change that holds the content.
    pub body_id: ChangeId,
}

/// What to do with an upsert before its content is even read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glance {
    /// The source sent a newer revision before.
    Stale,
    /// Byte for byte what was sent last; `advance` when only the source's revision moved on.
    Unchanged {
        /// Whether the source's revision must be stored.
        advance: bool,
    },
    /// It must be read.
    Read,
}

/// Looks at an upsert's revision and digest.
#[must_use]
pub fn glance(head: Option<&Head>, sent_digest: Uuid, source_revision: Option<i64>) -> Glance {
    let Some(head) = head else { return Glance::Read };
    if is_stale(head, source_revision) {
        Glance::Stale
    } else if head.state == State::Open && head.sent_digest == sent_digest {
        Glance::Unchanged {
            advance: source_revision.is_some() && source_revision != head.source_revision,
        }
    } else {
        Glance::Read
    }
}

/// Returns whether a change is older than what is stored. Without a revision on either side, the last to arrive wins.
#[must_use]
pub fn is_stale(head: &Head, source_revision: Option<i64>) -> bool {
    matches!((source_revision, head.source_revision), (Some(new), Some(known)) if new < known)
}

/// Returns whether stored and read content are the same and the posting stands, although the bytes differed.
#[must_use]
pub fn is_same(head: &Head, content: &Content) -> bool {
    head.state == State::Open && head.content_digest == content.digest
}

/// What a source closed lately, and how much it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CloseHistory {
    /// Postings that stand.
    pub open: i64,
    /// Closes in the last 24 hours.
    pub last_day: i64,
    /// Closes in the 7 days before that.
    pub week_before: i64,
}

/// A source may close this many a day without being asked.
pub const CLOSES_A_DAY_FREE: i64 = 100;

impl CloseHistory {
    /// Returns how many closes may pass now; those beyond are held. A day's closes pass up to the largest of
    /// [`CLOSES_A_DAY_FREE`], a tenth of what stands, and three times the week's daily mean.
    #[must_use]
    pub fn allowance(self) -> usize {
        let tenth = self.open.saturating_add(self.last_day) / 10;
        let usual = self.week_before.saturating_mul(3) / 7;
        let allowed = CLOSES_A_DAY_FREE.max(tenth).max(usual).saturating_sub(self.last_day);
        usize::try_from(allowed).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;
    use uuid::Uuid;

    use crate::kernel::ids::{ChangeId, PostingId, Revision};
    use crate::postings::domain::{CloseHistory, Glance, Head, State, glance};

    fn head(state: State, source_revision: Option<i64>) -> Head {
        Head {
            id: PostingId(1),
            revision: Revision(3),
            source_revision,
            state,
            sent_digest: Uuid::from_u128(1),
            content_digest: Uuid::from_u128(2),
            created_at: OffsetDateTime::UNIX_EPOCH,
            body_id: ChangeId(1),
        }
    }

    #[test]
    fn an_upsert_is_judged_by_its_revision_and_digest_alone() {
        let check = |stored: Option<Head>, digest: u128, revision, expected| {
            let glance = glance(stored.as_ref(), Uuid::from_u128(digest), revision);
            assert_eq!(glance, expected, "{stored:?} {digest} {revision:?}");
        };
        let unchanged = |advance| Glance::Unchanged { advance };
        check(None, 1, None, Glance::Read);
        check(Some(head(State::Open, Some(5))), 1, Some(4), Glance::Stale);
        check(Some(head(State::Open, Some(5))), 9, Some(4), Glance::Stale);
        check(Some(head(State::Open, Some(5))), 1, Some(5), unchanged(false));
        check(Some(head(State::Open, Some(5))), 1, Some(6), unchanged(true));
        check(Some(head(State::Open, Some(5))), 1, None, unchanged(false));
        check(Some(head(State::Open, None)), 1, Some(1), unchanged(true));
        check(Some(head(State::Open, Some(5))), 9, Some(5), Glance::Read);
        check(Some(head(State::Closed, Some(5))), 1, Some(5), Glance::Read);
        check(Some(head(State::Closed, Some(5))), 1, Some(4), Glance::Stale);
    }

    #[test]
    fn closes_pass_up_to_what_is_usual() {
        let check = |open, last_day, week_before, expected| {
            let history = CloseHistory { open, last_day, week_before };
            assert_eq!(history.allowance(), expected, "{history:?}");
        };
        check(0, 0, 0, 100);
        check(50, 100, 0, 0);
        check(10_000, 0, 0, 1_000);
        check(9_500, 500, 0, 500);
        check(9_000, 1_000, 0, 0);
        check(10_000, 0, 7_000, 3_000);
        check(i64::MAX, i64::MAX, i64::MAX, 0);
    }
}
