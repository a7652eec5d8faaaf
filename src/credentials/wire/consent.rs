//! Contract ⇄ consents.

use prost::Message as _;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::credentials::consent::purpose::seems_to_tell;
use crate::credentials::consent::{Consent, Evidence, EvidenceKind, State, TERM_MAX, Terms};
use crate::credentials::domain::{ClaimPath, ConsentId};
use crate::credentials::wire::parts::{broken, claim_path};
use crate::credentials::wire::{instant, timestamp};
use crate::kernel::fault::Fault;
use crate::kernel::fields::{Rule, Violation};
use crate::pb::peshub::credentials::v1 as pb;

/// What a request says of a consent to be recorded.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The caller's reference to the worker.
    pub reference: Option<Uuid>,
    /// What the worker consents to.
    pub terms: Terms,
    /// What shows it.
    pub evidence: Evidence,
}

/// Reads a consent that is to be recorded.
///
/// # Errors
///
/// Every broken rule.
pub fn draft(request: &pb::RecordConsentRequest, now: OffsetDateTime) -> Result<Draft, Fault> {
    let mut wrong = Vec::new();
    let reference = match request.worker_reference.as_str() {
        "" => None,
        text => {
            let read = Uuid::try_parse(text).ok();
            if read.is_none() {
                let expected = "a reference that the hub gave";
                wrong.push(broken("worker_reference", Rule::BadFormat, expected));
            }
            read
        }
    };
    let terms = request.terms.clone().unwrap_or_default();
    let until = until(&terms, now, &mut wrong);
    words("terms.purpose", &terms.purpose, 3, &mut wrong);
    let claims: Vec<ClaimPath> =
        terms.claims.iter().filter_map(|it| ClaimPath::parse(&it.segments)).collect();
    let shown = request.evidence.clone().unwrap_or_default();
    let evidence = evidence(&shown, &mut wrong);
    if let Some(evidence) = &evidence
        && reference.is_none()
        && wrong.is_empty()
        && evidence.kind != EvidenceKind::HolderSignature
    {
        let expected = "a reference, unless the evidence is the holder's signature";
        wrong.push(broken("worker_reference", Rule::Required, expected));
    }
    match (until, evidence) {
        (Some(until), Some(evidence)) if wrong.is_empty() => {
            let (recipient, type_names) = (terms.recipient, distinct(terms.type_names));
            let purpose = terms.purpose.trim().to_owned();
            let terms = Terms { recipient, purpose, type_names, claims: distinct(claims), until };
            Ok(Draft { reference, terms, evidence })
        }
        _ => Err(Fault::fields(wrong)),
    }
}

fn until(
    terms: &pb::ConsentTerms,
    now: OffsetDateTime,
    wrong: &mut Vec<Violation>,
) -> Option<OffsetDateTime> {
    let read = terms.until.as_ref().and_then(instant);
    // The terms are shown, and bound, in whole seconds.
    let read = read.and_then(|it| it.replace_nanosecond(0).ok());
    let sound = read.filter(|it| *it > now && *it <= now + TERM_MAX);
    if sound.is_none() {
        let rule = if terms.until.is_none() { Rule::Required } else { Rule::OutOfRange };
        wrong.push(broken("terms.until", rule, "an instant to come, at most three years ahead"));
    }
    sound
}

fn evidence(message: &pb::Evidence, wrong: &mut Vec<Violation>) -> Option<Evidence> {
    let kind = match message.kind() {
        pb::EvidenceKind::Unspecified => return None,
        pb::EvidenceKind::HolderSignature => EvidenceKind::HolderSignature,
        pb::EvidenceKind::Document => EvidenceKind::Document,
        pb::EvidenceKind::InPerson => EvidenceKind::InPerson,
    };
    let document_sha256 = <[u8; 32]>::try_from(message.document_sha256.as_ref()).ok();
    let length_fits = if kind == EvidenceKind::Document {
        document_sha256.is_some()
    } else {
        message.document_sha256.is_empty()
    };
    if !length_fits {
        let expected = "the 32 bytes of a SHA-256 for a document, none for other evidence";
        wrong.push(broken("evidence.document_sha256", Rule::BadFormat, expected));
    }
    if kind == EvidenceKind::HolderSignature && !message.reference.is_empty() {
        let expected = "nothing for a holder's signature";
        wrong.push(broken("evidence.reference", Rule::TooLong, expected));
    }
    words("evidence.reference", &message.reference, 0, wrong);
    Some(Evidence { kind, document_sha256, reference: message.reference.trim().to_owned() })
}

/// Holds words that are kept in clear against what they must not say.
pub fn words(field: &str, text: &str, at_least: usize, wrong: &mut Vec<Violation>) {
    if text.trim().chars().count() < at_least || text.chars().any(char::is_control) {
        let expected = format!("at least {at_least} characters, none of them a control character");
        wrong.push(broken(field, Rule::BadFormat, &expected));
    } else if seems_to_tell(text) {
        let expected = "words that tell nothing of the person: they are kept in clear, and stay";
        wrong.push(broken(field, Rule::BadFormat, expected));
    }
}

fn distinct<T: PartialEq>(all: Vec<T>) -> Vec<T> {
    let mut kept: Vec<T> = Vec::with_capacity(all.len());
    for it in all {
        if !kept.contains(&it) {
            kept.push(it);
        }
    }
    kept
}

/// Reads the id of a consent; `None` when it is none, and so nobody's.
#[must_use]
pub fn consent_id(text: &str) -> Option<ConsentId> {
    Uuid::try_parse(text).ok().map(ConsentId)
}

/// Returns terms as the contract has them.
#[must_use]
pub fn terms(terms: &Terms) -> pb::ConsentTerms {
    pb::ConsentTerms {
        recipient: terms.recipient.clone(),
        purpose: terms.purpose.clone(),
        type_names: terms.type_names.clone(),
        claims: terms.claims.iter().map(claim_path).collect(),
        until: Some(timestamp(terms.until)),
    }
}

fn rendered_evidence(evidence: &Evidence) -> pb::Evidence {
    let kind = match evidence.kind {
        EvidenceKind::HolderSignature => pb::EvidenceKind::HolderSignature,
        EvidenceKind::Document => pb::EvidenceKind::Document,
        EvidenceKind::InPerson => pb::EvidenceKind::InPerson,
    };
    pb::Evidence {
        kind: kind.into(),
        document_sha256: evidence.document_sha256.map(|it| it.to_vec()).unwrap_or_default().into(),
        reference: evidence.reference.clone(),
    }
}

/// Returns terms and evidence as they are stored.
#[must_use]
pub fn stored(terms: &Terms, evidence: &Evidence) -> (Vec<u8>, Vec<u8>) {
    (self::terms(terms).encode_to_vec(), rendered_evidence(evidence).encode_to_vec())
}

/// Reads terms and evidence that were stored, or returns `None`.
#[must_use]
pub fn of_stored(terms: &[u8], evidence: &[u8]) -> Option<(Terms, Evidence)> {
    let terms = pb::ConsentTerms::decode(terms).ok()?;
    let claims: Option<Vec<_>> =
        terms.claims.iter().map(|it| ClaimPath::parse(&it.segments)).collect();
    let terms = Terms {
        recipient: terms.recipient,
        purpose: terms.purpose,
        type_names: terms.type_names,
        claims: claims?,
        until: instant(terms.until.as_ref()?)?,
    };
    let mut wrong = Vec::new();
    let message = pb::Evidence::decode(evidence).ok()?;
    Some((terms, self::evidence(&message, &mut wrong)?))
}

/// Returns a consent as the contract has it.
#[must_use]
pub fn render(consent: &Consent, now: OffsetDateTime) -> pb::Consent {
    let state = match consent.state(now) {
        State::Awaited => pb::ConsentState::Awaited,
        State::Given => pb::ConsentState::Given,
        State::Withdrawn => pb::ConsentState::Withdrawn,
        State::Over => pb::ConsentState::Over,
    };
    pb::Consent {
        consent_id: consent.id.to_string(),
        worker_reference: consent.reference.map(|it| it.to_string()).unwrap_or_default(),
        terms: Some(terms(&consent.terms)),
        evidence: Some(rendered_evidence(&consent.evidence)),
        state: state.into(),
        recorded_by: consent.recorded_by.clone(),
        recorded_at: Some(timestamp(consent.recorded_at)),
        withdrawn_at: consent.withdrawn_at.map(timestamp),
        holder_key_thumbprint: consent.holder_key.map(|it| it.to_vec()).unwrap_or_default().into(),
    }
}
