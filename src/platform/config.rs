//! Every setting of the hub, with its default, limits and unit. Flags come before the environment (`PESHUB_…`).
//! Nothing else reads the environment.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
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
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened")]
    pub public: PublicOptions,
    /// Most connections to PostgreSQL, 4 to 1,000.
    #[arg(long, env = "PESHUB_DATABASE_CONNECTIONS", default_value_t = 32,
          value_parser = clap::value_parser!(u32).range(4..=1_000))]
    pub database_connections: u32,
    /// How long changes stay in the feed for watchers that were away, in days, 1 to 3,650.
    #[arg(long, env = "PESHUB_FEED_DAYS", default_value_t = 30,
          value_parser = clap::value_parser!(u32).range(1..=3_650))]
    pub feed_days: u32,
    /// How often a signed checkpoint is made over the audit trail if it has grown, in seconds, 1 to 3,600.
    #[arg(long, env = "PESHUB_CHECKPOINT_SECONDS", default_value_t = 5,
          value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub checkpoint_seconds: u32,
    /// Also fetch keys and status lists of issuers elsewhere from addresses that are not public: private ones, link-local ones, this
    /// machine. Registrars write where they are. `dev` always does.
    #[arg(long, env = "PESHUB_FETCH_PRIVATE_ADDRESSES")]
    pub fetch_private_addresses: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened")]
    pub database: DatabaseOptions,
    #[command(flatten)]
    #[expect(missing_docs, reason = "flattened")]
    pub limits: LimitOptions,
}

/// What the hub serves publicly over HTTP: keys of issuers, credential types, status lists.
#[derive(Args, Clone, Debug)]
pub struct PublicOptions {
    /// Address of the public HTTP listener. An ingress in front of it speaks TLS. Without `--public-url`, `serve` does not listen there.
    #[arg(long, env = "PESHUB_PUBLIC_LISTEN", default_value = "127.0.0.1:7453")]
    pub public_listen: SocketAddr,
    /// What public addresses of the hub begin with, as its clients see it: `https://…`. Issuers, credential types and status lists are
    /// named by it for as long as credentials live, so that it must stay. `dev` takes the listener's own address when it is absent.
    #[arg(long, env = "PESHUB_PUBLIC_URL")]
    pub public_url: Option<String>,
    /// With fewer credentials that are still valid a status list is not published, 1 to 1,000,000: among few, each is seen by itself.
    #[arg(long, env = "PESHUB_STATUS_LIST_POPULATION_MIN", default_value_t = 1_000,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub status_list_population_min: u32,
}

/// How much the hub takes on. Quotas are of one participant at one replica; records a day are of one participant in all.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct LimitOptions {
    /// Most connections at the same time, 16 to 1,000,000.
    #[arg(long, env = "PESHUB_CONNECTIONS_MAX", default_value_t = 4_096,
          value_parser = clap::value_parser!(u32).range(16..=1_000_000))]
    pub connections_max: u32,
    /// Most TLS handshakes at the same time, 16 to 65,536; beyond it the oldest one gives way.
    #[arg(long, env = "PESHUB_HANDSHAKES_MAX", default_value_t = 256,
          value_parser = clap::value_parser!(u32).range(16..=65_536))]
    pub handshakes_max: u32,
    /// How long a connection is used, in seconds, 60 to 86,400; each may be a tenth longer or shorter.
    #[arg(long, env = "PESHUB_CONNECTION_AGE_SECONDS", default_value_t = 1_800,
          value_parser = clap::value_parser!(u32).range(60..=86_400))]
    pub connection_age_seconds: u32,
    /// How long a connection may be without a call, in seconds, 10 to 86,400.
    #[arg(long, env = "PESHUB_CONNECTION_IDLE_SECONDS", default_value_t = 300,
          value_parser = clap::value_parser!(u32).range(10..=86_400))]
    pub connection_idle_seconds: u32,
    /// Most unary calls under way at the same time, 16 to 100,000; more are refused at once.
    #[arg(long, env = "PESHUB_CALLS_MAX", default_value_t = 1_024,
          value_parser = clap::value_parser!(u32).range(16..=100_000))]
    pub calls_max: u32,
    /// Calls a minute that read.
    #[arg(long, env = "PESHUB_QUOTA_READ", default_value_t = 6_000)]
    pub quota_read: u32,
    /// Calls a minute that write.
    #[arg(long, env = "PESHUB_QUOTA_WRITE", default_value_t = 3_000)]
    pub quota_write: u32,
    /// Calls a minute of administrators.
    #[arg(long, env = "PESHUB_QUOTA_ADMINISTRATION", default_value_t = 600)]
    pub quota_administration: u32,
    /// Disclosures a minute of what is known of a worker.
    #[arg(long, env = "PESHUB_QUOTA_DISCLOSURE", default_value_t = 600)]
    pub quota_disclosure: u32,
    /// Streams at the same time.
    #[arg(long, env = "PESHUB_QUOTA_STREAM", default_value_t = 200)]
    pub quota_stream: u32,
    /// Records of postings a day, UTC. No limit when absent.
    #[arg(long, env = "PESHUB_QUOTA_RECORD")]
    pub quota_record: Option<u32>,
}

impl Default for LimitOptions {
    fn default() -> Self {
        Self {
            connections_max: 4_096,
            handshakes_max: 256,
            connection_age_seconds: 1_800,
            connection_idle_seconds: 300,
            calls_max: 1_024,
            quota_read: 6_000,
            quota_write: 3_000,
            quota_administration: 600,
            quota_disclosure: 600,
            quota_stream: 200,
            quota_record: None,
        }
    }
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
    #[arg(long, env = "PESHUB_ENVIRONMENT", default_value = "production", value_parser = environments())]
    pub environment: Environment,
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
}

/// Whom the hub believes. One of the two must be given.
#[derive(Args, Clone, Debug)]
pub struct TrustOptions {
    /// Directory with a folder for each trust domain: its authorities, revocation lists and issuers of tokens.
    /// `peshub pki` makes one for pilots.
    #[arg(long, env = "PESHUB_TRUST_DIR")]
    pub trust_dir: Option<PathBuf>,
    /// Also take bearer tokens that the hub made itself, and therefore connections without a client certificate.
    #[arg(long, env = "PESHUB_HUB_TOKENS")]
    pub hub_tokens: bool,
}

fn environments() -> impl TypedValueParser<Value = Environment> {
    PossibleValuesParser::new(["production", "test", "development"]).map(|name| {
        match name.as_str() {
            "test" => Environment::Test,
            "development" => Environment::Development,
            _ => Environment::Production,
        }
    })
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

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::platform::config::LimitOptions;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        limits: LimitOptions,
    }

    #[test]
    fn limits_have_the_same_defaults_in_code_as_on_the_command_line() {
        assert_eq!(Line::try_parse_from(["peshub"]).unwrap().limits, LimitOptions::default());
    }
}
