//! The change feed under several replicas: every event once, in order, and nobody waits for a stranger.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use peshub::client::connect::Connection;
use peshub::client::sync::{SyncOptions, SyncSession};
use peshub::pb::peshub::postings::v1::PostingChange;
use sqlx::{Connection as _, PgConnection, PgPool};

use crate::support::author::Author;
use crate::support::postings::{in_any_state, posting, upsert};
use crate::support::sync::SyncStream;
use crate::support::watch::{Held, Watcher, watching};
use crate::support::{story, table, until, within};

const NORTH: &str = "platform-north";
const SOUTH: &str = "platform-south";
const NATION: &str = "bureau-nation";

/// Sends batches on a lane as fast as they are acknowledged.
async fn send(
    connection: Connection,
    (source, lane): (&str, &str),
    batches: Vec<Vec<PostingChange>>,
) -> u64 {
    let (source, lane) = (source.to_owned(), lane.to_owned());
    let options = SyncOptions { source, lane, ..SyncOptions::default() };
    let mut session = within("a lane", SyncSession::open(&connection, options)).await.unwrap();
    let mut written = 0;
    let mut count = |it: &peshub::pb::peshub::postings::v1::BatchAcknowledgement| {
        assert_eq!((it.rejected, it.held), (0, 0));
        written += u64::from((it.created + it.changed + it.closed).unsigned_abs());
    };
    for batch in batches {
        within("room for a batch", session.send(&batch)).await.unwrap();
        while let Some(acknowledgement) = session.received() {
            count(&acknowledgement);
        }
    }
    within("the acknowledgements", session.finish()).await.unwrap().iter().for_each(count);
    written
}

/// Batches of one lane that touch the postings of every other lane of the source, each time with other content.
fn overlapping(lane: &str, batches: usize) -> Vec<Vec<PostingChange>> {
    let batch = |round: usize| {
        let ids = (0..40).map(|n| (n * 7 + round * 13) % 60).collect::<BTreeSet<usize>>();
        let change = |n| upsert(&format!("p{n:02}"), posting(&format!("{lane} {round}"), "330106"));
        ids.into_iter().map(change).collect()
    };
    (0..batches).map(batch).collect()
}

/// Follows `change_log` by its ids, as so many readers of so many tables do.
async fn read_naively(pool: &PgPool, stop: &AtomicBool, seen: &AtomicU64) -> BTreeSet<i64> {
    let (mut last, mut ids) = (0, BTreeSet::new());
    loop {
        let is_last = stop.load(Ordering::Relaxed);
        let page: Vec<i64> =
            sqlx::query_scalar("SELECT id FROM change_log WHERE id > $1 ORDER BY id")
                .bind(last)
                .fetch_all(pool)
                .await
                .unwrap();
        last = page.last().copied().unwrap_or(last);
        ids.extend(page);
        seen.store(ids.len() as u64, Ordering::Relaxed);
        if is_last {
            return ids;
        }
    }
}

/// A writer with long transactions: it draws an id early and commits when others are further on.
async fn write_slowly(pool: &PgPool, stop: &AtomicBool, seen: &AtomicU64) -> i64 {
    let mut written = 0;
    while !stop.load(Ordering::Relaxed) {
        let mut transaction = pool.begin().await.unwrap();
        sqlx::query(
            "INSERT INTO change_log (at, topic, entity_id, revision, header, facets)
             VALUES (now(), 1, -1 - $1, 1, '', '{}')",
        )
        .bind(written)
        .execute(&mut *transaction)
        .await
        .unwrap();
        let before = seen.load(Ordering::Relaxed);
        // It stays open until a reader has seen something newer, or nothing newer comes any more.
        while seen.load(Ordering::Relaxed) == before && !stop.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        transaction.commit().await.unwrap();
        written += 1;
    }
    written
}

#[test]
fn replicas_under_one_load_give_every_change_one_position_and_a_naive_reader_loses_some() {
    story(async |world| {
        let (one, two) = (world.hub().await, world.hub().await);
        let (stop, seen) = (AtomicBool::new(false), AtomicU64::new(0));
        let lanes = async {
            let (mut north, mut south) = (Author::new(11, "n"), Author::new(12, "s"));
            let batches = |author: &mut Author| (0..25).map(|_| author.batch(40)).collect();
            let (a, b, c, d) = tokio::join!(
                send(one.connect(NORTH).await, (NORTH, "a"), overlapping("a", 25)),
                send(two.connect(NORTH).await, (NORTH, "b"), overlapping("b", 25)),
                send(one.connect(SOUTH).await, (SOUTH, ""), batches(&mut south)),
                send(
                    two.connect("platform-east").await,
                    ("platform-east", ""),
                    batches(&mut north)
                ),
            );
            stop.store(true, Ordering::Relaxed);
            a + b + c + d
        };
        let (written, slow, naive) = tokio::join!(
            lanes,
            write_slowly(&world.pool, &stop, &seen),
            read_naively(&world.pool, &stop, &seen),
        );
        table::settled(&world.pool).await;
        let events = table::sound_feed(&world.pool).await;
        assert_eq!(events.len() as u64, written + slow.unsigned_abs());
        let all: BTreeSet<i64> = events.iter().map(|event| event.change).collect();
        let lost = all.difference(&naive).count();
        assert!(lost > 0, "the load does not show what a naive reader loses, so it proves nothing");
    });
}

#[test]
fn watches_of_all_replicas_tell_the_same_feed() {
    story(async |world| {
        let (one, two) = (world.hub().await, world.hub().await);
        let mut watchers = Vec::new();
        for hub in [&one, &two] {
            let client = hub.postings(NATION).await;
            let mut watcher = Watcher::start(&client, watching(in_any_state())).await.unwrap();
            watcher.snapshot().await;
            watchers.push(watcher);
        }
        let written: u64 = {
            let (a, b) = tokio::join!(
                send(one.connect(NORTH).await, (NORTH, "a"), overlapping("a", 20)),
                send(two.connect(NORTH).await, (NORTH, "b"), overlapping("b", 20)),
            );
            a + b
        };
        let mut told = Vec::new();
        for watcher in &mut watchers {
            let events = watcher.events(written as usize).await;
            let positions: Vec<i64> = events.iter().map(|event| event.position).collect();
            assert_eq!(positions, (1..=written as i64).collect::<Vec<_>>());
            let mut held = Held::default();
            held.apply(&events);
            let mut connection = world.pool.acquire().await.unwrap();
            assert_eq!(held.0, table::postings(&mut connection).await);
            told.push(events);
        }
        assert_eq!(told[0], told[1]);
        table::sound_feed(&world.pool).await;
    });
}

#[test]
fn a_foreign_transaction_that_stays_open_holds_nobody_up() {
    story(async |world| {
        let hub = world.hub().await;
        let (mut stream, _) = SyncStream::open(&hub.connect(NORTH).await, NORTH).await;
        let mut foreign = PgConnection::connect_with(&world.options).await.unwrap();
        let begin = "BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0;
                     INSERT INTO change_log (at, topic, entity_id, revision, header, facets)
                     VALUES (now(), 1, -1, 1, '', '{}');";
        sqlx::raw_sql(begin).execute(&mut foreign).await.unwrap();
        let client = hub.postings(NATION).await;
        let mut watcher = Watcher::start(&client, watching(in_any_state())).await.unwrap();
        watcher.snapshot().await;
        let mut author = Author::new(13, "n");
        let mut last = 0;
        for id in 1..=5 {
            let answer = stream.sync(id, &author.batch(20)).await;
            assert!(answer.position >= last + 20, "positions are told while it is open");
            last = answer.position;
        }
        assert_eq!(watcher.events(100).await.last().unwrap().position, 100);
        // Its own event comes last, though its id is the lowest.
        sqlx::raw_sql("COMMIT").execute(&mut foreign).await.unwrap();
        foreign.close().await.unwrap();
        table::settled(&world.pool).await;
        let events = table::sound_feed(&world.pool).await;
        let foreign = events.last().unwrap();
        assert_eq!((foreign.position, foreign.entity), (101, -1));
        assert!(events.iter().all(|event| event.change >= foreign.change));
    });
}

#[test]
fn a_large_transaction_comes_in_one_tick() {
    story(async |world| {
        let (one, _two) = (world.hub().await, world.hub().await);
        let (mut stream, _) = SyncStream::open(&one.connect(NORTH).await, NORTH).await;
        let batch = |from: usize| -> Vec<_> {
            let change = |n| upsert(&format!("{n}"), posting("many", "330106"));
            (from..from + 1_000).map(change).collect()
        };
        stream.send(1, &batch(0)).await;
        stream.send(2, &batch(1_000)).await;
        stream.acknowledgement().await;
        stream.acknowledgement().await;
        // One transaction of three thousand events: three rows of the table of ticks, one tick.
        let insert = "INSERT INTO change_log (at, topic, entity_id, revision, header, facets)
                      SELECT now(), 1, -n, 1, '', '{}' FROM generate_series(1, 3000) AS n";
        sqlx::query(insert).execute(&world.pool).await.unwrap();
        table::settled(&world.pool).await;
        let events = table::sound_feed(&world.pool).await;
        assert_eq!(events.len(), 5_000);
        let widest: i64 = sqlx::query_scalar("SELECT max(seq_to - seq_from + 1) FROM feed_tick")
            .fetch_one(&world.pool)
            .await
            .unwrap();
        assert!(widest <= 1_000);
    });
}

#[test]
fn a_tick_that_died_leaves_nothing_behind_and_another_replica_goes_on() {
    story(async |world| {
        let (one, two) = (world.hub().await, world.hub().await);
        let (mut stream, _) = SyncStream::open(&two.connect(NORTH).await, NORTH).await;
        let mut author = Author::new(14, "n");
        for id in 1..=20 {
            // The sequencers' connections are cut again and again: each replica opens a new one.
            if id % 4 == 0 {
                let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                           WHERE datname = current_database() AND pid <> pg_backend_pid()
                             AND query LIKE '%feed_head%' AND application_name = 'peshub'
                           LIMIT 1";
                sqlx::query(cut).fetch_all(&world.pool).await.unwrap();
            }
            stream.sync(id, &author.batch(10)).await;
        }
        world.stop(&one).await;
        stream.sync(21, &author.batch(10)).await;
        until("a position for everything", async || {
            let head: i64 = sqlx::query_scalar("SELECT seq FROM feed_head")
                .fetch_one(&world.pool)
                .await
                .unwrap();
            (head == 210).then_some(())
        })
        .await;
        table::sound_feed(&world.pool).await;
    });
}
