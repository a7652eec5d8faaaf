//! The client's side of a trace: a span for each call, which the hub's continues.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use tonic::transport::Channel;
use tower::Service;
use tracing::{Instrument as _, Span};

use crate::platform::telemetry::context;

/// A channel whose every call has a span and sends it along as `traceparent`; both only while spans are exported.
#[derive(Clone, Debug)]
pub struct Traced(pub Channel);

impl Service<Request<tonic::body::Body>> for Traced {
    type Response = Response<tonic::body::Body>;
    type Error = tonic::transport::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<tonic::body::Body>) -> Self::Future {
        if !context::is_exporting() {
            return Box::pin(self.0.call(request));
        }
        let method = request.uri().path().trim_start_matches('/').to_owned();
        let span = tracing::info_span!("call", otel.kind = "client", rpc.method = method);
        context::inject(&span, request.headers_mut());
        let answering = self.0.call(request).instrument(span.clone());
        Box::pin(async move {
            let response = answering.await?;
            // Of a stream, the call lasts as long as its answers do.
            Ok(response.map(|body| tonic::body::Body::new(Spanned { body, _span: span })))
        })
    }
}

/// A body that keeps the span of its call open.
struct Spanned {
    body: tonic::body::Body,
    _span: Span,
}

impl Body for Spanned {
    type Data = Bytes;
    type Error = tonic::Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, tonic::Status>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
