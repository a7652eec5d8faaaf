//! Reads of consents.

use uuid::Uuid;

use crate::credentials::consent::{Consent, commands};
use crate::credentials::domain::ConsentId;
use crate::credentials::error::CredentialError;
use crate::credentials::store::{consent as store, worker};
use crate::kernel::fault::{Fault, Kind, Reason};
use crate::platform::db::Db;
use crate::platform::page::PageTokens;
use crate::platform::permit::{ParticipantKind, Permit};

/// Returns a consent that the caller recorded or received.
///
/// # Errors
///
/// `CONSENT_NOT_FOUND`, or the database fails.
pub async fn get(db: &Db, permit: &Permit, id: ConsentId) -> Result<Consent, CredentialError> {
    let mut tx = db.read(permit).await?;
    let row = store::own(tx.connection(), permit, id).await?;
    commands::read(row.ok_or_else(|| CredentialError::ConsentNotFound { id: id.to_string() })?)
}

/// A page of a list.
#[derive(Debug)]
pub struct Page<'a> {
    /// Seals the tokens.
    pub tokens: &'a PageTokens,
    /// Token of the page; empty for the first.
    pub token: &'a str,
    /// Most entries.
    pub size: i64,
}

/// Returns a page of consents, the newest first, and the token of the next.
///
/// # Errors
///
/// `WORKER_NOT_FOUND`, `PAGE_TOKEN_INVALID`, or the database fails.
pub async fn list(
    db: &Db,
    permit: &Permit,
    reference: Option<Uuid>,
    page: Page<'_>,
) -> Result<(Vec<Consent>, String), Fault> {
    let holder = permit.participant().map_or(0, |id| id.0).to_be_bytes();
    let named = reference.unwrap_or_default();
    let fingerprint = [holder.as_slice(), named.as_bytes()].concat();
    let before = opened(&page, &fingerprint)?;
    let mut tx = db.read(permit).await?;
    let mut about = None;
    if let Some(reference) = reference {
        let found = worker::of_reference(tx.connection(), permit, reference).await?;
        let not_found = || CredentialError::WorkerNotFound { reference };
        let worker_id = found.ok_or_else(not_found)?.worker_id;
        worker::about(tx.connection(), worker_id).await?;
        about = Some(worker_id);
    }
    let is_bureau = permit.holder().is_some_and(|it| it.kind == ParticipantKind::Bureau);
    let limit = page.size.saturating_add(1);
    let mut rows = store::list(&mut tx, (about, is_bureau), before, limit).await?;
    let has_more = i64::try_from(rows.len()).is_ok_and(|length| length > page.size);
    rows.truncate(usize::try_from(page.size).unwrap_or(usize::MAX));
    let last = rows.last().filter(|_| has_more);
    let next = last.map(|it| page.tokens.seal_place(&fingerprint, it.consent_id.as_bytes()));
    let consents: Result<Vec<_>, _> = rows.into_iter().map(commands::read).collect();
    Ok((consents?, next.unwrap_or_default()))
}

fn opened(page: &Page<'_>, fingerprint: &[u8]) -> Result<Option<Uuid>, Fault> {
    if page.token.is_empty() {
        return Ok(None);
    }
    let place = page.tokens.open_place::<16>(fingerprint, page.token);
    let message = "this page token does not belong to this request";
    let wrong = || Fault::new(Kind::InvalidArgument, Reason::PageTokenInvalid, message);
    place.map(|place| Some(Uuid::from_bytes(place))).ok_or_else(wrong)
}
