//! Disclosures and the digests that stand for them (RFC 9901, section 4.2).

use crate::credentials::sdjwt::defect::{
    DISCLOSURES_FORM, Defect, FORMAT_ENCODING, FORMAT_HASH, FORMAT_JSON, FORMAT_NAMES,
    FORMAT_NESTING,
};
use crate::credentials::sdjwt::encoding;
use crate::credentials::sdjwt::json::{Document, JsonFlaw, View};
use aws_lc_rs::digest;

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
    pub(crate) fn of(payload: View<'_>) -> Result<Self, Defect> {
        let Some(named) = payload.get(HASH) else { return Ok(Self::Sha256) };
        let found = Self::ALL.into_iter().find(|it| named.as_text() == Some(it.name()));
        found.ok_or_else(|| FORMAT_HASH.failed("_sd_alg is none of sha-256, sha-384 and sha-512"))
    }

    const fn function(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }

    /// Returns the digest of a text, in base64url.
    #[must_use]
    pub fn digest(self, text: &str) -> String {
        encoding::encode(digest::digest(self.function(), text.as_bytes()).as_ref())
    }

    /// Returns the digests of texts, one after the other, each with as many letters as the others.
    pub(crate) fn digests<'a>(self, texts: impl ExactSizeIterator<Item = &'a str>) -> Digests {
        let letters = (self.function().output_len() * 8).div_ceil(6);
        let mut all = String::with_capacity(texts.len().saturating_mul(letters));
        for text in texts {
            let digest = digest::digest(self.function(), text.as_bytes());
            encoding::encode_onto(digest.as_ref(), &mut all);
        }
        Digests { all, letters }
    }
}

/// Digests of texts, in their order.
pub(crate) struct Digests {
    all: String,
    letters: usize,
}

impl Digests {
    /// Returns each.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        let starts = (0..self.all.len()).step_by(self.letters);
        starts.filter_map(|start| self.all.get(start..start.checked_add(self.letters)?))
    }
}

/// A disclosure, whose form is sound.
pub(crate) struct Disclosure {
    items: Document,
}

impl Disclosure {
    /// Reads a disclosure.
    pub(crate) fn read(text: &str) -> Result<Self, Defect> {
        let bytes = encoding::decode(text)
            .ok_or_else(|| FORMAT_ENCODING.failed("a disclosure is no base64url"))?;
        let document = Document::read(bytes).map_err(|flaw| match flaw {
            JsonFlaw::NameTwice => FORMAT_NAMES.failed("a disclosure has a name twice"),
            JsonFlaw::Nesting => FORMAT_NESTING.failed("a disclosure is nested too deep"),
            JsonFlaw::Grammar | JsonFlaw::Kind => FORMAT_JSON.failed("a disclosure is no JSON"),
        })?;
        let wrong = |what: &str| DISCLOSURES_FORM.failed(what);
        let mut items = document.root().items().ok_or_else(|| wrong("a disclosure is no list"))?;
        let count = items.len();
        if !(2..=3).contains(&count) {
            return Err(wrong("a disclosure has neither two nor three items"));
        }
        if items.next().and_then(View::as_text).is_none() {
            return Err(wrong("the salt of a disclosure is no text"));
        }
        if count == 3 && items.next().and_then(View::as_text).is_none() {
            return Err(wrong("the name of a disclosure is no text"));
        }
        drop(items);
        Ok(Self { items: document })
    }

    /// Returns the name of the member, and what it says; `None` for an element of a list.
    pub(crate) fn member(&self) -> Option<(&str, View<'_>)> {
        let mut items = self.items.root().items().filter(|it| it.len() == 3)?.skip(1);
        Some((items.next()?.as_text()?, items.next()?))
    }

    /// Returns what the element says; `None` for a member of an object.
    pub(crate) fn element(&self) -> Option<View<'_>> {
        self.items.root().items().filter(|it| it.len() == 2)?.nth(1)
    }
}
