//! Erasure: what was known cannot be read any more, by anybody, with all keys that are left.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use peshub::pb::peshub::workers::v1::{
    EraseWorkerRequest, ListDisclosuresRequest, UpdateWorkerRequest,
};
use peshub::platform::keys::sealing::DataKey;
use sqlx::{AssertSqlSafe, PgPool, Row as _};
use uuid::Uuid;

use crate::support::cluster::directory;
use crate::support::story;
use crate::workers::people::{
    Invented, count, disclosed, find, let_erase, reason, register, registration, workers,
};

const NORTH: &str = "platform-north";
const XIHU: &str = "bureau-xihu";

/// Every value of bytes in every table, with where it stands.
async fn all_bytes(pool: &PgPool) -> Vec<(String, Vec<u8>)> {
    let columns = sqlx::query(
        "SELECT table_name::text, column_name::text FROM information_schema.columns
         WHERE table_schema = 'public' AND data_type = 'bytea'",
    )
    .fetch_all(pool)
    .await
    .expect("columns");
    let mut all = Vec::new();
    for column in columns {
        let (table, column): (String, String) = (column.get(0), column.get(1));
        let query = format!("SELECT {column} FROM {table} WHERE {column} IS NOT NULL");
        let rows = sqlx::query(AssertSqlSafe(query)).fetch_all(pool).await.expect("rows");
        all.extend(rows.iter().map(|row| (format!("{table}.{column}"), row.get(0))));
    }
    all
}

/// Every key that there is: the master keys of the directory, and whatever in the database opens under one of them.
async fn all_keys(pool: &PgPool, keys: &Path, contexts: &[Vec<u8>]) -> Vec<DataKey> {
    let mut masters = Vec::new();
    for entry in std::fs::read_dir(keys).expect("keys") {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if let Some(id) = name.strip_prefix("master-").and_then(|it| it.strip_suffix(".key")) {
            let key = STANDARD.decode(std::fs::read_to_string(&path).unwrap().trim()).unwrap();
            masters.push((id.to_owned(), DataKey::of_bytes(&key).unwrap()));
        }
    }
    let mut opened = Vec::new();
    for (_, value) in all_bytes(pool).await {
        // A secret of the hub has the id of its master key before it.
        let zero = value.iter().position(|byte| *byte == 0).map_or(0, |zero| zero + 1);
        for sealed in [&value[..], &value[zero..]] {
            for (id, master) in &masters {
                for context in contexts {
                    let context =
                        [b"peshub wrapped key 1\0", id.as_bytes(), &[0], context].concat();
                    let key = master.open(&context, sealed);
                    opened.extend(key.and_then(|key| DataKey::of_bytes(&key)));
                }
            }
        }
    }
    opened.extend(masters.into_iter().map(|(_, key)| key));
    opened
}

/// How many of some values open with some keys in some contexts.
fn opening(values: &[(String, Vec<u8>)], keys: &[DataKey], contexts: &[Vec<u8>]) -> Vec<String> {
    let mut opening = Vec::new();
    for (place, value) in values {
        let opens = |key: &DataKey| contexts.iter().any(|it| key.open(it, value).is_some());
        if keys.iter().any(opens) {
            opening.push(place.clone());
        }
    }
    opening
}

/// Every context in which something of anybody can be sealed or wrapped.
async fn all_contexts(pool: &PgPool) -> Vec<Vec<u8>> {
    let workers: Vec<Uuid> =
        sqlx::query_scalar("SELECT worker_id FROM worker").fetch_all(pool).await.unwrap();
    let references: Vec<Uuid> =
        sqlx::query_scalar("SELECT reference FROM worker_reference").fetch_all(pool).await.unwrap();
    let mut contexts = vec![b"hub secret replay".to_vec()];
    for id in &workers {
        for label in [&b"worker key "[..], b"worker number "] {
            contexts.push([label, id.as_bytes()].concat());
        }
    }
    contexts
        .extend(references.iter().map(|id| [b"worker statement ", &id.as_bytes()[..]].concat()));
    contexts
}

#[test]
fn after_erasure_nothing_opens_with_all_keys_that_are_left() {
    story(async |world| {
        let dir = directory("erasure");
        let hub = world.hub_in(&dir).await;
        let keys = dir.join("dev/keys");
        let (mut north, mut xihu) = (workers(&hub, NORTH).await, workers(&hub, XIHU).await);
        let_erase(&world.pool, &xihu, XIHU).await;
        let (gone, stays) = (Invented::new(21), Invented::new(22));
        north.register_worker(registration(&gone, "gone")).await.unwrap();
        let of_xihu = register(&mut xihu, &gone).await;
        let kept = register(&mut xihu, &stays).await;
        disclosed(&mut xihu, &of_xihu).await.unwrap();

        // Planted: the searcher opens what is there, before.
        let contexts = all_contexts(&world.pool).await;
        let before = all_bytes(&world.pool).await;
        let found = opening(&before, &all_keys(&world.pool, &keys, &contexts).await, &contexts);
        let sealed = |found: &[String], name: &str| found.iter().filter(|it| *it == name).count();
        assert_eq!(sealed(&found, "worker.sealed"), 2, "{found:?}");
        assert_eq!(sealed(&found, "worker_reference.sealed"), 3, "{found:?}");

        let request = EraseWorkerRequest { reference: of_xihu.clone(), ..Default::default() };
        xihu.erase_worker(request).await.unwrap();
        // What stood in the database before, as a backup without worker_key has it, and what stands there now.
        let mut left = before;
        left.retain(|(place, _)| place != "worker_key.wrapped");
        left.extend(all_bytes(&world.pool).await);
        let found = opening(&left, &all_keys(&world.pool, &keys, &contexts).await, &contexts);
        assert_eq!(sealed(&found, "worker.sealed"), 2, "the other one, twice: {found:?}");
        assert_eq!(sealed(&found, "worker_reference.sealed"), 2, "{found:?}");
        assert_eq!(disclosed(&mut xihu, &kept).await.unwrap().person, Some(stays.person));
        for (table, rows) in [("worker_key", 1), ("worker_index", 1), ("worker", 2)] {
            assert_eq!(count(&world.pool, table).await, rows, "{table}");
        }
    });
}

#[test]
fn references_of_an_erased_worker_say_so_and_the_person_begins_anew() {
    story(async |world| {
        let hub = world.hub().await;
        let (mut north, mut xihu) = (workers(&hub, NORTH).await, workers(&hub, XIHU).await);
        let_erase(&world.pool, &xihu, XIHU).await;
        let invented = Invented::new(23);
        let first = registration(&invented, "first");
        let of_north = north.register_worker(first.clone()).await.unwrap().into_inner().reference;
        let of_xihu = find(&mut xihu, invented.id.clone()).await.unwrap();
        disclosed(&mut xihu, &of_xihu).await.unwrap();
        let request =
            EraseWorkerRequest { reference: of_xihu.clone(), request_id: "erase".to_owned() };
        let erased = xihu.erase_worker(request.clone()).await.unwrap().into_inner();
        let again = xihu.erase_worker(request).await.unwrap().into_inner();
        assert_eq!(again, erased, "repeated with its id");
        let request = EraseWorkerRequest { reference: of_xihu.clone(), ..Default::default() };
        assert_eq!(reason(xihu.erase_worker(request).await), "WORKER_ERASED");
        assert_eq!(disclosed(&mut xihu, &of_xihu).await.unwrap_err().reason, "WORKER_ERASED");
        let request = UpdateWorkerRequest {
            reference: of_north.clone(),
            person: Some(invented.person.clone()),
            ..Default::default()
        };
        assert_eq!(reason(north.update_worker(request).await), "WORKER_ERASED");
        // The worker can still be shown to whom the data went.
        let request = ListDisclosuresRequest { reference: of_xihu.clone(), ..Default::default() };
        let list = xihu.list_disclosures(request).await.unwrap().into_inner();
        assert_eq!(list.disclosures.len(), 1);
        // A registration that is repeated late does not bring the erased worker back.
        assert_eq!(reason(north.register_worker(first).await), "REQUEST_ID_REUSED");
        assert_eq!(count(&world.pool, "worker_key").await, 0);
        let anew = register(&mut north, &invented).await;
        assert_ne!(anew, of_north);
        assert_eq!(disclosed(&mut xihu, &of_xihu).await.unwrap_err().reason, "WORKER_ERASED");
    });
}

#[test]
fn a_worker_who_is_erased_while_others_register_the_person_is_there_wholly_or_not_at_all() {
    story(async |world| {
        let hub = world.hub().await;
        let mut xihu = workers(&hub, XIHU).await;
        let_erase(&world.pool, &xihu, XIHU).await;
        for turn in 0..10 {
            let invented = Invented::new(100 + turn);
            let reference = register(&mut xihu, &invented).await;
            let mut calls = Vec::new();
            for who in [NORTH, "platform-south", "platform-east", "bureau-shenzhen"] {
                let (mut client, invented) = (workers(&hub, who).await, invented.clone());
                calls.push(tokio::spawn(async move { register(&mut client, &invented).await }));
            }
            xihu.erase_worker(EraseWorkerRequest { reference, ..Default::default() })
                .await
                .unwrap();
            for call in calls {
                call.await.unwrap();
            }
        }
        // Whoever is not erased has a key, a digest and a number; whoever is has none, and no statement.
        let torn: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM worker w WHERE (w.erased_at IS NULL) IS DISTINCT FROM
                 (EXISTS (SELECT 1 FROM worker_key k WHERE k.worker_id = w.worker_id)
                  AND EXISTS (SELECT 1 FROM worker_index i WHERE i.worker_id = w.worker_id))
             OR w.erased_at IS NOT NULL AND EXISTS (
                  SELECT 1 FROM worker_reference r WHERE r.worker_id = w.worker_id AND r.sealed IS NOT NULL)",
        )
        .fetch_one(&world.pool)
        .await
        .unwrap();
        assert_eq!(torn, 0);
        for turn in 0..10 {
            let mut shenzhen = workers(&hub, "bureau-shenzhen").await;
            let invented = Invented::new(100 + turn);
            let reference = register(&mut shenzhen, &invented).await;
            let told = disclosed(&mut shenzhen, &reference).await.unwrap();
            assert_eq!(told.person, Some(invented.person));
        }
    });
}
