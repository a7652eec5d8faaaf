//! Keys that lie in the database, sealed: the key that seals each is wrapped by the hub's vault, so that every replica can sign and a
//! KMS can stand behind the vault.
//!
//! A handle is `1 | length of the wrapped key (2 bytes) | wrapped key | sealed PKCS #8`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;

use crate::credentials::domain::Algorithm;
use crate::credentials::registry::entry::{Held, IssuerKey};
use crate::credentials::registry::keys::{KeyName, KeyProvider, Provided};
use crate::credentials::sdjwt::key::SecretKey;
use crate::kernel::ids::IssuerKeyId;
use crate::platform::keys::KeyError;
use crate::platform::keys::sealing::DataKey;
use crate::platform::keys::vault::{KeyVault, Wrapped};

/// Name of the provider.
pub const NAME: &str = "wrapped";
const VERSION: u8 = 1;
/// What the sealed key is bound to.
const CONTEXT: &[u8] = b"peshub issuer key 1";
/// Most keys that are kept open.
const OPEN_MAX: usize = 4_096;

/// Keys in the database.
pub struct WrappedKeys {
    vault: Arc<dyn KeyVault>,
    open: Mutex<HashMap<IssuerKeyId, Arc<SecretKey>>>,
}

impl WrappedKeys {
    /// Returns keys that a vault wraps.
    #[must_use]
    pub fn new(vault: Arc<dyn KeyVault>) -> Self {
        Self { vault, open: Mutex::default() }
    }

    /// Returns the secret half of a key.
    async fn secret(&self, key: &IssuerKey) -> Result<Arc<SecretKey>, KeyError> {
        if let Some(secret) = self.opened().get(&key.id) {
            return Ok(Arc::clone(secret));
        }
        let lost = || KeyError::NotWrappedSo { id: key.key_id.clone() };
        let handle = key.held.as_ref().and_then(|held| Handle::read(&held.handle));
        let handle = handle.ok_or_else(lost)?;
        let data_key = self.vault.open(CONTEXT, &handle.wrapped).await?;
        let pkcs8 = data_key.open(CONTEXT, &handle.sealed).ok_or_else(lost)?;
        let secret = SecretKey::of_pkcs8(&pkcs8).map_err(|_| lost())?;
        // A handle that was put in another key's place signs nothing.
        if key.public.as_ref() != Some(secret.public()) {
            return Err(lost());
        }
        let secret = Arc::new(secret);
        let mut open = self.opened();
        if open.len() >= OPEN_MAX {
            open.clear();
        }
        open.insert(key.id, Arc::clone(&secret));
        Ok(secret)
    }

    fn opened(&self) -> std::sync::MutexGuard<'_, HashMap<IssuerKeyId, Arc<SecretKey>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeyProvider for WrappedKeys {
    fn name(&self) -> &'static str {
        NAME
    }

    fn provide<'a>(
        &'a self,
        _: KeyName<'a>,
        algorithm: Option<Algorithm>,
    ) -> BoxFuture<'a, Result<Provided, KeyError>> {
        Box::pin(async move {
            let algorithm = algorithm.unwrap_or(Algorithm::Es256);
            let secret = SecretKey::generate(algorithm).map_err(|_| KeyError::Randomness)?;
            let pkcs8 = secret.pkcs8().map_err(|_| KeyError::Randomness)?;
            let data_key = DataKey::random()?;
            let wrapped = self.vault.wrap(CONTEXT, &data_key).await?;
            let sealed = data_key.seal(CONTEXT, &pkcs8)?;
            let handle = Handle { wrapped, sealed }.encoded();
            let held = Held { provider: NAME.to_owned(), handle };
            Ok(Provided { public: secret.public().clone(), held })
        })
    }

    fn sign<'a>(
        &'a self,
        key: &'a IssuerKey,
        message: &'a [u8],
    ) -> BoxFuture<'a, Result<Vec<u8>, KeyError>> {
        Box::pin(async move {
            let secret = self.secret(key).await?;
            secret.sign(message).map_err(|_| KeyError::Randomness)
        })
    }
}

impl std::fmt::Debug for WrappedKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WrappedKeys").finish_non_exhaustive()
    }
}

/// What stands in the database for a key.
#[derive(Debug)]
struct Handle {
    wrapped: Wrapped,
    sealed: Vec<u8>,
}

impl Handle {
    fn encoded(&self) -> Vec<u8> {
        let wrapped = self.wrapped.encoded();
        let length = u16::try_from(wrapped.len()).unwrap_or_default().to_be_bytes();
        [&[VERSION], length.as_slice(), &wrapped, &self.sealed].concat()
    }

    fn read(handle: &[u8]) -> Option<Self> {
        let (version, rest) = handle.split_first()?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let (wrapped, sealed) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        let wrapped = Wrapped::decoded(wrapped).filter(|_| *version == VERSION)?;
        Some(Self { wrapped, sealed: sealed.to_vec() })
    }
}

/// Returns the master key that a handle needs.
#[must_use]
pub fn master_of(handle: &[u8]) -> Option<String> {
    Some(Handle::read(handle)?.wrapped.master_key_id)
}

/// Returns a handle whose key is wrapped anew under the vault's current master key; `None` when it is already.
///
/// # Errors
///
/// A key cannot be had, or the handle is none.
pub async fn wrap_anew(vault: &dyn KeyVault, handle: &[u8]) -> Result<Option<Vec<u8>>, KeyError> {
    let handle = Handle::read(handle);
    let handle = handle.ok_or(KeyError::NotWrappedSo { id: "issuer key".to_owned() })?;
    if handle.wrapped.master_key_id == vault.key_ids().await?.current_master {
        return Ok(None);
    }
    let key = vault.open(CONTEXT, &handle.wrapped).await?;
    let wrapped = vault.wrap(CONTEXT, &key).await?;
    Ok(Some(Handle { wrapped, ..handle }.encoded()))
}
