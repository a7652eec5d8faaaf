//! The internal listener: a hub is ready when it can serve, and says why when it is not.

use std::sync::Arc;

use peshub::dev::{Database, DevHub, DevOptions};
use peshub::kernel::clock::{Clock as _, SystemClock};
use peshub::platform::config::Surroundings;
use peshub::platform::db::Db;
use peshub::platform::local_postgres::{Durability, LocalPostgres, LocalPostgresOptions};
use peshub::platform::pki::DevelopmentCa;
use peshub::platform::probes::Internal;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::support::cluster::directory;
use crate::support::{story, until};
use crate::telemetry::exposition;

async fn get(internal: std::net::SocketAddr, path: &str) -> Option<(u16, String)> {
    let answer = reqwest::get(format!("http://{internal}{path}")).await.ok()?;
    Some((answer.status().as_u16(), answer.text().await.ok()?))
}

async fn becomes(internal: std::net::SocketAddr, wanted: (u16, &str)) {
    until(&format!("{wanted:?} from /readyz"), async || {
        let (status, body) = get(internal, "/readyz").await?;
        (status == wanted.0 && body.starts_with(wanted.1)).then_some(())
    })
    .await;
}

fn cluster(dir: &std::path::Path) -> LocalPostgresOptions {
    LocalPostgresOptions {
        search_path: Surroundings::of_process().search_path,
        durability: Durability::Full,
        ..LocalPostgresOptions::new(dir)
    }
}

#[test]
fn readiness_follows_the_database_and_says_so() {
    story(async |_| {
        let dir = directory("ready");
        let private = LocalPostgres::start(cluster(&dir)).await.expect("a cluster");
        let options: sqlx::postgres::PgConnectOptions = private.location().url().parse().unwrap();
        let database = Database { options, private: None };
        let ca = Arc::new(DevelopmentCa::new(SystemClock.now()).unwrap());
        let dev = DevOptions {
            database_connections: 10,
            ..DevOptions::new(dir.clone(), &Surroundings::default())
        };
        let hub = DevHub::start_with(&dev, &database, ca).await.expect("a hub");
        let internal = hub.hub.internal_address().unwrap();
        becomes(internal, (200, "ok\n")).await;

        private.stop().await.expect("the end of the database");
        becomes(internal, (503, "database: ")).await;
        let (status, _) = get(internal, "/livez").await.unwrap();
        assert_eq!(status, 200, "a database that is away kills nobody");

        let again = LocalPostgres::start(cluster(&dir)).await.expect("the cluster again");
        becomes(internal, (200, "ok\n")).await;
        hub.hub.stop().await;
        again.stop().await.expect("the end of the database");
    });
}

#[test]
fn a_hub_that_starts_or_drains_says_so_and_tells_its_version() {
    story(async |world| {
        let db = Db::open(world.options.clone(), 4);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let internal = Internal::start(listener, db.clone()).unwrap();
        let address = internal.address();
        becomes(address, (503, "starting: the schema is there")).await;
        sqlx::query("UPDATE _sqlx_migrations SET success = false WHERE version = 2")
            .execute(&world.pool)
            .await
            .unwrap();
        becomes(address, (503, "starting: the schema lacks the step ")).await;
        for path in ["/livez", "/startupz"] {
            assert_eq!(get(address, path).await.unwrap(), (200, "ok\n".to_owned()), "{path}");
        }
        let (_, version) = get(address, "/version").await.unwrap();
        let version: Value = serde_json::from_str(&version).unwrap();
        assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
        assert!(version["schema"].as_i64().unwrap() > 0);
        internal.drain();
        becomes(address, (503, "draining: ")).await;
        internal.stop().await;
        db.close().await;
    });
}

#[test]
fn metrics_are_told_as_prometheus_reads_them() {
    story(async |world| {
        let dir = directory("metrics");
        let database = Database { options: world.options.clone(), private: None };
        let dev = DevOptions {
            database_connections: 10,
            ..DevOptions::new(dir, &Surroundings::default())
        };
        let hub = DevHub::start_with(&dev, &database, Arc::clone(&world.ca)).await.unwrap();
        let internal = hub.hub.internal_address().unwrap();
        let families = until("what is looked at in the database", async || {
            let (status, text) = get(internal, "/metrics").await?;
            assert_eq!(status, 200);
            let families = exposition::parse(&text).expect("the text format");
            families.contains_key("peshub_audit_unsealed").then_some(families)
        })
        .await;
        for name in [
            "peshub_build_info",
            "peshub_calls_total",
            "peshub_call_seconds",
            "peshub_connections",
            "peshub_database_connections",
            "peshub_feed_position",
            "peshub_feed_lag_seconds",
            "peshub_feed_look_age_seconds",
            "peshub_feed_tail_bytes",
            "peshub_closes_held",
            "peshub_handshakes_total",
            "peshub_status_lists_age_seconds",
            "peshub_status_unpublished",
            "peshub_tasks",
        ] {
            assert!(families.contains_key(name), "{name} is missing");
        }
        for family in families.values() {
            for sample in &family.samples {
                let labels = format!("{:?}", sample.labels);
                assert!(!labels.contains("platform-") && !labels.contains("bureau-"), "{sample:?}");
            }
        }
        hub.hub.stop().await;
    });
}
