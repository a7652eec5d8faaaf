//! Spans over lots of events: one for each trace that events of a lot belong to, however many they are.

use tracing::Span;

use crate::platform::feed::event::Event;
use crate::platform::telemetry::context;

/// Most spans of one lot; beyond it, traces go untold.
const SPANS_MAX: usize = 64;

/// Spans over a lot of events.
pub struct Lots<F> {
    make: F,
    spans: Vec<(Box<str>, Span, u64)>,
}

impl<F: Fn() -> Span> Lots<F> {
    /// Returns a lot without events, whose spans are made in one way.
    pub const fn new(make: F) -> Self {
        Self { make, spans: Vec::new() }
    }

    /// Adds an event. One that belongs to no trace costs nothing.
    pub fn add(&mut self, event: &Event) {
        let Some(trace) = event.trace.as_deref().filter(|_| context::is_exporting()) else {
            return;
        };
        if let Some((_, _, count)) = self.spans.iter_mut().find(|(known, ..)| &**known == trace) {
            *count += 1;
        } else if self.spans.len() < SPANS_MAX {
            let span = (self.make)();
            context::resume(&span, trace);
            self.spans.push((trace.into(), span, 1));
        }
    }

    /// Returns the lot with one more event.
    #[must_use]
    pub fn with(mut self, event: &Event) -> Self {
        self.add(event);
        self
    }

    /// Ends the spans.
    pub fn end(self) {
        for (_, span, count) in self.spans {
            span.record("feed.events", count);
        }
    }
}

impl<F> std::fmt::Debug for Lots<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lots").field("spans", &self.spans.len()).finish_non_exhaustive()
    }
}
