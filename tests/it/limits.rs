//! Quotas, shed load, deadlines, and connections that have reached their age.

use std::time::Duration;

use peshub::client::error::Refusal;
use peshub::client::sync::{SyncOptions, SyncSession};
use peshub::client::watch::{Watch, WatchItem, WatchOptions};
use peshub::pb::peshub::participants::v1::{CreateSourceRequest, GetCallerRequest};
use peshub::pb::peshub::postings::v1::{BatchUpsertPostingsRequest, ListPostingsRequest};
use peshub::platform::config::LimitOptions;
use sqlx::Connection as _;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::support::plain::Plain;
use crate::support::postings::{everything, posting, upsert};
use crate::support::sync::{SyncStream, opening_lane};
use crate::support::watch::{Watcher, refused, watching};
use crate::support::{TestHub, World, story, until, within};

const NORTH: &str = "platform-north";
const SOUTH: &str = "platform-south";
const GET_CALLER: &str = "peshub.participants.v1.ParticipantService/GetCaller";

/// Holds a failure against what a quota's must tell.
fn is_over_quota(status: &Status, subject: &str, limit: &str) {
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    let details = status.get_error_details();
    assert_eq!(details.error_info().unwrap().reason, "QUOTA_EXCEEDED");
    let wait = details.retry_info().unwrap().retry_delay.unwrap();
    assert!(!wait.is_zero(), "a wait");
    let violation = &details.quota_failure().unwrap().violations[0];
    assert_eq!((violation.subject.as_str(), violation.description.as_str()), (subject, limit));
}

async fn get_caller(hub: &TestHub, participant: &str) -> Result<(), Status> {
    let connection = hub.connect(participant).await;
    connection.participants().get_caller(GetCallerRequest {}).await.map(drop)
}

#[test]
fn who_has_used_up_its_quota_is_told_so_and_nobody_else_notices() {
    story(async |world| {
        let limits = LimitOptions { quota_read: 3, quota_write: 20, ..LimitOptions::default() };
        let hub = world.hub_within(limits).await;
        for _ in 0..3 {
            get_caller(&hub, NORTH).await.unwrap();
        }
        let status = get_caller(&hub, NORTH).await.unwrap_err();
        is_over_quota(&status, "participants/platform-north", "3 calls a minute that read");
        assert!(Refusal::of(&status).is_passing(), "a client tries again");
        // Another class, another participant.
        let request = CreateSourceRequest { name: NORTH.to_owned(), ..Default::default() };
        hub.connect(NORTH).await.participants().create_source(request).await.unwrap();
        get_caller(&hub, SOUTH).await.unwrap();
        // Its own quota counts as soon as it is known.
        sqlx::query(
            "INSERT INTO participant_quota (participant_id, quota, most)
             SELECT participant_id, 1, 1000 FROM participant WHERE name = $1",
        )
        .bind(NORTH)
        .execute(&world.pool)
        .await
        .unwrap();
        until("the new quota", async || get_caller(&hub, NORTH).await.ok()).await;
        get_caller(&hub, NORTH).await.unwrap();
    });
}

#[test]
fn a_participant_has_so_many_streams_and_gets_another_when_one_ends() {
    story(async |world| {
        let hub = world.hub_within(LimitOptions { quota_stream: 2, ..Default::default() }).await;
        let client = hub.postings(NORTH).await;
        let mut first = Watcher::start(&client, watching(everything())).await.unwrap();
        first.snapshot().await;
        let connection = hub.connect(NORTH).await;
        let (mut sync, _) = SyncStream::open(&connection, NORTH).await;
        let status = client.clone().watch_postings(watching(everything())).await.unwrap_err();
        is_over_quota(&status, "participants/platform-north", "2 streams at the same time");
        let mut other =
            Watcher::start(&hub.postings(SOUTH).await, watching(everything())).await.unwrap();
        other.snapshot().await;
        assert_eq!(sync.sync(1, &[upsert("a", posting("Nurse", "330106"))]).await.created, 1);
        drop(first);
        until("a place", async || Watcher::start(&client, watching(everything())).await.ok())
            .await
            .snapshot()
            .await;
    });
}

#[test]
fn records_of_a_day_are_counted_over_lanes_replicas_and_restarts() {
    story(async |world| {
        let limits = LimitOptions { quota_record: Some(10), ..LimitOptions::default() };
        let hub = world.hub_within(limits.clone()).await;
        let change = |id: i32| upsert(&format!("r{id}"), posting("Nurse", "330106"));
        let connection = hub.connect(NORTH).await;
        let (mut main, _) = SyncStream::open(&connection, NORTH).await;
        let four: Vec<_> = (0..4).map(change).collect();
        assert_eq!(main.sync(1, &four).await.created, 4);
        // What is refused for itself was received all the same.
        main.send_raw(2, vec![bytes::Bytes::from_static(b"\xff"), bytes::Bytes::new()]).await;
        assert_eq!(main.acknowledgement().await.rejected, 2);
        world.stop(&hub).await;

        let hub = world.hub_within(limits.clone()).await;
        let other = world.hub_within(limits).await;
        let connection = hub.connect(NORTH).await;
        let open = opening_lane(NORTH, "second");
        let (mut lane, _) = SyncStream::open_lane(&connection, open).await;
        assert_eq!(lane.sync(1, &[change(4)]).await.created, 1);
        let request = |ids: std::ops::Range<i32>| BatchUpsertPostingsRequest {
            source: NORTH.to_owned(),
            changes: ids.map(change).collect(),
            ..BatchUpsertPostingsRequest::default()
        };
        let mut client = other.postings(NORTH).await;
        client.batch_upsert_postings(request(5..7)).await.unwrap();
        let status = client.batch_upsert_postings(request(7..9)).await.unwrap_err();
        is_over_quota(&status, "participants/platform-north", "10 records of postings a day (UTC)");

        // One more fits. Everything up to there is acknowledged before the stream ends.
        lane.send(2, &[change(7)]).await;
        lane.send(3, &[change(8)]).await;
        assert_eq!(lane.acknowledgement().await.batch_id, 2);
        let refusal = lane.refusal().await;
        assert_eq!(refusal.reason, "QUOTA_EXCEEDED", "{refusal}");
        assert!(refusal.retry_after.is_some_and(|wait| wait <= Duration::from_hours(24)));
        // A batch that was acknowledged comes again and costs nothing.
        let (mut lane, opened) =
            SyncStream::open_lane(&connection, opening_lane(NORTH, "second")).await;
        assert_eq!(opened.last_batch_id, 2);
        assert!(lane.sync(2, &[change(7)]).await.replayed);
        // Others have a quota of their own, and another day is another day.
        let south = hub.connect(SOUTH).await;
        let (mut stream, _) = SyncStream::open(&south, SOUTH).await;
        assert_eq!(stream.sync(1, &[change(0)]).await.created, 1);
        sqlx::query("UPDATE sync_lane SET records_on = records_on - 1")
            .execute(&world.pool)
            .await
            .unwrap();
        assert_eq!(lane.sync(3, &[change(8)]).await.created, 1);
    });
}

/// Holds everything that reads the table of postings, until it is closed.
async fn held(world: &World) -> sqlx::PgConnection {
    let mut connection = sqlx::PgConnection::connect_with(&world.options).await.unwrap();
    sqlx::raw_sql("BEGIN; LOCK TABLE posting IN ACCESS EXCLUSIVE MODE")
        .execute(&mut connection)
        .await
        .unwrap();
    connection
}

async fn waiting(world: &World, count: i64) {
    until("calls that wait", async || {
        let waiting: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
        )
        .fetch_one(&world.pool)
        .await
        .unwrap();
        (waiting >= count).then_some(())
    })
    .await;
}

#[test]
fn what_is_more_than_the_hub_takes_on_is_refused_at_once_and_the_rest_is_answered() {
    story(async |world| {
        let hub = world.hub_within(LimitOptions { calls_max: 3, ..Default::default() }).await;
        let lock = held(world).await;
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..3 {
            let mut client = hub.postings("bureau-nation").await;
            calls.spawn(async move { client.list_postings(ListPostingsRequest::default()).await });
        }
        waiting(world, 3).await;
        let status = get_caller(&hub, NORTH).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        let details = status.get_error_details();
        assert_eq!(details.error_info().unwrap().reason, "OVERLOADED");
        assert!(details.retry_info().unwrap().retry_delay.is_some());
        // Streams and health have places of their own.
        let mut watch = Watcher::start(&hub.postings(NORTH).await, watching(everything())).await;
        lock.close().await.unwrap();
        for answered in within("answers", calls.join_all()).await {
            answered.unwrap();
        }
        watch.as_mut().unwrap().snapshot().await;
        until("room", async || get_caller(&hub, NORTH).await.ok()).await;
    });
}

#[test]
fn a_client_that_goes_away_makes_no_room_while_its_work_goes_on() {
    story(async |world| {
        let hub = world.hub_within(LimitOptions { calls_max: 2, ..Default::default() }).await;
        let lock = held(world).await;
        for count in 1..=2 {
            let mut client = hub.postings("bureau-nation").await;
            let call =
                tokio::spawn(
                    async move { client.list_postings(ListPostingsRequest::default()).await },
                );
            waiting(world, count).await;
            call.abort();
            assert!(call.await.unwrap_err().is_cancelled());
        }
        let status = get_caller(&hub, NORTH).await.unwrap_err();
        assert_eq!(Refusal::of(&status).reason, "OVERLOADED");
        lock.close().await.unwrap();
        until("room", async || get_caller(&hub, NORTH).await.ok()).await;
    });
}

#[test]
fn a_deadline_that_passes_is_told_with_its_reason_and_the_write_is_done_all_the_same() {
    story(async |world| {
        let hub = world.hub().await;
        let lock = held(world).await;
        let plain = Plain::connect(&hub, Some(NORTH)).await;
        let request = BatchUpsertPostingsRequest {
            source: NORTH.to_owned(),
            changes: vec![upsert("late", posting("Nurse", "330106"))],
            request_id: "late-1".to_owned(),
            ..BatchUpsertPostingsRequest::default()
        };
        let method = "peshub.postings.v1.PostingService/BatchUpsertPostings";
        let answer = plain.call(method, &request, &[("grpc-timeout", "300m")]).await;
        assert_eq!(answer.status.code(), Code::DeadlineExceeded, "{answer:?}");
        let details = answer.status.get_error_details();
        assert_eq!(details.error_info().unwrap().reason, "DEADLINE_EXCEEDED");
        lock.close().await.unwrap();
        until("the write", async || {
            let found = sqlx::query("SELECT FROM posting WHERE external_id = 'late'");
            found.fetch_optional(&world.pool).await.unwrap()
        })
        .await;
        let mut client = hub.postings(NORTH).await;
        let again = client.batch_upsert_postings(request).await.unwrap().into_inner();
        assert!(again.acknowledgement.unwrap().replayed);
        // A stream's deadline is for all of it.
        let watch = "peshub.postings.v1.PostingService/WatchPostings";
        let answer = plain.call(watch, &watching(everything()), &[("grpc-timeout", "300m")]).await;
        assert_eq!(answer.status.code(), Code::DeadlineExceeded, "{answer:?}");
        plain.good(GET_CALLER, &GetCallerRequest {}).await;
    });
}

fn young() -> LimitOptions {
    LimitOptions { connection_age_seconds: 1, ..LimitOptions::default() }
}

#[test]
fn a_connection_that_reaches_its_age_says_where_to_go_on() {
    story(async |world| {
        let hub = world.hub_within(young()).await;
        let connection = hub.connect(NORTH).await;
        let (mut sync, _) = SyncStream::open(&connection, NORTH).await;
        let position = sync.sync(1, &[upsert("a", posting("Nurse", "330106"))]).await.position;
        let bureau = hub.postings("bureau-nation").await;
        let mut watch = Watcher::start(&bureau, watching(everything())).await.unwrap();
        let (bookmarks, refusal) = watch.end().await;
        let last = bookmarks.last().unwrap();
        assert!(last.closing && last.position >= position);
        assert_eq!((refusal.code, refusal.reason.as_str()), (Code::Unavailable, "SHUTTING_DOWN"));
        let refusal = sync.refusal().await;
        assert_eq!((refusal.code, refusal.reason.as_str()), (Code::Unavailable, "SHUTTING_DOWN"));
        // The same client goes on, on another connection.
        assert!(refused(&bureau, watching(everything())).await.is_passing());
    });
}

#[test]
fn clients_lose_nothing_when_their_connections_reach_their_age() {
    story(async |world| {
        let hub = world.hub_within(young()).await;
        let bureau = hub.connect("bureau-nation").await;
        let options = WatchOptions { bookmark_seconds: 1, ..WatchOptions::default() };
        let mut watch = Watch::new(&bureau, options);
        let north = hub.connect(NORTH).await;
        let options = SyncOptions { source: NORTH.to_owned(), ..SyncOptions::default() };
        let mut session = SyncSession::open(&north, options).await.unwrap();
        let mut sent = 0;
        let mut seen = Vec::new();
        let mut last = 0;
        // Until both have lost their connections more than once.
        while session.reconnects() < 2 || watch.reconnects() < 2 {
            sent += 1;
            let change = upsert(&format!("p{sent}"), posting("Nurse", "330106"));
            within("a place", session.send(&[change])).await.unwrap();
            let acknowledgement = within("the acknowledgement", session.acknowledgement()).await;
            let acknowledgement = acknowledgement.unwrap().unwrap();
            assert_eq!((acknowledgement.batch_id, acknowledgement.created), (sent, 1));
            while last < sent {
                if let WatchItem::Event(event) = within("an event", watch.next()).await.unwrap() {
                    seen.push(event.record.unwrap().key.unwrap().external_id);
                    last += 1;
                }
            }
        }
        let expected: Vec<_> = (1..=sent).map(|id| format!("p{id}")).collect();
        assert_eq!(seen, expected);
    });
}

#[test]
fn a_connection_without_calls_is_ended_and_its_client_does_not_notice() {
    story(async |world| {
        let limits = LimitOptions { connection_idle_seconds: 1, ..LimitOptions::default() };
        let hub = world.hub_within(limits).await;
        let busy = hub.postings("bureau-nation").await;
        let mut watch = Watcher::start(&busy, watching(everything())).await.unwrap();
        watch.snapshot().await;
        let connection = hub.connect(NORTH).await;
        connection.participants().get_caller(GetCallerRequest {}).await.unwrap();
        // What comes later and is as quiet is ended later.
        let quiet = crate::support::hostile::RawClient::connect(&hub, &[]).await;
        assert_eq!(quiet.goodbye().await, Some(0));
        connection.participants().get_caller(GetCallerRequest {}).await.unwrap();
        // A stream is a call, however quiet it is.
        watch.until(|_| true).await;
    });
}
