//! What can go wrong with subsidies, and how each looks from outside. Nothing here tells anything of a person.

use crate::kernel::fault::{Fault, Kind, Reason};
use crate::kernel::fields::{Rule, Violation};
use crate::platform::db::DbError;
use crate::platform::keys::KeyError;
use crate::platform::secrets::SecretError;
use crate::subsidies::application::machine::{Refused, State};
use crate::subsidies::application::{ApplicationId, DecisionId, TakenUntil};
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
    /// The caller has no such worker reference.
    #[error("no such worker")]
    WorkerNotFound {
        /// The reference.
        reference: String,
    },
    /// The worker was erased.
    #[error("the worker was erased; what was stated cannot be read any more")]
    WorkerErased,
    /// No such application, or it is not the caller's.
    #[error("no such application")]
    ApplicationNotFound {
        /// Its id.
        id: String,
    },
    /// The step cannot be taken.
    #[error("{}", moved(*.state, *.why))]
    ApplicationMoved {
        /// Which application.
        id: ApplicationId,
        /// Where it stands.
        state: State,
        /// Why not.
        why: Refused,
    },
    /// What is claimed is taken.
    #[error("this is claimed already, or something that excludes it; it is taken until {until}")]
    ClaimTaken {
        /// Until when.
        until: TakenUntil,
    },
    /// The budget has not enough left.
    #[error("the programme's budget does not have this amount left")]
    BudgetExhausted,
    /// No such decision, or it is not the caller's.
    #[error("no such decision")]
    DecisionNotFound {
        /// Its id.
        id: String,
    },
    /// What is stored cannot be read.
    #[error("what is stored cannot be read: {what}")]
    Corrupt {
        /// What.
        what: &'static str,
    },
}

impl SubsidyError {
    /// Returns the failure of one field of a request; what was given is not repeated.
    #[must_use]
    pub fn field(field: &str, expected: &str) -> Self {
        Self::Invalid(vec![Violation {
            field: field.to_owned(),
            rule: Rule::BadFormat,
            expected: expected.to_owned(),
            given: String::new(),
        }])
    }

    /// Returns the failure of a decision that is not there.
    #[must_use]
    pub fn no_decision(id: DecisionId) -> Self {
        Self::DecisionNotFound { id: id.to_string() }
    }
}

fn moved(state: State, why: Refused) -> String {
    let state = state.name();
    match why {
        Refused::Changed => format!("it has changed since it was read, and is {state} now"),
        Refused::State => format!("it is {state}, from where this step does not lead"),
        Refused::Late => format!("it is {state}, and the time for this step is over"),
        Refused::Early => format!("it is {state}, and the applicant still has time to answer"),
    }
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
        let plain = |kind, reason| Self::new(kind, reason, message.clone());
        // Most are conditions that do not hold.
        let unmet = |reason| plain(Kind::FailedPrecondition, reason);
        let not_found =
            |reason, kind, name: String| plain(Kind::NotFound, reason).about(kind, name);
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
                unmet(Reason::EvaluationFailed).about("programme", programme)
            }
            SubsidyError::PopulationNotFound { name } => {
                not_found(Reason::PopulationNotFound, "population", name)
            }
            SubsidyError::AlreadyExists { what, name } => {
                plain(Kind::AlreadyExists, Reason::AlreadyExists).about(what, name)
            }
            SubsidyError::SweepRunning { name } => {
                plain(Kind::AlreadyExists, Reason::AlreadyExists).about("population", name)
            }
            SubsidyError::Refused { name, findings } => Self {
                violations: findings.iter().map(violation).collect(),
                ..unmet(Reason::ProgrammeRefused).about("programme", name)
            },
            SubsidyError::FourEyes { name } => {
                unmet(Reason::FourEyesRequired).about("programme", name)
            }
            SubsidyError::SweepNotFound { id } => not_found(Reason::SweepNotFound, "sweep", id),
            SubsidyError::OutOfStep { .. } => unmet(Reason::StreamOutOfStep),
            SubsidyError::BatchTooLarge => plain(Kind::ResourceExhausted, Reason::BatchTooLarge),
            SubsidyError::PageTokenInvalid => {
                plain(Kind::InvalidArgument, Reason::PageTokenInvalid)
            }
            SubsidyError::ShuttingDown => plain(Kind::Unavailable, Reason::ShuttingDown)
                .retry_after(std::time::Duration::from_millis(500)),
            SubsidyError::WorkerNotFound { reference } => {
                not_found(Reason::WorkerNotFound, "worker", reference)
            }
            SubsidyError::WorkerErased => unmet(Reason::WorkerErased),
            SubsidyError::ApplicationNotFound { id } => {
                not_found(Reason::ApplicationNotFound, "application", id)
            }
            SubsidyError::ApplicationMoved { id, .. } => {
                plain(Kind::Aborted, Reason::ApplicationMoved).about("application", id.to_string())
            }
            // The only thing that anybody learns of others' claims.
            SubsidyError::ClaimTaken { until } => {
                unmet(Reason::ClaimTaken).about("taken_until", until.to_string())
            }
            SubsidyError::BudgetExhausted => unmet(Reason::BudgetExhausted),
            SubsidyError::DecisionNotFound { id } => {
                not_found(Reason::DecisionNotFound, "decision", id)
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
