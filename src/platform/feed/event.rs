//! An event of the feed as readers get it, and the facets by which they choose.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use bytes::Bytes;
use time::OffsetDateTime;

use crate::kernel::ids::Position;

/// What an entity can be found by: a set of tokens such as `d:330106`, kept as hashes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FacetSet(Box<[u64]>);

impl FacetSet {
    /// Returns the set of some tokens.
    #[must_use]
    pub fn new<'a>(tokens: impl IntoIterator<Item = &'a str>) -> Self {
        let mut hashes: Vec<u64> = tokens.into_iter().map(hash).collect();
        hashes.sort_unstable();
        Self(hashes.into_boxed_slice())
    }

    fn contains(&self, hash: u64) -> bool {
        self.0.binary_search(&hash).is_ok()
    }
}

/// Which entities: each group must be met by at least one of its tokens.
#[derive(Clone, Debug, Default)]
pub struct FacetFilter {
    groups: Vec<Vec<u64>>,
    tokens: Vec<Vec<String>>,
}

impl FacetFilter {
    /// Adds a group. An empty group is met by nothing.
    #[must_use]
    pub fn and_any_of(mut self, tokens: Vec<String>) -> Self {
        self.groups.push(tokens.iter().map(|token| hash(token)).collect());
        self.tokens.push(tokens);
        self
    }

    /// Returns whether an entity with these facets is meant.
    #[must_use]
    pub fn matches(&self, facets: &FacetSet) -> bool {
        self.groups.iter().all(|group| group.iter().any(|token| facets.contains(*token)))
    }

    /// Returns the groups as tokens, for SQL.
    #[must_use]
    pub fn groups(&self) -> &[Vec<String>] {
        &self.tokens
    }
}

fn hash(token: &str) -> u64 {
    // Keys are fixed within a process; 64 bits over some thousand tokens do not collide in practice, and storage is
    // always asked with the tokens themselves.
    let mut hasher = DefaultHasher::new();
    token.hash(&mut hasher);
    hasher.finish()
}

/// What kind of entity an event is about: `change_log.topic`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// A posting.
    Posting,
    /// The status of a credential.
    CredentialStatus,
    /// An application for a subsidy.
    Application,
}

impl Topic {
    /// Returns the number that stands in the database.
    #[must_use]
    pub const fn number(self) -> i16 {
        match self {
            Self::Posting => 1,
            Self::CredentialStatus => 2,
            Self::Application => 3,
        }
    }

    /// Returns the topic with a number; `None` for one that a newer binary has written.
    #[must_use]
    pub const fn of_number(number: i16) -> Option<Self> {
        match number {
            1 => Some(Self::Posting),
            2 => Some(Self::CredentialStatus),
            3 => Some(Self::Application),
            _ => None,
        }
    }
}

/// What happened to one entity.
#[derive(Clone, Debug)]
pub struct Event {
    /// Where it stands in the feed.
    pub position: Position,
    /// What kind of entity it is about; `None` for a kind that this binary does not know.
    pub topic: Option<Topic>,
    /// Number of the entity in its exchange.
    pub entity: i64,
    /// Resume token for this position.
    pub cursor: Bytes,
    /// When it was written.
    pub at: OffsetDateTime,
    /// The entity's record without its content, encoded.
    pub header: Bytes,
    /// The content, encoded; absent when this change did not touch it.
    pub body: Option<Bytes>,
    /// Facets before; empty when the entity is new.
    pub before: Arc<FacetSet>,
    /// Facets after.
    pub after: Arc<FacetSet>,
    /// The trace that the change belongs to, if it is sampled.
    pub trace: Option<Box<str>>,
}

/// What an event means for a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// It did not match before and matches now.
    Entered,
    /// It matched before and matches still.
    Changed,
    /// It matched before and does not match any more.
    Left,
}

impl Event {
    /// Returns what the event means for a filter; `None` when it is none of its business.
    #[must_use]
    pub fn meaning(&self, filter: &FacetFilter) -> Option<Meaning> {
        match (filter.matches(&self.before), filter.matches(&self.after)) {
            (false, true) => Some(Meaning::Entered),
            (true, true) => Some(Meaning::Changed),
            (true, false) => Some(Meaning::Left),
            (false, false) => None,
        }
    }

    /// Returns roughly how much memory it holds, in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.header.len() + self.body.as_ref().map_or(0, Bytes::len) + 512
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use time::OffsetDateTime;

    use crate::kernel::ids::Position;
    use crate::platform::feed::event::{Event, FacetFilter, FacetSet, Meaning, Topic};

    fn check(before: &[&str], after: &[&str], expected: Option<Meaning>) {
        let filter = FacetFilter::default()
            .and_any_of(vec!["d:330000".into(), "d:110000".into()])
            .and_any_of(vec!["x:open".into()]);
        let event = Event {
            position: Position(1),
            topic: Some(Topic::Posting),
            entity: 1,
            cursor: Bytes::new(),
            at: OffsetDateTime::UNIX_EPOCH,
            header: Bytes::new(),
            body: None,
            before: Arc::new(FacetSet::new(before.iter().copied())),
            after: Arc::new(FacetSet::new(after.iter().copied())),
            trace: None,
        };
        assert_eq!(event.meaning(&filter), expected, "{before:?} → {after:?}");
    }

    #[test]
    fn a_filter_sees_what_enters_changes_and_leaves_it() {
        check(&[], &["d:330000", "x:open"], Some(Meaning::Entered));
        check(&["d:330000", "x:open"], &["d:110000", "x:open"], Some(Meaning::Changed));
        check(&["d:330000", "x:open"], &["d:440000", "x:open"], Some(Meaning::Left));
        check(&["d:330000", "x:open"], &["d:330000", "x:closed"], Some(Meaning::Left));
        check(&["d:440000", "x:open"], &["d:440000", "x:closed"], None);
        check(&[], &["d:330000", "x:closed"], None);
    }

    #[test]
    fn an_empty_group_is_met_by_nothing() {
        let filter = FacetFilter::default().and_any_of(Vec::new());
        assert!(!filter.matches(&FacetSet::new(["x:open"])));
    }
}
