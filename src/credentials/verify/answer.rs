//! Answers: verdicts as the contract has them, sealed; what is kept of them for a request that comes again; and giving them again.

use std::sync::Arc;

use time::OffsetDateTime;

use crate::credentials::consent::{Consent, EvidenceKind};
use crate::credentials::error::CredentialError;
use crate::credentials::status::look::{Look, Why};
use crate::credentials::verify::basis::{About, Presentation, Rested};
use crate::credentials::verify::commands::{Round, Verifier, beyond};
use crate::credentials::verify::engine::Facts;
use crate::credentials::verify::policy::Asked;
use crate::credentials::verify::task::{Task, Texts, Whence, peek_all, spread};
use crate::credentials::verify::verdict::Examined;
use crate::credentials::wire::instant;
use crate::credentials::wire::parts::broken;
use crate::credentials::wire::verdict::{Basis, render};
use crate::kernel::fault::Fault;
use crate::kernel::fields::Rule;
use crate::kernel::ids::ParticipantId;
use crate::pb::peshub::credentials::v1 as pb;

/// What is the same for all answers of a call.
#[derive(Clone)]
struct Answering {
    verifier: Verifier,
    asked: Asked,
    participant: ParticipantId,
    verified_at: OffsetDateTime,
    trust_revision: i64,
    consent: Option<Arc<Consent>>,
}

impl Answering {
    fn answer(&self, text: &str, it: Examined, facts: &Facts) -> pb::VerificationResult {
        if let Some(error) = beyond(&it, self.consent.as_deref()) {
            return refused(error);
        }
        let look = it.verdict.status.as_ref().map(|it| it.look);
        let (verified_at, trust_revision) = (self.verified_at, self.trust_revision);
        let rested = Rested { verified_at, trust_revision, look, nonce: facts.nonce };
        let about = about(&self.asked, self.participant, (text, facts.digest));
        let seals = &self.verifier.seals;
        let basis = Basis {
            verified_at,
            trust_revision,
            status_as_of: it.verdict.status_as_of(),
            seal: seals.seal(about, &rested),
        };
        let handle = it.verdict.digest.map(|digest| seals.handle(self.participant, &digest));
        let handle = handle.unwrap_or_default();
        let verdict = render(*it.verdict, &basis, handle, self.asked.telling);
        pb::VerificationResult { verdict: Some(verdict), ..pb::VerificationResult::default() }
    }
}

/// Returns for whom and about what a seal is: the text comes with the digest of its issuer-signed part.
fn about<'a>(
    asked: &Asked,
    participant: ParticipantId,
    (text, digest): (&'a str, Option<[u8; 32]>),
) -> About<'a> {
    let presentation = Presentation::new(text, digest);
    About { participant, presentation, policy_sha256: asked.policy_sha256 }
}

fn refused(error: CredentialError) -> pb::VerificationResult {
    let fault = Fault::from(error);
    let (reason, message) = (fault.reason.name().to_owned(), fault.message);
    pb::VerificationResult { verdict: None, reason, message }
}

impl Verifier {
    /// Returns what is answered, in the order of the presentations.
    ///
    /// # Errors
    ///
    /// A thread panics.
    pub async fn answers(
        &self,
        asked: &Asked,
        texts: &Texts,
        round: Round,
    ) -> Result<Vec<pb::VerificationResult>, Fault> {
        let answering = Answering {
            verifier: self.clone(),
            asked: asked.clone(),
            participant: round.participant,
            verified_at: round.now,
            trust_revision: round.trust_revision,
            consent: round.consent,
        };
        let (texts, facts) = (Arc::clone(texts), round.facts);
        spread(round.examined, move |index, it| {
            Some(answering.answer(texts.get(index)?, it, facts.get(index)?))
        })
        .await
    }

    /// Gives a verdict again: by the registry, the status and the nonce as they were known then.
    ///
    /// # Errors
    ///
    /// `FIELDS_INVALID` when the basis is not one of this presentation and policy that this participant was given; the database fails.
    pub async fn again(
        &self,
        asked: &Asked,
        (participant, audience): (ParticipantId, &str),
        (text, basis): (&str, &pb::VerdictBasis),
        consent: Option<&Consent>,
    ) -> Result<pb::VerificationResult, Fault> {
        let at = basis.verified_at.as_ref().and_then(instant);
        let texts: Texts = Arc::from([text.to_owned()]);
        let peeks = peek_all(&texts, false).await?;
        let sealed = at.zip(peeks.first()).and_then(|(at, peek)| {
            let about = about(asked, participant, (text, peek.digest));
            self.seals.open(about, (at, basis.trust_revision), &basis.seal)
        });
        let made_up = || {
            let expected = "the basis of a verdict on this presentation, by this policy";
            Fault::fields(vec![broken("basis", Rule::BadFormat, expected)])
        };
        let rested = sealed.ok_or_else(made_up)?;
        let book = self.registry.as_of(rested.trust_revision).await?.ok_or_else(made_up)?;
        let mut facts = self.known(&peeks).await?;
        for it in &mut facts {
            it.nonce = rested.nonce;
            // What came to be known later did not count.
            if it.known_since.is_some_and(|since| since > rested.verified_at) {
                (it.known_since, it.worker) = (None, None);
            }
        }
        let nothing = Look::Unavailable { why: Why::NotKnownThen };
        let task = Task {
            book,
            policy: Arc::clone(&asked.policy),
            consent: consent.map(|it| Arc::new(as_it_was(it, rested.verified_at))),
            audience: self.audience.of(audience).into(),
            now: rested.verified_at,
            verified: Arc::clone(&self.verified),
            statuses: Whence::Given(rested.look.unwrap_or(nothing)),
            looks: Arc::default(),
        };
        let facts: Arc<[Facts]> = facts.into();
        let examined = task.examine_all(&texts, Arc::clone(&facts)).await?;
        let (now, trust_revision) = (rested.verified_at, rested.trust_revision);
        let consent = task.consent;
        let round = Round { participant, now, trust_revision, consent, examined, facts };
        let answers = self.answers(asked, &texts, round).await?;
        let missing = CredentialError::Corrupt { what: "verdict" };
        Ok(answers.into_iter().next().ok_or(missing)?)
    }
}

/// Returns a consent as it was when a verdict was given: the holder's signature that came with it, or later, was not there before.
fn as_it_was(consent: &Consent, at: OffsetDateTime) -> Consent {
    let by_signature = consent.evidence.kind == EvidenceKind::HolderSignature;
    if !by_signature || consent.given_at.is_some_and(|given_at| given_at < at) {
        return consent.clone();
    }
    Consent { given_at: None, holder_key: None, ..consent.clone() }
}

/// Returns what is kept of answers for a request that comes again: what verdicts rest on, and nothing that a credential says.
#[must_use]
pub fn kept(results: &[pb::VerificationResult]) -> Vec<pb::VerificationResult> {
    let kept = results.iter().map(|it| pb::VerificationResult {
        verdict: it
            .verdict
            .as_ref()
            .map(|verdict| pb::Verdict { basis: verdict.basis.clone(), ..pb::Verdict::default() }),
        reason: it.reason.clone(),
        message: it.message.clone(),
    });
    kept.collect()
}
