//! When the caller is known: whether it may, and whether its quota lets it. What is refused here is refused before its message
//! is read, so that nobody unknown makes the hub keep anything.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

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

/// When to come back for a stream that goes on elsewhere.
const AT_ONCE: Duration = Duration::from_millis(50);

/// Admits calls.
#[derive(Clone, Debug)]
pub struct AdmissionLayer(pub Arc<Quotas>);

impl AdmissionLayer {
    /// Returns what a stream must heed until it ends; `None` for a unary call, which gets its share into its extensions, and for
    /// what is no RPC of the contract.
    fn admit(&self, extensions: &mut Extensions) -> Result<Option<Stay>, Fault> {
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
            extensions.insert(self.0.share(caller.standing())?);
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
            Fault::new(Kind::Unavailable, reason, message).retry_after(AT_ONCE)
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

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match self.layer.admit(request.extensions_mut()) {
            Ok(None) => Box::pin(self.inner.call(request)),
            Ok(Some(stay)) => {
                let answering = self.inner.call(request);
                Box::pin(async move {
                    let response = answering.await?;
                    Ok(response
                        .map(|body| tonic::body::Body::new(Staying { body, stay: Some(stay) })))
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
    /// Absent after the end.
    stay: Option<Stay>,
}

impl Body for Staying {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, tonic::Status>>> {
        let this = &mut *self;
        let Some(stay) = &mut this.stay else { return Poll::Ready(None) };
        // A look that costs next to nothing, for a stream that always has something to send.
        if stay.ending.reason().is_none() {
            let polled = Pin::new(&mut this.body).poll_frame(context);
            if polled.is_ready() {
                return polled;
            }
        }
        match stay.poll(context) {
            None => Poll::Pending,
            Some(fault) => {
                // What the handler had yet to say is of no interest any more.
                this.body = tonic::body::Body::empty();
                let trailers = trailers(&fault, &stay.span);
                this.stay = None;
                Poll::Ready(Some(Ok(Frame::trailers(trailers))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.stay.is_none() || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn trailers(fault: &Fault, span: &Span) -> HeaderMap {
    span.in_scope(|| status::of_fault(fault).into_http::<()>()).into_parts().0.headers
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::Arc;
    use std::time::Duration;

    use http_body::Body as _;
    use tonic::{Code, Status};
    use tonic_types::StatusExt as _;
    use tracing::Span;

    use crate::kernel::fault::Reason;
    use crate::kernel::ids::{ParticipantId, SystemId};
    use crate::platform::config::LimitOptions;
    use crate::platform::limits::admission::{Stay, Staying};
    use crate::platform::limits::quotas::Quotas;
    use crate::platform::permit::{Ending, ParticipantKind, Standing};

    /// A body that never says anything, or one that always does.
    struct Endless(bool);

    impl http_body::Body for Endless {
        type Data = bytes::Bytes;
        type Error = Status;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, Status>>> {
            let frame = http_body::Frame::data(bytes::Bytes::from_static(b"more"));
            if self.0 { std::task::Poll::Ready(Some(Ok(frame))) } else { std::task::Poll::Pending }
        }
    }

    fn staying(quotas: &Arc<Quotas>, ending: &Ending, talks: bool, until: Duration) -> Staying {
        let standing = Standing {
            participant: ParticipantId(1),
            participant_name: "platform-1".to_owned(),
            kind: ParticipantKind::Platform,
            system: SystemId(1),
            system_name: "main".to_owned(),
            roles: Vec::new(),
            quotas: Vec::new(),
            division_tokens: Vec::new(),
        };
        let stay = Stay {
            _seat: quotas.stream(&standing).unwrap(),
            ending: ending.clone(),
            ended: Box::pin(ending.ended()),
            deadline: Some(Box::pin(tokio::time::sleep(until))),
            span: Span::none(),
        };
        Staying { body: tonic::body::Body::new(Endless(talks)), stay: Some(stay) }
    }

    async fn status(mut body: Staying) -> (Status, usize) {
        let mut frames = 0;
        loop {
            let frame = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context));
            match frame.await.unwrap().unwrap().into_trailers() {
                Ok(trailers) => {
                    let after =
                        std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context));
                    assert!(after.await.is_none(), "nothing follows the trailers");
                    return (Status::from_header_map(&trailers).unwrap(), frames);
                }
                Err(_) => frames += 1,
            }
        }
    }

    #[tokio::test]
    async fn a_stream_ends_when_its_caller_does_and_says_why() {
        let quotas = Arc::new(Quotas::new(LimitOptions { quota_stream: 1, ..Default::default() }));
        for (talks, reason, code) in [
            (false, Reason::CallerDisabled, Code::PermissionDenied),
            (false, Reason::CertificateRevoked, Code::Unauthenticated),
            (false, Reason::TokenExpired, Code::Unauthenticated),
            (true, Reason::TokenExpired, Code::Unauthenticated),
        ] {
            let ending = Ending::default();
            let ends = ending.clone();
            let mut body = staying(&quotas, &ending, talks, Duration::from_hours(1));
            if talks {
                let next = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context));
                assert!(next.await.unwrap().unwrap().is_data());
                ends.end(reason);
            }
            let (told, ()) = tokio::join!(status(body), async {
                tokio::time::sleep(Duration::from_millis(10)).await;
                ends.end(reason);
                // The first reason counts.
                ends.end(Reason::Internal);
            });
            assert_eq!(told.0.code(), code, "{reason:?}");
            let details = told.0.get_error_details();
            assert_eq!(details.error_info().unwrap().reason, reason.name());
        }
    }

    #[tokio::test]
    async fn a_stream_ends_at_its_clients_deadline() {
        let quotas = Arc::new(Quotas::new(LimitOptions::default()));
        let (told, frames) =
            status(staying(&quotas, &Ending::default(), false, Duration::from_millis(10))).await;
        assert_eq!((told.code(), frames), (Code::DeadlineExceeded, 0));
    }
}
