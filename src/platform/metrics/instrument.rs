//! Instruments: what a metric is recorded with.

use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics;

use crate::platform::metrics::QUICK;
use crate::platform::metrics::meters;

/// What is said of a metric.
#[derive(Clone, Copy, Debug)]
pub struct Meta {
    /// Its name, the same for Prometheus and OTLP.
    pub name: &'static str,
    /// Its unit, as UCUM writes it.
    pub unit: &'static str,
    /// Names of its labels; values are given in this order.
    pub labels: &'static [&'static str],
    /// What it means.
    pub help: &'static str,
}

impl Meta {
    fn attributes(&self, values: &[&'static str]) -> Vec<KeyValue> {
        debug_assert_eq!(self.labels.len(), values.len(), "labels of {}", self.name);
        self.labels.iter().zip(values).map(|(label, value)| KeyValue::new(*label, *value)).collect()
    }
}

/// A metric that was declared.
pub trait Declared {
    /// Returns what is said of it.
    fn meta(&self) -> &Meta;

    /// Returns its type, as Prometheus names it.
    fn kind(&self) -> &'static str;
}

macro_rules! instrument {
    ($name:ident, $inner:ty, $kind:literal, $doc:literal, $build:expr) => {
        #[doc = $doc]
        #[derive(Debug)]
        pub struct $name {
            meta: Meta,
            cell: OnceLock<$inner>,
        }

        impl $name {
            /// Declares it.
            #[must_use]
            pub const fn new(meta: Meta) -> Self {
                Self { meta, cell: OnceLock::new() }
            }

            /// Returns what it records with; `None` while nothing is measured.
            fn inner(&self) -> Option<&$inner> {
                if let Some(inner) = self.cell.get() {
                    return Some(inner);
                }
                let meter = meters::meter()?;
                let build: fn(&metrics::Meter, &Meta) -> $inner = $build;
                Some(self.cell.get_or_init(|| build(meter, &self.meta)))
            }
        }

        impl Declared for $name {
            fn meta(&self) -> &Meta {
                &self.meta
            }

            fn kind(&self) -> &'static str {
                $kind
            }
        }
    };
}

instrument!(Counter, metrics::Counter<u64>, "counter", "Counts what happens.", |meter, meta| meter
    .u64_counter(meta.name)
    .with_unit(meta.unit)
    .with_description(meta.help)
    .build());

impl Counter {
    /// Counts some more.
    pub fn add(&self, count: u64, labels: &[&'static str]) {
        if let Some(inner) = self.inner() {
            inner.add(count, &self.meta.attributes(labels));
        }
    }

    /// Counts some more of what a length says.
    pub fn add_len(&self, count: usize, labels: &[&'static str]) {
        if count > 0 {
            self.add(u64::try_from(count).unwrap_or(u64::MAX), labels);
        }
    }
}

instrument!(
    Level,
    metrics::UpDownCounter<i64>,
    "gauge",
    "Counts what is there at the moment: in when it comes, out when it goes.",
    |meter, meta| meter
        .i64_up_down_counter(meta.name)
        .with_unit(meta.unit)
        .with_description(meta.help)
        .build()
);

impl Level {
    /// Counts one in, and out again when the guard is dropped.
    #[must_use]
    pub fn enter(&'static self, labels: &[&'static str]) -> Entered {
        let attributes = self.meta.attributes(labels);
        if let Some(inner) = self.inner() {
            inner.add(1, &attributes);
        }
        Entered { level: self, attributes }
    }
}

/// Keeps something counted.
#[derive(Debug)]
pub struct Entered {
    level: &'static Level,
    attributes: Vec<KeyValue>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        if let Some(inner) = self.level.inner() {
            inner.add(-1, &self.attributes);
        }
    }
}

instrument!(Gauge, metrics::Gauge<i64>, "gauge", "Tells how many there are.", |meter, meta| meter
    .i64_gauge(meta.name)
    .with_unit(meta.unit)
    .with_description(meta.help)
    .build());

impl Gauge {
    /// Says how many there are.
    pub fn set(&self, value: i64, labels: &[&'static str]) {
        if let Some(inner) = self.inner() {
            inner.record(value, &self.meta.attributes(labels));
        }
    }

    /// Says how many there are by a length.
    pub fn set_len(&self, value: usize, labels: &[&'static str]) {
        self.set(i64::try_from(value).unwrap_or(i64::MAX), labels);
    }
}

instrument!(
    Seconds,
    metrics::Gauge<f64>,
    "gauge",
    "Tells how long something has been so.",
    |meter, meta| meter
        .f64_gauge(meta.name)
        .with_unit(meta.unit)
        .with_description(meta.help)
        .build()
);

impl Seconds {
    /// Says how long it has been.
    pub fn set(&self, value: Duration) {
        if let Some(inner) = self.inner() {
            inner.record(value.as_secs_f64(), &[]);
        }
    }
}

instrument!(
    Histogram,
    metrics::Histogram<f64>,
    "histogram",
    "Tells how long things take.",
    |meter, meta| meter
        .f64_histogram(meta.name)
        .with_unit(meta.unit)
        .with_description(meta.help)
        .with_boundaries(QUICK.to_vec())
        .build()
);

impl Histogram {
    /// Notes how long one took.
    pub fn record(&self, took: Duration, labels: &[&'static str]) {
        if let Some(inner) = self.inner() {
            inner.record(took.as_secs_f64(), &self.meta.attributes(labels));
        }
    }
}
