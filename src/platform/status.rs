//! The one door through which failures leave: a [`Fault`] becomes a `google.rpc.Status` with details, and its cause goes to
//! the log, once.

use std::collections::HashMap;
use std::error::Error;
use std::fmt::Write as _;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::kernel::fault::{Fault, Kind, Reason};
use crate::kernel::fields::{Rule, Violation};

/// `google.rpc.ErrorInfo.domain` of every failure.
pub const DOMAIN: &str = "peshub";

/// Returns the status of a fault.
#[must_use]
pub fn of_fault(fault: &Fault) -> Status {
    log(fault);
    let mut details = ErrorDetails::new();
    details.set_error_info(fault.reason.name(), DOMAIN, HashMap::<String, String>::new());
    for violation in &fault.violations {
        details.add_bad_request_violation(violation.field.clone(), violation.expected.clone());
    }
    if let Some(delay) = fault.retry_after {
        details.set_retry_info(Some(delay));
    }
    if let Some(resource) = &fault.resource {
        details.set_resource_info(resource.kind, resource.name.clone(), "", fault.message.clone());
    }
    if let Some(quota) = &fault.quota {
        details.add_quota_failure_violation(quota.subject.clone(), quota.limit.clone());
    }
    if fault.kind == Kind::FailedPrecondition {
        let subject = fault.resource.as_ref().map_or("", |resource| resource.name.as_str());
        details.add_precondition_failure_violation(
            fault.reason.name(),
            subject,
            fault.message.clone(),
        );
    }
    Status::with_error_details(code(fault.kind), fault.message.clone(), details)
}

fn code(kind: Kind) -> Code {
    match kind {
        Kind::InvalidArgument => Code::InvalidArgument,
        Kind::FailedPrecondition => Code::FailedPrecondition,
        Kind::OutOfRange => Code::OutOfRange,
        Kind::Unauthenticated => Code::Unauthenticated,
        Kind::PermissionDenied => Code::PermissionDenied,
        Kind::NotFound => Code::NotFound,
        Kind::AlreadyExists => Code::AlreadyExists,
        Kind::Aborted => Code::Aborted,
        Kind::ResourceExhausted => Code::ResourceExhausted,
        Kind::DeadlineExceeded => Code::DeadlineExceeded,
        Kind::Unavailable => Code::Unavailable,
        Kind::Unimplemented => Code::Unimplemented,
        Kind::Internal => Code::Internal,
    }
}

/// Returns the name of a code, as gRPC writes it.
#[must_use]
pub const fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// Returns whether a code says that the hub failed, and not its caller.
#[must_use]
pub const fn is_ours(code: Code) -> bool {
    matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    )
}

/// What a failure told, for who keeps account of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Its reason.
    pub reason: Reason,
    /// Name of the thing that it was about; empty when it was about none.
    pub resource: String,
}

/// Returns a failure with everything that every failure tells: whatever the transport refuses by itself, such as a message that
/// cannot be read, gets its reason here, and all get the number of the call.
#[must_use]
pub fn complete(status: Status, call_id: &str, is_rpc: bool) -> (Status, Told) {
    let status = if status.details().is_empty() {
        let fault = explained(&status, is_rpc);
        let mut told = of_fault(&fault);
        // Such as the encodings that could have been used.
        *told.metadata_mut() = status.metadata().clone();
        told
    } else {
        status
    };
    let mut details = status.get_error_details();
    let info = details.error_info();
    let reason = info.and_then(|info| Reason::ALL.into_iter().find(|it| it.name() == info.reason));
    let resource = details.resource_info().map(|info| info.resource_name.clone());
    let told =
        Told { reason: reason.unwrap_or(Reason::Internal), resource: resource.unwrap_or_default() };
    details.set_request_info(call_id, "");
    let (code, message) = (status.code(), status.message().to_owned());
    let metadata = status.metadata().clone();
    (Status::with_error_details_and_metadata(code, message, details, metadata), told)
}

/// Returns the fault that a status without details stands for: those that the hub made have some.
fn explained(status: &Status, is_rpc: bool) -> Fault {
    match status.code() {
        Code::Internal | Code::InvalidArgument | Code::Cancelled => {
            unreadable(Kind::InvalidArgument, "", "a message of the contract")
        }
        Code::OutOfRange | Code::ResourceExhausted => {
            let message = "the message is larger than the hub takes";
            Fault::new(Kind::ResourceExhausted, Reason::BatchTooLarge, message)
        }
        // gRPC has this code for an encoding that is not known, too.
        Code::Unimplemented if is_rpc => {
            let expected = "one of the encodings that the hub takes, or none";
            unreadable(Kind::Unimplemented, "grpc-encoding", expected)
        }
        Code::Unimplemented => {
            Fault::new(Kind::Unimplemented, Reason::MethodUnknown, "the hub has no such RPC")
        }
        // The health service says this of a service that it does not know.
        Code::NotFound => {
            Fault::new(Kind::NotFound, Reason::MethodUnknown, "the hub has no such service")
        }
        Code::DeadlineExceeded => deadline_exceeded(),
        Code::Ok
        | Code::Unknown
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::Unavailable
        | Code::DataLoss
        | Code::Unauthenticated => Fault::internal(status.clone()),
    }
}

fn unreadable(kind: Kind, field: &str, expected: &str) -> Fault {
    let violation = Violation {
        field: field.to_owned(),
        rule: Rule::Malformed,
        expected: expected.to_owned(),
        given: String::new(),
    };
    let fault = Fault::new(kind, Reason::FieldsInvalid, "the message cannot be read");
    Fault { violations: vec![violation], ..fault }
}

/// Returns the fault of a call whose time is over.
#[must_use]
pub fn deadline_exceeded() -> Fault {
    let message = "the deadline passed before the answer was ready";
    Fault::new(Kind::DeadlineExceeded, Reason::DeadlineExceeded, message)
}

fn log(fault: &Fault) {
    let reason = fault.reason.name();
    let mut chain = String::new();
    let mut cause = fault.source();
    while let Some(error) = cause {
        // Writing into a String cannot fail.
        write!(chain, ": {error}").unwrap_or_default();
        cause = error.source();
    }
    match fault.reason {
        Reason::Internal => tracing::error!(error.reason = reason, "call failed{chain}"),
        Reason::StoreUnavailable | Reason::Contended | Reason::KeyUnavailable => {
            tracing::warn!(error.reason = reason, "call failed{chain}");
        }
        _ => tracing::debug!(error.reason = reason, "call refused: {}{chain}", fault.message),
    }
}
