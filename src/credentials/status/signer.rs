//! Who signs a list that the hub keeps.

use time::OffsetDateTime;

use crate::credentials::registry::book::Book;
use crate::credentials::registry::entry::{Issuer, IssuerKey, KeyUse};

/// Returns by whom and with which key that the hub holds a list of an issuer is signed: by who is registered for its address.
#[must_use]
pub fn list_key<'a>(
    book: &'a Book,
    issuer: &Issuer,
    uri: &str,
    now: OffsetDateTime,
) -> Option<(&'a Issuer, &'a IssuerKey)> {
    let signer = book.issuer_by_id(issuer.status_signer(uri)?.signer)?;
    let key = signer.signing_key(KeyUse::StatusLists, now)?;
    Some((signer, key))
}
