//! The hub under measurement: this program's own `dev` command, as a process of its own.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::bench::BenchError;
use crate::client::connect::{ClientIdentity, Connection, Options};
use crate::dev::Credentials;

/// Longest start of a hub with a new database.
const START_TIMEOUT: Duration = Duration::from_mins(1);

/// A hub in a process of its own.
#[derive(Debug)]
pub struct ChildHub {
    child: Child,
    address: String,
    credentials: Credentials,
}

impl ChildHub {
    /// Starts a hub whose data lies in a directory, on free ports of the loopback.
    ///
    /// # Errors
    ///
    /// It does not start in time.
    pub async fn start(program: &Path, data_dir: &Path) -> Result<Self, BenchError> {
        Self::start_with(program, data_dir, &[]).await
    }

    /// Starts a hub without TLS, audit trail and signatures.
    ///
    /// # Errors
    ///
    /// It does not start in time.
    pub async fn start_without_trust(program: &Path, data_dir: &Path) -> Result<Self, BenchError> {
        Self::start_with(program, data_dir, &["--without-trust"]).await
    }

    /// Starts a hub with more arguments.
    ///
    /// # Errors
    ///
    /// It does not start in time.
    pub async fn start_with(
        program: &Path,
        data_dir: &Path,
        arguments: &[&str],
    ) -> Result<Self, BenchError> {
        let mut child = Command::new(program)
            .args([
                "dev",
                "--listen",
                "127.0.0.1:0",
                "--internal-listen",
                "127.0.0.1:0",
                "--public-listen",
                "127.0.0.1:0",
                "--data-dir",
            ])
            .arg(data_dir)
            .args(["--log", "warn"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = child.stdout.take().ok_or_else(|| BenchError::Child("no output".into()))?;
        let mut lines = BufReader::new(stdout).lines();
        let address = tokio::time::timeout(START_TIMEOUT, async {
            while let Some(line) = lines.next_line().await? {
                if let Some(rest) = line.strip_prefix("gRPC (mTLS): ") {
                    return Ok(rest.split(' ').next().unwrap_or_default().to_owned());
                }
            }
            Err(BenchError::Child("it ended before it was ready".into()))
        });
        let address = address
            .await
            .map_err(|_| BenchError::Child("it was not ready within a minute".into()))??;
        Ok(Self { child, address, credentials: Credentials::in_data_dir(data_dir) })
    }

    /// Connects as one of the demo participants.
    ///
    /// # Errors
    ///
    /// The certificate cannot be read, or the hub cannot be reached.
    pub async fn connect(&self, participant: &str) -> Result<Connection, BenchError> {
        if let Ok(token) = std::fs::read_to_string(self.credentials.token(participant)) {
            let (address, token) = (format!("http://{}", self.address), Some(token));
            let options = Options { address, token, ..Options::default() };
            return Ok(Connection::open(&options).await?);
        }
        Ok(Connection::open(&self.options(participant)?).await?)
    }

    /// Returns how to connect as one of the demo participants, with its certificate.
    ///
    /// # Errors
    ///
    /// The certificate cannot be read.
    pub fn options(&self, participant: &str) -> Result<Options, BenchError> {
        let (certificate, key) = self.credentials.of(participant);
        Ok(Options {
            address: format!("https://{}", self.address),
            authorities_pem: Some(std::fs::read_to_string(self.credentials.authority())?),
            identity: Some(ClientIdentity {
                certificate_pem: std::fs::read_to_string(certificate)?,
                key_pem: std::fs::read_to_string(key)?,
            }),
            ..Options::default()
        })
    }

    /// Returns the most resident memory that the hub has had, in MiB; `None` where the system does not tell.
    #[must_use]
    pub fn peak_mib(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()?)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
        Some(kib / 1024)
    }

    /// Stops the hub and waits for it.
    ///
    /// # Errors
    ///
    /// It cannot be waited for.
    pub async fn stop(mut self) -> Result<(), BenchError> {
        if let Some(id) = self.child.id() {
            Command::new("kill").args(["-INT", &id.to_string()]).status().await?;
        }
        self.child.wait().await?;
        Ok(())
    }
}
