//! How long things took.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::demo::summary::Quantiles;

/// Longest latency that is told apart from longer ones, in microseconds: ten minutes.
const MAX_US: u64 = 600_000_000;
const SIGNIFICANT_DIGITS: u8 = 3;

/// A record of latencies.
#[derive(Clone, Debug)]
pub(crate) struct Latencies {
    /// In microseconds. There is always one: the bounds are constants that the histogram takes.
    histogram: Option<Histogram<u64>>,
}

impl Latencies {
    pub(crate) fn new() -> Self {
        Self { histogram: Histogram::new_with_max(MAX_US, SIGNIFICANT_DIGITS).ok() }
    }

    pub(crate) fn record(&mut self, took: Duration) {
        if let Some(histogram) = &mut self.histogram {
            histogram.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        if let (Some(histogram), Some(other)) = (&mut self.histogram, &other.histogram) {
            // Both have the same bounds, so everything fits.
            histogram.add(other).unwrap_or_default();
        }
    }

    pub(crate) fn quantiles(&self) -> Quantiles {
        let at = |quantile| {
            let microseconds =
                self.histogram.as_ref().map_or(0, |it| it.value_at_quantile(quantile));
            in_milliseconds(microseconds)
        };
        Quantiles { p50: at(0.5), p99: at(0.99) }
    }
}

/// Returns microseconds as milliseconds with one decimal, by way of text: the house has no arithmetic on real numbers.
fn in_milliseconds(microseconds: u64) -> f64 {
    format!("{}.{}", microseconds / 1_000, microseconds % 1_000 / 100).parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::demo::latencies::Latencies;

    #[test]
    fn quantiles_are_milliseconds_with_one_decimal() {
        let mut latencies = Latencies::new();
        for _ in 0..98 {
            latencies.record(Duration::from_micros(12_340));
        }
        let mut slow = Latencies::new();
        slow.record(Duration::from_millis(250));
        slow.record(Duration::from_hours(1));
        latencies.add(&slow);
        let quantiles = latencies.quantiles();
        assert_eq!(format!("{:.1} {:.0}", quantiles.p50, quantiles.p99), "12.3 250");
    }
}
