//! What the registry decides: whether a key, an accreditation or a status list of an issuer counts.
//!
//! Periods are half open. When one begins, the machine that signed may have been behind by [`CLOCK_SKEW`], and times in credentials
//! are whole seconds; when one ends, it ends.

use std::sync::Arc;

use time::OffsetDateTime;

use crate::codes::divisions::{self, Division};
use crate::codes::occupations;
use crate::credentials::domain::Algorithm;
use crate::credentials::registry::entry::{
    Accreditation, Holding, Issuer, IssuerKey, KeyUse, StatusSigner,
};
use crate::credentials::sdjwt::CLOCK_SKEW;

/// Something that was signed.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// Which key it names; `None` when it names none.
    pub key_id: Option<&'a str>,
    /// By which algorithm.
    pub algorithm: Algorithm,
    /// What it is.
    pub key_use: KeyUse,
    /// When, by its own word: `iat`; now when it says nothing.
    pub at: OffsetDateTime,
    /// Since when the hub can prove that it was there; `None` when it is new to the hub.
    pub known_since: Option<OffsetDateTime>,
}

/// Why no key of the issuer can be believed to have signed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyRefusal {
    /// The issuer has no such key.
    Unknown,
    /// The key is of another algorithm, or signs other things.
    Unfit,
    /// The key signs only later.
    NotYet,
    /// The key signed no more.
    Retired,
    /// Somebody else may have had the key, and the hub did not know what was signed before that.
    Compromised,
    /// No key is named, and several could be meant.
    Ambiguous,
    /// The certificates do not lead to an authority of the issuer, or do not name the issuer.
    Chain,
}

impl KeyRefusal {
    /// Returns it in words that follow "the key".
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Unknown => "is none of the issuer's",
            Self::Unfit => "is of another algorithm or for another use",
            Self::NotYet => "was not in use yet",
            Self::Retired => "was retired",
            Self::Compromised => "was in wrong hands, and this was not known to the hub before",
            Self::Ambiguous => "is not named, and the issuer has several",
            Self::Chain => {
                "has no chain of certificates from an authority of the issuer to its name"
            }
        }
    }
}

/// Why an issuer was not accredited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ScopeRefusal {
    /// Never for this type.
    Type,
    /// Not at this time.
    Time,
    /// Not for this occupation.
    Occupation,
    /// Not in this division.
    Division,
}

/// What a credential is about, as far as accreditations go.
#[derive(Clone, Debug, Default)]
pub struct Subject {
    /// The occupation and all above it, as tokens; empty when there is none that is known.
    occupations: Vec<String>,
    /// The division.
    division: Option<&'static Division>,
}

impl Subject {
    /// Returns the subject with some codes, each of which may be absent. A code that nobody knows lies in no accreditation that
    /// names any.
    #[must_use]
    pub fn of_codes(
        occupation: Option<(occupations::Scheme, &str)>,
        division: Option<&str>,
    ) -> Self {
        Self {
            occupations: occupation
                .map(|(scheme, code)| occupation_path(scheme, code))
                .unwrap_or_default(),
            division: division.and_then(division_of),
        }
    }
}

/// Returns the tokens of an occupation and all above it.
#[must_use]
pub fn occupation_path(scheme: occupations::Scheme, code: &str) -> Vec<String> {
    let token = |code: &str| format!("{}:{code}", scheme.id());
    match occupations::resolve(scheme, code) {
        occupations::Resolution::Known(found) => {
            found.ancestors().map(|it| token(it.code())).collect()
        }
        occupations::Resolution::Carried => vec![token(code.trim())],
        occupations::Resolution::Unknown { .. } => Vec::new(),
    }
}

/// Returns the token of an occupation with all below it; `None` when the code is unknown.
#[must_use]
pub fn occupation_token(scheme: occupations::Scheme, code: &str) -> Option<String> {
    occupation_path(scheme, code).into_iter().next()
}

/// Returns the division with a code of either list, retired ones as what became of them.
#[must_use]
pub fn division_of(code: &str) -> Option<&'static Division> {
    let is_gb = code.len() == 6 && code.bytes().all(|it| it.is_ascii_digit());
    let scheme = if is_gb { divisions::Scheme::GbT2260 } else { divisions::Scheme::Iso3166_2 };
    divisions::resolve(scheme, code).division()
}

impl IssuerKey {
    /// Returns whether the key can have signed at an instant what the hub knows since another.
    ///
    /// # Errors
    ///
    /// Why it cannot.
    pub fn counts(
        &self,
        at: OffsetDateTime,
        known_since: Option<OffsetDateTime>,
    ) -> Result<(), KeyRefusal> {
        if let Some(compromised_at) = self.compromised_at
            && known_since.is_none_or(|known_since| known_since >= compromised_at)
        {
            return Err(KeyRefusal::Compromised);
        }
        if at.saturating_add(CLOCK_SKEW) < self.valid_from {
            return Err(KeyRefusal::NotYet);
        }
        if self.retired_at.is_some_and(|retired_at| at >= retired_at) {
            return Err(KeyRefusal::Retired);
        }
        Ok(())
    }

    /// Returns whether the key signs such a thing, whenever.
    fn fits(&self, signed: &Signed<'_>) -> bool {
        self.algorithm == Some(signed.algorithm) && self.key_use.serves(signed.key_use)
    }
}

impl Issuer {
    /// Returns the key that signed something.
    ///
    /// # Errors
    ///
    /// No key can be believed to have done so.
    pub fn key_for(&self, signed: &Signed<'_>) -> Result<&Arc<IssuerKey>, KeyRefusal> {
        let counts = |key: &IssuerKey| key.counts(signed.at, signed.known_since);
        let mut own = self.keys.iter().filter(|key| key.holding != Holding::Authority);
        if let Some(key_id) = signed.key_id {
            let key = own.find(|key| key.key_id == key_id).ok_or(KeyRefusal::Unknown)?;
            let is_fit = key.fits(signed).then_some(()).ok_or(KeyRefusal::Unfit);
            return is_fit.and_then(|()| counts(key)).map(|()| key);
        }
        let fitting: Vec<_> = own.filter(|key| key.fits(signed)).collect();
        let mut good = fitting.iter().filter(|key| counts(key).is_ok());
        match (good.next(), good.next(), fitting.as_slice()) {
            (Some(key), None, _) => Ok(key),
            (Some(_), Some(_), _) => Err(KeyRefusal::Ambiguous),
            (None, _, [key]) => counts(key).map(|()| *key),
            (None, ..) => Err(KeyRefusal::Unknown),
        }
    }

    /// Returns the key with an id, whether or not it counts.
    #[must_use]
    pub fn key(&self, key_id: &str) -> Option<&Arc<IssuerKey>> {
        self.keys.iter().find(|key| key.key_id == key_id)
    }

    /// Returns the newest key that the hub holds and signs with now.
    #[must_use]
    pub fn signing_key(&self, key_use: KeyUse, now: OffsetDateTime) -> Option<&Arc<IssuerKey>> {
        self.keys.iter().find(|key| {
            key.held.is_some()
                && key.key_use.serves(key_use)
                && key.valid_from <= now
                && key.counts(now, None).is_ok()
        })
    }

    /// Returns the accreditation by which it may issue, or might when it did, credentials of a type about a subject.
    ///
    /// # Errors
    ///
    /// None: which came nearest.
    pub fn accreditation(
        &self,
        type_name: &str,
        subject: &Subject,
        at: OffsetDateTime,
    ) -> Result<&Arc<Accreditation>, ScopeRefusal> {
        let mut refusal = ScopeRefusal::Type;
        for accreditation in self.accreditations.iter().filter(|it| it.type_name == type_name) {
            match accreditation.admits(subject, at) {
                Ok(()) => return Ok(accreditation),
                Err(why) => refusal = refusal.max(why),
            }
        }
        Err(refusal)
    }

    /// Returns who signs the status list at an address; `None` when no list of this issuer's credentials comes from there.
    #[must_use]
    pub fn status_signer(&self, uri: &str) -> Option<&StatusSigner> {
        if leads_elsewhere(uri) {
            return None;
        }
        let fitting = self.status_signers.iter().filter(|it| uri.starts_with(&it.uri_prefix));
        fitting.max_by_key(|it| it.uri_prefix.len())
    }
}

/// Returns whether an address has steps that lead out of what it begins with.
fn leads_elsewhere(uri: &str) -> bool {
    let mut steps = uri.split(['/', '\\', '?', '#']);
    steps.any(|step| {
        let rest = after_dot(step);
        rest.is_some_and(|rest| rest.is_empty() || after_dot(rest).is_some_and(str::is_empty))
    })
}

/// Returns what follows a dot, also one that is written by its number.
fn after_dot(step: &str) -> Option<&str> {
    step.strip_prefix('.').or_else(|| {
        let (dot, rest) = step.split_at_checked(3)?;
        dot.eq_ignore_ascii_case("%2e").then_some(rest)
    })
}

impl Accreditation {
    /// Returns whether it holds at an instant.
    #[must_use]
    pub fn holds(&self, at: OffsetDateTime) -> bool {
        at.saturating_add(CLOCK_SKEW) >= self.valid_from
            && self.valid_until.is_none_or(|until| at < until)
            && self.withdrawn_at.is_none_or(|withdrawn_at| at < withdrawn_at)
    }

    fn admits(&self, subject: &Subject, at: OffsetDateTime) -> Result<(), ScopeRefusal> {
        if !self.holds(at) {
            return Err(ScopeRefusal::Time);
        }
        let is_of = |token: &String| subject.occupations.contains(token);
        if !self.occupations.is_empty() && !self.occupations.iter().any(is_of) {
            return Err(ScopeRefusal::Occupation);
        }
        let lies_in = |own: &&Division| subject.division.is_some_and(|it| it.lies_within(own));
        if !self.divisions.is_empty() && !self.divisions.iter().any(lies_in) {
            return Err(ScopeRefusal::Division);
        }
        Ok(())
    }
}
