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

/// Returns a new id that sorts by time: a UUID of version 7 (RFC 9562) with random bits of the machine. Should the machine give
/// none, the bits stay zero and a constraint refuses the second such id.
#[must_use]
pub fn time_ordered(at: time::OffsetDateTime) -> uuid::Uuid {
    let mut random = [0; 10];
    aws_lc_rs::rand::fill(&mut random).unwrap_or_default();
    let millis = at.unix_timestamp_nanos() / 1_000_000;
    uuid::Builder::from_unix_timestamp_millis(u64::try_from(millis).unwrap_or_default(), &random)
        .into_uuid()
}

id! {
    /// An organisation with an account.
    ParticipantId
}
id! {
    /// A program of a participant that calls the hub.
    SystemId
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

id! {
    /// An issuer of credentials.
    IssuerId
}
id! {
    /// A key of an issuer.
    IssuerKeyId
}
id! {
    /// A version of a credential type.
    CredentialTypeId
}
id! {
    /// A status list.
    StatusListId
}

id! {
    /// Whom a bureau keeps facts of.
    PopulationId
}
id! {
    /// Somebody of a population.
    SubjectId
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
