//! Closes above what is usual.

use time::OffsetDateTime;

use crate::kernel::ids::{PostingId, Revision, SourceId};
use crate::platform::db::{DbError, ReadTx, WriteTx};
use crate::postings::domain::Close;

/// A close that is held.
#[derive(Clone, Debug)]
pub struct Held {
    /// Which posting.
    pub id: PostingId,
    /// The source's own id.
    pub external_id: String,
    /// The close as it was sent.
    pub close: Close,
    /// The source's revision.
    pub source_revision: Option<i64>,
}

/// Holds closes; a newer close of the same posting takes the place of an older one.
///
/// # Errors
///
/// The database fails.
pub async fn hold(
    tx: &mut WriteTx,
    source: SourceId,
    held: &[Held],
    now: OffsetDateTime,
) -> Result<(), DbError> {
    let ids: Vec<i64> = held.iter().map(|it| it.id.0).collect();
    let external_ids: Vec<&str> = held.iter().map(|it| it.external_id.as_str()).collect();
    let reasons: Vec<i16> = held.iter().map(|it| it.close.reason).collect();
    let closed_at: Vec<OffsetDateTime> = held.iter().map(|it| it.close.at).collect();
    let revisions: Vec<Option<i64>> = held.iter().map(|it| it.source_revision).collect();
    sqlx::query!(
        "INSERT INTO held_close (posting_id, source_id, external_id, reason, closed_at, source_revision, held_at)
         SELECT posting_id, $1, external_id, reason, closed_at, source_revision, $2
         FROM unnest($3::bigint[], $4::text[], $5::smallint[], $6::timestamptz[], $7::bigint[])
              AS i(posting_id, external_id, reason, closed_at, source_revision)
         ORDER BY posting_id
         ON CONFLICT (posting_id) DO UPDATE
         SET reason = excluded.reason, closed_at = excluded.closed_at, source_revision = excluded.source_revision",
        source.0,
        now,
        &ids,
        &external_ids as &[&str],
        &reasons,
        &closed_at,
        &revisions as &[Option<i64>],
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Forgets the held closes of postings that their source has sent again or closed.
///
/// # Errors
///
/// The database fails.
pub async fn forget(tx: &mut WriteTx, ids: &[PostingId]) -> Result<(), DbError> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    sqlx::query!("DELETE FROM held_close WHERE posting_id = ANY($1)", &ids)
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// A held close, for the list.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The close.
    pub held: Held,
    /// When it was held.
    pub held_at: OffsetDateTime,
}

/// Returns a page of held closes by posting, after a posting.
///
/// # Errors
///
/// The database fails.
pub async fn list(
    tx: &mut ReadTx,
    source: SourceId,
    after: PostingId,
    limit: i64,
) -> Result<(Vec<Listed>, i64), DbError> {
    let rows = sqlx::query!(
        r#"SELECT posting_id, external_id, reason, closed_at, source_revision, held_at
           FROM held_close WHERE source_id = $1 AND posting_id > $2 ORDER BY posting_id LIMIT $3"#,
        source.0,
        after.0,
        limit,
    )
    .fetch_all(tx.connection())
    .await?;
    let total = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM held_close WHERE source_id = $1"#,
        source.0
    )
    .fetch_one(tx.connection())
    .await?;
    let listed = rows.into_iter().map(|row| Listed {
        held: Held {
            id: PostingId(row.posting_id),
            external_id: row.external_id,
            close: Close { reason: row.reason, at: row.closed_at },
            source_revision: row.source_revision,
        },
        held_at: row.held_at,
    });
    Ok((listed.collect(), total))
}

/// Takes all held closes of a source away and returns them.
///
/// # Errors
///
/// The database fails.
pub async fn take_all(tx: &mut WriteTx, source: SourceId) -> Result<Vec<Held>, DbError> {
    let rows = sqlx::query!(
        "DELETE FROM held_close WHERE source_id = $1
         RETURNING posting_id, external_id, reason, closed_at, source_revision",
        source.0,
    )
    .fetch_all(tx.connection())
    .await?;
    let held = rows.into_iter().map(|row| Held {
        id: PostingId(row.posting_id),
        external_id: row.external_id,
        close: Close { reason: row.reason, at: row.closed_at },
        source_revision: row.source_revision,
    });
    Ok(held.collect())
}

/// An open posting that is about to be closed by release, locked.
#[derive(Clone, Debug)]
pub struct Open {
    /// Its number.
    pub id: PostingId,
    /// Its revision.
    pub revision: Revision,
    /// Its facets.
    pub facets: Vec<String>,
    /// When it was first stored.
    pub created_at: OffsetDateTime,
    /// The source's revision.
    pub source_revision: Option<i64>,
}

/// Locks those of some postings that are open, in the order of their numbers.
///
/// # Errors
///
/// The database fails.
pub async fn lock_open(tx: &mut WriteTx, ids: &[PostingId]) -> Result<Vec<Open>, DbError> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        "SELECT posting_id, revision, facets, created_at, source_revision FROM posting
         WHERE posting_id = ANY($1) AND state = 1 ORDER BY posting_id FOR NO KEY UPDATE",
        &ids,
    )
    .fetch_all(tx.connection())
    .await?;
    let open = rows.into_iter().map(|row| Open {
        id: PostingId(row.posting_id),
        revision: Revision(row.revision),
        facets: row.facets,
        created_at: row.created_at,
        source_revision: row.source_revision,
    });
    Ok(open.collect())
}
