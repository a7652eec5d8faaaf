//! Writes without a stream: one function, one use case, one transaction.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;

use crate::kernel::fault::Fault;
use crate::kernel::ids::{LaneId, Revision};
use crate::pb::peshub::postings::v1 as pb;
use crate::platform::audit::receipt::Accepted;
use crate::platform::db::{Record, WriteTx};
use crate::platform::feed::cursor::Cursor;
use crate::platform::feed::store as feed;
use crate::platform::feed::tail::Tail;
use crate::platform::mutation::{RequestKey, once};
use crate::platform::permit::Permit;
use crate::postings::domain::{BYTES_PER_BATCH_MAX, CHANGES_PER_BATCH_MAX, State};
use crate::postings::error::PostingError;
use crate::postings::facets;
use crate::postings::store::held::{self, Held, Open};
use crate::postings::store::write::{self, Row};
use crate::postings::store::{self, Finish, Source};
use crate::postings::sync::batch::{Batch, Committed};
use crate::postings::sync::commit::Committer;
use crate::postings::wire::{self, Facts};

/// How long an answer waits to be told its position.
const POSITION_WAIT: Duration = Duration::from_secs(2);
/// Lane of batches that come without a stream. No stream can open it: the contract's names have no brackets.
const UNARY_LANE: &str = "(unary)";

/// A batch that came without a stream.
#[derive(Clone, Debug)]
pub struct UnaryBatch {
    /// Name of the source.
    pub source: String,
    /// The encoded changes.
    pub changes: Vec<Bytes>,
    /// Makes the call safe to repeat; may be empty.
    pub request_id: String,
    /// Check everything, store nothing.
    pub validate_only: bool,
}

/// Stores one batch.
///
/// # Errors
///
/// `SOURCE_NOT_FOUND`, `BATCH_TOO_LARGE`, `REQUEST_ID_REUSED`, `CONTENDED`, or the database fails.
pub async fn upsert(
    committer: &Committer,
    tail: &Tail,
    permit: &Permit,
    unary: UnaryBatch,
) -> Result<pb::BatchAcknowledgement, PostingError> {
    let bytes: usize = unary.changes.iter().map(Bytes::len).sum();
    if unary.changes.len() > CHANGES_PER_BATCH_MAX || bytes > BYTES_PER_BATCH_MAX {
        return Err(PostingError::BatchTooLarge);
    }
    let mut tx = committer.db().read(permit).await?;
    let source = Arc::new(store::source(&mut tx, &unary.source).await?);
    let body_sha256 = wire::body_sha256(&unary.changes);
    let lane = "".into();
    let batch = Batch { numbered: None, source, lane, changes: unary.changes, body_sha256 };
    if unary.validate_only {
        drop(tx);
        let prepared = committer.prepare(permit, batch).await?;
        let acknowledgement = prepared.acknowledgement();
        return Ok(pb::BatchAcknowledgement { validate_only: true, ..acknowledgement });
    }
    drop(tx);
    let lane = unary_lane(committer, &batch.source).await?;
    let prepared = committer.prepare(permit, batch).await?;
    let done = committer.commit_once(permit, lane, prepared, &unary.request_id).await?;
    settle(tail, done).await
}

/// Returns the lane of what comes without a stream. The source is the caller's; its lanes are the hub's to make.
async fn unary_lane(committer: &Committer, source: &Source) -> Result<LaneId, PostingError> {
    let mut tx = committer.db().read(&Permit::of_hub()).await?;
    Ok(store::take_lane(tx.connection(), source.id, UNARY_LANE, None).await?.id)
}

async fn settle(
    tail: &Tail,
    committed: Committed,
) -> Result<pb::BatchAcknowledgement, PostingError> {
    let position = if committed.has_events { tail.settled(POSITION_WAIT).await } else { None };
    Ok(committed.at(position))
}

/// Releases or discards all held closes of a source.
///
/// # Errors
///
/// `SOURCE_NOT_FOUND`, `REQUEST_ID_REUSED`, or the database fails.
pub async fn resolve_held(
    committer: &Committer,
    tail: &Tail,
    permit: &Permit,
    request: pb::ResolveHeldClosesRequest,
) -> Result<pb::ResolveHeldClosesResponse, Fault> {
    let now = committer.now();
    let key = RequestKey::new(&request.request_id, &request)?;
    let body_sha256 = wire::body_sha256([&Bytes::from(request.encode_to_vec())]);
    let db = committer.db();
    let mut read = db.read(permit).await?;
    let source = store::source(&mut read, &request.source).await?;
    drop(read);
    let lane = unary_lane(committer, &source).await?;
    let release = request.resolution == i32::from(pb::HeldCloseResolution::Release);
    let issuer = committer.clone();
    let response = once(db, permit, &key, now, |tx| {
        Box::pin(async move {
            let (resolved, event) = resolve(tx, (&source, lane), release, now).await?;
            let subject = format!("sources/{}: {resolved} closes", source.name);
            let record = Record::new(now, subject, event).of_body(body_sha256);
            let accepted = Accepted {
                source: &source.name,
                request_id: &request.request_id,
                counts: vec![("resolved", resolved)],
                ..Accepted::default()
            };
            let receipt = Some(issuer.receipt(tx.permit(), &record, &accepted));
            Ok((pb::ResolveHeldClosesResponse { resolved, position: 0, receipt }, record))
        })
    });
    positioned(tail, release, response.await?).await
}

/// Returns how many closes were released or discarded, and what that is called.
async fn resolve(
    tx: &mut WriteTx,
    (source, lane): (&Source, LaneId),
    release: bool,
    now: time::OffsetDateTime,
) -> Result<(i64, &'static str), PostingError> {
    let taken = held::take_all(tx, source.id).await?;
    let resolved =
        if release { close_all(tx, source, lane, &taken, now).await? } else { taken.len() };
    let event = if release { "closes.released" } else { "closes.discarded" };
    Ok((i64::try_from(resolved).unwrap_or(i64::MAX), event))
}

/// Returns an answer with a position at or after what it released; told anew whenever the answer is given.
async fn positioned(
    tail: &Tail,
    release: bool,
    response: pb::ResolveHeldClosesResponse,
) -> Result<pb::ResolveHeldClosesResponse, Fault> {
    let moved = release && response.resolved > 0;
    let position = if moved { tail.settled(POSITION_WAIT).await } else { None };
    let position = position.map_or(0, |position| position.0);
    Ok(pb::ResolveHeldClosesResponse { position, ..response })
}

async fn close_all(
    tx: &mut WriteTx,
    source: &Source,
    lane: LaneId,
    taken: &[Held],
    now: time::OffsetDateTime,
) -> Result<usize, PostingError> {
    let ids: Vec<_> = taken.iter().map(|held| held.id).collect();
    let closes: HashMap<_, _> = taken.iter().map(|held| (held.id, held)).collect();
    let open = held::lock_open(tx, &ids).await?;
    let mut rows: Vec<Row> = open
        .into_iter()
        .filter_map(|open| closes.get(&open.id).map(|held| closed_row(source, open, held, now)))
        .collect();
    rows.sort_unstable_by(|a, b| a.external_id.cmp(&b.external_id));
    for page in rows.chunks(CHANGES_PER_BATCH_MAX) {
        write::write(tx, source.id, page, now).await?;
    }
    let finish = Finish {
        lane,
        numbered: None,
        body_sha256: Bytes::new(),
        acknowledgement: Bytes::new(),
        at: now,
        opened: 0,
        closed: i64::try_from(rows.len()).unwrap_or(i64::MAX),
        records: 0,
    };
    store::finish(tx, &finish).await?;
    Ok(rows.len())
}

fn closed_row(source: &Source, open: Open, held: &Held, now: time::OffsetDateTime) -> Row {
    let revision: Revision = open.revision.next();
    let source_revision = held.source_revision.or(open.source_revision);
    let header = wire::header(Facts {
        id: open.id,
        source: &source.name,
        external_id: &held.external_id,
        revision,
        source_revision,
        created_at: open.created_at,
        updated_at: now,
        close: Some(held.close),
    });
    Row {
        id: open.id,
        external_id: held.external_id.clone(),
        is_new: false,
        revision,
        source_revision,
        state: State::Closed,
        header,
        facets: facets::in_state(&open.facets, State::Closed),
        facets_before: open.facets,
        content: None,
        created_at: open.created_at,
    }
}

/// Stores how far a named consumer has come.
///
/// # Errors
///
/// The database fails.
pub async fn acknowledge_watch(
    tx: &mut WriteTx,
    consumer: &str,
    cursor: Cursor,
    now: time::OffsetDateTime,
) -> Result<(pb::AcknowledgeWatchResponse, Record), PostingError> {
    let participant = tx.permit().participant().ok_or(PostingError::Corrupt { what: "caller" })?;
    let position =
        feed::advance_consumer(tx.connection(), participant, consumer, cursor, now).await?;
    let subject = format!("consumers/{consumer}: position {position}");
    let response = pb::AcknowledgeWatchResponse { position: position.0 };
    Ok((response, Record::new(now, subject, "watch.acknowledged")))
}
