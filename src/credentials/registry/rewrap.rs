//! Changing master keys: what seals issuers' keys is wrapped anew under the current one. Hubs go on signing meanwhile.

use std::collections::BTreeSet;

use time::OffsetDateTime;

use crate::credentials::error::CredentialError;
use crate::credentials::registry::keys::wrapped;
use crate::credentials::store::registry as store;
use crate::credentials::store::registry::changes;
use crate::platform::db::{Db, Record};
use crate::platform::keys::vault::KeyVault;
use crate::platform::permit::Permit;

/// What was done, and what is needed from now on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Keys wrapped anew.
    pub rewrapped: u64,
    /// Master keys that issuers' keys need.
    pub masters: BTreeSet<String>,
}

/// Wraps what seals issuers' keys anew. Safe to repeat.
///
/// # Errors
///
/// A key cannot be had, or the database fails; nothing was changed then.
pub async fn rewrap(
    db: &Db,
    vault: &dyn KeyVault,
    now: OffsetDateTime,
) -> Result<Report, CredentialError> {
    let mut tx = db.write(&Permit::of_hub()).await?;
    // Hubs read the registry again, and find the handles as they are then.
    changes::begin(&mut tx, now).await?;
    let mut report = Report::default();
    for (key, handle) in store::handles(tx.connection(), wrapped::NAME).await? {
        let anew = wrapped::wrap_anew(vault, &handle).await?;
        if let Some(anew) = &anew {
            changes::replace_handle(&mut tx, key, anew).await?;
            report.rewrapped += 1;
        }
        report.masters.extend(wrapped::master_of(anew.as_ref().unwrap_or(&handle)));
    }
    if report.rewrapped > 0 {
        let subject = format!("issuer keys: {} wrapped anew", report.rewrapped);
        tx.commit(Record::new(now, subject, "keys.changed")).await?;
    }
    Ok(report)
}
