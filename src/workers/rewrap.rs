//! Changing keys: every worker's key is wrapped anew under the current master key, and every number is digested anew under the current
//! index key. It can be stopped at any moment and begun again; nobody is lost, and hubs go on serving meanwhile.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::platform::db::{Db, Record};
use crate::platform::keys::vault::{IndexDigest, KeyVault};
use crate::platform::permit::Permit;
use crate::platform::secrets;
use crate::workers::domain::WorkerId;
use crate::workers::error::WorkerError;
use crate::workers::store::index;
use crate::workers::store::rewrap::{self as store, Rewrapped, Unindexed};
use crate::workers::{sealed, wire};

/// Workers in one step.
pub const STEP: i64 = 500;

/// What keys are changed in, and how.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// The database.
    pub db: &'a Db,
    /// Where the keys are.
    pub vault: &'a dyn KeyVault,
    /// When.
    pub now: OffsetDateTime,
    /// Workers in one step, usually [`STEP`].
    pub step: i64,
}

/// What was done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Keys wrapped anew.
    pub rewrapped: u64,
    /// Numbers digested anew.
    pub indexed: u64,
    /// Digests removed that nobody needs any more.
    pub removed: u64,
}

/// What is needed from now on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What was done.
    pub done: Done,
    /// Master keys that still wrap something, with how many.
    pub masters: Vec<(String, i64)>,
    /// Index keys under which workers are found.
    pub indexes: Vec<String>,
}

/// Does all of it, telling `progress` after each step.
///
/// # Errors
///
/// A key is missing, or the database fails; what was done stays done.
pub async fn rewrap(
    job: Job<'_>,
    progress: &mut (dyn FnMut(Done) + Send),
) -> Result<Report, WorkerError> {
    let Job { db, vault, now, step } = job;
    let ids = vault.key_ids().await?;
    let mut done = Done::default();
    secrets::rewrap(db, vault).await?;
    wrap_all(job, &ids.current_master, (&mut done, progress)).await?;

    let hub = Permit::of_hub();
    let mut tx = db.write(&hub).await?;
    // From here on nobody is registered without being found under the current key.
    index::use_key(&mut tx, &ids.current_index, true, now).await?;
    let subject = format!("keys/index/{}", ids.current_index);
    tx.commit(Record::new(now, subject, "key.used")).await?;
    index_all(job, &ids.current_index, (&mut done, progress)).await?;
    let mut tx = db.write(&hub).await?;
    index::retire_others(&mut tx, &ids.current_index, now).await?;
    let subject = format!(
        "keys: {} wrapped anew under {}, {} digested anew under {}",
        done.rewrapped, ids.current_master, done.indexed, ids.current_index
    );
    tx.commit(Record::new(now, subject, "keys.changed")).await?;

    let mut tx = db.read(&hub).await?;
    loop {
        let removed = store::remove_retired(&mut tx, step).await?;
        if removed == 0 {
            break;
        }
        done.removed += removed;
        progress(done);
    }
    let masters = store::wrapped_by(&mut tx).await?;
    let indexes = store::index_keys(&mut tx).await?;
    let indexes = indexes.into_iter().filter(|(_, retired_at)| retired_at.is_none());
    Ok(Report { done, masters, indexes: indexes.map(|(id, _)| id).collect() })
}

type Told<'a> = (&'a mut Done, &'a mut (dyn FnMut(Done) + Send));

async fn wrap_all(
    job: Job<'_>,
    current: &str,
    (done, progress): Told<'_>,
) -> Result<(), WorkerError> {
    let mut tx = job.db.read(&Permit::of_hub()).await?;
    let mut after = WorkerId(Uuid::nil());
    loop {
        let found = store::keys_of_others(&mut tx, current, after, job.step).await?;
        let Some((last, _)) = found.last() else { return Ok(()) };
        after = *last;
        let mut keys = Vec::with_capacity(found.len());
        for (worker, before) in found {
            let wrapped = sealed::wrap_anew(job.vault, worker, &before).await?;
            keys.push(Rewrapped { worker, before, after: wrapped });
        }
        done.rewrapped += store::replace_keys(&mut tx, &keys).await?;
        progress(*done);
    }
}

async fn index_all(
    job: Job<'_>,
    current: &str,
    (done, progress): Told<'_>,
) -> Result<(), WorkerError> {
    let mut tx = job.db.read(&Permit::of_hub()).await?;
    let mut after = WorkerId(Uuid::nil());
    loop {
        let found = store::without_digest(&mut tx, current, after, job.step).await?;
        let Some(last) = found.last() else { return Ok(()) };
        after = last.worker;
        let mut digests = Vec::with_capacity(found.len());
        for worker in found {
            digests.push((worker.worker, digest(job.vault, current, &worker, job.now).await?));
        }
        done.indexed += store::add_digests(&mut tx, &digests).await?;
        progress(*done);
    }
}

async fn digest(
    vault: &dyn KeyVault,
    current: &str,
    worker: &Unindexed,
    now: OffsetDateTime,
) -> Result<IndexDigest, WorkerError> {
    let unreadable = || WorkerError::Corrupt { what: "identity number" };
    let key = sealed::open_key(vault, worker.worker, &worker.key).await?;
    let number = sealed::open_number(&key, worker.worker, &worker.sealed)?;
    let number = wire::decoded(&number).ok_or_else(unreadable)?;
    let number = wire::stored_number(&number, now.date()).ok_or_else(unreadable)?;
    let digests = vault.index_digests(&number.canonical(), &[current.to_owned()]).await?;
    digests.into_iter().next().ok_or_else(unreadable)
}
