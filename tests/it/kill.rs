//! The real program, killed without warning: what was acknowledged is stored, and nothing is stored twice.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use peshub::client::connect::Connection;
use peshub::client::retry::Retry;
use peshub::client::sync::{SyncOptions, SyncSession};
use peshub::client::watch::{Watch, WatchItem, WatchOptions};
use peshub::pb::peshub::feed::v1::EventKind;
use peshub::pb::peshub::postings::v1::BatchAcknowledgement;
use peshub::platform::keys::Keys;
use peshub::platform::pki::{self, DevelopmentCa};
use prost::Message as _;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use sqlx::Row as _;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use tokio::sync::watch;

use crate::support::author::Author;
use crate::support::postings::in_any_state;
use crate::support::watch::Held;
use crate::support::{TestHub, cluster, story, table, until, within};

const NORTH: &str = "platform-north";
const NATION: &str = "bureau-nation";
const HUB_KILLS: usize = 20;
const DATABASE_KILLS: usize = 3;

/// How clients of a hub that is killed again and again come back.
const RETRY: Retry = Retry {
    first: Duration::from_millis(20),
    longest: Duration::from_millis(200),
    total: Duration::from_mins(1),
};

/// The program as a process of its own.
pub(crate) struct Program {
    child: Child,
}

impl Program {
    fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_peshub"));
        command.args(["--log", "warn"]).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        Self { child: command.spawn().expect("the program") }
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("a process to kill");
        self.child.wait().expect("its end");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may be dead already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Certificates of a hub as files, and where it listens every time that it is started.
pub(crate) struct Serving {
    dir: PathBuf,
    pub(crate) address: SocketAddr,
    database: Vec<String>,
    keys: PathBuf,
}

impl Serving {
    /// Without a directory of keys, which must be those that the database has been used with, it gets new ones.
    pub(crate) fn new(ca: &DevelopmentCa, database: Vec<String>, keys: Option<PathBuf>) -> Self {
        let dir = cluster::directory("kill");
        let keys = keys.unwrap_or_else(|| {
            let keys = dir.join("keys");
            Keys::open_or_create(&keys).expect("keys");
            keys
        });
        let server = ca.server().expect("a certificate");
        let authority = format!("trust/{}/ca.pem", pki::TRUST_DOMAIN);
        std::fs::create_dir_all(dir.join(&authority).parent().expect("a folder"))
            .expect("a folder");
        for (name, text) in
            [("cert", &server.certificate), ("key", &server.key), (&authority, &ca.certificate())]
        {
            pki::write_private(&dir.join(name), text).expect("a file");
        }
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("its address");
        Self { dir, address, database, keys }
    }

    pub(crate) fn start(&self) -> Program {
        let file = |name: &str| self.dir.join(name).display().to_string();
        let listen = self.address.to_string();
        let (cert, key, trust) = (file("cert"), file("key"), file("trust"));
        let keys = self.keys.display().to_string();
        let mut arguments = vec!["serve", "--listen", &listen, "--internal-listen", "127.0.0.1:0"];
        arguments.extend(["--tls-cert", &cert, "--tls-key", &key, "--trust-dir", &trust]);
        arguments.extend(["--keys-dir", &keys, "--environment", "development"]);
        arguments.extend(self.database.iter().map(String::as_str));
        Program::start(&arguments)
    }
}

/// Returns the seed of a story, and says it. `PESHUB_TEST_SEED` tells it again.
fn seed() -> u64 {
    let given = std::env::var("PESHUB_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| rand::rng().random());
    eprintln!("PESHUB_TEST_SEED={seed}");
    seed
}

/// Writes until told to stop. Returns what must be there, and every acknowledgement in the order in which they came.
async fn write(
    connection: Connection,
    seed: u64,
    stop: &AtomicBool,
) -> (Author, Vec<BatchAcknowledgement>) {
    let mut author = Author::new(seed, "n");
    let options = SyncOptions { source: NORTH.to_owned(), retry: RETRY, ..SyncOptions::default() };
    let mut session = within("a lane", SyncSession::open(&connection, options)).await.unwrap();
    let mut acknowledged = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let batch = author.batch(20);
        within("room for a batch", session.send(&batch)).await.unwrap();
        acknowledged.extend(session.received());
    }
    acknowledged.extend(within("the acknowledgements", session.finish()).await.unwrap());
    (author, acknowledged)
}

/// Watches everything until it has reached the position that it is told in the end. Returns what a consumer then holds.
async fn follow(connection: Connection, began: &AtomicBool, mut end: watch::Receiver<i64>) -> Held {
    let options = WatchOptions {
        filter: in_any_state(),
        bookmark_seconds: 1,
        retry: RETRY,
        ..WatchOptions::default()
    };
    let mut watch = Watch::new(&connection, options);
    let (mut held, mut last) = (Held::default(), None);
    loop {
        let item = tokio::select! {
            item = within("an item of the watch", watch.next()) => item.unwrap(),
            _ = end.changed() => continue,
        };
        match item {
            WatchItem::Event(event) => {
                let event = *event;
                if event.kind() != EventKind::Snapshot {
                    let before = last.expect("events come after the snapshot");
                    assert_eq!(event.position, before + 1, "nothing is missing and nothing twice");
                    last = Some(event.position);
                }
                held.apply(&[event]);
            }
            WatchItem::Bookmark(bookmark) => {
                let position = *last.get_or_insert(bookmark.position);
                assert_eq!(bookmark.position, position, "a bookmark tells what was delivered");
                began.store(true, Ordering::Relaxed);
                let end = *end.borrow_and_update();
                if end > 0 && position >= end {
                    return held;
                }
            }
            WatchItem::Restart(restart) => panic!("the cursor was good, yet {restart:?}"),
        }
    }
}

/// Holds every account of what happened against the others: the client's, the tables', the watcher's.
async fn compare(
    pool: &PgPool,
    (author, acknowledged): &(Author, Vec<BatchAcknowledgement>),
    held: &Held,
) {
    let ids: Vec<i64> = acknowledged.iter().map(|it| it.batch_id).collect();
    assert_eq!(ids, (1..=ids.len() as i64).collect::<Vec<_>>(), "each batch once, in order");
    assert!(acknowledged.iter().all(|it| it.rejected == 0 && it.held == 0 && it.unchanged == 0));
    let rows = sqlx::query("SELECT batch_id, acknowledgement FROM sync_batch ORDER BY batch_id")
        .fetch_all(pool)
        .await
        .unwrap();
    assert_eq!(rows.len(), acknowledged.len());
    for (row, told) in rows.iter().zip(acknowledged) {
        let stored = BatchAcknowledgement::decode(row.get::<&[u8], _>("acknowledgement")).unwrap();
        let told = BatchAcknowledgement { position: 0, replayed: false, ..told.clone() };
        assert_eq!(stored, told, "what was told is what is stored");
    }
    table::holds(pool, &[(NORTH, &author.expected)]).await;
    let feed = table::sound_feed(pool).await;
    let counted: i32 = acknowledged.iter().map(|it| it.created + it.changed + it.closed).sum();
    assert_eq!(feed.len(), counted as usize, "every change that was acknowledged is one event");
    let mut connection = pool.acquire().await.unwrap();
    assert!(held.0 == table::postings(&mut connection).await, "the watcher holds the table");
}

#[test]
fn a_hub_that_is_killed_again_and_again_loses_nothing_and_does_nothing_twice() {
    let seed = seed();
    story(async |world| {
        let url = cluster::url(&world.options);
        let serving = Serving::new(&world.ca, vec!["--database-url".to_owned(), url], None);
        let mut program = serving.start();
        let hub = TestHub {
            address: serving.address,
            public: serving.address,
            ca: Arc::clone(&world.ca),
        };
        let (stop, began) = (AtomicBool::new(false), AtomicBool::new(false));
        let (tell_end, end) = watch::channel(0);
        let connections = (connect(&hub, NORTH).await, connect(&hub, NATION).await);
        let killing = async {
            let mut rng = StdRng::seed_from_u64(seed);
            until("the watch", async || began.load(Ordering::Relaxed).then_some(())).await;
            for _ in 0..HUB_KILLS {
                let before = last_batch(&world.pool).await;
                let enough = before + rng.random_range(1..12);
                until("batches", async || (last_batch(&world.pool).await >= enough).then_some(()))
                    .await;
                tokio::time::sleep(Duration::from_micros(rng.random_range(0..20_000))).await;
                program.kill();
                program = serving.start();
            }
            stop.store(true, Ordering::Relaxed);
        };
        let writing = async {
            let wrote = write(connections.0, seed, &stop).await;
            table::settled(&world.pool).await;
            let head: i64 = sqlx::query_scalar("SELECT seq FROM feed_head")
                .fetch_one(&world.pool)
                .await
                .unwrap();
            tell_end.send_replace(head);
            wrote
        };
        let (wrote, held, ()) = tokio::join!(writing, follow(connections.1, &began, end), killing);
        let replayed = wrote.1.iter().filter(|it| it.replayed).count();
        eprintln!("{} batches, {replayed} of them acknowledged from memory", wrote.1.len());
        compare(&world.pool, &wrote, &held).await;
        hold_receipts(&world.pool, &wrote.1).await;
    });
}

/// Holds the audit trail against itself and against the receipt of every batch that was acknowledged.
async fn hold_receipts(pool: &PgPool, acknowledged: &[BatchAcknowledgement]) {
    let receipts = acknowledged.iter().map(|it| it.receipt.as_ref().expect("a receipt"));
    crate::audit::sound_trail(pool, receipts.map(crate::audit::receipts::receipt).collect()).await;
}

async fn connect(hub: &TestHub, participant: &str) -> Connection {
    let options = hub.options(participant);
    until("the hub", async || Connection::open(&options).await.ok()).await
}

async fn last_batch(pool: &PgPool) -> i64 {
    let last = sqlx::query_scalar("SELECT coalesce(max(last_batch_id), 0) FROM sync_lane");
    last.fetch_one(pool).await.unwrap()
}

#[test]
fn a_database_that_is_killed_loses_nothing_that_was_acknowledged() {
    let seed = seed();
    story(async |world| {
        // The hub's own private cluster. A development hub registers the participants, then the real one serves.
        let data_dir = cluster::directory("data");
        let place = data_dir.display().to_string();
        let database = vec!["--data-dir".to_owned(), place.clone()];
        let serving = Serving::new(&world.ca, database, Some(data_dir.join("dev/keys")));
        let listen = serving.address.to_string();
        let arguments =
            ["dev", "--data-dir", &place, "--public-listen", "127.0.0.1:0", "--listen", &listen];
        let mut first =
            Program::start(&[&arguments[..], &["--internal-listen", "127.0.0.1:0"]].concat());
        let hub = TestHub {
            address: serving.address,
            public: serving.address,
            ca: Arc::clone(&world.ca),
        };
        until("the sources", async || {
            let pool = private_pool(&data_dir)?;
            let sources = sqlx::query_scalar("SELECT count(*) FROM source").fetch_one(&pool).await;
            pool.close().await;
            sources.ok().filter(|count: &i64| *count == 3)
        })
        .await;
        first.kill();
        let mut program = serving.start();

        let (stop, began) = (AtomicBool::new(false), AtomicBool::new(false));
        let (tell_end, end) = watch::channel(0);
        let connections = (connect(&hub, NORTH).await, connect(&hub, NATION).await);
        let killing = async {
            let mut rng = StdRng::seed_from_u64(seed);
            until("the watch", async || began.load(Ordering::Relaxed).then_some(())).await;
            for _ in 0..DATABASE_KILLS {
                tokio::time::sleep(Duration::from_millis(rng.random_range(100..600))).await;
                let (process, ..) = postmaster(&data_dir).expect("a postmaster");
                let killed = Command::new("kill").args(["-9", &process]).status().unwrap();
                assert!(killed.success());
                // The hub says that it cannot work; whoever looks after it starts it again.
                program.kill();
                program = serving.start();
                connect(&hub, NATION).await;
            }
            stop.store(true, Ordering::Relaxed);
        };
        let writing = async {
            let wrote = write(connections.0, seed, &stop).await;
            let pool = private_pool(&data_dir).expect("the private cluster");
            table::settled(&pool).await;
            let head = sqlx::query_scalar("SELECT seq FROM feed_head").fetch_one(&pool).await;
            tell_end.send_replace(head.unwrap());
            (wrote, pool)
        };
        let ((wrote, pool), held, ()) =
            tokio::join!(writing, follow(connections.1, &began, end), killing);
        compare(&pool, &wrote, &held).await;
        hold_receipts(&pool, &wrote.1).await;
        pool.close().await;
    });
}

/// Process id, port and socket directory of the cluster in a data directory, as it says itself.
fn postmaster(data_dir: &Path) -> Option<(String, u16, String)> {
    let file = std::fs::read_to_string(data_dir.join("pg/postmaster.pid")).ok()?;
    let lines: Vec<&str> = file.lines().collect();
    Some((
        lines.first()?.trim().to_owned(),
        lines.get(3)?.parse().ok()?,
        (*lines.get(4)?).to_owned(),
    ))
}

fn private_pool(data_dir: &Path) -> Option<PgPool> {
    let (_, port, socket) = postmaster(data_dir)?;
    let options =
        PgConnectOptions::new().socket(socket).port(port).username("peshub").database("peshub");
    Some(PgPoolOptions::new().max_connections(2).connect_lazy_with(options))
}
