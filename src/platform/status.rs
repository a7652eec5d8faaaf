//! The one door through which failures leave: a [`Fault`] becomes a `google.rpc.Status` with details, and its cause goes to
//! the log, once.

use std::collections::HashMap;
use std::error::Error;
use std::fmt::Write as _;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use http::{Request, Response};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};
use tower::{Layer, Service};

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

/// Sees that whatever the transport refuses by itself, such as a message that cannot be read, is told as everything else is.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExplainLayer;

impl<S> Layer<S> for ExplainLayer {
    type Service = Explain<S>;

    fn layer(&self, inner: S) -> Explain<S> {
        Explain { inner }
    }
}

/// See [`ExplainLayer`].
#[derive(Clone, Debug)]
pub struct Explain<S> {
    inner: S,
}

impl<S, B, A> Service<Request<B>> for Explain<S>
where
    S: Service<Request<B>, Response = Response<A>>,
    S::Future: Send + 'static,
    A: Default,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let answering = self.inner.call(request);
        Box::pin(async move {
            let response = answering.await?;
            match Status::from_header_map(response.headers()).as_ref().and_then(explained) {
                Some(fault) => Ok(of_fault(&fault).into_http()),
                None => Ok(response),
            }
        })
    }
}

/// Returns the fault that a status without details stands for: those that the hub made have some.
fn explained(status: &Status) -> Option<Fault> {
    if !status.details().is_empty() {
        return None;
    }
    match status.code() {
        Code::Internal | Code::InvalidArgument => {
            let violation = Violation {
                field: String::new(),
                rule: Rule::Malformed,
                expected: "a message of the contract".to_owned(),
                given: String::new(),
            };
            let message = "the message cannot be read";
            let fault = Fault::new(Kind::InvalidArgument, Reason::FieldsInvalid, message);
            Some(Fault { violations: vec![violation], ..fault })
        }
        Code::OutOfRange | Code::ResourceExhausted => {
            let message = "the message is larger than the hub takes";
            Some(Fault::new(Kind::ResourceExhausted, Reason::BatchTooLarge, message))
        }
        _ => None,
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
        Reason::StoreUnavailable | Reason::Contended | Reason::KeyUnavailable => {
            tracing::warn!(error.reason = reason, "call failed{chain}");
        }
        _ => tracing::debug!(error.reason = reason, "call refused: {}{chain}", fault.message),
    }
}
