//! The one door through which failures leave: a [`Fault`] becomes a `google.rpc.Status` with details, and its cause goes to
//! the log, once.

use std::collections::HashMap;
use std::error::Error;
use std::fmt::Write as _;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::kernel::fault::{Fault, Kind, Reason};

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
        Kind::Internal => Code::Internal,
    }
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
        Reason::StoreUnavailable | Reason::Contended => {
            tracing::warn!(error.reason = reason, "call failed{chain}");
        }
        _ => tracing::debug!(error.reason = reason, "call refused: {}{chain}", fault.message),
    }
}
