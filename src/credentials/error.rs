//! What can go wrong with credentials, and how each looks from outside. Nothing here tells anything of a person.

use uuid::Uuid;

use crate::credentials::domain::ConsentId;
use crate::kernel::fault::{Fault, Kind, Reason};
use crate::kernel::fields::Violation;
use crate::platform::db::DbError;
use crate::platform::keys::KeyError;

/// A failure of the exchange of credentials.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The store failed.
    #[error("the store failed")]
    Db(#[from] DbError),
    /// A key cannot be had.
    #[error("a key cannot be had")]
    Key(#[from] KeyError),
    /// The request breaks rules.
    #[error("the request is not valid")]
    Invalid(Vec<Violation>),
    /// No such participant.
    #[error("no such participant")]
    ParticipantNotFound {
        /// Its short name.
        name: String,
    },
    /// No such issuer.
    #[error("no such issuer")]
    IssuerNotFound {
        /// Its name or identifier.
        name: String,
    },
    /// The issuer has no such key.
    #[error("the issuer has no such key")]
    IssuerKeyNotFound {
        /// Its id.
        key_id: String,
    },
    /// The key has ended before.
    #[error("the key has ended; only a retired one can end again, as compromised")]
    IssuerKeyEnded {
        /// Its id.
        key_id: String,
    },
    /// No such accreditation, or another participant gave it.
    #[error("no such accreditation")]
    AccreditationNotFound {
        /// Its id.
        id: String,
    },
    /// No such credential type.
    #[error("no such credential type")]
    CredentialTypeNotFound {
        /// Its name, with the version, or its `vct`.
        name: String,
    },
    /// The issuer has no key that the hub holds and that signs now.
    #[error("the issuer has no key that the hub holds and that signs credentials now")]
    NoSigningKey {
        /// Its short name.
        issuer: String,
    },
    /// Nobody could sign the issuer's status lists.
    #[error(
        "nobody could sign the issuer's status lists: it needs a key that the hub holds and that signs them"
    )]
    NoStatusKey {
        /// Its short name.
        issuer: String,
    },
    /// The issuer is not accredited for this.
    #[error("the issuer is not accredited {lacks}")]
    NotAccredited {
        /// Its short name.
        issuer: String,
        /// For what.
        lacks: &'static str,
    },
    /// The hub has no public address, under which status lists would stand.
    #[error("this hub has no public address, so that nothing with a status list is issued")]
    NoPublicAddress,
    /// The caller has no such reference to a worker.
    #[error("no such worker")]
    WorkerNotFound {
        /// The reference.
        reference: Uuid,
    },
    /// The worker was erased.
    #[error("the worker was erased; delete what you hold under this reference")]
    WorkerErased {
        /// The reference.
        reference: Uuid,
    },
    /// No such credential of the caller.
    #[error("no such credential")]
    CredentialNotFound {
        /// Its id.
        id: String,
    },
    /// The status of a credential cannot change.
    #[error("credential {id} {why}")]
    StatusFinal {
        /// Its id.
        id: String,
        /// Why.
        why: &'static str,
    },
    /// A credential does not verify.
    #[error("{check}: {detail} ({clause})")]
    Refused {
        /// Which check failed.
        check: &'static str,
        /// The rule.
        clause: &'static str,
        /// What was found; nothing about the worker.
        detail: String,
    },
    /// It is there already.
    #[error("{what} {name} is there already")]
    AlreadyExists {
        /// What it is, for example `issuer`.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// The caller may do this, but not there.
    #[error("{why}")]
    NotGranted {
        /// Why.
        why: String,
    },
    /// What is stored cannot be read.
    #[error("what is stored cannot be read: {what}")]
    Corrupt {
        /// What.
        what: &'static str,
    },
    /// There is no such consent for the caller.
    #[error("no such consent")]
    ConsentNotFound {
        /// As it was named.
        id: String,
    },
    /// The consent does not hold, or not for this.
    #[error("{why}")]
    ConsentNotGiven {
        /// Which.
        id: ConsentId,
        /// Why not.
        why: &'static str,
    },
    /// More was presented than the consent covers, and the caller asked to refuse that.
    #[error("more is presented than the consent covers: ask the holder for less")]
    ClaimsBeyondConsent {
        /// Which.
        id: ConsentId,
    },
    /// A message does not fit where the stream stands.
    #[error("out of step: {expected}")]
    OutOfStep {
        /// What was expected.
        expected: &'static str,
    },
    /// A message is larger than is taken.
    #[error("a message is larger than is taken; send fewer presentations at once")]
    BatchTooLarge,
    /// The hub stops.
    #[error("the hub is shutting down; open the stream again")]
    ShuttingDown,
    /// There is no such posting for the caller.
    #[error("no such posting")]
    PostingNotFound {
        /// As it was named.
        name: String,
    },
}

impl From<CredentialError> for Fault {
    #[expect(clippy::too_many_lines, reason = "an arm for each variant, and nothing else")]
    fn from(error: CredentialError) -> Self {
        let message = error.to_string();
        let not_found = |reason, kind, name: String| {
            Self::new(Kind::NotFound, reason, message.clone()).about(kind, name)
        };
        match error {
            CredentialError::Db(error) => error.into(),
            CredentialError::Key(error) => error.into(),
            CredentialError::Invalid(violations) => Self::fields(violations),
            CredentialError::ParticipantNotFound { name } => {
                not_found(Reason::ParticipantNotFound, "participant", name)
            }
            CredentialError::IssuerNotFound { name } => {
                not_found(Reason::IssuerNotFound, "issuer", name)
            }
            CredentialError::IssuerKeyNotFound { key_id } => {
                not_found(Reason::IssuerKeyNotFound, "issuer_key", key_id)
            }
            CredentialError::IssuerKeyEnded { key_id } => {
                Self::new(Kind::FailedPrecondition, Reason::IssuerKeyEnded, message)
                    .about("issuer_key", key_id)
            }
            CredentialError::AccreditationNotFound { id } => {
                not_found(Reason::AccreditationNotFound, "accreditation", id)
            }
            CredentialError::CredentialTypeNotFound { name } => {
                not_found(Reason::CredentialTypeNotFound, "credential_type", name)
            }
            CredentialError::NoSigningKey { issuer } | CredentialError::NoStatusKey { issuer } => {
                not_found(Reason::IssuerKeyNotFound, "issuer", issuer)
            }
            CredentialError::NotAccredited { issuer, .. } => {
                Self::new(Kind::FailedPrecondition, Reason::IssuerNotAccredited, message)
                    .about("issuer", issuer)
            }
            CredentialError::NoPublicAddress => {
                Self::new(Kind::FailedPrecondition, Reason::IssuerKeyNotFound, message)
            }
            CredentialError::WorkerNotFound { reference } => {
                not_found(Reason::WorkerNotFound, "worker", reference.to_string())
            }
            CredentialError::WorkerErased { reference } => {
                Self::new(Kind::FailedPrecondition, Reason::WorkerErased, message)
                    .about("worker", reference.to_string())
            }
            CredentialError::CredentialNotFound { id } => {
                // What is no id may be anything, and the audit trail keeps what a failure was about.
                let id = Uuid::try_parse(&id).map(|id| id.to_string()).unwrap_or_default();
                not_found(Reason::CredentialNotFound, "credential", id)
            }
            CredentialError::StatusFinal { id, .. } => {
                Self::new(Kind::FailedPrecondition, Reason::CredentialStatusFinal, message)
                    .about("credential", id)
            }
            CredentialError::Refused { .. } => {
                Self::new(Kind::FailedPrecondition, Reason::CredentialRefused, message)
            }
            CredentialError::AlreadyExists { what, name } => {
                Self::new(Kind::AlreadyExists, Reason::AlreadyExists, message).about(what, name)
            }
            CredentialError::NotGranted { .. } => {
                Self::new(Kind::PermissionDenied, Reason::ActionNotGranted, message)
            }
            CredentialError::Corrupt { .. } => Self::internal(error),
            CredentialError::ConsentNotFound { id } => {
                not_found(Reason::ConsentNotFound, "consent", id)
            }
            CredentialError::ConsentNotGiven { id, .. } => {
                Self::new(Kind::FailedPrecondition, Reason::ConsentNotGiven, message)
                    .about("consent", id.to_string())
            }
            CredentialError::ClaimsBeyondConsent { id } => {
                Self::new(Kind::FailedPrecondition, Reason::ClaimsBeyondConsent, message)
                    .about("consent", id.to_string())
            }
            CredentialError::OutOfStep { .. } => {
                Self::new(Kind::FailedPrecondition, Reason::StreamOutOfStep, message)
            }
            CredentialError::BatchTooLarge => {
                Self::new(Kind::ResourceExhausted, Reason::BatchTooLarge, message)
            }
            CredentialError::ShuttingDown => {
                Self::new(Kind::Unavailable, Reason::ShuttingDown, message)
                    .retry_after(std::time::Duration::from_millis(500))
            }
            CredentialError::PostingNotFound { name } => {
                not_found(Reason::PostingNotFound, "posting", name)
            }
        }
    }
}
