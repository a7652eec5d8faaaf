//! The format: SD-JWT (RFC 9901) as SD-JWT VC profiles it, read, verified, issued and presented.
//!
//! Everything here is pure: bytes, keys and an instant go in, a finding comes out. Nothing panics, whatever the bytes are. What is
//! not exactly as the specifications have it is refused, and the [`defect::Defect`] names the check and the clause.
//!
//! A verifier goes this way: [`read::Presented::read`] takes the text apart, [`read::Presented::verify_signature`] holds it against the
//! issuer's key, [`read::Presented::disclose`] puts the disclosed claims where they belong (the hub itself does so without copies), and
//! [`read::Presented::verify_binding`] finds out whether its holder presents it. Whether the issuer is to be believed, the time has
//! come and the status stands is decided elsewhere, from what these say.

pub mod binding;
pub mod bounds;
pub mod chain;
pub mod claims;
pub mod defect;
pub mod disclosure;
pub mod encoding;
pub mod issue;
pub mod json;
pub mod jws;
pub mod key;
pub mod present;
pub mod process;
pub mod read;
pub mod said;
pub mod serialised;

use time::Duration;

/// How far clocks may be apart, for every comparison of a token's time with an instant: issuers', holders' and status lists'. Two
/// seconds fail honest holders; more than a few minutes would let what has expired pass (RFC 7519, section 4.1.4).
pub const CLOCK_SKEW: Duration = Duration::seconds(60);

/// Media type of the issuer-signed part of an SD-JWT VC: its `typ`.
pub const TYP_SD_JWT_VC: &str = "dc+sd-jwt";

/// Media type of a key-binding JWT: its `typ`.
pub const TYP_KEY_BINDING: &str = "kb+jwt";

/// Which rules a token is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile<'a> {
    /// SD-JWT VC (draft 25): `typ` is `dc+sd-jwt`, `vct` is there, and what a verifier decides by is never hidden.
    SdJwtVc,
    /// RFC 9901 alone. With a type, `typ` must be it; without, none is looked at.
    Plain(Option<&'a str>),
}

impl<'a> Profile<'a> {
    /// Returns the `typ` that a token must have, or `None` for any.
    #[must_use]
    pub const fn typ(self) -> Option<&'a str> {
        match self {
            Self::SdJwtVc => Some(TYP_SD_JWT_VC),
            Self::Plain(typ) => typ,
        }
    }
}
