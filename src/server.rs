//! Puts the exchanges together; the only module that knows all of them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tonic::transport::Server;

use crate::kernel::clock::SharedClock;
use crate::participants::grpc::ParticipantGrpc;
use crate::pb;
use crate::pb::peshub::participants::v1::participant_service_server::ParticipantServiceServer;
use crate::pb::peshub::workers::v1::worker_service_server::WorkerServiceServer;
use crate::pb::raw::peshub::postings::v1::posting_service_server::PostingServiceServer;
use crate::platform::db::{Db, DbError};
use crate::platform::feed::cursor::CursorKey;
use crate::platform::feed::pump::Pump;
use crate::platform::feed::store as feed;
use crate::platform::feed::tail::Tail;
use crate::platform::identity::{Directory, IdentityLayer};
use crate::platform::keys::Keys;
use crate::platform::permit::{Environment, Permit};
use crate::platform::probes::Internal;
use crate::platform::replay::{self, ReplayError};
use crate::platform::status::ExplainLayer;
use crate::platform::tasks::Tasks;
use crate::platform::upkeep::Upkeep;
use crate::platform::{checks, listener};
use crate::postings::domain::BYTES_PER_BATCH_MAX;
use crate::postings::grpc::PostingGrpc;
use crate::postings::page::PageTokens;
use crate::postings::sync::commit::Committer;
use crate::postings::sync::stream::SyncStreams;
use crate::postings::watch::Watches;
use crate::workers::commands::Registry;
use crate::workers::grpc::WorkerGrpc;

/// Most bytes of one message that is received: a batch, and room for what is around it.
const MESSAGE_BYTES_MAX: usize = BYTES_PER_BATCH_MAX + 256 * 1024;
/// Most streams on one connection. tonic hands its own `None` over hyper's protection, so it must be said.
const STREAMS_MAX: u32 = 100;
/// Longest unary call; a client's shorter deadline counts.
const UNARY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long clients have to take what is still on its way to them when the hub stops.
const PATIENCE: Duration = Duration::from_secs(10);
/// HTTP/2 windows: a batch fits into a stream's, and several into a connection's.
const STREAM_WINDOW: u32 = 4 * 1024 * 1024;
const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;

/// What a hub is run with.
pub struct HubParts {
    /// The database, already at this binary's schema.
    pub db: Db,
    /// The clock.
    pub clock: SharedClock,
    /// TLS of the gRPC listener.
    pub tls: TlsAcceptor,
    /// The gRPC listener.
    pub listener: TcpListener,
    /// The internal HTTP listener, if there is to be one; it serves already.
    pub internal: Option<Internal>,
    /// What the hub signs with, and seals personal data with.
    pub keys: Keys,
    /// Which installation it is.
    pub environment: Environment,
    /// Days that changes stay in the feed.
    pub feed_days: u32,
    /// Whether the contract can be asked for over reflection.
    pub reflection: bool,
}

/// Why a hub does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database fails.
    #[error("the database cannot be used")]
    Db(#[from] DbError),
    /// The answers to request ids cannot be kept.
    #[error("the answers to request ids cannot be kept")]
    Replay(#[from] ReplayError),
    /// A setting of the database would lose acknowledged changes.
    #[error(
        "the database's setting {name} is {value}; acknowledged changes could be lost: set it to {wanted}"
    )]
    Unsafe {
        /// Which setting.
        name: String,
        /// What it is.
        value: String,
        /// What it must be.
        wanted: &'static str,
    },
    /// The hub connects as a role for which row-level security does not hold.
    #[error(
        "the database role {role} is a superuser or has BYPASSRLS, so row-level security would not hold; let an ordinary role \
         own the database and connect as it"
    )]
    PastTheWall {
        /// Which role.
        role: String,
    },
    /// The database was restored into another cluster.
    #[error(
        "the feed was restored from another cluster; run `peshub feed rebase` before you start"
    )]
    Foreign,
    /// The machine gives no randomness.
    #[error("the machine gives no randomness")]
    Randomness,
    /// A listener fails.
    #[error("a listener failed")]
    Listener(#[from] std::io::Error),
    /// The reflection service cannot be built.
    #[error("the contract's descriptors cannot be served")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// A hub that runs.
#[derive(Debug)]
pub struct Hub {
    /// Address of the gRPC listener.
    pub address: SocketAddr,
    tasks: Tasks,
    internal: Option<Internal>,
    db: Db,
    served: tokio::task::JoinHandle<Result<(), tonic::transport::Error>>,
}

impl Hub {
    /// Starts a hub.
    ///
    /// # Errors
    ///
    /// The database cannot be used, or a listener fails.
    pub async fn start(parts: HubParts) -> Result<Self, StartError> {
        let tasks = Tasks::default();
        let key = prepare(&parts.db, &parts.clock).await?;
        let permit = Permit::of_hub();
        let mut tx = parts.db.read(&permit).await?;
        let (head, _) = feed::probe(tx.connection()).await?;
        drop(tx);

        let cursor_key = CursorKey::new(&key);
        let tail = Arc::new(Tail::new(head));
        let pump = Pump::new(parts.db.clone(), cursor_key.clone(), Arc::clone(&tail));
        drop(tasks.spawn(pump.run(tasks.stopping())));
        let upkeep = Upkeep::new(parts.db.clone(), Arc::clone(&parts.clock), parts.feed_days);
        drop(tasks.spawn(upkeep.run(tasks.stopping())));

        let address = parts.listener.local_addr()?;
        replay::open(&parts.db, parts.keys.vault.as_ref(), parts.clock.now()).await?;
        let postings = postings(&parts.db, &parts.clock, (&key, cursor_key), &tail, &tasks);
        let participants = ParticipantGrpc {
            db: parts.db.clone(),
            clock: Arc::clone(&parts.clock),
            tasks: tasks.clone(),
            environment: parts.environment,
        };
        let registry = Registry { db: parts.db.clone(), vault: Arc::clone(&parts.keys.vault) };
        let workers = WorkerGrpc::new(registry, Arc::clone(&parts.clock), &key, tasks.clone());
        let (reporter, health_service) = tonic_health::server::health_reporter();
        reporter.set_serving::<PostingServiceServer<PostingGrpc>>().await;
        reporter.set_serving::<ParticipantServiceServer<ParticipantGrpc>>().await;
        reporter.set_serving::<WorkerServiceServer<WorkerGrpc>>().await;
        // Tools of today ask by version 1, those of yesterday by its alpha.
        let reflection = parts.reflection.then(|| contract().build_v1()).transpose()?;
        let reflection_alpha = parts.reflection.then(|| contract().build_v1alpha()).transpose()?;

        let connections = listener::accept(parts.listener, parts.tls, &tasks);
        let router = Server::builder()
            .max_concurrent_streams(STREAMS_MAX)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .http2_keepalive_interval(Some(Duration::from_secs(30)))
            .http2_keepalive_timeout(Some(Duration::from_secs(10)))
            .http2_max_header_list_size(16 * 1024)
            .timeout(UNARY_TIMEOUT)
            .layer(ExplainLayer)
            .layer(IdentityLayer(Directory::new(parts.db.clone())))
            .add_service(health_service)
            .add_optional_service(reflection)
            .add_optional_service(reflection_alpha)
            .add_service(ParticipantServiceServer::new(participants))
            .add_service(WorkerServiceServer::new(workers))
            .add_service(
                PostingServiceServer::new(postings).max_decoding_message_size(MESSAGE_BYTES_MAX),
            );
        let stopping = tasks.stopping();
        let served = tasks.spawn(async move {
            let stop = async move { stopping.cancelled().await };
            router.serve_with_incoming_shutdown(connections, stop).await
        });
        if let Some(internal) = &parts.internal {
            internal.set_serving(true);
        }
        Ok(Self { address, tasks, internal: parts.internal, db: parts.db, served })
    }

    /// Returns the address of the internal listener.
    #[must_use]
    pub fn internal_address(&self) -> Option<SocketAddr> {
        self.internal.as_ref().map(Internal::address)
    }

    /// Ends every stream with a last bookmark, finishes what is under way, and stops.
    pub async fn stop(self) {
        if let Some(internal) = &self.internal {
            internal.set_serving(false);
        }
        self.tasks.stop_within(PATIENCE).await;
        match self.served.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!("the gRPC listener ended badly: {error}"),
            Err(error) => tracing::error!("the gRPC listener panicked: {error}"),
        }
        self.db.close().await;
        if let Some(internal) = self.internal {
            internal.stop().await;
        }
    }
}

/// Sees that the database can be used, and returns the secret that all replicas share.
async fn prepare(db: &Db, clock: &SharedClock) -> Result<Vec<u8>, StartError> {
    let mut tx = db.read(&Permit::of_hub()).await?;
    if let Some(found) = checks::unsafe_setting(tx.connection()).await? {
        let (name, value, wanted) = found;
        return Err(StartError::Unsafe { name, value, wanted });
    }
    if let Some(role) = checks::role_past_the_wall(tx.connection()).await? {
        return Err(StartError::PastTheWall { role });
    }
    if feed::is_foreign(tx.connection()).await? {
        return Err(StartError::Foreign);
    }
    let mut fresh = [0; 32];
    aws_lc_rs::rand::fill(&mut fresh).map_err(|_| StartError::Randomness)?;
    feed::extend(tx.connection()).await?;
    Ok(feed::shared_secret(tx.connection(), "cursor", &fresh, clock.now()).await?)
}

fn postings(
    db: &Db,
    clock: &SharedClock,
    (secret, cursor_key): (&[u8], CursorKey),
    tail: &Arc<Tail>,
    tasks: &Tasks,
) -> PostingGrpc {
    let committer = Committer::new(db.clone(), Arc::clone(clock));
    let streams =
        SyncStreams { committer: committer.clone(), tail: Arc::clone(tail), tasks: tasks.clone() };
    let (tail, watch_tasks) = (Arc::clone(tail), tasks.clone());
    let watches = Watches::new(db.clone(), Arc::clone(clock), cursor_key, tail, watch_tasks);
    let pages = PageTokens::new(&[b"pages", secret].concat());
    PostingGrpc { committer, streams, watches, pages, tasks: tasks.clone() }
}

fn contract() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(pb::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}
