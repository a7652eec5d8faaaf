//! Contract ⇄ domain.

use aws_lc_rs::digest as sha2;
use bytes::{BufMut as _, Bytes, BytesMut};
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};
use prost_types::Timestamp;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::kernel::clock;
use crate::kernel::fields::{Rule, Violation};
use crate::kernel::ids::{PostingId, Revision};
use crate::pb::peshub::common::v1 as common;
use crate::pb::peshub::postings::v1 as pb;
use crate::pb::raw::peshub::postings::v1 as raw;
use crate::postings::domain::{BYTES_PER_CHANGE_MAX, Close, EXTERNAL_ID_CHARS_MAX, State};
use crate::postings::finding::{Finding, FindingCode, Outcome, Verdict};

/// A change as far as it can be read without reading the posting in it.
#[derive(Clone, Debug)]
pub struct Change {
    /// The source's own id.
    pub external_id: String,
    /// The source's revision, or its time of change in microseconds.
    pub source_revision: Option<i64>,
    /// What is wanted.
    pub intent: Intent,
}

/// What a change wants.
#[derive(Clone, Debug)]
pub enum Intent {
    /// Store this encoded posting, which has this digest.
    Upsert(Bytes, Uuid),
    /// Close it.
    Close(Close),
}

/// Reads a change; `now` stands in for the time of a close that tells none.
///
/// # Errors
///
/// The external id as far as it could be read, and what is wrong.
pub fn change(bytes: Bytes, now: OffsetDateTime) -> Result<Change, (String, Vec<Finding>)> {
    if bytes.len() > BYTES_PER_CHANGE_MAX {
        let expected = format!("at most {BYTES_PER_CHANGE_MAX} bytes, not {}", bytes.len());
        let finding = Finding::new("", FindingCode::RecordTooLarge, expected);
        return Err((String::new(), vec![finding]));
    }
    let change = raw::PostingChange::decode(bytes).map_err(|error| {
        let expected = format!("an encoded peshub.postings.v1.PostingChange ({error})");
        (String::new(), vec![Finding::new("", FindingCode::Malformed, expected)])
    })?;
    let mut wrong = Vec::new();
    wrong.extend(check_external_id(&change.external_id));
    let updated_at = change.source_updated_at.map(instant);
    if updated_at == Some(None) {
        let expected = "a time between the years 1 and 9999";
        wrong.push(Finding::new("source_updated_at", FindingCode::BadFormat, expected));
    }
    let source_revision = change.source_revision.or_else(|| clock::unix_microseconds(updated_at??));
    let intent = match change.change {
        Some(raw::posting_change::Change::Upsert(body)) => {
            let digest = digest(&body);
            Some(Intent::Upsert(body, digest))
        }
        Some(raw::posting_change::Change::Close(close)) => {
            closing(&close, now, &mut wrong).map(Intent::Close)
        }
        None => {
            let expected = "an upsert or a close";
            wrong.push(Finding::new("change", FindingCode::NothingToDo, expected));
            None
        }
    };
    match intent {
        Some(intent) if wrong.is_empty() => {
            Ok(Change { external_id: change.external_id, source_revision, intent })
        }
        _ => Err((change.external_id, wrong)),
    }
}

fn check_external_id(id: &str) -> Option<Finding> {
    let field = "external_id";
    if id.trim().is_empty() {
        let expected = format!("a text of 1 to {EXTERNAL_ID_CHARS_MAX} characters");
        Some(Finding::new(field, FindingCode::Required, expected))
    } else if id.chars().count() > EXTERNAL_ID_CHARS_MAX {
        let expected = format!("at most {EXTERNAL_ID_CHARS_MAX} characters");
        Some(Finding::new(field, FindingCode::TooLong, expected).given(id))
    } else if id.contains(char::is_control) {
        let expected = "no control characters";
        Some(Finding::new(field, FindingCode::BadFormat, expected))
    } else {
        None
    }
}

fn closing(
    close: &pb::PostingClose,
    now: OffsetDateTime,
    wrong: &mut Vec<Finding>,
) -> Option<Close> {
    let violations = crate::kernel::fields::check(close);
    wrong.extend(violations.into_iter().map(|it| Finding::of_violation("close.", it)));
    let at = match close.closed_at {
        None => Some(now),
        Some(at) => instant(at),
    };
    if at.is_none() {
        let expected = "a time between the years 1 and 9999";
        wrong.push(Finding::new("close.closed_at", FindingCode::BadFormat, expected));
    }
    Some(Close { reason: i16::try_from(close.reason).ok()?, at: at? })
}

/// Returns the first 16 bytes of a SHA-256.
#[must_use]
pub fn digest(bytes: &[u8]) -> Uuid {
    let digest = sha2::digest(&sha2::SHA256, bytes);
    let mut first = [0; 16];
    first.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
    Uuid::from_bytes(first)
}

/// Returns the SHA-256 over changes as they were received, in order.
#[must_use]
pub fn body_sha256<'a>(changes: impl IntoIterator<Item = &'a Bytes>) -> Bytes {
    let mut context = sha2::Context::new(&sha2::SHA256);
    for change in changes {
        // The length keeps two batches apart whose changes only join to the same bytes.
        context.update(&u64::try_from(change.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(change);
    }
    Bytes::copy_from_slice(context.finish().as_ref())
}

/// Returns an instant in whole microseconds, or `None` outside the years 1 to 9999 or with a bad part of a second.
#[must_use]
pub fn instant(timestamp: Timestamp) -> Option<OffsetDateTime> {
    let nanos = u32::try_from(timestamp.nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
    let at = OffsetDateTime::from_unix_timestamp(timestamp.seconds).ok()?;
    let at = at.replace_nanosecond(nanos).ok().filter(|at| at.year() >= 1)?;
    Some(clock::whole_microseconds(at))
}

/// Returns an instant as the contract has it.
#[must_use]
pub fn timestamp(at: OffsetDateTime) -> Timestamp {
    Timestamp {
        seconds: at.unix_timestamp(),
        nanos: i32::try_from(at.nanosecond()).unwrap_or_default(),
    }
}

/// What the hub knows of a posting besides its content.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Its number.
    pub id: PostingId,
    /// Name of its source.
    pub source: &'a str,
    /// The source's own id.
    pub external_id: &'a str,
    /// How often it has changed.
    pub revision: Revision,
    /// The source's revision.
    pub source_revision: Option<i64>,
    /// When it was first stored.
    pub created_at: OffsetDateTime,
    /// When it was last changed.
    pub updated_at: OffsetDateTime,
    /// When and why it was closed, if it is.
    pub close: Option<Close>,
}

/// Returns the name of a posting.
#[must_use]
pub fn name(id: PostingId) -> String {
    format!("postings/{id}")
}

/// Returns the number in a posting's name.
#[must_use]
pub fn id_of_name(name: &str) -> Option<PostingId> {
    let number = name.strip_prefix("postings/")?;
    (!number.starts_with('+')).then(|| number.parse().ok().map(PostingId))?
}

/// Returns the record of a posting without its content, encoded.
#[must_use]
pub fn header(facts: Facts<'_>) -> Bytes {
    let state = if facts.close.is_some() { State::Closed } else { State::Open };
    let record = raw::PostingRecord {
        name: name(facts.id),
        key: Some(pb::PostingKey {
            source: facts.source.to_owned(),
            external_id: facts.external_id.to_owned(),
        }),
        posting: Bytes::new(),
        state: i32::from(state.number()),
        revision: facts.revision.0,
        source_revision: facts.source_revision,
        created_at: Some(timestamp(facts.created_at)),
        updated_at: Some(timestamp(facts.updated_at)),
        closed_at: facts.close.map(|close| timestamp(close.at)),
        close_reason: facts.close.map_or(0, |close| i32::from(close.reason)),
        etag: format!("\"{}\"", facts.revision),
    };
    record.encode_to_vec().into()
}

/// Returns the record of a posting with its content: the header's bytes, then the content's as one more field.
#[must_use]
pub fn record(header: &[u8], body: Option<&[u8]>) -> Bytes {
    /// `PostingRecord.posting`.
    const POSTING: u32 = 3;
    let Some(body) = body else { return Bytes::copy_from_slice(header) };
    let length = u64::try_from(body.len()).unwrap_or(u64::MAX);
    let mut out = BytesMut::with_capacity(
        header.len() + key_len(POSTING) + encoded_len_varint(length) + body.len(),
    );
    out.put_slice(header);
    encode_key(POSTING, WireType::LengthDelimited, &mut out);
    encode_varint(length, &mut out);
    out.put_slice(body);
    out.freeze()
}

/// Returns verdicts as the contract has them.
#[must_use]
pub fn verdicts(verdicts: Vec<Verdict>) -> Vec<common::Verdict> {
    verdicts.into_iter().map(verdict).collect()
}

fn verdict(verdict: Verdict) -> common::Verdict {
    let outcome = match verdict.outcome {
        Outcome::AcceptedWithFixes => common::Outcome::AcceptedWithFixes,
        Outcome::Held => common::Outcome::Held,
        Outcome::Rejected => common::Outcome::Rejected,
    };
    let findings = verdict.findings.into_iter().map(|finding| common::Finding {
        field: finding.field,
        code: finding.code as i32,
        expected: finding.expected,
        suggested: finding.suggested,
        given: finding.given,
    });
    common::Verdict {
        external_id: verdict.external_id,
        index: u32::try_from(verdict.index).unwrap_or(u32::MAX),
        outcome: outcome.into(),
        findings: findings.collect(),
    }
}

/// Returns the violation of one field of a request.
#[must_use]
pub fn violation(field: &str, rule: Rule, expected: &str, given: &str) -> Violation {
    Violation {
        field: field.to_owned(),
        rule,
        expected: expected.to_owned(),
        given: crate::kernel::fields::cut(given),
    }
}
