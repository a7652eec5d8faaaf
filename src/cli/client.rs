//! How a command reaches a hub.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::Outcome;
use crate::client::connect::{ClientIdentity, Connection, Options};
use crate::dev::{self, Credentials};
use crate::platform::config::Surroundings;

/// Which hub, and who calls.
#[derive(Args, Clone, Debug)]
pub(super) struct ClientArgs {
    /// Address of the hub.
    #[arg(long, env = "PESHUB_HUB", default_value = "https://127.0.0.1:7443")]
    hub: String,
    /// Call as this demo participant of `peshub dev`, with the certificate in its data directory.
    #[arg(long = "as", env = "PESHUB_AS", value_name = "PARTICIPANT", conflicts_with_all = ["cert", "token"])]
    participant: Option<String>,
    /// Data directory of `peshub dev`, for --as, and for --token with a development hub on this machine.
    #[arg(long, env = "PESHUB_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Authorities of the hub's certificate, PEM; with --token and a hub on this machine, those of `peshub dev` when it is left out.
    #[arg(long, env = "PESHUB_CA")]
    ca: Option<PathBuf>,
    /// Client certificate, PEM.
    #[arg(long, env = "PESHUB_CERT", requires = "key")]
    cert: Option<PathBuf>,
    /// Its private key, PEM.
    #[arg(long, env = "PESHUB_KEY", requires = "cert")]
    key: Option<PathBuf>,
    /// Bearer token.
    #[arg(long, env = "PESHUB_TOKEN", hide_env_values = true, allow_hyphen_values = true)]
    token: Option<String>,
    /// Name in the hub's certificate, when it is not the host of the address.
    #[arg(long, env = "PESHUB_DOMAIN")]
    domain: Option<String>,
}

impl ClientArgs {
    /// Returns the hub's address.
    pub(super) fn hub(&self) -> &str {
        &self.hub
    }

    /// Returns whether the caller shows something to be known by.
    pub(super) const fn is_somebody(&self) -> bool {
        self.participant.is_some() || self.cert.is_some() || self.token.is_some()
    }

    /// Connects.
    pub(super) async fn connect(
        &self,
    ) -> Result<Connection, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Connection::open(&self.options().await?).await?)
    }

    /// Returns where `peshub dev` has its certificates.
    async fn credentials(&self) -> Result<Credentials, Box<dyn std::error::Error + Send + Sync>> {
        let data_dir = match &self.data_dir {
            Some(data_dir) => data_dir.clone(),
            None => dev::default_data_dir(&Surroundings::of_process()).await?,
        };
        Ok(Credentials::in_data_dir(&data_dir))
    }

    fn is_local(&self) -> bool {
        let hosts = ["https://127.0.0.1:", "https://localhost:", "https://[::1]:"];
        hosts.iter().any(|host| self.hub.starts_with(host))
    }

    async fn options(&self) -> Result<Options, Box<dyn std::error::Error + Send + Sync>> {
        if self.participant.is_none() && self.cert.is_some() != self.key.is_some() {
            return Err("--cert and --key belong together; one of them is missing".into());
        }
        let (mut ca, mut pair) = (self.ca.clone(), self.cert.clone().zip(self.key.clone()));
        if let Some(participant) = &self.participant {
            let credentials = self.credentials().await?;
            ca = ca.or(Some(credentials.authority()));
            pair = Some(credentials.of(participant));
        } else if ca.is_none() && self.token.is_some() && self.is_local() {
            // Tokens of a development hub on this machine: its certificate is its own authority's.
            ca = Some(self.credentials().await?.authority()).filter(|it| it.exists());
        }
        let identity = match pair {
            Some((certificate, key)) => {
                Some(ClientIdentity { certificate_pem: read(&certificate)?, key_pem: read(&key)? })
            }
            None => None,
        };
        Ok(Options {
            address: self.hub.clone(),
            authorities_pem: ca.as_deref().map(read).transpose()?,
            identity,
            token: self.token.clone(),
            domain: self.domain.clone(),
        })
    }
}

fn read(path: &Path) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    std::fs::read_to_string(path)
        .map_err(|error| format!("{} cannot be read: {error}", path.display()).into())
}

/// Waits for Ctrl-C or SIGTERM.
pub(super) async fn interrupted() -> Outcome {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed?,
        _ = terminate.recv() => {}
    }
    Ok(())
}
