//! The internal HTTP listener: is the process alive, has it started, may it be sent calls, what does it measure, which program is it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;
use tokio::net::TcpListener;

use crate::platform::db::Db;
use crate::platform::db::schema::MIGRATIONS;
use crate::platform::feed::store as feed;
use crate::platform::feed::tail::Tail;
use crate::platform::metrics::meters;
use crate::platform::metrics::observe::{REVISION, VERSION};
use crate::platform::permit::Permit;
use crate::platform::tasks::Tasks;

/// Longest look at the database before a hub counts as not ready.
const READY_TIMEOUT: Duration = Duration::from_secs(2);
/// Longest time since the tail was where the feed is before a hub counts as not ready. It is brought up to date fifty times a second.
const FEED_AGE_MAX: Duration = Duration::from_secs(15);

/// The internal listener. It serves from before the schema is there until after the last call has ended.
#[derive(Debug)]
pub struct Internal {
    address: SocketAddr,
    health: Arc<Health>,
    tasks: Tasks,
}

/// How the hub is.
#[derive(Debug)]
struct Health {
    db: Db,
    stage: AtomicU8,
    /// Absent before the hub serves.
    tail: OnceLock<Arc<Tail>>,
}

/// Stages of a hub's life.
const STARTING: u8 = 0;
const SERVING: u8 = 1;
const DRAINING: u8 = 2;

impl Internal {
    /// Serves `/livez`, `/startupz`, `/readyz`, `/metrics` and `/version` in the background. Nothing is ready until
    /// [`Internal::serve`].
    ///
    /// # Errors
    ///
    /// The listener has no address.
    pub fn start(listener: TcpListener, db: Db) -> Result<Self, std::io::Error> {
        let address = listener.local_addr()?;
        let (stage, tail) = (AtomicU8::new(STARTING), OnceLock::new());
        let health = Arc::new(Health { db, stage, tail });
        let router = Router::new()
            .route("/livez", get(|| async { "ok\n" }))
            // The process has started when it answers; a schema that is still missing is waited for.
            .route("/startupz", get(|| async { "ok\n" }))
            .route("/readyz", get(ready))
            .route("/metrics", get(metrics))
            .route("/version", get(version))
            .with_state(Arc::clone(&health));
        let tasks = Tasks::default();
        let stopping = tasks.stopping();
        drop(tasks.spawn(async move {
            let served = axum::serve(listener, router)
                .with_graceful_shutdown(async move { stopping.cancelled().await });
            if let Err(error) = served.await {
                tracing::warn!("the internal listener ended: {error}");
            }
        }));
        Ok(Self { address, health, tasks })
    }

    /// Returns its address.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Says that calls may be sent as long as the database answers and the feed is followed.
    pub fn serve(&self, tail: Arc<Tail>) {
        self.health.tail.get_or_init(|| tail);
        self.health.stage.store(SERVING, Ordering::Relaxed);
    }

    /// Says that no more calls may be sent.
    pub fn drain(&self) {
        self.health.stage.store(DRAINING, Ordering::Relaxed);
    }

    /// Ends it; connections that stay open are cut off after a moment.
    pub async fn stop(self) {
        self.tasks.stop_within(Duration::from_secs(1)).await;
    }
}

impl Health {
    /// Returns why calls may not be sent, if they may not.
    async fn lacks(&self) -> Option<String> {
        match self.stage.load(Ordering::Relaxed) {
            STARTING => return Some(format!("starting: {}", self.awaited().await)),
            DRAINING => return Some("draining: the hub is shutting down".to_owned()),
            _ => {}
        }
        let look = async {
            let mut tx = self.db.read(&Permit::of_hub()).await?;
            feed::probe(tx.connection()).await
        };
        match tokio::time::timeout(READY_TIMEOUT, look).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Some(format!("database: {error}")),
            Err(_) => return Some("database: it does not answer".to_owned()),
        }
        self.tail.get().and_then(|tail| stale(tail.look_age()))
    }

    /// Returns what a hub that starts waits for.
    async fn awaited(&self) -> String {
        match tokio::time::timeout(READY_TIMEOUT, self.db.schema()).await {
            Ok(Ok(schema)) => match schema.lack() {
                None => "the schema is there; the hub is not, yet".to_owned(),
                Some(lack) => format!("the schema lacks {lack}; run `peshub migrate up`"),
            },
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the database does not answer".to_owned(),
        }
    }
}

/// Returns what is wrong with a feed that was last followed so long ago.
fn stale(age: Duration) -> Option<String> {
    (age > FEED_AGE_MAX).then(|| format!("feed: it was last followed {} s ago", age.as_secs()))
}

async fn ready(State(health): State<Arc<Health>>) -> (StatusCode, String) {
    match health.lacks().await {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

async fn metrics() -> Response {
    let Some(meters) = meters::meters() else { return StatusCode::NO_CONTENT.into_response() };
    match meters.text() {
        Ok(text) => ([(header::CONTENT_TYPE, meters::TEXT_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "no metrics: {error}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn version() -> Response {
    let schema = MIGRATIONS.iter().map(|step| step.version).max();
    let told = json!({ "version": VERSION, "revision": REVISION, "schema": schema });
    ([(header::CONTENT_TYPE, "application/json")], format!("{told}\n")).into_response()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::platform::probes::stale;

    #[test]
    fn a_feed_that_is_not_followed_is_stale() {
        assert_eq!(stale(Duration::from_secs(15)), None);
        assert_eq!(stale(Duration::from_secs(16)).unwrap(), "feed: it was last followed 16 s ago");
    }
}
