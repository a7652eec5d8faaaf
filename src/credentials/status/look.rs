//! What is known of the status of a credential.

use std::fmt;
use std::time::Duration;

use time::OffsetDateTime;

use crate::credentials::domain::Status;
use crate::credentials::registry::entry::Issuer;
use crate::kernel::ids::IssuerId;

/// Where a credential says that its status stands, and who may say how it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// Issuer of the credential.
    pub issuer: IssuerId,
    /// Whose keys may sign the list by the trust registry; `None` when nobody is registered for this address.
    pub signer: Option<IssuerId>,
    /// `uri`.
    pub uri: &'a str,
    /// `idx`.
    pub index: u64,
}

impl<'a> Place<'a> {
    /// Returns the place that a credential of an issuer names; the registry says who may sign the list.
    #[must_use]
    pub fn of(issuer: &Issuer, uri: &'a str, index: u64) -> Self {
        let signer = issuer.status_signer(uri).map(|it| it.signer);
        Self { issuer: issuer.id, signer, uri, index }
    }
}

/// What a look-up found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// How it stands.
    Known(Finding),
    /// The list is there and has no such place.
    OutOfRange,
    /// It cannot be found out.
    Unavailable {
        /// Why.
        why: Why,
    },
}

/// How a credential stands, and how much can be given on that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How it stands.
    pub status: Status,
    /// As of when: a list that the hub keeps, when it was last seen that nothing newer was there; one that is kept elsewhere, when it
    /// was signed.
    pub as_of: OffsetDateTime,
    /// Until when that may be taken for the present, by the list's own words; `None` when it says nothing.
    pub fresh_until: Option<OffsetDateTime>,
    /// Whether the hub keeps the list itself.
    pub kept_here: bool,
}

impl Finding {
    /// Returns whether it is older than what is taken: than `age_max`, or, without it, than the list itself says.
    #[must_use]
    pub fn is_stale(&self, now: OffsetDateTime, age_max: Option<Duration>) -> bool {
        match age_max {
            Some(age_max) => now - self.as_of > age_max,
            None => self.fresh_until.is_some_and(|until| now > until),
        }
    }
}

/// Why the status of a credential cannot be found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Nobody is registered to sign lists at this address for this issuer.
    NobodySigns,
    /// The list belongs to another issuer.
    ForeignList,
    /// The hub keeps no such list.
    NoSuchList,
    /// The list is on its way.
    OnItsWay,
    /// The list could not be had so far.
    NotHad,
    /// The list's own time is over, and no newer one could be had.
    Over,
    /// The entry has a value that the hub knows no meaning of.
    UnknownValue,
    /// The hub knew nothing of the list at that time.
    NotKnownThen,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NobodySigns => "nobody is registered to sign status lists at this address",
            Self::ForeignList => "the status list belongs to another issuer",
            Self::NoSuchList => "the hub keeps no such status list",
            Self::OnItsWay => "the status list is not here yet",
            Self::NotHad => "the status list could not be had",
            Self::Over => "the status list's own time is over and no newer one could be had",
            Self::UnknownValue => "the entry has a value without a meaning",
            Self::NotKnownThen => "the hub had no such status list then",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use time::OffsetDateTime;

    use crate::credentials::domain::Status;
    use crate::credentials::status::look::Finding;

    #[test]
    fn a_finding_is_as_fresh_as_the_caller_asks_or_the_list_says() {
        let as_of = OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap();
        let check = |seconds: u64, fresh_s: Option<u64>, age_max_s: Option<u64>, expected| {
            let fresh_until = fresh_s.map(|it| as_of + Duration::from_secs(it));
            let finding = Finding { status: Status::Valid, as_of, fresh_until, kept_here: true };
            let now = as_of + Duration::from_secs(seconds);
            let stale = finding.is_stale(now, age_max_s.map(Duration::from_secs));
            assert_eq!(stale, expected, "{seconds} {fresh_s:?} {age_max_s:?}");
        };
        check(60, Some(60), None, false);
        check(61, Some(60), None, true);
        check(1_000_000, None, None, false);
        check(10, Some(60), Some(10), false);
        check(11, Some(60), Some(10), true);
        check(61, Some(60), Some(3_600), false);
    }
}
