//! Verdicts → contract.

use time::OffsetDateTime;

use crate::credentials::domain::{Outcome, Status};
use crate::credentials::status::look::Look;
use crate::credentials::verify::check::{Entry, ORDER, Place, Result as Checked};
use crate::credentials::verify::policy::Telling;
use crate::credentials::verify::verdict::{StatusSeen, Verdict};
use crate::credentials::wire::parts::claim_path;
use crate::credentials::wire::timestamp;
use crate::pb::peshub::credentials::v1 as pb;

/// What a verdict rests on, besides what is presented.
#[derive(Clone, Debug)]
pub struct Basis {
    /// When it was given.
    pub verified_at: OffsetDateTime,
    /// Which revision of the trust registry counted.
    pub trust_revision: i64,
    /// As of when the status was known.
    pub status_as_of: Option<OffsetDateTime>,
    /// The hub's seal.
    pub seal: Vec<u8>,
}

/// Returns a verdict as the contract has it.
#[must_use]
pub fn render(verdict: Verdict, basis: &Basis, handle: String, telling: Telling) -> pb::Verdict {
    let outcome = verdict.outcome();
    let (checks, check_outcomes) = match telling {
        Telling::Words => (verdict.ledger.entries().map(check).collect(), String::new()),
        Telling::Letters => {
            (verdict.ledger.failures().map(check).collect(), verdict.ledger.letters())
        }
    };
    let (subject, claims_json) =
        verdict.told.map(|it| (it.subject, it.claims_json)).unwrap_or_default();
    pb::Verdict {
        outcome: of_outcome(outcome).into(),
        checks,
        check_outcomes,
        credential_sha256: verdict.digest.map(|it| it.to_vec()).unwrap_or_default().into(),
        status: verdict.status.map(status),
        issuer: verdict.issuer,
        issuer_name: verdict.issuer_name,
        key_id: verdict.key_id,
        vct: verdict.vct,
        type_name: verdict.type_name,
        type_version: verdict.type_version,
        subject,
        issued_at: verdict.times.issued_at.map(timestamp),
        valid_from: verdict.times.valid_from.map(timestamp),
        valid_until: verdict.times.expires_at.map(timestamp),
        claims_json,
        withheld: verdict.withheld.iter().map(claim_path).collect(),
        holder_bound: verdict.is_bound,
        holder_key_thumbprint: verdict.holder_key.map(|it| it.to_vec()).unwrap_or_default().into(),
        basis: Some(pb::VerdictBasis {
            verified_at: Some(timestamp(basis.verified_at)),
            trust_revision: basis.trust_revision,
            status_as_of: basis.status_as_of.map(timestamp),
            seal: basis.seal.clone().into(),
        }),
        handle,
    }
}

fn check((place, checked, why): Entry<'_>) -> pb::Check {
    pb::Check {
        id: place.id.to_owned(),
        outcome: of_checked(checked).into(),
        clause: place.clause.to_owned(),
        detail: why.to_owned(),
    }
}

/// Returns every check, in the order in which they are made.
#[must_use]
pub fn rules() -> Vec<pb::CheckRule> {
    let rule = |it: &Place| pb::CheckRule { id: it.id.to_owned(), clause: it.clause.to_owned() };
    ORDER.iter().map(rule).collect()
}

fn status(seen: StatusSeen) -> pb::StatusFinding {
    let list_uri = seen.uri;
    match seen.look {
        Look::Known(finding) => pb::StatusFinding {
            status: of_status(finding.status).into(),
            as_of: Some(timestamp(finding.as_of)),
            list_uri,
            kept_here: finding.kept_here,
        },
        Look::OutOfRange | Look::Unavailable { .. } => {
            pb::StatusFinding { list_uri, ..pb::StatusFinding::default() }
        }
    }
}

/// Returns a status as the contract has it.
#[must_use]
pub const fn of_status(status: Status) -> pb::CredentialStatus {
    match status {
        Status::Valid => pb::CredentialStatus::Valid,
        Status::Revoked => pb::CredentialStatus::Revoked,
        Status::Suspended => pb::CredentialStatus::Suspended,
    }
}

const fn of_checked(checked: Checked) -> pb::CheckOutcome {
    match checked {
        Checked::Passed => pb::CheckOutcome::Passed,
        Checked::Failed => pb::CheckOutcome::Failed,
        Checked::Skipped => pb::CheckOutcome::Skipped,
    }
}

/// Returns an outcome as the contract has it.
#[must_use]
pub const fn of_outcome(outcome: Outcome) -> pb::VerdictOutcome {
    match outcome {
        Outcome::Malformed => pb::VerdictOutcome::Malformed,
        Outcome::UntrustedIssuer => pb::VerdictOutcome::UntrustedIssuer,
        Outcome::BadSignature => pb::VerdictOutcome::BadSignature,
        Outcome::BadBinding => pb::VerdictOutcome::BadBinding,
        Outcome::OutOfScope => pb::VerdictOutcome::OutOfScope,
        Outcome::NotYetValid => pb::VerdictOutcome::NotYetValid,
        Outcome::Expired => pb::VerdictOutcome::Expired,
        Outcome::Revoked => pb::VerdictOutcome::Revoked,
        Outcome::Suspended => pb::VerdictOutcome::Suspended,
        Outcome::StatusUnavailable => pb::VerdictOutcome::StatusUnavailable,
        Outcome::StatusStale => pb::VerdictOutcome::StatusStale,
        Outcome::Valid => pb::VerdictOutcome::Valid,
    }
}
