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

/// How the hub is.
#[derive(Debug)]
pub struct Health {
    db: Db,
    started: AtomicBool,
    draining: AtomicBool,
}

impl Health {
    /// Returns the health of a hub that has not started yet.
    #[must_use]
    pub const fn new(db: Db) -> Self {
        Self { db, started: AtomicBool::new(false), draining: AtomicBool::new(false) }
    }

    /// Says that the hub serves.
    pub fn set_started(&self) {
        self.started.store(true, Ordering::Relaxed);
    }

    /// Says that the hub takes no new calls.
    pub fn set_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    async fn is_ready(&self) -> Result<(), String> {
        if self.draining.load(Ordering::Relaxed) {
            return Err("the hub is shutting down".to_owned());
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

/// Serves `/livez`, `/startupz` and `/readyz` in the background.
///
/// # Errors
///
/// The listener has no address.
pub fn serve(
    listener: TcpListener,
    health: Arc<Health>,
    tasks: &Tasks,
) -> Result<SocketAddr, std::io::Error> {
    let address = listener.local_addr()?;
    let router = Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/startupz", get(startup))
        .route("/readyz", get(ready))
        .with_state(health);
    let stopping = tasks.stopping();
    drop(tasks.spawn(async move {
        let served = axum::serve(listener, router)
            .with_graceful_shutdown(async move { stopping.cancelled().await });
        if let Err(error) = served.await {
            tracing::warn!("the internal listener ended: {error}");
        }
    }));
    Ok(address)
}

async fn startup(State(health): State<Arc<Health>>) -> (StatusCode, &'static str) {
    if health.started.load(Ordering::Relaxed) {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "starting\n")
    }
}

async fn ready(State(health): State<Arc<Health>>) -> (StatusCode, String) {
    match health.is_ready().await {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}
