//! Failures as clients see them: each has a reason of the contract.

use bytes::Bytes;
use peshub::client::connect::Options;
use peshub::pb;
use peshub::pb::peshub::postings::v1::{
    BatchUpsertPostingsRequest, GetPostingRequest, ListPostingsRequest, Paging, PostingKey,
    get_posting_request,
};
use prost_reflect::DescriptorPool;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::support::postings::{posting, upsert};
use crate::support::story;

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
        let paging = Some(Paging { page_size: 1_001, ..Paging::default() });
        let status =
            client.list_postings(ListPostingsRequest { paging, ..list() }).await.unwrap_err();
        check("a page too large", &status, Code::InvalidArgument, "FIELDS_INVALID");
        let violations = status.get_error_details().bad_request().unwrap().field_violations.clone();
        assert_eq!(violations[0].field, "paging.page_size");
    });
}

#[test]
fn what_the_transport_refuses_says_why_as_well() {
    story(async |world| {
        let hub = world.hub().await;
        let connection = hub.connect("platform-north").await;
        let mut client = connection.postings().max_encoding_message_size(usize::MAX);
        let list = "peshub.postings.v1.PostingService/ListPostings";
        let garbage = Bytes::from_static(b"\xff\xff\xff\xff");
        let status = crate::raw::call(&connection, list, vec![garbage.to_vec()]).await.unwrap_err();
        check("a request that is no message", &status, Code::InvalidArgument, "FIELDS_INVALID");

        let large = posting(&"x".repeat(5 << 20), "330106");
        let request = BatchUpsertPostingsRequest {
            source: "platform-north".to_owned(),
            changes: vec![upsert("p", large)],
            ..BatchUpsertPostingsRequest::default()
        };
        let status = client.batch_upsert_postings(request).await.unwrap_err();
        check("a message too large", &status, Code::ResourceExhausted, "BATCH_TOO_LARGE");

        let watch = "peshub.postings.v1.PostingService/WatchPostings";
        let garbage = Bytes::from_static(b"\xff\xff\xff\xff");
        let status =
            crate::raw::call(&connection, watch, vec![garbage.to_vec()]).await.unwrap_err();
        check("a watch that is no message", &status, Code::InvalidArgument, "FIELDS_INVALID");
    });
}
