//! One type per kind of id.

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type)]
        #[sqlx(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// An organisation with an account.
    ParticipantId
}
id! {
    /// A participant's posting stream.
    SourceId
}
id! {
    /// A numbered series of batches of a source.
    LaneId
}
id! {
    /// A posting.
    PostingId
}
id! {
    /// A row of the change log.
    ChangeId
}
id! {
    /// How many times an entity has changed; the first state is 1.
    Revision
}
id! {
    /// A position of the change feed; positions rise by one.
    Position
}

impl Revision {
    /// The revision of a new entity.
    pub const FIRST: Self = Self(1);

    /// Returns the revision after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}
