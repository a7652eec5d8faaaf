//! The internal HTTP listener: is the process alive, has it started, may it be sent calls.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::TcpListener;

use crate::platform::db::Db;
use crate::platform::feed::store as feed;
use crate::platform::permit::Permit;
use crate::platform::tasks::Tasks;

/// Longest look at the database before a hub counts as not ready.
const READY_TIMEOUT: Duration = Duration::from_secs(2);

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
    /// Whether calls may be sent.
    serving: AtomicBool,
}

impl Internal {
    /// Serves `/livez`, `/startupz` and `/readyz` in the background. Nothing is ready until [`Internal::set_serving`].
    ///
    /// # Errors
    ///
    /// The listener has no address.
    pub fn start(listener: TcpListener, db: Db) -> Result<Self, std::io::Error> {
        let address = listener.local_addr()?;
        let health = Arc::new(Health { db, serving: AtomicBool::new(false) });
        let router = Router::new()
            .route("/livez", get(|| async { "ok\n" }))
            // The process has started when it answers; a schema that is still missing is waited for.
            .route("/startupz", get(|| async { "ok\n" }))
            .route("/readyz", get(ready))
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

    /// Says whether calls may be sent.
    pub fn set_serving(&self, serving: bool) {
        self.health.serving.store(serving, Ordering::Relaxed);
    }

    /// Ends it; connections that stay open are cut off after a moment.
    pub async fn stop(self) {
        self.tasks.stop_within(Duration::from_secs(1)).await;
    }
}

impl Health {
    async fn is_ready(&self) -> Result<(), String> {
        if !self.serving.load(Ordering::Relaxed) {
            return Err("the hub is starting or shutting down".to_owned());
        }
        let look = async {
            let mut tx = self.db.read(&Permit::of_hub()).await?;
            feed::probe(tx.connection()).await
        };
        match tokio::time::timeout(READY_TIMEOUT, look).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("the database does not answer".to_owned()),
        }
    }
}

async fn ready(State(health): State<Arc<Health>>) -> (StatusCode, String) {
    match health.is_ready().await {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}
