//! What can go wrong with subsidies, and how each looks from outside. Nothing here tells anything of a person.

use crate::kernel::fault::{Fault, Kind, Reason};
use crate::kernel::fields::{Rule, Violation};
use crate::platform::db::DbError;
use crate::subsidies::programme::finding::Finding;

/// A failure of the exchange of subsidies.
#[derive(Debug, thiserror::Error)]
pub enum SubsidyError {
    /// The store failed.
    #[error("the store failed")]
    Db(#[from] DbError),
    /// The request breaks rules.
    #[error("the request is not valid")]
    Invalid(Vec<Violation>),
    /// What is stated is not in the catalogue, or has no value of its kind.
    #[error("the catalogue does not have what is stated, or not with such a value")]
    FactUnknown(Vec<Violation>),
    /// There is something of this name that is not the same, or not the caller's.
    #[error("there is a {} of this name already", .what.replace('_', " "))]
    AlreadyExists {
        /// What it is: `fact`, `programme`.
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
    /// What is stored cannot be read.
    #[error("what is stored cannot be read: {what}")]
    Corrupt {
        /// What.
        what: &'static str,
    },
}

impl From<SubsidyError> for Fault {
    fn from(error: SubsidyError) -> Self {
        let message = error.to_string();
        match error {
            SubsidyError::Db(error) => error.into(),
            SubsidyError::Invalid(violations) => Self::fields(violations),
            SubsidyError::FactUnknown(violations) => {
                Self { reason: Reason::FactUnknown, ..Self::fields(violations) }
            }
            SubsidyError::AlreadyExists { what, name } => {
                Self::new(Kind::AlreadyExists, Reason::AlreadyExists, message).about(what, name)
            }
            SubsidyError::ProgrammeNotFound { name } => {
                Self::new(Kind::NotFound, Reason::ProgrammeNotFound, message)
                    .about("programme", name)
            }
            SubsidyError::EditionNotFound { name } => {
                Self::new(Kind::NotFound, Reason::ProgrammeEditionNotFound, message)
                    .about("programme_edition", name)
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
