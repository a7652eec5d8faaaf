//! What is found out about a presentation.

use time::OffsetDateTime;

use crate::credentials::domain::{ClaimPath, Outcome, Status};
use crate::credentials::sdjwt::claims::Times;
use crate::credentials::status::look::{Look, Place};
use crate::credentials::verify::check::Ledger;
use crate::kernel::ids::IssuerId;

/// What is found out about a presentation.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// What became of every check.
    pub ledger: Ledger,
    /// SHA-256 of the issuer-signed part; absent when there is none that could be read.
    pub digest: Option<[u8; 32]>,
    /// `iss`.
    pub issuer: String,
    /// Short name of the issuer on this hub.
    pub issuer_name: String,
    /// Id of the key that signed it.
    pub key_id: String,
    /// `vct`.
    pub vct: String,
    /// Name of the type on this hub.
    pub type_name: String,
    /// Its version.
    pub type_version: i32,
    /// The times that it says.
    pub times: Times,
    /// What it says and the grounds cover; absent when nothing is told.
    pub told: Option<Told>,
    /// What was disclosed and is not told.
    pub withheld: Vec<ClaimPath>,
    /// Where the status stands, and how it was looked up.
    pub status: Option<StatusSeen>,
    /// Whether the holder has shown to be one.
    pub is_bound: bool,
    /// Thumbprint of the key that it is bound to.
    pub holder_key: Option<[u8; 32]>,
}

impl Verdict {
    /// Returns a verdict before anything was checked.
    #[must_use]
    pub fn new() -> Self {
        Self {
            ledger: Ledger::default(),
            digest: None,
            issuer: String::new(),
            issuer_name: String::new(),
            key_id: String::new(),
            vct: String::new(),
            type_name: String::new(),
            type_version: 0,
            times: Times::default(),
            told: None,
            withheld: Vec::new(),
            status: None,
            is_bound: false,
            holder_key: None,
        }
    }

    /// Returns the one word.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.ledger.outcome()
    }

    /// Returns how it stands, if that is known.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        match self.status.as_ref()?.look {
            Look::Known(finding) => Some(finding.status),
            Look::OutOfRange | Look::Unavailable { .. } => None,
        }
    }

    /// Returns as of when the status is known.
    #[must_use]
    pub fn status_as_of(&self) -> Option<OffsetDateTime> {
        match self.status.as_ref()?.look {
            Look::Known(finding) => Some(finding.as_of),
            Look::OutOfRange | Look::Unavailable { .. } => None,
        }
    }
}

impl Default for Verdict {
    fn default() -> Self {
        Self::new()
    }
}

/// Returns whether a presentation with this outcome is told about: it is what it seems to be, whether or not it counts now.
#[must_use]
pub const fn tells(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Malformed
        | Outcome::UntrustedIssuer
        | Outcome::BadSignature
        | Outcome::BadBinding
        | Outcome::OutOfScope => false,
        Outcome::NotYetValid
        | Outcome::Expired
        | Outcome::Revoked
        | Outcome::Suspended
        | Outcome::StatusUnavailable
        | Outcome::StatusStale
        | Outcome::Valid => true,
    }
}

/// What is told of a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// `sub`, if it is a text; empty without.
    pub subject: String,
    /// The claims, as a JSON object.
    pub claims_json: String,
}

/// Where the status of a credential stands, and what the look-up found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusSeen {
    /// Issuer of the credential.
    pub issuer: IssuerId,
    /// Whose keys may sign the list.
    pub signer: Option<IssuerId>,
    /// Which list.
    pub uri: String,
    /// Which entry.
    pub index: u64,
    /// What was found.
    pub look: Look,
}

impl StatusSeen {
    /// Returns where it stands.
    #[must_use]
    pub fn place(&self) -> Place<'_> {
        Place { issuer: self.issuer, signer: self.signer, uri: &self.uri, index: self.index }
    }
}

/// Why a presentation is not looked at, although it can be read: the grounds do not cover it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beyond {
    /// The consent does not hold for this.
    NotGiven(&'static str),
    /// More is presented than the consent covers, and the caller refuses that.
    Claims,
}

/// What becomes of a presentation.
#[derive(Clone, Debug)]
pub struct Examined {
    /// What was found out.
    pub verdict: Box<Verdict>,
    /// Whether its signature was verified before; absent when it came to none.
    pub was_remembered: Option<bool>,
    /// Why it is not told.
    pub beyond: Option<Beyond>,
    /// Whether the holder has signed the consent's terms with it.
    pub has_signed_terms: bool,
}
