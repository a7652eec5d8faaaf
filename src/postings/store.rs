//! The SQL of the postings exchange, beside the functions that run it.

use std::collections::HashMap;

use bytes::Bytes;
use sqlx::PgConnection;
use time::{Date, OffsetDateTime};
use uuid::Uuid;

use crate::kernel::ids::{ChangeId, LaneId, ParticipantId, PostingId, Revision, SourceId};
use crate::platform::db::{DbError, ReadTx, WriteTx};
use crate::postings::domain::{CloseHistory, Head, State};
use crate::postings::error::PostingError;

pub mod held;
pub mod read;
pub mod write;

/// `change_log.topic` of postings.
pub const TOPIC: i16 = 1;

/// A source of the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its number.
    pub id: SourceId,
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub owner: ParticipantId,
}

/// Returns the caller's source with a name.
///
/// # Errors
///
/// `SOURCE_NOT_FOUND`, or the database fails.
pub async fn source(tx: &mut ReadTx, name: &str) -> Result<Source, PostingError> {
    let owner = tx.permit().participant().ok_or(PostingError::Corrupt { what: "caller" })?;
    let id = sqlx::query_scalar!(
        "SELECT source_id FROM source WHERE name = $1 AND participant_id = $2",
        name,
        owner.0,
    )
    .fetch_optional(tx.connection())
    .await
    .map_err(DbError::from)?;
    match id {
        Some(id) => Ok(Source { id: SourceId(id), name: name.to_owned(), owner }),
        None => Err(PostingError::SourceNotFound { name: name.to_owned() }),
    }
}

/// Returns the numbers of sources with these names, as far as they exist.
///
/// # Errors
///
/// The database fails.
pub async fn source_ids(tx: &mut ReadTx, names: &[String]) -> Result<Vec<SourceId>, DbError> {
    let ids = sqlx::query_scalar!("SELECT source_id FROM source WHERE name = ANY($1)", names)
        .fetch_all(tx.connection())
        .await?;
    Ok(ids.into_iter().map(SourceId).collect())
}

/// A numbered series of batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lane {
    /// Its number.
    pub id: LaneId,
    /// The last batch that was committed.
    pub last_batch_id: i64,
}

/// Opens a lane for writing; `holder` is the only stream that may from now on.
///
/// # Errors
///
/// The database fails.
pub async fn take_lane(
    connection: &mut PgConnection,
    source: SourceId,
    name: &str,
    holder: Option<Uuid>,
) -> Result<Lane, DbError> {
    let row = sqlx::query!(
        "INSERT INTO sync_lane AS l (source_id, name, holder) VALUES ($1, $2, $3)
         ON CONFLICT ON CONSTRAINT sync_lane_name_unique
         DO UPDATE SET holder = coalesce(excluded.holder, l.holder)
         RETURNING lane_id, last_batch_id",
        source.0,
        name,
        holder,
    )
    .fetch_one(connection)
    .await?;
    Ok(Lane { id: LaneId(row.lane_id), last_batch_id: row.last_batch_id })
}

/// Returns where a lane stands without opening it.
///
/// # Errors
///
/// The database fails.
pub async fn peek_lane(
    tx: &mut ReadTx,
    source: SourceId,
    name: &str,
) -> Result<Option<i64>, DbError> {
    let last = sqlx::query_scalar!(
        "SELECT last_batch_id FROM sync_lane WHERE source_id = $1 AND name = $2",
        source.0,
        name,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(last)
}

/// Returns where a lane stands, and whether a stream is the one that may write to it.
///
/// # Errors
///
/// The database fails.
pub async fn lane_state(
    tx: &mut ReadTx,
    lane: LaneId,
    holder: Uuid,
) -> Result<(i64, bool), DbError> {
    let row =
        sqlx::query!("SELECT last_batch_id, holder FROM sync_lane WHERE lane_id = $1", lane.0)
            .fetch_one(tx.connection())
            .await?;
    Ok((row.last_batch_id, row.holder == Some(holder)))
}

/// Returns the answer that was given to a batch, with the digest of the batch.
///
/// # Errors
///
/// The database fails.
pub async fn answered_batch(
    connection: &mut PgConnection,
    lane: LaneId,
    batch_id: i64,
) -> Result<Option<(Vec<u8>, Vec<u8>)>, DbError> {
    let row = sqlx::query!(
        "SELECT body_sha256, acknowledgement FROM sync_batch WHERE lane_id = $1 AND batch_id = $2",
        lane.0,
        batch_id,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| (row.body_sha256, row.acknowledgement)))
}

/// Returns the heads of a source's postings by external id. Nothing is locked.
///
/// # Errors
///
/// The database fails.
pub async fn heads(
    tx: &mut ReadTx,
    source: SourceId,
    external_ids: &[String],
) -> Result<HashMap<String, Head>, PostingError> {
    let rows = sqlx::query!(
        "SELECT p.posting_id, p.external_id, p.revision, p.source_revision, p.state,
                p.sent_digest, p.content_digest, p.created_at, p.body_id
         FROM unnest($2::text[]) AS wanted(external_id)
         JOIN posting p ON p.source_id = $1 AND p.external_id = wanted.external_id",
        source.0,
        external_ids,
    )
    .fetch_all(tx.connection())
    .await
    .map_err(DbError::from)?;
    let mut heads = HashMap::with_capacity(rows.len());
    for row in rows {
        let state = State::of_number(row.state).ok_or(PostingError::Corrupt { what: "state" })?;
        let head = Head {
            id: PostingId(row.posting_id),
            revision: Revision(row.revision),
            source_revision: row.source_revision,
            state,
            sent_digest: row.sent_digest,
            content_digest: row.content_digest,
            created_at: row.created_at,
            body_id: ChangeId(row.body_id),
        };
        heads.insert(row.external_id, head);
    }
    Ok(heads)
}

/// Returns what a source closed lately, over all its lanes.
///
/// # Errors
///
/// The database fails.
pub async fn close_history(
    tx: &mut ReadTx,
    source: SourceId,
    now: OffsetDateTime,
) -> Result<CloseHistory, DbError> {
    let row = sqlx::query!(
        r#"SELECT (SELECT coalesce(sum(opened - closed), 0)::bigint FROM sync_lane WHERE source_id = $1) AS "open!",
                  coalesce(sum(closes) FILTER (WHERE hour > $2::timestamptz - interval '24 hours'), 0)::bigint AS "last_day!",
                  coalesce(sum(closes) FILTER (WHERE hour <= $2::timestamptz - interval '24 hours'), 0)::bigint AS "week_before!"
           FROM lane_close_hour
           WHERE lane_id IN (SELECT lane_id FROM sync_lane WHERE source_id = $1)
             AND hour > $2::timestamptz - interval '8 days'"#,
        source.0,
        now,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(CloseHistory { open: row.open, last_day: row.last_day, week_before: row.week_before })
}

/// Takes a block of 1,000 numbers for new postings.
///
/// # Errors
///
/// The database fails.
pub async fn posting_id_block(tx: &mut ReadTx) -> Result<i64, DbError> {
    let block = sqlx::query_scalar!(r#"SELECT nextval('posting_id_block') AS "block!""#)
        .fetch_one(tx.connection())
        .await?;
    Ok(block)
}

/// What a finished batch leaves behind on its lane.
#[derive(Clone, Debug)]
pub struct Finish {
    /// The lane.
    pub lane: LaneId,
    /// The batch, and the stream that sent it; `None` for a batch without a number.
    pub numbered: Option<(i64, Uuid)>,
    /// Digest of the batch.
    pub body_sha256: Bytes,
    /// The answer, encoded.
    pub acknowledgement: Bytes,
    /// When.
    pub at: OffsetDateTime,
    /// Postings that came to stand.
    pub opened: i64,
    /// Postings that were closed.
    pub closed: i64,
    /// Records that the batch brought.
    pub records: i64,
}

/// Moves the lane on and keeps the answer. Returns false when the lane is held by another stream or stands elsewhere:
/// then nothing may be committed.
///
/// # Errors
///
/// The database fails.
pub async fn finish(tx: &mut WriteTx, finish: &Finish) -> Result<bool, DbError> {
    let (batch_id, holder) = finish.numbered.unzip();
    let moved = sqlx::query_scalar!(
        "UPDATE sync_lane SET last_batch_id = coalesce($2, last_batch_id), last_committed_at = $4,
                opened = opened + $5, closed = closed + $6,
                records = CASE WHEN records_on = $7 THEN records ELSE 0 END + $8, records_on = $7
         WHERE lane_id = $1 AND ($2::bigint IS NULL OR (last_batch_id + 1 = $2 AND holder = $3))
         RETURNING lane_id",
        finish.lane.0,
        batch_id,
        holder,
        finish.at,
        finish.opened,
        finish.closed,
        finish.at.date(),
        finish.records,
    )
    .fetch_optional(tx.connection())
    .await?;
    if moved.is_none() {
        return Ok(false);
    }
    if let Some(batch_id) = batch_id {
        sqlx::query!(
            "INSERT INTO sync_batch (lane_id, batch_id, body_sha256, acknowledgement, committed_at)
             VALUES ($1, $2, $3, $4, $5)",
            finish.lane.0,
            batch_id,
            finish.body_sha256.as_ref(),
            finish.acknowledgement.as_ref(),
            finish.at,
        )
        .execute(tx.connection())
        .await?;
    }
    if finish.closed > 0 {
        sqlx::query!(
            "INSERT INTO lane_close_hour AS h (lane_id, hour, closes)
             VALUES ($1, date_trunc('hour', $2::timestamptz), $3)
             ON CONFLICT (lane_id, hour) DO UPDATE SET closes = h.closes + excluded.closes",
            finish.lane.0,
            finish.at,
            finish.closed,
        )
        .execute(tx.connection())
        .await?;
    }
    Ok(true)
}

/// Returns how many records a participant has sent on a day (UTC), over all its lanes, with what this transaction adds. Lanes do
/// not wait for one another, so each may come to one batch more than it would have alone.
///
/// # Errors
///
/// The database fails.
pub async fn records_of_day(
    tx: &mut WriteTx,
    participant: ParticipantId,
    day: Date,
) -> Result<i64, DbError> {
    let records = sqlx::query_scalar!(
        r#"SELECT coalesce(sum(l.records), 0)::bigint AS "records!"
           FROM sync_lane l JOIN source s ON s.source_id = l.source_id
           WHERE s.participant_id = $1 AND l.records_on = $2"#,
        participant.0,
        day,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(records)
}
