//! A hub to try things out with: its own database, its own certificate authority, demo participants. Never for production.

mod registration;
pub mod without_trust;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use tokio::net::TcpListener;

use crate::client::connect::{ClientIdentity, Connection, Options};
use crate::client::error::ClientError;
use crate::kernel::clock::{Clock as _, SharedClock, SystemClock};
use crate::kernel::fault::Fault;
use crate::pb::peshub::common::v1::Role;
use crate::pb::peshub::participants::v1::CreateSourceRequest;
use crate::platform::config::{LimitOptions, Surroundings};
use crate::platform::db::Db;
use crate::platform::fetch::Reach;
use crate::platform::keys::{KeyError, Keys};
use crate::platform::local_postgres::{
    self, Durability, LocalPostgres, LocalPostgresError, LocalPostgresOptions,
};
use crate::platform::permit::Environment;
use crate::platform::pki::{self, DevelopmentCa, PkiError};
use crate::platform::probes::Internal;
use crate::platform::tls::{ServerIdentity, Tls, TlsError};
use crate::platform::trust::SharedTrust;
use crate::platform::web::{Public, PublicUrl};
use crate::server::{Hub, HubParts, StartError};

/// Demo bureaus, from the nation down to a county: name, name for people, division.
pub const BUREAUS: [(&str, &str, &str); 6] = [
    ("bureau-nation", "National employment service", "CN"),
    ("bureau-zhejiang", "Zhejiang provincial employment service", "330000"),
    ("bureau-hangzhou", "Hangzhou employment service", "330100"),
    ("bureau-xihu", "Xihu district employment service", "330106"),
    ("bureau-shenzhen", "Shenzhen employment service", "440300"),
    ("bureau-sweden", "Swedish employment service", "SE"),
];

/// Demo platforms; each has a source of its own name.
pub const PLATFORMS: [(&str, &str); 3] = [
    ("platform-north", "North job platform"),
    ("platform-south", "South job platform"),
    ("platform-east", "East job platform"),
];

/// Demo issuers of credentials that are no bureaus: name, name for people.
pub const ISSUERS: [(&str, &str); 1] = [("academy-hangzhou", "Hangzhou vocational academy")];

/// The demo operator: registers organisations and systems.
pub const OPERATOR: &str = "operator";

/// Demo administrators, one for each administrative duty: name, name for people, role.
pub const ADMINISTRATORS: [(&str, &str, Role); 3] = [
    (OPERATOR, "Operator of this hub", Role::SystemAdministrator),
    ("security", "Security administrator of this hub", Role::SecurityAdministrator),
    ("auditor", "Auditor of this hub", Role::Auditor),
];

/// Why a development hub does not start.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    /// The private database does not start.
    #[error(transparent)]
    Postgres(#[from] LocalPostgresError),
    /// The database URL cannot be read.
    #[error("the database URL is not valid")]
    Url(#[source] sqlx::Error),
    /// The schema cannot be brought up to date.
    #[error("the database schema cannot be brought up to date")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// A certificate cannot be made.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The hub's own keys cannot be had.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The hub does not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A participant cannot be registered.
    #[error("a demo participant cannot be registered")]
    Register(#[from] Fault),
    /// The hub does not answer.
    #[error("the hub does not answer its own client")]
    Client(#[from] ClientError),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A folder cannot be made.
    #[error("{} cannot be made", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The public address cannot be used.
    #[error("the public address {url} {why}")]
    PublicUrl {
        /// Which.
        url: String,
        /// Why.
        why: &'static str,
    },
    /// There is no place for data.
    #[error("no place for data: neither --data-dir nor a home directory is given")]
    NoDataDir,
}

/// How a development hub is run.
#[derive(Clone, Debug)]
pub struct DevOptions {
    /// Where the private database and the certificates live.
    pub data_dir: PathBuf,
    /// A database to use instead of a private one.
    pub database_url: Option<String>,
    /// Where programs are looked for.
    pub search_path: Option<std::ffi::OsString>,
    /// The gRPC listener.
    pub listen: SocketAddr,
    /// The internal listener.
    pub internal_listen: Option<SocketAddr>,
    /// The public listener.
    pub public_listen: SocketAddr,
    /// What public addresses begin with; the public listener's own when absent.
    pub public_url: Option<String>,
    /// With fewer credentials a status list is not published.
    pub status_population_min: u32,
    /// Most connections to the database.
    pub database_connections: u32,
    /// Days that changes stay in the feed.
    pub feed_days: u32,
    /// How often a checkpoint is made over the audit trail.
    pub checkpoint_every: Duration,
    /// How much the hub takes on.
    pub limits: LimitOptions,
    /// Without TLS, audit trail and signatures: what `peshub bench` holds the hub against, and nothing else.
    pub without_trust: bool,
    /// Whom it believes, besides its own tokens. Without a directory: its own authority.
    pub trust_dir: Option<PathBuf>,
    /// Where issuers elsewhere, and their status lists, may be.
    pub reach: Reach,
}

impl DevOptions {
    /// Returns options for a data directory, with listeners on free ports of the loopback.
    #[must_use]
    pub fn new(data_dir: PathBuf, surroundings: &Surroundings) -> Self {
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            data_dir,
            database_url: None,
            search_path: surroundings.search_path.clone(),
            listen: loopback,
            internal_listen: Some(loopback),
            public_listen: loopback,
            public_url: None,
            status_population_min: 1,
            database_connections: 32,
            feed_days: 30,
            checkpoint_every: Duration::from_secs(5),
            limits: LimitOptions::default(),
            without_trust: false,
            trust_dir: None,
            reach: Reach::Development,
        }
    }
}

/// Returns where a hub keeps its data when nobody says.
///
/// # Errors
///
/// There is no home directory.
pub async fn default_data_dir(surroundings: &Surroundings) -> Result<PathBuf, DevError> {
    let is_root = local_postgres::running_as_root().await.unwrap_or(false);
    let (home, data) = (surroundings.home.as_deref(), surroundings.xdg_data_home.as_deref());
    local_postgres::default_data_dir(home, data, is_root).ok_or(DevError::NoDataDir)
}

/// The database of a hub: one that is there, or a private one that runs as long as this lives.
#[derive(Debug)]
pub struct Database {
    /// How to connect.
    pub options: PgConnectOptions,
    /// The private cluster, if it is one.
    pub private: Option<LocalPostgres>,
}

impl Database {
    /// Starts the private cluster in a data directory, or takes the database that a URL names.
    ///
    /// # Errors
    ///
    /// The cluster does not start, or the URL is not valid.
    pub async fn open(
        url: Option<&str>,
        data_dir: &Path,
        search_path: Option<std::ffi::OsString>,
    ) -> Result<Self, DevError> {
        if let Some(url) = url {
            return Ok(Self { options: url.parse().map_err(DevError::Url)?, private: None });
        }
        let options = LocalPostgresOptions {
            search_path,
            durability: Durability::Full,
            ..LocalPostgresOptions::new(data_dir)
        };
        let private = LocalPostgres::start(options).await?;
        let options = private.location().url().parse().map_err(DevError::Url)?;
        Ok(Self { options, private: Some(private) })
    }

    /// Stops the private cluster.
    ///
    /// # Errors
    ///
    /// It does not stop.
    pub async fn close(self) -> Result<(), DevError> {
        if let Some(private) = self.private {
            private.stop().await?;
        }
        Ok(())
    }
}

/// Certificates of a development hub, as files.
#[derive(Clone, Debug)]
pub struct Credentials {
    dir: PathBuf,
}

impl Credentials {
    /// Returns the credentials of the hub with a data directory.
    #[must_use]
    pub fn in_data_dir(data_dir: &Path) -> Self {
        Self { dir: data_dir.join("dev") }
    }

    /// Returns the file of the authority's certificate.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.dir.join("ca.pem")
    }

    /// Returns the trust directory.
    #[must_use]
    pub fn trust(&self) -> PathBuf {
        self.dir.join("trust")
    }

    /// Returns the file of a participant's bearer token; only hubs that are measured without TLS have some.
    #[must_use]
    pub fn token(&self, participant: &str) -> PathBuf {
        self.dir.join(format!("{participant}.token"))
    }

    fn write_tokens(&self, tokens: &HashMap<String, String>) -> Result<(), DevError> {
        for (participant, token) in tokens {
            pki::write_private(&self.token(participant), token)?;
        }
        Ok(())
    }

    /// Returns the directory of the hub's own keys.
    #[must_use]
    pub fn keys(&self) -> PathBuf {
        self.dir.join("keys")
    }

    /// Returns the files of a participant's certificate and key.
    #[must_use]
    pub fn of(&self, participant: &str) -> (PathBuf, PathBuf) {
        (
            self.dir.join(format!("{participant}.pem")),
            self.dir.join(format!("{participant}.key.pem")),
        )
    }

    fn write(&self, ca: &DevelopmentCa) -> Result<(), DevError> {
        let domain = self.trust().join(pki::TRUST_DOMAIN);
        let folder = |source| DevError::Folder { path: domain.clone(), source };
        std::fs::create_dir_all(&domain).map_err(folder)?;
        pki::write_private(&domain.join("ca.pem"), &ca.certificate())?;
        pki::write_private(&self.authority(), &ca.certificate())?;
        for name in participants() {
            let identity = ca.participant(name)?;
            let (certificate, key) = self.of(name);
            pki::write_private(&certificate, &identity.certificate)?;
            pki::write_private(&key, &identity.key)?;
        }
        Ok(())
    }
}

fn participants() -> impl Iterator<Item = &'static str> {
    let bureaus = BUREAUS.iter().map(|(name, ..)| *name);
    bureaus
        .chain(PLATFORMS.iter().chain(&ISSUERS).map(|(name, _)| *name))
        .chain(ADMINISTRATORS.iter().map(|(name, ..)| *name))
}

/// A development hub that runs.
#[derive(Debug)]
pub struct DevHub {
    /// The hub.
    pub hub: Hub,
    /// Its certificates as files.
    pub credentials: Credentials,
    ca: Arc<DevelopmentCa>,
    /// Bearer tokens by participant, of a hub without TLS.
    tokens: HashMap<String, String>,
}

impl DevHub {
    /// Starts a hub over a database.
    ///
    /// # Errors
    ///
    /// The database, a certificate or a listener fails.
    pub async fn start(options: &DevOptions, database: &Database) -> Result<Self, DevError> {
        let now = SystemClock.now();
        let ca = Arc::new(DevelopmentCa::new(now)?);
        let credentials = Credentials::in_data_dir(&options.data_dir);
        credentials.write(&ca)?;
        let trust_dir = Some(credentials.trust());
        Self::start_with(&DevOptions { trust_dir, ..options.clone() }, database, ca).await
    }

    /// Starts a hub whose certificates are from an authority, for example a second one over the same database.
    ///
    /// # Errors
    ///
    /// The database, a certificate or a listener fails.
    pub async fn start_with(
        options: &DevOptions,
        database: &Database,
        ca: Arc<DevelopmentCa>,
    ) -> Result<Self, DevError> {
        let clock: SharedClock = Arc::new(SystemClock);
        let credentials = Credentials::in_data_dir(&options.data_dir);
        let db = Db::open(database.options.clone(), options.database_connections);
        db.migrate().await?;
        registration::register_all(&db, clock.now()).await?;
        let server = ca.server()?;
        let identity = ServerIdentity {
            certificates: server.certificate.into_bytes(),
            key: server.key.into_bytes(),
        };
        let tls = Tls::fixed(&identity, trust(options.trust_dir.as_deref(), &ca)?)?;
        let internal = match options.internal_listen {
            Some(address) => {
                let started = Internal::start(listen(address).await?, db.clone());
                Some(started.map_err(|source| DevError::Listen { address, source })?)
            }
            None => None,
        };
        let is_plain = options.without_trust;
        let tokens = if is_plain {
            without_trust::issue_tokens(&db, clock.now()).await?
        } else {
            HashMap::new()
        };
        credentials.write_tokens(&tokens)?;
        let mut keys = Keys::open_or_create(&credentials.keys())?;
        if is_plain {
            keys.signer = Arc::new(without_trust::NoSigner);
        }
        let parts = HubParts {
            db: if is_plain { db.without_audit() } else { db },
            clock,
            tls,
            is_plain,
            listener: listen(options.listen).await?,
            internal,
            keys,
            environment: Environment::Development,
            feed_days: options.feed_days,
            checkpoint_every: options.checkpoint_every,
            limits: options.limits.clone(),
            reflection: true,
            public: Some(public(options).await?),
            reach: options.reach,
            status_population_min: options.status_population_min,
        };
        let hub = Box::pin(Hub::start(parts)).await?;
        let dev = Self { hub, credentials, ca, tokens };
        dev.create_sources().await?;
        Ok(dev)
    }

    /// Returns the authority of its certificates.
    #[must_use]
    pub fn ca(&self) -> Arc<DevelopmentCa> {
        Arc::clone(&self.ca)
    }

    /// Returns how to connect as one of the participants.
    ///
    /// # Errors
    ///
    /// No certificate can be made.
    pub fn client(&self, participant: &str) -> Result<Options, DevError> {
        if let Some(token) = self.tokens.get(participant) {
            let (address, token) = (format!("http://{}", self.hub.address), Some(token.clone()));
            return Ok(Options { address, token, ..Options::default() });
        }
        let identity = self.ca.participant(participant)?;
        Ok(Options {
            address: format!("https://{}", self.hub.address),
            authorities_pem: Some(self.ca.certificate()),
            identity: Some(ClientIdentity {
                certificate_pem: identity.certificate,
                key_pem: identity.key,
            }),
            ..Options::default()
        })
    }

    async fn create_sources(&self) -> Result<(), DevError> {
        for (name, _) in PLATFORMS {
            let connection = Connection::open(&self.client(name)?).await?;
            let request = CreateSourceRequest { name: name.to_owned(), request_id: String::new() };
            let created = connection.participants().create_source(request).await;
            created.map_err(ClientError::from)?;
        }
        Ok(())
    }
}

/// Returns whom a development hub believes: who is in a directory or has a certificate of its authority, and its own tokens.
///
/// # Errors
///
/// The directory is not sound.
pub fn trust(dir: Option<&Path>, ca: &DevelopmentCa) -> Result<SharedTrust, DevError> {
    let trust = match dir {
        Some(dir) => SharedTrust::open(Some(dir), true),
        None => {
            let authority = ("ca.pem".to_owned(), ca.certificate().into_bytes());
            let domain = (pki::TRUST_DOMAIN.to_owned(), [authority].into());
            SharedTrust::fixed(&[domain].into(), true)
        }
    };
    Ok(trust.map_err(TlsError::from)?)
}

/// Returns the public listener, and what its addresses begin with.
async fn public(options: &DevOptions) -> Result<Public, DevError> {
    let listener = listen(options.public_listen).await?;
    let own = |source| DevError::Listen { address: options.public_listen, source };
    let own = listener.local_addr().map_err(own)?;
    let url = options.public_url.clone().unwrap_or_else(|| format!("http://{own}"));
    let url = PublicUrl::read(&url, true).map_err(|why| DevError::PublicUrl { url, why })?;
    Ok(Public { listener, url })
}

async fn listen(address: SocketAddr) -> Result<TcpListener, DevError> {
    TcpListener::bind(address).await.map_err(|source| DevError::Listen { address, source })
}
