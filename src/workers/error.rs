//! What can go wrong with workers, and how each looks from outside. Nothing here tells anything of a person.

use crate::kernel::fault::{Fault, Kind, Reason};
use crate::platform::db::DbError;
use crate::platform::keys::KeyError;
use crate::platform::replay;
use crate::platform::secrets::SecretError;
use crate::workers::domain::Reference;

/// A failure of the register of workers.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The store failed.
    #[error("the store failed")]
    Db(#[from] DbError),
    /// A key cannot be had.
    #[error("a key cannot be had")]
    Key(#[from] KeyError),
    /// The participant has no such reference.
    #[error("no such worker")]
    NotFound {
        /// The reference.
        reference: Reference,
    },
    /// The worker was erased.
    #[error("the worker was erased; delete what you hold under this reference")]
    Erased {
        /// The reference.
        reference: Reference,
    },
    /// A request id came with another body before.
    #[error("the request id was used before")]
    RequestIdReused,
    /// The request breaks rules.
    #[error("the request is not valid")]
    Invalid(#[source] Fault),
    /// What is stored cannot be read.
    #[error("what is stored cannot be read: {what}")]
    Corrupt {
        /// What.
        what: &'static str,
    },
}

impl From<SecretError> for WorkerError {
    fn from(error: SecretError) -> Self {
        match error {
            SecretError::Db(error) => Self::Db(error),
            SecretError::Key(error) => Self::Key(error),
        }
    }
}

impl From<WorkerError> for Fault {
    fn from(error: WorkerError) -> Self {
        let message = error.to_string();
        match error {
            WorkerError::Db(error) => error.into(),
            WorkerError::Key(error) => error.into(),
            WorkerError::Invalid(fault) => fault,
            WorkerError::RequestIdReused => replay::reused(),
            WorkerError::NotFound { reference } => {
                Self::new(Kind::NotFound, Reason::WorkerNotFound, message)
                    .about("worker", reference.to_string())
            }
            WorkerError::Erased { reference } => {
                Self::new(Kind::FailedPrecondition, Reason::WorkerErased, message)
                    .about("worker", reference.to_string())
            }
            WorkerError::Corrupt { .. } => Self::internal(error),
        }
    }
}
