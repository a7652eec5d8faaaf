//! The way of spans and metrics to a collector, over OTLP.

use std::collections::HashSet;
use std::sync::LazyLock;
use std::time::Duration;

use opentelemetry::{KeyValue, Value};
use opentelemetry_otlp::{
    ExporterBuildError, MetricExporter, SpanExporter, WithExportConfig as _, WithTonicConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::PeriodicReader;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, SpanData};
use tonic::transport::ClientTlsConfig;

use crate::platform::config::TelemetryOptions;
use crate::platform::metrics::observe::VERSION;
use crate::platform::telemetry::redaction::redacted;

/// What a span may say of itself. Whatever else stands in one is for the log alone, or a mistake.
pub const FIELDS: &[&str] = &[
    "batch.id",
    "batch.records",
    "batch.rejected",
    "error.reason",
    "feed.events",
    "feed.position",
    "participant.name",
    "request.id",
    "rpc.grpc.status_code",
    "rpc.method",
];

static ALLOWED: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| FIELDS.iter().copied().collect());

/// Returns what is said of this process.
#[must_use]
pub fn resource() -> Resource {
    Resource::builder()
        .with_service_name("peshub")
        .with_attribute(KeyValue::new("service.version", VERSION))
        .build()
}

/// Returns what takes spans to the collector.
///
/// # Errors
///
/// The endpoint cannot be used.
pub fn spans(
    endpoint: &str,
    options: &TelemetryOptions,
) -> Result<SdkTracerProvider, ExporterBuildError> {
    let mut exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint.to_owned());
    if let Some(tls) = tls(endpoint) {
        exporter = exporter.with_tls_config(tls);
    }
    // A trace that a caller has begun is sampled as the caller says; of others this share.
    let share = Sampler::TraceIdRatioBased(options.trace_ratio.0);
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(Reduced(exporter.build()?))
        .with_sampler(Sampler::ParentBased(Box::new(share)))
        .with_resource(resource());
    Ok(provider.build())
}

/// Returns what takes metrics to the collector at times.
///
/// # Errors
///
/// The endpoint cannot be used.
pub fn metrics(
    endpoint: &str,
    options: &TelemetryOptions,
) -> Result<PeriodicReader<MetricExporter>, ExporterBuildError> {
    let mut exporter = MetricExporter::builder().with_tonic().with_endpoint(endpoint.to_owned());
    if let Some(tls) = tls(endpoint) {
        exporter = exporter.with_tls_config(tls);
    }
    let every = Duration::from_secs(options.otlp_metrics_seconds.into());
    Ok(PeriodicReader::builder(exporter.build()?).with_interval(every).build())
}

fn tls(endpoint: &str) -> Option<ClientTlsConfig> {
    endpoint.starts_with("https://").then(|| ClientTlsConfig::new().with_enabled_roots())
}

/// Sends spans on with what they may say, and nothing else.
#[derive(Debug)]
struct Reduced(SpanExporter);

impl opentelemetry_sdk::trace::SpanExporter for Reduced {
    async fn export(&self, mut batch: Vec<SpanData>) -> OTelSdkResult {
        batch.iter_mut().for_each(reduce);
        self.0.export(batch).await
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}

fn reduce(span: &mut SpanData) {
    // In the log, a call's span is one word, beside its method.
    let method = span.attributes.iter().find(|it| it.key.as_str() == "rpc.method");
    let method = method.map(|it| it.value.as_str().into_owned());
    if let Some(method) = method.filter(|it| !it.is_empty()) {
        span.name = method.into();
    }
    span.attributes.retain(|it| ALLOWED.contains(it.key.as_str()));
    for attribute in &mut span.attributes {
        if let Value::String(text) = &attribute.value {
            attribute.value = redacted(text.as_str()).into_owned().into();
        }
    }
}
