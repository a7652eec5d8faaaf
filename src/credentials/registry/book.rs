//! The registry as it stands at one revision: pure, immutable, shared.

use std::collections::HashMap;
use std::sync::Arc;

use crate::credentials::registry::entry::Issuer;
use crate::credentials::registry::kind::CredentialType;
use crate::kernel::ids::IssuerId;

/// Everything that the registry says at one revision of its own.
#[derive(Debug, Default)]
pub struct Book {
    revision: i64,
    issuers: Vec<Arc<Issuer>>,
    by_id: HashMap<IssuerId, usize>,
    /// By name and by identifier: no name looks like an address.
    by_name: HashMap<String, usize>,
    types: Vec<Arc<CredentialType>>,
    by_vct: HashMap<String, usize>,
}

impl Book {
    /// Returns the book of some entries, issuers in the order of their names, types in that of name and version.
    #[must_use]
    pub fn new(
        revision: i64,
        mut issuers: Vec<Arc<Issuer>>,
        mut types: Vec<Arc<CredentialType>>,
    ) -> Self {
        issuers.sort_by(|one, other| one.name.cmp(&other.name));
        types.sort_by(|one, other| (&one.name, one.version).cmp(&(&other.name, other.version)));
        let by_id = issuers.iter().enumerate().map(|(at, it)| (it.id, at)).collect();
        let names = issuers.iter().enumerate();
        let by_name =
            names.flat_map(|(at, it)| [(it.name.clone(), at), (it.identifier.clone(), at)]);
        let by_name = by_name.collect();
        let by_vct = types.iter().enumerate().map(|(at, it)| (it.vct.clone(), at)).collect();
        Self { revision, issuers, by_id, by_name, types, by_vct }
    }

    /// Returns the registry's own revision that this is the state of.
    #[must_use]
    pub const fn revision(&self) -> i64 {
        self.revision
    }

    /// Returns the issuer with a short name or an identifier (`iss`).
    #[must_use]
    pub fn issuer(&self, name: &str) -> Option<&Arc<Issuer>> {
        self.issuers.get(*self.by_name.get(name)?)
    }

    /// Returns the issuer with a number.
    #[must_use]
    pub fn issuer_by_id(&self, id: IssuerId) -> Option<&Arc<Issuer>> {
        self.issuers.get(*self.by_id.get(&id)?)
    }

    /// Returns all issuers by name.
    #[must_use]
    pub fn issuers(&self) -> &[Arc<Issuer>] {
        &self.issuers
    }

    /// Returns the version of a credential type that has a `vct`.
    #[must_use]
    pub fn credential_type(&self, vct: &str) -> Option<&Arc<CredentialType>> {
        self.types.get(*self.by_vct.get(vct)?)
    }

    /// Returns a version of a credential type; the newest for version 0.
    #[must_use]
    pub fn type_version(&self, name: &str, version: i32) -> Option<&Arc<CredentialType>> {
        let mut found = self.types.iter().rev().filter(|it| it.name == name);
        match version {
            0 => found.next(),
            version => found.find(|it| it.version == version),
        }
    }

    /// Returns all versions of all credential types, by name and version.
    #[must_use]
    pub fn types(&self) -> &[Arc<CredentialType>] {
        &self.types
    }
}
