//! How rows get their places: by several sealers at once, beside writers, and past sealers that die.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use peshub::platform::audit::seal::SealError;
use sqlx::Connection as _;

use crate::audit::{Bare, export, record, sealed, send, verified};
use crate::support::{story, until};

/// Rows, places and what waits.
async fn counts(pool: &sqlx::PgPool) -> (i64, i64, i64, i64) {
    sqlx::query_as(
        "SELECT (SELECT count(*) FROM audit), (SELECT count(*) FROM audit_link),
                (SELECT coalesce(max(seq), 0) FROM audit_link), (SELECT count(*) FROM audit_pending)",
    )
    .fetch_one(pool)
    .await
    .unwrap()
}

#[test]
fn sealers_at_once_beside_writers_lose_nothing_and_seal_nothing_twice() {
    story(async |world| {
        let bare = Arc::new(Bare::new(world));
        let done = Arc::new(AtomicBool::new(false));
        let mut sealers = Vec::new();
        for _ in 0..3 {
            let (sealer, done) = (bare.sealer(), Arc::clone(&done));
            sealers.push(tokio::spawn(async move {
                while !done.load(Ordering::Relaxed) {
                    sealer.seal().await.unwrap();
                }
            }));
        }
        let mut writers = Vec::new();
        for writer in 0..6 {
            let bare = Arc::clone(&bare);
            writers.push(tokio::spawn(async move {
                for number in 0..50 {
                    bare.write(&format!("writers/{writer}/{number}")).await;
                }
            }));
        }
        for writer in writers {
            writer.await.unwrap();
        }
        sealed(&world.pool).await;
        done.store(true, Ordering::Relaxed);
        for sealer in sealers {
            sealer.await.unwrap();
        }
        assert_eq!(counts(&world.pool).await, (300, 300, 300, 0));
        assert_eq!(verified(&bare.export().await).unwrap().last_seq, 300);
        bare.db.close().await;
    });
}

#[test]
fn two_hubs_over_one_database_make_one_chain() {
    story(async |world| {
        let (one, other) = (world.hub().await, world.hub().await);
        let work = async |hub: &crate::support::TestHub, name: &str| {
            for number in 0..20 {
                send(hub, name, &format!("{name}-{number}")).await;
            }
        };
        tokio::join!(work(&one, "one"), work(&other, "other"));
        sealed(&world.pool).await;
        let (rows, links, last, _) = counts(&world.pool).await;
        assert_eq!((rows, links), (last, last));
        for hub in [&one, &other] {
            let text = String::from_utf8(export(hub).await).unwrap();
            verified(text.as_bytes()).unwrap();
            assert_eq!(text.matches("\"action\":\"postings.batch_upsert\"").count(), 40);
        }
    });
}

#[test]
fn an_open_transaction_keeps_nobody_from_being_sealed() {
    story(async |world| {
        let bare = Bare::new(world);
        // It has written its row and does not commit yet.
        let mut open = world.pool.begin().await.unwrap();
        sqlx::query(
            "WITH entry AS (INSERT INTO audit (entry_id, at, participant, system, action, subject, event, refusal, times)
                            VALUES (gen_random_uuid(), now(), '(hub)', '', 'hub', 'late', 'test.written', '', 1)
                            RETURNING audit_id)
             INSERT INTO audit_pending SELECT audit_id FROM entry",
        )
        .execute(&mut *open)
        .await
        .unwrap();
        bare.write("early").await;
        assert_eq!(bare.sealer().seal_all().await.unwrap(), 1);
        // A sealer that has sealed and not committed keeps no writer waiting.
        let mut sealing = world.pool.begin().await.unwrap();
        peshub::platform::audit::store::lock(&mut sealing).await.unwrap();
        crate::support::within("a write beside a sealer", bare.write("beside")).await;
        sealing.rollback().await.unwrap();
        open.commit().await.unwrap();
        assert_eq!(bare.sealer().seal_all().await.unwrap(), 2);
        let text = String::from_utf8(bare.export().await).unwrap();
        verified(text.as_bytes()).unwrap();
        // Its number is the lowest, its place is not.
        let places =
            ["early", "late", "beside"].map(|it| text.find(&format!("\"subject\":\"{it}\"")));
        assert!(places[0] < places[1] && places[1] < places[2], "{places:?}");
        bare.db.close().await;
    });
}

#[test]
fn a_transaction_that_is_rolled_back_leaves_no_row() {
    story(async |world| {
        let bare = Bare::new(world);
        let before = counts(&world.pool).await.0;
        let permit = peshub::platform::permit::Permit::of_hub();
        drop(bare.db.write(&permit).await.unwrap());
        // The row itself is refused: nothing of the transaction stays.
        let same = record("twice");
        bare.db.write(&permit).await.unwrap().commit(same.clone()).await.unwrap();
        bare.db.write(&permit).await.unwrap().commit(same).await.unwrap_err();
        assert_eq!(counts(&world.pool).await.0, before + 1);
        bare.db.close().await;
    });
}

#[test]
fn sealers_whose_connections_are_killed_leave_a_sound_chain() {
    story(async |world| {
        let bare = Arc::new(Bare::new(world));
        let done = Arc::new(AtomicBool::new(false));
        let failures = Arc::new(std::sync::atomic::AtomicU32::new(0));
        let mut sealers = Vec::new();
        for _ in 0..2 {
            let (sealer, done, failures) =
                (bare.sealer(), Arc::clone(&done), Arc::clone(&failures));
            sealers.push(tokio::spawn(async move {
                while !done.load(Ordering::Relaxed) {
                    if let Err(SealError::Db(_)) = sealer.seal().await {
                        failures.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }));
        }
        // Rows are put in by a connection that is not killed, in blocks large enough to be caught in the middle.
        let killed = AtomicBool::new(false);
        let writing = async {
            let mut rows = 0;
            while !killed.load(Ordering::Relaxed) {
                rows += 200;
                sqlx::query(
                    "WITH entry AS (
                         INSERT INTO audit (entry_id, at, participant, system, action, subject, event, refusal, times)
                         SELECT gen_random_uuid(), now(), '(hub)', '', 'hub', 'block', 'test.written', '', 1
                         FROM generate_series(1, 200) RETURNING audit_id)
                     INSERT INTO audit_pending SELECT audit_id FROM entry",
                )
                .execute(&world.pool)
                .await
                .unwrap();
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            rows
        };
        let killing = async {
            let mut connection = sqlx::PgConnection::connect_with(&world.options).await.unwrap();
            until("some sealers to kill", async || {
                sqlx::query(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                     WHERE datname = current_database() AND application_name = 'peshub'
                       AND state <> 'idle' AND query ~ 'audit_(link|checkpoint|pending)|COMMIT'",
                )
                .execute(&mut connection)
                .await
                .unwrap();
                (failures.load(Ordering::Relaxed) >= 10).then_some(())
            })
            .await;
            connection.close().await.unwrap();
            killed.store(true, Ordering::Relaxed);
        };
        let (rows, ()) = tokio::join!(writing, killing);
        sealed(&world.pool).await;
        done.store(true, Ordering::Relaxed);
        for sealer in sealers {
            sealer.await.unwrap();
        }
        assert_eq!(counts(&world.pool).await, (rows, rows, rows, 0));
        assert_eq!(verified(&bare.export().await).unwrap().last_seq, rows);
        bare.db.close().await;
    });
}

#[test]
fn a_checkpoint_that_was_changed_is_not_gone_on_from() {
    story(async |world| {
        let bare = Bare::new(world);
        bare.write("one").await;
        bare.sealer().seal_all().await.unwrap();
        bare.write("two").await;
        // The trail of another hub is not gone on with either.
        let stranger = Bare { hub: uuid::Uuid::from_u128(8), ..Bare::new(world) };
        assert!(matches!(
            stranger.sealer().seal().await,
            Err(SealError::Corrupt { number: 1, .. })
        ));
        stranger.db.close().await;
        sqlx::query("UPDATE audit_checkpoint SET statement = statement || ' '")
            .execute(&world.pool)
            .await
            .unwrap();
        assert!(matches!(bare.sealer().seal().await, Err(SealError::Corrupt { number: 1, .. })));
        bare.db.close().await;
    });
}
