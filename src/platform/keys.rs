//! The hub's keys, which lie outside its database: what it signs with, and what it seals personal data with.
//!
//! Both stand behind traits. The provider here reads a directory (a mounted secret); one that asks a KMS or HSM implements the
//! same traits.

pub mod signing;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::platform::keys::signing::{Ed25519Signer, Signer};

/// Why a key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A file or directory cannot be read or written.
    #[error("{} cannot be used", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file is no key of the expected kind.
    #[error("{} is no key of the expected kind", path.display())]
    Form {
        /// Which.
        path: PathBuf,
    },
    /// There is no key of some kind.
    #[error("{} holds no {what}; `peshub keys init` makes one", path.display())]
    Missing {
        /// The directory.
        path: PathBuf,
        /// Which kind.
        what: &'static str,
    },
    /// The machine gives no randomness.
    #[error("the machine gives no randomness")]
    Randomness,
}

/// All keys of a hub.
#[derive(Clone, Debug)]
pub struct Keys {
    /// What checkpoints and receipts are signed with.
    pub signer: Arc<dyn Signer>,
}

impl Keys {
    /// Reads the keys of a directory.
    ///
    /// # Errors
    ///
    /// A key is missing or cannot be read.
    pub fn open(dir: &Path) -> Result<Self, KeyError> {
        Ok(Self { signer: Arc::new(Ed25519Signer::open(dir)?) })
    }

    /// Makes what a directory lacks and reads it.
    ///
    /// # Errors
    ///
    /// A key cannot be made or read.
    pub fn open_or_create(dir: &Path) -> Result<Self, KeyError> {
        let failed = |source| KeyError::File { path: dir.to_owned(), source };
        std::fs::create_dir_all(dir).map_err(failed)?;
        Ed25519Signer::create_if_missing(dir)?;
        Self::open(dir)
    }
}
