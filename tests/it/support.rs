//! What every story needs: a database of its own, hubs over it, and clients of them.
//!
//! A story is told with [`story`]. It gets a [`World`] with an empty database in which the demo participants and sources of
//! [`peshub::dev`] are registered, and starts as many hubs over it as it likes. Nothing here sleeps in order to pass: what is
//! to come is waited for, with [`within`].

pub(crate) mod applications;
pub(crate) mod author;
pub(crate) mod cluster;
pub(crate) mod credentials;
pub(crate) mod eligibility;
pub(crate) mod hostile;
pub(crate) mod issuing;
pub(crate) mod plain;
pub(crate) mod postings;
pub(crate) mod subsidies;
pub(crate) mod sync;
pub(crate) mod table;
pub(crate) mod wallet;
pub(crate) mod watch;

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use peshub::client::connect::{ClientIdentity, Connection, Options};
use peshub::credentials::status::Statuses;
use peshub::dev::{Database, DevHub, DevOptions};
use peshub::kernel::clock::{Clock as _, SystemClock};
use peshub::pb::peshub::postings::v1::posting_service_client::PostingServiceClient;
use peshub::platform::config::{LimitOptions, Surroundings};
use peshub::platform::fetch::Reach;
use peshub::platform::pki::DevelopmentCa;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};

/// Longest wait for anything that must come.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

/// What public addresses begin with, of every hub: an ingress that is not there would lead from it to [`TestHub::public`].
pub(crate) const PUBLIC_URL: &str = "https://hub.example";

pub(crate) type Postings = PostingServiceClient<peshub::client::connect::Transport>;

/// Waits for what must come.
pub(crate) async fn within<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(DEADLINE, future).await {
        Ok(output) => output,
        Err(elapsed) => panic!("{what} did not come within {DEADLINE:?}: {elapsed}"),
    }
}

/// Asks again and again until there is an answer.
pub(crate) async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(begun.elapsed() < DEADLINE, "{what} did not come within {DEADLINE:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Tells a story on a runtime of its own. It fails when a hub does not stop, or when a task is left behind.
pub(crate) fn story(tell: impl AsyncFnOnce(&World)) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let world = World::new().await;
        tell(&world).await;
        world.end().await;
        let tasks = runtime.metrics();
        until("the end of every task", async || (tasks.num_alive_tasks() == 0).then_some(())).await;
    });
}

/// A database, and the hubs over it.
pub(crate) struct World {
    /// How to connect to the database.
    pub(crate) options: PgConnectOptions,
    /// The tests' own way into the database, past every hub.
    pub(crate) pool: PgPool,
    /// The authority of every certificate.
    pub(crate) ca: Arc<DevelopmentCa>,
    hubs: Mutex<Vec<DevHub>>,
}

impl World {
    pub(crate) async fn new() -> Self {
        let options = cluster::fresh_database().await;
        let pool = PgPoolOptions::new().max_connections(8).connect_lazy_with(options.clone());
        let ca = Arc::new(DevelopmentCa::new(SystemClock.now()).expect("an authority"));
        Self { options, pool, ca, hubs: Mutex::default() }
    }

    /// Starts one more hub over the database.
    pub(crate) async fn hub(&self) -> TestHub {
        self.hub_with(LimitOptions::default(), None, &std::env::temp_dir()).await
    }

    /// Starts one more hub over the database, with the keys in a data directory of its own.
    pub(crate) async fn hub_in(&self, data_dir: &Path) -> TestHub {
        self.hub_with(LimitOptions::default(), None, data_dir).await
    }

    /// Starts one more hub over the database, with limits of its own.
    pub(crate) async fn hub_within(&self, limits: LimitOptions) -> TestHub {
        self.hub_with(limits, None, &std::env::temp_dir()).await
    }

    /// Starts one more hub over the database, which believes what stands in a trust directory.
    pub(crate) async fn hub_believing(&self, trust_dir: &Path) -> TestHub {
        self.hub_with(LimitOptions::default(), Some(trust_dir), &std::env::temp_dir()).await
    }

    async fn hub_with(
        &self,
        limits: LimitOptions,
        trust_dir: Option<&Path>,
        data_dir: &Path,
    ) -> TestHub {
        let options = DevOptions {
            trust_dir: trust_dir.map(Path::to_owned),
            limits,
            ..usual_options(data_dir)
        };
        self.start(options).await
    }

    /// Starts one more hub over the database, which publishes no list of fewer credentials.
    pub(crate) async fn hub_with_population(&self, status_population_min: u32) -> TestHub {
        let usual = usual_options(&std::env::temp_dir());
        self.start(DevOptions { status_population_min, ..usual }).await
    }

    /// Starts one more hub over the database, which fetches documents from where it may.
    pub(crate) async fn hub_reaching(&self, reach: Reach) -> TestHub {
        let usual = usual_options(&std::env::temp_dir());
        self.start(DevOptions { reach, ..usual }).await
    }

    async fn start(&self, options: DevOptions) -> TestHub {
        let database = Database { options: self.options.clone(), private: None };
        let starting = DevHub::start_with(&options, &database, Arc::clone(&self.ca));
        let hub = within("the hub's start", starting).await.expect("a hub");
        let public = hub.hub.public_address.expect("a public listener");
        let handle = TestHub { address: hub.hub.address, public, ca: Arc::clone(&self.ca) };
        self.hubs.lock().unwrap().push(hub);
        handle
    }

    /// What a hub knows of the status of credentials.
    pub(crate) fn statuses(&self, hub: &TestHub) -> Statuses {
        let hubs = self.hubs.lock().unwrap();
        let found = hubs.iter().find(|it| it.hub.address == hub.address);
        found.expect("a hub that runs").hub.statuses.clone()
    }

    /// Stops a hub as SIGTERM does.
    pub(crate) async fn stop(&self, hub: &TestHub) {
        let stopped = {
            let mut hubs = self.hubs.lock().unwrap();
            let index = hubs.iter().position(|it| it.hub.address == hub.address);
            hubs.swap_remove(index.expect("a hub that runs"))
        };
        within("the hub's end", stopped.hub.stop()).await;
    }

    pub(crate) async fn end(self) {
        let hubs: Vec<DevHub> = self.hubs.into_inner().unwrap();
        for hub in hubs {
            within("the hub's end", hub.hub.stop()).await;
        }
        self.pool.close().await;
        cluster::drop_database(&self.options).await;
    }
}

fn usual_options(data_dir: &Path) -> DevOptions {
    DevOptions {
        internal_listen: None,
        public_url: Some(PUBLIC_URL.to_owned()),
        database_connections: 10,
        checkpoint_every: Duration::from_millis(100),
        ..DevOptions::new(data_dir.to_owned(), &Surroundings::default())
    }
}

/// A hub that runs: where it is, and how to reach it.
#[derive(Clone, Debug)]
pub(crate) struct TestHub {
    /// Its gRPC listener.
    pub(crate) address: SocketAddr,
    /// Its public HTTP listener.
    pub(crate) public: SocketAddr,
    pub(crate) ca: Arc<DevelopmentCa>,
}

impl TestHub {
    /// Returns how to connect as a participant with its certificate.
    pub(crate) fn options(&self, participant: &str) -> Options {
        let identity = self.ca.participant(participant).expect("a certificate");
        Options {
            address: format!("https://{}", self.address),
            authorities_pem: Some(self.ca.certificate()),
            identity: Some(ClientIdentity {
                certificate_pem: identity.certificate,
                key_pem: identity.key,
            }),
            ..Options::default()
        }
    }

    /// Connects as a participant.
    pub(crate) async fn connect(&self, participant: &str) -> Connection {
        within("the connection", Connection::open(&self.options(participant))).await.expect("a hub")
    }

    /// Connects as a participant and returns the postings exchange.
    pub(crate) async fn postings(&self, participant: &str) -> Postings {
        self.connect(participant).await.postings()
    }
}
