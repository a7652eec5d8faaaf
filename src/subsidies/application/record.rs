//! The record of a decision: what was decided and on what it rests, without a value of a fact. What it was computed from is bound in by
//! salted digests; the salt lies with the facts, sealed, and goes with them.

use aws_lc_rs::digest::{Context, SHA256};
use prost::Message as _;
use time::{Date, OffsetDateTime};

use crate::pb::peshub::common::v1 as common;
use crate::pb::peshub::subsidies::v1 as pb;
use crate::platform::audit::receipt::{Accepted, Receipts};
use crate::platform::db::Record;
use crate::platform::permit::Permit;
use crate::subsidies::application::sealed::Basis;
use crate::subsidies::application::{ApplicationId, DecisionId};
use crate::subsidies::domain::Day;
use crate::subsidies::wire::timestamp;

/// Bytes of a salt.
pub const SALT_BYTES: usize = 32;

/// What is decided.
#[derive(Clone, Debug)]
pub struct Decided<'a> {
    /// Its name.
    pub id: DecisionId,
    /// About which application.
    pub application: ApplicationId,
    /// Granted or refused.
    pub outcome: pb::DecisionOutcome,
    /// What is granted, and its currency.
    pub amount: (i64, &'a str),
    /// Why.
    pub reasons: Vec<pb::LocalisedText>,
    /// Name of the bureau.
    pub bureau: &'a str,
    /// When.
    pub at: OffsetDateTime,
    /// When it was determined.
    pub determined_on: Date,
    /// Token of the division.
    pub division: Option<&'a str>,
}

/// Returns the record of a decision on what it rests on.
#[must_use]
pub fn of(decided: Decided<'_>, basis: &Basis) -> pb::DecisionRecord {
    let determination = pb::Determination::decode(basis.determination_bytes.as_ref());
    let determination = determination.unwrap_or_default();
    let committed = commitments(basis, &determination);
    pb::DecisionRecord {
        decision_id: decided.id.to_string(),
        application_id: decided.application.to_string(),
        outcome: decided.outcome.into(),
        amount: decided.amount.0,
        currency: decided.amount.1.to_owned(),
        reasons: decided.reasons,
        bureau: decided.bureau.to_owned(),
        decided_on: Day::of(decided.at.date()).to_string(),
        programme: determination.programme.clone(),
        edition: determination.edition,
        edition_sha256: determination.edition_sha256.clone(),
        facts_commitment: committed.facts.to_vec().into(),
        selected_on_commitment: committed.selected_on.to_vec().into(),
        evaluator: determination.evaluator,
        determination_commitment: committed.determination.to_vec().into(),
        determined_on: Day::of(decided.determined_on).to_string(),
        division_token: decided.division.unwrap_or_default().to_owned(),
        determination: Some(without_values(determination)),
    }
}

/// Salted digests of what a decision rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commitments {
    /// Of the facts.
    pub facts: [u8; 32],
    /// Of the selecting day.
    pub selected_on: [u8; 32],
    /// Of the determination with values.
    pub determination: [u8; 32],
}

/// Returns the salted digests of what a decision rests on.
#[must_use]
pub fn commitments(basis: &Basis, determination: &pb::Determination) -> Commitments {
    Commitments {
        facts: commitment(&basis.salt, b"facts", &determination.facts_sha256),
        selected_on: commitment(&basis.salt, b"day", determination.selected_on.as_bytes()),
        determination: commitment(&basis.salt, b"determination", &basis.determination_bytes),
    }
}

/// SHA-256 of the salt, what it is about, and the bytes.
fn commitment(salt: &[u8], about: &[u8], bytes: &[u8]) -> [u8; 32] {
    let mut digest = Context::new(&SHA256);
    for part in [salt, about, bytes] {
        digest.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(part);
    }
    digest.finish().as_ref().first_chunk::<32>().copied().unwrap_or_default()
}

/// Returns a determination without what tells a value of a fact: what is shown where it is not disclosed, and what stays after
/// erasure. The digest of the facts is one, too: whoever can try all values can find the right ones by it.
#[must_use]
pub fn without_values(determination: pb::Determination) -> pb::Determination {
    let amount = determination.amount.map(|it| pb::Amount {
        derivation: it
            .derivation
            .into_iter()
            .map(|step| pb::DerivationStep { value: String::new(), ..step })
            .collect(),
        ..it
    });
    pb::Determination {
        amount,
        facts_sha256: bytes::Bytes::new(),
        selected_on: String::new(),
        ..determination
    }
}

/// Returns the hub's receipt for what a record of the trail closes. It must not leave before the commit.
#[must_use]
pub fn receipt(
    receipts: &Receipts,
    permit: &Permit,
    record: &Record,
    accepted: &Accepted<'_>,
) -> common::Receipt {
    let issued = receipts.issue(permit, record, accepted);
    common::Receipt {
        body_sha256: record.body_sha256.clone().unwrap_or_default(),
        committed_at: Some(timestamp(record.at)),
        source: accepted.source.to_owned(),
        entry_id: issued.entry_id,
        statement: issued.statement,
        algorithm: issued.algorithm,
        key_id: issued.key_id,
        signature: issued.signature.into(),
    }
}

#[cfg(test)]
mod tests {
    use crate::pb::peshub::subsidies::v1 as pb;
    use crate::subsidies::application::record::{commitments, without_values};
    use crate::subsidies::application::sealed::Basis;

    fn determination() -> pb::Determination {
        let step =
            pb::DerivationStep { expression: "worker.wage / 2".into(), value: "4711".into() };
        pb::Determination {
            amount: Some(pb::Amount { least: 9, derivation: vec![step], ..pb::Amount::default() }),
            facts_sha256: vec![7; 32].into(),
            selected_on: "2025-06-01".into(),
            ..pb::Determination::default()
        }
    }

    #[test]
    fn what_is_shown_to_all_has_no_value_of_a_fact() {
        let shown = format!("{:?}", without_values(determination()));
        for value in ["4711", "2025-06-01", "\\x07"] {
            assert!(!shown.contains(value), "{shown}");
        }
    }

    #[test]
    fn without_the_salt_nothing_can_be_found_by_trying() {
        let basis = |salt: u8| Basis {
            salt: vec![salt; 32].into(),
            determination_bytes: vec![1].into(),
            ..Basis::default()
        };
        let (one, other) =
            (commitments(&basis(1), &determination()), commitments(&basis(2), &determination()));
        assert_eq!(one, commitments(&basis(1), &determination()));
        assert_ne!(one.facts, other.facts);
        assert_ne!(one.selected_on, other.selected_on);
        assert_ne!(one.determination, other.determination);
    }
}
