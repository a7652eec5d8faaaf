//! What populations keep, sealed and opened. Everything is bound to its population and subject, so that nothing can be put in the place
//! of anything else.

use uuid::Uuid;
use zeroize::Zeroizing;

use crate::kernel::ids::PopulationId;
use crate::platform::keys::KeyError;
use crate::platform::keys::sealing::DataKey;
use crate::platform::keys::vault::{KeyVault, Wrapped, worker_context};
use crate::subsidies::blind::Blind;

/// Whose facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Whose {
    /// The population.
    pub population: PopulationId,
    /// The worker; `None`: an employer alone.
    pub worker: Option<Uuid>,
    /// Keyed digest of the employer's number.
    pub employer: Option<Uuid>,
}

/// What is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Facts.
    Facts,
    /// How the subject stood when it was swept last.
    Standing,
}

impl Whose {
    fn context(&self, what: What) -> Vec<u8> {
        let label: &[u8] = match what {
            What::Facts => b"population facts ",
            What::Standing => b"population standing ",
        };
        let worker = self.worker.unwrap_or_default();
        let employer = self.employer.unwrap_or_default();
        let whose = [worker.as_bytes().as_slice(), employer.as_bytes()].concat();
        [label, &self.population.0.to_be_bytes(), &whose].concat()
    }

    /// Opens the key that what is kept of the subject is sealed with: the worker's own, which erasure destroys; the hub's where there is
    /// no worker.
    ///
    /// # Errors
    ///
    /// The key cannot be had.
    pub async fn key(
        &self,
        vault: &dyn KeyVault,
        blind: &Blind,
        wrapped: Option<&Wrapped>,
    ) -> Result<DataKey, KeyError> {
        match (self.worker, wrapped) {
            (Some(worker), Some(wrapped)) => vault.open(&worker_context(worker), wrapped).await,
            (Some(worker), None) => Err(KeyError::Unknown { id: worker.to_string() }),
            (None, _) => {
                let employer = self.employer.unwrap_or_default();
                Ok(DataKey::from(blind.digest(b"population key", employer.as_bytes())))
            }
        }
    }

    /// Seals something.
    ///
    /// # Errors
    ///
    /// The machine gives no randomness.
    pub fn seal(&self, key: &DataKey, what: What, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        key.seal(&self.context(what), message)
    }

    /// Opens something; `None` if it is not what was sealed.
    #[must_use]
    pub fn open(&self, key: &DataKey, what: What, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        key.open(&self.context(what), sealed)
    }
}
