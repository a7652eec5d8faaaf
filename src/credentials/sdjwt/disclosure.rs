//! Disclosures and the digests that stand for them (RFC 9901, section 4.2).

use aws_lc_rs::digest;
use serde_json::Value;

use crate::credentials::sdjwt::defect::{
    DISCLOSURES_FORM, Defect, FORMAT_ENCODING, FORMAT_HASH, FORMAT_JSON, FORMAT_NAMES,
    FORMAT_NESTING,
};
use crate::credentials::sdjwt::encoding;
use crate::credentials::sdjwt::json::{self, JsonFlaw, Object};

/// The member that holds digests of members.
pub(crate) const DIGESTS: &str = "_sd";
/// The one member of an element that stands for another one.
pub(crate) const ELEMENT: &str = "...";
/// The claim that names the hash function.
pub(crate) const HASH: &str = "_sd_alg";

/// Hash functions of digests: SHA-2 with 256 bits and more (IANA, Named Information Hash Algorithm).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashFunction {
    /// SHA-256, also when none is named.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl HashFunction {
    /// Every function that is taken.
    pub const ALL: [Self; 3] = [Self::Sha256, Self::Sha384, Self::Sha512];

    /// Returns its registered name: `_sd_alg`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        }
    }

    /// Reads which one a payload names.
    ///
    /// # Errors
    ///
    /// It is none that is taken.
    pub fn of(payload: &Object) -> Result<Self, Defect> {
        let Some(named) = payload.get(HASH) else { return Ok(Self::Sha256) };
        let found = Self::ALL.into_iter().find(|it| named.as_str() == Some(it.name()));
        found.ok_or_else(|| FORMAT_HASH.failed("_sd_alg is none of sha-256, sha-384 and sha-512"))
    }

    /// Returns the digest of a text, in base64url.
    #[must_use]
    pub fn digest(self, text: &str) -> String {
        let function = match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        };
        encoding::encode(digest::digest(function, text.as_bytes()).as_ref())
    }
}

/// A disclosure, read.
pub(crate) struct Disclosure {
    /// The name of the member; `None` for an element of a list.
    pub(crate) name: Option<String>,
    /// What it says.
    pub(crate) value: Value,
}

impl Disclosure {
    /// Reads a disclosure.
    pub(crate) fn read(text: &str) -> Result<Self, Defect> {
        let bytes = encoding::decode(text)
            .ok_or_else(|| FORMAT_ENCODING.failed("a disclosure is no base64url"))?;
        let items = json::list(&bytes).map_err(|flaw| match flaw {
            JsonFlaw::NameTwice => FORMAT_NAMES.failed("a disclosure has a name twice"),
            JsonFlaw::Nesting => FORMAT_NESTING.failed("a disclosure is nested too deep"),
            JsonFlaw::Grammar => FORMAT_JSON.failed("a disclosure is no JSON"),
            JsonFlaw::Kind => DISCLOSURES_FORM.failed("a disclosure is no list"),
        })?;
        let wrong = |what: &str| DISCLOSURES_FORM.failed(what);
        match <[Value; 3]>::try_from(items) {
            Ok([Value::String(_), Value::String(name), value]) => {
                Ok(Self { name: Some(name), value })
            }
            Ok([Value::String(_), ..]) => Err(wrong("the name of a disclosure is no text")),
            Ok(_) => Err(wrong("the salt of a disclosure is no text")),
            Err(items) => match <[Value; 2]>::try_from(items) {
                Ok([Value::String(_), value]) => Ok(Self { name: None, value }),
                Ok(_) => Err(wrong("the salt of a disclosure is no text")),
                Err(_) => Err(wrong("a disclosure has neither two nor three items")),
            },
        }
    }
}
