//! One posting's trace, from the client to the delivery, as a collector gets it; and what stays out of it.

use std::collections::BTreeSet;
use std::path::Path;

use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, Metric};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use peshub::pb::peshub::participants::v1::GetCallerRequest;
use peshub::pb::peshub::postings::v1::PostingFilter;
use peshub::platform::metrics::ALL;
use peshub::platform::telemetry::export::FIELDS;

use crate::program::{done, fixtures};
use crate::support::cluster::directory;
use crate::support::watch::{Watcher, watching};
use crate::support::{World, story, until};
use crate::telemetry::collector::{Collector, attribute};
use crate::telemetry::exposition;
use crate::telemetry::program::Program;

const SYNC: &str = "peshub.postings.v1.PostingService/SyncPostings";
/// A call id that a careless client has put together from a name.
const CARELESS: &str = "li.na@example.com";

/// Returns the one span of a trace with a name and a kind, and a parent if it must have one.
fn one<'a>(
    spans: &'a [Span],
    (name, kind): (&str, SpanKind),
    parent: &[u8],
) -> Result<&'a Span, String> {
    let found: Vec<_> = spans
        .iter()
        .filter(|it| it.name == name && it.kind == i32::from(kind) && it.parent_span_id == parent)
        .collect();
    match found.as_slice() {
        [one] => Ok(one),
        several => Err(format!("{} spans {name} of {kind:?} with that parent", several.len())),
    }
}

/// Says what is missing of a trace that leads from the client through ingest to the delivery.
fn whole(spans: &[Span]) -> Result<(), String> {
    let root = one(spans, ("peshub", SpanKind::Internal), &[])?;
    let trace: Vec<Span> =
        spans.iter().filter(|it| it.trace_id == root.trace_id).cloned().collect();
    let call = one(&trace, (SYNC, SpanKind::Client), &root.span_id)?;
    let served = one(&trace, (SYNC, SpanKind::Server), &call.span_id)?;
    let batch = one(&trace, ("ingest.batch", SpanKind::Internal), &served.span_id)?;
    one(&trace, ("feed.position", SpanKind::Internal), &batch.span_id)?;
    let delivery = one(&trace, ("feed.deliver", SpanKind::Producer), &batch.span_id)?;
    let written = attribute(&batch.attributes, "batch.records");
    let told = attribute(&delivery.attributes, "feed.events");
    if written.is_none() || written != told {
        return Err(format!("{written:?} records, {told:?} events"));
    }
    if delivery.links.is_empty() {
        return Err("the delivery does not say which watch it went to".to_owned());
    }
    Ok(())
}

#[test]
fn one_postings_trace_leads_from_the_client_to_the_delivery() {
    story(async |world| {
        let collector = Collector::start().await;
        let endpoint = collector.endpoint();
        let hub = Program::start(
            world,
            &[
                ("PESHUB_OTLP_ENDPOINT", &endpoint),
                ("PESHUB_OTLP_METRICS_SECONDS", "1"),
                ("PESHUB_TRACE_RATIO", "0"),
                ("PESHUB_LOG", "debug"),
                ("PESHUB_LOG_FORMAT", "json"),
            ],
        );
        let bureau = hub.connect("bureau-nation").await;
        let request = watching(PostingFilter::default());
        let mut watcher = Watcher::start(&bureau.postings(), request).await.unwrap();
        watcher.snapshot().await;

        let file = fixtures().join("schema-org/page.json");
        let import = |platform: &str, settings: &[(&str, &str)]| {
            let mut command = hub.client(&["import", "--source", platform], platform);
            command.arg(&file).envs(settings.iter().copied());
            done(&mut command);
        };
        let traced = [("PESHUB_OTLP_ENDPOINT", &*endpoint), ("PESHUB_TRACE_RATIO", "1")];
        import("platform-north", &traced);
        let head: i64 =
            sqlx::query_scalar("SELECT seq FROM feed_head").fetch_one(&world.pool).await.unwrap();
        let (events, _) = watcher.up_to(head).await;
        assert!(!events.is_empty());
        let kept = kept(world).await;
        assert_eq!(kept, (events.len() as i64, 1), "each change keeps the one trace");

        // Of a client without a trace, and a hub that samples none, nothing is kept.
        import("platform-south", &[]);
        assert_eq!(self::kept(world).await, kept);
        careless(&hub).await;

        let text = reqwest::get(format!("{}/metrics", hub.internal)).await.unwrap();
        let pulled = exposition::parse(&text.text().await.unwrap()).expect("the text format");
        assert!(pulled.contains_key("peshub_ingest_records_total"));
        until("metrics at the collector", async || {
            let metrics = collector.metrics();
            let pushed = metrics.iter().rev().find(|it| it.name == "peshub_feed_positioned_total");
            pushed.map(|_| ())
        })
        .await;
        drop((watcher, bureau));
        let log = hub.stop();

        let spans = collector.spans();
        if let Err(missing) = whole(&spans) {
            let told: Vec<_> = spans.iter().map(|it| (&it.name, it.kind)).collect();
            panic!("{missing}: {told:?}");
        }
        only_what_may_be_said(&spans);
        metrics_are_what_was_declared(&collector.metrics());
        for resource in collector.resources() {
            assert_eq!(attribute(&resource.attributes, "service.name").unwrap(), "peshub");
        }
        // Whoever reads the log finds the trace in it.
        let trace = trace_id(&spans);
        assert!(log.contains(&format!("\"trace.id\":\"{trace}\"")), "no {trace} in {log}");
        assert!(log.contains("[redacted]") && !log.contains(CARELESS), "{log}");
        each_gap_is_found(&spans);
        collector.stop().await;
    });
}

/// Calls a hub with settings of its own once, with a `traceparent` or without, and returns the spans that come of it.
async fn spans_of(
    (world, dir): (&World, &Path),
    settings: &[(&str, &str)],
    parent: Option<&str>,
) -> Vec<Span> {
    let collector = Collector::start().await;
    let endpoint = collector.endpoint();
    let settings = [&[("PESHUB_OTLP_ENDPOINT", &*endpoint)], settings].concat();
    let hub = Program::start_in(world, dir.to_owned(), &settings);
    let mut request = tonic::Request::new(GetCallerRequest::default());
    if let Some(parent) = parent {
        request.metadata_mut().insert("traceparent", parent.parse().unwrap());
    }
    request.metadata_mut().insert("tracestate", "vendor=1".parse().unwrap());
    let connection = hub.connect("platform-east").await;
    connection.participants().get_caller(request).await.unwrap();
    drop(connection);
    hub.stop();
    let spans = collector.spans();
    collector.stop().await;
    // The hub's own client creates sources when it starts.
    spans.into_iter().filter(|it| it.name.ends_with("/GetCaller")).collect()
}

#[test]
fn who_samples_a_call_is_a_setting() {
    story(async |world| {
        let dir = directory("sampling");
        let at = (world, dir.as_path());
        let (all, none) = (("PESHUB_TRACE_RATIO", "1"), ("PESHUB_TRACE_RATIO", "0"));
        let link = ("PESHUB_TRACE_CALLERS", "link");
        let sampled = Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        let unsampled = Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00");
        // A trace that has begun is sampled as its beginner says, whatever the share of others.
        let [followed] = &spans_of(at, &[none], sampled).await[..] else { panic!("one span") };
        assert_eq!(followed.parent_span_id, [0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7]);
        assert_eq!(followed.trace_state, "vendor=1");
        assert_eq!(spans_of(at, &[all], unsampled).await, []);
        assert_eq!(spans_of(at, &[none], None).await, []);
        // Where callers decide nothing, theirs is linked.
        assert_eq!(spans_of(at, &[none, link], sampled).await, []);
        let [own] = &spans_of(at, &[all, link], sampled).await[..] else { panic!("one span") };
        assert!(own.parent_span_id.is_empty() && own.trace_id != followed.trace_id);
        assert_eq!(own.links[0].trace_id, followed.trace_id);
    });
}

/// Returns how many changes keep a trace, and how many traces there are.
async fn kept(world: &World) -> (i64, i64) {
    let query = "SELECT count(trace), count(DISTINCT trace) FROM change_log";
    sqlx::query_as(query).fetch_one(&world.pool).await.unwrap()
}

/// A refused call whose id is what no id should be.
async fn careless(hub: &Program) {
    let mut request = tonic::Request::new(GetCallerRequest::default());
    request.metadata_mut().insert("x-request-id", CARELESS.parse().unwrap());
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    request.metadata_mut().insert("traceparent", trace.parse().unwrap());
    request.metadata_mut().insert("authorization", "Bearer nothing.of.ours".parse().unwrap());
    hub.connect("platform-east").await.participants().get_caller(request).await.unwrap_err();
}

fn trace_id(spans: &[Span]) -> String {
    use std::fmt::Write as _;
    let refused =
        spans.iter().find(|it| it.name.ends_with("/GetCaller")).expect("the refused call");
    assert_eq!(attribute(&refused.attributes, "error.reason").unwrap(), "TOKEN_INVALID");
    refused.trace_id.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn only_what_may_be_said(spans: &[Span]) {
    for span in spans {
        assert!(span.events.is_empty(), "lines of the log stay in the log: {span:?}");
        for it in &span.attributes {
            assert!(FIELDS.contains(&&*it.key), "{} has {}", span.name, it.key);
        }
        assert!(!format!("{span:?}").contains(CARELESS), "{span:?}");
    }
}

fn metrics_are_what_was_declared(metrics: &[Metric]) {
    for metric in metrics {
        let declared = ALL.iter().find(|it| it.meta().name == metric.name);
        let meta = declared.unwrap_or_else(|| panic!("{} is not declared", metric.name)).meta();
        assert_eq!(metric.unit, meta.unit, "{}", metric.name);
    }
    let records = metrics.iter().rev().find(|it| it.name == "peshub_ingest_records_total");
    let Some(Data::Sum(sum)) = &records.expect("records that were measured").data else {
        panic!("a counter is no sum");
    };
    assert_eq!(sum.aggregation_temporality(), AggregationTemporality::Cumulative);
    assert!(sum.is_monotonic);
    let created = sum
        .data_points
        .iter()
        .find(|it| attribute(&it.attributes, "outcome").unwrap() == "created");
    let Some(Value::AsInt(created)) = created.unwrap().value else { panic!("no whole number") };
    assert!(created >= 2, "both platforms' postings: {created}");
}

/// The checks above find a trace that breaks off, wherever it does.
fn each_gap_is_found(spans: &[Span]) {
    let of_trace: BTreeSet<String> = spans.iter().map(|it| it.name.clone()).collect();
    for name in ["peshub", SYNC, "ingest.batch", "feed.position", "feed.deliver"] {
        assert!(of_trace.contains(name));
        let without: Vec<Span> = spans.iter().filter(|it| it.name != name).cloned().collect();
        whole(&without).expect_err(name);
        let torn = spans.iter().cloned().map(|span| {
            if span.name == name {
                return Span { trace_id: vec![7; 16], parent_span_id: vec![7; 8], ..span };
            }
            span
        });
        whole(&torn.collect::<Vec<_>>()).expect_err(name);
    }
}
