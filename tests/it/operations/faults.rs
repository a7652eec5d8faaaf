//! What the doctor finds of a whole PostgreSQL: on a cluster of its own, which is spoilt.

use std::process::{Command, Stdio};
use std::sync::Arc;

use peshub::doctor::{self, Patient, Severity};
use peshub::kernel::clock::SystemClock;
use peshub::platform::config::{LimitOptions, Surroundings, ThresholdOptions};
use peshub::platform::db::Db;
use peshub::platform::local_postgres::{Durability, LocalPostgres, LocalPostgresOptions};
use sqlx::postgres::PgConnectOptions;

use crate::operations::doctor::{execute, finds, told};
use crate::program::{peshub, text};
use crate::support::{cluster, story, until};

async fn spoilt() -> (LocalPostgres, PgConnectOptions, PgConnectOptions) {
    let options = LocalPostgresOptions {
        durability: Durability::TestsOnly,
        search_path: Surroundings::of_process().search_path,
        settings: vec![
            ("max_prepared_transactions".to_owned(), "2".to_owned()),
            ("max_connections".to_owned(), "20".to_owned()),
        ],
        ..LocalPostgresOptions::new(cluster::directory("spoilt"))
    };
    let postgres = LocalPostgres::start(options).await.expect("a cluster");
    let options: PgConnectOptions = postgres.location().url().parse().unwrap();
    let db = Db::open(options.clone(), 2);
    db.migrate().await.unwrap();
    db.close().await;
    let superuser = options.clone().username("peshub");
    (postgres, options, superuser)
}

fn patient(options: &PgConnectOptions) -> Patient {
    Patient {
        database: Some(options.clone()),
        data_dir: None,
        tls: None,
        trust_dir: None,
        hub_tokens: true,
        keys_dir: None,
        database_connections: 8,
        limits: LimitOptions { connections_max: 64, handshakes_max: 16, ..LimitOptions::default() },
        thresholds: ThresholdOptions::default(),
        clock: Arc::new(SystemClock),
    }
}

#[test]
fn what_is_wrong_with_a_whole_postgresql_is_found() {
    story(async |_| {
        let (postgres, options, superuser) = spoilt().await;
        let patient = patient(&options);
        let report = doctor::examine(&patient).await;
        let all = told(&report);
        // The three of `Durability::TestsOnly`, and nothing else.
        assert_eq!(all.len(), 3, "{all:#?}");
        for name in ["fsync", "full_page_writes", "synchronous_commit"] {
            let words = [format!("{name} is off")];
            finds(&patient, "database.settings", Severity::Fault, &[&words[0]]).await;
        }

        let many = Patient { database_connections: 30, ..patient.clone() };
        let words = ["PostgreSQL takes 17 connections, and one replica may want 32"];
        finds(&many, "database.connections", Severity::Warning, &words).await;

        execute(&options, "CREATE TABLE theirs (id int)").await;
        execute(
            &options,
            "BEGIN; INSERT INTO theirs VALUES (1); PREPARE TRANSACTION 'left behind'",
        )
        .await;
        let thresholds = ThresholdOptions {
            doctor_transaction_seconds: 0,
            doctor_replication_mib: 0,
            ..patient.thresholds.clone()
        };
        let strict = Patient { thresholds, ..patient.clone() };
        let words = ["left behind", "ROLLBACK PREPARED"];
        finds(&strict, "database.transactions", Severity::Warning, &words).await;
        execute(&options, "ROLLBACK PREPARED 'left behind'").await;

        execute(&superuser, "SELECT pg_create_physical_replication_slot('forgotten', true)").await;
        let words = ["replication slot forgotten", "pg_drop_replication_slot"];
        finds(&strict, "database.standby", Severity::Warning, &words).await;
        execute(&superuser, "SELECT pg_drop_replication_slot('forgotten')").await;

        // Somebody who takes the log and then stands still, as a standby does whose disk is full.
        let dir = cluster::directory("receives");
        let location = postgres.location();
        let mut standby = Command::new(postgres.programs_dir().join("pg_receivewal"))
            .arg("-h")
            .arg(&location.socket_dir)
            .args([
                "-p",
                &location.port.to_string(),
                "-U",
                "peshub",
                "-d",
                "application_name=slow",
                "-D",
            ])
            .arg(&dir)
            .stderr(Stdio::null())
            .spawn()
            .expect("pg_receivewal");
        let privileged = Patient { database: Some(superuser.clone()), ..strict.clone() };
        until("a standby that is behind", async || {
            execute(&options, "INSERT INTO theirs SELECT generate_series(1, 1000)").await;
            let all = told(&doctor::examine(&privileged).await).join("\n");
            all.contains("the standby slow is ").then_some(())
        })
        .await;
        standby.kill().unwrap();
        standby.wait().unwrap();
        until("nothing but the settings", async || {
            (doctor::examine(&patient).await.findings.len() == 3).then_some(())
        })
        .await;
        postgres.stop().await.unwrap();
    });
}

#[test]
fn a_private_database_is_looked_at_while_it_runs_and_when_it_does_not() {
    story(async |_| {
        let data_dir = cluster::directory("private");
        let options = LocalPostgresOptions {
            search_path: Surroundings::of_process().search_path,
            ..LocalPostgresOptions::new(&data_dir)
        };
        let postgres = LocalPostgres::start(options).await.expect("a cluster");
        let examined = || {
            let mut command = peshub();
            command.args(["doctor", "--connections-max", "64", "--handshakes-max", "16"]);
            command.args(["--database-connections", "16", "--doctor-disk-percent", "0"]);
            let output = command.arg("--data-dir").arg(&data_dir).output().unwrap();
            (output.status.code(), text(&output.stdout))
        };
        let (code, running) = examined();
        assert_eq!(code, Some(2), "its schema is not there: {running}");
        assert!(running.contains("the schema is older than this binary"), "{running}");
        postgres.stop().await.unwrap();
        let (_, stopped) = examined();
        assert_eq!(running, stopped, "it is started to be looked at");
        assert!(!data_dir.join("pg/postmaster.pid").exists(), "and stopped again");
    });
}
