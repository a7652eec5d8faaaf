//! The outermost layer: every call has a number, and every failure leaves complete, whoever made it.

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body::{Body, Frame, SizeHint};
use tonic::{Code, Status};
use tower::{Layer, Service};
use tracing::{Instrument as _, Span};

use crate::kernel::clock::SharedClock;
use crate::kernel::fault::Reason;
use crate::kernel::ids;
use crate::platform::action::Action;
use crate::platform::metrics;
use crate::platform::metrics::instrument::Entered;
use crate::platform::permit::Caller;
use crate::platform::status;
use crate::platform::telemetry::context;
use crate::platform::tls::Peer;

/// Header with the number of a call: the client's own or one that the hub gives; the answer has it in any case.
const CALL_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest number that a client may give.
const CALL_ID_CHARS_MAX: usize = 64;

/// A call under way, in the extensions of its request; clones share it.
#[derive(Clone, Debug)]
pub struct Call(Arc<State>);

#[derive(Debug)]
struct State {
    id: String,
    action: Option<Action>,
    peer: Option<SocketAddr>,
    caller: OnceLock<Caller>,
    span: Span,
}

impl Call {
    /// Returns its number, as the log and the client have it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// Returns which RPC it is; `None` when it is none of the hub's contract.
    #[must_use]
    pub fn action(&self) -> Option<Action> {
        self.0.action
    }

    /// Notes who calls.
    pub fn is_from(&self, caller: &Caller) {
        if self.0.caller.set(caller.clone()).is_ok() {
            self.0.span.record("participant.name", caller.name());
        }
    }
}

/// A call that was refused or failed.
#[derive(Clone, Debug)]
pub struct Refused {
    /// Number of the call.
    pub call_id: String,
    /// Who called, if the hub knows.
    pub caller: Option<Caller>,
    /// Which RPC; `None` when it is none of the hub's contract.
    pub action: Option<Action>,
    /// Name of the thing that it was about; empty when it was about none.
    pub resource: String,
    /// Why.
    pub reason: Reason,
    /// From where.
    pub peer: Option<SocketAddr>,
}

/// Hears of every failure.
pub type OnRefused = Arc<dyn Fn(&Refused) + Send + Sync>;

/// Puts a [`Call`] into every request and completes every failure.
#[derive(Clone)]
pub struct OutcomeLayer {
    clock: SharedClock,
    on_refused: Option<OnRefused>,
}

impl OutcomeLayer {
    /// Returns the layer.
    #[must_use]
    pub const fn new(clock: SharedClock, on_refused: Option<OnRefused>) -> Self {
        Self { clock, on_refused }
    }

    fn call(&self, request: &Request<tonic::body::Body>) -> Call {
        let action = Action::of_path(request.uri().path());
        let given = request.headers().get(CALL_ID).and_then(|id| id.to_str().ok());
        let id = given
            .filter(|id| is_sound(id))
            .map_or_else(|| ids::time_ordered(self.clock.now()).to_string(), ToOwned::to_owned);
        // At the highest level, so that a failure has its number in the log whatever is logged.
        let span = tracing::error_span!(
            "rpc",
            rpc.method = action.map_or("", Action::name),
            request.id = id,
            trace.id = tracing::field::Empty,
            participant.name = tracing::field::Empty,
            rpc.grpc.status_code = tracing::field::Empty,
            error.reason = tracing::field::Empty,
            otel.kind = "server",
            otel.status_code = tracing::field::Empty
        );
        context::join(&span, request.headers());
        let peer = request.extensions().get::<Peer>().map(Peer::address);
        Call(Arc::new(State { id, action, peer, caller: OnceLock::new(), span }))
    }
}

impl fmt::Debug for OutcomeLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutcomeLayer").finish_non_exhaustive()
    }
}

fn is_sound(id: &str) -> bool {
    (1..=CALL_ID_CHARS_MAX).contains(&id.len()) && id.chars().all(|it| it.is_ascii_graphic())
}

impl<S> Layer<S> for OutcomeLayer {
    type Service = Outcome<S>;

    fn layer(&self, inner: S) -> Outcome<S> {
        Outcome { layer: self.clone(), inner }
    }
}

/// See [`OutcomeLayer`].
#[derive(Clone, Debug)]
pub struct Outcome<S> {
    layer: OutcomeLayer,
    inner: S,
}

impl<S> Service<Request<tonic::body::Body>> for Outcome<S>
where
    S: Service<
            Request<tonic::body::Body>,
            Response = Response<tonic::body::Body>,
            Error = Infallible,
        >,
    S::Future: Send + 'static,
{
    type Response = Response<Reported>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<tonic::body::Body>) -> Self::Future {
        let call = self.layer.call(&request);
        request.extensions_mut().insert(call.clone());
        let span = call.0.span.clone();
        let answering = span.in_scope(|| self.inner.call(request));
        let on_refused = self.layer.on_refused.clone();
        let mut end = Ending::new(call, on_refused);
        let work = async move {
            let mut response = answering.await?;
            if let Some(status) = failed(response.headers()) {
                end.write(status, response.headers_mut());
            } else if response.headers().contains_key("grpc-status") {
                end.outcome = Some((Code::Ok, ""));
            }
            end.answered();
            if let Ok(id) = HeaderValue::from_str(end.call.id()) {
                response.headers_mut().insert(CALL_ID, id);
            }
            Ok(response.map(|body| Reported { body, end }))
        };
        Box::pin(work.instrument(span))
    }
}

/// Returns the failure that headers or trailers tell, if they do.
fn failed(headers: &HeaderMap) -> Option<Status> {
    let code = headers.get("grpc-status")?;
    if code == "0" {
        return None;
    }
    Status::from_header_map(headers)
}

/// What is done when a call ends.
struct Ending {
    call: Call,
    on_refused: Option<OnRefused>,
    began: Instant,
    /// How it ended; a call of which that is not known when this is dropped was given up by its client.
    outcome: Option<(Code, &'static str)>,
    _open: Entered,
}

impl Ending {
    fn new(call: Call, on_refused: Option<OnRefused>) -> Self {
        let open = metrics::CALLS_OPEN.enter(&[method(&call)]);
        Self { call, on_refused, began: Instant::now(), outcome: None, _open: open }
    }

    /// Notes that the answer begins. A unary call that fails, and a stream that does not begin, say so in their headers.
    fn answered(&self) {
        let code = self.outcome.map_or(Code::Ok, |(code, _)| code);
        let labels = [method(&self.call), status::code_name(code)];
        metrics::CALL_SECONDS.record(self.began.elapsed(), &labels);
    }

    /// Writes a failure, completed, over what stands in headers or trailers.
    fn write(&mut self, status: Status, headers: &mut HeaderMap) {
        let call = &self.call.0;
        let (status, told) = status::complete(status, &call.id, call.action.is_some());
        self.outcome = Some((status.code(), told.reason.name()));
        if status.add_header(headers).is_err() {
            tracing::error!("a failure cannot be written: {}", status.code());
        }
        if let Some(on_refused) = &self.on_refused {
            on_refused(&Refused {
                call_id: call.id.clone(),
                caller: call.caller.get().cloned(),
                action: call.action,
                resource: told.resource,
                reason: told.reason,
                peer: call.peer,
            });
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let (code, reason) = self.outcome.unwrap_or((Code::Cancelled, ""));
        metrics::CALLS.add(1, &[method(&self.call), status::code_name(code), reason]);
        let span = &self.call.0.span;
        span.record("rpc.grpc.status_code", i32::from(code));
        if !reason.is_empty() {
            span.record("error.reason", reason);
        }
        // A refusal is the caller's failure, not the hub's.
        if status::is_ours(code) {
            span.record("otel.status_code", "ERROR");
        }
    }
}

/// Returns which RPC a call is; nothing when it is none of the hub's contract.
fn method(call: &Call) -> &'static str {
    call.action().map_or("", Action::name)
}

/// A body whose failure, if it ends with one, is completed.
pub struct Reported {
    body: tonic::body::Body,
    end: Ending,
}

impl fmt::Debug for Reported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reported").field("call", &self.end.call).finish_non_exhaustive()
    }
}

impl Body for Reported {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let mut polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &mut polled
            && let Some(trailers) = frame.trailers_mut()
        {
            match failed(trailers) {
                Some(status) => {
                    let span = self.end.call.0.span.clone();
                    span.in_scope(|| self.end.write(status, trailers));
                }
                None => self.end.outcome = Some((Code::Ok, "")),
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use crate::platform::outcome::is_sound;

    #[test]
    fn a_number_is_short_and_printable() {
        for (id, expected) in [
            ("a", true),
            ("4bf92f35-77b3", true),
            ("", false),
            ("two words", false),
            ("line\nfeed", false),
            ("ü", false),
        ] {
            assert_eq!(is_sound(id), expected, "{id}");
        }
        assert!(is_sound(&"x".repeat(64)));
        assert!(!is_sound(&"x".repeat(65)));
    }
}
