//! Puts the exchanges together; the only module that knows all of them.

mod applying;
mod issuing;
mod registering;
mod sweeping;
mod verifying;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tonic::service::Routes;
use tonic_health::pb::health_server::{Health, HealthServer};
use tower::ServiceBuilder;
use uuid::Uuid;

use crate::audit::export::Exports;
use crate::audit::grpc::AuditGrpc;
use crate::credentials::error::CredentialError;
use crate::credentials::grpc::consents::ConsentGrpc;
use crate::credentials::grpc::credentials::CredentialGrpc;
use crate::credentials::grpc::issuers::IssuerGrpc;
use crate::credentials::grpc::verification::VerificationGrpc;
use crate::credentials::status::Statuses;
use crate::credentials::status::watch::StatusWatches;
use crate::credentials::status::web as lists;
use crate::credentials::web::{self as credentials, Told};
use crate::kernel::clock::SharedClock;
use crate::participants::grpc::ParticipantGrpc;
use crate::pb;
use crate::pb::peshub::audit::v1::audit_service_server::AuditServiceServer;
use crate::pb::peshub::credentials::v1::consent_service_server::ConsentServiceServer;
use crate::pb::peshub::credentials::v1::credential_service_server::CredentialServiceServer;
use crate::pb::peshub::credentials::v1::issuer_service_server::IssuerServiceServer;
use crate::pb::peshub::credentials::v1::verification_service_server::VerificationServiceServer;
use crate::pb::peshub::participants::v1::participant_service_server::ParticipantServiceServer;
use crate::pb::peshub::subsidies::v1::application_service_server::ApplicationServiceServer;
use crate::pb::peshub::subsidies::v1::eligibility_service_server::EligibilityServiceServer;
use crate::pb::peshub::subsidies::v1::population_service_server::PopulationServiceServer;
use crate::pb::peshub::subsidies::v1::programme_service_server::ProgrammeServiceServer;
use crate::pb::peshub::workers::v1::worker_service_server::WorkerServiceServer;
use crate::pb::raw::peshub::postings::v1::posting_service_server::PostingServiceServer;
use crate::platform::action::Action;
use crate::platform::audit::receipt::Receipts;
use crate::platform::audit::refusals::Refusals;
use crate::platform::audit::seal::Sealer;
use crate::platform::audit::store as audit_store;
use crate::platform::audit::trail::Trail;
use crate::platform::config::LimitOptions;
use crate::platform::db::{Db, DbError};
use crate::platform::feed::cursor::CursorKey;
use crate::platform::feed::pump::Pump;
use crate::platform::feed::reader::Feed;
use crate::platform::feed::store as feed_store;
use crate::platform::feed::tail::Tail;
use crate::platform::fetch::Reach;
use crate::platform::identity::{Identities, IdentityLayer};
use crate::platform::keys::Keys;
use crate::platform::limits::admission::AdmissionLayer;
use crate::platform::limits::gate::GateLayer;
use crate::platform::limits::quotas::Quotas;
use crate::platform::metrics::observe::Observer;
use crate::platform::outcome::{OnRefused, OutcomeLayer, Refused};
use crate::platform::permit::{Environment, Permit};
use crate::platform::probes::Internal;
use crate::platform::replay;
use crate::platform::secrets::SecretError;
use crate::platform::tasks::Tasks;
use crate::platform::tls::{Tls, TlsError};
use crate::platform::trust::keys;
use crate::platform::upkeep::Upkeep;
use crate::platform::web::Public;
use crate::platform::{checks, listener, page, serve, web};
use crate::postings::domain::BYTES_PER_BATCH_MAX;
use crate::postings::grpc::PostingGrpc;
use crate::postings::page::PageTokens;
use crate::postings::sync::commit::Committer;
use crate::postings::sync::stream::SyncStreams;
use crate::postings::watch::Watches;
use crate::subsidies::book::Programmes;
use crate::subsidies::error::SubsidyError;
use crate::subsidies::grpc::applications::ApplicationGrpc;
use crate::subsidies::grpc::eligibility::EligibilityGrpc;
use crate::subsidies::grpc::populations::PopulationGrpc;
use crate::subsidies::grpc::programmes::ProgrammeGrpc;
use crate::workers::commands::Registry;
use crate::workers::grpc::WorkerGrpc;

/// Most bytes of one message that is received: a batch, and room for what is around it.
const MESSAGE_BYTES_MAX: usize = BYTES_PER_BATCH_MAX + 256 * 1024;
/// Most bytes of one message to the health and reflection services, which everybody may ask.
const QUESTION_BYTES_MAX: usize = 4 * 1024;
/// Action of calls for RPCs that the hub does not have.
const UNKNOWN_ACTION: &str = "(unknown)";
/// How long clients have to take what is still on its way to them when the hub stops.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a hub is run with.
pub struct HubParts {
    /// The database, already at this binary's schema.
    pub db: Db,
    /// The clock.
    pub clock: SharedClock,
    /// TLS of the gRPC listener, and whom the hub believes.
    pub tls: Tls,
    /// Whether it speaks without TLS: for measurements of what TLS costs, and nothing else.
    pub is_plain: bool,
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
    /// How often a checkpoint is made over the audit trail if it has grown.
    pub checkpoint_every: Duration,
    /// How much the hub takes on.
    pub limits: LimitOptions,
    /// Whether the contract can be asked for over reflection.
    pub reflection: bool,
    /// The public HTTP listener, if there is to be one.
    pub public: Option<Public>,
    /// Where issuers elsewhere, and their status lists, may be.
    pub reach: Reach,
    /// With fewer credentials that are still valid, a status list is not published.
    pub status_population_min: u32,
}

/// Why a hub does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database fails.
    #[error("the database cannot be used")]
    Db(#[from] DbError),
    /// A secret of the hub cannot be opened.
    #[error("a secret of the hub cannot be opened")]
    Secret(#[from] SecretError),
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
    /// The hub connects as a role that cannot work behind row-level security.
    #[error(
        "the database role {role} does not own the hub's tables, or is no member of the role peshub_participant that calls are \
         carried out as; connect as their owner, and GRANT peshub_participant TO {role}"
    )]
    WithoutWall {
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
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The programmes cannot be read.
    #[error("the programmes cannot be read")]
    Programmes(#[from] SubsidyError),
    /// The trust registry cannot be read.
    #[error("the trust registry cannot be read")]
    Registry(#[from] CredentialError),
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
    /// Address of the public HTTP listener, if there is one.
    pub public_address: Option<SocketAddr>,
    /// What it knows of the status of credentials.
    pub statuses: Statuses,
    /// Watches of statuses.
    pub watches: StatusWatches,
    tasks: Tasks,
    internal: Option<Internal>,
    db: Db,
    trail: Trail,
    served: tokio::task::JoinHandle<()>,
}

impl Hub {
    /// Starts a hub.
    ///
    /// # Errors
    ///
    /// The database cannot be used, or a listener fails.
    pub async fn start(parts: HubParts) -> Result<Self, StartError> {
        let tasks = Tasks::default();
        let (key, hub) = prepare(&parts).await?;
        let feed = feed(&parts, &key, &tasks).await?;
        let refusals = Refusals::default();
        let trail = trail(&parts, hub, refusals.clone());
        drop(tasks.spawn(trail.clone().run(tasks.stopping())));

        let address = parts.listener.local_addr()?;
        replay::open(&parts.db, parts.keys.vault.as_ref(), parts.clock.now()).await?;
        let services = Box::pin(services(&parts, (hub, &key), &feed)).await?;
        let routes = if parts.reflection { reflected(services.rpcs)? } else { services.rpcs };
        let service = ServiceBuilder::new()
            .layer(OutcomeLayer::new(Arc::clone(&parts.clock), Some(noting(refusals))))
            .layer(GateLayer::new(parts.limits.calls_max))
            .layer(IdentityLayer(identities(&parts, &tasks)))
            .layer(AdmissionLayer(Arc::new(Quotas::new(parts.limits.clone()))))
            .service(routes.prepare());
        let acceptor = if parts.is_plain { None } else { Some(parts.tls.acceptor()?) };
        let handshakes = usize::try_from(parts.limits.handshakes_max).unwrap_or(usize::MAX);
        let connections = listener::accept(parts.listener, acceptor, handshakes, &tasks);
        let served = serve::serve(connections, service, &parts.limits, &tasks);
        let public_address = match parts.public {
            Some(public) => Some(web::serve(public.listener, services.public, &tasks)?),
            None => None,
        };
        if let Some(internal) = &parts.internal {
            internal.serve(Arc::clone(&feed.tail));
        }
        Ok(Self {
            address,
            public_address,
            statuses: services.statuses,
            watches: services.watches,
            tasks,
            internal: parts.internal,
            db: parts.db,
            trail,
            served,
        })
    }

    /// Returns the address of the internal listener.
    #[must_use]
    pub fn internal_address(&self) -> Option<SocketAddr> {
        self.internal.as_ref().map(Internal::address)
    }

    /// Ends every stream with a last bookmark, finishes what is under way, and stops.
    pub async fn stop(self) {
        if let Some(internal) = &self.internal {
            internal.drain();
        }
        self.tasks.stop_within(PATIENCE).await;
        match self.served.await {
            Ok(()) => {}
            Err(error) => tracing::error!("the gRPC listener panicked: {error}"),
        }
        if tokio::time::timeout(PATIENCE, self.trail.finish()).await.is_err() {
            tracing::warn!(
                "the last checkpoint was not made in {PATIENCE:?}; the next start makes it"
            );
        }
        self.db.close().await;
        if let Some(internal) = self.internal {
            internal.stop().await;
        }
    }
}

/// Starts what gives positions to changes and what looks after the feed, and returns how it is read.
async fn feed(parts: &HubParts, secret: &[u8], tasks: &Tasks) -> Result<Feed, StartError> {
    let mut tx = parts.db.read(&Permit::of_hub()).await?;
    let (head, _) = feed_store::probe(tx.connection()).await?;
    drop(tx);
    let key = CursorKey::new(secret);
    let tail = Arc::new(Tail::new(head));
    let pump = Pump::new(parts.db.clone(), key.clone(), Arc::clone(&tail));
    drop(tasks.spawn(pump.run(tasks.stopping())));
    let observer = Observer {
        db: parts.db.clone(),
        clock: Arc::clone(&parts.clock),
        tail: Arc::clone(&tail),
        tasks: tasks.clone(),
    };
    drop(tasks.spawn(observer.run(tasks.stopping())));
    let upkeep = Upkeep::new(parts.db.clone(), Arc::clone(&parts.clock), parts.feed_days);
    drop(tasks.spawn(upkeep.run(tasks.stopping())));
    let (db, clock) = (parts.db.clone(), Arc::clone(&parts.clock));
    Ok(Feed { db, clock, key, tail, tasks: tasks.clone() })
}

/// All that is served.
struct Services {
    /// Over gRPC.
    rpcs: Routes,
    /// Over HTTP, to the public.
    public: Router,
    statuses: Statuses,
    watches: StatusWatches,
}

/// Puts everything together that is served.
async fn services(
    parts: &HubParts,
    (hub, secret): (Uuid, &[u8]),
    feed: &Feed,
) -> Result<Services, StartError> {
    let tasks = &feed.tasks;
    let office = registering::office(parts, tasks).await?;
    let issuing = issuing::start(parts, &office, feed, secret).await?;
    let serving = (issuing.statuses.clone(), issuing.watches.clone(), &*issuing.secret);
    let verifying = verifying::services(parts, (hub, secret), &office.registry, serving, tasks);
    let sweeping = sweeping::services(parts, (hub, secret), tasks).await?;
    let book = sweeping.keeper.programmes.clone();
    let applying = applying::service(parts, (hub, secret), feed, &sweeping.keeper);
    let participants = ParticipantGrpc {
        db: parts.db.clone(),
        clock: Arc::clone(&parts.clock),
        tasks: tasks.clone(),
        environment: parts.environment,
    };
    let registry = Registry { db: parts.db.clone(), vault: Arc::clone(&parts.keys.vault) };
    let workers = WorkerGrpc::new(registry, Arc::clone(&parts.clock), secret, tasks.clone());
    let issuers = registering::service(parts, &office, secret, tasks);
    let rpcs = Routes::new(health().await)
        .add_service(ParticipantServiceServer::new(participants))
        .add_service(WorkerServiceServer::new(workers))
        .add_service(AuditServiceServer::new(audit(parts, hub, secret, tasks)))
        .add_service(IssuerServiceServer::new(issuers))
        .add_service(CredentialServiceServer::new(issuing.service))
        .add_service(ConsentServiceServer::new(verifying.consents))
        .add_service(ApplicationServiceServer::new(applying))
        .add_service(ProgrammeServiceServer::new(programmes(parts, secret, tasks, book)))
        .add_service(
            EligibilityServiceServer::new(sweeping.eligibility)
                .max_decoding_message_size(MESSAGE_BYTES_MAX),
        )
        .add_service(
            PopulationServiceServer::new(sweeping.populations)
                .max_decoding_message_size(MESSAGE_BYTES_MAX),
        )
        .add_service(
            VerificationServiceServer::new(verifying.verification)
                .max_decoding_message_size(MESSAGE_BYTES_MAX),
        )
        .add_service(
            PostingServiceServer::new(postings(parts, hub, secret, feed))
                .max_decoding_message_size(MESSAGE_BYTES_MAX),
        );
    let (registry, addresses) = (office.registry, office.addresses);
    let told = Told { registry, addresses, db: parts.db.clone() };
    let public = credentials::router(told).merge(lists::router(issuing.served));
    Ok(Services { rpcs, public, statuses: issuing.statuses, watches: issuing.watches })
}

/// Returns the service that tells that every other one serves.
async fn health() -> HealthServer<impl Health> {
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_serving::<PostingServiceServer<PostingGrpc>>().await;
    reporter.set_serving::<ParticipantServiceServer<ParticipantGrpc>>().await;
    reporter.set_serving::<WorkerServiceServer<WorkerGrpc>>().await;
    reporter.set_serving::<AuditServiceServer<AuditGrpc>>().await;
    reporter.set_serving::<IssuerServiceServer<IssuerGrpc>>().await;
    reporter.set_serving::<CredentialServiceServer<CredentialGrpc>>().await;
    reporter.set_serving::<ConsentServiceServer<ConsentGrpc>>().await;
    reporter.set_serving::<VerificationServiceServer<VerificationGrpc>>().await;
    reporter.set_serving::<ProgrammeServiceServer<ProgrammeGrpc>>().await;
    reporter.set_serving::<EligibilityServiceServer<EligibilityGrpc>>().await;
    reporter.set_serving::<PopulationServiceServer<PopulationGrpc>>().await;
    reporter.set_serving::<ApplicationServiceServer<ApplicationGrpc>>().await;
    health.max_decoding_message_size(QUESTION_BYTES_MAX)
}

/// Returns what finds out who calls, and keeps it and what it believes up to date in the background.
fn identities(parts: &HubParts, tasks: &Tasks) -> Identities {
    let (trust, clock) = (parts.tls.trust().clone(), Arc::clone(&parts.clock));
    drop(tasks.spawn(parts.tls.clone().follow(tasks.stopping())));
    drop(tasks.spawn(trust.clone().follow(Arc::clone(&clock), tasks.stopping())));
    drop(tasks.spawn(keys::fetch_all(trust.clone(), tasks.stopping())));
    let identities = Identities::new(parts.db.clone(), parts.environment, trust, clock);
    drop(tasks.spawn(identities.clone().watch(tasks.stopping())));
    identities
}

/// Sees that the database can be used, and returns the secret that all replicas share and the hub's name in what it signs.
async fn prepare(parts: &HubParts) -> Result<(Vec<u8>, Uuid), StartError> {
    let now = parts.clock.now();
    let mut tx = parts.db.read(&Permit::of_hub()).await?;
    if let Some(found) = checks::unsafe_settings(tx.connection()).await?.into_iter().next() {
        let checks::Unsafe { name, value, wanted, .. } = found;
        return Err(StartError::Unsafe { name, value, wanted });
    }
    if let Some(role) = checks::role_without_wall(tx.connection()).await? {
        return Err(StartError::WithoutWall { role });
    }
    if feed_store::is_foreign(tx.connection()).await? {
        return Err(StartError::Foreign);
    }
    let mut fresh = [0; 32];
    aws_lc_rs::rand::fill(&mut fresh).map_err(|_| StartError::Randomness)?;
    feed_store::extend(tx.connection()).await?;
    let mut id = [0; 16];
    aws_lc_rs::rand::fill(&mut id).map_err(|_| StartError::Randomness)?;
    let hub = audit_store::hub_id(tx.connection(), id, now).await?;
    audit_store::remember_key(tx.connection(), parts.keys.signer.as_ref(), now).await?;
    Ok((feed_store::shared_secret(tx.connection(), "cursor", &fresh, now).await?, hub))
}

fn trail(parts: &HubParts, hub: Uuid, refusals: Refusals) -> Trail {
    let (db, clock) = (parts.db.clone(), Arc::clone(&parts.clock));
    let sealer = Sealer::new(db.clone(), Arc::clone(&clock), Arc::clone(&parts.keys.signer), hub);
    Trail::new(db, clock, refusals, sealer, parts.checkpoint_every)
}

/// Returns what notes every failed call in the audit trail.
fn noting(refusals: Refusals) -> OnRefused {
    Arc::new(move |refused: &Refused| {
        let action = refused.action.map_or(UNKNOWN_ACTION, Action::word);
        let caller = refused.caller.as_ref();
        let about = (action, refused.resource.as_str());
        refusals.note(caller, about, refused.reason, refused.peer);
    })
}

fn audit(parts: &HubParts, hub: Uuid, secret: &[u8], tasks: &Tasks) -> AuditGrpc {
    let exports = Exports {
        db: parts.db.clone(),
        clock: Arc::clone(&parts.clock),
        signer: Arc::clone(&parts.keys.signer),
        hub,
        tasks: tasks.clone(),
    };
    AuditGrpc { exports, pages: page::PageTokens::new(&[b"audit pages", secret].concat()) }
}

fn programmes(parts: &HubParts, secret: &[u8], tasks: &Tasks, book: Programmes) -> ProgrammeGrpc {
    let (db, clock, tasks) = (parts.db.clone(), Arc::clone(&parts.clock), tasks.clone());
    let pages = page::PageTokens::new(&[b"programme pages", secret].concat());
    ProgrammeGrpc { db, clock, pages, book, tasks }
}

fn postings(parts: &HubParts, hub: Uuid, secret: &[u8], feed: &Feed) -> PostingGrpc {
    let (db, clock, tasks) = (&parts.db, &parts.clock, feed.tasks.clone());
    let receipts = Receipts::new(hub, Arc::clone(&parts.keys.signer));
    let committer = Committer::new(db.clone(), Arc::clone(clock), receipts, parts.limits.clone());
    let (tail, streaming) = (Arc::clone(&feed.tail), tasks.clone());
    let streams = SyncStreams { committer: committer.clone(), tail, tasks: streaming };
    let watches = Watches::new(feed.clone());
    let pages = PageTokens::new(&[b"pages", secret].concat());
    PostingGrpc { committer, streams, watches, pages, tasks }
}

/// Adds the contract to what can be asked for: tools of today ask by version 1, those of yesterday by its alpha.
fn reflected(routes: Routes) -> Result<Routes, tonic_reflection::server::Error> {
    let (today, yesterday) = (contract().build_v1()?, contract().build_v1alpha()?);
    Ok(routes
        .add_service(today.max_decoding_message_size(QUESTION_BYTES_MAX))
        .add_service(yesterday.max_decoding_message_size(QUESTION_BYTES_MAX)))
}

fn contract() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(pb::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}
