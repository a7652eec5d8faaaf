//! What can go wrong for a client, and whether trying again can help.

use std::error::Error as _;
use std::fmt;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

/// Why a client could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The hub cannot be reached, or the options do not fit together.
    #[error("the hub cannot be reached")]
    Connect(#[source] tonic::transport::Error),
    /// The token has characters that cannot stand in a header.
    #[error("the bearer token has characters that cannot be sent")]
    TokenUnusable,
    /// The hub refused for good, or the connection broke and no other one helps.
    #[error("{who}: {0}", who = if .0.is_transport { "the connection broke" } else { "the hub refused" })]
    Refused(Refusal),
    /// Trying again did not help within the time for it.
    #[error("gave up after {} s: {last}", waited.as_secs())]
    GaveUp {
        /// How long it was tried without any progress.
        waited: Duration,
        /// What went wrong last.
        last: Box<Refusal>,
    },
    /// A batch is larger than the hub takes; split it.
    #[error("a batch of {changes} changes and {bytes} bytes is larger than the hub takes")]
    BatchTooLarge {
        /// Its changes.
        changes: usize,
        /// Its bytes.
        bytes: usize,
    },
    /// The lane stands where it cannot stand: the hub forgot acknowledged batches, or somebody else
    /// writes on the lane.
    #[error("the lane's last batch is {found} at the hub, and was {expected} here")]
    LaneMoved {
        /// The last batch by the hub's words.
        found: i64,
        /// The last batch that was acknowledged or sent.
        expected: i64,
    },
    /// The hub answered against the contract.
    #[error("the hub answered against the contract: {0}")]
    OutOfStep(&'static str),
}

impl ClientError {
    /// Returns the hub's reason, for example `LANE_TAKEN_OVER`; empty when it gave none.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::Refused(refusal) => &refusal.reason,
            Self::GaveUp { last, .. } => &last.reason,
            Self::Connect(_)
            | Self::TokenUnusable
            | Self::BatchTooLarge { .. }
            | Self::LaneMoved { .. }
            | Self::OutOfStep(_) => "",
        }
    }
}

impl From<Status> for ClientError {
    fn from(status: Status) -> Self {
        Self::Refused(Refusal::of(&status))
    }
}

/// A failed call, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The class of the failure.
    pub code: Code,
    /// `ErrorInfo.reason`, for example `CURSOR_EXPIRED`; empty when the failure is not the hub's.
    pub reason: String,
    /// A sentence for a person.
    pub message: String,
    /// Every field that broke a rule.
    pub violations: Vec<FieldViolation>,
    /// When the hub would have one try again.
    pub retry_after: Option<Duration>,
    /// True when the connection broke, false when the hub answered.
    pub is_transport: bool,
}

/// A field that broke a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldViolation {
    /// Path of the field.
    pub field: String,
    /// What was expected.
    pub description: String,
}

impl Refusal {
    /// Reads a status.
    #[must_use]
    pub fn of(status: &Status) -> Self {
        let details = status.get_error_details();
        let mut message = said(status);
        if let (Code::Internal, Some(call)) = (status.code(), details.request_info()) {
            // The hub's log says more, under this number.
            message = format!("{message} (call {})", call.request_id);
        }
        let reason = details.error_info().map_or("", |info| info.reason.as_str());
        let violations = details.bad_request().map_or_else(Vec::new, |request| {
            let of = |violation: &tonic_types::FieldViolation| FieldViolation {
                field: violation.field.clone(),
                description: violation.description.clone(),
            };
            request.field_violations.iter().map(of).collect()
        });
        Self {
            code: status.code(),
            reason: reason.strip_prefix("ERROR_REASON_").unwrap_or(reason).to_owned(),
            message,
            violations,
            retry_after: details.retry_info().and_then(|info| info.retry_delay),
            // A status that came over the wire has no source; one made on this side has what broke.
            is_transport: status.source().is_some(),
        }
    }

    /// Returns the refusal that stands for a connection which ended without a word.
    #[must_use]
    pub(crate) fn ended(message: &str) -> Self {
        Self {
            code: Code::Unavailable,
            reason: String::new(),
            message: message.to_owned(),
            violations: Vec::new(),
            retry_after: None,
            is_transport: true,
        }
    }

    /// Returns whether trying again can help. What the hub refuses by its rules it will refuse again.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        if self.is_transport {
            return true;
        }
        match self.code {
            Code::Unavailable | Code::DeadlineExceeded => true,
            // CONTENDED passes; LANE_TAKEN_OVER means that a newer stream is the writer.
            Code::Aborted => self.reason == "CONTENDED",
            // Quotas and shed load say when to come back, BATCH_TOO_LARGE does not.
            Code::ResourceExhausted => self.retry_after.is_some(),
            // A proxy's answers have no reason; the hub's own always do.
            Code::Unknown | Code::Internal | Code::Cancelled => self.reason.is_empty(),
            Code::Ok
            | Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::FailedPrecondition
            | Code::OutOfRange
            | Code::Unimplemented
            | Code::DataLoss
            | Code::Unauthenticated => false,
        }
    }
}

/// Returns what a status says; where the connection broke, with every cause, and in words what TLS says of who shows no certificate.
fn said(status: &Status) -> String {
    let mut message = status.message().to_owned();
    let mut cause = status.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if said.contains("CertificateRequired") {
            return "the hub lets nobody in without a client certificate: show one, or let it take tokens (`--hub-tokens`, or an issuer \
                    in tokens.toml)"
                .to_owned();
        }
        if !message.contains(&said) {
            message = format!("{message}: {said}");
        }
        cause = error.source();
    }
    message
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.code)?;
        if !self.reason.is_empty() {
            write!(f, " ({})", self.reason)?;
        }
        write!(f, ": {}", self.message)?;
        for violation in &self.violations {
            let told = format!("{}: {}", violation.field, violation.description);
            // Where there is only one, the message says it already.
            if !self.message.contains(&told) {
                write!(f, "; {told}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use crate::client::error::{ClientError, FieldViolation, Refusal};

    #[test]
    fn a_violation_is_told_once_and_a_broken_connection_is_no_refusal() {
        let violation = |field: &str| FieldViolation {
            field: field.to_owned(),
            description: "must be there".to_owned(),
        };
        let refusal = Refusal {
            code: Code::InvalidArgument,
            reason: "FIELDS_INVALID".to_owned(),
            message: "name: must be there".to_owned(),
            violations: vec![violation("name"), violation("kind")],
            retry_after: None,
            is_transport: false,
        };
        let told = "InvalidArgument (FIELDS_INVALID): name: must be there; kind: must be there";
        assert_eq!(refusal.to_string(), told);
        let refused = ClientError::Refused(refusal).to_string();
        assert_eq!(refused, format!("the hub refused: {told}"));
        let broken = ClientError::Refused(Refusal::ended("it is gone")).to_string();
        assert_eq!(broken, "the connection broke: Unavailable: it is gone");
    }
}
