//! Keys that the hub holds for issuers. Their secret halves stand behind a trait: they may lie in the hub's own vault, in its key
//! directory, or in a KMS or HSM that signs by itself.

pub mod file;
pub mod wrapped;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::credentials::domain::Algorithm;
use crate::credentials::registry::entry::{Held, IssuerKey};
use crate::credentials::sdjwt::key::PublicKey;
use crate::platform::keys::{KeyError, Keys};

/// Which key is meant.
#[derive(Clone, Copy, Debug)]
pub struct KeyName<'a> {
    /// Short name of the issuer.
    pub issuer: &'a str,
    /// For a new key: what the caller calls it, or a text by chance.
    pub label: &'a str,
}

/// A key that a provider has.
#[derive(Debug)]
pub struct Provided {
    /// The public half.
    pub public: PublicKey,
    /// Where the secret half is.
    pub held: Held,
}

/// Holds secret halves of issuers' keys, and signs with them.
pub trait KeyProvider: fmt::Debug + Send + Sync {
    /// Returns its name, which stands with every key that it holds.
    fn name(&self) -> &'static str;

    /// Makes a key, or takes the one that is there under this name.
    ///
    /// # Errors
    ///
    /// It makes none, there is none, or it is of another algorithm.
    fn provide<'a>(
        &'a self,
        name: KeyName<'a>,
        algorithm: Option<Algorithm>,
    ) -> BoxFuture<'a, Result<Provided, KeyError>>;

    /// Signs a message: r and s, or R and S, of 64 bytes.
    ///
    /// # Errors
    ///
    /// The key cannot be had.
    fn sign<'a>(
        &'a self,
        key: &'a IssuerKey,
        message: &'a [u8],
    ) -> BoxFuture<'a, Result<Vec<u8>, KeyError>>;
}

/// All providers of keys.
#[derive(Clone, Debug)]
pub struct IssuerKeys {
    providers: Arc<HashMap<&'static str, Arc<dyn KeyProvider>>>,
}

impl IssuerKeys {
    /// Returns the providers over a hub's own keys.
    #[must_use]
    pub fn new(keys: &Keys) -> Self {
        let wrapped = wrapped::WrappedKeys::new(Arc::clone(&keys.vault));
        Self::of(vec![Arc::new(wrapped), Arc::new(file::FileKeys::new(keys.dir.clone()))])
    }

    /// Returns some providers.
    #[must_use]
    pub fn of(providers: Vec<Arc<dyn KeyProvider>>) -> Self {
        let named = providers.into_iter().map(|it| (it.name(), it)).collect();
        Self { providers: Arc::new(named) }
    }

    /// Returns the provider with a name.
    ///
    /// # Errors
    ///
    /// There is none: the key was made by a hub of another build or setting.
    pub fn provider(&self, name: &str) -> Result<&Arc<dyn KeyProvider>, KeyError> {
        self.providers.get(name).ok_or_else(|| KeyError::Unknown { id: name.to_owned() })
    }

    /// Signs a message with a key that the hub holds: r and s, or R and S, of 64 bytes.
    ///
    /// # Errors
    ///
    /// The hub does not hold the key, or it cannot be had.
    pub async fn sign(&self, key: &IssuerKey, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let held = key.held.as_ref();
        let held = held.ok_or_else(|| KeyError::Unknown { id: key.key_id.clone() })?;
        self.provider(&held.provider)?.sign(key, message).await
    }
}
