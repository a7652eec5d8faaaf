//! The calls: each verifies in one transaction, and one that comes again is answered as before.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::credentials::consent::Consent;
use crate::credentials::consent::commands::read;
use crate::credentials::domain::ConsentId;
use crate::credentials::error::CredentialError;
use crate::credentials::store::consent as store;
use crate::credentials::verify::answer::kept;
use crate::credentials::verify::commands::{Round, Verifier, beyond, holds};
use crate::credentials::verify::policy::{Asked, Right};
use crate::credentials::verify::task::Texts;
use crate::kernel::fault::Fault;
use crate::pb::peshub::credentials::v1 as pb;
use crate::platform::db::{DbError, Disclosure, Record, WriteTx};
use crate::platform::permit::Permit;
use crate::platform::replay::{self, Known};

/// How often a call is examined whose consent or nonce others change.
const TRIES: u32 = 5;

/// A call that verifies.
#[derive(Clone)]
pub struct Call {
    /// Who may.
    pub permit: Permit,
    /// How and by what right.
    pub asked: Asked,
    /// What is presented.
    pub texts: Texts,
    /// Makes it safe to repeat; may be empty.
    pub request_id: String,
    /// The request, encoded.
    pub body: Vec<u8>,
    /// When.
    pub now: OffsetDateTime,
}

/// What a call is answered: verdicts in the order of the presentations, and the name of the entry of the audit trail.
pub type Answered = (Vec<pb::VerificationResult>, Uuid);

impl Verifier {
    /// Verifies one presentation.
    ///
    /// # Errors
    ///
    /// `CONSENT_NOT_FOUND`, `CONSENT_NOT_GIVEN`, `CLAIMS_BEYOND_CONSENT`, `REQUEST_ID_REUSED`, or the database fails.
    pub async fn one(&self, call: Call) -> Result<pb::VerifyPresentationResponse, Fault> {
        let (results, entry_id) = self.answered(&call, false, |it| it).await?;
        let verdict = results.into_iter().next().and_then(|it| it.verdict);
        Ok(pb::VerifyPresentationResponse { verdict, entry_id: entry_id.to_string() })
    }

    /// Verifies some presentations.
    ///
    /// # Errors
    ///
    /// `CONSENT_NOT_FOUND`, `CONSENT_NOT_GIVEN`, `REQUEST_ID_REUSED`, or the database fails.
    pub async fn several(&self, call: Call) -> Result<pb::BatchVerifyPresentationsResponse, Fault> {
        let (results, entry_id) = self.answered(&call, true, |it| it).await?;
        Ok(pb::BatchVerifyPresentationsResponse { results, entry_id: entry_id.to_string() })
    }

    /// Verifies in one transaction; a request that comes again is verified on what its answer rested on.
    ///
    /// # Errors
    ///
    /// As [`Verifier::one`] and [`Verifier::several`].
    pub async fn answered(
        &self,
        call: &Call,
        is_batch: bool,
        about: impl FnOnce(Record) -> Record + Send,
    ) -> Result<Answered, Fault> {
        if let Some(stored) = self.earlier(call).await? {
            return self.repeated(call, stored).await;
        }
        for _ in 0..TRIES {
            let prepared = self.prepare(&call.permit, &call.asked, &call.texts, call.now).await?;
            let mut tx = self.db.write(&call.permit).await?;
            if let Some(stored) = earlier(&mut tx, call).await? {
                drop(tx);
                return self.repeated(call, stored).await;
            }
            let grounds = (&call.asked, &call.texts);
            if let Some(round) = self.conclude(&mut tx, grounds, prepared).await? {
                return self.told(tx, call, (round, is_batch), about).await;
            }
        }
        Err(DbError::Contended(None).into())
    }

    /// Returns what is kept of the first answer to a request, if it was answered before.
    ///
    /// # Errors
    ///
    /// `REQUEST_ID_REUSED`, or the database fails.
    pub async fn earlier(&self, call: &Call) -> Result<Option<Bytes>, Fault> {
        if call.request_id.is_empty() {
            return Ok(None);
        }
        let mut tx = self.db.write(&call.permit).await?;
        earlier(&mut tx, call).await
    }

    async fn told(
        &self,
        mut tx: WriteTx,
        call: &Call,
        (round, is_batch): (Round, bool),
        about: impl FnOnce(Record) -> Record + Send,
    ) -> Result<Answered, Fault> {
        if let ([one], false) = (round.examined.as_slice(), is_batch)
            && let Some(error) = beyond(one, round.consent.as_deref())
        {
            return Err(error.into());
        }
        let record = about(self.record(&call.asked, &round, is_batch));
        let entry_id = record.entry_id;
        let results = self.answers(&call.asked, &call.texts, round).await?;
        if !call.request_id.is_empty() {
            let kept = pb::BatchVerifyPresentationsResponse {
                results: kept(&results),
                entry_id: entry_id.to_string(),
            };
            let kept = kept.encode_to_vec();
            replay::store(&mut tx, &call.request_id, &call.body, &kept, call.now).await?;
        }
        // First it is written down, then it is told.
        tx.commit(record).await?;
        Ok((results, entry_id))
    }

    async fn repeated(&self, call: &Call, stored: Bytes) -> Result<Answered, Fault> {
        let stored =
            pb::BatchVerifyPresentationsResponse::decode(stored).map_err(Fault::internal)?;
        let consent = self.consent(call).await?;
        let mut results = Vec::with_capacity(stored.results.len());
        for (text, kept) in call.texts.iter().zip(stored.results) {
            let basis = kept.verdict.as_ref().and_then(|it| it.basis.as_ref());
            results.push(match basis {
                Some(basis) => self.given_again(call, (text, basis), consent.as_deref()).await?,
                None => kept,
            });
        }
        let unreadable = |_| CredentialError::Corrupt { what: "answer" };
        Ok((results, Uuid::try_parse(&stored.entry_id).map_err(unreadable)?))
    }

    /// Gives a verdict again on what it rested on.
    ///
    /// # Errors
    ///
    /// `FIELDS_INVALID` when it is not a basis for this; `CONSENT_NOT_FOUND`, `CONSENT_NOT_GIVEN`, or the database fails.
    pub async fn replay(
        &self,
        call: Call,
        basis: &pb::VerdictBasis,
    ) -> Result<pb::ReplayVerdictResponse, Fault> {
        let consent = self.consent(&call).await?;
        let text = call.texts.first().map(String::as_str).unwrap_or_default();
        let result = self.given_again(&call, (text, basis), consent.as_deref()).await?;
        let Some(verdict) = result.verdict else {
            let why = "the consent does not cover what was presented";
            let id = consent.map_or(ConsentId(Uuid::nil()), |it| it.id);
            return Err(CredentialError::ConsentNotGiven { id, why }.into());
        };
        let record = self.replayed(&call, &verdict, consent.as_deref()).await?;
        self.db.write(&call.permit).await?.commit(record).await?;
        Ok(pb::ReplayVerdictResponse { verdict: Some(verdict) })
    }

    async fn replayed(
        &self,
        call: &Call,
        verdict: &pb::Verdict,
        consent: Option<&Consent>,
    ) -> Result<Record, Fault> {
        let word = verdict.outcome().as_str_name().trim_start_matches("VERDICT_OUTCOME_");
        let named = [verdict.type_name.as_str(), word].join(" ");
        let subject = format!("credentials/{}: {}", verdict.handle, named.trim());
        let record = Record::new(call.now, subject, "verdict.replayed");
        if verdict.claims_json.is_empty() {
            return Ok(record);
        }
        let worker = self.worker_of(&verdict.credential_sha256).await?;
        let Some(worker_id) = worker.or(consent.and_then(|it| it.worker)) else {
            return Ok(record);
        };
        let (purpose, legal_basis) = call.asked.reasons(consent);
        Ok(record.disclosing(Disclosure { worker_id, purpose, legal_basis }))
    }

    async fn given_again(
        &self,
        call: &Call,
        verdict: (&str, &pb::VerdictBasis),
        consent: Option<&Consent>,
    ) -> Result<pb::VerificationResult, Fault> {
        let holder = call.permit.holder();
        let unknown = CredentialError::Corrupt { what: "caller" };
        let holder = holder.ok_or(unknown)?;
        let who = (holder.participant, holder.participant_name.as_str());
        self.again(&call.asked, who, verdict, consent).await
    }

    /// Returns the consent that gives the right, if it is one.
    async fn consent(&self, call: &Call) -> Result<Option<Arc<Consent>>, Fault> {
        let Right::Consent(id) = call.asked.grounds.right else { return Ok(None) };
        let mut tx = self.db.read(&call.permit).await?;
        let row = store::own(tx.connection(), &call.permit, id).await?;
        let not_found = || CredentialError::ConsentNotFound { id: id.to_string() };
        let consent = read(row.ok_or_else(not_found)?)?;
        if Some(consent.recipient) != call.permit.participant() {
            return Err(not_found().into());
        }
        holds(&consent, call.now)?;
        Ok(Some(Arc::new(consent)))
    }
}

async fn earlier(tx: &mut WriteTx, call: &Call) -> Result<Option<Bytes>, Fault> {
    if call.request_id.is_empty() {
        return Ok(None);
    }
    match replay::look_up(tx, &call.request_id, &call.body).await? {
        Known::New => Ok(None),
        Known::Answered(stored) => Ok(Some(stored)),
        Known::Reused => Err(replay::reused()),
    }
}
