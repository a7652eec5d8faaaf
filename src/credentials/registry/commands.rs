//! Writes: each is handed its transaction and returns the answer with the record that closes it.

pub mod accreditations;
pub mod issuers;
pub mod keys;
pub mod types;

use std::sync::Arc;

use time::OffsetDateTime;

use crate::credentials::error::CredentialError;
use crate::credentials::registry::Registry;
use crate::credentials::registry::addresses::Addresses;
use crate::credentials::registry::book::Book;
use crate::credentials::registry::entry::Issuer;
use crate::credentials::registry::keys::IssuerKeys;
use crate::credentials::store::registry as store;
use crate::credentials::store::registry::{Stamp, changes};
use crate::kernel::fields::Violation;
use crate::kernel::ids::ParticipantId;
use crate::pb::peshub::common::v1::Role;
use crate::platform::db::{DbError, WriteTx};
use crate::platform::fetch::Reach;
use crate::platform::permit::Permit;

/// What the registry is changed with.
#[derive(Clone, Debug)]
pub struct Office {
    /// The registry.
    pub registry: Registry,
    /// Keys that the hub holds.
    pub keys: IssuerKeys,
    /// The hub's own addresses.
    pub addresses: Addresses,
    /// Where issuers elsewhere, and their status lists, may be.
    pub reach: Reach,
}

impl Office {
    /// Begins a change: from here to the commit nobody else changes the registry, and it is as the book says.
    async fn begin(
        &self,
        tx: &mut WriteTx,
        now: OffsetDateTime,
    ) -> Result<(Stamp, Arc<Book>), CredentialError> {
        let stamp = changes::begin(tx, now).await?;
        let before = stamp.revision.saturating_sub(1);
        let present = self.registry.present();
        if present.revision() == before {
            return Ok((stamp, present));
        }
        let book = store::book(tx.connection(), Some(before), &present).await?;
        Ok((stamp, Arc::new(book)))
    }

    /// Returns the registry as the change leaves it.
    async fn after(&self, tx: &mut WriteTx, stamp: Stamp) -> Result<Book, CredentialError> {
        store::book(tx.connection(), Some(stamp.revision), &self.registry.present()).await
    }
}

/// Returns an issuer that is there.
fn known<'a>(book: &'a Book, name: &str) -> Result<&'a Arc<Issuer>, CredentialError> {
    let found = book.issuer(name);
    found.ok_or_else(|| CredentialError::IssuerNotFound { name: name.to_owned() })
}

/// Returns what all fields break, or nothing.
fn sound(wrong: Vec<Violation>) -> Result<(), CredentialError> {
    if wrong.is_empty() { Ok(()) } else { Err(CredentialError::Invalid(wrong)) }
}

/// Returns who holds a permit.
fn holder(permit: &Permit) -> ParticipantId {
    permit.participant().unwrap_or(ParticipantId(0))
}

/// Returns an issuer that the caller manages: its owner issues, or it registered it.
fn managed<'a>(
    book: &'a Book,
    name: &str,
    permit: &Permit,
) -> Result<&'a Arc<Issuer>, CredentialError> {
    let roles = permit.holder().map(|holder| holder.roles.as_slice()).unwrap_or_default();
    let caller = permit.participant();
    let manages = |issuer: &Issuer| {
        let owns = issuer.participant.is_some() && issuer.participant == caller;
        (owns && roles.contains(&Role::CredentialIssuer))
            || (caller == Some(issuer.registrar) && roles.contains(&Role::CredentialRegistrar))
    };
    let found = book.issuer(name).filter(|issuer| issuer.name == name && manages(issuer));
    found.ok_or_else(|| CredentialError::IssuerNotFound { name: name.to_owned() })
}

/// Returns whether a text is a short name: lower-case letters, digits and hyphens, none of them first or last.
fn is_short_name(text: &str) -> bool {
    let is_letter = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-';
    text.bytes().all(is_letter) && !text.starts_with('-') && !text.ends_with('-')
}

/// Tells of a constraint that was broken as of something that is there already.
fn taken(what: &'static str, name: &str) -> impl FnOnce(DbError) -> CredentialError {
    move |error| match error {
        DbError::Constraint { .. } => {
            CredentialError::AlreadyExists { what, name: name.to_owned() }
        }
        error => error.into(),
    }
}
