//! Reads that disclose nothing of the person.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use crate::kernel::fault::{Fault, Kind, Reason};
use crate::platform::audit::entry::Row;
use crate::platform::audit::proof::Proof;
use crate::platform::audit::prove::{not_found, prove};
use crate::platform::db::Db;
use crate::platform::keys::sealing::DataKey;
use crate::platform::permit::Permit;
use crate::workers::domain::Reference;
use crate::workers::error::WorkerError;
use crate::workers::store;

/// A page of a list.
#[derive(Debug)]
pub struct Page<'a> {
    /// Seals the tokens.
    pub key: &'a DataKey,
    /// Token of the page; empty for the first.
    pub token: &'a str,
    /// Most entries.
    pub size: i64,
}

/// Returns a page of disclosures of a worker's data, the newest first, and the token of the next.
///
/// # Errors
///
/// `WORKER_NOT_FOUND`, `PAGE_TOKEN_INVALID`, or the database fails.
pub async fn disclosures(
    db: &Db,
    permit: &Permit,
    reference: Reference,
    page: Page<'_>,
) -> Result<(Vec<Row>, String), WorkerError> {
    let before = opened(&page, reference)?;
    let mut tx = db.read(permit).await?;
    let worker = store::id_of(tx.connection(), permit, reference).await?;
    let worker = worker.ok_or(WorkerError::NotFound { reference })?;
    let limit = page.size.saturating_add(1);
    let mut found = store::disclosures(&mut tx, worker, before, limit).await?;
    let has_more = i64::try_from(found.len()).is_ok_and(|length| length > page.size);
    found.truncate(usize::try_from(page.size).unwrap_or(usize::MAX));
    let last = found.last().filter(|_| has_more);
    let next = last.map(|last| page.key.seal(&context(reference), &last.audit_id.to_be_bytes()));
    let next = next.transpose()?.map_or_else(String::new, |sealed| URL_SAFE_NO_PAD.encode(sealed));
    Ok((found, next))
}

/// Proves that a disclosure of a worker's data stands in the audit trail.
///
/// # Errors
///
/// `WORKER_NOT_FOUND`, `AUDIT_ENTRY_NOT_FOUND`, `AUDIT_ENTRY_NOT_SEALED`, or the database fails.
pub async fn proof(
    db: &Db,
    permit: &Permit,
    reference: Reference,
    entry_id: Uuid,
) -> Result<Proof, Fault> {
    let mut tx = db.read(permit).await?;
    let worker = store::id_of(tx.connection(), permit, reference).await?;
    let worker = worker.ok_or(WorkerError::NotFound { reference })?;
    let row = store::disclosure(&mut tx, worker, entry_id).await?;
    drop(tx);
    prove(db, &row.ok_or_else(|| not_found(entry_id))?).await
}

fn opened(page: &Page<'_>, reference: Reference) -> Result<Option<i64>, WorkerError> {
    if page.token.is_empty() {
        return Ok(None);
    }
    let sealed = URL_SAFE_NO_PAD.decode(page.token).ok();
    let opened = sealed.and_then(|sealed| page.key.open(&context(reference), &sealed));
    let before = opened.and_then(|opened| opened.first_chunk::<8>().copied());
    let message = "this page token does not belong to this request";
    let wrong = || Fault::new(Kind::InvalidArgument, Reason::PageTokenInvalid, message);
    before
        .map(|before| Some(i64::from_be_bytes(before)))
        .ok_or_else(|| WorkerError::Invalid(wrong()))
}

fn context(reference: Reference) -> Vec<u8> {
    [b"page of disclosures ", reference.0.as_bytes().as_slice()].concat()
}
