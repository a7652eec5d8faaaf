//! Logs, spans and metrics: lines to standard error, and OTLP to an OpenTelemetry collector when one is named.
//!
//! The filter of the log is the log's alone: spans are exported whatever is logged. Events, which are lines of the log, do not go to
//! the collector.

pub mod context;
pub mod export;
pub mod redaction;

use std::io::IsTerminal as _;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Metadata;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{FilterExt as _, Targets, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::platform::config::{LogFormat, TelemetryOptions};
use crate::platform::metrics::meters::{self, Meters, MetersError};
use crate::platform::telemetry::redaction::Redacting;

/// Why telemetry cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter cannot be read.
    #[error("the log filter is not valid")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// The exporter cannot be built.
    #[error("the OTLP exporter cannot be set up")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
    /// Metrics cannot be gathered.
    #[error(transparent)]
    Meters(#[from] MetersError),
    /// Telemetry is set up already.
    #[error("telemetry is set up already")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

/// Flushes what is still to be exported when it is shut down.
#[derive(Debug)]
pub struct Telemetry(Option<SdkTracerProvider>);

impl Telemetry {
    /// Exports what is left.
    pub fn shut_down(self) {
        let Some(provider) = self.0 else { return };
        if let Err(error) = provider.shutdown() {
            tracing::warn!("spans may be lost: {error}");
        }
        if let Some(meters) = meters::meters() {
            meters.shut_down();
        }
    }
}

/// Sets up logging, tracing and measuring for the process.
///
/// # Errors
///
/// The filter or the endpoint is not valid, or it was called twice.
pub fn start(options: &TelemetryOptions) -> Result<Telemetry, TelemetryError> {
    let filter = EnvFilter::try_new(&options.log)?;
    let logs = match options.log_format {
        LogFormat::Text => {
            // Colours are for people; a file or a pipe gets plain lines.
            let is_terminal = std::io::stderr().is_terminal();
            let lines = tracing_subscriber::fmt::layer().with_writer(Redacting);
            lines.with_ansi(is_terminal).with_target(false).boxed()
        }
        LogFormat::Json => tracing_subscriber::fmt::layer().json().with_writer(Redacting).boxed(),
    };
    let endpoint = options.otlp_endpoint.as_deref();
    let provider = endpoint.map(|endpoint| export::spans(endpoint, options)).transpose()?;
    let spans = provider.as_ref().map(|provider| {
        let own = Targets::new().with_target("peshub", LevelFilter::INFO);
        tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("peshub"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_filter(own.and(filter_fn(is_span)))
    });
    tracing_subscriber::registry().with(logs.with_filter(filter)).with(spans).try_init()?;
    if provider.is_some() {
        context::begin(options.trace_callers);
    }
    let push = endpoint.filter(|_| options.metrics);
    let push = push.map(|endpoint| export::metrics(endpoint, options)).transpose()?;
    let meters = options.metrics.then(|| Meters::new(export::resource(), push)).transpose()?;
    meters::install(meters);
    Ok(Telemetry(provider))
}

/// Returns whether something is a span, and no line of the log.
fn is_span(it: &Metadata<'_>) -> bool {
    it.is_span()
}
