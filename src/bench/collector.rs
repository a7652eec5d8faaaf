//! A collector for a hub under measurement: takes spans and metrics over OTLP, counts them and keeps nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use crate::bench::BenchError;
use crate::platform::tasks::Tasks;

/// A collector that runs.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    seen: Seen,
    tasks: Tasks,
}

#[derive(Clone, Debug, Default)]
struct Seen {
    spans: Arc<AtomicUsize>,
    metrics: Arc<AtomicUsize>,
}

impl Collector {
    /// Starts it on a free port of the loopback.
    ///
    /// # Errors
    ///
    /// No port can be listened on.
    pub async fn start() -> Result<Self, BenchError> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (seen, tasks) = (Seen::default(), Tasks::default());
        let server = Server::builder()
            .add_service(TraceServiceServer::new(seen.clone()))
            .add_service(MetricsServiceServer::new(seen.clone()));
        let stop = tasks.stopping().cancelled_owned();
        let calls = TcpListenerStream::new(listener);
        drop(tasks.spawn(server.serve_with_incoming_shutdown(calls, stop)));
        Ok(Self { address, seen, tasks })
    }

    /// Returns its address, as settings have it.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns how many spans and metrics have come.
    #[must_use]
    pub fn seen(&self) -> (usize, usize) {
        (self.seen.spans.load(Ordering::Relaxed), self.seen.metrics.load(Ordering::Relaxed))
    }

    /// Ends it.
    pub async fn stop(self) {
        self.tasks.stop().await;
    }
}

#[tonic::async_trait]
impl TraceService for Seen {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let scopes = request.into_inner().resource_spans.into_iter().flat_map(|it| it.scope_spans);
        self.spans.fetch_add(scopes.map(|it| it.spans.len()).sum(), Ordering::Relaxed);
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Seen {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let all = request.into_inner().resource_metrics.into_iter();
        let scopes = all.flat_map(|it| it.scope_metrics);
        self.metrics.fetch_add(scopes.map(|it| it.metrics.len()).sum(), Ordering::Relaxed);
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}
