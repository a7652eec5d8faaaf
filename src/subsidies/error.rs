//! What can go wrong with subsidies, and how each looks from outside. Nothing here tells anything of a person.

use crate::kernel::fault::{Fault, Kind, Reason};
use crate::kernel::fields::{Rule, Violation};
use crate::platform::db::DbError;
use crate::platform::keys::KeyError;
use crate::platform::secrets::SecretError;
use crate::subsidies::programme::finding::Finding;

/// A failure of the exchange of subsidies.
#[derive(Debug, thiserror::Error)]
pub enum SubsidyError {
    /// The store failed.
    #[error("the store failed")]
    Db(#[from] DbError),
    /// A key cannot be had.
    #[error("a key cannot be had")]
    Key(#[from] KeyError),
    /// The request breaks rules.
    #[error("the request is not valid")]
    Invalid(Vec<Violation>),
    /// What is stated is not in the catalogue, or has no value of its kind.
    #[error("the catalogue does not have what is stated, or not with such a value")]
    FactUnknown(Vec<Violation>),
    /// There is something of this name that is not the same, or not the caller's.
    #[error("there is a {} of this name already", .what.replace('_', " "))]
    AlreadyExists {
        /// What it is: `fact`, `programme`, `population`.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// No such programme.
    #[error("no such programme")]
    ProgrammeNotFound {
        /// Its name.
        name: String,
    },
    /// No such edition.
    #[error("no such edition of the programme")]
    EditionNotFound {
        /// Name of the programme and number of the edition.
        name: String,
    },
    /// An expression could not be evaluated.
    #[error("programme {programme} cannot be evaluated: {place}")]
    EvaluationFailed {
        /// Name of the programme.
        programme: String,
        /// Where, and why; nothing of the subject.
        place: String,
    },
    /// The caller has no such population.
    #[error("no such population")]
    PopulationNotFound {
        /// Its name.
        name: String,
    },
    /// The caller has no such sweep.
    #[error("no such sweep")]
    SweepNotFound {
        /// As it was named.
        id: String,
    },
    /// Another sweep of the population runs.
    #[error("a sweep of this population runs already")]
    SweepRunning {
        /// Name of the population.
        name: String,
    },
    /// The draft cannot be published.
    #[error("the draft cannot be published: {} findings", .findings.len())]
    Refused {
        /// Name of the programme.
        name: String,
        /// What is wrong with it.
        findings: Vec<Finding>,
    },
    /// Who drafted it does not publish it.
    #[error("another system than the one that drafted the programme publishes it")]
    FourEyes {
        /// Name of the programme.
        name: String,
    },
    /// A message of a stream is not the one that had to come.
    #[error("{expected}")]
    OutOfStep {
        /// What was expected.
        expected: &'static str,
    },
    /// A message is larger than is taken.
    #[error("a message is larger than is taken; send fewer subjects at once")]
    BatchTooLarge,
    /// A page token is none of this hub's, or for another request.
    #[error("this page token was not made by this hub, or for another request")]
    PageTokenInvalid,
    /// The hub stops.
    #[error("the hub is shutting down; open the stream again")]
    ShuttingDown,
    /// What is stored cannot be read.
    #[error("what is stored cannot be read: {what}")]
    Corrupt {
        /// What.
        what: &'static str,
    },
}

impl From<SecretError> for SubsidyError {
    fn from(error: SecretError) -> Self {
        match error {
            SecretError::Db(error) => Self::Db(error),
            SecretError::Key(error) => Self::Key(error),
        }
    }
}

impl From<SubsidyError> for Fault {
    fn from(error: SubsidyError) -> Self {
        let message = error.to_string();
        let not_found = |reason, kind, name: String| {
            Self::new(Kind::NotFound, reason, message.clone()).about(kind, name)
        };
        match error {
            SubsidyError::Db(error) => error.into(),
            SubsidyError::Key(error) => error.into(),
            SubsidyError::Invalid(violations) => Self::fields(violations),
            SubsidyError::FactUnknown(violations) => {
                Self { reason: Reason::FactUnknown, ..Self::fields(violations) }
            }
            SubsidyError::ProgrammeNotFound { name } => {
                not_found(Reason::ProgrammeNotFound, "programme", name)
            }
            SubsidyError::EditionNotFound { name } => {
                not_found(Reason::ProgrammeEditionNotFound, "programme_edition", name)
            }
            SubsidyError::EvaluationFailed { programme, .. } => {
                Self::new(Kind::FailedPrecondition, Reason::EvaluationFailed, message)
                    .about("programme", programme)
            }
            SubsidyError::PopulationNotFound { name } => {
                not_found(Reason::PopulationNotFound, "population", name)
            }
            SubsidyError::AlreadyExists { what, name } => {
                Self::new(Kind::AlreadyExists, Reason::AlreadyExists, message).about(what, name)
            }
            SubsidyError::SweepRunning { name } => {
                Self::new(Kind::AlreadyExists, Reason::AlreadyExists, message)
                    .about("population", name)
            }
            SubsidyError::Refused { name, findings } => Self {
                violations: findings.iter().map(violation).collect(),
                ..Self::new(Kind::FailedPrecondition, Reason::ProgrammeRefused, message)
                    .about("programme", name)
            },
            SubsidyError::FourEyes { name } => {
                Self::new(Kind::FailedPrecondition, Reason::FourEyesRequired, message)
                    .about("programme", name)
            }
            SubsidyError::SweepNotFound { id } => not_found(Reason::SweepNotFound, "sweep", id),
            SubsidyError::OutOfStep { .. } => {
                Self::new(Kind::FailedPrecondition, Reason::StreamOutOfStep, message)
            }
            SubsidyError::BatchTooLarge => {
                Self::new(Kind::ResourceExhausted, Reason::BatchTooLarge, message)
            }
            SubsidyError::PageTokenInvalid => {
                Self::new(Kind::InvalidArgument, Reason::PageTokenInvalid, message)
            }
            SubsidyError::ShuttingDown => {
                Self::new(Kind::Unavailable, Reason::ShuttingDown, message)
                    .retry_after(std::time::Duration::from_millis(500))
            }
            SubsidyError::Corrupt { .. } => Self::internal(error),
        }
    }
}

/// A finding as a violation of its field: the reason, and the place drawn beneath it.
fn violation(finding: &Finding) -> Violation {
    let drawn = finding.to_string();
    let said = drawn.strip_prefix(&format!("{}: ", finding.field)).unwrap_or(&drawn);
    Violation {
        field: format!("programme.{}", finding.field),
        rule: Rule::BadFormat,
        expected: said.to_owned(),
        given: String::new(),
    }
}
