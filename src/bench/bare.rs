//! What a watch is compared to: a bare tonic server that streams the same encoded bytes from memory, over the same TLS.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, ServerStreamingService};
use tonic::transport::Server;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower::Service;

use crate::bench::BenchError;
use crate::client::connect::Options;
use crate::dev::{self, DevError};
use crate::pb::peshub::feed::v1 as feed_pb;
use crate::pb::peshub::postings::v1 as pb;
use crate::pb::raw::peshub::postings::v1 as raw;
use crate::platform::listener;
use crate::platform::pki::DevelopmentCa;
use crate::platform::tasks::Tasks;
use crate::platform::tls::{ServerIdentity, Tls};

/// Messages that may wait for the transport; as many as a watch has.
const QUEUE: usize = 256;
/// Handshakes at the same time.
const HANDSHAKES_MAX: usize = 256;

/// A server that streams records from memory to whoever calls.
#[derive(Debug)]
pub struct BareServer {
    address: std::net::SocketAddr,
    ca: DevelopmentCa,
    tasks: Tasks,
}

impl BareServer {
    /// Starts it on a free port of the loopback.
    ///
    /// # Errors
    ///
    /// No certificate can be made, or no port be listened on.
    pub async fn start(records: Vec<Bytes>, now: OffsetDateTime) -> Result<Self, BenchError> {
        let ca = DevelopmentCa::new(now).map_err(DevError::from)?;
        let identity = ca.server().map_err(DevError::from)?;
        let identity = ServerIdentity {
            certificates: identity.certificate.into_bytes(),
            key: identity.key.into_bytes(),
        };
        let tls = Tls::fixed(&identity, dev::trust(None, &ca)?).map_err(DevError::from)?;
        let acceptor = tls.acceptor().map_err(DevError::from)?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let tasks = Tasks::default();
        let connections = listener::accept(listener, Some(acceptor), HANDSHAKES_MAX, &tasks);
        let stopping = tasks.stopping();
        let service = Stream { records: records.into(), tasks: tasks.clone() };
        drop(tasks.spawn(async move {
            let stop = async move { stopping.cancelled().await };
            Server::builder()
                .add_service(service)
                .serve_with_incoming_shutdown(connections, stop)
                .await
        }));
        Ok(Self { address, ca, tasks })
    }

    /// Returns how to connect.
    #[must_use]
    pub fn client(&self) -> Options {
        Options {
            address: format!("https://{}", self.address),
            authorities_pem: Some(self.ca.certificate()),
            ..Options::default()
        }
    }

    /// Stops it.
    pub async fn stop(self) {
        self.tasks.stop().await;
    }
}

#[derive(Clone, Debug)]
struct Stream {
    records: Arc<[Bytes]>,
    tasks: Tasks,
}

impl NamedService for Stream {
    const NAME: &'static str = "peshub.postings.v1.PostingService";
}

impl Service<http::Request<Body>> for Stream {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let stream = self.clone();
        Box::pin(async move {
            let codec =
                ProstCodec::<raw::WatchPostingsResponse, pb::WatchPostingsRequest>::default();
            Ok(Grpc::new(codec).server_streaming(stream, request).await)
        })
    }
}

impl ServerStreamingService<pb::WatchPostingsRequest> for Stream {
    type Response = raw::WatchPostingsResponse;
    type ResponseStream = ReceiverStream<Result<raw::WatchPostingsResponse, Status>>;
    type Future = BoxFuture<'static, Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, _: Request<pb::WatchPostingsRequest>) -> Self::Future {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let records = Arc::clone(&self.records);
        drop(self.tasks.spawn(async move {
            for record in records.iter() {
                let event = raw::PostingEvent {
                    kind: feed_pb::EventKind::Snapshot.into(),
                    position: 1,
                    cursor: Bytes::new(),
                    record: record.clone(),
                };
                let message = raw::watch_postings_response::Message::Event(event);
                if !send(&sender, message).await {
                    return;
                }
            }
            let end = feed_pb::Bookmark { snapshot_complete: true, ..feed_pb::Bookmark::default() };
            send(&sender, raw::watch_postings_response::Message::Bookmark(end)).await;
        }));
        Box::pin(async { Ok(Response::new(ReceiverStream::new(receiver))) })
    }
}

async fn send(
    sender: &mpsc::Sender<Result<raw::WatchPostingsResponse, Status>>,
    message: raw::watch_postings_response::Message,
) -> bool {
    sender.send(Ok(raw::WatchPostingsResponse { message: Some(message) })).await.is_ok()
}
