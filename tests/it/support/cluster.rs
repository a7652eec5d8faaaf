//! One PostgreSQL cluster for the whole test process, through the code that the hub itself uses.
//!
//! It is durable (the hub refuses one that is not) and goes with the process: its watchdog stops it, and a shell that waits
//! for that removes its directory.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock, mpsc};

use peshub::dev::{Database, DevHub, DevOptions};
use peshub::kernel::clock::{Clock as _, SystemClock};
use peshub::platform::config::Surroundings;
use peshub::platform::local_postgres::{LocalPostgres, LocalPostgresOptions};
use peshub::platform::pki::DevelopmentCa;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

/// The database that all others are copies of: it has the schema and the demo participants.
const TEMPLATE: &str = "peshub";

/// Waits for the test process to go, then for its PostgreSQL, and removes the directory.
const REMOVE: &str = r#"
trap '' HUP INT TERM
read -r line
tries=0
while [ -e "$1/pg/postmaster.pid" ] && [ "$tries" -lt 600 ]; do
    sleep 0.1
    tries=$((tries + 1))
done
rm -rf "$1"
"#;

static CLUSTER: OnceLock<PgConnectOptions> = OnceLock::new();

/// Returns how to connect to the template.
fn cluster() -> &'static PgConnectOptions {
    CLUSTER.get_or_init(|| {
        let (tell, told) = mpsc::channel();
        // The cluster belongs to a runtime of its own, which lives as long as the process.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async move {
                let (postgres, options) = start().await;
                tell.send(options).expect("somebody who waits for the cluster");
                std::future::pending::<()>().await;
                drop(postgres);
            });
        });
        told.recv().expect("the cluster of the tests")
    })
}

async fn start() -> (LocalPostgres, PgConnectOptions) {
    let dir = directory("it");
    let mut options = LocalPostgresOptions::new(&dir);
    options.search_path = Surroundings::of_process().search_path;
    options.settings = vec![
        ("shared_buffers".to_owned(), "128MB".to_owned()),
        ("max_connections".to_owned(), "200".to_owned()),
    ];
    let postgres = LocalPostgres::start(options).await.expect("a cluster");
    let options: PgConnectOptions = postgres.location().url().parse().expect("a URL");
    // The first hub registers the demo participants and their sources.
    let ca = Arc::new(DevelopmentCa::new(SystemClock.now()).expect("an authority"));
    let dev = DevOptions {
        internal_listen: None,
        database_connections: 4,
        ..DevOptions::new(dir, &Surroundings::default())
    };
    let database = Database { options: options.clone(), private: None };
    let hub = DevHub::start_with(&dev, &database, ca).await.expect("a hub on the template");
    hub.hub.stop().await;
    let mut connection = PgConnection::connect_with(&options).await.expect("the template");
    // What must differ between two hubs is made anew by each.
    sqlx::raw_sql("DELETE FROM hub_secret; TRUNCATE audit, audit_pending, audit_checkpoint, signing_key CASCADE;")
        .execute(&mut connection)
        .await
        .expect("an empty template");
    connection.close().await.expect("the end of a connection");
    (postgres, options)
}

/// Makes a directory that PostgreSQL's user can enter and that goes with this process.
pub(crate) fn directory(name: &str) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("peshub-{name}-{}-{number}", std::process::id());
    let dir = Path::new("/tmp").join(name);
    std::fs::create_dir(&dir).expect("a directory of our own");
    remove_afterwards(&dir);
    dir
}

fn remove_afterwards(dir: &Path) {
    let shell = Command::new("/bin/sh")
        .args(["-c", REMOVE, "sh"])
        .arg(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("a shell");
    // Its standard input stays open until this process ends; nobody waits for the shell.
    std::mem::forget(shell);
}

/// Makes a database without a schema and returns how to connect to it.
pub(crate) async fn empty_database() -> PgConnectOptions {
    database_like("template1").await
}

/// Makes a copy of a database, which nobody may be connected to, and returns how to connect to it.
pub(crate) async fn copy_of(options: &PgConnectOptions) -> PgConnectOptions {
    database_like(options.get_database().expect("a database with a name")).await
}

async fn database_like(template: &str) -> PgConnectOptions {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let cluster = tokio::task::spawn_blocking(cluster).await.expect("the cluster of the tests");
    let mut admin = administrator(cluster).await;
    let statement = format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY wal_log");
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut admin).await.expect("a database");
    admin.close().await.expect("the end of a connection");
    cluster.clone().database(&name)
}

/// Makes a database and returns how to connect to it.
pub(crate) async fn fresh_database() -> PgConnectOptions {
    let options = database_like(TEMPLATE).await;
    let mut connection = PgConnection::connect_with(&options).await.expect("the database");
    sqlx::query("UPDATE feed_head SET epoch = gen_random_uuid()")
        .execute(&mut connection)
        .await
        .expect("a feed of its own");
    connection.close().await.expect("the end of a connection");
    options
}

/// Drops a database, whoever is still connected.
pub(crate) async fn drop_database(options: &PgConnectOptions) {
    let name = options.get_database().expect("a database with a name");
    let mut admin = administrator(options).await;
    let statement = format!("DROP DATABASE {name} WITH (FORCE)");
    crate::support::until("the database's end", async || {
        let dropped = sqlx::raw_sql(AssertSqlSafe(statement.clone())).execute(&mut admin).await;
        // PostgreSQL's own housekeeping cannot be sent away by an ordinary role; it goes by itself.
        match dropped {
            Err(error)
                if error
                    .as_database_error()
                    .and_then(sqlx::error::DatabaseError::code)
                    .as_deref()
                    == Some("42501") =>
            {
                None
            }
            dropped => Some(dropped.map(drop)),
        }
    })
    .await
    .expect("the database's end");
    admin.close().await.expect("the end of a connection");
}

async fn administrator(options: &PgConnectOptions) -> PgConnection {
    let options = options.clone().database("postgres");
    PgConnection::connect_with(&options).await.expect("the cluster of the tests")
}

/// Returns the URL of a database, for a program that takes one.
pub(crate) fn url(options: &PgConnectOptions) -> String {
    use sqlx::ConnectOptions as _;
    options.to_url_lossy().to_string()
}
