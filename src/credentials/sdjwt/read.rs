//! A presentation, taken apart (RFC 9901, sections 4 and 7.1 (1) and (2)).

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::OnceLock;

use aws_lc_rs::digest;
use serde_json::Value;

use crate::credentials::sdjwt::binding::{self, Binding, BindingPolicy};
use crate::credentials::sdjwt::bounds::{DISCLOSURES_MAX, TEXT_BYTES_MAX};
use crate::credentials::sdjwt::claims::{self, Times};
use crate::credentials::sdjwt::defect::{
    BINDING_ABSENT, DISCLOSURES_COUNT, Defect, FORMAT_ALGORITHM, FORMAT_CRITICAL, FORMAT_ENCODING,
    FORMAT_HEADER, FORMAT_JSON, FORMAT_NAMES, FORMAT_NESTING, FORMAT_PARTS, FORMAT_SIZE,
    FORMAT_TYPE, SIGNATURE_ALGORITHM, SIGNATURE_ISSUER,
};
use crate::credentials::sdjwt::disclosure::HashFunction;
use crate::credentials::sdjwt::encoding;
use crate::credentials::sdjwt::json::{Document, JsonFlaw, Object, View};
use crate::credentials::sdjwt::jws::{Flaw, Header};
use crate::credentials::sdjwt::key::PublicKey;
use crate::credentials::sdjwt::process::{self, Disclosed, Opened};
use crate::credentials::sdjwt::said::Said;
use crate::credentials::sdjwt::{Profile, serialised};

/// A presentation whose form is sound. What it says is not to be believed before its signature was verified.
pub struct Presented<'a> {
    parts: Parts<'a>,
    profile: Profile<'a>,
    header: Header,
    payload: Document,
    /// The payload as whoever asks for it gets it.
    payload_object: OnceLock<Object>,
    signature: Vec<u8>,
    hash: HashFunction,
}

/// Where the parts of a text begin and end. The text is that of the compact serialisation.
pub(crate) struct Parts<'a> {
    text: Cow<'a, str>,
    /// Header and payload.
    signing_end: usize,
    /// Header, payload and signature.
    signed_end: usize,
    disclosures: Vec<Range<usize>>,
    /// All of it without the key binding, with the last tilde.
    bound_end: usize,
}

impl<'a> Parts<'a> {
    /// Separates a compact text: the issuer-signed JWT, disclosures, and a key binding or nothing after the last tilde.
    fn separate(text: Cow<'a, str>) -> Result<Self, Defect> {
        let wrong = |what: &str| FORMAT_PARTS.failed(what);
        let Some(signed_end) = memchr::memchr(b'~', text.as_bytes()) else {
            return Err(wrong("no tilde follows the issuer-signed JWT"));
        };
        let signed = text.get(..signed_end).unwrap_or_default();
        let Some(signing_end) = end_of_second(signed) else {
            return Err(wrong("the issuer-signed JWT has not three parts"));
        };
        let bound_end = text.rfind('~').map_or(signed_end, |it| it.saturating_add(1));
        let mut disclosures = Vec::new();
        let mut start = signed_end.saturating_add(1);
        while start < bound_end {
            let rest = text.get(start..bound_end).unwrap_or_default();
            let end = start.saturating_add(rest.find('~').unwrap_or(rest.len()));
            if end == start {
                return Err(wrong("there is nothing between two tildes"));
            }
            if disclosures.len() == DISCLOSURES_MAX {
                return Err(DISCLOSURES_COUNT.failed("there are more disclosures than are taken"));
            }
            disclosures.push(start..end);
            start = end.saturating_add(1);
        }
        let binding = text.get(bound_end..).unwrap_or_default();
        if !binding.is_empty() && end_of_second(binding).is_none() {
            return Err(wrong("what follows the last tilde is no key binding"));
        }
        Ok(Self { text, signing_end, signed_end, disclosures, bound_end })
    }

    fn part(&self, range: Range<usize>) -> &str {
        self.text.get(range).unwrap_or_default()
    }

    pub(crate) fn disclosures(&self) -> impl ExactSizeIterator<Item = &str> {
        self.disclosures.iter().map(|it| self.part(it.clone()))
    }

    /// All that a key binding binds.
    pub(crate) fn bound(&self) -> &str {
        self.part(0..self.bound_end)
    }

    fn signing_input(&self) -> &str {
        self.part(0..self.signing_end)
    }

    pub(crate) fn signed(&self) -> &str {
        self.part(0..self.signed_end)
    }

    fn binding(&self) -> Option<&str> {
        self.text.get(self.bound_end..).filter(|it| !it.is_empty())
    }
}

/// Returns the issuer-signed JWT of a compact text, and what follows its tilde.
#[must_use]
pub fn split_signed(text: &str) -> Option<(&str, &str)> {
    let end = memchr::memchr(b'~', text.as_bytes())?;
    Some((text.get(..end)?, text.get(end.saturating_add(1)..)?))
}

/// Returns where the second of exactly three parts with dots between them ends.
fn end_of_second(jws: &str) -> Option<usize> {
    let (second_end, first_end) = (jws.rfind('.')?, jws.find('.')?);
    let second = jws.get(first_end.saturating_add(1)..second_end)?;
    if second.contains('.') { None } else { Some(second_end) }
}

impl<'a> Presented<'a> {
    /// Takes an SD-JWT VC apart, in the compact or the JSON serialisation, with or without key binding.
    ///
    /// # Errors
    ///
    /// Its form is not sound.
    pub fn read(text: &'a str) -> Result<Self, Defect> {
        Self::read_as(text, Profile::SdJwtVc)
    }

    /// Takes an SD-JWT apart by the rules of a profile.
    ///
    /// # Errors
    ///
    /// Its form is not sound.
    pub fn read_as(text: &'a str, profile: Profile<'a>) -> Result<Self, Defect> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(FORMAT_SIZE.failed("it is larger than is taken"));
        }
        let (text, unprotected) = if text.trim_ascii_start().starts_with('{') {
            let (text, unprotected) = serialised::to_compact(text)?;
            (Cow::Owned(text), unprotected)
        } else {
            (Cow::Borrowed(text), Object::new())
        };
        let parts = Parts::separate(text)?;
        let (header, payload) = parts.signing_input().split_once('.').unwrap_or_default();
        let header = bytes(header, "the header").and_then(|it| object(it, "the header"))?;
        serialised::check_disjoint(header.root(), &unprotected)?;
        let mut header = Header::read(header.root()).map_err(of_header)?;
        if profile.typ().is_some_and(|typ| header.typ.as_deref() != Some(typ)) {
            return Err(FORMAT_TYPE.failed("typ is another one"));
        }
        if header.kid.is_none() {
            header.kid = unprotected.get("kid").and_then(Value::as_str).map(ToOwned::to_owned);
        }
        let payload = bytes(payload, "the payload").and_then(|it| object(it, "the payload"))?;
        let signature = parts.part(parts.signing_end.saturating_add(1)..parts.signed_end);
        let signature = bytes(signature, "the signature")?;
        let hash = HashFunction::of(payload.root())?;
        claims::check_names(payload.root(), profile)?;
        let payload_object = OnceLock::new();
        Ok(Self { parts, profile, header, payload, payload_object, signature, hash })
    }

    /// Returns what the header says.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Returns by whose rules it was read.
    #[must_use]
    pub const fn profile(&self) -> Profile<'a> {
        self.profile
    }

    /// Returns `iss`.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.payload.root().get("iss").and_then(View::as_text)
    }

    /// Returns `vct`.
    #[must_use]
    pub fn vct(&self) -> Option<&str> {
        self.payload.root().get("vct").and_then(View::as_text)
    }

    /// Returns the times that are not hidden.
    ///
    /// # Errors
    ///
    /// One of them is no time.
    pub fn times(&self) -> Result<Times, Defect> {
        claims::open_times(self.payload.root())
    }

    /// Returns the payload as it was signed: with digests, and without what disclosures say.
    #[must_use]
    pub fn payload(&self) -> &Object {
        self.payload_object.get_or_init(|| match self.payload.root().to_value() {
            Value::Object(object) => object,
            _ => Object::new(),
        })
    }

    /// Returns the disclosures that came with it, as texts.
    #[must_use]
    pub fn disclosures(&self) -> impl ExactSizeIterator<Item = &str> {
        self.parts.disclosures()
    }

    /// Returns the issuer-signed JWT, as a text.
    #[must_use]
    pub fn signed(&self) -> &str {
        self.parts.signed()
    }

    /// Returns everything but the key binding in the compact serialisation, with the last tilde.
    #[must_use]
    pub fn without_binding(&self) -> &str {
        self.parts.bound()
    }

    /// Returns the key binding, as a text.
    #[must_use]
    pub fn binding(&self) -> Option<&str> {
        self.parts.binding()
    }

    /// Returns the function that its digests are made by.
    #[must_use]
    pub const fn hash(&self) -> HashFunction {
        self.hash
    }

    /// Returns the SHA-256 of the issuer-signed JWT: names the credential, whatever of it is disclosed.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let digest = digest::digest(&digest::SHA256, self.parts.signed().as_bytes());
        // SHA-256 has 32 bytes.
        digest.as_ref().try_into().unwrap_or_default()
    }

    /// Verifies the issuer's signature. The key says by which algorithm; a header that says another one is refused.
    ///
    /// # Errors
    ///
    /// It does not hold.
    pub fn verify_signature(&self, key: &PublicKey) -> Result<(), Defect> {
        if key.algorithm() != self.header.algorithm {
            return Err(SIGNATURE_ALGORITHM.failed("the algorithm is not the key's"));
        }
        if !key.verify(self.parts.signing_input().as_bytes(), &self.signature) {
            return Err(SIGNATURE_ISSUER.failed("the issuer's signature does not hold"));
        }
        Ok(())
    }

    /// Puts what is disclosed where it belongs (RFC 9901, section 7.1 (3) to (5)).
    ///
    /// # Errors
    ///
    /// Disclosures and digests do not match in the one way in which they may.
    pub fn disclose(&self) -> Result<Disclosed, Defect> {
        let opened = self.open()?;
        process::disclose(self.payload.root(), &opened, self.profile, true)
            .map(Disclosed::into_owned)
    }

    /// Takes the disclosures apart, for [`Presented::claims`].
    ///
    /// # Errors
    ///
    /// The form of one is not sound.
    pub(crate) fn open(&self) -> Result<Opened, Defect> {
        Opened::read(&self.parts, self.hash)
    }

    /// As [`Presented::disclose`], without a copy of the claims, and without where what was disclosed stands in them.
    ///
    /// # Errors
    ///
    /// As [`Presented::disclose`].
    pub(crate) fn claims<'o>(&'o self, opened: &'o Opened) -> Result<Disclosed<Said<'o>>, Defect> {
        process::disclose(self.payload.root(), opened, self.profile, false)
    }

    /// Finds out whether its holder presents it, here and now (RFC 9901, section 7.3 (5)).
    ///
    /// # Errors
    ///
    /// It has no key binding, or one that does not hold.
    pub fn verify_binding<C>(
        &self,
        disclosed: &Disclosed<C>,
        policy: &BindingPolicy<'_>,
    ) -> Result<Binding, Defect> {
        let digest = self.hash.digest(self.parts.bound());
        binding::verify(self.binding(), &disclosed.confirmation, &digest, policy)
    }

    /// Sees that it has no key binding: what an issuer hands out has none (RFC 9901, section 7.2).
    ///
    /// # Errors
    ///
    /// It has one.
    pub fn refuse_binding(&self) -> Result<(), Defect> {
        match self.binding() {
            None => Ok(()),
            Some(_) => Err(BINDING_ABSENT.failed("there is a key binding where none may be")),
        }
    }
}

impl fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presented").finish_non_exhaustive()
    }
}

fn bytes(part: &str, what: &str) -> Result<Vec<u8>, Defect> {
    encoding::decode(part).ok_or_else(|| FORMAT_ENCODING.failed(format!("{what} is no base64url")))
}

fn object(bytes: Vec<u8>, what: &str) -> Result<Document, Defect> {
    Document::read_object(bytes).map_err(|flaw| of_json(flaw, what))
}

/// Says what is wrong with JSON of the format.
pub(crate) fn of_json(flaw: JsonFlaw, what: &str) -> Defect {
    match flaw {
        JsonFlaw::Grammar => FORMAT_JSON.failed(format!("{what} is no JSON")),
        JsonFlaw::Kind => FORMAT_JSON.failed(format!("{what} is no JSON object")),
        JsonFlaw::NameTwice => FORMAT_NAMES.failed(format!("{what} has a name twice")),
        JsonFlaw::Nesting => FORMAT_NESTING.failed(format!("{what} is nested too deep")),
    }
}

fn of_header(flaw: Flaw) -> Defect {
    let check = match flaw {
        Flaw::Algorithm => &FORMAT_ALGORITHM,
        Flaw::Critical => &FORMAT_CRITICAL,
        Flaw::Type => &FORMAT_TYPE,
        Flaw::Header
        | Flaw::Size
        | Flaw::Parts
        | Flaw::Encoding
        | Flaw::Json(_)
        | Flaw::KeyAlgorithm
        | Flaw::Signature => &FORMAT_HEADER,
    };
    check.failed(flaw.says())
}
