//! What a failed call carries: a reason of the contract, in the domain of the hub, with the code that its page says.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use peshub::client::error::Refusal;
use peshub::kernel::fault::Reason;
use peshub::pb::peshub::common::v1::{ErrorReason, FindingCode, OccupationScheme};
use peshub::pb::peshub::participants::v1::{
    CreateSourceRequest, GetCallerRequest, ListParticipantsRequest, Participant, ParticipantKind,
    RegisterParticipantRequest,
};
use peshub::pb::peshub::postings::v1::get_posting_request::Posting as Named;
use peshub::pb::peshub::postings::v1::{
    BatchGetPostingsRequest, BatchUpsertPostingsRequest, GetPostingRequest, ListHeldClosesRequest,
    ListPostingsRequest, Paging, PostingFilter, PostingKey, ResolveHeldClosesRequest,
    WatchPostingsRequest,
};
use peshub::pb::raw::peshub::postings::v1::SyncPostingsRequest;
use prost::Message as _;
use tonic::Status;
use tonic_types::StatusExt as _;

use crate::raw::call;
use crate::support::postings::{in_any_state, occupation, posting, upsert};
use crate::support::sync::{RawStream, SyncStream};
use crate::support::watch::{Watcher, refused, watching};
use crate::support::{TestHub, story};

const NORTH: &str = "platform-north";

fn pages() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/errors")
}

#[test]
fn reasons_are_those_of_the_contract_in_its_order() {
    let of_the_contract = (1..).map_while(|number| ErrorReason::try_from(number).ok());
    let of_the_contract: Vec<_> = of_the_contract.map(|reason| reason.as_str_name()).collect();
    let ours: Vec<_> =
        Reason::ALL.iter().map(|reason| format!("ERROR_REASON_{}", reason.name())).collect();
    assert_eq!(ours, of_the_contract);
}

#[test]
fn finding_codes_are_those_of_the_contract_by_name_and_number() {
    let source = include_str!("../../src/postings/finding.rs");
    let (_, body) = source.split_once("pub enum FindingCode {").unwrap();
    let (body, _) = body.split_once("\n}").unwrap();
    let ours: Vec<(String, i32)> = body
        .lines()
        .filter_map(|line| line.trim().strip_suffix(',')?.split_once(" = "))
        .map(|(name, number)| (screaming(name), number.parse().unwrap()))
        .collect();
    let of_the_contract = (1..).map_while(|number| FindingCode::try_from(number).ok());
    let of_the_contract: Vec<_> =
        of_the_contract.map(|code| (code.as_str_name().to_owned(), code as i32)).collect();
    assert!(of_the_contract.len() > 20);
    assert_eq!(ours, of_the_contract);
}

/// `TooLong` as the contract writes it.
fn screaming(name: &str) -> String {
    let mut out = "FINDING_CODE".to_owned();
    for letter in name.chars() {
        if letter.is_uppercase() {
            out.push('_');
        }
        out.push(letter.to_ascii_uppercase());
    }
    out
}

/// Reason, code and link of every line of the list of reasons.
fn listed() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(pages().join("README.md")).unwrap();
    let lines = text.lines().filter(|line| line.starts_with("| [") && line.contains(".md)"));
    let cells = lines.map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
    cells
        .map(|cells| {
            let name = cells[1].trim_start_matches('[').split(']').next().unwrap();
            assert_eq!(cells[1], format!("[{name}]({name}.md)"));
            (name.to_owned(), cells[2].to_owned())
        })
        .collect()
}

#[test]
fn every_reason_has_a_page_and_every_page_a_reason() {
    let names: BTreeSet<String> =
        Reason::ALL.iter().map(|reason| reason.name().to_owned()).collect();
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(pages()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if name == "README" {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with(&format!("# {name}\n")), "{name} does not begin with its name");
        found.insert(name);
    }
    assert_eq!(found, names);
    let listed: Vec<_> = listed().into_iter().map(|(name, _)| name).collect();
    let ours: Vec<_> = Reason::ALL.iter().map(|reason| reason.name().to_owned()).collect();
    assert_eq!(listed, ours, "the list of reasons");
}

/// Collects the failures of a story and holds each against its page.
struct Failures {
    codes: BTreeMap<String, String>,
    seen: BTreeSet<String>,
}

impl Failures {
    fn new() -> Self {
        Self { codes: listed().into_iter().collect(), seen: BTreeSet::new() }
    }

    fn status(&mut self, reason: &str, status: &Status) {
        let details = status.get_error_details();
        let info = details.error_info().unwrap_or_else(|| panic!("no ErrorInfo: {status:?}"));
        assert_eq!((info.domain.as_str(), info.reason.as_str()), ("peshub", reason));
        let fields = details.bad_request().is_some();
        assert_eq!(fields, reason == "FIELDS_INVALID", "BadRequest of {reason}");
        self.told(&Refusal::of(status), reason);
    }

    fn told(&mut self, refusal: &Refusal, reason: &str) {
        assert_eq!(refusal.reason, reason, "{refusal}");
        let code = screaming(&format!("{:?}", refusal.code));
        let code = code.strip_prefix("FINDING_CODE_").unwrap();
        assert_eq!(code, self.codes[reason], "the code of {reason}");
        assert!(!refusal.message.is_empty(), "{reason} says nothing");
        self.seen.insert(reason.to_owned());
    }
}

fn get(key: PostingKey) -> GetPostingRequest {
    GetPostingRequest { posting: Some(Named::Key(key)) }
}

fn key(source: &str, external_id: &str) -> PostingKey {
    PostingKey { source: source.to_owned(), external_id: external_id.to_owned() }
}

fn batch(source: &str, request_id: &str, title: &str) -> BatchUpsertPostingsRequest {
    BatchUpsertPostingsRequest {
        source: source.to_owned(),
        changes: vec![upsert("a", posting(title, "330106"))],
        request_id: request_id.to_owned(),
        validate_only: false,
    }
}

async fn unary_failures(hub: &TestHub, failures: &mut Failures) {
    let north = hub.connect(NORTH).await;
    let (mut postings, mut participants) = (north.postings(), north.participants());
    let nobody = hub.connect("nobody-knows").await;
    let status = nobody.participants().get_caller(GetCallerRequest {}).await.unwrap_err();
    failures.status("CALLER_UNKNOWN", &status);
    let request = ListParticipantsRequest::default();
    let status = participants.list_participants(request).await.unwrap_err();
    failures.status("ACTION_NOT_GRANTED", &status);
    let status = postings.get_posting(GetPostingRequest::default()).await.unwrap_err();
    failures.status("FIELDS_INVALID", &status);
    let status = postings.get_posting(get(key(NORTH, "not there"))).await.unwrap_err();
    failures.status("POSTING_NOT_FOUND", &status);
    let request = batch("platform-south", "r", "A");
    let status = postings.batch_upsert_postings(request).await.unwrap_err();
    failures.status("SOURCE_NOT_FOUND", &status);
    postings.batch_upsert_postings(batch(NORTH, "r", "A")).await.unwrap();
    let status = postings.batch_upsert_postings(batch(NORTH, "r", "B")).await.unwrap_err();
    failures.status("REQUEST_ID_REUSED", &status);
    let mut request = batch(NORTH, "large", "A");
    request.changes = vec![request.changes[0].clone(); 1_001];
    let status = postings.batch_upsert_postings(request).await.unwrap_err();
    failures.status("BATCH_TOO_LARGE", &status);
    let paging = Paging { page_token: "bm90IG91cnM".to_owned(), ..Paging::default() };
    let request = ListPostingsRequest { paging: Some(paging), ..ListPostingsRequest::default() };
    let status = postings.list_postings(request).await.unwrap_err();
    failures.status("PAGE_TOKEN_INVALID", &status);
    let request = CreateSourceRequest { name: "platform-south".to_owned(), ..Default::default() };
    let status = participants.create_source(request).await.unwrap_err();
    failures.status("ALREADY_EXISTS", &status);
}

async fn sync_failures(hub: &TestHub, failures: &mut Failures) {
    let north = hub.connect(NORTH).await;
    let mut stream = RawStream::<SyncPostingsRequest>::call(&north).await;
    stream.say(SyncPostingsRequest::default()).await;
    failures.told(&stream.refusal().await, "STREAM_OUT_OF_STEP");
    let changes = [upsert("s", posting("S", "330106"))];
    let (mut stream, _) = SyncStream::open(&north, NORTH).await;
    stream.sync(1, &changes).await;
    let (mut newer, opened) = SyncStream::open(&north, NORTH).await;
    assert_eq!(opened.last_batch_id, 1);
    stream.send(2, &changes).await;
    failures.told(&stream.refusal().await, "LANE_TAKEN_OVER");
    newer.send(1, &[upsert("other", posting("O", "330106"))]).await;
    failures.told(&newer.refusal().await, "BATCH_ID_REUSED");
    let (mut stream, _) = SyncStream::open(&north, NORTH).await;
    stream.send(9, &changes).await;
    failures.told(&stream.refusal().await, "BATCH_OUT_OF_ORDER");
}

#[test]
fn every_failure_carries_its_reason_in_the_hubs_domain_with_the_code_of_its_page() {
    story(async |world| {
        let hub = world.hub().await;
        let mut failures = Failures::new();
        unary_failures(&hub, &mut failures).await;
        sync_failures(&hub, &mut failures).await;
        let client = hub.postings(NORTH).await;
        let request =
            WatchPostingsRequest { cursor: vec![7; 40].into(), ..WatchPostingsRequest::default() };
        failures.told(&refused(&client, request).await, "CURSOR_INVALID");
        let mut watcher = Watcher::start(&client, watching(in_any_state())).await.unwrap();
        watcher.snapshot().await;
        world.stop(&hub).await;
        failures.told(&watcher.end().await.1, "SHUTTING_DOWN");

        let hub = world.hub().await;
        let client = hub.connect(NORTH).await;
        // Everything is known of the caller; then the database goes.
        client.participants().get_caller(GetCallerRequest {}).await.unwrap();
        for statement in [
            "ALTER TABLE posting RENAME TO posting_gone",
            "ALTER TABLE source RENAME TO source_gone",
        ] {
            sqlx::raw_sql(statement).execute(&world.pool).await.unwrap();
        }
        let status = client.postings().get_posting(get(key(NORTH, "a"))).await.unwrap_err();
        failures.status("INTERNAL", &status);
        assert!(!status.message().contains("posting"), "the database's own words: {status}");
        for statement in [
            "ALTER TABLE posting_gone RENAME TO posting",
            "ALTER TABLE source_gone RENAME TO source",
        ] {
            sqlx::raw_sql(statement).execute(&world.pool).await.unwrap();
        }

        let seen: Vec<_> = failures.seen.iter().map(String::as_str).collect();
        insta::assert_snapshot!(seen.join("\n"), @r"
        ACTION_NOT_GRANTED
        ALREADY_EXISTS
        BATCH_ID_REUSED
        BATCH_OUT_OF_ORDER
        BATCH_TOO_LARGE
        CALLER_UNKNOWN
        CURSOR_INVALID
        FIELDS_INVALID
        INTERNAL
        LANE_TAKEN_OVER
        PAGE_TOKEN_INVALID
        POSTING_NOT_FOUND
        REQUEST_ID_REUSED
        SHUTTING_DOWN
        SOURCE_NOT_FOUND
        STREAM_OUT_OF_STEP
        ");
    });
}

/// What PostgreSQL cannot store in a text.
const NUL: &str = "a\0b";

#[test]
fn a_null_character_anywhere_in_a_request_is_no_fault_of_the_hub() {
    story(async |world| {
        let hub = world.hub().await;
        let (north, operator) = (hub.connect(NORTH).await, hub.connect("operator").await);
        let upserting = |source: &str, request_id: &str, changes: Vec<_>| {
            let (source, request_id) = (source.to_owned(), request_id.to_owned());
            BatchUpsertPostingsRequest { source, changes, request_id, validate_only: false }
                .encode_to_vec()
        };
        let sound = vec![upsert("a", posting("A", "330106"))];
        let filter = PostingFilter { sources: vec![NUL.to_owned()], ..PostingFilter::default() };
        let list = |request: ListPostingsRequest| request.encode_to_vec();
        let register = Participant {
            name: "new-one".to_owned(),
            display_name: NUL.to_owned(),
            kind: ParticipantKind::Platform.into(),
            certificate_uris: vec![NUL.to_owned()],
            ..Participant::default()
        };
        let register = RegisterParticipantRequest {
            participant: Some(register),
            with_token: false,
            ..Default::default()
        };
        let mut carried = posting("C", "330106");
        carried.occupations = vec![occupation(OccupationScheme::Esco, "http://data.europa.eu/\0")];
        let paid = ListPostingsRequest {
            pay_month_minor_min: Some(1),
            pay_currency: "C\0Y".to_owned(),
            ..ListPostingsRequest::default()
        };
        let calls = [
            ("BatchUpsertPostings", upserting(NUL, "r1", sound.clone())),
            ("BatchUpsertPostings", upserting(NORTH, NUL, sound.clone())),
            (
                "BatchUpsertPostings",
                upserting(NORTH, "r3", vec![upsert(NUL, posting("A", "330106"))]),
            ),
            (
                "BatchUpsertPostings",
                upserting(NORTH, "r4", vec![upsert("n", posting(NUL, "330106"))]),
            ),
            ("BatchUpsertPostings", upserting(NORTH, "r5", vec![upsert("c", carried)])),
            ("GetPosting", get(key(NORTH, NUL)).encode_to_vec()),
            ("GetPosting", get(key(NUL, "a")).encode_to_vec()),
            (
                "BatchGetPostings",
                BatchGetPostingsRequest { keys: vec![key(NUL, NUL)] }.encode_to_vec(),
            ),
            (
                "ListPostings",
                list(ListPostingsRequest {
                    filter: Some(filter.clone()),
                    ..ListPostingsRequest::default()
                }),
            ),
            (
                "ListPostings",
                list(ListPostingsRequest {
                    text: NUL.to_owned(),
                    ..ListPostingsRequest::default()
                }),
            ),
            ("ListPostings", list(paid)),
            (
                "WatchPostings",
                WatchPostingsRequest { filter: Some(filter), ..WatchPostingsRequest::default() }
                    .encode_to_vec(),
            ),
            (
                "ListHeldCloses",
                ListHeldClosesRequest { source: NUL.to_owned(), ..Default::default() }
                    .encode_to_vec(),
            ),
            (
                "ResolveHeldCloses",
                ResolveHeldClosesRequest {
                    source: NORTH.to_owned(),
                    resolution: 1,
                    request_id: NUL.to_owned(),
                }
                .encode_to_vec(),
            ),
        ];
        let mut faults = Vec::new();
        for (method, message) in calls {
            let method = format!("peshub.postings.v1.PostingService/{method}");
            if let Err(status) = call(&north, &method, vec![message]).await {
                let refusal = Refusal::of(&status);
                if refusal.reason == "INTERNAL" || refusal.reason.is_empty() {
                    faults.push(format!("{method}: {refusal}"));
                }
            }
        }
        let page = ListParticipantsRequest { page_token: "AA".to_owned(), page_size: 1 };
        for (method, message) in [
            ("RegisterParticipant", register.encode_to_vec()),
            ("ListParticipants", page.encode_to_vec()),
        ] {
            let method = format!("peshub.participants.v1.ParticipantService/{method}");
            if let Err(status) = call(&operator, &method, vec![message]).await {
                let refusal = Refusal::of(&status);
                if refusal.reason == "INTERNAL" || refusal.reason.is_empty() {
                    faults.push(format!("{method}: {refusal}"));
                }
            }
        }
        assert!(faults.is_empty(), "{}", faults.join("\n"));
    });
}
