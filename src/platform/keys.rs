//! The hub's keys, which lie outside its database: what it signs with, and what it seals personal data with.
//!
//! Both stand behind traits. The provider here reads a directory (a mounted secret); one that asks a KMS or HSM implements the
//! same traits.

pub mod directory;
pub mod files;
pub mod sealing;
pub mod signing;
pub mod vault;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::kernel::fault::{Fault, Kind, Reason};
use crate::platform::keys::directory::DirectoryVault;
use crate::platform::keys::signing::{Ed25519Signer, Signer};
use crate::platform::keys::vault::KeyVault;

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
    /// There is no key of this id.
    #[error("there is no key {id}")]
    Unknown {
        /// Which.
        id: String,
    },
    /// What should be a wrapped key does not open.
    #[error("a key that is said to be wrapped by {id} does not open")]
    NotWrappedSo {
        /// The master key.
        id: String,
    },
}

impl From<KeyError> for Fault {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::File { .. } | KeyError::Missing { .. } | KeyError::Unknown { .. } => {
                let message = "a key that is needed cannot be had; nothing was done";
                Self::new(Kind::Unavailable, Reason::KeyUnavailable, message)
                    .retry_after(Duration::from_secs(2))
                    .because(error)
            }
            KeyError::Form { .. } | KeyError::Randomness | KeyError::NotWrappedSo { .. } => {
                Self::internal(error)
            }
        }
    }
}

/// All keys of a hub.
#[derive(Clone, Debug)]
pub struct Keys {
    /// What checkpoints and receipts are signed with.
    pub signer: Arc<dyn Signer>,
    /// What personal data is sealed with.
    pub vault: Arc<dyn KeyVault>,
    /// Where they lie.
    pub dir: PathBuf,
}

impl Keys {
    /// Reads the keys of a directory.
    ///
    /// # Errors
    ///
    /// A key is missing or cannot be read.
    pub fn open(dir: &Path) -> Result<Self, KeyError> {
        let signer = Arc::new(Ed25519Signer::open(dir)?);
        Ok(Self { signer, vault: Arc::new(DirectoryVault::open(dir)?), dir: dir.to_owned() })
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
        files::create_if_missing(dir)?;
        Self::open(dir)
    }
}
