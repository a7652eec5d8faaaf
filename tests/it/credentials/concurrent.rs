//! Many issuers at the same time: nobody waits for anybody, and no place is given twice.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use peshub::pb::peshub::credentials::v1::CredentialDraft;
use sqlx::Connection as _;

use crate::support::credentials::{ACADEMY, trusted};
use crate::support::issuing::{count, draft, issue, place};
use crate::support::story;

/// Credentials that each of the issuers makes.
const EACH: usize = 12;

/// Finds what waits for locks. Making files longer is no lock of anybody's; and what replicas do in the background, ahead of need, may
/// wait for another replica: making checkpoints, taking blocks of places, and noting how far the feed was followed. The statement and
/// what it waits for are not read at the same moment: a commit that waits for an advisory lock is the next statement, of the checkpoints.
const WAITS: &str = "SELECT wait_event || ': ' || query FROM pg_stat_activity
     WHERE datname = current_database() AND wait_event_type = 'Lock' AND wait_event <> 'extend'
       AND query NOT LIKE '%hashtextextended(''audit''%' AND query NOT LIKE 'INSERT INTO issuer_status_place%'
       AND query NOT LIKE 'INSERT INTO application_follow%' AND NOT (wait_event = 'advisory' AND query = 'COMMIT')";

#[test]
fn sixty_four_issuers_wait_for_no_lock_and_share_no_place() {
    story(async |world| {
        let hubs = [world.hub().await, world.hub().await];
        trusted(&hubs[0]).await;
        let done = Arc::new(AtomicBool::new(false));
        let watching = async {
            let mut connection = sqlx::PgConnection::connect_with(&world.options).await.unwrap();
            let (mut looks, mut waits) = (0, Vec::<String>::new());
            while !done.load(Ordering::Relaxed) {
                let found = sqlx::query_scalar(WAITS).fetch_all(&mut connection).await.unwrap();
                looks += 1;
                waits.extend(found);
            }
            (looks, waits)
        };
        let issuing = async {
            let work = (0..64).map(|number| {
                let hub = hubs[number % 2].clone();
                async move {
                    let mut client = hub.connect(ACADEMY).await.credentials();
                    let mut places = Vec::new();
                    for _ in 0..EACH {
                        let issued = issue(&mut client, draft()).await.remove(0);
                        places.push(place(&issued.sd_jwt));
                    }
                    places
                }
            });
            let places = futures_util::future::join_all(work).await;
            done.store(true, Ordering::Relaxed);
            places.concat()
        };
        let ((looks, waits), places) = tokio::join!(watching, issuing);
        assert!(looks > 50, "{looks} looks");
        assert_eq!(waits, Vec::<String>::new(), "in {looks} looks");
        let distinct: HashSet<_> = places.iter().map(|it| (it.uri.clone(), it.index)).collect();
        assert_eq!(distinct.len(), 64 * EACH, "no place twice, by whichever replica");
        let stored = count(&world.pool, "SELECT count(*) FROM credential").await;
        assert_eq!(usize::try_from(stored).unwrap(), 64 * EACH);
        // Neighbours would tell who was issued something after whom.
        let steps = places.windows(2).filter(|it| it[0].index.abs_diff(it[1].index) == 1).count();
        assert!(steps < 3, "{steps} neighbours");
        eprintln!("{looks} looks at the database found nobody who waited");
    });
}

#[test]
fn the_look_for_waits_finds_one_that_is_planted() {
    story(async |world| {
        let hub = world.hub().await;
        trusted(&hub).await;
        let mut client = hub.connect(ACADEMY).await.credentials();
        let mut holding = sqlx::PgConnection::connect_with(&world.options).await.unwrap();
        let mut tx = holding.begin().await.unwrap();
        sqlx::query("LOCK TABLE credential IN SHARE MODE").execute(&mut *tx).await.unwrap();
        let issuing = issue(&mut client, CredentialDraft { without_status: true, ..draft() });
        let looking = async {
            crate::support::until("the wait", async || {
                let found: Vec<String> =
                    sqlx::query_scalar(WAITS).fetch_all(&world.pool).await.unwrap();
                found.into_iter().find(|it| it.contains("INSERT INTO credential"))
            })
            .await;
            drop(tx.rollback().await);
        };
        tokio::join!(issuing, looking);
    });
}
