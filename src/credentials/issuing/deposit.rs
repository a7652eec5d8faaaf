//! Deposits: credentials that an issuer signed by itself, verified before the hub says that they were there.

use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::credentials::domain::{ClaimPath, CredentialId, Segment};
use crate::credentials::error::CredentialError;
use crate::credentials::issuing::{Issuing, known_worker, own_issuer};
use crate::credentials::registry::book::Book;
use crate::credentials::registry::entry::{Issuer, KeyUse};
use crate::credentials::registry::kind::{CredentialType, Disclosure, at};
use crate::credentials::registry::trust::{KeyRefusal, Signed};
use crate::credentials::sdjwt::claims::StatusReference;
use crate::credentials::sdjwt::defect::Defect;
use crate::credentials::sdjwt::process::Disclosed;
use crate::credentials::sdjwt::read::Presented;
use crate::credentials::sdjwt::{CLOCK_SKEW, key::PublicKey};
use crate::credentials::store::credential::{self as store, Common, Single};
use crate::credentials::store::places;
use crate::credentials::store::status::Spot;
use crate::credentials::wire::credential as wire;
use crate::kernel::fault::Fault;
use crate::kernel::ids::{self, CredentialTypeId, IssuerId, IssuerKeyId};
use crate::pb::peshub::credentials::v1 as pb;
use crate::platform::db::{DbError, Record, WriteTx};
use crate::platform::metrics;
use crate::platform::mutation::{RequestKey, once};
use crate::platform::permit::Permit;

/// Claims that the format itself gives a meaning to, and no type.
const REGISTERED: [&str; 9] =
    ["iss", "sub", "exp", "nbf", "iat", "cnf", "vct", "vct#integrity", "status"];

/// What is to be deposited.
#[derive(Debug)]
pub struct Deposit {
    /// Short name of the issuer.
    pub issuer: String,
    /// The credential with all its disclosures.
    pub sd_jwt: String,
    /// The caller's reference to the worker.
    pub worker: Option<Uuid>,
}

/// What was found in a credential that verifies.
struct Found {
    issuer: IssuerId,
    issuer_name: String,
    type_id: CredentialTypeId,
    key: IssuerKeyId,
    digest: [u8; 32],
    issued_at: OffsetDateTime,
    valid_from: Option<OffsetDateTime>,
    valid_until: Option<OffsetDateTime>,
    /// Its place, if the hub keeps the list.
    place: Option<StatusReference>,
}

impl Issuing {
    /// Deposits a credential.
    ///
    /// # Errors
    ///
    /// `ISSUER_NOT_FOUND`, `ISSUER_NOT_ACCREDITED`, `CREDENTIAL_REFUSED`, `ALREADY_EXISTS`, `WORKER_NOT_FOUND`, `WORKER_ERASED`,
    /// `REQUEST_ID_REUSED`, or the database fails.
    pub async fn deposit(
        &self,
        permit: &Permit,
        key: &RequestKey,
        deposit: Deposit,
    ) -> Result<pb::DepositCredentialResponse, Fault> {
        let now = self.clock.now();
        let present = self.registry.present();
        let found = match self.verify(&present, permit, &deposit, now) {
            Ok(found) => Ok(found),
            Err(refusal) => {
                let newest = self.registry.refresh().await?;
                if newest.revision() == present.revision() {
                    Err(refusal)
                } else {
                    self.verify(&newest, permit, &deposit, now)
                }
            }
        };
        let deposited = once(&self.db, permit, key, now, |tx| {
            Box::pin(async move { Ok(record(tx, found?, deposit.worker, now).await?) })
        })
        .await?;
        metrics::CREDENTIALS_ISSUED.add(1, &[]);
        Ok(deposited)
    }

    /// Verifies a credential as its issuer hands it out.
    fn verify(
        &self,
        book: &Book,
        permit: &Permit,
        deposit: &Deposit,
        now: OffsetDateTime,
    ) -> Result<Found, CredentialError> {
        let issuer = own_issuer(book, permit, &deposit.issuer)?;
        let presented = Presented::read(&deposit.sd_jwt).map_err(defect)?;
        presented.refuse_binding().map_err(defect)?;
        if presented.issuer().is_some_and(|iss| iss != issuer.identifier) {
            let detail = "iss is not the issuer's identifier".to_owned();
            return Err(refused("issuer.identifier", "SD-JWT VC 2.2.2.2", detail));
        }
        let times = presented.times().map_err(defect)?;
        let issued_at = times.issued_at.unwrap_or(now);
        if issued_at > now.saturating_add(CLOCK_SKEW) {
            let detail = "iat lies in the future".to_owned();
            return Err(refused("time.issued", "RFC 7519 4.1.6", detail));
        }
        let (key, public) = signer(issuer, &presented, issued_at)?;
        presented.verify_signature(&public).map_err(defect)?;
        let disclosed = presented.disclose().map_err(defect)?;
        let vct = presented.vct().unwrap_or_default();
        let credential_type = book.credential_type(vct).ok_or_else(|| {
            refused("type.known", "SD-JWT VC 2.2.2.1", "no such type on this hub".to_owned())
        })?;
        says(credential_type, &disclosed, presented.payload())?;
        let claims = Value::Object(own_claims(&disclosed));
        let subject = credential_type.subject(|path| at(&claims, path)?.as_str());
        issuer.accreditation(&credential_type.name, &subject, issued_at).map_err(|refusal| {
            crate::credentials::issuing::draft::not_accredited(issuer, refusal)
        })?;
        let is_own = |place: &StatusReference| self.addresses.is_own(&place.uri);
        Ok(Found {
            issuer: issuer.id,
            issuer_name: issuer.name.clone(),
            type_id: credential_type.id,
            key,
            digest: presented.digest(),
            issued_at,
            valid_from: disclosed.times.valid_from,
            valid_until: disclosed.times.expires_at,
            place: disclosed.status.filter(is_own),
        })
    }
}

/// Returns the key that signed it: one that is registered, or one that a certificate names.
fn signer(
    issuer: &Issuer,
    presented: &Presented<'_>,
    issued_at: OffsetDateTime,
) -> Result<(IssuerKeyId, PublicKey), CredentialError> {
    let header = presented.header();
    let key_use = KeyUse::Credentials;
    let wrong = |refusal: KeyRefusal| {
        refused("key.known", "SD-JWT VC 2.5", format!("the key {}", refusal.words()))
    };
    if !header.x5c.is_empty() {
        let found = issuer.key_of_chain(&header.x5c, key_use, issued_at, None).map_err(wrong)?;
        return Ok((found.authority.id, found.public));
    }
    let signed = Signed {
        key_id: header.kid.as_deref(),
        algorithm: header.algorithm,
        key_use,
        at: issued_at,
        known_since: None,
    };
    let key = issuer.key_for(&signed).map_err(wrong)?;
    let public = key.public.clone().ok_or_else(|| wrong(KeyRefusal::Unknown))?;
    Ok((key.id, public))
}

/// Returns the claims that the type describes.
fn own_claims(disclosed: &Disclosed) -> serde_json::Map<String, Value> {
    let own = disclosed.claims.iter().filter(|(name, _)| !REGISTERED.contains(&name.as_str()));
    own.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Holds what a credential says, and what of it can be withheld, against its type.
fn says(
    credential_type: &CredentialType,
    disclosed: &Disclosed,
    payload: &serde_json::Map<String, Value>,
) -> Result<(), CredentialError> {
    let claims = Value::Object(own_claims(disclosed));
    let broken = credential_type.rules.schema.violations(&claims);
    if !broken.is_empty() {
        let broken: Vec<String> =
            broken.iter().map(|it| format!("{} breaks {}", it.pointer, it.keyword)).collect();
        let detail = format!("what it says is not as its type has it: {}", broken.join(", "));
        return Err(refused("claims.schema", "SD-JWT VC 4.2", detail));
    }
    let payload = Value::Object(payload.clone());
    for claim in &credential_type.rules.claims {
        let names = |path: &&ClaimPath| {
            claim.path.covers(path) && path.segments().len() == claim.path.segments().len()
        };
        let is_withheld = disclosed.disclosed.iter().any(|path| names(&path));
        let is_one = !claim.path.segments().contains(&Segment::Every);
        let is_open = is_one && at(&payload, &claim.path).is_some();
        let rule = match claim.disclosure {
            Disclosure::Never if is_withheld => "must be for everybody to see",
            Disclosure::Always if is_open => "must be for its holder to disclose",
            Disclosure::Never | Disclosure::Always | Disclosure::Allowed => continue,
        };
        let detail = format!("{} {rule}", claim.path);
        return Err(refused("type.disclosure", "SD-JWT VC 4.5", detail));
    }
    Ok(())
}

/// Stores what was found, and returns it as it is kept.
async fn record(
    tx: &mut WriteTx,
    found: Found,
    worker: Option<Uuid>,
    now: OffsetDateTime,
) -> Result<(pb::DepositCredentialResponse, Record), CredentialError> {
    let worker = match worker {
        Some(reference) => Some(known_worker(tx, reference).await?),
        None => None,
    };
    let spot = match &found.place {
        Some(place) => Some(take(tx, found.issuer, place).await?),
        None => None,
    };
    let id = CredentialId(ids::time_ordered(now));
    let single = Single { id, digest: found.digest, spot };
    let common = Common {
        issuer: found.issuer,
        type_id: found.type_id,
        key: found.key,
        worker,
        issued_at: found.issued_at,
        valid_from: found.valid_from,
        valid_until: found.valid_until,
        deposited: true,
        registered_at: now,
    };
    match store::add(tx, &common, &[single]).await {
        Ok(()) => {}
        Err(DbError::Constraint { .. }) => return Err(deposited()),
        Err(error) => return Err(error.into()),
    }
    let permit = tx.permit().clone();
    let kept = store::one(tx.connection(), &permit, id).await?;
    let credential = kept.map(|kept| wire::credential(kept, &[]));
    let subject = format!("issuers/{}/credentials/{id}", found.issuer_name);
    let record = Record::new(now, subject, "credential.deposited")
        .of_body(bytes::Bytes::copy_from_slice(&found.digest));
    Ok((pb::DepositCredentialResponse { credential }, record))
}

/// Takes a place that was reserved.
async fn take(
    tx: &mut WriteTx,
    issuer: IssuerId,
    place: &StatusReference,
) -> Result<Spot, CredentialError> {
    let index = i64::try_from(place.index).unwrap_or(i64::MAX);
    let taken = places::take_reserved(tx, issuer, (&place.uri, index)).await?;
    if let Some(list) = taken {
        return Ok(Spot { list, index });
    }
    if places::is_taken(tx, issuer, (&place.uri, index)).await? {
        return Err(deposited());
    }
    let detail = "its place in the status list was not reserved".to_owned();
    Err(refused("status.place", "Token Status List 6.2", detail))
}

fn deposited() -> CredentialError {
    let name = "with this signature, or at this place of the status list".to_owned();
    CredentialError::AlreadyExists { what: "a credential", name }
}

fn defect(defect: Defect) -> CredentialError {
    refused(defect.check, defect.clause, defect.detail)
}

fn refused(check: &'static str, clause: &'static str, detail: String) -> CredentialError {
    CredentialError::Refused { check, clause, detail }
}
