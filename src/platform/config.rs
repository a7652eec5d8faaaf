//! Every setting of the hub, with its default, limits and unit. Flags come before the environment (`PESHUB_…`), the environment before
//! the configuration file, see [`crate::platform::settings`]. Nothing else reads the environment.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};

use crate::platform::permit::Environment;

/// How the hub is run.
#[derive(Args, Clone, Debug)]
pub struct HubOptions {
    /// Address of the gRPC listener (TLS).
    #[arg(long, env = "PESHUB_LISTEN", default_value = "127.0.0.1:7443")]
    pub listen: SocketAddr,
    /// Address of the internal HTTP listener: /livez, /readyz, /startupz, /metrics, /version. Keep it off public networks.
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
    #[arg(long, env = "PESHUB_KEYS_DIR", required = true)]
    keys_dir: Option<PathBuf>,
}

impl KeyOptions {
    /// Returns the directory; absent only where a command works without it.
    #[must_use]
    pub fn dir(&self) -> Option<&Path> {
        self.keys_dir.as_deref()
    }
}

/// Files of the listener's TLS.
#[derive(Args, Clone, Debug)]
pub struct TlsOptions {
    /// Certificate chain of the server, PEM.
    #[arg(long, env = "PESHUB_TLS_CERT", required = true)]
    tls_cert: Option<PathBuf>,
    /// Private key of the server, PEM.
    #[arg(long, env = "PESHUB_TLS_KEY", required = true)]
    tls_key: Option<PathBuf>,
}

impl TlsOptions {
    /// Returns the certificate's file and the key's; absent only where a command works without them.
    #[must_use]
    pub fn files(&self) -> Option<(&Path, &Path)> {
        self.tls_cert.as_deref().zip(self.tls_key.as_deref())
    }
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

/// From when `peshub doctor` speaks up.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct ThresholdOptions {
    /// Certificates and authorities that end in fewer days than this, 1 to 3,650; a quarter of their life if that is less.
    #[arg(long, env = "PESHUB_DOCTOR_CERTIFICATE_DAYS", default_value_t = 30,
          value_parser = clap::value_parser!(u32).range(1..=3_650))]
    pub doctor_certificate_days: u32,
    /// Revocation lists that end in fewer days than this, 1 to 365; a quarter of their life if that is less.
    #[arg(long, env = "PESHUB_DOCTOR_LIST_DAYS", default_value_t = 7,
          value_parser = clap::value_parser!(u32).range(1..=365))]
    pub doctor_list_days: u32,
    /// Clocks of this machine and the database that differ by more seconds than this, 0 to 3,600.
    #[arg(long, env = "PESHUB_DOCTOR_CLOCK_SECONDS", default_value_t = 2,
          value_parser = clap::value_parser!(u32).range(0..=3_600))]
    pub doctor_clock_seconds: u32,
    /// Transactions that are older in seconds than this, 0 to 86,400; a transaction that holds the feed up counts after a tenth of it.
    #[arg(long, env = "PESHUB_DOCTOR_TRANSACTION_SECONDS", default_value_t = 300,
          value_parser = clap::value_parser!(u32).range(0..=86_400))]
    pub doctor_transaction_seconds: u32,
    /// Changes that have waited longer in seconds than this to get into the feed, or entries to get into the audit trail's chain,
    /// 0 to 86,400.
    #[arg(long, env = "PESHUB_DOCTOR_LAG_SECONDS", default_value_t = 60,
          value_parser = clap::value_parser!(u32).range(0..=86_400))]
    pub doctor_lag_seconds: u32,
    /// Held closes that have waited longer in hours than this, 0 to 8,760.
    #[arg(long, env = "PESHUB_DOCTOR_HELD_HOURS", default_value_t = 24,
          value_parser = clap::value_parser!(u32).range(0..=8_760))]
    pub doctor_held_hours: u32,
    /// Standbys that are further behind, or forgotten slots that keep more log, in MiB, than this, 0 to 1,048,576.
    #[arg(long, env = "PESHUB_DOCTOR_REPLICATION_MIB", default_value_t = 256,
          value_parser = clap::value_parser!(u32).range(0..=1_048_576))]
    pub doctor_replication_mib: u32,
    /// Disks with less free, in percent, than this, 0 to 100; less than a third of it is a fault.
    #[arg(long, env = "PESHUB_DOCTOR_DISK_PERCENT", default_value_t = 15,
          value_parser = clap::value_parser!(u32).range(0..=100))]
    pub doctor_disk_percent: u32,
    /// Connections in use, in percent of what the database takes, above this, 0 to 100.
    #[arg(long, env = "PESHUB_DOCTOR_CONNECTIONS_PERCENT", default_value_t = 80,
          value_parser = clap::value_parser!(u32).range(0..=100))]
    pub doctor_connections_percent: u32,
}

impl Default for ThresholdOptions {
    fn default() -> Self {
        Self {
            doctor_certificate_days: 30,
            doctor_list_days: 7,
            doctor_clock_seconds: 2,
            doctor_transaction_seconds: 300,
            doctor_lag_seconds: 60,
            doctor_held_hours: 24,
            doctor_replication_mib: 256,
            doctor_disk_percent: 15,
            doctor_connections_percent: 80,
        }
    }
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
    /// OpenTelemetry collector that takes spans and metrics over OTLP/gRPC, for example <http://127.0.0.1:4317>. Off when absent.
    #[arg(long, env = "PESHUB_OTLP_ENDPOINT", global = true)]
    pub otlp_endpoint: Option<String>,
    /// How often metrics are sent to the collector, in seconds, 1 to 3,600.
    #[arg(long, env = "PESHUB_OTLP_METRICS_SECONDS", default_value_t = 60, global = true,
          value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub otlp_metrics_seconds: u32,
    /// Share of calls, and of batches of long streams, that are traced if their caller has not begun a trace, 0 to 1.
    #[arg(long, env = "PESHUB_TRACE_RATIO", default_value = "0.01", global = true)]
    pub trace_ratio: TraceRatio,
    /// What becomes of the trace that a caller has begun.
    #[arg(long, env = "PESHUB_TRACE_CALLERS", default_value = "follow", global = true)]
    pub trace_callers: TraceCallers,
    /// Whether anything is measured: without it `/metrics` is empty.
    #[arg(long, env = "PESHUB_METRICS", default_value_t = true, global = true,
          action = clap::ArgAction::Set)]
    pub metrics: bool,
}

/// A share, 0 to 1.
#[derive(Clone, Copy, Debug)]
pub struct TraceRatio(pub f64);

impl std::str::FromStr for TraceRatio {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let ratio: Option<f64> = text.parse().ok();
        ratio.filter(|it| (0.0..=1.0).contains(it)).map(Self).ok_or("not a number from 0 to 1")
    }
}

/// What becomes of the trace that a caller has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TraceCallers {
    /// The call is part of it, and sampled as the caller says.
    Follow,
    /// The hub begins its own, sampled by its own share, and links the caller's.
    Link,
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
    /// `XDG_CONFIG_HOME`.
    pub xdg_config_home: Option<PathBuf>,
    /// Where programs are looked for.
    pub search_path: Option<OsString>,
    /// The variables that are settings, or look like it.
    pub variables: Variables,
}

/// Variables of the environment by name.
#[derive(Clone, Default)]
pub struct Variables(BTreeMap<String, OsString>);

impl std::fmt::Debug for Variables {
    /// Some are secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Variables {
    /// Returns their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Returns what one of them is.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<String> {
        self.0.get(name).map(|value| value.to_string_lossy().into_owned())
    }
}

impl Surroundings {
    /// Reads them from the environment.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub fn of_process() -> Self {
        Self {
            home: std::env::var_os("HOME").map(PathBuf::from),
            xdg_data_home: std::env::var_os("XDG_DATA_HOME").map(PathBuf::from),
            xdg_config_home: std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from),
            search_path: std::env::var_os("PATH"),
            variables: Variables(
                std::env::vars_os()
                    .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
                    .filter(|(name, _)| name.starts_with("PESHUB_"))
                    .collect(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::platform::config::{LimitOptions, ThresholdOptions};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        limits: LimitOptions,
        #[command(flatten)]
        thresholds: ThresholdOptions,
    }

    #[test]
    fn limits_have_the_same_defaults_in_code_as_on_the_command_line() {
        let line = Line::try_parse_from(["peshub"]).unwrap();
        assert_eq!(line.limits, LimitOptions::default());
        assert_eq!(line.thresholds, ThresholdOptions::default());
    }
}
