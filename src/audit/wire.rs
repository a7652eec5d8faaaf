//! Contract ⇄ trail.

use prost_types::Timestamp;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::audit::store::Criteria;
use crate::kernel::fault::Fault;
use crate::kernel::fields::{self, Rule, Violation};
use crate::pb::peshub::audit::v1 as pb;
use crate::platform::audit::entry::Row;
use crate::platform::audit::proof::Proof;
use crate::platform::audit::statement::PublicKey;
use crate::platform::audit::store::Sealed;

/// Entries a page when the request does not say.
const PAGE_SIZE: i64 = 100;

/// Reads what is searched for; the reach and the place of the page are the caller's to set.
///
/// # Errors
///
/// A time or an id cannot be read.
pub fn criteria(request: &pb::SearchAuditRequest) -> Result<Criteria, Fault> {
    let filter = request.filter.clone().unwrap_or_default();
    let mut wrong = Vec::new();
    let mut time = |name: &str, at: Option<Timestamp>| {
        let read = at.map(instant);
        if read == Some(None) {
            let expected = "a time between the years 1 and 9999";
            wrong.push(violation(&format!("filter.{name}"), expected, ""));
        }
        read.flatten()
    };
    let (from, until) = (time("from", filter.from), time("until", filter.until));
    let worker_id = match filter.worker_id.as_str() {
        "" => None,
        text => match Uuid::try_parse(text) {
            Ok(id) => Some(id),
            Err(_) => {
                wrong.push(violation("filter.worker_id", "a UUID", text));
                None
            }
        },
    };
    if !wrong.is_empty() {
        return Err(Fault::fields(wrong));
    }
    Ok(Criteria {
        reach: None,
        participant: filter.participant,
        system: filter.system,
        action: filter.action,
        subject_prefix: filter.subject_prefix,
        event: filter.event,
        refusals_only: filter.refusals_only,
        worker_id,
        from,
        until,
        oldest_first: request.order == i32::from(pb::AuditOrder::OldestFirst),
        after: None,
        limit: page_size(request.page_size),
    })
}

/// Returns how many of something a page has.
#[must_use]
pub fn page_size(asked: i32) -> i64 {
    if asked == 0 { PAGE_SIZE } else { i64::from(asked) }
}

/// Reads the name of an entry.
///
/// # Errors
///
/// It is none.
pub fn entry_id(text: &str) -> Result<Uuid, Fault> {
    let wrong = |_| Fault::fields(vec![violation("entry_id", "a UUID", text)]);
    Uuid::try_parse(text).map_err(wrong)
}

/// Returns an entry as the contract has it. Only auditors are told the hub's own name for a worker.
#[must_use]
pub fn entry(row: Row, for_auditor: bool) -> pb::AuditEntry {
    let worker_id = row.worker_id.filter(|_| for_auditor);
    pb::AuditEntry {
        seq: row.seq.unwrap_or_default(),
        entry_id: row.entry_id.to_string(),
        at: Some(timestamp(row.at)),
        participant: row.participant,
        system: row.system,
        action: row.action,
        subject: row.subject,
        event: row.event,
        refusal: row.refusal,
        times: row.times,
        body_sha256: row.body_sha256.unwrap_or_default().into(),
        worker_id: worker_id.map(|id| id.to_string()).unwrap_or_default(),
        purpose: row.purpose.unwrap_or_default(),
        legal_basis: row.legal_basis.unwrap_or_default(),
    }
}

/// Returns a checkpoint as the contract has it.
#[must_use]
pub fn checkpoint(sealed: Sealed, keys: &[PublicKey]) -> pb::Checkpoint {
    let key = keys.iter().find(|key| key.key_id == sealed.key_id);
    pb::Checkpoint {
        number: sealed.number,
        first_seq: sealed.first_seq,
        last_seq: sealed.last_seq,
        statement: sealed.statement,
        algorithm: key.map(|key| key.algorithm.clone()).unwrap_or_default(),
        key_id: sealed.key_id,
        signature: sealed.signature.into(),
    }
}

/// Returns a proof as the contract has it.
#[must_use]
pub fn proof(proof: &Proof) -> pb::GetInclusionProofResponse {
    let it = &proof.checkpoint;
    let number = |size: usize| i32::try_from(size).unwrap_or(i32::MAX);
    pb::GetInclusionProofResponse {
        entry: proof.entry.text(),
        index: number(proof.index),
        size: number(proof.size),
        path: proof.path.iter().map(|hash| hash.0.to_vec().into()).collect(),
        checkpoint: Some(pb::Checkpoint {
            number: it.number,
            first_seq: it.first_seq,
            last_seq: it.last_seq,
            statement: it.text(),
            algorithm: it.algorithm.clone(),
            key_id: it.key_id.clone(),
            signature: proof.signature.0.clone().into(),
        }),
        document: proof.text(),
    }
}

/// Returns a key as the contract has it.
#[must_use]
pub fn key((key, first_used_at): (PublicKey, OffsetDateTime)) -> pb::SigningKey {
    pb::SigningKey {
        key_id: key.key_id,
        algorithm: key.algorithm,
        public_key: key.public_key.0.into(),
        first_used_at: Some(timestamp(first_used_at)),
    }
}

fn instant(at: Timestamp) -> Option<OffsetDateTime> {
    let nanos = i128::from(at.seconds) * 1_000_000_000 + i128::from(at.nanos);
    OffsetDateTime::from_unix_timestamp_nanos(nanos).ok().filter(|at| at.year() > 0)
}

fn timestamp(at: OffsetDateTime) -> Timestamp {
    Timestamp {
        seconds: at.unix_timestamp(),
        nanos: i32::try_from(at.nanosecond()).unwrap_or_default(),
    }
}

fn violation(field: &str, expected: &str, given: &str) -> Violation {
    Violation {
        field: field.to_owned(),
        rule: Rule::BadFormat,
        expected: expected.to_owned(),
        given: fields::cut(given),
    }
}
