//! Failures as clients see them: each has a reason of the contract, the number of its call, and all that its kind has to tell.

use bytes::Bytes;
use peshub::client::connect::Options;
use peshub::pb;
use peshub::pb::peshub::participants::v1::{CreateSourceRequest, GetCallerRequest};
use peshub::pb::peshub::postings::v1::{
    BatchUpsertPostingsRequest, GetPostingRequest, ListPostingsRequest, Paging, PostingKey,
    get_posting_request,
};
use prost_reflect::DescriptorPool;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::support::plain::{Answer, Plain};
use crate::support::postings::{everything, posting, upsert};
use crate::support::story;
use crate::support::sync::{RawStream, SyncStream};
use crate::support::watch::watching;

const GET_CALLER: &str = "peshub.participants.v1.ParticipantService/GetCaller";
const LIST: &str = "peshub.postings.v1.PostingService/ListPostings";
const WATCH: &str = "peshub.postings.v1.PostingService/WatchPostings";
const HEALTH: &str = "grpc.health.v1.Health/Check";

fn choices(name: &str) -> Vec<(String, i32)> {
    let pool = DescriptorPool::decode(pb::DESCRIPTORS).expect("the contract");
    let found = pool.get_enum_by_name(name).expect("an enum of the contract");
    found.values().map(|value| (value.name().to_owned(), value.number())).collect()
}

/// Holds a failure against the contract's way to tell one.
fn check(what: &str, status: &Status, code: Code, reason: &str) {
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("{what} tells no reason: {status:?}"));
    assert_eq!((info.domain.as_str(), info.reason.as_str()), ("peshub", reason), "{what}");
    assert_eq!(status.code(), code, "{what}");
    let known = choices("peshub.common.v1.ErrorReason");
    assert!(known.iter().any(|(name, _)| *name == format!("ERROR_REASON_{reason}")));
    assert!(!status.message().is_empty());
    let request = details.request_info().unwrap_or_else(|| panic!("{what} has no number"));
    assert!(!request.request_id.is_empty(), "{what}");
    let has = [
        details.bad_request().is_some(),
        details.retry_info().is_some(),
        details.precondition_failure().is_some(),
        details.resource_info().is_some(),
        details.quota_failure().is_some(),
    ];
    let expected = match (code, reason) {
        (_, "FIELDS_INVALID") => [true, false, false, false, false],
        (Code::FailedPrecondition, _) => [false, false, true, false, false],
        (_, "QUOTA_EXCEEDED") => [false, true, false, false, true],
        (Code::Unavailable, _) | (_, "CONTENDED") => [false, true, false, false, false],
        // A service that the hub has not is no thing of the hub.
        (_, "METHOD_UNKNOWN" | "REQUEST_ID_REUSED") => [false; 5],
        (Code::NotFound | Code::AlreadyExists, _) => [false, false, false, true, false],
        _ => [false; 5],
    };
    assert_eq!(has, expected, "{what}: fields, retry, precondition, resource, quota: {details:?}");
    let told = format!("{status:?} {details:?}").to_lowercase();
    for secret in ["sqlx", "postgres", "sqlstate", "constraint", "select ", "src/"] {
        assert!(!told.contains(secret), "{what} tells of {secret}: {told}");
    }
}

#[test]
fn every_failed_call_says_why_in_the_hubs_own_words() {
    story(async |world| {
        let hub = world.hub().await;
        let mut client = hub.postings("platform-north").await;
        let stranger = Options { identity: None, ..hub.options("nobody") };
        let stranger = peshub::client::connect::Connection::open(&stranger).await.unwrap();
        let list = ListPostingsRequest::default;
        let status = stranger.postings().list_postings(list()).await.unwrap_err();
        check("a stranger", &status, Code::Unauthenticated, "CALLER_UNKNOWN");
        let mut operator = hub.postings("operator").await;
        let status = operator.list_postings(list()).await.unwrap_err();
        check("an operator", &status, Code::PermissionDenied, "ACTION_NOT_GRANTED");
        let key = PostingKey { source: "nowhere".to_owned(), external_id: "x".to_owned() };
        let posting_key = Some(get_posting_request::Posting::Key(key));
        let request = GetPostingRequest { posting: posting_key };
        let status = client.get_posting(request).await.unwrap_err();
        check("an unknown posting", &status, Code::NotFound, "POSTING_NOT_FOUND");
        let details = status.get_error_details();
        let resource = details.resource_info().unwrap();
        assert_eq!(
            (resource.resource_type.as_str(), resource.resource_name.as_str()),
            ("posting", "sources/nowhere/x")
        );
        let paging = Some(Paging { page_size: 1_001, ..Paging::default() });
        let status =
            client.list_postings(ListPostingsRequest { paging, ..list() }).await.unwrap_err();
        check("a page too large", &status, Code::InvalidArgument, "FIELDS_INVALID");
        let violations = status.get_error_details().bad_request().unwrap().field_violations.clone();
        assert_eq!(violations[0].field, "paging.page_size");
        let south = hub.connect("platform-south").await;
        let request =
            CreateSourceRequest { name: "platform-north".to_owned(), ..Default::default() };
        let status = south.participants().create_source(request).await.unwrap_err();
        check("a name that is taken", &status, Code::AlreadyExists, "ALREADY_EXISTS");
        let details = status.get_error_details();
        assert_eq!(details.resource_info().unwrap().resource_name, "platform-north");
        let request = BatchUpsertPostingsRequest {
            source: "nowhere".to_owned(),
            changes: vec![upsert("p", posting("Nurse", "330106"))],
            ..BatchUpsertPostingsRequest::default()
        };
        let status = client.batch_upsert_postings(request).await.unwrap_err();
        check("no source", &status, Code::NotFound, "SOURCE_NOT_FOUND");
    });
}

#[test]
fn what_the_transport_refuses_says_why_as_well() {
    story(async |world| {
        let hub = world.hub().await;
        let connection = hub.connect("platform-north").await;
        let mut client = connection.postings().max_encoding_message_size(usize::MAX);
        let garbage = || vec![b"\xff\xff\xff\xff".to_vec()];
        let status = crate::raw::call(&connection, LIST, garbage()).await.unwrap_err();
        check("a request that is no message", &status, Code::InvalidArgument, "FIELDS_INVALID");

        let large = posting(&"x".repeat(5 << 20), "330106");
        let request = BatchUpsertPostingsRequest {
            source: "platform-north".to_owned(),
            changes: vec![upsert("p", large)],
            ..BatchUpsertPostingsRequest::default()
        };
        let status = client.batch_upsert_postings(request).await.unwrap_err();
        check("a message too large", &status, Code::ResourceExhausted, "BATCH_TOO_LARGE");

        let status = crate::raw::call(&connection, WATCH, garbage()).await.unwrap_err();
        check("a watch that is no message", &status, Code::InvalidArgument, "FIELDS_INVALID");

        for unknown in ["peshub.postings.v1.PostingService/Nothing", "no.Service/Call", "x"] {
            let status = crate::raw::call(&connection, unknown, garbage()).await.unwrap_err();
            check(unknown, &status, Code::Unimplemented, "METHOD_UNKNOWN");
        }

        let plain = Plain::connect(&hub, Some("platform-north")).await;
        let odd = [("grpc-encoding", "br")];
        let answer = plain.call(LIST, &ListPostingsRequest::default(), &odd).await;
        check("an encoding", &answer.status, Code::Unimplemented, "FIELDS_INVALID");
        assert!(answer.headers.contains_key("grpc-accept-encoding"), "{answer:?}");
        let late = [("grpc-timeout", "0n")];
        let answer = plain.call(LIST, &ListPostingsRequest::default(), &late).await;
        check("no time", &answer.status, Code::DeadlineExceeded, "DEADLINE_EXCEEDED");
        let soon = [("grpc-timeout", "200m")];
        let answer = plain.call(WATCH, &watching(everything()), &soon).await;
        check("a stream", &answer.status, Code::DeadlineExceeded, "DEADLINE_EXCEEDED");
        let request = tonic_health::pb::HealthCheckRequest { service: "no.Service".to_owned() };
        let answer = plain.call(HEALTH, &request, &[]).await;
        check("health of nothing", &answer.status, Code::NotFound, "METHOD_UNKNOWN");
        let large = tonic_health::pb::HealthCheckRequest { service: "x".repeat(5_000) };
        let answer = plain.call(HEALTH, &large, &[]).await;
        check("a long question", &answer.status, Code::ResourceExhausted, "BATCH_TOO_LARGE");
        plain.good(HEALTH, &tonic_health::pb::HealthCheckRequest::default()).await;
    });
}

#[test]
fn a_stream_that_fails_says_as_much_as_a_call() {
    story(async |world| {
        let hub = world.hub().await;
        let connection = hub.connect("platform-north").await;
        let refused = async |mut stream: SyncStream| stream.failure().await;
        let stream: SyncStream = RawStream::call(&connection).await;
        stream.send(1, &[]).await;
        let status = refused(stream).await;
        check("no opening", &status, Code::FailedPrecondition, "STREAM_OUT_OF_STEP");
        let (stream, _) = SyncStream::open(&connection, "platform-north").await;
        stream.send(7, &[upsert("p", posting("Nurse", "330106"))]).await;
        let status = refused(stream).await;
        check("a gap", &status, Code::FailedPrecondition, "BATCH_OUT_OF_ORDER");
        let (mut stream, _) = SyncStream::open(&connection, "platform-north").await;
        stream.sync(1, &[upsert("p", posting("Nurse", "330106"))]).await;
        stream.send(1, &[upsert("q", posting("Nurse", "330106"))]).await;
        let status = refused(stream).await;
        check("another batch", &status, Code::AlreadyExists, "BATCH_ID_REUSED");
        let (stream, _) = SyncStream::open(&connection, "platform-north").await;
        world.stop(&hub).await;
        let status = refused(stream).await;
        check("the hub's end", &status, Code::Unavailable, "SHUTTING_DOWN");
    });
}

/// Returns the number of a call, which must be one in header and details.
fn number(answer: &Answer) -> String {
    let details = answer.status.get_error_details();
    let told = details.request_info().map(|info| info.request_id.clone());
    assert!(told.is_none_or(|told| told == answer.call_id()), "{answer:?}");
    answer.call_id().to_owned()
}

#[test]
fn every_call_has_a_number_and_a_client_may_give_it() {
    story(async |world| {
        let hub = world.hub().await;
        let plain = Plain::connect(&hub, Some("platform-north")).await;
        let nobody = Plain::connect(&hub, None).await;
        let question = GetCallerRequest {};
        let own = [("x-request-id", "north/2026-000017")];
        for client in [&plain, &nobody] {
            assert_eq!(number(&client.call(GET_CALLER, &question, &own).await), own[0].1);
            assert_eq!(number(&client.call("no.Service/Call", &question, &own).await), own[0].1);
        }
        let mut numbers = vec![
            number(&plain.call(GET_CALLER, &question, &[]).await),
            number(&nobody.call(GET_CALLER, &question, &[]).await),
        ];
        let long = "x".repeat(65);
        for odd in ["", "two words", &long, "tab\there"] {
            let answer = plain.call(GET_CALLER, &question, &[("x-request-id", odd)]).await;
            assert_eq!(answer.status.code(), Code::Ok);
            numbers.push(number(&answer));
        }
        for given in &numbers {
            assert_eq!(uuid::Uuid::parse_str(given).unwrap().get_version_num(), 7, "{given}");
        }
        numbers.sort();
        numbers.dedup();
        assert_eq!(numbers.len(), 6);
    });
}

#[test]
fn garbage_is_refused_before_it_is_read_when_nobody_known_sends_it() {
    story(async |world| {
        let hub = world.hub().await;
        let nobody = Options { identity: None, ..hub.options("nobody") };
        let nobody = peshub::client::connect::Connection::open(&nobody).await.unwrap();
        let garbage = Bytes::from_static(b"\xff\xff\xff\xff").to_vec();
        let status = crate::raw::call(&nobody, LIST, vec![garbage]).await.unwrap_err();
        check("a stranger's garbage", &status, Code::Unauthenticated, "CALLER_UNKNOWN");
    });
}
