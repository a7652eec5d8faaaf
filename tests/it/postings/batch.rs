//! Batches without a stream: safe to repeat, and whole even when the caller goes away.

use std::collections::BTreeMap;
use std::time::Duration;

use peshub::client::connect::Connection;
use peshub::client::error::Refusal;
use peshub::pb::peshub::postings::v1::{
    BatchAcknowledgement, BatchUpsertPostingsRequest, ListPostingsRequest, PostingChange,
    WatchPostingsRequest,
};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::support::postings::{close, in_any_state, posting, upsert};
use crate::support::sync::{counts, verdicts};
use crate::support::{Postings, story, table, until, within};

const NORTH: &str = "platform-north";

fn batch(request_id: &str, changes: &[PostingChange]) -> BatchUpsertPostingsRequest {
    BatchUpsertPostingsRequest {
        source: NORTH.to_owned(),
        changes: changes.to_vec(),
        request_id: request_id.to_owned(),
        validate_only: false,
    }
}

async fn send(client: &Postings, request: BatchUpsertPostingsRequest) -> BatchAcknowledgement {
    let called = within("an answer", client.clone().batch_upsert_postings(request)).await;
    called.unwrap().into_inner().acknowledgement.unwrap()
}

async fn refused(client: &Postings, request: BatchUpsertPostingsRequest) -> String {
    let called = within("an answer", client.clone().batch_upsert_postings(request)).await;
    Refusal::of(&called.unwrap_err()).reason
}

#[test]
fn a_request_that_comes_again_gets_its_first_answer_and_has_no_effect() {
    story(async |world| {
        let (hub, other) = (world.hub().await, world.hub().await);
        let client = hub.postings(NORTH).await;
        let changes = [
            upsert("a", posting("A", "330106")),
            upsert("b", posting("B", "no-such")),
            close("unknown"),
        ];
        let first = send(&client, batch("r1", &changes)).await;
        assert_eq!((counts(&first), first.replayed), ([1, 0, 0, 0, 0, 2], false));
        assert!(first.position > 0);
        let before = table::sizes(&world.pool).await;
        // Another posting moves the feed on, and the same posting changes; the answer stays what it was.
        send(&client, batch("r2", &[upsert("a", posting("A2", "330106"))])).await;
        let between = table::sizes(&world.pool).await;
        let again = send(&client, batch("r1", &changes)).await;
        assert_eq!(between, table::sizes(&world.pool).await, "the repetition wrote something");
        assert!(before["change_log"] < between["change_log"]);
        assert!(again.replayed);
        assert_eq!(again.receipt, first.receipt);
        assert_eq!(verdicts(&again), verdicts(&first));
        assert_eq!(counts(&again), counts(&first));
        assert!(again.position >= first.position);
        // Another hub over the same database knows as much.
        assert!(send(&other.postings(NORTH).await, batch("r1", &changes)).await.replayed);
        assert_eq!(between, table::sizes(&world.pool).await);
        // Without an id, every call counts.
        let loose = batch("", &[upsert("c", posting("C", "330106"))]);
        assert_eq!(counts(&send(&client, loose.clone()).await), [1, 0, 0, 0, 0, 0]);
        assert_eq!(counts(&send(&client, loose).await), [0, 0, 1, 0, 0, 0]);
    });
}

#[test]
fn a_request_id_belongs_to_its_body_and_to_its_caller() {
    story(async |world| {
        let hub = world.hub().await;
        let client = hub.postings(NORTH).await;
        let (one, two) = (upsert("a", posting("A", "330106")), upsert("b", posting("B", "330106")));
        send(&client, batch("r", &[one.clone(), two.clone()])).await;
        let before = table::sizes(&world.pool).await;
        for changes in [vec![one.clone()], vec![two.clone(), one.clone()], vec![one.clone(); 3]] {
            assert_eq!(refused(&client, batch("r", &changes)).await, "REQUEST_ID_REUSED");
        }
        assert_eq!(before, table::sizes(&world.pool).await);
        let south = hub.postings("platform-south").await;
        let request = BatchUpsertPostingsRequest {
            source: "platform-south".to_owned(),
            ..batch("r", &[two])
        };
        let answer = send(&south, request).await;
        assert_eq!((answer.created, answer.replayed), (1, false));
    });
}

#[test]
fn a_request_id_belongs_to_its_source() {
    story(async |world| {
        let hub = world.hub().await;
        let connection = hub.connect(NORTH).await;
        let request = peshub::pb::peshub::participants::v1::CreateSourceRequest {
            name: "north-too".to_owned(),
        };
        connection.participants().create_source(request).await.unwrap();
        let client = connection.postings();
        let changes = [upsert("a", posting("A", "330106"))];
        send(&client, batch("r", &changes)).await;
        let other =
            BatchUpsertPostingsRequest { source: "north-too".to_owned(), ..batch("r", &changes) };
        assert_eq!(refused(&client, other).await, "REQUEST_ID_REUSED");
    });
}

#[test]
fn one_request_sent_many_times_at_once_has_one_effect() {
    story(async |world| {
        let hubs = [world.hub().await, world.hub().await];
        let changes = [upsert("a", posting("A", "330106")), upsert("b", posting("B", "440305"))];
        let mut clients = Vec::new();
        for hub in hubs.iter().cycle().take(16) {
            clients.push(hub.postings(NORTH).await);
        }
        let calls = clients.iter().map(|client| send(client, batch("r", &changes)));
        let answers = futures_util::future::join_all(calls).await;
        let fresh = answers.iter().filter(|answer| !answer.replayed).count();
        assert_eq!(fresh, 1);
        let receipt = answers[0].receipt.clone();
        assert!(answers.iter().all(|answer| answer.created == 2 && answer.receipt == receipt));
        let sizes = table::sizes(&world.pool).await;
        assert_eq!((sizes["posting"], sizes["change_log"], sizes["replay"]), (2, 2, 1));
    });
}

#[test]
fn a_batch_that_is_only_to_be_checked_leaves_nothing_behind() {
    story(async |world| {
        let hub = world.hub().await;
        let client = hub.postings(NORTH).await;
        send(&client, batch("", &[upsert("a", posting("A", "330106"))])).await;
        let changes = [
            upsert("a", posting("A2", "330106")),
            upsert("b", posting("B", "330106")),
            upsert("c", posting("C", "no-such")),
            close("a"),
        ];
        let before = table::sizes(&world.pool).await;
        let check = BatchUpsertPostingsRequest { validate_only: true, ..batch("v", &changes) };
        let checked = send(&client, check).await;
        assert_eq!(before, table::sizes(&world.pool).await);
        assert!(checked.validate_only && checked.position == 0);
        // The id was not used up, and the verdicts are those of the real thing.
        let stored = send(&client, batch("v", &changes)).await;
        assert!(!stored.replayed && !stored.validate_only);
        assert_eq!(verdicts(&checked), verdicts(&stored));
        assert_eq!(counts(&checked), counts(&stored));
    });
}

/// How many calls are given up.
const CANCELLED: usize = 320;

/// Calls and gives up after a while; the answer if it came before.
async fn impatient<T>(patience: Duration, call: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(patience, call).await.ok()
}

/// Reads of every kind that are given up at random.
async fn cancel_reads(connection: &Connection, rng: &mut StdRng) {
    let (mut client, patience) =
        (connection.postings(), Duration::from_micros(rng.random_range(50..6_000)));
    let list =
        ListPostingsRequest { filter: Some(in_any_state()), ..ListPostingsRequest::default() };
    if rng.random_range(0..2) == 0 {
        drop(impatient(patience, client.list_postings(list)).await);
    } else {
        let request = WatchPostingsRequest {
            filter: Some(in_any_state()),
            ..WatchPostingsRequest::default()
        };
        let watch = async { client.watch_postings(request).await?.into_inner().message().await };
        drop(impatient(patience, watch).await);
    }
}

#[test]
fn calls_that_are_given_up_midway_lose_nothing_and_repeat_nothing() {
    story(async |world| {
        let hub = world.hub().await;
        let mut rng = StdRng::seed_from_u64(4393);
        let connection = hub.connect(NORTH).await;
        let reader = hub.connect("bureau-nation").await;
        let (mut requests, mut acknowledged) = (BTreeMap::new(), BTreeMap::new());
        let mut given_up = 0;
        for round in 0.. {
            if given_up >= CANCELLED {
                break;
            }

            let id = format!("r{round:05}");
            let changes = [
                upsert(&format!("{id}-a"), posting(&id, "330106")),
                upsert(&format!("{id}-b"), posting(&id, "440305")),
            ];
            let request = batch(&id, &changes);
            requests.insert(id.clone(), request.clone());
            // Half are given up before the batch can be stored, the others around its commit or after it.
            let longest = if round % 2 == 0 { 4_000 } else { 20_000 };
            let patience = Duration::from_micros(rng.random_range(50..longest));
            let mut client = connection.postings();
            match impatient(patience, client.batch_upsert_postings(request)).await {
                Some(answer) => {
                    let answer = answer.expect("no failure other than our own impatience");
                    acknowledged.insert(id, answer.into_inner().acknowledgement.unwrap());
                }
                None => given_up += 1,
            }
            cancel_reads(&reader, &mut rng).await;
        }
        // What was acknowledged is there while the rest is still settling.
        let mut db = world.pool.acquire().await.unwrap();
        let stored = table::postings(&mut db).await;
        let stored: Vec<_> =
            stored.into_values().map(|record| record.key.unwrap().external_id).collect();
        for id in acknowledged.keys() {
            for suffix in ["a", "b"] {
                let external_id = format!("{id}-{suffix}");
                assert!(
                    stored.contains(&external_id),
                    "{external_id} was acknowledged and is lost"
                );
            }
        }
        drop(db);
        let mut late = 0;
        let client = connection.postings();
        let all: Vec<_> = requests.iter().collect();
        for some in all.chunks(40) {
            let calls = some.iter().map(|(_, request)| send(&client, (*request).clone()));
            let answers = futures_util::future::join_all(calls).await;
            for ((id, _), again) in some.iter().zip(answers) {
                assert_eq!(counts(&again), [2, 0, 0, 0, 0, 0], "{id}");
                match acknowledged.get(*id) {
                    Some(first) => {
                        assert!(again.replayed && again.receipt == first.receipt, "{id}");
                    }
                    None => late += i32::from(again.replayed),
                }
            }
        }
        eprintln!(
            "{} acknowledged, {given_up} given up, {late} of them stored",
            acknowledged.len()
        );
        assert!(
            late > 0 && !acknowledged.is_empty(),
            "nothing was given up at an interesting point"
        );
        let mut db = world.pool.acquire().await.unwrap();
        for record in table::postings(&mut db).await.values() {
            assert_eq!(record.revision, 1, "{:?} has had two effects", record.key);
        }
        let sizes = table::sizes(&world.pool).await;
        let count = requests.len() as i64;
        assert_eq!((sizes["posting"], sizes["change_log"]), (2 * count, 2 * count));
        assert_eq!(sizes["replay"], count);
        let audited: i64 =
            sqlx::query_scalar("SELECT count(*) FROM audit WHERE event = 'postings.synced'")
                .fetch_one(&mut *db)
                .await
                .unwrap();
        assert_eq!(audited, count, "one record of each request");
        table::settled(&world.pool).await;
        table::sound_feed(&world.pool).await;
        // No connection of the hub is stuck in a transaction.
        until("the end of every transaction", async || {
            let open: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM pg_stat_activity
                 WHERE datname = current_database() AND state LIKE 'idle in transaction%'",
            )
            .fetch_one(&world.pool)
            .await
            .unwrap();
            (open == 0).then_some(())
        })
        .await;
    });
}
