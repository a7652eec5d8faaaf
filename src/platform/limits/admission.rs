//! When the caller is known: whether it may, and whether its quota lets it. What is refused here is refused before its message
//! is read, so that nobody unknown makes the hub keep anything.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Extensions, HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use tokio::time::Sleep;
use tokio_util::sync::WaitForCancellationFutureOwned;
use tower::{Layer, Service};
use tracing::Span;

use crate::kernel::fault::{Fault, Kind, Reason};
use crate::pb::peshub::common::v1::QuotaClass;
use crate::platform::limits::gate::Deadline;
use crate::platform::limits::quotas::{Quotas, StreamSeat};
use crate::platform::outcome::Call;
use crate::platform::permit::Ending;
use crate::platform::serve::link::Link;
use crate::platform::{rpc, status};

/// Admits calls.
#[derive(Clone, Debug)]
pub struct AdmissionLayer(pub Arc<Quotas>);

impl AdmissionLayer {
    /// Returns what a stream must heed until it ends; `None` for a unary call and for what is no RPC of the contract.
    fn admit(&self, extensions: &Extensions) -> Result<Option<Stay>, Fault> {
        let Some(call) = extensions.get::<Call>() else { return Ok(None) };
        let Some(action) = call.action() else { return Ok(None) };
        let caller = rpc::caller(extensions)?;
        call.is_from(&caller);
        if let Some(reason) = caller.ending().reason() {
            return Err(ended(reason));
        }
        caller.permit(action)?;
        if let Some(link) = extensions.get::<Link>() {
            link.vouch();
        }
        if action.quota() != QuotaClass::Stream {
            self.0.take(caller.standing(), action.quota())?;
            return Ok(None);
        }
        let deadline = extensions.get::<Deadline>();
        Ok(Some(Stay {
            _seat: self.0.stream(caller.standing())?,
            ending: caller.ending().clone(),
            ended: Box::pin(caller.ending().ended()),
            deadline: deadline.map(|it| Box::pin(tokio::time::sleep_until(it.0))),
            span: Span::current(),
        }))
    }
}

/// Returns the fault that ends a stream whose caller is no longer who it was.
fn ended(reason: Reason) -> Fault {
    match reason {
        Reason::TokenExpired => {
            Fault::new(Kind::Unauthenticated, reason, "the time of the token is over")
        }
        Reason::CertificateRevoked => {
            let message = "the certificate of this connection is no longer believed";
            Fault::new(Kind::Unauthenticated, reason, message)
        }
        Reason::CallerDisabled => {
            Fault::new(Kind::PermissionDenied, reason, "the caller is locked out")
        }
        Reason::ShuttingDown => {
            let message = "what the caller may do has changed; connect again and go on";
            Fault::new(Kind::Unavailable, reason, message)
        }
        _ => Fault::new(Kind::Unauthenticated, reason, "the caller is known no longer"),
    }
}

impl<S> Layer<S> for AdmissionLayer {
    type Service = Admission<S>;

    fn layer(&self, inner: S) -> Admission<S> {
        Admission { layer: self.clone(), inner }
    }
}

/// See [`AdmissionLayer`].
#[derive(Clone, Debug)]
pub struct Admission<S> {
    layer: AdmissionLayer,
    inner: S,
}

impl<S, B> Service<Request<B>> for Admission<S>
where
    S: Service<Request<B>, Response = Response<tonic::body::Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<S::Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match self.layer.admit(request.extensions()) {
            Ok(None) => Box::pin(self.inner.call(request)),
            Ok(Some(stay)) => {
                let answering = self.inner.call(request);
                Box::pin(async move {
                    let response = answering.await?;
                    Ok(response.map(|body| tonic::body::Body::new(Staying { body, stay })))
                })
            }
            Err(fault) => {
                let response = status::of_fault(&fault).into_http();
                Box::pin(async move { Ok(response) })
            }
        }
    }
}

/// What a stream must heed until it ends.
struct Stay {
    _seat: StreamSeat,
    ending: Ending,
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
    deadline: Option<Pin<Box<Sleep>>>,
    span: Span,
}

impl Stay {
    /// Returns why the stream must end, if it must; else sees to it that the task hears when it must.
    fn poll(&mut self, context: &mut Context<'_>) -> Option<Fault> {
        if self.ended.as_mut().poll(context).is_ready() {
            return Some(ended(self.ending.reason().unwrap_or(Reason::CallerDisabled)));
        }
        let deadline = self.deadline.as_mut()?;
        deadline.as_mut().poll(context).is_ready().then(status::deadline_exceeded)
    }
}

/// The body of a stream that ends when its caller or its time does.
struct Staying {
    body: tonic::body::Body,
    stay: Stay,
}

impl Body for Staying {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, tonic::Status>>> {
        let this = &mut *self;
        // A look that costs next to nothing, for a stream that always has something to send.
        if this.stay.ending.reason().is_none() {
            let polled = Pin::new(&mut this.body).poll_frame(context);
            if polled.is_ready() {
                return polled;
            }
        }
        match this.stay.poll(context) {
            None => Poll::Pending,
            Some(fault) => {
                // What the handler had yet to say is of no interest any more.
                this.body = tonic::body::Body::empty();
                Poll::Ready(Some(Ok(Frame::trailers(trailers(&fault, &this.stay.span)))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn trailers(fault: &Fault, span: &Span) -> HeaderMap {
    span.in_scope(|| status::of_fault(fault).into_http::<()>()).into_parts().0.headers
}
