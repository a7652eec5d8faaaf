//! Reads of what was issued.

use prost::Message as _;
use uuid::Uuid;

use crate::credentials::domain::{CredentialId, Status};
use crate::credentials::error::CredentialError;
use crate::credentials::issuing::{Issuing, own_issuer};
use crate::credentials::store::credential::{self as store, Criteria};
use crate::credentials::store::worker;
use crate::credentials::wire::credential as wire;
use crate::kernel::fault::{Fault, Kind, Reason};
use crate::pb::peshub::credentials::v1 as pb;
use crate::platform::db::Db;
use crate::platform::page::PageTokens;
use crate::platform::permit::Permit;

/// Credentials a page when the request does not say.
const PAGE_SIZE: i64 = 100;

/// Returns what is kept of a credential of the permit's holder.
///
/// # Errors
///
/// `CREDENTIAL_NOT_FOUND`, or the database fails.
pub async fn credential(
    db: &Db,
    permit: &Permit,
    text: &str,
) -> Result<pb::Credential, CredentialError> {
    let missing = || CredentialError::CredentialNotFound { id: text.to_owned() };
    let id = Uuid::try_parse(text).map(CredentialId).map_err(|_| missing())?;
    let mut tx = db.read(permit).await?;
    let kept = store::one(tx.connection(), permit, id).await?.ok_or_else(missing)?;
    let changes = store::changes_of(tx.connection(), &[id.0]).await?;
    Ok(wire::credential(kept, &changes))
}

/// Returns a page of credentials of an issuer of the permit's holder.
///
/// # Errors
///
/// `ISSUER_NOT_FOUND`, `WORKER_NOT_FOUND`, `PAGE_TOKEN_INVALID`, or the database fails.
pub async fn credentials(
    issuing: &Issuing,
    permit: &Permit,
    pages: &PageTokens,
    request: &pb::ListCredentialsRequest,
) -> Result<pb::ListCredentialsResponse, Fault> {
    let fingerprint = fingerprint(request);
    let before = match request.page_token.as_str() {
        "" => None,
        token => {
            let place = pages.open_place::<16>(&fingerprint, token);
            Some(Uuid::from_bytes(place.ok_or_else(not_a_page)?))
        }
    };
    let mut book = issuing.registry.present();
    if own_issuer(&book, permit, &request.issuer).is_err() {
        book = issuing.registry.refresh().await?;
    }
    let issuer = own_issuer(&book, permit, &request.issuer)?.id;
    let mut tx = issuing.db.read(permit).await?;
    let worker = match request.worker_reference.as_str() {
        "" => None,
        text => {
            let missing = || {
                let message = "no such worker";
                Fault::new(Kind::NotFound, Reason::WorkerNotFound, message)
            };
            let reference = Uuid::try_parse(text).map_err(|_| missing())?;
            let found = worker::of_reference(tx.connection(), permit, reference).await?;
            Some(found.ok_or_else(missing)?.worker_id)
        }
    };
    let size = if request.page_size == 0 { PAGE_SIZE } else { i64::from(request.page_size) };
    let criteria = Criteria {
        issuer,
        type_name: Some(request.type_name.as_str()).filter(|name| !name.is_empty()),
        worker,
        status: i16::try_from(request.status).ok().and_then(Status::of_number),
        before,
        limit: size.saturating_add(1),
    };
    let mut kept = store::list(tx.connection(), permit, criteria).await?;
    let more = i64::try_from(kept.len()).is_ok_and(|length| length > size);
    kept.truncate(usize::try_from(size).unwrap_or(usize::MAX));
    let ids: Vec<Uuid> = kept.iter().map(|it| it.id).collect();
    let changes = store::changes_of(tx.connection(), &ids).await?;
    let next = ids.last().filter(|_| more);
    let next = next.map(|last| pages.seal_place(&fingerprint, last.as_bytes()));
    Ok(pb::ListCredentialsResponse {
        credentials: kept.into_iter().map(|kept| wire::credential(kept, &changes)).collect(),
        next_page_token: next.unwrap_or_default(),
    })
}

/// Returns what a page token is bound to: the request without what says which page.
fn fingerprint(request: &pb::ListCredentialsRequest) -> Vec<u8> {
    let mut request = request.clone();
    request.page_token.clear();
    request.page_size = 0;
    request.encode_to_vec()
}

fn not_a_page() -> Fault {
    let message = "this page token was not made by this hub, or for another request";
    Fault::new(Kind::InvalidArgument, Reason::PageTokenInvalid, message)
}
