//! Reads: they cannot write.

use uuid::Uuid;

use crate::audit::store::{self, Criteria};
use crate::kernel::fault::Fault;
use crate::kernel::ids::ParticipantId;
use crate::pb::peshub::common::v1::Role;
use crate::platform::audit::entry::Row;
use crate::platform::audit::proof::Proof;
use crate::platform::audit::prove::{not_found, prove};
use crate::platform::audit::store as trail;
use crate::platform::db::Db;
use crate::platform::permit::Permit;

/// Returns whether a permit's holder is an auditor, who sees everything.
#[must_use]
pub fn is_auditor(permit: &Permit) -> bool {
    permit.holder().is_some_and(|holder| holder.roles.contains(&Role::Auditor))
}

/// Returns whose entries alone a permit reaches; `None` for everybody's.
fn reach(permit: &Permit) -> Option<ParticipantId> {
    // Nobody has the number 0: without a holder nothing is reached.
    (!is_auditor(permit)).then(|| permit.participant().unwrap_or(ParticipantId(0)))
}

/// Returns a page of entries, and whether there are more.
///
/// # Errors
///
/// The database fails.
pub async fn search(
    db: &Db,
    permit: &Permit,
    mut criteria: Criteria,
) -> Result<(Vec<Row>, bool), Fault> {
    // A participant must not learn by asking which of the workers it knows are one for the hub.
    if criteria.worker_id.is_some() && !is_auditor(permit) {
        return Ok((Vec::new(), false));
    }
    let page = usize::try_from(criteria.limit).unwrap_or(usize::MAX);
    criteria.reach = reach(permit);
    criteria.limit = criteria.limit.saturating_add(1);
    let mut tx = db.read(permit).await?;
    let mut rows = store::search(&mut tx, &criteria).await?;
    let more = rows.len() > page;
    rows.truncate(page);
    Ok((rows, more))
}

/// Proves that an entry is under a checkpoint.
///
/// # Errors
///
/// `AUDIT_ENTRY_NOT_FOUND`, `AUDIT_ENTRY_NOT_SEALED`, or the database fails.
pub async fn proof(db: &Db, permit: &Permit, entry_id: Uuid) -> Result<Proof, Fault> {
    let mut tx = db.read(permit).await?;
    let row = trail::entry(tx.connection(), entry_id, reach(permit)).await?;
    drop(tx);
    let shown = row.filter(|row| row.worker_id.is_none() || is_auditor(permit));
    prove(db, &shown.ok_or_else(|| not_found(entry_id))?).await
}
