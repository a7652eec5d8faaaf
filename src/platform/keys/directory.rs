//! Keys in a directory, read again while the hub runs.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use futures_util::future::BoxFuture;

use crate::platform::keys::KeyError;
use crate::platform::keys::files::Ring;
use crate::platform::keys::sealing::{DataKey, mac};
use crate::platform::keys::vault::{IndexDigest, KeyIds, KeyVault, Wrapped};

/// How old what was read may be.
const FRESH: Duration = Duration::from_secs(2);
/// How old it may be when somebody names a key that it lacks.
const FRESH_FOR_UNKNOWN: Duration = Duration::from_millis(100);

/// A key directory. What is read stays in use when it cannot be read again.
pub struct DirectoryVault {
    dir: PathBuf,
    ring: ArcSwap<Ring>,
    read_at: Mutex<Instant>,
    reading: tokio::sync::Mutex<()>,
}

impl DirectoryVault {
    /// Reads a directory.
    ///
    /// # Errors
    ///
    /// A key that is in use is missing or cannot be read.
    pub fn open(dir: &Path) -> Result<Self, KeyError> {
        Ok(Self {
            dir: dir.to_owned(),
            ring: ArcSwap::from_pointee(Ring::read(dir)?),
            read_at: Mutex::new(Instant::now()),
            reading: tokio::sync::Mutex::default(),
        })
    }

    /// Returns the keys, read not longer ago than `age`.
    async fn ring(&self, age: Duration) -> Arc<Ring> {
        if self.age() > age {
            // One reads; the others wait, since they may need what is new.
            let _reading = self.reading.lock().await;
            if self.age() > age {
                self.read_again().await;
            }
        }
        self.ring.load_full()
    }

    fn age(&self) -> Duration {
        self.read_at.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    async fn read_again(&self) {
        let dir = self.dir.clone();
        let read = tokio::task::spawn_blocking(move || Ring::read(&dir)).await;
        match read {
            Ok(Ok(ring)) => self.ring.store(Arc::new(ring)),
            Ok(Err(error)) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "keys cannot be read again; those of before stay in use");
            }
            Err(error) => tracing::error!("reading keys panicked: {error}"),
        }
        *self.read_at.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Returns the keys, read again if they lack one.
    async fn with(&self, has: impl Fn(&Ring) -> bool) -> Arc<Ring> {
        let ring = self.ring(FRESH).await;
        if has(&ring) { ring } else { self.ring(FRESH_FOR_UNKNOWN).await }
    }
}

impl KeyVault for DirectoryVault {
    fn wrap<'a>(
        &'a self,
        context: &'a [u8],
        key: &'a DataKey,
    ) -> BoxFuture<'a, Result<Wrapped, KeyError>> {
        Box::pin(async move {
            let ring = self.ring(FRESH).await;
            let id = ring.ids().current_master;
            let master =
                ring.masters.get(&id).ok_or_else(|| KeyError::Unknown { id: id.clone() })?;
            let bytes = master.seal(&bound(&id, context), key.bytes())?;
            Ok(Wrapped { master_key_id: id, bytes })
        })
    }

    fn open<'a>(
        &'a self,
        context: &'a [u8],
        wrapped: &'a Wrapped,
    ) -> BoxFuture<'a, Result<DataKey, KeyError>> {
        Box::pin(async move {
            let id = &wrapped.master_key_id;
            let ring = self.with(|ring| ring.masters.contains_key(id)).await;
            let unknown = || KeyError::Unknown { id: id.clone() };
            let master = ring.masters.get(id).ok_or_else(unknown)?;
            let opened = master.open(&bound(id, context), &wrapped.bytes);
            let key = opened.and_then(|bytes| DataKey::of_bytes(&bytes));
            key.ok_or_else(|| KeyError::NotWrappedSo { id: id.clone() })
        })
    }

    fn index_digests<'a>(
        &'a self,
        message: &'a [u8],
        index_key_ids: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<IndexDigest>, KeyError>> {
        Box::pin(async move {
            let has_all =
                |ring: &Ring| index_key_ids.iter().all(|id| ring.indexes.contains_key(id));
            let ring = self.with(has_all).await;
            let digest = |id: &String| {
                let key =
                    ring.indexes.get(id).ok_or_else(|| KeyError::Unknown { id: id.clone() })?;
                let digest = mac(key, b"peshub index 1", message);
                Ok(IndexDigest { index_key_id: id.clone(), digest })
            };
            index_key_ids.iter().map(digest).collect()
        })
    }

    fn key_ids(&self) -> BoxFuture<'_, Result<KeyIds, KeyError>> {
        Box::pin(async move { Ok(self.ring(FRESH).await.ids()) })
    }
}

impl std::fmt::Debug for DirectoryVault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DirectoryVault").field("dir", &self.dir).finish_non_exhaustive()
    }
}

/// Returns the context of a wrapped key with the id of its master key.
fn bound(id: &str, context: &[u8]) -> Vec<u8> {
    [b"peshub wrapped key 1\0", id.as_bytes(), &[0], context].concat()
}

#[cfg(test)]
mod tests {
    use crate::platform::keys::KeyError;
    use crate::platform::keys::directory::DirectoryVault;
    use crate::platform::keys::files::{self, KeyUse};
    use crate::platform::keys::sealing::DataKey;
    use crate::platform::keys::vault::{KeyVault as _, Wrapped};

    #[tokio::test]
    async fn a_wrapped_key_opens_in_its_context_under_its_own_master_key() {
        let dir = tempfile::tempdir().unwrap();
        files::create_if_missing(dir.path()).unwrap();
        let vault = DirectoryVault::open(dir.path()).unwrap();
        let key = DataKey::random().unwrap();
        let wrapped = vault.wrap(b"one", &key).await.unwrap();
        assert_eq!(Wrapped::decoded(&wrapped.encoded()), Some(wrapped.clone()));
        assert_eq!(vault.open(b"one", &wrapped).await.unwrap().bytes(), key.bytes());
        let elsewhere = vault.open(b"two", &wrapped).await;
        assert!(matches!(elsewhere, Err(KeyError::NotWrappedSo { .. })));
        let other = files::add(dir.path(), KeyUse::Master).unwrap();
        let renamed = Wrapped { master_key_id: other, ..wrapped };
        assert!(vault.open(b"one", &renamed).await.is_err());
    }

    #[tokio::test]
    async fn a_key_that_somebody_names_is_looked_for_before_it_is_called_unknown() {
        let dir = tempfile::tempdir().unwrap();
        files::create_if_missing(dir.path()).unwrap();
        let vault = DirectoryVault::open(dir.path()).unwrap();
        let id = files::add(dir.path(), KeyUse::Index).unwrap();
        // What was read a moment ago is not read again at once; then it is.
        let digests = loop {
            match vault.index_digests(b"message", std::slice::from_ref(&id)).await {
                Ok(digests) => break digests,
                Err(error) => assert!(matches!(error, KeyError::Unknown { .. })),
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        };
        assert_eq!(digests[0].index_key_id, id);
        std::fs::remove_file(dir.path().join(format!("index-{id}.key"))).unwrap();
        let unknown = vault.index_digests(b"message", &["none".to_owned()]).await;
        assert!(matches!(unknown, Err(KeyError::Unknown { .. })));
    }
}
