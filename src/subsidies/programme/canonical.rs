//! One form of an edition and of facts, whose digests decisions cite.
//!
//! An edition is the contract's message, encoded with the fields in the order of their numbers and without what is absent, which is
//! how this hub encodes; it has no maps. Facts are the contract's, in order of their names, without provenance.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256, digest};
use prost::Message as _;

use crate::pb::peshub::subsidies::v1 as pb;
use crate::subsidies::domain::{Facts, Value};
use crate::subsidies::wire::fact;

/// A SHA-256.
pub type Sha256 = [u8; 32];

/// Returns the SHA-256 of bytes.
#[must_use]
pub fn sha256(bytes: &[u8]) -> Sha256 {
    // SHA-256 has 32 bytes.
    digest(&SHA256, bytes).as_ref().try_into().unwrap_or_default()
}

/// Returns an edition's bytes.
#[must_use]
pub fn edition(edition: &pb::Edition) -> Vec<u8> {
    edition.encode_to_vec()
}

/// A subject's facts in their one form, each by itself: what several programmes read of them is encoded once.
#[derive(Clone, Default)]
pub struct Encoded(Vec<(Arc<str>, Vec<u8>)>);

/// Facts are personal data: nothing of them is printed.
impl fmt::Debug for Encoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Encoded { .. }")
    }
}

impl Encoded {
    /// Encodes facts.
    #[must_use]
    pub fn of(facts: &Facts) -> Self {
        let encoded = facts.iter().map(|(name, value)| {
            let mut bytes = Vec::new();
            frame(&mut bytes, name.as_bytes());
            frame(&mut bytes, &self::value(value));
            (Arc::clone(name), bytes)
        });
        Self(encoded.collect())
    }

    /// Returns the SHA-256 of those that are named; `names` are in order.
    #[must_use]
    pub fn sha256(&self, names: &[Arc<str>]) -> Sha256 {
        let mut context = Context::new(&SHA256);
        for name in names {
            let found = self.0.binary_search_by(|(own, _)| own.cmp(name));
            if let Some((_, bytes)) = found.ok().and_then(|index| self.0.get(index)) {
                context.update(bytes);
            }
        }
        context.finish().as_ref().try_into().unwrap_or_default()
    }
}

/// Returns a value's bytes.
#[must_use]
pub fn value(value: &Value) -> Vec<u8> {
    fact::rendered(value).encode_to_vec()
}

/// Adds bytes with their length before them.
pub fn frame(bytes: &mut Vec<u8>, part: &[u8]) {
    let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(part);
}
