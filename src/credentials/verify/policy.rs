//! How a presentation is verified, and by what right.

use std::time::Duration;

use time::OffsetDateTime;

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
    pub binding_age_max: Duration,
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
