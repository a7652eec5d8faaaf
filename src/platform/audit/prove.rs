//! Proving that a row is under a checkpoint: who may see the row has been decided before.

use std::time::Duration;

use uuid::Uuid;

use crate::kernel::fault::{Fault, Kind, Reason};
use crate::platform::audit::entry::Row;
use crate::platform::audit::proof::Proof;
use crate::platform::audit::store as trail;
use crate::platform::db::Db;
use crate::platform::permit::Permit;

/// Returns the fault of an entry that is not there for the caller.
#[must_use]
pub fn not_found(entry_id: Uuid) -> Fault {
    let message = "no such entry in the part of the audit trail that you may see";
    Fault::new(Kind::NotFound, Reason::AuditEntryNotFound, message)
        .about("audit entry", entry_id.to_string())
}

/// Proves that a row is under a checkpoint.
///
/// # Errors
///
/// `AUDIT_ENTRY_NOT_SEALED`, or the database fails.
pub async fn prove(db: &Db, row: &Row) -> Result<Proof, Fault> {
    // A tree is made of everybody's entries; of the others nothing but hashes leaves.
    let mut tx = db.read(&Permit::of_hub()).await?;
    let sealed = match row.seq {
        Some(seq) => trail::over(tx.connection(), seq).await?.map(|sealed| (seq, sealed)),
        None => None,
    };
    let Some((seq, sealed)) = sealed else {
        let message = "no checkpoint stands over this entry yet";
        return Err(Fault::new(Kind::FailedPrecondition, Reason::AuditEntryNotSealed, message)
            .about("audit entry", row.entry_id.to_string())
            .retry_after(Duration::from_secs(1)));
    };
    let rows = trail::between(tx.connection(), sealed.first_seq, sealed.last_seq).await?;
    Proof::of(&rows, seq, &sealed).map_err(|what| {
        Fault::internal(format!(
            "the audit trail was tampered with: checkpoint {} {what}",
            sealed.number
        ))
    })
}
