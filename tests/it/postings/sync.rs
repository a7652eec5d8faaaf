//! Batches on a stream: acknowledged once, applied once, in order.

use std::collections::BTreeSet;

use bytes::Bytes;
use peshub::client::error::Refusal;
use peshub::client::sync::{SyncOptions, SyncSession};
use peshub::pb::peshub::postings::v1::posting_change::Change;
use peshub::pb::peshub::postings::v1::{
    GetPostingRequest, GetPostingResponse, HeldCloseResolution, ListHeldClosesRequest, PostingKey,
    PostingRecord, PostingState, ResolveHeldClosesRequest, SyncOpen, get_posting_request,
};
use peshub::pb::raw::peshub::postings::v1::SyncPostingsRequest;
use peshub::pb::raw::peshub::postings::v1::sync_postings_request::Message as Question;
use prost_types::Timestamp;
use sqlx::Connection as _;
use tonic::Code;

use crate::support::postings::{close, encoded, in_any_state, posting, upsert, upsert_at};
use crate::support::sync::{RawStream, SyncStream, counts, opening, opening_lane, verdicts};
use crate::support::watch::{Watcher, told, watching};
use crate::support::{Postings, story, table, within};

const NORTH: &str = "platform-north";
const SOUTH: &str = "platform-south";

fn many(count: usize, title: &str) -> Vec<peshub::pb::peshub::postings::v1::PostingChange> {
    (0..count).map(|n| upsert(&format!("p{n:04}"), posting(title, "330106"))).collect()
}

fn why(refusal: &Refusal) -> (Code, &str) {
    (refusal.code, refusal.reason.as_str())
}

async fn get(client: &Postings, source: &str, id: &str) -> Result<PostingRecord, Refusal> {
    let key = PostingKey { source: source.to_owned(), external_id: id.to_owned() };
    let request = GetPostingRequest { posting: Some(get_posting_request::Posting::Key(key)) };
    let answer = within("the posting", client.clone().get_posting(request)).await;
    let answer: GetPostingResponse = answer.map_err(|status| Refusal::of(&status))?.into_inner();
    Ok(answer.record.expect("a record"))
}

#[test]
fn a_reconnect_goes_on_after_the_last_committed_batch() {
    story(async |world| {
        let hub = world.hub().await;
        let north = hub.connect(NORTH).await;
        let (mut stream, opened) = SyncStream::open(&north, NORTH).await;
        assert_eq!(opened.last_batch_id, 0);
        assert_eq!((opened.changes_per_batch_max, opened.bytes_per_batch_max), (1_000, 4 << 20));
        assert!(opened.credits > 0);
        let first = stream.sync(1, &many(3, "one")).await;
        assert_eq!((first.batch_id, counts(&first)), (1, [3, 0, 0, 0, 0, 0]));
        let second = stream.sync(2, &many(4, "two")).await;
        assert_eq!((second.batch_id, counts(&second)), (2, [1, 3, 0, 0, 0, 0]));
        assert!(0 < first.position && first.position < second.position);
        let receipt = second.receipt.expect("a receipt");
        assert_eq!((receipt.source.as_str(), receipt.body_sha256.len()), (NORTH, 32));
        drop(stream);
        let (mut stream, opened) = SyncStream::open(&north, NORTH).await;
        assert_eq!(opened.last_batch_id, 2);
        let third = stream.sync(3, &many(4, "two")).await;
        assert_eq!((third.position, counts(&third)), (0, [0, 0, 4, 0, 0, 0]));
        assert_eq!(stream.finish().await, []);
        table::settled(&world.pool).await;
        table::sound_feed(&world.pool).await;
    });
}

#[test]
fn a_batch_that_comes_again_is_acknowledged_from_memory_without_effect() {
    story(async |world| {
        let hub = world.hub().await;
        let north = hub.connect(NORTH).await;
        let bad = upsert("bad", posting("", "330106"));
        let batch = [many(5, "one"), vec![bad]].concat();
        let (mut stream, _) = SyncStream::open(&north, NORTH).await;
        let first = stream.sync(1, &batch).await;
        let later = stream.sync(2, &many(5, "two")).await;
        let before = table::sizes(&world.pool).await;
        // On the same stream, and on one that is opened anew.
        let again = stream.sync(1, &batch).await;
        drop(stream);
        let (mut stream, _) = SyncStream::open(&north, NORTH).await;
        let once_more = stream.sync(1, &batch).await;
        for replay in [again, once_more] {
            assert!(replay.replayed);
            assert!(replay.position >= later.position, "it tells where the feed is now");
            let position = first.position;
            let replay = peshub::pb::peshub::postings::v1::BatchAcknowledgement {
                replayed: false,
                position,
                ..replay
            };
            assert_eq!(replay, first);
        }
        assert_eq!(table::sizes(&world.pool).await, before);
        let north = north.postings();
        assert_eq!(get(&north, NORTH, "p0001").await.unwrap().posting.unwrap().title, "two");
    });
}

#[test]
fn a_batch_id_with_other_content_is_refused() {
    story(async |world| {
        let hub = world.hub().await;
        let north = hub.connect(NORTH).await;
        let (mut stream, _) = SyncStream::open(&north, NORTH).await;
        stream.sync(1, &many(2, "one")).await;
        let before = table::sizes(&world.pool).await;
        stream.send(1, &many(2, "other")).await;
        assert_eq!(why(&stream.refusal().await), (Code::AlreadyExists, "BATCH_ID_REUSED"));
        // The same changes in another order are another batch, and so is one cut short.
        for changes in [many(2, "one").into_iter().rev().collect(), many(1, "one")] {
            let (mut stream, _) = SyncStream::open(&north, NORTH).await;
            stream.send(1, &changes).await;
            assert_eq!(why(&stream.refusal().await), (Code::AlreadyExists, "BATCH_ID_REUSED"));
        }
        assert_eq!(table::sizes(&world.pool).await, before);
    });
}

#[test]
fn a_batch_that_is_not_the_next_one_is_refused_and_those_before_it_are_acknowledged() {
    story(async |world| {
        let hub = world.hub().await;
        let north = hub.connect(NORTH).await;
        for wrong in [3, 0, -1, i64::MAX, i64::MIN] {
            let (mut stream, opened) = SyncStream::open(&north, NORTH).await;
            let next = opened.last_batch_id + 1;
            stream.send(next, &many(1, &format!("before {wrong}"))).await;
            stream.send(if wrong == 3 { next + 2 } else { wrong }, &many(1, "wrong")).await;
            assert_eq!(stream.acknowledgement().await.batch_id, next);
            let refusal = stream.refusal().await;
            assert_eq!(why(&refusal), (Code::FailedPrecondition, "BATCH_OUT_OF_ORDER"));
        }
        let north = north.postings();
        let stored = get(&north, NORTH, "p0000").await.unwrap();
        assert_eq!(stored.posting.unwrap().title, format!("before {}", i64::MIN));
    });
}

#[test]
fn a_stream_must_be_opened_once_and_first() {
    story(async |world| {
        let hub = world.hub().await;
        let north = hub.connect(NORTH).await;
        let out_of_step = (Code::FailedPrecondition, "STREAM_OUT_OF_STEP");

        let mut stream = SyncStream::call(&north).await;
        stream.send(1, &many(1, "one")).await;
        assert_eq!(why(&stream.refusal().await), out_of_step);

        let mut stream = SyncStream::call(&north).await;
        stream.say(SyncPostingsRequest { message: None }).await;
        assert_eq!(why(&stream.refusal().await), out_of_step);

        let (mut stream, _) = SyncStream::open(&north, NORTH).await;
        stream.sync(1, &many(1, "one")).await;
        stream.say(SyncPostingsRequest { message: Some(Question::Open(opening(NORTH))) }).await;
        assert_eq!(why(&stream.refusal().await), out_of_step);

        // A lane must have a name of the contract's form.
        let mut stream = SyncStream::call(&north).await;
        let open = opening_lane(NORTH, "Spaces are not allowed");
        stream.say(SyncPostingsRequest { message: Some(Question::Open(open)) }).await;
        let refusal = stream.refusal().await;
        assert_eq!(why(&refusal), (Code::InvalidArgument, "FIELDS_INVALID"));
        assert_eq!(refusal.violations[0].field, "lane");

        // Bytes stand where the opening is expected, and they are none: prost writes them as field 1.
        let mut stream = RawStream::<Bytes>::call(&north).await;
        stream.say(Bytes::from_static(b"\xff\xff\xff")).await;
        assert_eq!(why(&stream.refusal().await), (Code::InvalidArgument, "FIELDS_INVALID"));

        // A stream that says nothing ends without a word.
        assert_eq!(SyncStream::call(&north).await.finish().await, []);
    });
}

#[test]
fn a_source_of_somebody_else_does_not_exist() {
    story(async |world| {
        let hub = world.hub().await;
        let north = hub.connect(NORTH).await;
        let mut refusals = BTreeSet::new();
        for source in [SOUTH, "nowhere"] {
            let mut stream = SyncStream::call(&north).await;
            stream
                .say(SyncPostingsRequest { message: Some(Question::Open(opening(source))) })
                .await;
            let refusal = stream.refusal().await;
            assert_eq!(why(&refusal), (Code::NotFound, "SOURCE_NOT_FOUND"));
            refusals.insert(refusal.message.replace(source, "it"));
        }
        assert_eq!(refusals.len(), 1, "nothing tells the two apart: {refusals:?}");
    });
}

#[test]
fn a_batch_over_its_limits_is_refused_and_those_before_it_are_acknowledged() {
    story(async |world| {
        let hub = world.hub().await;
        let north = hub.connect(NORTH).await;
        let record = Bytes::from(vec![b'x'; 1_000_000]);
        let too_large = [
            // one change too many, too many bytes, more bytes than a message may have
            encoded(&many(1_001, "many")),
            vec![record.clone(); 5].into_iter().map(|it| it.slice(..900_000)).collect(),
            vec![record; 6],
        ];
        for (index, changes) in too_large.into_iter().enumerate() {
            let (mut stream, opened) = SyncStream::open(&north, NORTH).await;
            let next = opened.last_batch_id + 1;
            stream.send(next, &many(1, &format!("before {index}"))).await;
            stream.send_raw(next + 1, changes).await;
            assert_eq!(stream.acknowledgement().await.batch_id, next);
            let refusal = stream.refusal().await;
            assert_eq!(why(&refusal), (Code::ResourceExhausted, "BATCH_TOO_LARGE"));
        }
        let (mut stream, opened) = SyncStream::open(&north, NORTH).await;
        assert_eq!(opened.last_batch_id, 3);
        let full = stream.sync(4, &many(1_000, "full")).await;
        assert_eq!(counts(&full), [999, 1, 0, 0, 0, 0]);
    });
}

#[test]
fn the_newest_stream_takes_the_lane_over() {
    story(async |world| {
        let (one, two) = (world.hub().await, world.hub().await);
        let (here, there) = (one.connect(NORTH).await, two.connect(NORTH).await);
        let (mut old, _) = SyncStream::open(&here, NORTH).await;
        old.sync(1, &many(1, "old")).await;
        let (mut new, opened) = SyncStream::open(&there, NORTH).await;
        assert_eq!(opened.last_batch_id, 1);
        old.send(2, &many(1, "late")).await;
        assert_eq!(why(&old.refusal().await), (Code::Aborted, "LANE_TAKEN_OVER"));
        assert_eq!(counts(&new.sync(2, &many(1, "new")).await), [0, 1, 0, 0, 0, 0]);
        // Opening without the wish to store takes nothing over.
        let open = SyncOpen { validate_only: true, ..opening(NORTH) };
        let (_only_looking, _) = SyncStream::open_lane(&here, open).await;
        assert_eq!(counts(&new.sync(3, &many(1, "newer")).await), [0, 1, 0, 0, 0, 0]);
    });
}

#[test]
fn validate_only_tells_everything_and_stores_nothing() {
    story(async |world| {
        let hub = world.hub().await;
        let north = hub.connect(NORTH).await;
        let (mut stream, _) = SyncStream::open(&north, NORTH).await;
        stream.sync(1, &many(2, "one")).await;
        let before = table::sizes(&world.pool).await;
        let open = SyncOpen { validate_only: true, ..opening(NORTH) };
        let (mut stream, opened) = SyncStream::open_lane(&north, open).await;
        assert_eq!(opened.last_batch_id, 1);
        let batch = [
            upsert("p0000", posting("one", "330106")),
            upsert("p0001", posting("changed", "330106")),
            upsert("new", posting("new", "330104")),
            upsert("bad", posting("", "330106")),
            close("nobody"),
        ];
        let answer = stream.sync(2, &batch).await;
        assert!(answer.validate_only);
        assert_eq!(answer.position, 0);
        assert_eq!(counts(&answer), [1, 1, 1, 0, 0, 2]);
        assert_eq!(
            verdicts(&answer),
            [
                "2 new ACCEPTED_WITH_FIXES upsert.workplaces[0].division.code DIVISION_RETIRED → 330102",
                "3 bad REJECTED upsert.title REQUIRED",
                "4 nobody REJECTED external_id CLOSE_OF_UNKNOWN",
            ]
        );
        assert_eq!(table::sizes(&world.pool).await, before);
        let (_, opened) = SyncStream::open(&north, NORTH).await;
        assert_eq!(opened.last_batch_id, 1);
    });
}

#[test]
fn what_is_sent_again_unchanged_is_written_nowhere() {
    story(async |world| {
        let hub = world.hub().await;
        let north = hub.connect(NORTH).await;
        let (mut stream, _) = SyncStream::open(&north, NORTH).await;
        let batch = many(50, "one");
        stream.sync(1, &batch).await;
        let changes = table::changes(&world.pool).await;
        let stood: Vec<String> = rows(world).await;
        let answer = stream.sync(2, &batch).await;
        assert_eq!(counts(&answer), [0, 0, 50, 0, 0, 0]);
        assert_eq!((answer.position, answer.verdicts.len()), (0, 0));
        assert_eq!(table::changes(&world.pool).await, changes);
        assert_eq!(rows(world).await, stood, "not even the row's version moved");
        // Other bytes that mean the same are no change either: the hub's own additions sent back.
        let mut spelled = posting("one", "330106");
        spelled.workplaces[0].division.as_mut().unwrap().name = "西湖区".to_owned();
        let answer = stream.sync(3, &[upsert("p0000", spelled)]).await;
        assert_eq!(counts(&answer), [0, 0, 1, 0, 0, 0]);
        assert_eq!(table::changes(&world.pool).await, changes);
    });
}

async fn rows(world: &crate::support::World) -> Vec<String> {
    sqlx::query_scalar("SELECT xmin || ' ' || posting_id FROM posting ORDER BY posting_id")
        .fetch_all(&world.pool)
        .await
        .unwrap()
}

#[test]
fn an_older_revision_of_the_source_is_stale_and_a_newer_one_without_change_is_no_event() {
    story(async |world| {
        let hub = world.hub().await;
        let north = hub.connect(NORTH).await;
        let (mut stream, _) = SyncStream::open(&north, NORTH).await;
        stream.sync(1, &[upsert_at("p", 5, posting("five", "330106"))]).await;
        let changes = table::changes(&world.pool).await;

        let same = stream.sync(2, &[upsert_at("p", 9, posting("five", "330106"))]).await;
        assert_eq!((counts(&same), same.position), ([0, 0, 1, 0, 0, 0], 0));
        assert_eq!(table::changes(&world.pool).await, changes);

        let mut stale_close = close("p");
        stale_close.source_revision = Some(8);
        let stale = [upsert_at("p", 8, posting("eight", "330106"))];
        for (id, change) in (3..).zip([stale.to_vec(), vec![stale_close]]) {
            let answer = stream.sync(id, &change).await;
            assert_eq!(verdicts(&answer), ["0 p REJECTED source_revision STALE → 9"]);
        }
        assert_eq!(table::changes(&world.pool).await, changes);

        // The same revision may come again with other content, and one without a revision is always the newest.
        let equal = stream.sync(5, &[upsert_at("p", 9, posting("nine", "330106"))]).await;
        assert_eq!(counts(&equal), [0, 1, 0, 0, 0, 0]);
        let without = stream.sync(6, &[upsert("p", posting("without", "330106"))]).await;
        assert_eq!(counts(&without), [0, 1, 0, 0, 0, 0]);
        let record = get(&north.postings(), NORTH, "p").await.unwrap();
        assert_eq!((record.revision, record.source_revision), (3, Some(9)));

        // A time of change counts as a revision where there is none, in microseconds.
        let at = |seconds| Some(Timestamp { seconds, nanos: 1_000 });
        let mut timed = upsert("t", posting("timed", "330106"));
        timed.source_updated_at = at(1_700_000_000);
        stream.sync(7, &[timed.clone()]).await;
        timed.source_updated_at = at(1_699_999_999);
        let answer = stream.sync(8, &[timed]).await;
        assert_eq!(verdicts(&answer), ["0 t REJECTED source_revision STALE → 1700000000000001"]);
    });
}

#[test]
fn a_closed_posting_that_is_sent_again_stands_again() {
    story(async |world| {
        let hub = world.hub().await;
        let north = hub.connect(NORTH).await;
        let (mut stream, _) = SyncStream::open(&north, NORTH).await;
        let client = north.postings();
        let mut watcher = Watcher::start(&client, watching(in_any_state())).await.unwrap();
        watcher.snapshot().await;
        stream.sync(1, &[upsert("p", posting("one", "330106"))]).await;
        let mut closing = close("p");
        let Some(Change::Close(close)) = &mut closing.change else { panic!("a close") };
        close.closed_at = Some(Timestamp { seconds: 1_750_000_000, nanos: 5_000 });
        let closed = stream.sync(2, &[closing.clone()]).await;
        assert_eq!(counts(&closed), [0, 0, 0, 1, 0, 0]);
        let record = get(&client, NORTH, "p").await.unwrap();
        assert_eq!((record.state(), record.revision), (PostingState::Closed, 2));
        assert_eq!(record.closed_at, Some(Timestamp { seconds: 1_750_000_000, nanos: 5_000 }));
        assert_eq!(record.posting.unwrap().title, "one", "content outlives the close");
        let again = stream.sync(3, &[closing]).await;
        assert_eq!(verdicts(&again), ["0 p ACCEPTED_WITH_FIXES close ALREADY_CLOSED"]);
        assert_eq!(counts(&again), [0, 0, 1, 0, 0, 0]);
        let reopened = stream.sync(4, &[upsert("p", posting("one", "330106"))]).await;
        assert_eq!(counts(&reopened), [0, 1, 0, 0, 0, 0]);
        let record = get(&client, NORTH, "p").await.unwrap();
        assert_eq!((record.state(), record.revision), (PostingState::Open, 3));
        assert_eq!((record.closed_at, record.close_reason), (None, 0));
        let (events, _) = watcher.up_to(reopened.position).await;
        let events: Vec<_> = events.iter().map(told).collect();
        assert_eq!(events, ["ENTERED p", "CHANGED p", "CHANGED p"]);
    });
}

fn held(source: &str, page_size: i32, page_token: &str) -> ListHeldClosesRequest {
    ListHeldClosesRequest {
        source: source.to_owned(),
        page_size,
        page_token: page_token.to_owned(),
    }
}

fn resolving(resolution: HeldCloseResolution, request_id: &str) -> ResolveHeldClosesRequest {
    ResolveHeldClosesRequest {
        source: NORTH.to_owned(),
        resolution: resolution.into(),
        request_id: request_id.to_owned(),
    }
}

/// Stores 130 postings, and closes 120 of them where 100 are usual.
async fn too_many_closes(stream: &mut SyncStream) {
    stream.sync(1, &many(130, "one")).await;
    let closes: Vec<_> = (0..120).map(|n| close(&format!("p{n:04}"))).collect();
    let answer = stream.sync(2, &closes).await;
    assert_eq!(counts(&answer), [0, 0, 0, 100, 20, 0]);
    let told = verdicts(&answer);
    assert_eq!(told.len(), 20);
    assert_eq!(told[0], "100 p0100 HELD close CLOSES_ABOVE_USUAL");
}

async fn states(client: &Postings, ids: std::ops::Range<usize>) -> [usize; 2] {
    let mut states = [0, 0];
    for n in ids {
        let state = get(client, NORTH, &format!("p{n:04}")).await.unwrap().state();
        states[usize::from(state == PostingState::Closed)] += 1;
    }
    states
}

#[test]
fn closes_above_what_is_usual_are_held_until_they_are_released() {
    story(async |world| {
        let hub = world.hub().await;
        let north = hub.connect(NORTH).await;
        let mut client = north.postings();
        let (mut stream, _) = SyncStream::open(&north, NORTH).await;
        too_many_closes(&mut stream).await;
        assert_eq!(states(&client, 98..122).await, [22, 2]);

        let (mut listed, mut token) = (Vec::new(), String::new());
        loop {
            let page = client.list_held_closes(held(NORTH, 7, &token)).await.unwrap().into_inner();
            assert_eq!(page.total, 20);
            assert!(page.held.len() <= 7);
            listed.extend(page.held.into_iter().map(|held| held.key.unwrap().external_id));
            token = page.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        let expected: Vec<String> = (100..120).map(|n| format!("p{n:04}")).collect();
        assert_eq!(listed, expected);

        // A posting that is sent again lives; one that is closed again is held once.
        let batch = [upsert("p0100", posting("alive", "330106")), close("p0101")];
        assert_eq!(counts(&stream.sync(3, &batch).await), [0, 1, 0, 0, 1, 0]);
        let release = resolving(HeldCloseResolution::Release, "release-1");
        let answer = client.resolve_held_closes(release.clone()).await.unwrap().into_inner();
        assert_eq!(answer.resolved, 19);
        assert!(answer.position > 0);
        assert_eq!(states(&client, 100..130).await, [11, 19]);
        let changes = table::changes(&world.pool).await;

        let repeated = client.resolve_held_closes(release).await.unwrap().into_inner();
        assert_eq!(repeated.resolved, 19);
        assert!(repeated.position >= answer.position, "what was released is in the feed");
        assert_eq!(table::changes(&world.pool).await, changes);
        let other = resolving(HeldCloseResolution::Discard, "release-1");
        let refused = Refusal::of(&client.resolve_held_closes(other).await.unwrap_err());
        assert_eq!(why(&refused), (Code::AlreadyExists, "REQUEST_ID_REUSED"));
        let nothing = resolving(HeldCloseResolution::Release, "release-2");
        let answer = client.resolve_held_closes(nothing).await.unwrap().into_inner();
        assert_eq!((answer.resolved, answer.position), (0, 0));
        table::settled(&world.pool).await;
        table::sound_feed(&world.pool).await;
    });
}

#[test]
fn held_closes_that_are_discarded_leave_the_postings_open() {
    story(async |world| {
        let hub = world.hub().await;
        let north = hub.connect(NORTH).await;
        let mut client = north.postings();
        let (mut stream, _) = SyncStream::open(&north, NORTH).await;
        too_many_closes(&mut stream).await;
        let changes = table::changes(&world.pool).await;
        let discard = resolving(HeldCloseResolution::Discard, "discard-1");
        let answer = client.resolve_held_closes(discard.clone()).await.unwrap().into_inner();
        assert_eq!((answer.resolved, answer.position), (20, 0));
        assert_eq!(client.resolve_held_closes(discard).await.unwrap().into_inner(), answer);
        assert_eq!(table::changes(&world.pool).await, changes);
        assert_eq!(states(&client, 100..130).await, [30, 0]);
        let page = client.list_held_closes(held(NORTH, 0, "")).await.unwrap().into_inner();
        assert_eq!((page.total, page.held.len()), (0, 0));
    });
}

#[test]
fn closes_on_one_lane_do_not_wait_for_a_backfill_on_another() {
    story(async |world| {
        let hub = world.hub().await;
        let north = hub.connect(NORTH).await;
        let (mut backfill, _) = SyncStream::open(&north, NORTH).await;
        backfill.sync(1, &many(10, "one")).await;
        let lane = opening_lane(NORTH, "closes");
        let (mut closes, opened) = SyncStream::open_lane(&north, lane).await;
        assert_eq!(opened.last_batch_id, 0, "each lane counts for itself");

        // Somebody holds one posting, so the backfill's batch cannot go on.
        let mut foreign = sqlx::PgConnection::connect_with(&world.options).await.unwrap();
        let lock = "BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0;
                    SELECT 1 FROM posting WHERE external_id = 'p0009' FOR UPDATE";
        sqlx::raw_sql(lock).execute(&mut foreign).await.unwrap();
        backfill.send(2, &many(10, "two")[5..]).await;

        let answer = closes.sync(1, &[close("p0000"), close("p0001")]).await;
        assert_eq!((answer.batch_id, counts(&answer)), (1, [0, 0, 0, 2, 0, 0]));
        assert!(answer.position > 0, "and the feed moves on, too");

        sqlx::raw_sql("ROLLBACK").execute(&mut foreign).await.unwrap();
        foreign.close().await.unwrap();
        let answer = backfill.acknowledgement().await;
        assert_eq!((answer.batch_id, counts(&answer)), (2, [0, 5, 0, 0, 0, 0]));
    });
}

#[test]
fn two_streams_that_write_the_same_postings_both_come_through() {
    story(async |world| {
        let hub = world.hub().await;
        let north = hub.connect(NORTH).await;
        let (mut a, _) = SyncStream::open(&north, NORTH).await;
        let (mut b, _) = SyncStream::open_lane(&north, opening_lane(NORTH, "other")).await;
        for round in 1..=10 {
            let mut backwards = many(30, &format!("b{round}"));
            backwards.reverse();
            a.send(round, &many(30, &format!("a{round}"))).await;
            b.send(round, &backwards).await;
            let (a, b) = (a.acknowledgement().await, b.acknowledgement().await);
            let total = a.created + a.changed + b.created + b.changed;
            assert_eq!(total, 60, "each write of each stream counts");
        }
        table::settled(&world.pool).await;
        let events = table::sound_feed(&world.pool).await;
        assert_eq!(events.len(), 600);
    });
}

#[test]
fn a_hub_that_stops_has_acknowledged_what_it_committed() {
    story(async |world| {
        let (one, two) = (world.hub().await, world.hub().await);
        let (mut stream, _) = SyncStream::open(&one.connect(NORTH).await, NORTH).await;
        let mut acknowledged = vec![stream.sync(1, &many(5, "one")).await.batch_id];
        for id in 2..=6 {
            stream.send(id, &many(200, &format!("{id}"))).await;
        }
        world.stop(&one).await;
        loop {
            match stream.answer().await {
                Ok(Some(peshub::pb::peshub::postings::v1::sync_postings_response::Message::Acknowledgement(it))) => {
                    acknowledged.push(it.batch_id);
                }
                Ok(other) => panic!("not an end but {other:?}"),
                Err(refusal) => {
                    assert_eq!(why(&refusal), (Code::Unavailable, "SHUTTING_DOWN"));
                    break;
                }
            }
        }
        let (_, opened) = SyncStream::open(&two.connect(NORTH).await, NORTH).await;
        let expected: Vec<i64> = (1..=opened.last_batch_id).collect();
        assert_eq!(acknowledged, expected);
    });
}

#[test]
fn a_session_of_the_client_library_outlives_the_hub_it_talks_to() {
    story(async |world| {
        let (one, two) = (world.hub().await, world.hub().await);
        let options = SyncOptions { source: NORTH.to_owned(), ..SyncOptions::default() };
        let mut session =
            SyncSession::open(&one.connect(NORTH).await, options.clone()).await.unwrap();
        for n in 1..=5 {
            assert_eq!(session.send(&many(20, &format!("{n}"))).await.unwrap(), n);
        }
        let acknowledged = within("the acknowledgements", session.finish()).await.unwrap();
        let ids: Vec<i64> = acknowledged.iter().map(|it| it.batch_id).collect();
        assert_eq!(ids, [1, 2, 3, 4, 5]);
        let session = SyncSession::open(&two.connect(NORTH).await, options).await.unwrap();
        assert_eq!(session.limits().last_batch_id, 5);
    });
}
