//! The SQL of the index by which workers are found.
//!
//! One person must never become two workers, also while index keys change and replicas learn of it at different moments. So the
//! table `worker_index_key` says under which keys everybody must be found; whoever registers workers digests under all of these
//! and under no other, and two registrations of one person meet at a unique index. The table changes only under
//! an exclusive lock that registrations share.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use crate::platform::db::{DbError, WriteTx};
use crate::platform::keys::vault::IndexDigest;
use crate::workers::domain::WorkerId;
use crate::workers::store::columns;

/// Which index keys the database knows, and whether workers must be found under them.
pub type Known = BTreeMap<String, bool>;

/// Keeps the set of index keys as it is until the transaction ends, and returns it.
///
/// # Errors
///
/// The database fails.
pub async fn keys(tx: &mut WriteTx) -> Result<Known, DbError> {
    sqlx::query!("SELECT pg_advisory_xact_lock_shared(7307, 1)").execute(tx.connection()).await?;
    read(tx).await
}

/// Says that everybody must be found under a key, waits until nobody registers without knowing it, and returns all keys. What `again`
/// says counts when the key was retired.
///
/// # Errors
///
/// The database fails.
pub async fn use_key(
    tx: &mut WriteTx,
    index_key_id: &str,
    again: bool,
    now: OffsetDateTime,
) -> Result<Known, DbError> {
    sqlx::query!("SELECT pg_advisory_xact_lock(7307, 1)").execute(tx.connection()).await?;
    sqlx::query!(
        "INSERT INTO worker_index_key AS k (index_key_id, first_used_at) VALUES ($1, $2)
         ON CONFLICT (index_key_id) DO UPDATE SET retired_at = NULL WHERE $3 AND k.retired_at IS NOT NULL",
        index_key_id,
        now,
        again,
    )
    .execute(tx.connection())
    .await?;
    read(tx).await
}

/// Says that nobody needs to be found under any key but one. Every worker must have a digest under that one.
///
/// # Errors
///
/// The database fails.
pub async fn retire_others(
    tx: &mut WriteTx,
    index_key_id: &str,
    now: OffsetDateTime,
) -> Result<(), DbError> {
    sqlx::query!("SELECT pg_advisory_xact_lock(7307, 1)").execute(tx.connection()).await?;
    sqlx::query!(
        "UPDATE worker_index_key SET retired_at = $2 WHERE index_key_id <> $1 AND retired_at IS NULL",
        index_key_id,
        now,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

async fn read(tx: &mut WriteTx) -> Result<Known, DbError> {
    let rows = sqlx::query!(
        r#"SELECT index_key_id, retired_at IS NULL AS "is_active!" FROM worker_index_key"#
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(rows.into_iter().map(|row| (row.index_key_id, row.is_active)).collect())
}

/// Adds digests of a worker's number. Returns false when one of them is another's: somebody came first.
///
/// # Errors
///
/// The database fails.
pub async fn add(
    tx: &mut WriteTx,
    worker: WorkerId,
    digests: &[IndexDigest],
) -> Result<bool, DbError> {
    let (ids, values) = columns(digests);
    // In the order of the keys, so that two who add the same do not wait for each other crosswise.
    sqlx::query!(
        "INSERT INTO worker_index (index_key_id, digest, worker_id)
         SELECT index_key_id, digest, $3 FROM unnest($1::text[], $2::bytea[]) AS d(index_key_id, digest)
         ORDER BY index_key_id ON CONFLICT DO NOTHING",
        &ids,
        &values,
        worker.0,
    )
    .execute(tx.connection())
    .await?;
    let own = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM unnest($1::text[], $2::bytea[]) AS d(index_key_id, digest)
           JOIN worker_index i ON i.index_key_id = d.index_key_id AND i.digest = d.digest
           WHERE i.worker_id = $3"#,
        &ids,
        &values,
        worker.0,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(usize::try_from(own).is_ok_and(|own| own == digests.len()))
}
