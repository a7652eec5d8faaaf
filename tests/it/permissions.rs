//! Who may call what, and what each sees. Every RPC of the contract is walked, so a new one is covered by itself.

use std::fmt::Write as _;

use bytes::Bytes;
use peshub::client::connect::{Connection, Options};
use peshub::client::error::Refusal;
use peshub::pb;
use peshub::pb::peshub::participants::v1 as participants;
use peshub::pb::peshub::postings::v1 as postings;
use peshub::platform::pki::participant_uri;
use prost::Message as _;
use prost_reflect::DescriptorPool;
use tonic::Code;

use crate::raw::call;
use crate::support::postings::{close, division, in_any_state, in_division, posting, upsert};
use crate::support::sync::{SyncStream, opening};
use crate::support::watch::{Watcher, id, told, watching};
use crate::support::{TestHub, World, story};

const NORTH: &str = "platform-north";

/// Full names of all RPCs: `package.Service/Method`.
fn methods() -> Vec<String> {
    let pool = DescriptorPool::decode(pb::DESCRIPTORS).expect("the contract");
    let services = pool.services().filter(|it| it.full_name().starts_with("peshub."));
    let methods = services.flat_map(|service| {
        let service = service.full_name().to_owned();
        let of = |name: &str| format!("{service}/{name}");
        let pool = DescriptorPool::decode(pb::DESCRIPTORS).expect("the contract");
        let found = pool.get_service_by_name(&service).expect("a service");
        found.methods().map(|method| of(method.name())).collect::<Vec<_>>()
    });
    methods.collect()
}

/// A sound request about the objects of `platform-north`.
fn sound_request(method: &str, cursor: &Bytes) -> Vec<u8> {
    let source = NORTH.to_owned();
    let key = postings::PostingKey { source: source.clone(), external_id: "p".to_owned() };
    match method.rsplit('/').next().unwrap() {
        "SyncPostings" => {
            use postings::sync_postings_request::Message;
            let message = Some(Message::Open(opening(NORTH)));
            postings::SyncPostingsRequest { message }.encode_to_vec()
        }
        "BatchUpsertPostings" => postings::BatchUpsertPostingsRequest {
            source,
            changes: vec![close("p")],
            validate_only: true,
            ..Default::default()
        }
        .encode_to_vec(),
        "GetPosting" => postings::GetPostingRequest {
            posting: Some(postings::get_posting_request::Posting::Key(key)),
        }
        .encode_to_vec(),
        "BatchGetPostings" => postings::BatchGetPostingsRequest { keys: vec![key] }.encode_to_vec(),
        "ListPostings" | "GetCaller" | "ListParticipants" | "ListSources" => Vec::new(),
        "WatchPostings" => watching(in_any_state()).encode_to_vec(),
        "AcknowledgeWatch" => postings::AcknowledgeWatchRequest {
            consumer: "console".to_owned(),
            cursor: cursor.clone(),
        }
        .encode_to_vec(),
        "ListHeldCloses" => {
            postings::ListHeldClosesRequest { source, ..Default::default() }.encode_to_vec()
        }
        "ResolveHeldCloses" => postings::ResolveHeldClosesRequest {
            source,
            resolution: postings::HeldCloseResolution::Discard.into(),
            request_id: "once".to_owned(),
        }
        .encode_to_vec(),
        "RegisterParticipant" => participants::RegisterParticipantRequest {
            participant: Some(participant(NORTH, participants::ParticipantKind::Platform)),
            with_token: false,
        }
        .encode_to_vec(),
        "CreateSource" => participants::CreateSourceRequest { name: source }.encode_to_vec(),
        other => panic!("{other} is new: say here what a sound request is"),
    }
}

fn participant(name: &str, kind: participants::ParticipantKind) -> participants::Participant {
    participants::Participant {
        name: name.to_owned(),
        display_name: format!("The one called {name}"),
        kind: kind.into(),
        certificate_uris: vec![participant_uri(name)],
        ..Default::default()
    }
}

async fn register(
    hub: &TestHub,
    participant: participants::Participant,
    with_token: bool,
) -> Result<String, Refusal> {
    let participant = Some(participant);
    let request = participants::RegisterParticipantRequest { participant, with_token };
    let answer = hub.connect("operator").await.participants().register_participant(request).await;
    answer.map(|it| it.into_inner().token).map_err(|status| Refusal::of(&status))
}

/// Everybody who may call, by what they show.
async fn callers(hub: &TestHub) -> Vec<(&'static str, Connection)> {
    register(hub, participant("issuer", participants::ParticipantKind::Issuer), false)
        .await
        .unwrap();
    let bare = Options { identity: None, ..hub.options(NORTH) };
    let token = Options { token: Some("made-up".to_owned()), ..bare.clone() };
    // Whoever shows a token is judged by it, whatever certificate stands behind it.
    let both = Options { token: Some("made-up".to_owned()), ..hub.options(NORTH) };
    vec![
        ("nobody", Connection::open(&bare).await.unwrap()),
        ("bad token", Connection::open(&token).await.unwrap()),
        ("bad token over a good certificate", Connection::open(&both).await.unwrap()),
        ("unknown certificate", hub.connect("stranger").await),
        ("issuer", hub.connect("issuer").await),
        ("operator", hub.connect("operator").await),
        ("bureau elsewhere", hub.connect("bureau-shenzhen").await),
        ("bureau in charge", hub.connect("bureau-xihu").await),
        ("other platform", hub.connect("platform-south").await),
        ("owner", hub.connect(NORTH).await),
    ]
}

#[test]
fn every_call_of_everybody_is_answered_as_the_matrix_says() {
    story(async |world| {
        let hub = world.hub().await;
        let (mut stream, _) = SyncStream::open(&hub.connect(NORTH).await, NORTH).await;
        stream.sync(1, &[upsert("p", posting("p", "330106"))]).await;
        drop(stream);
        let client = hub.postings(NORTH).await;
        let mut watcher = Watcher::start(&client, watching(in_any_state())).await.unwrap();
        let (_, bookmark) = watcher.snapshot().await;
        drop((watcher, client));
        let mut matrix = String::new();
        let callers = callers(&hub).await;
        for method in methods() {
            let name = method.rsplit('/').next().unwrap();
            let mut line = format!("{name:<20}");
            for (_, connection) in &callers {
                let answer =
                    call(connection, &method, vec![sound_request(&method, &bookmark.cursor)]).await;
                let said = match answer {
                    Ok(_) => "ok".to_owned(),
                    Err(status) => Refusal::of(&status).reason,
                };
                write!(line, " {said:<18}").unwrap();
            }
            matrix.push_str(line.trim_end());
            matrix.push('\n');
        }
        assert_eq!(matrix, MATRIX, "\n{matrix}");
    });
}

/// Callers from left to right: nobody, bad token, bad token over a good certificate, unknown certificate, issuer, operator,
/// bureau elsewhere, bureau in charge, other platform, owner.
const MATRIX: &str = "\
GetCaller            CALLER_UNKNOWN     CALLER_UNKNOWN     CALLER_UNKNOWN     CALLER_UNKNOWN     ok                 ok                 ok                 ok                 ok                 ok
RegisterParticipant  CALLER_UNKNOWN     CALLER_UNKNOWN     CALLER_UNKNOWN     CALLER_UNKNOWN     ACTION_NOT_GRANTED ALREADY_EXISTS     ACTION_NOT_GRANTED ACTION_NOT_GRANTED ACTION_NOT_GRANTED ACTION_NOT_GRANTED
ListParticipants     CALLER_UNKNOWN     CALLER_UNKNOWN     CALLER_UNKNOWN     CALLER_UNKNOWN     ACTION_NOT_GRANTED ok                 ACTION_NOT_GRANTED ACTION_NOT_GRANTED ACTION_NOT_GRANTED ACTION_NOT_GRANTED
CreateSource         CALLER_UNKNOWN     CALLER_UNKNOWN     CALLER_UNKNOWN     CALLER_UNKNOWN     ACTION_NOT_GRANTED ACTION_NOT_GRANTED ALREADY_EXISTS     ALREADY_EXISTS     ALREADY_EXISTS     ok
ListSources          CALLER_UNKNOWN     CALLER_UNKNOWN     CALLER_UNKNOWN     CALLER_UNKNOWN     ACTION_NOT_GRANTED ACTION_NOT_GRANTED ok                 ok                 ok                 ok
SyncPostings         CALLER_UNKNOWN     CALLER_UNKNOWN     CALLER_UNKNOWN     CALLER_UNKNOWN     ACTION_NOT_GRANTED ACTION_NOT_GRANTED SOURCE_NOT_FOUND   SOURCE_NOT_FOUND   SOURCE_NOT_FOUND   ok
BatchUpsertPostings  CALLER_UNKNOWN     CALLER_UNKNOWN     CALLER_UNKNOWN     CALLER_UNKNOWN     ACTION_NOT_GRANTED ACTION_NOT_GRANTED SOURCE_NOT_FOUND   SOURCE_NOT_FOUND   SOURCE_NOT_FOUND   ok
GetPosting           CALLER_UNKNOWN     CALLER_UNKNOWN     CALLER_UNKNOWN     CALLER_UNKNOWN     ACTION_NOT_GRANTED ACTION_NOT_GRANTED POSTING_NOT_FOUND  ok                 POSTING_NOT_FOUND  ok
BatchGetPostings     CALLER_UNKNOWN     CALLER_UNKNOWN     CALLER_UNKNOWN     CALLER_UNKNOWN     ACTION_NOT_GRANTED ACTION_NOT_GRANTED ok                 ok                 ok                 ok
ListPostings         CALLER_UNKNOWN     CALLER_UNKNOWN     CALLER_UNKNOWN     CALLER_UNKNOWN     ACTION_NOT_GRANTED ACTION_NOT_GRANTED ok                 ok                 ok                 ok
WatchPostings        CALLER_UNKNOWN     CALLER_UNKNOWN     CALLER_UNKNOWN     CALLER_UNKNOWN     ACTION_NOT_GRANTED ACTION_NOT_GRANTED ok                 ok                 ok                 ok
AcknowledgeWatch     CALLER_UNKNOWN     CALLER_UNKNOWN     CALLER_UNKNOWN     CALLER_UNKNOWN     ACTION_NOT_GRANTED ACTION_NOT_GRANTED ok                 ok                 ok                 ok
ListHeldCloses       CALLER_UNKNOWN     CALLER_UNKNOWN     CALLER_UNKNOWN     CALLER_UNKNOWN     ACTION_NOT_GRANTED ACTION_NOT_GRANTED SOURCE_NOT_FOUND   SOURCE_NOT_FOUND   SOURCE_NOT_FOUND   ok
ResolveHeldCloses    CALLER_UNKNOWN     CALLER_UNKNOWN     CALLER_UNKNOWN     CALLER_UNKNOWN     ACTION_NOT_GRANTED ACTION_NOT_GRANTED SOURCE_NOT_FOUND   SOURCE_NOT_FOUND   SOURCE_NOT_FOUND   ok
";

#[test]
fn a_bureau_sees_its_divisions_and_a_platform_its_own() {
    story(async |world| {
        let hub = world.hub().await;
        write_everywhere(world, &hub).await;
        let seen = [
            ("bureau-nation", "city hangzhou province shenzhen south two west"),
            ("bureau-zhejiang", "city hangzhou province south two west"),
            ("bureau-hangzhou", "city hangzhou south two west"),
            ("bureau-xihu", "south two west"),
            ("bureau-shenzhen", "shenzhen two"),
            ("bureau-sweden", "sweden"),
            (NORTH, "city hangzhou province shenzhen sweden two west"),
            ("platform-south", "south"),
            ("platform-east", ""),
        ];
        let everything = in_any_state();
        let all: Vec<(&str, &str)> =
            EVERYWHERE.iter().map(|(source, id, _)| (*source, *id)).collect();
        for (who, expected) in seen {
            let mut client = hub.postings(who).await;
            let expected: Vec<&str> = expected.split_whitespace().collect();
            let request = postings::ListPostingsRequest {
                filter: Some(everything.clone()),
                ..Default::default()
            };
            let listed = client.list_postings(request).await.unwrap().into_inner().records;
            let mut listed: Vec<String> =
                listed.into_iter().map(|it| it.key.unwrap().external_id).collect();
            listed.sort();
            assert_eq!(listed, expected, "{who} lists");

            let mut watcher = Watcher::start(&client, watching(everything.clone())).await.unwrap();
            let mut snapshot: Vec<String> = watcher.snapshot().await.0.iter().map(id).collect();
            snapshot.sort();
            assert_eq!(snapshot, expected, "{who} watches");

            for (source, external_id) in &all {
                let (source, external_id) = ((*source).to_owned(), (*external_id).to_owned());
                let key = postings::PostingKey { source, external_id };
                let posting = Some(postings::get_posting_request::Posting::Key(key.clone()));
                let got = client.get_posting(postings::GetPostingRequest { posting }).await;
                assert_eq!(
                    got.is_ok(),
                    expected.contains(&key.external_id.as_str()),
                    "{who} {key:?}"
                );
                if let Ok(got) = got {
                    let name = got.into_inner().record.unwrap().name;
                    let posting = Some(postings::get_posting_request::Posting::Name(name.clone()));
                    let request = postings::GetPostingRequest { posting };
                    client.get_posting(request.clone()).await.unwrap();
                    // Its number does not help who may not see it.
                    let elsewhere = hub.postings("platform-east").await.get_posting(request).await;
                    assert_eq!(Refusal::of(&elsewhere.unwrap_err()).reason, "POSTING_NOT_FOUND");
                }
            }
        }
        // A filter cannot reach beyond.
        let client = hub.postings("bureau-xihu").await;
        let mut watcher = Watcher::start(&client, watching(in_division("440300"))).await.unwrap();
        let snapshot: Vec<String> = watcher.snapshot().await.0.iter().map(id).collect();
        assert_eq!(snapshot, ["two"], "what is in both divisions is within its own");
    });
}

/// Source, id, divisions.
const EVERYWHERE: [(&str, &str, &[&str]); 8] = [
    (NORTH, "west", &["330106"]),
    (NORTH, "hangzhou", &["330102"]),
    (NORTH, "city", &["330100"]),
    (NORTH, "province", &["330000"]),
    (NORTH, "shenzhen", &["440305"]),
    (NORTH, "two", &["440305", "330106"]),
    (NORTH, "sweden", &["SE-AB"]),
    ("platform-south", "south", &["330106"]),
];

async fn write_everywhere(_: &World, hub: &TestHub) {
    for source in [NORTH, "platform-south"] {
        let (mut stream, _) = SyncStream::open(&hub.connect(source).await, source).await;
        let changes: Vec<_> = EVERYWHERE
            .iter()
            .filter(|(owner, ..)| *owner == source)
            .map(|(_, id, divisions)| {
                let mut posting = posting(id, divisions[0]);
                posting.workplaces = divisions
                    .iter()
                    .map(|code| postings::Workplace {
                        division: Some(division(code)),
                        ..Default::default()
                    })
                    .collect();
                upsert(id, posting)
            })
            .collect();
        stream.sync(1, &changes).await;
    }
}

#[test]
fn a_posting_that_leaves_a_bureaus_divisions_is_gone_for_it() {
    story(async |world| {
        let hub = world.hub().await;
        let (mut stream, _) = SyncStream::open(&hub.connect(NORTH).await, NORTH).await;
        stream.sync(1, &[upsert("p", posting("here", "330106"))]).await;
        let mut xihu = hub.postings("bureau-xihu").await;
        let mut shenzhen = hub.postings("bureau-shenzhen").await;
        let mut from = Watcher::start(&xihu, watching(in_any_state())).await.unwrap();
        let mut to = Watcher::start(&shenzhen, watching(in_any_state())).await.unwrap();
        from.snapshot().await;
        to.snapshot().await;
        let moved = stream.sync(2, &[upsert("p", posting("there", "440305"))]).await;
        let edited = stream.sync(3, &[upsert("p", posting("there still", "440305"))]).await;
        assert!(moved.position < edited.position);
        let told_to =
            |events: Vec<postings::PostingEvent>| events.iter().map(told).collect::<Vec<_>>();
        let (left, _) = from.up_to(edited.position).await;
        assert_eq!(left[0].record.as_ref().unwrap().posting, None);
        assert_eq!(told_to(left), ["LEFT p"]);
        assert_eq!(told_to(to.up_to(edited.position).await.0), ["ENTERED p", "CHANGED p"]);
        let key = postings::PostingKey { source: NORTH.to_owned(), external_id: "p".to_owned() };
        let posting = Some(postings::get_posting_request::Posting::Key(key));
        let request = postings::GetPostingRequest { posting };
        assert!(shenzhen.get_posting(request.clone()).await.is_ok());
        let refusal = Refusal::of(&xihu.get_posting(request).await.unwrap_err());
        assert_eq!((refusal.code, refusal.reason.as_str()), (Code::NotFound, "POSTING_NOT_FOUND"));
    });
}

#[test]
fn a_bearer_token_speaks_for_its_participant() {
    story(async |world| {
        let hub = world.hub().await;
        let mut newcomer = participant("platform-west", participants::ParticipantKind::Platform);
        newcomer.certificate_uris.clear();
        let token = register(&hub, newcomer.clone(), true).await.unwrap();
        let again = register(&hub, newcomer, true).await.unwrap_err();
        assert_eq!((again.code, again.reason.as_str()), (Code::AlreadyExists, "ALREADY_EXISTS"));
        let options =
            Options { identity: None, token: Some(token.clone()), ..hub.options("nobody") };
        let connection = Connection::open(&options).await.unwrap();
        let mut client = connection.participants();
        let caller =
            client.get_caller(participants::GetCallerRequest {}).await.unwrap().into_inner();
        assert_eq!(caller.participant.unwrap().name, "platform-west");
        assert!(caller.granted_methods.iter().all(|method| methods().contains(method)));
        let name = "west-feed".to_owned();
        client.create_source(participants::CreateSourceRequest { name }).await.unwrap();
        let (mut stream, _) = SyncStream::open(&connection, "west-feed").await;
        stream.sync(1, &[upsert("p", posting("p", "330106"))]).await;
        // The hub keeps only its digest.
        let stored: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM participant_token WHERE position($1 IN encode(token_sha256, 'escape')) > 0)",
        )
        .bind(&token)
        .fetch_one(&world.pool)
        .await
        .unwrap();
        assert!(!stored);
    });
}

#[test]
fn a_disabled_participant_is_out() {
    story(async |world| {
        let hub = world.hub().await;
        let connection = hub.connect(NORTH).await;
        let mut client = connection.participants();
        client.get_caller(participants::GetCallerRequest {}).await.unwrap();
        sqlx::query("UPDATE participant SET disabled_at = now() WHERE name = $1")
            .bind(NORTH)
            .execute(&world.pool)
            .await
            .unwrap();
        // What was looked up is trusted for a moment.
        let refusal = crate::support::until("the refusal", async || {
            client.clone().get_caller(participants::GetCallerRequest {}).await.err()
        })
        .await;
        assert_eq!(Refusal::of(&refusal).reason, "CALLER_UNKNOWN");
    });
}
