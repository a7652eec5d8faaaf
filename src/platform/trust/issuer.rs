//! Issuers of signed tokens: whose, for whom, by which algorithms and keys.

use std::collections::BTreeMap;
use std::sync::Arc;

use jsonwebtoken::Algorithm;
use serde::Deserialize;

use crate::platform::trust::Trust;
use crate::platform::trust::keys::{FetchedKeys, KeySet};

/// The algorithms that can be allowed: signatures by a key pair, of today's strength.
const ALGORITHMS: [(&str, Algorithm); 4] = [
    ("ES256", Algorithm::ES256),
    ("EdDSA", Algorithm::EdDSA),
    ("RS256", Algorithm::RS256),
    ("PS256", Algorithm::PS256),
];
/// Most issuers of a trust domain.
const ISSUERS_MAX: usize = 100;

/// `tokens.toml`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    issuer: Vec<Entry>,
}

/// One issuer in `tokens.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// The `iss` of its tokens.
    issuer: String,
    /// What must be among the `aud` of its tokens: this hub.
    audience: String,
    /// A file beside this one, or an `https://` address.
    jwks: String,
    /// Authorities of that address, a file beside this one, when the machine does not know them.
    jwks_ca: Option<String>,
    /// Algorithms that its tokens may be signed with; all that can be allowed when absent.
    algorithms: Option<Vec<String>>,
}

/// An issuer of tokens.
#[derive(Debug)]
pub struct Issuer {
    domain: String,
    name: String,
    audience: String,
    keys: Keys,
    algorithms: Vec<Algorithm>,
}

/// Where an issuer's keys are.
#[derive(Debug)]
enum Keys {
    Given(Arc<KeySet>),
    Fetched(Arc<FetchedKeys>),
}

impl Issuer {
    /// Returns the trust domain that it belongs to.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Returns the `iss` of its tokens.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns what must be among the `aud` of its tokens.
    #[must_use]
    pub fn audience(&self) -> &str {
        &self.audience
    }

    /// Returns whether its tokens may be signed with an algorithm.
    #[must_use]
    pub fn allows(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }

    /// Returns its keys; `None` when they have not been fetched yet.
    #[must_use]
    pub fn keys(&self) -> Option<Arc<KeySet>> {
        match &self.keys {
            Keys::Given(keys) => Some(Arc::clone(keys)),
            Keys::Fetched(fetched) => fetched.present(),
        }
    }

    /// Returns its keys if they are fetched from somewhere.
    #[must_use]
    pub const fn fetched(&self) -> Option<&Arc<FetchedKeys>> {
        match &self.keys {
            Keys::Given(_) => None,
            Keys::Fetched(fetched) => Some(fetched),
        }
    }
}

/// Reads the issuers of a trust domain.
///
/// # Errors
///
/// What is wrong with the file.
pub fn read(
    domain: &str,
    content: &[u8],
    files: &BTreeMap<String, Vec<u8>>,
    before: Option<&Trust>,
) -> Result<Vec<Arc<Issuer>>, String> {
    let text = std::str::from_utf8(content).map_err(|_| "is not UTF-8".to_owned())?;
    let document: Document =
        toml::from_str(text).map_err(|error| format!("cannot be read: {}", error.message()))?;
    if document.issuer.len() > ISSUERS_MAX {
        return Err(format!("names more than {ISSUERS_MAX} issuers"));
    }
    document
        .issuer
        .into_iter()
        .map(|entry| entry.read(domain, files, before).map(Arc::new))
        .collect()
}

impl Entry {
    fn read(
        self,
        domain: &str,
        files: &BTreeMap<String, Vec<u8>>,
        before: Option<&Trust>,
    ) -> Result<Issuer, String> {
        if self.issuer.is_empty() || self.audience.is_empty() {
            return Err("has an issuer without a name or an audience".to_owned());
        }
        let beside =
            |name: &str| files.get(name).ok_or_else(|| format!("names {name}, which is not there"));
        let algorithms = match &self.algorithms {
            Some(names) => names.iter().map(|name| algorithm(name)).collect::<Result<_, _>>()?,
            None => ALGORITHMS.map(|(_, algorithm)| algorithm).to_vec(),
        };
        let keys = if self.jwks.contains("://") {
            let authorities = self.jwks_ca.as_deref().map(beside).transpose()?.cloned();
            let fresh = FetchedKeys::new(&self.jwks, authorities)?;
            // What was fetched before the change counts after it, too.
            let known = before.into_iter().flat_map(Trust::issuers).filter_map(|it| it.fetched());
            let known = known.filter(|it| it.is_from_where(&fresh)).map(Arc::clone).next();
            Keys::Fetched(known.unwrap_or_else(|| Arc::new(fresh)))
        } else {
            let content = beside(&self.jwks)?;
            let set =
                KeySet::read(content).map_err(|why| format!("names {}, which {why}", self.jwks))?;
            Keys::Given(Arc::new(set))
        };
        let domain = domain.to_owned();
        Ok(Issuer { domain, name: self.issuer, audience: self.audience, keys, algorithms })
    }
}

fn algorithm(name: &str) -> Result<Algorithm, String> {
    let found = ALGORITHMS.iter().find(|(known, _)| *known == name);
    found.map(|(_, algorithm)| *algorithm).ok_or_else(|| {
        let known = ALGORITHMS.map(|(known, _)| known).join(", ");
        format!("allows {name}, which is none of {known}")
    })
}
