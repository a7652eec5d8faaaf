//! What can go wrong with postings, and how each looks from outside.

use crate::kernel::fault::{Fault, Kind, Reason};
use crate::platform::db::DbError;
use crate::platform::feed::reader::FeedError;
use crate::postings::domain::{BYTES_PER_BATCH_MAX, CHANGES_PER_BATCH_MAX};

/// A failure of the postings exchange.
#[derive(Debug, thiserror::Error)]
pub enum PostingError {
    /// The store failed.
    #[error("the store failed")]
    Db(#[from] DbError),
    /// No such source of this participant.
    #[error("source {name} is not one of yours")]
    SourceNotFound {
        /// Its name.
        name: String,
    },
    /// No such posting within the caller's scope.
    #[error("no such posting")]
    NotFound {
        /// What it was called.
        name: String,
    },
    /// A batch id is neither the next nor an earlier one.
    #[error("batch {sent} came where {expected} was expected")]
    BatchOutOfOrder {
        /// What came.
        sent: i64,
        /// What was expected.
        expected: i64,
    },
    /// A batch id came again with other content, or its answer is no longer kept.
    #[error("batch {sent} was committed before with other content, or too long ago to tell")]
    BatchIdReused {
        /// Which.
        sent: i64,
    },
    /// A batch is over its limits.
    #[error("the batch is over {CHANGES_PER_BATCH_MAX} changes or {BYTES_PER_BATCH_MAX} bytes")]
    BatchTooLarge,
    /// A message came where it does not belong.
    #[error("{expected}")]
    OutOfStep {
        /// What was expected.
        expected: &'static str,
    },
    /// A newer stream writes to this lane.
    #[error("a newer stream has opened this lane")]
    LaneTakenOver,
    /// The feed cannot be read on.
    #[error("the feed cannot be read on")]
    Feed(#[from] FeedError),
    /// A page token does not belong to this request.
    #[error("this page token does not belong to this request")]
    PageTokenInvalid,
    /// The hub ends the connection: it shuts down, or the connection has reached its age.
    #[error("the hub ends this connection; reconnect and continue")]
    ShuttingDown,
    /// The participant has sent as many records today as it may.
    #[error("the participant's quota of records is used up")]
    QuotaExceeded(#[source] Fault),
    /// The request breaks rules.
    #[error("the request is not valid")]
    Invalid(#[source] Fault),
    /// What is stored cannot be read.
    #[error("what is stored cannot be read: {what}")]
    Corrupt {
        /// What.
        what: &'static str,
    },
    /// A task of the hub panicked.
    #[error("a task failed")]
    Task(#[from] tokio::task::JoinError),
}

impl From<PostingError> for Fault {
    fn from(error: PostingError) -> Self {
        let message = error.to_string();
        match error {
            PostingError::Db(error) => error.into(),
            PostingError::Feed(error) => error.into(),
            PostingError::Invalid(fault) | PostingError::QuotaExceeded(fault) => fault,
            PostingError::SourceNotFound { name } => {
                Self::new(Kind::NotFound, Reason::SourceNotFound, message).about("source", name)
            }
            PostingError::NotFound { name } => {
                Self::new(Kind::NotFound, Reason::PostingNotFound, message).about("posting", name)
            }
            PostingError::BatchOutOfOrder { .. } => {
                Self::new(Kind::FailedPrecondition, Reason::BatchOutOfOrder, message)
            }
            PostingError::BatchIdReused { sent } => {
                Self::new(Kind::AlreadyExists, Reason::BatchIdReused, message)
                    .about("batch", sent.to_string())
            }
            PostingError::BatchTooLarge => {
                Self::new(Kind::ResourceExhausted, Reason::BatchTooLarge, message)
            }
            PostingError::OutOfStep { .. } => {
                Self::new(Kind::FailedPrecondition, Reason::StreamOutOfStep, message)
            }
            PostingError::LaneTakenOver => Self::new(Kind::Aborted, Reason::LaneTakenOver, message),
            PostingError::PageTokenInvalid => {
                Self::new(Kind::InvalidArgument, Reason::PageTokenInvalid, message)
            }
            PostingError::ShuttingDown => {
                Self::new(Kind::Unavailable, Reason::ShuttingDown, message)
                    .retry_after(std::time::Duration::from_millis(500))
            }
            PostingError::Corrupt { .. } | PostingError::Task(_) => Self::internal(error),
        }
    }
}
