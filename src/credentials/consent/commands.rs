//! Recording and withdrawing consents, and giving out nonces that bind their terms.

use time::{Duration, OffsetDateTime};

use crate::credentials::consent::{self, Consent, Evidence, EvidenceKind, State, Terms};
use crate::credentials::domain::ConsentId;
use crate::credentials::error::CredentialError;
use crate::credentials::registry::Registry;
use crate::credentials::store::consent::{self as store, Row};
use crate::credentials::store::worker;
use crate::credentials::wire::consent::{self as wire, Draft};
use crate::kernel::fault::Fault;
use crate::kernel::ids::{self, ParticipantId};
use crate::pb::peshub::credentials::v1 as pb;
use crate::platform::db::{Db, Record, WriteTx};
use crate::platform::keys::KeyError;
use crate::platform::mutation::{RequestKey, once};
use crate::platform::permit::{ParticipantKind, Permit};

/// How long nonces that are past their time are remembered, so that a verdict on them can be given again.
const REMEMBERED: Duration = Duration::days(400);

/// Records a worker's consent.
///
/// # Errors
///
/// `PARTICIPANT_NOT_FOUND`, `WORKER_NOT_FOUND`, `WORKER_ERASED`, `REQUEST_ID_REUSED`, or the database fails.
pub async fn record(
    db: &Db,
    permit: &Permit,
    key: &RequestKey,
    draft: Draft,
    now: OffsetDateTime,
) -> Result<pb::RecordConsentResponse, Fault> {
    once(db, permit, key, now, |tx| {
        Box::pin(async move {
            let recipient = recipient(tx, &draft.terms.recipient).await?;
            let worker_id = match draft.reference {
                Some(reference) => Some(referred(tx, reference).await?),
                None => None,
            };
            let (terms, evidence) = wire::stored(&draft.terms, &draft.evidence);
            let waits = draft.evidence.kind == EvidenceKind::HolderSignature;
            let new = store::New {
                id: ConsentId(ids::time_ordered(now)),
                recipient,
                worker_id,
                terms,
                evidence,
                until: draft.terms.until,
                given_at: (!waits).then_some(now),
            };
            store::insert(tx, &new, now).await?;
            let permit = tx.permit().clone();
            let row = store::own(tx.connection(), &permit, new.id).await?;
            let row = row.ok_or(CredentialError::Corrupt { what: "consent" })?;
            let consent = Some(wire::render(&read(row)?, now));
            let record = Record::new(now, subject(new.id), "consent.recorded");
            Ok((pb::RecordConsentResponse { consent }, record))
        })
    })
    .await
}

/// Returns whom a consent may name: the caller itself; anybody, when a bureau records on a worker's behalf.
async fn recipient(tx: &mut WriteTx, name: &str) -> Result<ParticipantId, CredentialError> {
    let holder = tx.permit().holder().map(|it| (it.kind, it.participant_name.clone()));
    let may = holder.is_some_and(|(kind, own)| kind == ParticipantKind::Bureau || own == name);
    let found = if may { store::participant(tx.connection(), name).await? } else { None };
    found.ok_or_else(|| CredentialError::ParticipantNotFound { name: name.to_owned() })
}

async fn referred(tx: &mut WriteTx, reference: uuid::Uuid) -> Result<uuid::Uuid, CredentialError> {
    let permit = tx.permit().clone();
    let found = worker::of_reference(tx.connection(), &permit, reference).await?;
    match found {
        None => Err(CredentialError::WorkerNotFound { reference }),
        Some(found) if found.is_erased => Err(CredentialError::WorkerErased { reference }),
        Some(found) => Ok(found.worker_id),
    }
}

/// Withdraws a consent: from the commit on it covers nothing.
///
/// # Errors
///
/// `CONSENT_NOT_FOUND`, `REQUEST_ID_REUSED`, or the database fails.
pub async fn withdraw(
    db: &Db,
    permit: &Permit,
    key: &RequestKey,
    id: ConsentId,
    now: OffsetDateTime,
) -> Result<pb::WithdrawConsentResponse, Fault> {
    let about = known_worker(db, permit, id).await?;
    once(db, permit, key, now, |tx| {
        Box::pin(async move {
            if let Some(worker_id) = about {
                worker::about(tx.connection(), worker_id).await?;
            }
            let row = store::withdraw(tx, id, about, now).await?;
            let row = row.ok_or_else(|| CredentialError::ConsentNotFound { id: id.to_string() })?;
            let consent = Some(wire::render(&read(row)?, now));
            let record = Record::new(now, subject(id), "consent.withdrawn");
            Ok((pb::WithdrawConsentResponse { consent }, record))
        })
    })
    .await
}

/// Returns whom a consent is about, if the caller is a bureau that knows the worker.
async fn known_worker(
    db: &Db,
    permit: &Permit,
    id: ConsentId,
) -> Result<Option<uuid::Uuid>, CredentialError> {
    let bureau = permit.holder().filter(|it| it.kind == ParticipantKind::Bureau);
    let Some(bureau) = bureau.map(|it| it.participant) else { return Ok(None) };
    let mut tx = db.read(&Permit::of_hub()).await?;
    Ok(store::worker_known_to(tx.connection(), id, bureau).await?)
}

/// Whom a holder's proof is made for.
#[derive(Clone, Debug)]
pub struct Audience {
    /// The hub's name in everything that it signs.
    pub hub: uuid::Uuid,
}

impl Audience {
    /// Returns the `aud` of a proof that is made for a participant of this hub.
    #[must_use]
    pub fn of(&self, participant: &str) -> String {
        format!("peshub:{}:{participant}", self.hub)
    }
}

/// What consents are asked on.
#[derive(Clone, Debug)]
pub struct Desk {
    /// The database.
    pub db: Db,
    /// Which types there are.
    pub registry: Registry,
    /// Whom proofs are made for.
    pub audience: Audience,
}

/// Gives out a nonce that binds the terms of a consent.
///
/// # Errors
///
/// `CONSENT_NOT_FOUND`, `CONSENT_NOT_GIVEN`, `CREDENTIAL_TYPE_NOT_FOUND`, `REQUEST_ID_REUSED`, or the database fails.
pub async fn request(
    desk: &Desk,
    permit: &Permit,
    key: &RequestKey,
    (id, lasts): (ConsentId, Duration),
    now: OffsetDateTime,
) -> Result<pb::RequestPresentationResponse, Fault> {
    let mut random = [0; 16];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| KeyError::Randomness)?;
    let (audience, book) = (desk.audience.clone(), desk.registry.present());
    once(&desk.db, permit, key, now, |tx| {
        Box::pin(async move {
            let row = store::hold_received(tx, id).await?;
            let row = row.ok_or_else(|| CredentialError::ConsentNotFound { id: id.to_string() })?;
            let consent = read(row)?;
            let why = match consent.state(now) {
                State::Awaited | State::Given => None,
                State::Withdrawn => Some("the consent was withdrawn"),
                State::Over => Some("the consent's time is over"),
            };
            if let Some(why) = why {
                return Err(CredentialError::ConsentNotGiven { id, why }.into());
            }
            let is_unknown = |it: &&String| book.type_version(it, 0).is_none();
            if let Some(name) = consent.terms.type_names.iter().find(is_unknown) {
                let name = name.clone();
                return Err(CredentialError::CredentialTypeNotFound { name }.into());
            }
            let terms_json = consent.terms.text(id);
            let nonce = consent::nonce(random, &terms_json);
            let expires_at = (now + lasts).min(consent.terms.until);
            let hash = consent::nonce_sha256(&nonce);
            store::give_out(tx, hash, id, (expires_at, now - REMEMBERED)).await?;
            let answer = pb::RequestPresentationResponse {
                nonce,
                audience: audience.of(&consent.terms.recipient),
                terms_json,
                expires_at: Some(crate::credentials::wire::timestamp(expires_at)),
            };
            let record = Record::new(now, subject(id), "presentation.requested");
            Ok((answer, record))
        })
    })
    .await
}

/// Returns a consent as it was stored.
///
/// # Errors
///
/// It cannot be read.
pub fn read(row: Row) -> Result<Consent, CredentialError> {
    let unreadable = || CredentialError::Corrupt { what: "consent" };
    let (terms, evidence): (Terms, Evidence) =
        wire::of_stored(&row.terms, &row.evidence).ok_or_else(unreadable)?;
    let holder_key = row.holder_key.map(<[u8; 32]>::try_from).transpose();
    Ok(Consent {
        id: ConsentId(row.consent_id),
        worker: row.worker_id,
        reference: row.reference,
        recipient: ParticipantId(row.recipient_id),
        terms,
        evidence,
        recorded_by: row.recorded_by,
        recorded_at: row.recorded_at,
        given_at: row.given_at,
        holder_key: holder_key.map_err(|_| unreadable())?,
        withdrawn_at: row.withdrawn_at,
    })
}

fn subject(id: ConsentId) -> String {
    format!("consents/{id}")
}
