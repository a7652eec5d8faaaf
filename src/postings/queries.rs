//! Reads: they cannot write.

use bytes::Bytes;

use crate::kernel::ids::PostingId;
use crate::pb::peshub::postings::v1 as pb;
use crate::platform::db::Db;
use crate::platform::feed::event::FacetFilter;
use crate::platform::feed::store as feed;
use crate::platform::permit::Permit;
use crate::postings::error::PostingError;
use crate::postings::store::read::{Criteria, Key, Stored};
use crate::postings::store::{self, held, read};
use crate::postings::watch::{Start, Watches};
use crate::postings::wire;

/// Most bytes of a page: a client with the usual limit of 4 MiB a message must be able to read it.
const PAGE_BYTES_MAX: usize = 3 * 1024 * 1024;

/// Returns one posting's record, encoded.
///
/// # Errors
///
/// `POSTING_NOT_FOUND` when it is not there for this caller, or the database fails.
pub async fn posting(db: &Db, permit: &Permit, key: &Key) -> Result<Bytes, PostingError> {
    let mut tx = db.read(permit).await?;
    let stored = read::one(&mut tx, key).await?;
    let stored = stored.ok_or_else(|| PostingError::NotFound { name: key.to_string() })?;
    Ok(record(&stored))
}

/// Returns the records that are there, and the indices of the keys that are not.
///
/// # Errors
///
/// The database fails.
pub async fn postings(
    db: &Db,
    permit: &Permit,
    keys: &[Key],
) -> Result<(Vec<Bytes>, Vec<usize>), PostingError> {
    let mut tx = db.read(permit).await?;
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for (index, key) in keys.iter().enumerate() {
        match read::one(&mut tx, key).await? {
            Some(stored) => found.push(record(&stored)),
            None => missing.push(index),
        }
    }
    Ok((found, missing))
}

/// Returns a page of postings, and whether there are more.
///
/// # Errors
///
/// The database fails.
pub async fn list(
    db: &Db,
    permit: &Permit,
    mut criteria: Criteria,
) -> Result<(Vec<Stored>, bool), PostingError> {
    let page = usize::try_from(criteria.limit).unwrap_or(usize::MAX);
    criteria.limit = criteria.limit.saturating_add(1);
    let mut tx = db.read(permit).await?;
    let mut rows = read::list(&mut tx, &criteria).await?;
    let mut bytes = 0;
    let fits = rows.iter().take_while(|row| {
        bytes += row.header.len() + row.body.len();
        bytes <= PAGE_BYTES_MAX
    });
    let page = page.min(fits.count().max(1));
    let more = rows.len() > page;
    rows.truncate(page);
    Ok((rows, more))
}

/// Returns the facet groups of a filter within the permit's scope.
///
/// # Errors
///
/// A code is in no list, or the database fails.
pub async fn filter(
    db: &Db,
    permit: &Permit,
    filter: Option<&pb::PostingFilter>,
) -> Result<FacetFilter, PostingError> {
    let mut tx = db.read(permit).await?;
    crate::postings::filter::resolve(&mut tx, filter).await
}

/// Returns where a watch begins: at its cursor, where its named consumer left off, or anew.
///
/// # Errors
///
/// `CURSOR_INVALID`, or the database fails.
pub async fn watch_start(
    db: &Db,
    permit: &Permit,
    watches: &Watches,
    request: &pb::WatchPostingsRequest,
) -> Result<Start, PostingError> {
    if !request.cursor.is_empty() {
        return Ok(Start::After(watches.open_cursor(&request.cursor)?));
    }
    if let Some(participant) = permit.participant().filter(|_| !request.consumer.is_empty()) {
        let mut tx = db.read(permit).await?;
        let left_off = feed::consumer(tx.connection(), participant, &request.consumer).await?;
        if let Some(cursor) = left_off {
            return Ok(Start::After(cursor));
        }
    }
    Ok(if request.skip_snapshot { Start::Now } else { Start::Snapshot })
}

/// Returns a page of a source's held closes, and how many there are in all.
///
/// # Errors
///
/// `SOURCE_NOT_FOUND`, or the database fails.
pub async fn held_closes(
    db: &Db,
    permit: &Permit,
    source: &str,
    after: PostingId,
    limit: i64,
) -> Result<(Vec<held::Listed>, i64), PostingError> {
    let mut tx = db.read(permit).await?;
    let source = store::source(&mut tx, source).await?;
    Ok(held::list(&mut tx, source.id, after, limit).await?)
}

/// Returns a stored record as it is sent.
#[must_use]
pub fn record(stored: &Stored) -> Bytes {
    wire::record(&stored.header, Some(&stored.body))
}
