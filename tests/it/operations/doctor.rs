//! The doctor finds what is planted, and nothing where nothing is.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use peshub::doctor::{self, Finding, Patient, Report, Severity};
use peshub::kernel::clock::{Clock, SystemClock};
use peshub::platform::config::{LimitOptions, ThresholdOptions};
use peshub::platform::keys::Keys;
use peshub::platform::pki::authority::{ListProfile, Profile, Usage};
use peshub::platform::pki::{self, TRUST_DOMAIN};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use time::{Duration, OffsetDateTime};

use crate::identity::office::{directory, now, write};
use crate::program::{failed, peshub, text};
use crate::support::{World, cluster, story, until};

/// A hub in order: its database, its files, its machine.
pub(crate) fn healthy(world: &World) -> (Patient, PathBuf) {
    let dir = cluster::directory("doctor");
    let server = world.ca.server().expect("a certificate");
    let (certificate, key) = (dir.join("cert.pem"), dir.join("key.pem"));
    pki::write_private(&certificate, &server.certificate).unwrap();
    pki::write_private(&key, &server.key).unwrap();
    Keys::open_or_create(&dir.join("keys")).unwrap();
    let patient = Patient {
        database: Some(world.options.clone()),
        data_dir: Some(dir.clone()),
        tls: Some((certificate, key)),
        trust_dir: Some(directory(&world.ca.certificate())),
        hub_tokens: false,
        keys_dir: Some(dir.join("keys")),
        database_connections: 10,
        limits: LimitOptions { connections_max: 64, handshakes_max: 16, ..LimitOptions::default() },
        // The disk of whoever runs the tests is not the hub's.
        thresholds: ThresholdOptions { doctor_disk_percent: 0, ..ThresholdOptions::default() },
        clock: Arc::new(SystemClock),
    };
    (patient, dir)
}

/// Tells each finding as its check, how bad it is, and what was found.
pub(crate) fn told(report: &Report) -> Vec<String> {
    let line = |it: &Finding| format!("{} {:?}: {}", it.check, it.severity, it.what);
    report.findings.iter().map(line).collect()
}

/// Examines and expects one finding of a check that tells all of some words, and what to do.
pub(crate) async fn finds(patient: &Patient, check: &str, severity: Severity, words: &[&str]) {
    let report = doctor::examine(patient).await;
    let found = report.findings.iter().find(|it| {
        let all = format!("{} {}", it.what, it.remedy);
        it.check == check && words.iter().all(|word| all.contains(word))
    });
    let found = found.unwrap_or_else(|| panic!("{check} {words:?}: {:#?}", told(&report)));
    assert_eq!(found.severity, severity, "{found:?}");
    assert!(!found.meaning.is_empty() && !found.remedy.is_empty(), "{found:?}");
}

pub(crate) async fn finds_nothing(patient: &Patient) {
    let report = doctor::examine(patient).await;
    assert_eq!(told(&report), Vec::<String>::new());
    assert!(report.skipped.is_empty(), "{:?}", report.skipped);
    assert_eq!(report.checked.len(), 17, "{:?}", report.checked);
}

pub(crate) async fn execute(options: &PgConnectOptions, statement: &str) {
    let mut connection = PgConnection::connect_with(options).await.unwrap();
    let statement = AssertSqlSafe(statement.to_owned());
    sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// A machine whose clock is wrong.
struct Wrong(Duration);

impl Clock for Wrong {
    fn now(&self) -> OffsetDateTime {
        SystemClock.now() + self.0
    }
}

#[test]
fn settings_of_the_database_that_lose_changes_are_found_with_where_they_are_made() {
    story(async |world| {
        let (patient, _) = healthy(world);
        finds_nothing(&patient).await;
        let name = world.options.get_database().unwrap();
        let set = |what: &str| format!("ALTER DATABASE {name} {what} synchronous_commit");
        execute(&world.options, &format!("{} = off", set("SET"))).await;
        let words = ["synchronous_commit is off (database)", "ALTER DATABASE", "RESET"];
        finds(&patient, "database.settings", Severity::Fault, &words).await;
        execute(&world.options, &set("RESET")).await;
        finds_nothing(&patient).await;
    });
}

#[test]
fn an_old_schema_and_a_new_one_are_found() {
    story(async |world| {
        let (patient, _) = healthy(world);
        execute(
            &world.options,
            "INSERT INTO _sqlx_migrations VALUES (9999, 'of tomorrow', now(), true, '', 0)",
        )
        .await;
        let words = ["newer than this binary: 1 more steps", "9999 of tomorrow"];
        finds(&patient, "database.schema", Severity::Warning, &words).await;
        execute(&world.options, "DELETE FROM _sqlx_migrations WHERE version IN (3, 9999)").await;
        let words = ["lacks the step 0003 posting", "peshub migrate up"];
        finds(&patient, "database.schema", Severity::Fault, &words).await;
    });
}

#[test]
fn a_clock_that_is_wrong_is_found() {
    story(async |world| {
        let (patient, _) = healthy(world);
        for (skew, words) in [
            (Duration::seconds(-30), "the database's clock is 29 s ahead of"),
            (Duration::seconds(30), "the database's clock is 29 s behind"),
        ] {
            // Not a whole second of it is lost to the question.
            let clock = Arc::new(Wrong(skew));
            let report = doctor::examine(&Patient { clock, ..patient.clone() }).await;
            let all = told(&report).join("\n");
            assert!(all.contains(words) || all.contains(&words.replace("29", "30")), "{all}");
        }
        finds_nothing(&patient).await;
    });
}

#[test]
fn a_feed_that_a_foreign_transaction_stalls_is_found_with_who_it_is() {
    story(async |world| {
        let _hub = world.hub().await;
        let (patient, _) = healthy(world);
        finds_nothing(&patient).await;
        // Nothing is patient any more, so that nothing has to be waited for.
        let thresholds = ThresholdOptions {
            doctor_transaction_seconds: 0,
            doctor_lag_seconds: 0,
            ..patient.thresholds.clone()
        };
        let impatient = Patient { thresholds, ..patient.clone() };
        let options = world.options.clone().application_name("a report of somebody's");
        let mut foreign = PgConnection::connect_with(&options).await.unwrap();
        let pid: i32 =
            sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut foreign).await.unwrap();
        sqlx::raw_sql("BEGIN; SELECT * FROM feed_head FOR UPDATE")
            .execute(&mut foreign)
            .await
            .unwrap();
        // A change, as the hub writes one.
        execute(
            &world.options,
            "INSERT INTO change_log (at, topic, entity_id, revision, header, facets) VALUES (now(), 1, 1, 1, '', '{}')",
        )
        .await;
        let process = format!("process {pid}");
        let named = [
            process.as_str(),
            "a report of somebody's",
            "0 s old",
            "idle in transaction",
            "pg_terminate_backend",
        ];
        finds(&impatient, "feed", Severity::Fault, &named).await;
        finds(&impatient, "feed", Severity::Fault, &["1 changes are not in the feed yet"]).await;
        let open = [process.as_str(), "a report of somebody's", "has had a transaction open"];
        finds(&impatient, "database.transactions", Severity::Warning, &open).await;
        foreign.close().await.unwrap();
        until("the feed to flow again", async || {
            let report = doctor::examine(&impatient).await;
            (!report.findings.iter().any(|it| it.check == "feed")).then_some(())
        })
        .await;

        // One that lets nobody even look is found as well, and does not keep the doctor waiting.
        let mut foreign = PgConnection::connect_with(&options).await.unwrap();
        sqlx::raw_sql("BEGIN; LOCK TABLE feed_head").execute(&mut foreign).await.unwrap();
        let named = ["a report of somebody's", "AccessExclusiveLock"];
        finds(&impatient, "feed", Severity::Fault, &named).await;
        foreign.close().await.unwrap();
    });
}

#[test]
fn what_does_not_flow_is_found() {
    story(async |world| {
        let (patient, _) = healthy(world);
        let none = ThresholdOptions {
            doctor_lag_seconds: 0,
            doctor_held_hours: 0,
            ..patient.thresholds.clone()
        };
        let impatient = Patient { thresholds: none, ..patient.clone() };
        finds_nothing(&impatient).await;
        for statement in [
            // No hub runs that would give it a position.
            "INSERT INTO change_log (at, topic, entity_id, revision, header, facets) VALUES (now(), 1, 1, 1, '', '{}')",
            "INSERT INTO held_close SELECT 1, source_id, 'x', 1, now(), 1, now() - interval '3 hours' FROM source LIMIT 1",
            "WITH entry AS (INSERT INTO audit (entry_id, at, participant, system, action, subject, event, refusal, times)
                            VALUES (gen_random_uuid(), now(), '', '', '', '', '', '', 1) RETURNING audit_id)
             INSERT INTO audit_pending SELECT audit_id FROM entry",
        ] {
            execute(&world.options, statement).await;
        }
        finds(&impatient, "feed", Severity::Fault, &["1 changes", "peshub serve"]).await;
        let words = ["1 closes of the source", "for 3 h"];
        finds(&impatient, "postings.held", Severity::Warning, &words).await;
        finds(&impatient, "audit.sealed", Severity::Warning, &["1 entries"]).await;
        finds_nothing(&patient).await;
    });
}

#[test]
fn certificates_authorities_and_lists_are_found_before_they_end() {
    story(async |world| {
        let (patient, dir) = healthy(world);
        let trust = patient.trust_dir.clone().unwrap();
        let list = ListProfile {
            number: 1,
            this_update: now(),
            next_update: now() + Duration::days(8),
            revoked: Vec::new(),
        };
        let list = world.ca.authority().revocation_list(&list).unwrap();
        write(&trust, TRUST_DOMAIN, "crl.pem", &list);
        finds_nothing(&patient).await;
        let at = |days| Patient { clock: Arc::new(Wrong(Duration::days(days))), ..patient.clone() };
        finds(
            &at(7),
            "trust",
            Severity::Warning,
            &["a revocation list in dev.peshub/crl.pem ends in"],
        )
        .await;
        finds(&at(9), "trust", Severity::Fault, &["a revocation list", "ended"]).await;
        for (check, what) in
            [("trust", "an authority in dev.peshub/ca.pem"), ("tls", "the hub's certificate in")]
        {
            finds(&at(25), check, Severity::Warning, &[what, "ends in"]).await;
            finds(&at(32), check, Severity::Fault, &[what, "ended"]).await;
        }
        // A certificate that lives long is told of when the threshold says so.
        let profile = Profile {
            hosts: vec!["localhost".to_owned()],
            usage: Usage::Server,
            ..Profile::client("peshub", &[], now(), Duration::days(400))
        };
        let long = world.ca.authority().issue(&profile).unwrap().identity;
        pki::write_private(&dir.join("cert.pem"), &long.certificate).unwrap();
        let said = doctor::examine(&patient).await;
        assert!(told(&said)[0].contains("do not fit together"), "{:?}", told(&said));
        pki::write_private(&dir.join("key.pem"), &long.key).unwrap();
        finds_nothing(&patient).await;
        let thresholds =
            ThresholdOptions { doctor_certificate_days: 60, ..patient.thresholds.clone() };
        let is_told = async |days| {
            let clock = Arc::new(Wrong(Duration::days(days)));
            let patient = Patient { clock, thresholds: thresholds.clone(), ..patient.clone() };
            told(&doctor::examine(&patient).await).join("\n").contains("the hub's certificate in")
        };
        assert!(!is_told(339).await && is_told(341).await);
    });
}

#[test]
fn keys_and_trust_that_cannot_be_used_are_found() {
    story(async |world| {
        let (patient, dir) = healthy(world);
        let key = dir.join("key.pem");
        let set = |mode| std::fs::set_permissions(&key, Permissions::from_mode(mode)).unwrap();
        set(0o644);
        finds(&patient, "keys", Severity::Warning, &["key.pem", "everybody", "chmod o="]).await;
        set(0o600);
        finds_nothing(&patient).await;
        let elsewhere = Patient { keys_dir: Some(dir.join("none")), ..patient.clone() };
        finds(&elsewhere, "keys", Severity::Fault, &["none", "peshub keys init"]).await;
        let trust = patient.trust_dir.clone().unwrap();
        write(&trust, "stray.example", "ca.pem", "no certificate");
        finds(&patient, "trust", Severity::Fault, &["stray.example/ca.pem"]).await;
    });
}

#[test]
fn too_few_connections_files_and_room_are_found() {
    story(async |world| {
        let (patient, _) = healthy(world);
        let name = world.options.get_database().unwrap();
        let limit = |most| format!("ALTER DATABASE {name} CONNECTION LIMIT {most}");
        execute(&world.options, &limit(11)).await;
        let words = ["the database takes 11 connections, and one replica may want 12"];
        finds(&patient, "database.connections", Severity::Warning, &words).await;
        execute(&world.options, &limit(15)).await;
        finds_nothing(&patient).await;
        let mut others = Vec::new();
        for _ in 0..12 {
            others.push(PgConnection::connect_with(&world.options).await.unwrap());
        }
        until("the connections", async || {
            let report = doctor::examine(&patient).await;
            told(&report)
                .join("\n")
                .contains("of the 15 connections that the database takes")
                .then_some(())
        })
        .await;
        for other in others {
            other.close().await.unwrap();
        }
        let limits = LimitOptions { connections_max: 1_000_000, ..patient.limits.clone() };
        let many = Patient { limits, ..patient.clone() };
        finds(&many, "machine.files", Severity::Warning, &["may be open", "LimitNOFILE"]).await;
        let thresholds =
            ThresholdOptions { doctor_disk_percent: 101, ..patient.thresholds.clone() };
        let report = doctor::examine(&Patient { thresholds, ..patient.clone() }).await;
        assert!(told(&report)[0].starts_with("machine.disk"), "{:?}", told(&report));
    });
}

/// A small disk of its own, for as long as this lives.
struct Disk(PathBuf);

impl Disk {
    /// Mounts one of 8 MiB; nothing where this user may not mount.
    fn mount() -> Option<Self> {
        let dir = cluster::directory("disk");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=8m,mode=755", "peshub-test"]).arg(&dir);
        mount.stderr(Stdio::null()).status().is_ok_and(|it| it.success()).then_some(Self(dir))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        Command::new("umount").arg(&self.0).status().expect("a way to unmount");
    }
}

#[test]
fn a_disk_that_is_nearly_full_is_found() {
    let Some(disk) = Disk::mount() else {
        eprintln!("LEFT OUT: a disk that is nearly full; only root may mount one");
        return;
    };
    story(async |world| {
        let (patient, _) = healthy(world);
        let thresholds = ThresholdOptions { doctor_disk_percent: 15, ..patient.thresholds.clone() };
        let data_dir = Some(disk.0.clone());
        let patient = Patient { thresholds, data_dir, ..patient };
        finds_nothing(&patient).await;
        let fill = |mib: usize| std::fs::write(disk.0.join("log"), vec![0; mib << 20]).unwrap();
        fill(7);
        finds(&patient, "machine.disk", Severity::Warning, &["12 %", "1 MiB", "make room"]).await;
        std::fs::write(disk.0.join("more"), vec![0; 800 << 10]).unwrap();
        finds(&patient, "machine.disk", Severity::Fault, &["0 MiB"]).await;
        std::fs::remove_file(disk.0.join("more")).unwrap();
        fill(1);
        finds_nothing(&patient).await;
    });
}

#[test]
fn a_postgresql_that_is_too_old_is_found() {
    story(async |world| {
        let (patient, _) = healthy(world);
        let name = world.options.get_database().unwrap();
        // What an older server would answer stands before what this one does.
        for statement in [
            "CREATE SCHEMA older",
            "CREATE FUNCTION older.current_setting(name text) RETURNS text LANGUAGE sql AS $$
               SELECT CASE name WHEN 'server_version' THEN '14.9' WHEN 'server_version_num' THEN '140009'
                                ELSE pg_catalog.current_setting(name) END $$",
            &format!("ALTER DATABASE {name} SET search_path = older, pg_catalog, public"),
        ] {
            execute(&world.options, statement).await;
        }
        let words = ["PostgreSQL is 14.9", "pg_upgrade"];
        finds(&patient, "database.version", Severity::Fault, &words).await;
        execute(&world.options, &format!("ALTER DATABASE {name} RESET search_path")).await;
        finds_nothing(&patient).await;
    });
}

#[test]
fn the_program_says_by_its_exit_code_how_bad_it_is() {
    story(async |world| {
        let (patient, dir) = healthy(world);
        let url = cluster::url(&world.options);
        let doctor = |url: &str| {
            let mut command = peshub();
            command.args([
                "doctor",
                "--log",
                "warn",
                "--connections-max",
                "64",
                "--handshakes-max",
                "16",
            ]);
            command.args(["--doctor-disk-percent", "0", "--database-url", url]);
            command.arg("--trust-dir").arg(patient.trust_dir.as_ref().unwrap());
            command.arg("--tls-cert").arg(dir.join("cert.pem"));
            command.arg("--tls-key").arg(dir.join("key.pem"));
            command.arg("--keys-dir").arg(dir.join("keys"));
            command
        };
        let output = doctor(&url).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
        assert!(text(&output.stdout).ends_with("16 checks, nothing wrong\n"));
        let statement = "INSERT INTO _sqlx_migrations VALUES (9999, 'x', now(), true, '', 0)";
        execute(&world.options, statement).await;
        let output = doctor(&url).arg("--json").output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
        let lines: Vec<serde_json::Value> = text(&output.stdout)
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        assert_eq!(lines[0]["check"], "database.schema");
        assert_eq!(lines[0]["severity"], "warning");
        assert_eq!(lines[1]["warnings"], 1);
        let nowhere = "postgres://nobody@localhost/none?host=/nonexistent";
        assert_eq!(failed(&mut doctor(nowhere), 2), "");
        // Where there is no database it says so, and makes none.
        let empty = cluster::directory("empty");
        let mut alone = peshub();
        alone.args(["doctor", "--connections-max", "64", "--handshakes-max", "16", "--data-dir"]);
        let output = alone.arg(&empty).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stdout).contains("PESHUB_DATABASE_URL"));
        assert!(is_empty(&empty));
    });
}

fn is_empty(dir: &Path) -> bool {
    std::fs::read_dir(dir).unwrap().next().is_none()
}
