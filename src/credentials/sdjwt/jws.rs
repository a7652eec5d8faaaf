//! JSON Web Signatures in the compact serialisation (RFC 7515): the issuer-signed part, key bindings, status lists, statements.

use crate::credentials::domain::Algorithm;
use crate::credentials::sdjwt::bounds::{CERTIFICATE_BYTES_MAX, CERTIFICATES_MAX};
use crate::credentials::sdjwt::encoding;
use crate::credentials::sdjwt::json::{self, Document, JsonFlaw, Object, View};
use crate::credentials::sdjwt::key::{PublicKey, SecretDefect, SecretKey};

/// Why a text is no signature that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It is larger than is taken.
    Size,
    /// It has not three parts.
    Parts,
    /// A part is no base64url (RFC 7515, section 2).
    Encoding,
    /// Header or payload is no JSON object.
    Json(JsonFlaw),
    /// A member of the header has a wrong form.
    Header,
    /// The algorithm is missing, or none that is taken.
    Algorithm,
    /// The header asks for what is not understood.
    Critical,
    /// `typ` is another one.
    Type,
    /// The algorithm is not the key's.
    KeyAlgorithm,
    /// The signature does not hold.
    Signature,
}

impl Flaw {
    /// Returns what is wrong, for a person.
    #[must_use]
    pub const fn says(self) -> &'static str {
        match self {
            Self::Size => "larger than is taken",
            Self::Parts => "not three parts with dots between them",
            Self::Encoding => "a part is not base64url without padding and without stray bits",
            Self::Json(JsonFlaw::NameTwice) => "an object has a name twice",
            Self::Json(JsonFlaw::Nesting) => "objects and lists lie too deep in each other",
            Self::Json(JsonFlaw::Grammar) => "not JSON",
            Self::Json(JsonFlaw::Kind) => "header or payload is no JSON object",
            Self::Header => "a member of the header has a wrong form",
            Self::Algorithm => "the algorithm is neither ES256 nor EdDSA",
            Self::Critical => "the header asks for what is not understood",
            Self::Type => "typ is another one",
            Self::KeyAlgorithm => "the algorithm is not the key's",
            Self::Signature => "the signature does not hold",
        }
    }

    /// Returns the clause that asks for it.
    #[must_use]
    pub const fn clause(self) -> &'static str {
        match self {
            Self::Size => "credential format 2",
            Self::Parts => "RFC 7515 3.1",
            Self::Encoding => "RFC 7515 2",
            Self::Json(JsonFlaw::NameTwice) => "RFC 7515 4",
            Self::Json(_) => "RFC 7519 7.2",
            Self::Header => "RFC 7515 4.1",
            Self::Algorithm | Self::KeyAlgorithm => "RFC 8725 3.1",
            Self::Critical => "RFC 7515 4.1.11",
            Self::Type => "RFC 8725 3.11",
            Self::Signature => "RFC 7515 5.2",
        }
    }
}

/// What a header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// `alg`.
    pub algorithm: Algorithm,
    /// `typ`.
    pub typ: Option<String>,
    /// `kid`: which of the signer's keys; a hint, no proof.
    pub kid: Option<String>,
    /// `x5c`: the certificate of the key and those above it, in DER; nothing was verified. Empty without.
    pub x5c: Vec<Vec<u8>>,
}

impl Header {
    /// Reads the protected header of a signature.
    pub(crate) fn read(object: View<'_>) -> Result<Self, Flaw> {
        let text = |name: &str| match object.get(name).map(View::as_text) {
            None => Ok(None),
            Some(Some(text)) => Ok(Some(text.to_owned())),
            Some(None) => Err(Flaw::Header),
        };
        let name = object.get("alg").and_then(View::as_text).ok_or(Flaw::Algorithm)?;
        let algorithm = Algorithm::ALL.into_iter().find(|it| it.name() == name);
        let algorithm = algorithm.ok_or(Flaw::Algorithm)?;
        // Nothing is understood that could stand there, and the list must not be empty.
        if object.get("crit").is_some() || object.get("b64").is_some_and(|it| !it.is_true()) {
            return Err(Flaw::Critical);
        }
        let x5c = object.get("x5c").map_or_else(|| Ok(Vec::new()), certificates)?;
        Ok(Self { algorithm, typ: text("typ")?, kid: text("kid")?, x5c })
    }

    /// Returns it as JSON.
    #[must_use]
    pub fn to_object(&self) -> Object {
        let mut object = Object::new();
        object.insert("alg".to_owned(), self.algorithm.name().into());
        for (name, text) in [("typ", &self.typ), ("kid", &self.kid)] {
            if let Some(text) = text {
                object.insert(name.to_owned(), text.as_str().into());
            }
        }
        if !self.x5c.is_empty() {
            let chain: Vec<String> =
                self.x5c.iter().map(|it| encoding::encode_standard(it)).collect();
            object.insert("x5c".to_owned(), chain.into());
        }
        object
    }
}

fn certificates(chain: View<'_>) -> Result<Vec<Vec<u8>>, Flaw> {
    let chain = chain.items().filter(|it| (1..=CERTIFICATES_MAX).contains(&it.len()));
    let read = |it: View<'_>| {
        let text = it.as_text().filter(|it| it.len() <= CERTIFICATE_BYTES_MAX / 3 * 4)?;
        encoding::decode_standard(text)
    };
    let all = chain.ok_or(Flaw::Header)?.map(read).collect::<Option<_>>();
    all.ok_or(Flaw::Header)
}

/// A signature, taken apart. What it says is not to be believed before [`Jws::verify`].
pub struct Jws<'a> {
    signing_input: &'a str,
    header: Header,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl<'a> Jws<'a> {
    /// Takes a text of at most so many bytes apart.
    ///
    /// # Errors
    ///
    /// It is no signature that is taken, or its `typ` is not the one given.
    pub fn read(text: &'a str, typ: Option<&str>, bytes_max: usize) -> Result<Self, Flaw> {
        if text.len() > bytes_max {
            return Err(Flaw::Size);
        }
        let (signing_input, signature) = text.rsplit_once('.').ok_or(Flaw::Parts)?;
        let (header, payload) = signing_input.split_once('.').ok_or(Flaw::Parts)?;
        if payload.contains('.') {
            return Err(Flaw::Parts);
        }
        let header = encoding::decode(header).ok_or(Flaw::Encoding)?;
        let header = Document::read_object(header).map_err(Flaw::Json)?;
        let header = Header::read(header.root())?;
        if typ.is_some() && header.typ.as_deref() != typ {
            return Err(Flaw::Type);
        }
        let payload = encoding::decode(payload).ok_or(Flaw::Encoding)?;
        let signature = encoding::decode(signature).ok_or(Flaw::Encoding)?;
        Ok(Self { signing_input, header, payload, signature })
    }

    /// Returns what its header says.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Returns what was signed.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Returns what was signed, as a JSON object.
    ///
    /// # Errors
    ///
    /// It is none that is taken.
    pub fn claims(&self) -> Result<Object, Flaw> {
        json::object(&self.payload).map_err(Flaw::Json)
    }

    /// Verifies it by a key. The key says by which algorithm; a header that says another one is refused.
    ///
    /// # Errors
    ///
    /// It does not hold.
    pub fn verify(&self, key: &PublicKey) -> Result<(), Flaw> {
        if key.algorithm() != self.header.algorithm {
            return Err(Flaw::KeyAlgorithm);
        }
        if !key.verify(self.signing_input.as_bytes(), &self.signature) {
            return Err(Flaw::Signature);
        }
        Ok(())
    }
}

/// Header and payload, to be signed by whoever has the key.
#[derive(Clone, PartialEq, Eq)]
pub struct Unsigned {
    text: String,
}

impl Unsigned {
    /// Returns what is to be signed.
    #[must_use]
    pub fn signing_input(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// Puts the signature to it: r and s, or R and S, of 64 bytes.
    #[must_use]
    pub fn finish(mut self, signature: &[u8]) -> String {
        self.text.push('.');
        encoding::encode_onto(signature, &mut self.text);
        self.text
    }
}

/// Prepares a signature over a payload.
#[must_use]
pub fn prepare(header: &Header, payload: &[u8]) -> Unsigned {
    prepare_with(&header.to_object(), payload)
}

/// Prepares a signature with a header of one's own.
#[must_use]
pub fn prepare_with(header: &Object, payload: &[u8]) -> Unsigned {
    // A map of JSON values is written without fail.
    let header = serde_json::to_vec(header).unwrap_or_default();
    let mut text = encoding::encode(&header);
    text.push('.');
    encoding::encode_onto(payload, &mut text);
    Unsigned { text }
}

/// Signs a JSON object.
///
/// # Errors
///
/// The cryptographic library fails.
pub fn sign(
    typ: &str,
    kid: Option<&str>,
    claims: &Object,
    key: &SecretKey,
) -> Result<String, SecretDefect> {
    let header = Header {
        algorithm: key.algorithm(),
        typ: Some(typ.to_owned()),
        kid: kid.map(ToOwned::to_owned),
        x5c: Vec::new(),
    };
    let unsigned = prepare(&header, &serde_json::to_vec(claims).unwrap_or_default());
    let signature = key.sign(unsigned.signing_input())?;
    Ok(unsigned.finish(&signature))
}
