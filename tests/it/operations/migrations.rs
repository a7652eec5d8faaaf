//! A rollout: several runners at once, a binary that waits for its schema, and one that is older than it.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use peshub::platform::db::Db;
use peshub::platform::db::schema::MIGRATIONS;
use peshub::platform::keys::Keys;
use peshub::platform::pki::{self, DevelopmentCa};
use sqlx::migrate::{Migration, MigrationType};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection as _, PgConnection, SqlSafeStr as _};

use crate::identity::office::{directory, now};
use crate::program::{done, failed, peshub};
use crate::support::{cluster, story, until};

/// Brings a database up to the step before the newest.
pub(super) async fn without_the_newest(options: &PgConnectOptions) -> i64 {
    let versions: Vec<_> = MIGRATIONS.iter().map(|step| step.version).collect();
    let pool = PgPoolOptions::new().max_connections(1).connect_lazy_with(options.clone());
    MIGRATIONS.run_to(versions[versions.len() - 2], &pool).await.expect("an older schema");
    pool.close().await;
    *versions.last().unwrap()
}

fn migrate(command: &str, options: &PgConnectOptions) -> Command {
    let mut migrate = peshub();
    migrate.args(["migrate", command, "--database-url", &cluster::url(options)]);
    migrate
}

#[test]
fn several_runners_at_once_do_each_step_once() {
    story(async |_| {
        let options = cluster::empty_database().await;
        let mut program = migrate("up", &options).stdout(Stdio::null()).spawn().unwrap();
        // A step that PostgreSQL carries out only when no other statement is under way, not even one that waits.
        let sql =
            "CREATE INDEX CONCURRENTLY posting_tomorrow ON posting (created_at)".into_sql_str();
        let tomorrow = Migration::new(9999, "tomorrow".into(), MigrationType::Simple, sql, true);
        let steps: Vec<_> = MIGRATIONS.iter().cloned().chain([tomorrow]).collect();
        let runners = (0..4).map(|_| {
            let (options, steps) = (options.clone(), steps.clone());
            tokio::spawn(async move {
                let db = Db::open(options, 2);
                let outcome = db.migrate_by(steps).await;
                db.close().await;
                outcome
            })
        });
        for runner in runners.collect::<Vec<_>>() {
            runner.await.unwrap().expect("a runner that did it, or found it done");
        }
        assert!(program.wait().unwrap().success());
        let mut connection = PgConnection::connect_with(&options).await.unwrap();
        let (count, each): (i64, i64) = sqlx::query_as(
            "SELECT count(*), count(DISTINCT version) FROM _sqlx_migrations WHERE success",
        )
        .fetch_one(&mut connection)
        .await
        .unwrap();
        assert_eq!((count, each), (steps.len() as i64, steps.len() as i64));
        connection.close().await.unwrap();
        // To the program that does not know it, the step of tomorrow does no harm.
        assert!(
            done(&mut migrate("up", &options)).ends_with("9999 tomorrow                 newer\n")
        );
        cluster::drop_database(&options).await;
    });
}

#[test]
fn what_would_be_done_is_told_and_not_done() {
    story(async |_| {
        let options = cluster::empty_database().await;
        let newest = without_the_newest(&options).await;
        let plan = done(migrate("up", &options).args(["--plan", "--json"]));
        let step: serde_json::Value = serde_json::from_str(plan.trim()).expect("one step");
        assert_eq!(step["version"], newest);
        assert!(step["about"].as_str().unwrap().contains("Rollout:"), "{step}");
        assert!(done(migrate("up", &options).arg("--plan")).contains("Rollout:"));
        let missing = |text: &str| text.lines().filter(|line| line.ends_with("missing")).count();
        assert_eq!(missing(&done(&mut migrate("status", &options))), 1);
        assert_eq!(missing(&done(&mut migrate("up", &options))), 0);
        assert_eq!(done(migrate("up", &options).arg("--plan")), "");
        cluster::drop_database(&options).await;
    });
}

#[test]
fn a_step_that_was_changed_afterwards_is_refused() {
    story(async |world| {
        let mut connection = PgConnection::connect_with(&world.options).await.unwrap();
        sqlx::query("UPDATE _sqlx_migrations SET checksum = '' WHERE version = 2")
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        let said = failed(&mut migrate("up", &world.options), 1);
        assert!(said.contains("peshub migrate status"), "{said}");
        assert!(done(&mut migrate("status", &world.options)).contains("changed"));
    });
}

/// A hub as a process of its own.
pub(super) struct Serving {
    child: Child,
    pub(super) log: PathBuf,
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Serving {
    pub(super) fn start(command: &mut Command, dir: &Path) -> Self {
        let log = dir.join("log");
        let child = command.stdout(Stdio::null()).stderr(File::create(&log).unwrap());
        Self { child: child.spawn().expect("the program"), log }
    }

    pub(super) fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Asks it to end as Kubernetes does.
    pub(super) fn terminate(&mut self) -> bool {
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(asked.expect("kill").success());
        self.child.wait().expect("its end").success()
    }
}

pub(super) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Returns the status of a path over HTTP; none when nobody listens.
pub(super) fn http_status(address: SocketAddr, path: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(address).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split(' ').nth(1)?.parse().ok()
}

#[test]
fn a_new_binary_on_an_old_schema_is_not_ready_and_says_why_until_the_schema_is_there() {
    story(async |world| {
        let options = cluster::empty_database().await;
        let newest = without_the_newest(&options).await;
        let dir = cluster::directory("rollout");
        let ca = DevelopmentCa::new(now()).unwrap();
        let server = ca.server().unwrap();
        pki::write_private(&dir.join("cert.pem"), &server.certificate).unwrap();
        pki::write_private(&dir.join("key.pem"), &server.key).unwrap();
        Keys::open_or_create(&dir.join("keys")).unwrap();
        let internal = free_address();
        let mut command = peshub();
        command.args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--internal-listen",
            &internal.to_string(),
        ]);
        command.args(["--database-url", &cluster::url(&options)]);
        command.arg("--trust-dir").arg(directory(&world.ca.certificate()));
        command
            .arg("--tls-cert")
            .arg(dir.join("cert.pem"))
            .arg("--tls-key")
            .arg(dir.join("key.pem"));
        command.arg("--keys-dir").arg(dir.join("keys"));
        let mut serving = Serving::start(&mut command, &dir);
        until("what it lacks", async || {
            let lack = format!("the schema lacks the step {newest:04}");
            let said = serving.said();
            (said.contains(&lack) && said.contains("peshub migrate up")).then_some(())
        })
        .await;
        assert_eq!(http_status(internal, "/livez"), Some(200), "a restart would not help");
        assert_eq!(http_status(internal, "/readyz"), Some(503));
        assert!(done(&mut migrate("up", &options)).lines().all(|it| it.ends_with("applied")));
        let is_ready = || http_status(internal, "/readyz") == Some(200);
        until("the hub", async || is_ready().then_some(())).await;
        assert!(serving.terminate());
        cluster::drop_database(&options).await;
    });
}
