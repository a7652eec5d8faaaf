//! Issuing (RFC 9901, sections 4.1 and 4.2), in two steps, so that whoever has the key can sign from afar.

use std::collections::BTreeSet;

use aws_lc_rs::rand;
use serde_json::{Value, json};

use crate::credentials::domain::{ClaimPath, Segment};
use crate::credentials::sdjwt::bounds::{DISCLOSURES_MAX, NESTING_MAX, SALT_BYTES, TEXT_BYTES_MAX};
use crate::credentials::sdjwt::disclosure::{DIGESTS, ELEMENT, HASH, HashFunction};
use crate::credentials::sdjwt::json::Object;
use crate::credentials::sdjwt::jws::{self, Header};
use crate::credentials::sdjwt::process::NEVER_HIDDEN;
use crate::credentials::sdjwt::{encoding, key::SIGNATURE_BYTES};

/// Most digests that a level is made up to a multiple of.
pub const MULTIPLE_MAX: usize = 100;

/// What is to be issued.
#[derive(Clone, Debug)]
pub struct Draft<'a> {
    /// The header: for an SD-JWT VC, `typ` is [`crate::credentials::sdjwt::TYP_SD_JWT_VC`].
    pub header: Header,
    /// All that it says, with `iss`, `vct`, `cnf` and so on, as who sees everything will see it.
    pub claims: Object,
    /// What its holder may withhold. What a path names and the claims lack is passed over.
    pub hidden: &'a [ClaimPath],
    /// Digests at each level are made so many, or a multiple, by decoys, so that their number tells less. 0 and 1: no
    /// decoys; more than [`MULTIPLE_MAX`] counts as that.
    pub digests_multiple_of: usize,
}

/// Why something cannot be issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssueDefect {
    /// A name is kept for the format.
    #[error("_sd, ... and _sd_alg are names that the format keeps")]
    Name,
    /// A claim that a verifier decides by would be hidden.
    #[error("a claim that a verifier decides by cannot be hidden")]
    Registered,
    /// It is larger, deeper or of more parts than is taken.
    #[error("the credential would be larger than verifiers take")]
    Bounds,
    /// There is no chance to be had.
    #[error("the cryptographic library fails")]
    Library,
}

/// A credential that lacks its signature.
pub struct Unsigned {
    jws: jws::Unsigned,
    disclosures: Vec<String>,
}

impl Unsigned {
    /// Returns what is to be signed.
    #[must_use]
    pub fn signing_input(&self) -> &[u8] {
        self.jws.signing_input()
    }

    /// Puts the signature to it, of 64 bytes, and returns what the holder gets: every disclosure, no key binding.
    #[must_use]
    pub fn finish(self, signature: &[u8]) -> String {
        let mut text = self.jws.finish(signature);
        text.push('~');
        for disclosure in self.disclosures {
            text.push_str(&disclosure);
            text.push('~');
        }
        text
    }
}

/// Prepares a credential: salts, disclosures, digests and decoys. Digests stand sorted, which says nothing of what they stand for.
///
/// # Errors
///
/// It cannot be issued.
pub fn prepare(draft: Draft<'_>) -> Result<Unsigned, IssueDefect> {
    let hash = HashFunction::Sha256;
    let is_hidden_wrongly = |path: &ClaimPath| match path.segments().first() {
        Some(Segment::Name(name)) => NEVER_HIDDEN.contains(&name.as_str()),
        _ => false,
    };
    if draft.hidden.iter().any(is_hidden_wrongly) {
        return Err(IssueDefect::Registered);
    }
    let mut hiding = Hiding {
        hidden: draft.hidden,
        multiple_of: draft.digests_multiple_of.clamp(1, MULTIPLE_MAX),
        hash,
        at: Vec::new(),
        disclosures: Vec::new(),
    };
    let mut payload = hiding.object(draft.claims)?;
    let disclosures = hiding.disclosures;
    if !disclosures.is_empty() {
        payload.insert(HASH.to_owned(), hash.name().into());
    }
    let payload = serde_json::to_vec(&payload).map_err(|_| IssueDefect::Bounds)?;
    let jws = jws::prepare(&draft.header, &payload);
    let bytes = disclosures.iter().map(|it| it.len().saturating_add(1)).sum::<usize>();
    let signature = SIGNATURE_BYTES.saturating_mul(2);
    let bytes = bytes.saturating_add(jws.signing_input().len()).saturating_add(signature);
    if bytes > TEXT_BYTES_MAX || disclosures.len() > DISCLOSURES_MAX {
        return Err(IssueDefect::Bounds);
    }
    Ok(Unsigned { jws, disclosures })
}

struct Hiding<'a> {
    hidden: &'a [ClaimPath],
    multiple_of: usize,
    hash: HashFunction,
    at: Vec<Segment>,
    disclosures: Vec<String>,
}

impl Hiding<'_> {
    fn value(&mut self, value: Value) -> Result<Value, IssueDefect> {
        if self.at.len() > NESTING_MAX {
            return Err(IssueDefect::Bounds);
        }
        match value {
            Value::Object(object) => self.object(object).map(Value::Object),
            Value::Array(list) => self.list(list).map(Value::Array),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(value),
        }
    }

    fn object(&mut self, object: Object) -> Result<Object, IssueDefect> {
        let (mut open, mut digests) = (Object::new(), BTreeSet::new());
        for (name, value) in object {
            if [DIGESTS, ELEMENT, HASH].contains(&name.as_str()) {
                return Err(IssueDefect::Name);
            }
            self.at.push(Segment::Name(name.clone()));
            let value = self.value(value)?;
            if self.is_hidden() {
                digests.insert(self.disclose(&json!([salt()?, name, value])));
            } else {
                open.insert(name, value);
            }
            self.at.pop();
        }
        while digests.len() % self.multiple_of != 0 {
            digests.insert(self.decoy()?);
        }
        if !digests.is_empty() {
            let digests = digests.into_iter().map(Value::String).collect();
            open.insert(DIGESTS.to_owned(), Value::Array(digests));
        }
        Ok(open)
    }

    fn list(&mut self, list: Vec<Value>) -> Result<Vec<Value>, IssueDefect> {
        let (mut result, mut hidden) = (Vec::with_capacity(list.len()), 0_usize);
        for (index, value) in list.into_iter().enumerate() {
            self.at.push(Segment::Element(index));
            let value = self.value(value)?;
            if self.is_hidden() {
                hidden = hidden.saturating_add(1);
                let digest = self.disclose(&json!([salt()?, value]));
                result.push(json!({ ELEMENT: digest }));
            } else {
                result.push(value);
            }
            self.at.pop();
        }
        while hidden % self.multiple_of != 0 {
            hidden = hidden.saturating_add(1);
            let place = below(result.len().saturating_add(1))?;
            let decoy = json!({ ELEMENT: self.decoy()? });
            result.insert(place, decoy);
        }
        Ok(result)
    }

    fn is_hidden(&self) -> bool {
        self.hidden.iter().any(|path| {
            path.segments().len() == self.at.len()
                && path.segments().iter().zip(&self.at).all(|(own, at)| own.names(at))
        })
    }

    fn disclose(&mut self, items: &Value) -> String {
        let text = encoding::encode(items.to_string().as_bytes());
        let digest = self.hash.digest(&text);
        self.disclosures.push(text);
        digest
    }

    /// Makes a digest that stands for nothing.
    fn decoy(&self) -> Result<String, IssueDefect> {
        Ok(self.hash.digest(&salt()?))
    }
}

fn salt() -> Result<String, IssueDefect> {
    let mut salt = [0; SALT_BYTES];
    rand::fill(&mut salt).map_err(|_| IssueDefect::Library)?;
    Ok(encoding::encode(&salt))
}

/// Returns a number below a bound, by chance.
fn below(bound: usize) -> Result<usize, IssueDefect> {
    let mut bytes = [0; 8];
    rand::fill(&mut bytes).map_err(|_| IssueDefect::Library)?;
    let number = u64::from_le_bytes(bytes);
    let bound = u64::try_from(bound.max(1)).map_err(|_| IssueDefect::Bounds)?;
    usize::try_from(number % bound).map_err(|_| IssueDefect::Bounds)
}
