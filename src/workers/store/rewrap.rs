//! The SQL of changing keys. Each statement is a step that stands by itself: whoever is interrupted begins again.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::platform::db::{DbError, ReadTx};
use crate::platform::keys::vault::{IndexDigest, Wrapped};
use crate::workers::domain::WorkerId;

/// A worker's key as it was read, and as it is to be.
#[derive(Debug)]
pub struct Rewrapped {
    /// Whose.
    pub worker: WorkerId,
    /// As it was read.
    pub before: Wrapped,
    /// As it is to be.
    pub after: Wrapped,
}

/// Returns keys that another master key wraps, of workers after one.
///
/// # Errors
///
/// The database fails.
pub async fn keys_of_others(
    tx: &mut ReadTx,
    current: &str,
    after: WorkerId,
    limit: i64,
) -> Result<Vec<(WorkerId, Wrapped)>, DbError> {
    let rows = sqlx::query!(
        "SELECT worker_id, master_key_id, wrapped FROM worker_key
         WHERE worker_id > $1 AND master_key_id <> $2 ORDER BY worker_id LIMIT $3",
        after.0,
        current,
        limit,
    )
    .fetch_all(tx.connection())
    .await?;
    let row = rows.into_iter().map(|row| {
        let wrapped = Wrapped { master_key_id: row.master_key_id, bytes: row.wrapped };
        (WorkerId(row.worker_id), wrapped)
    });
    Ok(row.collect())
}

/// Replaces wrapped keys, where they still are what was read; one that was erased meanwhile stays away. Returns how many.
///
/// # Errors
///
/// The database fails.
pub async fn replace_keys(tx: &mut ReadTx, keys: &[Rewrapped]) -> Result<u64, DbError> {
    let ids: Vec<Uuid> = keys.iter().map(|it| it.worker.0).collect();
    let before: Vec<Vec<u8>> = keys.iter().map(|it| it.before.bytes.clone()).collect();
    let masters: Vec<String> = keys.iter().map(|it| it.after.master_key_id.clone()).collect();
    let after: Vec<Vec<u8>> = keys.iter().map(|it| it.after.bytes.clone()).collect();
    let done = sqlx::query!(
        "UPDATE worker_key k SET master_key_id = n.master_key_id, wrapped = n.wrapped
         FROM unnest($1::uuid[], $2::bytea[], $3::text[], $4::bytea[])
              AS n(worker_id, before, master_key_id, wrapped)
         WHERE k.worker_id = n.worker_id AND k.wrapped = n.before",
        &ids,
        &before,
        &masters,
        &after,
    )
    .execute(tx.connection())
    .await?;
    Ok(done.rows_affected())
}

/// A worker whose number is to be digested anew.
#[derive(Debug)]
pub struct Unindexed {
    /// Which.
    pub worker: WorkerId,
    /// Its sealed number.
    pub sealed: Vec<u8>,
    /// Its key.
    pub key: Wrapped,
}

/// Returns workers without a digest under a key, after one.
///
/// # Errors
///
/// The database fails.
pub async fn without_digest(
    tx: &mut ReadTx,
    index_key_id: &str,
    after: WorkerId,
    limit: i64,
) -> Result<Vec<Unindexed>, DbError> {
    let rows = sqlx::query!(
        r#"SELECT w.worker_id, w.sealed AS "sealed!", k.master_key_id, k.wrapped
           FROM worker w JOIN worker_key k ON k.worker_id = w.worker_id
           WHERE w.worker_id > $1 AND w.sealed IS NOT NULL AND NOT EXISTS (
               SELECT 1 FROM worker_index i WHERE i.worker_id = w.worker_id AND i.index_key_id = $2)
           ORDER BY w.worker_id LIMIT $3"#,
        after.0,
        index_key_id,
        limit,
    )
    .fetch_all(tx.connection())
    .await?;
    let row = rows.into_iter().map(|row| Unindexed {
        worker: WorkerId(row.worker_id),
        sealed: row.sealed,
        key: Wrapped { master_key_id: row.master_key_id, bytes: row.wrapped },
    });
    Ok(row.collect())
}

/// Adds digests of workers that are not erased. Returns how many.
///
/// # Errors
///
/// The database fails.
pub async fn add_digests(
    tx: &mut ReadTx,
    digests: &[(WorkerId, IndexDigest)],
) -> Result<u64, DbError> {
    let ids: Vec<Uuid> = digests.iter().map(|(worker, _)| worker.0).collect();
    let keys: Vec<String> = digests.iter().map(|(_, it)| it.index_key_id.clone()).collect();
    let values: Vec<Vec<u8>> = digests.iter().map(|(_, it)| it.digest.to_vec()).collect();
    // An erasure that is under way is waited for.
    let done = sqlx::query!(
        "WITH there AS MATERIALIZED (
             SELECT worker_id FROM worker WHERE worker_id = ANY($1::uuid[]) AND erased_at IS NULL
             ORDER BY worker_id FOR SHARE)
         INSERT INTO worker_index (index_key_id, digest, worker_id)
         SELECT d.index_key_id, d.digest, d.worker_id
         FROM unnest($1::uuid[], $2::text[], $3::bytea[]) AS d(worker_id, index_key_id, digest)
         JOIN there USING (worker_id) ON CONFLICT DO NOTHING",
        &ids,
        &keys,
        &values,
    )
    .execute(tx.connection())
    .await?;
    Ok(done.rows_affected())
}

/// Removes digests under retired keys, some at a time. Returns how many.
///
/// # Errors
///
/// The database fails.
pub async fn remove_retired(tx: &mut ReadTx, limit: i64) -> Result<u64, DbError> {
    let done = sqlx::query!(
        "DELETE FROM worker_index WHERE ctid = ANY(ARRAY(
             SELECT i.ctid FROM worker_index_key k JOIN worker_index i ON i.index_key_id = k.index_key_id
             WHERE k.retired_at IS NOT NULL LIMIT $1))",
        limit,
    )
    .execute(tx.connection())
    .await?;
    Ok(done.rows_affected())
}

/// Returns how many keys each master key wraps.
///
/// # Errors
///
/// The database fails.
pub async fn wrapped_by(tx: &mut ReadTx) -> Result<Vec<(String, i64)>, DbError> {
    let rows = sqlx::query!(
        r#"SELECT master_key_id, count(*) AS "count!" FROM worker_key GROUP BY 1 ORDER BY 1"#
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(rows.into_iter().map(|row| (row.master_key_id, row.count)).collect())
}

/// Returns the index keys and when they were retired.
///
/// # Errors
///
/// The database fails.
pub async fn index_keys(tx: &mut ReadTx) -> Result<Vec<(String, Option<OffsetDateTime>)>, DbError> {
    let rows = sqlx::query!("SELECT index_key_id, retired_at FROM worker_index_key ORDER BY 1")
        .fetch_all(tx.connection())
        .await?;
    Ok(rows.into_iter().map(|row| (row.index_key_id, row.retired_at)).collect())
}
