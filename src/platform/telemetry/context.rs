//! The trace that a piece of work belongs to: how it comes in with a call, how it leaves with one, and how it is kept with what is
//! written, so that what is delivered later, and elsewhere, still belongs to it.

use std::sync::OnceLock;

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator as _};
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::platform::config::TraceCallers;

/// Longest `tracestate` that is passed on, in bytes; the recommendation asks for no more (W3C Trace Context, 3.3.1.5).
const STATE_BYTES_MAX: usize = 512;
const PARENT: &str = "traceparent";
const STATE: &str = "tracestate";

/// How callers' traces are heeded; absent while no spans are exported.
static CALLERS: OnceLock<TraceCallers> = OnceLock::new();

/// Says that spans are exported, and how callers' traces are heeded.
pub fn begin(callers: TraceCallers) {
    CALLERS.get_or_init(|| callers);
}

/// Returns whether spans are exported.
#[must_use]
pub fn is_exporting() -> bool {
    CALLERS.get().is_some()
}

/// Lets the span of a call belong to its caller's trace, and notes the trace's id in it for the log.
pub fn join(span: &Span, headers: &HeaderMap) {
    let given = headers.contains_key(PARENT).then(|| extract(headers)).flatten();
    if let (Some(callers), Some(given)) = (CALLERS.get(), &given) {
        match callers {
            TraceCallers::Follow => adopt(span, given.clone()),
            TraceCallers::Link => span.add_link(given.span().span_context().clone()),
        }
    }
    note(span, given.as_ref());
}

/// Notes a span's trace in it, for the log: its own, or the caller's while no spans are exported.
fn note(span: &Span, given: Option<&Context>) {
    let own = is_exporting().then(|| span.context());
    let Some(context) = own.as_ref().or(given) else { return };
    let trace = context.span().span_context().trace_id();
    if trace != opentelemetry::TraceId::INVALID {
        span.record("trace.id", tracing::field::display(trace));
    }
}

/// Lets a call that leaves belong to the trace of a span.
pub fn inject(span: &Span, headers: &mut HeaderMap) {
    if is_exporting() {
        TraceContextPropagator::new().inject_context(&span.context(), &mut Headers(headers));
    }
}

/// Returns the present span as a `traceparent`, if its trace is sampled: what is to be kept with what it writes.
#[must_use]
pub fn sampled() -> Option<String> {
    if !is_exporting() {
        return None;
    }
    let context = Span::current().context();
    let span = context.span();
    let span = span.span_context();
    (span.is_valid() && span.is_sampled())
        .then(|| format!("00-{}-{}-01", span.trace_id(), span.span_id()))
}

/// Lets a span belong to the trace that was kept with what it is about. Whatever was kept and cannot be read is heeded as little as if
/// it were not there.
pub fn resume(span: &Span, kept: &str) {
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(kept) {
        headers.insert(PARENT, value);
    }
    if let Some(context) = extract(&headers) {
        adopt(span, context);
    }
}

/// Makes a span that of one piece of a long stream: part of the stream's trace if that is sampled, else the beginning of one, so that
/// the sample is one of pieces and not of streams.
#[must_use]
pub fn piece(span: Span) -> Span {
    if is_exporting() {
        let whole = Span::current().context().span().span_context().clone();
        if !whole.is_sampled() {
            adopt(&span, Context::new());
            span.add_link(whole);
            note(&span, None);
        }
    }
    span
}

/// Links a span with the one that is present.
pub fn link_present(span: &Span) {
    span.add_link(Span::current().context().span().span_context().clone());
}

fn adopt(span: &Span, context: Context) {
    if span.set_parent(context).is_err() {
        tracing::debug!("a span is not exported, or has begun already");
    }
}

fn extract(headers: &HeaderMap) -> Option<Context> {
    let context = TraceContextPropagator::new().extract(&Received(headers));
    context.span().span_context().is_valid().then_some(context)
}

struct Received<'a>(&'a HeaderMap);

impl Extractor for Received<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        let value = self.0.get(key)?.to_str().ok()?;
        (key != STATE || value.len() <= STATE_BYTES_MAX).then_some(value)
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

struct Headers<'a>(&'a mut HeaderMap);

impl Injector for Headers<'_> {
    fn set(&mut self, key: &str, value: String) {
        // An empty state says nothing.
        if value.is_empty() {
            return;
        }
        if let (Ok(name), Ok(value)) = (key.parse::<HeaderName>(), HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use opentelemetry::trace::TraceContextExt as _;

    use crate::platform::telemetry::context::extract;

    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn headers(parent: &str, state: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", parent.parse().unwrap());
        headers.insert("tracestate", state.parse().unwrap());
        headers
    }

    #[test]
    fn a_trace_comes_in_as_w3c_writes_it_and_nothing_else_does() {
        let context = extract(&headers(TRACE, "vendor=1,other=2")).unwrap();
        let span = context.span();
        let span = span.span_context();
        assert_eq!(span.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert!(span.is_sampled() && span.is_remote());
        assert_eq!(span.trace_state().header(), "vendor=1,other=2");
        for wrong in [
            "",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "4bf92f3577b34da6a3ce929d0e0e4736",
            "00-4bf92f3577b34da6a3ce929d0e0e4736'; DROP TABLE audit; --01",
        ] {
            assert!(extract(&headers(wrong, "")).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_state_beyond_the_bound_is_left_out() {
        let context = extract(&headers(TRACE, &format!("a={}", "x".repeat(600)))).unwrap();
        assert_eq!(context.span().span_context().trace_state().header(), "");
    }
}
