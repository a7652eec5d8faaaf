//! Watches: a snapshot and every change after it, once each, in order, within the filter.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use peshub::client::connect::Connection;
use peshub::client::error::Refusal;
use peshub::client::sync::{SyncOptions, SyncSession};
use peshub::kernel::clock::{Clock as _, SystemClock};
use peshub::kernel::ids::Position;
use peshub::pb::peshub::common::v1::OccupationScheme;
use peshub::pb::peshub::feed::v1::EventKind;
use peshub::pb::peshub::postings::v1::watch_postings_response::Message;
use peshub::pb::peshub::postings::v1::{
    AcknowledgeWatchRequest, Posting, PostingEvent, PostingFilter, PostingState,
    WatchPostingsRequest, Workplace,
};
use peshub::platform::db::Db;
use peshub::platform::feed::cursor::{Cursor, CursorKey};
use peshub::platform::feed::{retention, store};
use tonic::Code;

use crate::support::author::Author;
use crate::support::postings::{
    close, division, in_any_state, in_division, occupation, posting, upsert,
};
use crate::support::sync::SyncStream;
use crate::support::table::Positioned;
use crate::support::watch::{Held, Watcher, id, record, refused, resuming, told, watching};
use crate::support::{Postings, World, story, table, until, within};

const NORTH: &str = "platform-north";
const SOUTH: &str = "platform-south";
const NATION: &str = "bureau-nation";

fn why(refusal: &Refusal) -> (Code, &str) {
    (refusal.code, refusal.reason.as_str())
}

fn kinds(events: &[PostingEvent]) -> Vec<String> {
    events.iter().map(told).collect()
}

/// Writes batches until told to stop, and returns the author and the highest position that was acknowledged.
async fn write(
    connection: Connection,
    source: &str,
    mut author: Author,
    stop: &AtomicBool,
) -> Author {
    let options = SyncOptions { source: source.to_owned(), ..SyncOptions::default() };
    let mut session = within("a lane", SyncSession::open(&connection, options)).await.unwrap();
    while !stop.load(Ordering::Relaxed) {
        let batch = author.batch(25);
        within("the batch", session.send(&batch)).await.unwrap();
        while session.received().is_some() {}
    }
    within("the last acknowledgements", session.finish()).await.unwrap();
    author
}

/// What a filter on a facet and a state lets through of what stood at a position.
async fn stood(world: &World, position: i64, facet: &str, closed: bool) -> Held {
    let all = table::at(&world.pool, position).await;
    let within = all.into_iter().filter(|(_, it)| {
        let is_open = it.record.state() == PostingState::Open;
        it.facets.iter().any(|token| token == facet) && (is_open || closed)
    });
    Held(within.map(|(name, it)| (name, it.record)).collect())
}

#[test]
fn a_snapshot_and_what_follows_are_the_table_at_every_bookmark() {
    story(async |world| {
        let (one, two) = (world.hub().await, world.hub().await);
        let stop = AtomicBool::new(false);
        let write_north = write(one.connect(NORTH).await, NORTH, Author::new(1, "n"), &stop);
        let write_south = write(two.connect(SOUTH).await, SOUTH, Author::new(2, "s"), &stop);
        let watch = async {
            let mut watches = Vec::new();
            for round in 0..6 {
                let hub = if round % 2 == 0 { &one } else { &two };
                let everything = Watched::start(&hub.postings(NATION).await, true).await;
                let hangzhou = Watched::start(&hub.postings(NATION).await, false).await;
                watches.push(("d:CN", true, everything));
                watches.push(("d:330100", false, hangzhou));
                // The next round begins when there is more to tell.
                let position = watches.last().unwrap().2.position;
                until("more changes", async || {
                    let head: i64 = sqlx::query_scalar("SELECT seq FROM feed_head")
                        .fetch_one(&world.pool)
                        .await
                        .unwrap();
                    (head > position + 100).then_some(())
                })
                .await;
            }
            stop.store(true, Ordering::Relaxed);
            watches
        };
        let (north, south, mut watches) = tokio::join!(write_north, write_south, watch);
        table::settled(&world.pool).await;
        let feed = table::sound_feed(&world.pool).await;
        let end = feed.last().unwrap().position;
        table::holds(&world.pool, &[(NORTH, &north.expected), (SOUTH, &south.expected)]).await;
        for (facet, closed, watched) in &mut watches {
            let ahead = watched.ahead(&feed);
            if watched.everything {
                let stood = stood(world, watched.position, facet, *closed).await;
                watched.is_what_stood(&stood, &ahead);
            }
            watched.go_on(end, &ahead).await;
            assert!(watched.position >= end);
            let stood = stood(world, end, facet, *closed).await;
            assert!(watched.held == stood, "{facet}: snapshot and changes are not the table");
        }
        assert!(end > 500, "too little was written to prove anything: {end}");
    });
}

/// A watch together with what its consumer holds.
struct Watched {
    watcher: Watcher,
    held: Held,
    position: i64,
    /// Whether it sees everything, so that its positions must be dense.
    everything: bool,
}

impl Watched {
    async fn start(client: &Postings, everything: bool) -> Self {
        let filter = if everything { in_any_state() } else { in_division("330100") };
        let mut watcher = Watcher::start(client, watching(filter)).await.unwrap();
        let (snapshot, bookmark) = watcher.snapshot().await;
        let mut held = Held::default();
        held.apply(&snapshot);
        Self { watcher, held, position: bookmark.position, everything }
    }

    /// Positions of changes that had none when the snapshot was taken, and were a part of it all the same.
    fn ahead(&self, feed: &[Positioned]) -> BTreeSet<i64> {
        let is_ahead = |event: &&Positioned| {
            let held = self.held.0.get(&format!("postings/{}", event.entity));
            event.position > self.position && held.is_some_and(|it| it.revision >= event.revision)
        };
        feed.iter().filter(is_ahead).map(|event| event.position).collect()
    }

    /// Holds a snapshot of everything against the table at its position.
    fn is_what_stood(&self, stood: &Held, ahead: &BTreeSet<i64>) {
        for (name, record) in &stood.0 {
            assert!(
                self.held.0[name].revision >= record.revision,
                "{name} is older than its position"
            );
        }
        let differ = self.held.0.iter().filter(|(name, it)| stood.0.get(*name) != Some(it)).count();
        assert!(differ <= ahead.len(), "a snapshot holds what it may not hold");
        assert!(!ahead.is_empty() || self.held == *stood);
    }

    async fn go_on(&mut self, end: i64, ahead: &BTreeSet<i64>) {
        let (events, bookmark) = self.watcher.up_to(end).await;
        let mut last = self.position;
        for event in &events {
            assert!(event.position > last, "positions rise");
            let passed = (last + 1..event.position).all(|position| ahead.contains(&position));
            assert!(
                !self.everything || passed,
                "nothing is missing that the snapshot did not have"
            );
            assert!(!ahead.contains(&event.position), "nothing comes twice");
            last = event.position;
        }
        assert!(last <= bookmark.position);
        self.held.apply(&events);
        self.position = bookmark.position;
    }
}

#[test]
fn a_posting_that_moves_through_a_filter_enters_changes_and_leaves_exactly_once() {
    story(async |world| {
        let hub = world.hub().await;
        let north = hub.connect(NORTH).await;
        let (mut stream, _) = SyncStream::open(&north, NORTH).await;
        let client = hub.postings(NATION).await;
        let mut by_place = Watcher::start(&client, watching(in_division("330100"))).await.unwrap();
        by_place.snapshot().await;
        let engineers = PostingFilter {
            occupations: vec![occupation(OccupationScheme::Isco08, "25")],
            ..PostingFilter::default()
        };
        let mut by_work = Watcher::start(&client, watching(engineers)).await.unwrap();
        by_work.snapshot().await;

        let at = |code: &str, title: &str, work: &str| {
            let mut posting = posting(title, code);
            posting.occupations = vec![occupation(OccupationScheme::Isco08, work)];
            upsert("p", posting)
        };
        let both = {
            let mut posting = posting("both", "330106");
            let division = Some(division("440300"));
            posting.workplaces.push(Workplace { division, ..Workplace::default() });
            posting
        };
        // What is sent, what it means in Hangzhou, and what it means for ISCO-08 25.
        let moves = [
            (at("440300", "outside", "5120"), "", ""),
            (at("330106", "moved in", "5120"), "ENTERED", ""),
            (at("330106", "edited", "2512"), "CHANGED", "ENTERED"),
            (at("330102", "within", "2513"), "CHANGED", "CHANGED"),
            (at("440300", "moved out", "2513"), "LEFT", "CHANGED"),
            (at("440300", "edited outside", "5120"), "", "LEFT"),
            (at("330106", "back", "5120"), "ENTERED", ""),
            (close("p"), "LEFT", ""),
            (at("330106", "back", "5120"), "ENTERED", ""),
            (upsert("p", both), "CHANGED", ""),
            (at("440300", "out again", "2512"), "LEFT", "ENTERED"),
            (close("p"), "", "LEFT"),
        ];
        let mut position = 0;
        for (id, (change, ..)) in (1..).zip(&moves) {
            position = stream.sync(id, std::slice::from_ref(change)).await.position;
        }
        let meant = |which: fn(&(_, &'static str, &'static str)) -> &'static str| -> Vec<String> {
            let meanings = moves.iter().map(which).filter(|meaning| !meaning.is_empty());
            meanings.map(|meaning| format!("{meaning} p")).collect()
        };
        let (events, _) = by_place.up_to(position).await;
        assert_eq!(kinds(&events), meant(|it| it.1));
        Held::default().apply(&events);
        for event in events.iter().filter(|event| event.kind() == EventKind::Left) {
            assert_eq!(record(event).posting, None, "who may no longer see it is not told more");
        }
        let last = record(&events[events.len() - 1]);
        assert_eq!((last.state(), last.revision), (PostingState::Open, 11));
        let (events, _) = by_work.up_to(position).await;
        assert_eq!(kinds(&events), meant(|it| it.2));
        Held::default().apply(&events);
    });
}

#[test]
fn a_watch_on_closed_postings_gets_their_content() {
    story(async |world| {
        let hub = world.hub().await;
        let (mut stream, _) = SyncStream::open(&hub.connect(NORTH).await, NORTH).await;
        let filter =
            PostingFilter { states: vec![PostingState::Closed.into()], ..PostingFilter::default() };
        let client = hub.postings(NATION).await;
        let mut watcher = Watcher::start(&client, watching(filter.clone())).await.unwrap();
        watcher.snapshot().await;
        stream.sync(1, &[upsert("p", posting("what it said", "330106"))]).await;
        let closed = stream.sync(2, &[close("p")]).await;
        let reopened = stream.sync(3, &[upsert("p", posting("again", "330106"))]).await;
        let (events, _) = watcher.up_to(reopened.position).await;
        assert_eq!(kinds(&events), ["ENTERED p", "LEFT p"]);
        let title = |record: &Posting| record.title.clone();
        let entered = record(&events[0]);
        assert_eq!(entered.posting.as_ref().map(title).as_deref(), Some("what it said"));
        assert_eq!(entered.state(), PostingState::Closed);
        assert_eq!(events[0].position, closed.position);
    });
}

#[test]
fn a_cursor_yields_exactly_what_came_after_it() {
    story(async |world| {
        let (one, two) = (world.hub().await, world.hub().await);
        let (mut stream, _) = SyncStream::open(&one.connect(NORTH).await, NORTH).await;
        let mut author = Author::new(3, "n");
        let mut position = 0;
        for id in 1..=6 {
            position = stream.sync(id, &author.batch(20)).await.position;
        }
        let client = one.postings(NATION).await;
        // From the very beginning: the cursor of an empty feed.
        let key: Vec<u8> = sqlx::query_scalar("SELECT value FROM hub_secret WHERE name = 'cursor'")
            .fetch_one(&world.pool)
            .await
            .unwrap();
        let epoch: uuid::Uuid =
            sqlx::query_scalar("SELECT epoch FROM feed_head").fetch_one(&world.pool).await.unwrap();
        let seal =
            |position| CursorKey::new(&key).seal(Cursor { epoch, position: Position(position) });
        let request = resuming(in_any_state(), &seal(0));
        let mut watcher = Watcher::start(&client, request).await.unwrap();
        let (all, _) = watcher.up_to(position).await;
        assert_eq!(
            all.iter().map(|it| it.position).collect::<Vec<_>>(),
            (1..=position).collect::<Vec<_>>()
        );
        for start in [0, 1, 57, all.len() - 1] {
            // Another replica takes the cursor as well, and the cursor of an event is the one of its position.
            let client = if start % 2 == 0 { &client } else { &two.postings(NATION).await };
            let cursor = &all[start].cursor;
            assert_eq!(*cursor, seal(all[start].position));
            let mut watcher =
                Watcher::start(client, resuming(in_any_state(), cursor)).await.unwrap();
            let (rest, bookmark) = watcher.up_to(position).await;
            assert_eq!(rest, all[start + 1..]);
            assert_eq!(bookmark.cursor, seal(bookmark.position));
        }
        // A position that the feed has not reached was made before it was rewound.
        let ahead = resuming(in_any_state(), &seal(position + 1_000));
        assert_eq!(why(&refused(&client, ahead).await), (Code::OutOfRange, "FEED_REWOUND"));
    });
}

#[test]
fn a_cursor_that_this_hub_did_not_make_is_refused() {
    story(async |world| {
        let hub = world.hub().await;
        let client = hub.postings(NATION).await;
        let mut watcher = Watcher::start(&client, watching(in_any_state())).await.unwrap();
        let (_, bookmark) = watcher.snapshot().await;
        let other = World::new().await;
        let elsewhere = other.hub().await.postings(NATION).await;
        let invalid = (Code::InvalidArgument, "CURSOR_INVALID");
        let request = resuming(in_any_state(), &bookmark.cursor);
        assert_eq!(why(&refused(&elsewhere, request.clone()).await), invalid);
        drop(elsewhere);
        other.end().await;
        for index in 0..bookmark.cursor.len() {
            let mut forged = bookmark.cursor.to_vec();
            forged[index] ^= 0x10;
            let request = WatchPostingsRequest { cursor: forged.into(), ..request.clone() };
            assert_eq!(why(&refused(&client, request).await), invalid, "byte {index}");
        }
        let long = WatchPostingsRequest { cursor: vec![1; 101].into(), ..request };
        assert_eq!(why(&refused(&client, long).await), (Code::InvalidArgument, "FIELDS_INVALID"));
    });
}

#[test]
fn a_restored_feed_ends_every_watch_and_a_new_snapshot_is_whole() {
    story(async |world| {
        let hub = world.hub().await;
        let (mut stream, _) = SyncStream::open(&hub.connect(NORTH).await, NORTH).await;
        let mut author = Author::new(4, "n");
        stream.sync(1, &author.batch(30)).await;
        let client = hub.postings(NATION).await;
        let mut running = Watcher::start(&client, watching(in_any_state())).await.unwrap();
        let (_, bookmark) = running.snapshot().await;

        let db = Db::open(world.options.clone(), 2);
        let mut sequencer = db.sequencer().await.unwrap();
        until("a new life of the feed", async || {
            // The pump may be at the same row.
            store::rebase(&mut sequencer).await.ok()
        })
        .await;
        db.close().await;

        let rewound = (Code::OutOfRange, "FEED_REWOUND");
        assert_eq!(why(&running.end().await.1), rewound);
        let request = resuming(in_any_state(), &bookmark.cursor);
        assert_eq!(why(&refused(&client, request).await), rewound);

        let mut anew = Watcher::start(&client, watching(in_any_state())).await.unwrap();
        let (snapshot, again) = anew.snapshot().await;
        assert_eq!(snapshot.len(), author.expected.len());
        let answer = stream.sync(2, &author.batch(10)).await;
        let (events, _) = anew.up_to(answer.position).await;
        let positions: Vec<i64> = events.iter().map(|event| event.position).collect();
        assert_eq!(positions, (again.position + 1..=again.position + 10).collect::<Vec<_>>());
        table::sound_feed(&world.pool).await;
    });
}

#[test]
fn a_cursor_older_than_what_is_kept_has_expired_and_no_content_is_lost() {
    story(async |world| {
        let hub = world.hub().await;
        let (mut stream, _) = SyncStream::open(&hub.connect(NORTH).await, NORTH).await;
        stream
            .sync(
                1,
                &[upsert("old", posting("kept", "330106")), upsert("gone", posting("x", "330106"))],
            )
            .await;
        stream.sync(2, &[close("gone")]).await;
        let client = hub.postings(NATION).await;
        let mut watcher = Watcher::start(&client, watching(in_any_state())).await.unwrap();
        let (_, old) = watcher.snapshot().await;
        drop(watcher);
        // The log goes on in its next partition, and the first one is dropped.
        sqlx::raw_sql(
            "SELECT setval('change_log_id_seq', 4194304 + 5); SELECT change_log_extend(4194304)",
        )
        .execute(&world.pool)
        .await
        .unwrap();
        let new = stream.sync(3, &[upsert("new", posting("new", "330106"))]).await;
        let mut watcher = Watcher::start(&client, watching(in_any_state())).await.unwrap();
        let (before, kept) = watcher.snapshot().await;
        drop(watcher);
        assert_eq!(kept.position, new.position);
        until("the end of the first partition", async || {
            // It gives up when readers are in its way.
            let mut connection = world.pool.acquire().await.unwrap();
            let later = SystemClock.now() + Duration::from_hours(1);
            retention::drop_before(&mut connection, later).await.ok()?;
            let oldest: i64 = sqlx::query_scalar("SELECT oldest_seq FROM feed_head")
                .fetch_one(&world.pool)
                .await
                .unwrap();
            (oldest == new.position).then_some(())
        })
        .await;

        let expired = (Code::OutOfRange, "CURSOR_EXPIRED");
        let too_old = CursorOf { world, position: old.position - 1 }.seal().await;
        let request = resuming(in_any_state(), &too_old);
        assert_eq!(why(&refused(&client, request).await), expired);
        // What comes next after this one is there still.
        let mut resumed =
            Watcher::start(&client, resuming(in_any_state(), &old.cursor)).await.unwrap();
        assert_eq!(kinds(&resumed.up_to(new.position).await.0), ["ENTERED new"]);

        let mut watcher = Watcher::start(&client, watching(in_any_state())).await.unwrap();
        let (after, _) = watcher.snapshot().await;
        let sorted = |events: &[PostingEvent]| -> BTreeMap<String, _> {
            events.iter().map(|event| (id(event), event.record.clone())).collect()
        };
        assert_eq!(sorted(&after), sorted(&before));
        // A posting whose content was moved can be closed, opened and edited as any other.
        stream.sync(4, &[close("old")]).await;
        let closed = watcher.events(1).await;
        assert_eq!(record(&closed[0]).posting.as_ref().unwrap().title, "kept");
        stream.sync(5, &[upsert("old", posting("kept", "330106"))]).await;
        stream.sync(6, &[upsert("gone", posting("edited", "330106"))]).await;
        let opened = watcher.events(2).await;
        assert_eq!(record(&opened[0]).posting.as_ref().unwrap().title, "kept");
        assert_eq!(record(&opened[1]).posting.as_ref().unwrap().title, "edited");
    });
}

/// A cursor that the hub could have made.
struct CursorOf<'a> {
    world: &'a World,
    position: i64,
}

impl CursorOf<'_> {
    async fn seal(&self) -> bytes::Bytes {
        let pool = &self.world.pool;
        let key: Vec<u8> = sqlx::query_scalar("SELECT value FROM hub_secret WHERE name = 'cursor'")
            .fetch_one(pool)
            .await
            .unwrap();
        let epoch =
            sqlx::query_scalar("SELECT epoch FROM feed_head").fetch_one(pool).await.unwrap();
        CursorKey::new(&key).seal(Cursor { epoch, position: Position(self.position) })
    }
}

#[test]
fn a_named_consumer_goes_on_where_it_acknowledged() {
    story(async |world| {
        let hub = world.hub().await;
        let (mut stream, _) = SyncStream::open(&hub.connect(NORTH).await, NORTH).await;
        let mut client = hub.postings(NATION).await;
        let named = |name: &str| WatchPostingsRequest {
            consumer: name.to_owned(),
            ..watching(in_any_state())
        };
        let mut watcher = Watcher::start(&client, named("console")).await.unwrap();
        watcher.snapshot().await;
        let answer = stream.sync(1, &Author::new(5, "n").batch(10)).await;
        let (events, _) = watcher.up_to(answer.position).await;
        drop(watcher);
        let mut acknowledge = async |cursor: &bytes::Bytes| {
            let request = AcknowledgeWatchRequest {
                consumer: "console".to_owned(),
                cursor: cursor.clone(),
                ..Default::default()
            };
            let answer = client.acknowledge_watch(request).await;
            answer.map(|it| it.into_inner().position).map_err(|status| Refusal::of(&status))
        };
        assert_eq!(acknowledge(&events[5].cursor).await, Ok(events[5].position));
        assert_eq!(acknowledge(&events[2].cursor).await, Ok(events[5].position), "never back");
        let mut forged = events[7].cursor.to_vec();
        forged[20] ^= 1;
        let refusal = acknowledge(&forged.into()).await.unwrap_err();
        assert_eq!(why(&refusal), (Code::InvalidArgument, "CURSOR_INVALID"));

        let client = hub.postings(NATION).await;
        let mut resumed = Watcher::start(&client, named("console")).await.unwrap();
        let (rest, _) = resumed.up_to(answer.position).await;
        assert_eq!(rest, events[6..]);
        // Another name, and the same name of somebody else, begin at the beginning.
        for (who, name) in [(NATION, "other"), ("bureau-zhejiang", "console")] {
            let client = hub.postings(who).await;
            let mut watcher = Watcher::start(&client, named(name)).await.unwrap();
            watcher.snapshot().await;
        }
        let shouted = refused(&client, named("CONSOLE")).await;
        assert_eq!(why(&shouted), (Code::InvalidArgument, "FIELDS_INVALID"));
    });
}

#[test]
fn a_reader_that_falls_behind_is_served_from_storage_and_loses_nothing() {
    story(async |world| {
        let hub = world.hub().await;
        let (mut stream, _) = SyncStream::open(&hub.connect(NORTH).await, NORTH).await;
        let client = hub.postings(NATION).await;
        let request = WatchPostingsRequest { skip_snapshot: true, ..watching(in_any_state()) };
        let mut slow = Watcher::start(&client, request).await.unwrap();
        // More than the tail keeps (32 MiB) beyond what waits in queues and windows, while nobody reads.
        let text = "x".repeat(20_000);
        let mut last = 0;
        for id in 1..=14 {
            let long = |n| {
                let posting = Posting { description: text.clone(), ..posting("long", "330106") };
                upsert(&format!("{id}-{n}"), posting)
            };
            let batch: Vec<_> = (0..180).map(long).collect();
            last = stream.sync(id, &batch).await.position;
        }
        let events = slow.events(14 * 180).await;
        let positions: Vec<i64> = events.iter().map(|event| event.position).collect();
        assert_eq!(positions, (1..=last).collect::<Vec<_>>());
        for event in &events {
            assert_eq!(record(event).posting.as_ref().unwrap().description.len(), text.len());
        }
    });
}

#[test]
fn bookmarks_come_while_nothing_happens_and_reach_what_was_acknowledged() {
    story(async |world| {
        let hub = world.hub().await;
        let (mut stream, _) = SyncStream::open(&hub.connect(NORTH).await, NORTH).await;
        // This filter lets nothing through: positions go on all the same.
        let client = hub.postings(NATION).await;
        let mut watcher = Watcher::start(&client, watching(in_division("440300"))).await.unwrap();
        watcher.snapshot().await;
        let answer = stream.sync(1, &[upsert("p", posting("p", "330106"))]).await;
        let (events, bookmark) = watcher.up_to(answer.position).await;
        assert_eq!(events, []);
        for _ in 0..2 {
            let (events, next) = watcher.until(|_| true).await;
            assert_eq!((events.len(), next.position), (0, bookmark.position));
            assert!(!next.snapshot_complete && !next.closing);
            assert!(next.at.unwrap().seconds >= bookmark.at.unwrap().seconds);
        }
    });
}

#[test]
fn a_watch_without_a_snapshot_begins_at_the_end_of_the_feed() {
    story(async |world| {
        let hub = world.hub().await;
        let (mut stream, _) = SyncStream::open(&hub.connect(NORTH).await, NORTH).await;
        let before = stream.sync(1, &Author::new(6, "n").batch(10)).await;
        let client = hub.postings(NATION).await;
        let request = WatchPostingsRequest { skip_snapshot: true, ..watching(in_any_state()) };
        let mut watcher = Watcher::start(&client, request).await.unwrap();
        let Ok(Message::Bookmark(first)) = watcher.next().await else { panic!("no bookmark") };
        assert_eq!((first.position, first.snapshot_complete), (before.position, false));
        let after = stream.sync(2, &[upsert("p", posting("p", "330106"))]).await;
        let (events, _) = watcher.up_to(after.position).await;
        assert_eq!(kinds(&events), ["ENTERED p"]);
    });
}

#[test]
fn a_hub_that_stops_ends_its_watches_with_a_last_bookmark() {
    story(async |world| {
        let (one, two) = (world.hub().await, world.hub().await);
        let (mut stream, _) = SyncStream::open(&two.connect(NORTH).await, NORTH).await;
        let client = one.postings(NATION).await;
        let mut watcher = Watcher::start(&client, watching(in_any_state())).await.unwrap();
        watcher.snapshot().await;
        let mut author = Author::new(7, "n");
        stream.sync(1, &author.batch(30)).await;
        let events = watcher.events(30).await;
        world.stop(&one).await;
        let (bookmarks, refusal) = watcher.end().await;
        assert_eq!(why(&refusal), (Code::Unavailable, "SHUTTING_DOWN"));
        assert!(refusal.retry_after.is_some());
        let last = bookmarks.last().unwrap();
        assert!(last.closing);
        assert_eq!(last.position, events[29].position);
        assert_eq!(last.cursor, events[29].cursor);
        // The other replica goes on from there.
        stream.sync(2, &author.batch(5)).await;
        let client = two.postings(NATION).await;
        let mut resumed =
            Watcher::start(&client, resuming(in_any_state(), &last.cursor)).await.unwrap();
        let positions = resumed.events(5).await.iter().map(|it| it.position).collect::<Vec<_>>();
        assert_eq!(positions, (last.position + 1..=last.position + 5).collect::<Vec<_>>());
    });
}

#[test]
fn a_hub_stops_even_if_a_reader_reads_nothing() {
    story(async |world| {
        let hub = world.hub().await;
        let (mut stream, _) = SyncStream::open(&hub.connect(NORTH).await, NORTH).await;
        let text = "x".repeat(40_000);
        for id in 1..=8 {
            let long = |n| {
                let posting = Posting { description: text.clone(), ..posting("long", "330106") };
                upsert(&format!("{id}-{n}"), posting)
            };
            stream.sync(id, &(0..90).map(long).collect::<Vec<_>>()).await;
        }
        let client = hub.postings(NATION).await;
        let _reads_nothing = Watcher::start(&client, watching(in_any_state())).await.unwrap();
        world.stop(&hub).await;
    });
}
