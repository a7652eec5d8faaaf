//! How a presentation is verified, and by what right.

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;

use crate::credentials::consent::Consent;
use crate::credentials::domain::{ClaimPath, ConsentId};

/// How a presentation is verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Whether the holder must show to be one.
    pub require_binding: bool,
    /// What the proof must have been made for; empty when the nonce is the hub's.
    pub audience: String,
    /// The nonce that the proof must carry; empty when it is the hub's.
    pub nonce: String,
    /// How old the proof may be.
    pub binding_age_max: time::Duration,
    /// How old what is known of the status may be; as old as the list says when absent.
    pub status_age_max: Option<Duration>,
    /// Names of credential types that are taken; all when empty.
    pub type_names: Vec<String>,
    /// As of when; now when absent.
    pub as_of: Option<OffsetDateTime>,
    /// Whether more than the consent covers is refused instead of withheld.
    pub refuse_excess: bool,
    /// Whether the credential is followed from now on.
    pub follow: bool,
    /// Claims that must be told.
    pub required: Vec<ClaimPath>,
}

/// By what right a presentation is looked at, and what for.
#[derive(Clone, PartialEq, Eq)]
pub struct Grounds {
    /// What for; empty when the consent says.
    pub purpose: String,
    /// Which right.
    pub right: Right,
}

/// A right to look at a presentation.
#[derive(Clone, PartialEq, Eq)]
pub enum Right {
    /// The worker's consent.
    Consent(ConsentId),
    /// A law.
    Law(String),
}

/// How the checks of a verdict are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    /// Every check in words.
    Words,
    /// What became of each by a letter, in the order of a list that is told once; in words only those that failed.
    Letters,
}

/// How and by what right presentations are verified.
#[derive(Clone)]
pub struct Asked {
    /// How.
    pub policy: Arc<Policy>,
    /// SHA-256 of the same as it was sent.
    pub policy_sha256: [u8; 32],
    /// By what right, and what for.
    pub grounds: Grounds,
    /// How the checks are told.
    pub telling: Telling,
}

impl Asked {
    /// Returns what for and by what right, as the audit trail has it and the worker reads it.
    #[must_use]
    pub fn reasons(&self, consent: Option<&Consent>) -> (String, String) {
        let basis = match &self.grounds.right {
            Right::Consent(id) => format!("consent: {id}"),
            Right::Law(law) => format!("law: {law}"),
        };
        let consented = consent.map(|it| it.terms.purpose.clone()).unwrap_or_default();
        let own = &self.grounds.purpose;
        (if own.is_empty() { consented } else { own.clone() }, basis)
    }
}
