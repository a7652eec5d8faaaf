//! Batches without a stream: repeated safely, and not lost whoever hangs up when.

use std::collections::BTreeSet;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use peshub::client::error::Refusal;
use peshub::pb::peshub::postings::v1::{
    BatchAcknowledgement, BatchUpsertPostingsRequest, PostingChange,
};
use peshub::platform::db::Db;
use peshub::platform::permit::Permit;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use sqlx::postgres::{PgPool, PgPoolOptions};
use tonic::Code;

use crate::support::postings::{close, posting, upsert};
use crate::support::sync::{SyncStream, counts, verdicts};
use crate::support::{Postings, story, table, within};

const NORTH: &str = "platform-north";

fn batch(request_id: &str, changes: Vec<PostingChange>) -> BatchUpsertPostingsRequest {
    BatchUpsertPostingsRequest {
        source: NORTH.to_owned(),
        changes,
        request_id: request_id.to_owned(),
        validate_only: false,
    }
}

async fn sent(
    client: &Postings,
    request: BatchUpsertPostingsRequest,
) -> Result<BatchAcknowledgement, Refusal> {
    let answer = within("an answer", client.clone().batch_upsert_postings(request)).await;
    let answer = answer.map_err(|status| Refusal::of(&status))?.into_inner();
    Ok(answer.acknowledgement.expect("an acknowledgement"))
}

fn why(refusal: &Refusal) -> (Code, &str) {
    (refusal.code, refusal.reason.as_str())
}

#[test]
fn a_request_id_has_one_effect_and_one_answer() {
    story(async |world| {
        let (one, two) = (world.hub().await, world.hub().await);
        let client = one.postings(NORTH).await;
        let changes =
            vec![upsert("a", posting("one", "330106")), upsert("b", posting("", "330106"))];
        let first = sent(&client, batch("r1", changes.clone())).await.unwrap();
        assert_eq!((first.batch_id, counts(&first)), (0, [1, 0, 0, 0, 0, 1]));
        assert_eq!(verdicts(&first), ["1 b REJECTED upsert.title REQUIRED"]);
        assert!(first.position > 0);
        sent(&client, batch("r2", vec![upsert("a", posting("two", "330106"))])).await.unwrap();
        let before = table::sizes(&world.pool).await;
        for client in [&client, &two.postings(NORTH).await] {
            let again = sent(client, batch("r1", changes.clone())).await.unwrap();
            assert!(again.replayed && again.position >= first.position);
            let position = first.position;
            assert_eq!(BatchAcknowledgement { replayed: false, position, ..again }, first);
        }
        assert_eq!(table::sizes(&world.pool).await, before);

        let other = sent(&client, batch("r1", vec![close("a")])).await.unwrap_err();
        assert_eq!(why(&other), (Code::AlreadyExists, "REQUEST_ID_REUSED"));
        // Somebody else's ids are another matter, and no id at all is no promise.
        let south = BatchUpsertPostingsRequest {
            source: "platform-south".to_owned(),
            ..batch("r1", vec![upsert("a", posting("south", "330106"))])
        };
        let south = sent(&one.postings("platform-south").await, south).await.unwrap();
        assert_eq!(counts(&south)[0], 1);
        for title in ["three", "four"] {
            let request = batch("", vec![upsert("a", posting(title, "330106"))]);
            assert_eq!(counts(&sent(&client, request).await.unwrap()), [0, 1, 0, 0, 0, 0]);
        }
        table::settled(&world.pool).await;
        table::sound_feed(&world.pool).await;
    });
}

#[test]
fn calls_with_one_request_id_at_the_same_time_have_one_effect() {
    story(async |world| {
        let (one, two) = (world.hub().await, world.hub().await);
        let (a, b) = (one.postings(NORTH).await, two.postings(NORTH).await);
        for round in 0..20 {
            let changes = vec![upsert("a", posting(&format!("{round}"), "330106"))];
            let request = batch(&format!("r{round}"), changes);
            let (a, b, c) = tokio::join!(
                sent(&a, request.clone()),
                sent(&b, request.clone()),
                sent(&a, request.clone())
            );
            let answers = [a.unwrap(), b.unwrap(), c.unwrap()];
            assert_eq!(answers.iter().filter(|it| !it.replayed).count(), 1);
        }
        assert_eq!(table::changes(&world.pool).await, 20);
    });
}

#[test]
fn validate_only_stores_nothing_and_a_batch_has_limits() {
    story(async |world| {
        let hub = world.hub().await;
        let client = hub.postings(NORTH).await;
        sent(&client, batch("r1", vec![upsert("a", posting("one", "330106"))])).await.unwrap();
        let before = table::sizes(&world.pool).await;
        let changes = vec![
            upsert("a", posting("two", "330106")),
            upsert("n", posting("new", "330104")),
            close("x"),
        ];
        let checking = BatchUpsertPostingsRequest { validate_only: true, ..batch("r9", changes) };
        let answer = sent(&client, checking).await.unwrap();
        assert!(answer.validate_only);
        assert_eq!((answer.position, counts(&answer)), (0, [1, 1, 0, 0, 0, 1]));
        let many: Vec<_> =
            (0..1_001).map(|n| upsert(&format!("{n}"), posting("many", "330106"))).collect();
        let refusal = sent(&client, batch("r3", many)).await.unwrap_err();
        assert_eq!(why(&refusal), (Code::ResourceExhausted, "BATCH_TOO_LARGE"));
        for id in ["x".repeat(65), "two words".to_owned(), "ü".to_owned()] {
            let refusal = sent(&client, batch(&id, Vec::new())).await.unwrap_err();
            assert_eq!(why(&refusal), (Code::InvalidArgument, "FIELDS_INVALID"));
            assert_eq!(refusal.violations[0].field, "request_id");
        }
        for source in ["platform-south", "nowhere"] {
            let source = source.to_owned();
            let request = BatchUpsertPostingsRequest { source, ..batch("r4", vec![close("a")]) };
            let refusal = sent(&client, request).await.unwrap_err();
            assert_eq!(why(&refusal), (Code::NotFound, "SOURCE_NOT_FOUND"));
        }
        assert_eq!(table::sizes(&world.pool).await, before);
    });
}

#[test]
fn batches_without_a_stream_and_a_stream_run_beside_each_other() {
    story(async |world| {
        let hub = world.hub().await;
        let client = hub.postings(NORTH).await;
        let (mut stream, _) = SyncStream::open(&hub.connect(NORTH).await, NORTH).await;
        stream.sync(1, &[upsert("a", posting("one", "330106"))]).await;
        sent(&client, batch("", vec![upsert("a", posting("two", "330106"))])).await.unwrap();
        let third = stream.sync(2, &[upsert("a", posting("three", "330106"))]).await;
        assert_eq!((third.batch_id, counts(&third)), (2, [0, 1, 0, 0, 0, 0]));
    });
}

#[test]
fn a_caller_that_hangs_up_at_any_moment_loses_nothing_that_was_acknowledged() {
    story(async |world| {
        const CALLS: usize = 400;
        let hub = world.hub().await;
        let client = hub.postings(NORTH).await;
        let mut rng = StdRng::seed_from_u64(4_393);
        let request = |n: usize| {
            batch(&format!("r{n}"), vec![upsert(&format!("p{n:03}"), posting("once", "330106"))])
        };
        let (mut acknowledged, mut patience_max) = (BTreeSet::new(), 20_000);
        for from in (0..CALLS).step_by(4) {
            let call = |n: usize, patience: u64| {
                let mut client = client.clone();
                async move {
                    let call = client.batch_upsert_postings(request(n));
                    let answer = tokio::time::timeout(Duration::from_micros(patience), call).await;
                    answer.ok().map(|answer| answer.map(|_| n).expect("an answer that is no error"))
                }
            };
            let mut patience = || rng.random_range(0..patience_max);
            let answers = tokio::join!(
                call(from, patience()),
                call(from + 1, patience()),
                call(from + 2, patience()),
                call(from + 3, patience()),
            );
            let answers = [answers.0, answers.1, answers.2, answers.3];
            // However fast the machine is: about half of the calls should be heard out.
            patience_max = match answers.iter().flatten().count() {
                0 | 1 => patience_max * 5 / 4 + 4,
                2 => patience_max,
                _ => patience_max * 4 / 5 + 4,
            };
            acknowledged.extend(answers.into_iter().flatten());
        }
        let is_telling = acknowledged.len() > CALLS / 10 && acknowledged.len() < CALLS * 9 / 10;
        assert!(is_telling, "{} of {CALLS} were acknowledged", acknowledged.len());
        let stored: Vec<String> = sqlx::query_scalar("SELECT external_id FROM posting")
            .fetch_all(&world.pool)
            .await
            .unwrap();
        let stored: BTreeSet<String> = stored.into_iter().collect();
        for n in &acknowledged {
            assert!(stored.contains(&format!("p{n:03}")), "call {n} was acknowledged and is lost");
        }
        // Whoever did not learn the outcome asks again with the same id.
        for n in 0..CALLS {
            let answer = sent(&client, request(n)).await.unwrap();
            assert_eq!(counts(&answer), [1, 0, 0, 0, 0, 0], "call {n}");
            assert!(answer.replayed || !acknowledged.contains(&n));
        }
        assert_eq!(table::changes(&world.pool).await, CALLS as i64);
        table::settled(&world.pool).await;
        table::sound_feed(&world.pool).await;
    });
}

/// Drops a future after it was polled a number of times.
async fn abandoned<F: Future>(future: F, polls: usize) {
    let mut future = pin!(future);
    for _ in 0..polls {
        let ready =
            std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await;
        if ready.is_ready() {
            return;
        }
        tokio::time::sleep(Duration::from_micros(200)).await;
    }
}

#[test]
fn a_transaction_that_is_abandoned_while_it_begins_does_not_swallow_the_next_write() {
    story(async |world| {
        const ROUNDS: i32 = 400;
        let insert = "INSERT INTO canary VALUES ($1)";
        sqlx::raw_sql("CREATE TABLE canary (n integer)").execute(&world.pool).await.unwrap();
        let permit = Permit::of_hub();
        // With one connection the next borrower gets the very one that was abandoned.
        let db = Db::open(world.options.clone(), 1);
        for round in 0..ROUNDS {
            abandoned(db.write(&permit), round as usize % 5).await;
            let mut tx = db.read(&permit).await.unwrap();
            sqlx::query(insert).bind(round).execute(tx.connection()).await.unwrap();
        }
        db.close().await;
        assert_eq!(canaries(&world.pool).await, i64::from(ROUNDS), "acknowledged writes are lost");

        // Without the hook of the pool they are lost, so this story would notice.
        sqlx::raw_sql("TRUNCATE canary").execute(&world.pool).await.unwrap();
        let bare = PgPoolOptions::new().max_connections(1).connect_lazy_with(world.options.clone());
        for round in 0..ROUNDS {
            abandoned(bare.begin(), round as usize % 5).await;
            sqlx::query(insert).bind(round).execute(&bare).await.unwrap();
        }
        bare.close().await;
        assert!(canaries(&world.pool).await < i64::from(ROUNDS), "sqlx is mended: drop the hook");
    });
}

async fn canaries(pool: &PgPool) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM canary").fetch_one(pool).await.unwrap()
}

#[test]
fn a_request_id_belongs_to_its_source() {
    story(async |world| {
        let hub = world.hub().await;
        let connection = hub.connect(NORTH).await;
        let request = peshub::pb::peshub::participants::v1::CreateSourceRequest {
            name: "north-too".to_owned(),
            ..Default::default()
        };
        connection.participants().create_source(request).await.unwrap();
        let client = connection.postings();
        let changes = vec![upsert("a", posting("A", "330106"))];
        sent(&client, batch("r", changes.clone())).await.unwrap();
        let other =
            BatchUpsertPostingsRequest { source: "north-too".to_owned(), ..batch("r", changes) };
        let refusal = sent(&client, other).await.unwrap_err();
        assert_eq!(why(&refusal), (Code::AlreadyExists, "REQUEST_ID_REUSED"));
    });
}
