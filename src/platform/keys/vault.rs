//! What keys are asked for: a trait, so that the keys may lie in files, in a KMS or in an HSM.

use std::fmt;

use futures_util::future::BoxFuture;
use uuid::Uuid;

use crate::platform::keys::KeyError;
use crate::platform::keys::sealing::DataKey;

/// A data key, wrapped by a master key.
#[derive(Clone, PartialEq, Eq)]
pub struct Wrapped {
    /// Which master key opens it.
    pub master_key_id: String,
    /// The wrapped key.
    pub bytes: Vec<u8>,
}

impl Wrapped {
    /// Returns it as one string of bytes: the id, a zero, the wrapped key.
    #[must_use]
    pub fn encoded(&self) -> Vec<u8> {
        [self.master_key_id.as_bytes(), &[0], &self.bytes].concat()
    }

    /// Reads what [`Wrapped::encoded`] wrote, or returns `None`.
    #[must_use]
    pub fn decoded(encoded: &[u8]) -> Option<Self> {
        let zero = encoded.iter().position(|byte| *byte == 0)?;
        let (id, rest) = encoded.split_at_checked(zero)?;
        let bytes = rest.get(1..)?.to_vec();
        Some(Self { master_key_id: String::from_utf8(id.to_vec()).ok()?, bytes })
    }
}

impl fmt::Debug for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wrapped")
            .field("master_key_id", &self.master_key_id)
            .finish_non_exhaustive()
    }
}

/// Returns the context in which a worker's own key is wrapped: with it every exchange seals what it keeps of the worker, so that erasure
/// destroys all of it at once.
#[must_use]
pub fn worker_context(worker: Uuid) -> Vec<u8> {
    [b"worker key ", worker.as_bytes().as_slice()].concat()
}

/// A digest under an index key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexDigest {
    /// Which index key.
    pub index_key_id: String,
    /// HMAC-SHA-256 under it.
    pub digest: [u8; 32],
}

/// Which keys there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyIds {
    /// The master key that wraps.
    pub current_master: String,
    /// All master keys, sorted.
    pub masters: Vec<String>,
    /// The index key that new digests are made with.
    pub current_index: String,
    /// All index keys, sorted.
    pub indexes: Vec<String>,
}

/// Holds the keys that never leave it.
pub trait KeyVault: fmt::Debug + Send + Sync {
    /// Wraps a data key under the current master key. It opens only with the same context.
    ///
    /// # Errors
    ///
    /// The key cannot be had.
    fn wrap<'a>(
        &'a self,
        context: &'a [u8],
        key: &'a DataKey,
    ) -> BoxFuture<'a, Result<Wrapped, KeyError>>;

    /// Opens a wrapped data key.
    ///
    /// # Errors
    ///
    /// Its master key cannot be had, or it was not wrapped like this.
    fn open<'a>(
        &'a self,
        context: &'a [u8],
        wrapped: &'a Wrapped,
    ) -> BoxFuture<'a, Result<DataKey, KeyError>>;

    /// Returns the digests of a message under some index keys, in their order.
    ///
    /// # Errors
    ///
    /// One of the keys cannot be had.
    fn index_digests<'a>(
        &'a self,
        message: &'a [u8],
        index_key_ids: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<IndexDigest>, KeyError>>;

    /// Returns which keys there are.
    ///
    /// # Errors
    ///
    /// The keys cannot be had.
    fn key_ids(&self) -> BoxFuture<'_, Result<KeyIds, KeyError>>;
}
