//! Issuing credentials: what they say goes in, signed credentials go out, and the hub keeps who issued what by which key, the digest
//! and the place in a status list.
//!
//! Everything is prepared and signed before a transaction is opened that records it; nothing is recorded that was not signed.

pub mod deposit;
pub mod draft;
pub mod permutation;
pub mod places;
pub mod reserve;
pub mod stream;

use std::sync::Arc;

use aws_lc_rs::digest;
use futures_util::future;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::credentials::domain::CredentialId;
use crate::credentials::error::CredentialError;
use crate::credentials::issuing::draft::{Draft, Own, Signing, Terms, no_key};
use crate::credentials::issuing::places::{Given, Owner, Places};
use crate::credentials::registry::Registry;
use crate::credentials::registry::addresses::Addresses;
use crate::credentials::registry::book::Book;
use crate::credentials::registry::entry::{Issuer, IssuerKey, KeyUse};
use crate::credentials::registry::keys::IssuerKeys;
use crate::credentials::registry::kind::CredentialType;
use crate::credentials::sdjwt::key::PublicKey;
use crate::credentials::store::credential::{self as store, Common, Single};
use crate::credentials::store::{registry as registry_store, worker};
use crate::credentials::wire::credential as wire;
use crate::kernel::clock::SharedClock;
use crate::kernel::fault::Fault;
use crate::kernel::ids::{self, ParticipantId};
use crate::pb::peshub::credentials::v1 as pb;
use crate::platform::db::{Db, DbError, Record, WriteTx};
use crate::platform::keys::sealing::DataKey;
use crate::platform::metrics;
use crate::platform::mutation::{self, RequestKey, once};
use crate::platform::permit::Permit;

/// Issues credentials.
#[derive(Clone)]
pub struct Issuing {
    /// The database.
    pub db: Db,
    /// The clock.
    pub clock: SharedClock,
    /// The trust registry.
    pub registry: Registry,
    /// Keys that the hub holds.
    pub keys: IssuerKeys,
    /// The hub's own addresses.
    pub addresses: Addresses,
    /// Gives out places in status lists.
    pub places: Places,
    /// Makes pairwise names of workers.
    pub secret: Arc<DataKey>,
}

impl std::fmt::Debug for Issuing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issuing").finish_non_exhaustive()
    }
}

/// A credential that was signed and is yet to be recorded.
struct Signed {
    single: Single,
    text: String,
}

/// What the register says about whom a draft is about and for.
#[derive(Clone, Copy, Debug, Default)]
struct Persons {
    worker: Option<Uuid>,
    subject_for: Option<ParticipantId>,
}

impl Issuing {
    /// Issues the credentials of a draft.
    ///
    /// # Errors
    ///
    /// `ISSUER_NOT_FOUND`, `ISSUER_NOT_ACCREDITED`, `CREDENTIAL_TYPE_NOT_FOUND`, `FIELDS_INVALID`, `WORKER_NOT_FOUND`,
    /// `WORKER_ERASED`, `PARTICIPANT_NOT_FOUND`, `ISSUER_KEY_NOT_FOUND`, `KEY_UNAVAILABLE`, `REQUEST_ID_REUSED`, or the database
    /// fails. Then nothing is issued.
    pub async fn issue(
        &self,
        permit: &Permit,
        key: &RequestKey,
        draft: Draft,
    ) -> Result<pb::IssueCredentialResponse, Fault> {
        let now = self.clock.now();
        let persons = match self.look_up(permit, key, &draft).await? {
            Before::Answered(answer) => return Ok(answer),
            Before::New(persons) => persons,
        };
        let ready = self.ready(permit, &draft, now).await?;
        let signed = self.sign(&draft, &ready, persons).await?;
        let common = Common {
            issuer: ready.issuer.id,
            type_id: ready.credential_type.id,
            key: ready.key.id,
            worker: persons.worker,
            issued_at: ready.terms.issued_at,
            valid_from: draft.valid_from,
            valid_until: ready.terms.valid_until,
            deposited: false,
            registered_at: now,
        };
        let name = ready.issuer.name.clone();
        let issued = once(&self.db, permit, key, now, |tx| {
            Box::pin(async move {
                let record = record(tx, (&common, &name), &signed, now).await?;
                let issued =
                    signed.into_iter().map(|it| wire::issued(&common, it.single.id, it.text));
                Ok((pb::IssueCredentialResponse { credentials: issued.collect() }, record))
            })
        })
        .await?;
        metrics::CREDENTIALS_ISSUED.add_len(issued.credentials.len(), &[]);
        Ok(issued)
    }

    /// Looks up whether the request was answered before, and whom it is about.
    async fn look_up(
        &self,
        permit: &Permit,
        key: &RequestKey,
        draft: &Draft,
    ) -> Result<Before, Fault> {
        if !key.is_repeatable() && draft.worker.is_none() && draft.subject_for.is_none() {
            return Ok(Before::New(Persons::default()));
        }
        // It changes nothing and is dropped.
        let mut tx = self.db.write(permit).await?;
        if let Some(answer) = mutation::answered(&mut tx, key).await? {
            return Ok(Before::Answered(answer));
        }
        let worker = match draft.worker {
            Some(reference) => Some(known_worker(&mut tx, reference).await?),
            None => None,
        };
        let subject_for = match &draft.subject_for {
            Some(name) => {
                let found = registry_store::participant(tx.connection(), name).await;
                let missing = || CredentialError::ParticipantNotFound { name: name.clone() };
                Some(found.map_err(Fault::from)?.ok_or_else(missing)?)
            }
            None => None,
        };
        Ok(Before::New(Persons { worker, subject_for }))
    }

    /// Holds a draft against the registry. What it lacks may have come in a moment ago, so that a refusal is given only by a registry
    /// of which nothing is missing.
    async fn ready(
        &self,
        permit: &Permit,
        draft: &Draft,
        now: OffsetDateTime,
    ) -> Result<Ready, CredentialError> {
        let present = self.registry.present();
        match Ready::by(&present, permit, draft, now) {
            Ok(ready) => Ok(ready),
            Err(refusal) => {
                let newest = self.registry.refresh().await?;
                if newest.revision() == present.revision() {
                    return Err(refusal);
                }
                Ready::by(&newest, permit, draft, now)
            }
        }
    }

    async fn sign(
        &self,
        draft: &Draft,
        ready: &Ready,
        persons: Persons,
    ) -> Result<Vec<Signed>, CredentialError> {
        let holders: Vec<Option<&PublicKey>> = match draft.holders.as_slice() {
            [] => vec![None],
            holders => holders.iter().map(Some).collect(),
        };
        let places: Vec<Option<Given>> = if draft.with_status {
            let owner = self.owner(&ready.issuer)?;
            let given = self.places.take(&owner, holders.len()).await?;
            given.into_iter().map(Some).collect()
        } else {
            vec![None; holders.len()]
        };
        let subject = persons.worker.zip(persons.subject_for);
        let subject = subject.map(|(worker, participant)| self.subject(worker, participant));
        let signing = Signing {
            issuer: &ready.issuer,
            credential_type: &ready.credential_type,
            key: &ready.key,
            subject: subject.as_deref(),
        };
        let signed = holders.into_iter().zip(&places).map(|(holder, place)| {
            let own = Own { holder, place: place.as_ref() };
            self.sign_one(draft, &ready.terms, signing, own)
        });
        future::try_join_all(signed).await
    }

    async fn sign_one(
        &self,
        draft: &Draft,
        terms: &Terms,
        signing: Signing<'_>,
        own: Own<'_>,
    ) -> Result<Signed, CredentialError> {
        let unsigned = draft.unsigned(terms, signing, own)?;
        let signature = self.keys.sign(signing.key, unsigned.signing_input()).await?;
        let text = unsigned.finish(&signature);
        let single = Single {
            id: CredentialId(ids::time_ordered(self.clock.now())),
            digest: digest_of(&text),
            spot: own.place.map(|place| place.spot),
        };
        Ok(Signed { single, text })
    }

    /// Returns whose places an issuer's credentials get.
    fn owner(&self, issuer: &Issuer) -> Result<Owner, CredentialError> {
        let lists = self.addresses.status_lists(&issuer.name);
        let lists = lists.ok_or(CredentialError::NoPublicAddress)?;
        Ok(Owner { issuer: issuer.id, lists: lists.into() })
    }

    /// Returns the name that a participant knows a worker by in credentials, and nobody else.
    fn subject(&self, worker: Uuid, participant: ParticipantId) -> String {
        let message = [worker.as_bytes().as_slice(), &participant.0.to_be_bytes()].concat();
        let mac = self.secret.mac(b"subject of credentials", &message);
        let bytes = mac.first_chunk::<16>().copied().unwrap_or_default();
        uuid::Builder::from_custom_bytes(bytes).into_uuid().urn().to_string()
    }
}

/// What is known before anything is issued.
enum Before {
    /// The request was answered.
    Answered(pb::IssueCredentialResponse),
    /// It is new.
    New(Persons),
}

/// A draft that is sound, and by whom it is issued.
struct Ready {
    issuer: Arc<Issuer>,
    credential_type: Arc<CredentialType>,
    key: Arc<IssuerKey>,
    terms: Terms,
}

impl Ready {
    fn by(
        book: &Book,
        permit: &Permit,
        draft: &Draft,
        now: OffsetDateTime,
    ) -> Result<Self, CredentialError> {
        let issuer = own_issuer(book, permit, &draft.issuer)?;
        let credential_type = issuable_type(book, &draft.type_name, draft.type_version)?;
        let terms = draft.terms(issuer, credential_type, now)?;
        let key = issuer.signing_key(KeyUse::Credentials, now).ok_or_else(|| no_key(issuer))?;
        Ok(Self {
            issuer: Arc::clone(issuer),
            credential_type: Arc::clone(credential_type),
            key: Arc::clone(key),
            terms,
        })
    }
}

/// Returns an issuer of a permit's holder.
///
/// # Errors
///
/// `ISSUER_NOT_FOUND`.
pub fn own_issuer<'a>(
    book: &'a Book,
    permit: &Permit,
    name: &str,
) -> Result<&'a Arc<Issuer>, CredentialError> {
    let is_own = |issuer: &&Arc<Issuer>| {
        issuer.name == name
            && issuer.participant.is_some()
            && issuer.participant == permit.participant()
    };
    let found = book.issuer(name).filter(is_own);
    found.ok_or_else(|| CredentialError::IssuerNotFound { name: name.to_owned() })
}

/// Returns a version of a type of which credentials are issued; the newest of those for version 0.
fn issuable_type<'a>(
    book: &'a Book,
    name: &str,
    version: i32,
) -> Result<&'a Arc<CredentialType>, CredentialError> {
    let mut fitting = book.types().iter().rev().filter(|it| {
        it.name == name && it.retired_at.is_none() && (version == 0 || it.version == version)
    });
    let missing = || CredentialError::CredentialTypeNotFound {
        name: if version == 0 { name.to_owned() } else { format!("{name} {version}") },
    };
    fitting.next().ok_or_else(missing)
}

/// Returns the worker behind a reference of the permit's holder.
///
/// # Errors
///
/// `WORKER_NOT_FOUND`, `WORKER_ERASED`, or the database fails.
pub async fn known_worker(tx: &mut WriteTx, reference: Uuid) -> Result<Uuid, CredentialError> {
    let permit = tx.permit().clone();
    let found = worker::of_reference(tx.connection(), &permit, reference).await?;
    let found = found.ok_or(CredentialError::WorkerNotFound { reference })?;
    if found.is_erased {
        return Err(CredentialError::WorkerErased { reference });
    }
    Ok(found.worker_id)
}

/// Returns the SHA-256 of the issuer-signed part.
#[must_use]
pub fn digest_of(text: &str) -> [u8; 32] {
    let signed = text.split_once('~').map_or(text, |(signed, _)| signed);
    sha256(signed.as_bytes())
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = digest::digest(&digest::SHA256, bytes);
    digest.as_ref().first_chunk::<32>().copied().unwrap_or_default()
}

/// Stores what was signed, and returns the record of it. The digest in the record is that of the credentials' digests: a digest of what
/// they say could be guessed.
async fn record(
    tx: &mut WriteTx,
    (common, issuer): (&Common, &str),
    signed: &[Signed],
    now: OffsetDateTime,
) -> Result<Record, DbError> {
    let singles: Vec<Single> = signed.iter().map(|it| it.single.clone()).collect();
    store::add(tx, common, &singles).await?;
    let digests: Vec<u8> = singles.iter().flat_map(|it| it.digest).collect();
    let subject = match singles.as_slice() {
        [one] => format!("issuers/{issuer}/credentials/{}", one.id),
        [first, more @ ..] => {
            format!("issuers/{issuer}/credentials/{} and {} more", first.id, more.len())
        }
        [] => format!("issuers/{issuer}/credentials"),
    };
    let body = sha256(&digests).to_vec();
    Ok(Record::new(now, subject, "credential.issued").of_body(body.into()))
}
