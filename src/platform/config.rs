//! Every setting of the hub, with its default, limits and unit. Flags come before the environment (`PESHUB_…`).
//! Nothing else reads the environment.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::platform::permit::Environment;

/// How the hub is run.
#[derive(Args, Clone, Debug)]
pub struct HubOptions {
    /// Address of the gRPC listener (TLS).
    #[arg(long, env = "PESHUB_LISTEN", default_value = "127.0.0.1:7443")]
    pub listen: SocketAddr,
    /// Address of the internal HTTP listener: /livez, /readyz, /startupz. Keep it off public networks.
    #[arg(long, env = "PESHUB_INTERNAL_LISTEN", default_value = "127.0.0.1:7480")]
    pub internal_listen: SocketAddr,
    /// Most connections to PostgreSQL, 4 to 1,000.
    #[arg(long, env = "PESHUB_DATABASE_CONNECTIONS", default_value_t = 32,
          value_parser = clap::value_parser!(u32).range(4..=1_000))]
    pub database_connections: u32,
    /// How long changes stay in the feed for watchers that were away, in days, 1 to 3,650.
    #[arg(long, env = "PESHUB_FEED_DAYS", default_value_t = 30,
          value_parser = clap::value_parser!(u32).range(1..=3_650))]
    pub feed_days: u32,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened")]
    pub database: DatabaseOptions,
}

/// Which database.
#[derive(Args, Clone, Debug, Default)]
pub struct DatabaseOptions {
    /// PostgreSQL 15 or later, as a URL. Without it the hub runs a private cluster in its data directory.
    #[arg(long, env = "PESHUB_DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// Where the private cluster and development certificates live.
    #[arg(long, env = "PESHUB_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
}

/// Which installation of the hub this is.
#[derive(Args, Clone, Copy, Debug)]
pub struct EnvironmentOptions {
    /// Which installation this is: production, test or development. Systems that are registered for another are unknown here.
    #[arg(long, env = "PESHUB_ENVIRONMENT", default_value = "production", value_parser = environment)]
    pub environment: Environment,
}

fn environment(name: &str) -> Result<Environment, String> {
    match name {
        "production" => Ok(Environment::Production),
        "test" => Ok(Environment::Test),
        "development" => Ok(Environment::Development),
        _ => Err("production, test or development".to_owned()),
    }
}

/// The hub's own keys.
#[derive(Args, Clone, Debug)]
pub struct KeyOptions {
    /// Directory of the keys that the hub signs with and seals personal data with; every replica has the same.
    /// `peshub keys init` makes one.
    #[arg(long, env = "PESHUB_KEYS_DIR")]
    pub keys_dir: PathBuf,
}

/// Files of the listener's TLS.
#[derive(Args, Clone, Debug)]
pub struct TlsOptions {
    /// Certificate chain of the server, PEM.
    #[arg(long, env = "PESHUB_TLS_CERT")]
    pub tls_cert: PathBuf,
    /// Private key of the server, PEM.
    #[arg(long, env = "PESHUB_TLS_KEY")]
    pub tls_key: PathBuf,
    /// Authorities whose client certificates are believed, PEM.
    #[arg(long, env = "PESHUB_TLS_CLIENT_CA")]
    pub tls_client_ca: PathBuf,
}

/// Logs and traces.
#[derive(Args, Clone, Debug)]
pub struct TelemetryOptions {
    /// What is logged, as `tracing` filters have it.
    #[arg(long, env = "PESHUB_LOG", default_value = "info", global = true)]
    pub log: String,
    /// How logs look.
    #[arg(long, env = "PESHUB_LOG_FORMAT", default_value = "text", global = true)]
    pub log_format: LogFormat,
    /// OpenTelemetry collector that takes spans over OTLP/gRPC, for example <http://127.0.0.1:4317>. Off when absent.
    #[arg(long, env = "PESHUB_OTLP_ENDPOINT", global = true)]
    pub otlp_endpoint: Option<String>,
}

/// How logs look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What the machine tells of the process's surroundings.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// Home directory.
    pub home: Option<PathBuf>,
    /// `XDG_DATA_HOME`.
    pub xdg_data_home: Option<PathBuf>,
    /// Where programs are looked for.
    pub search_path: Option<OsString>,
}

impl Surroundings {
    /// Reads them from the environment.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub fn of_process() -> Self {
        Self {
            home: std::env::var_os("HOME").map(PathBuf::from),
            xdg_data_home: std::env::var_os("XDG_DATA_HOME").map(PathBuf::from),
            search_path: std::env::var_os("PATH"),
        }
    }
}
