//! Where the hub tells of issuers, credential types and status lists: addresses under its own public one.

use std::sync::Arc;

/// The hub's public address, and what stands under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses(Option<Arc<str>>);

impl Addresses {
    /// Returns the addresses of a hub. `base` is what they begin with, without a slash at the end; `None` for a hub that serves nothing
    /// publicly.
    #[must_use]
    pub fn new(base: Option<&str>) -> Self {
        Self(base.map(|base| base.trim_end_matches('/').into()))
    }

    /// Returns what every address begins with.
    #[must_use]
    pub fn base(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// Returns the identifier (`iss`) of an issuer that has no other.
    #[must_use]
    pub fn issuer(&self, name: &str) -> Option<String> {
        self.base().map(|base| format!("{base}/issuers/{name}"))
    }

    /// Returns the address (`vct`) of a version of a credential type that has no other.
    #[must_use]
    pub fn credential_type(&self, name: &str, version: i32) -> Option<String> {
        self.base().map(|base| format!("{base}/credential-types/{name}/{version}"))
    }

    /// Returns what the addresses of an issuer's status lists begin with that the hub keeps.
    #[must_use]
    pub fn status_lists(&self, issuer: &str) -> Option<String> {
        self.base().map(|base| format!("{base}/status-lists/{issuer}/"))
    }

    /// Returns whether an address is one of the hub's own.
    #[must_use]
    pub fn is_own(&self, address: &str) -> bool {
        let rest = self.base().and_then(|base| address.strip_prefix(base));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']))
    }
}
