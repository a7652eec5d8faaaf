//! An OpenTelemetry collector: takes spans and metrics over OTLP as anybody's collector does, and keeps what it decoded.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

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
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

/// What has come.
#[derive(Clone, Debug, Default)]
struct Come {
    spans: Arc<Mutex<Vec<Span>>>,
    metrics: Arc<Mutex<Vec<Metric>>>,
    resources: Arc<Mutex<Vec<Resource>>>,
}

/// A collector that runs.
pub(crate) struct Collector {
    address: SocketAddr,
    come: Come,
    stop: CancellationToken,
    served: JoinHandle<()>,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (come, stop) = (Come::default(), CancellationToken::new());
        let (takes, stopped) = (come.clone(), stop.clone());
        let served = tokio::spawn(async move {
            tonic::transport::Server::builder()
                .add_service(TraceServiceServer::new(takes.clone()))
                .add_service(MetricsServiceServer::new(takes))
                .serve_with_incoming_shutdown(
                    TcpListenerStream::new(listener),
                    stopped.cancelled_owned(),
                )
                .await
                .expect("a collector");
        });
        Self { address, come, stop, served }
    }

    /// Returns its address, as settings have it.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns all spans that have come.
    pub(crate) fn spans(&self) -> Vec<Span> {
        self.come.spans.lock().unwrap().clone()
    }

    /// Returns all metrics that have come, oldest first.
    pub(crate) fn metrics(&self) -> Vec<Metric> {
        self.come.metrics.lock().unwrap().clone()
    }

    /// Returns what the senders said of themselves.
    pub(crate) fn resources(&self) -> Vec<Resource> {
        self.come.resources.lock().unwrap().clone()
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.served.await.unwrap();
    }
}

#[tonic::async_trait]
impl TraceService for Come {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for of_resource in request.into_inner().resource_spans {
            self.resources.lock().unwrap().extend(of_resource.resource);
            let spans = of_resource.scope_spans.into_iter().flat_map(|it| it.spans);
            self.spans.lock().unwrap().extend(spans);
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Come {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        for of_resource in request.into_inner().resource_metrics {
            self.resources.lock().unwrap().extend(of_resource.resource);
            let metrics = of_resource.scope_metrics.into_iter().flat_map(|it| it.metrics);
            self.metrics.lock().unwrap().extend(metrics);
        }
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

/// Returns an attribute as a text.
pub(crate) fn attribute(attributes: &[KeyValue], name: &str) -> Option<String> {
    let found = attributes.iter().find(|it| it.key == name)?;
    match found.value.clone() {
        Some(AnyValue { value: Some(Value::StringValue(text)) }) => Some(text),
        Some(AnyValue { value: Some(Value::IntValue(number)) }) => Some(number.to_string()),
        _ => None,
    }
}
