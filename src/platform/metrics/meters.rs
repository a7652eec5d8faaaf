//! Where metrics are gathered, and how they are told to Prometheus.

use std::sync::OnceLock;

use opentelemetry::metrics::{Meter, MeterProvider as _};
use opentelemetry_otlp::MetricExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use prometheus::{Encoder as _, Registry, TextEncoder};

/// Type of what [`Meters::text`] returns.
pub const TEXT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

static METERS: OnceLock<Option<Meters>> = OnceLock::new();

/// What gathers the metrics of this process.
#[derive(Debug)]
pub struct Meters {
    provider: SdkMeterProvider,
    meter: Meter,
    registry: Registry,
}

/// Why metrics cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum MetersError {
    /// The exporter for Prometheus cannot be set up.
    #[error("metrics cannot be gathered")]
    Setup(#[from] opentelemetry_sdk::error::OTelSdkError),
    /// They cannot be written as text.
    #[error("metrics cannot be written")]
    Text(#[from] prometheus::Error),
}

impl Meters {
    /// Gathers metrics, and sends them to a collector as well if there is a reader for one.
    ///
    /// # Errors
    ///
    /// They cannot be gathered.
    pub fn new(
        resource: Resource,
        push: Option<PeriodicReader<MetricExporter>>,
    ) -> Result<Self, MetersError> {
        let registry = Registry::new();
        let pull = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            // Names are what the declarations say, for Prometheus and for OTLP.
            .without_units()
            .without_counter_suffixes()
            .without_target_info()
            .scope_info_enabled(false)
            .build()?;
        let mut builder = SdkMeterProvider::builder().with_resource(resource).with_reader(pull);
        if let Some(push) = push {
            builder = builder.with_reader(push);
        }
        let provider = builder.build();
        let meter = provider.meter("peshub");
        Ok(Self { provider, meter, registry })
    }

    /// Returns all metrics as Prometheus reads them.
    ///
    /// # Errors
    ///
    /// They cannot be written.
    pub fn text(&self) -> Result<Vec<u8>, MetersError> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }

    /// Sends what is left to the collector.
    pub fn shut_down(&self) {
        if let Err(error) = self.provider.shutdown() {
            tracing::warn!("metrics may be lost: {error}");
        }
    }
}

/// Says what gathers the metrics of this process, or that nothing does; the first word counts.
pub fn install(meters: Option<Meters>) {
    METERS.get_or_init(|| meters);
}

/// Returns what gathers the metrics of this process; `None` when nothing does.
#[must_use]
pub fn meters() -> Option<&'static Meters> {
    let usual = || Meters::new(Resource::builder_empty().build(), None).ok();
    METERS.get_or_init(usual).as_ref()
}

/// Returns where instruments are made.
#[must_use]
pub fn meter() -> Option<&'static Meter> {
    meters().map(|meters| &meters.meter)
}
