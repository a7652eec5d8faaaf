//! Changing keys while hubs work: nobody is lost, nobody is there twice.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use peshub::kernel::clock::{Clock as _, SystemClock};
use peshub::platform::db::Db;
use peshub::platform::keys::directory::DirectoryVault;
use peshub::platform::keys::files::{self, KeyUse, Ring};
use peshub::workers::rewrap::{Job, Report, rewrap};

use crate::support::cluster::{self, directory};
use crate::support::{TestHub, World, story, until, within};
use crate::workers::people::{
    Invented, Workers, count, disclosed, find, let_erase, reason, register, registration, workers,
};

const XIHU: &str = "bureau-xihu";
const NORTH: &str = "platform-north";

/// Registers people from a number on until told to stop; returns the references.
async fn registering(
    mut client: Workers,
    people: std::ops::Range<u64>,
    stop: Arc<AtomicBool>,
) -> BTreeMap<u64, String> {
    let mut references = BTreeMap::new();
    for seed in people.cycle() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let request = registration(&Invented::new(seed), "");
        match client.register_worker(request).await {
            Ok(answer) => {
                let reference = answer.into_inner().reference;
                let before = references.insert(seed, reference.clone());
                assert!(before.is_none_or(|before| before == reference), "{seed} is there twice");
            }
            // A replica that lacks a key says so, and nothing is done.
            Err(status) => assert_eq!(reason::<()>(Err(status)), "KEY_UNAVAILABLE"),
        }
    }
    references
}

async fn change_over(world: &World, keys: &Path, step: i64, steps: usize) -> Option<Report> {
    let db = Db::open(world.options.clone(), 4);
    let vault = DirectoryVault::open(keys).unwrap();
    let job = Job { db: &db, vault: &vault, now: SystemClock.now(), step };
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let mut progress = |_| tell.send(()).unwrap();
    let report = {
        let work = rewrap(job, &mut progress);
        let cut = async {
            for _ in 0..steps {
                told.recv().await;
            }
        };
        // Dropped in the middle of a step, as if it were killed.
        tokio::select! {
            report = work => Some(report.expect("a report")),
            () = cut => None,
        }
    };
    db.close().await;
    report
}

/// Every person has the reference of before, and is readable.
async fn all_there(hub: &TestHub, who: &str, references: &BTreeMap<u64, String>) {
    let mut client = workers(hub, who).await;
    for (seed, reference) in references {
        let invented = Invented::new(*seed);
        let found = within("a worker", find(&mut client, invented.id)).await.unwrap();
        assert_eq!(&found, reference, "{seed}");
        let told = disclosed(&mut client, reference).await.unwrap();
        assert_eq!(told.person.as_ref(), Some(&invented.person), "{seed}");
    }
}

#[test]
fn keys_change_under_hubs_that_work_and_nobody_is_lost_or_doubled() {
    story(async |world| {
        let dir = directory("rotation");
        let keys = dir.join("dev/keys");
        let hubs = [world.hub_in(&dir).await, world.hub_in(&dir).await];
        let stop = Arc::new(AtomicBool::new(false));
        // Two hubs, three participants, the same people in another order.
        let mut tasks = Vec::new();
        for (index, (who, people)) in
            [(XIHU, 0..60), (NORTH, 20..60), ("bureau-shenzhen", 40..60)].into_iter().enumerate()
        {
            let client = workers(&hubs[index % 2], who).await;
            tasks.push((who, tokio::spawn(registering(client, people, Arc::clone(&stop)))));
        }
        until("some workers", async || (count(&world.pool, "worker").await >= 30).then_some(()))
            .await;
        let old = Ring::read(&keys).unwrap().ids();
        for kind in [KeyUse::Index, KeyUse::Master] {
            let id = files::add(&keys, kind).unwrap();
            files::put_to_use(&keys, kind, &id).unwrap();
        }
        // It is killed again and again, each time a little later.
        let mut steps = 1;
        while change_over(world, &keys, 4, steps).await.is_none() {
            steps += 3;
        }
        until("everybody", async || (count(&world.pool, "worker").await >= 60).then_some(())).await;
        // Until every replica has read which keys are in use, one may still wrap with the old one.
        until("the end of the old keys", async || {
            let report = change_over(world, &keys, 100, usize::MAX).await.unwrap();
            let needed = report.masters.iter().any(|(id, _)| *id == old.current_master);
            (!needed && !report.indexes.contains(&old.current_index)).then_some(())
        })
        .await;
        stop.store(true, Ordering::Relaxed);
        let mut known = Vec::new();
        for (who, task) in tasks {
            known.push((who, within("the references", task).await.unwrap()));
        }
        assert_eq!(count(&world.pool, "worker").await, 60);
        assert_eq!(count(&world.pool, "worker_key").await, 60);
        assert_eq!(count(&world.pool, "worker_index").await, 60);
        // Without the old keys everything is there.
        std::fs::remove_file(keys.join(format!("master-{}.key", old.current_master))).unwrap();
        std::fs::remove_file(keys.join(format!("index-{}.key", old.current_index))).unwrap();
        let hub = world.hub_in(&dir).await;
        for (who, references) in &known {
            if *who != NORTH {
                all_there(&hub, who, references).await;
            }
        }
        let left: Vec<String> = sqlx::query_scalar("SELECT DISTINCT master_key_id FROM worker_key")
            .fetch_all(&world.pool)
            .await
            .unwrap();
        assert!(!left.contains(&old.current_master), "{left:?}");
    });
}

#[test]
fn replicas_that_learn_of_a_key_at_different_moments_make_nobody_twice() {
    story(async |world| {
        let (dir_a, dir_b) = (directory("rotation"), directory("rotation"));
        let (keys_a, keys_b) = (dir_a.join("dev/keys"), dir_b.join("dev/keys"));
        let a = world.hub_in(&dir_a).await;
        copy(&keys_a, &keys_b);
        let b = world.hub_in(&dir_b).await;
        let (mut at_a, mut at_b) = (workers(&a, NORTH).await, workers(&b, NORTH).await);
        let known = Invented::new(201);
        let reference = register(&mut at_a, &known).await;
        assert_eq!(register(&mut at_b, &known).await, reference);
        // One replica gets a key and uses it while the other does not have it.
        let id = files::add(&keys_a, KeyUse::Index).unwrap();
        files::put_to_use(&keys_a, KeyUse::Index, &id).unwrap();
        let fresh = Invented::new(202);
        let of_fresh = until("the new key at one replica", async || {
            let reference = register(&mut at_a.clone(), &fresh).await;
            (count(&world.pool, "worker_index_key").await == 2).then_some(reference)
        })
        .await;
        assert_eq!(register(&mut at_a, &known).await, reference, "found by the old key");
        // The other one cannot say whether it knows somebody, so it says that.
        for invented in [&known, &fresh, &Invented::new(203)] {
            let told = at_b.register_worker(registration(invented, "")).await;
            assert_eq!(reason(told), "KEY_UNAVAILABLE");
        }
        copy(&keys_a, &keys_b);
        let found = until("the new key at the other", async || {
            at_b.clone().register_worker(registration(&fresh, "")).await.ok()
        })
        .await;
        assert_eq!(found.into_inner().reference, of_fresh);
        assert_eq!(register(&mut at_b, &known).await, reference);
        assert_eq!(count(&world.pool, "worker").await, 2);
        // A worker who is erased while keys change stays away.
        let mut xihu = workers(&a, XIHU).await;
        let_erase(&world.pool, &xihu, XIHU).await;
        let of_xihu = find(&mut xihu, known.id.clone()).await.unwrap();
        let request = peshub::pb::peshub::workers::v1::EraseWorkerRequest {
            reference: of_xihu,
            ..Default::default()
        };
        xihu.erase_worker(request).await.unwrap();
        change_over(world, &keys_a, 10, usize::MAX).await.unwrap();
        for table in ["worker_key", "worker_index"] {
            assert_eq!(count(&world.pool, table).await, 1, "{table}");
        }
    });
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    // What is in use is copied last.
    let mut files: Vec<_> =
        std::fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort_by_key(|path| path.extension().is_some_and(|it| it == "toml"));
    for path in files {
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

fn peshub(arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_peshub"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PESHUB_") {
            command.env_remove(name);
        }
    }
    let output = command.args(arguments).output().expect("the program");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.success(), text + &String::from_utf8_lossy(&output.stderr))
}

#[test]
fn an_operator_changes_keys_with_the_program() {
    story(async |world| {
        let dir = directory("keys");
        let keys = dir.join("dev/keys");
        let folder = keys.display().to_string();
        let run = |arguments: &[&str]| {
            let (is_good, said) = peshub(arguments);
            assert!(is_good, "{arguments:?}: {said}");
            said
        };
        run(&["keys", "init", &folder]);
        let before = Ring::read(&keys).unwrap().ids();
        run(&["keys", "init", &folder]);
        assert_eq!(Ring::read(&keys).unwrap().ids(), before, "what is there stays");
        let hub = world.hub_in(&dir).await;
        let mut client = workers(&hub, XIHU).await;
        let references: BTreeMap<u64, String> = {
            let mut references = BTreeMap::new();
            for seed in 0..5 {
                references.insert(seed, register(&mut client, &Invented::new(seed)).await);
            }
            references
        };
        let made = run(&["keys", "rotate", &folder, "--master"]);
        assert!(made.contains("not in use yet"), "{made}");
        let id = made.split_whitespace().nth(1).unwrap();
        run(&["keys", "use", &folder, "--master", id]);
        run(&["keys", "rotate", &folder, "--index", "--now"]);
        let listed = run(&["keys", "list", &folder]);
        assert!(listed.contains(&format!("master {id} in use")), "{listed}");
        assert_eq!(listed.lines().count(), 5, "{listed}");
        let url = cluster::url(&world.options);
        let said = run(&["keys", "rewrap", "--keys-dir", &folder, "--database-url", &url]);
        assert!(
            said.contains("5 keys wrapped anew, 5 numbers digested anew, 5 digests removed"),
            "{said}"
        );
        let old = &before.current_master;
        assert!(said.contains(&format!("master {old} is not needed by this database")), "{said}");
        std::fs::remove_file(keys.join(format!("master-{old}.key"))).unwrap();
        std::fs::remove_file(keys.join(format!("index-{}.key", before.current_index))).unwrap();
        all_there(&world.hub_in(&dir).await, XIHU, &references).await;
        let said = run(&["keys", "rewrap", "--keys-dir", &folder, "--database-url", &url]);
        assert!(said.contains("0 keys wrapped anew, 0 numbers digested anew"), "{said}");
        // A key that is needed and not there is told.
        let current = Ring::read(&keys).unwrap().ids().current_master;
        run(&["keys", "rotate", &folder, "--master", "--now"]);
        let path = keys.join(format!("master-{current}.key"));
        std::fs::remove_file(path).unwrap();
        let (is_good, said) =
            peshub(&["keys", "rewrap", "--keys-dir", &folder, "--database-url", &url]);
        assert!(!is_good && said.contains(&current), "{said}");
        assert_eq!(count(&world.pool, "worker_key").await, 5);
        let (is_good, said) = peshub(&["keys", "rotate", &folder]);
        assert!(!is_good && said.contains("--master"), "{said}");
    });
}
