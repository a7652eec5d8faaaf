//! Secrets that all replicas share: they lie in the database, wrapped under the master key, which does not.

use time::OffsetDateTime;

use crate::platform::db::{Db, DbError};
use crate::platform::feed::store::shared_secret;
use crate::platform::keys::KeyError;
use crate::platform::keys::sealing::DataKey;
use crate::platform::keys::vault::{KeyVault, Wrapped};
use crate::platform::permit::Permit;

/// What the answers to request ids are kept under.
pub const REPLAY: &str = "replay";
/// What places in status lists and pairwise names of workers are made with.
pub const CREDENTIALS: &str = "credentials";
/// What employers are named by, and what is sealed of those whose facts a population keeps.
pub const SUBSIDIES: &str = "subsidies";
/// Every secret of this kind.
const ALL: [&str; 3] = [REPLAY, CREDENTIALS, SUBSIDIES];

/// Why a secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The database fails.
    #[error("the database cannot be used")]
    Db(#[from] DbError),
    /// The key that it is wrapped by cannot be had.
    #[error("the key of a secret of the hub cannot be had")]
    Key(#[from] KeyError),
}

/// Opens a secret, making it on the first start.
///
/// # Errors
///
/// The database or the key vault fails.
pub async fn open(
    db: &Db,
    vault: &dyn KeyVault,
    name: &str,
    now: OffsetDateTime,
) -> Result<DataKey, SecretError> {
    let fresh = vault.wrap(&context(name), &DataKey::random()?).await?.encoded();
    let mut tx = db.read(&Permit::of_hub()).await?;
    let stored = shared_secret(tx.connection(), name, &fresh, now).await?;
    drop(tx);
    Ok(vault.open(&context(name), &read(&stored)?).await?)
}

/// Wraps every secret anew under the current master key. Hubs that run have them open and notice nothing.
///
/// # Errors
///
/// The database or the key vault fails.
pub async fn rewrap(db: &Db, vault: &dyn KeyVault) -> Result<(), SecretError> {
    for name in ALL {
        let mut tx = db.read(&Permit::of_hub()).await?;
        let stored = sqlx::query_scalar!("SELECT value FROM hub_secret WHERE name = $1", name)
            .fetch_optional(tx.connection())
            .await
            .map_err(DbError::from)?;
        let Some(stored) = stored else { continue };
        let key = vault.open(&context(name), &read(&stored)?).await?;
        let fresh = vault.wrap(&context(name), &key).await?.encoded();
        sqlx::query!(
            "UPDATE hub_secret SET value = $2 WHERE name = $1 AND value = $3",
            name,
            fresh,
            stored
        )
        .execute(tx.connection())
        .await
        .map_err(DbError::from)?;
    }
    Ok(())
}

fn read(stored: &[u8]) -> Result<Wrapped, KeyError> {
    let nothing = || KeyError::NotWrappedSo { id: String::new() };
    Wrapped::decoded(stored).ok_or_else(nothing)
}

/// Returns the context in which a secret of the hub is wrapped.
#[must_use]
pub fn context(name: &str) -> Vec<u8> {
    [b"hub secret ", name.as_bytes()].concat()
}
