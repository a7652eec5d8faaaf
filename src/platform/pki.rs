//! Small certificate authorities: one of a development hub, and one for pilots in a directory. Never for production.

pub mod authority;
pub mod pilot;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use time::{Duration, OffsetDateTime};

use crate::platform::pki::authority::{Authority, Profile, Usage};

/// Trust domain of development identities.
pub const TRUST_DOMAIN: &str = "dev.peshub";
/// How long the certificates of a development hub count.
const DEVELOPMENT: Duration = Duration::days(30);

/// Why a certificate cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A name cannot stand in a certificate, or a key cannot be made.
    #[error("a certificate cannot be made")]
    Certificate(#[from] rcgen::Error),
    /// The machine gives no randomness.
    #[error("the machine gives no randomness")]
    Randomness,
    /// A file cannot be read or written.
    #[error("{} cannot be read or written", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{} is not what it should be: {why}", path.display())]
    Form {
        /// Which file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// There is something already.
    #[error("{} is there already", path.display())]
    Taken {
        /// What.
        path: PathBuf,
    },
    /// A name is none that a participant may have.
    #[error("{name} is no name of the trust domain {trust_domain}")]
    Name {
        /// The name.
        name: String,
        /// The trust domain.
        trust_domain: String,
    },
    /// A serial number is none.
    #[error("{serial} is no serial number")]
    Serial {
        /// What was given.
        serial: String,
    },
    /// No certificate was issued that is meant.
    #[error("no certificate was issued with the serial number or in the file {what}")]
    Unknown {
        /// What was given.
        what: String,
    },
}

/// A certificate and its key, PEM.
#[derive(Clone)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// The private key.
    pub key: String,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

/// A certificate authority that lives as long as the process; a new start makes a new one.
#[derive(Debug)]
pub struct DevelopmentCa {
    authority: Authority,
    now: OffsetDateTime,
}

impl DevelopmentCa {
    /// Makes an authority whose certificates are valid for 30 days from `now`.
    ///
    /// # Errors
    ///
    /// No key can be made.
    pub fn new(now: OffsetDateTime) -> Result<Self, PkiError> {
        let authority = Authority::create("peshub development CA", TRUST_DOMAIN, now, DEVELOPMENT)?;
        Ok(Self { authority, now })
    }

    /// Returns the authority itself, for certificates of another kind.
    #[must_use]
    pub const fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Returns the authority's own certificate, PEM.
    #[must_use]
    pub fn certificate(&self) -> String {
        self.authority.certificate().to_owned()
    }

    /// Makes the certificate of a server on this machine.
    ///
    /// # Errors
    ///
    /// No key can be made.
    pub fn server(&self) -> Result<Identity, PkiError> {
        let profile = Profile {
            hosts: vec!["localhost".to_owned()],
            addresses: vec![
                std::net::Ipv4Addr::LOCALHOST.into(),
                std::net::Ipv6Addr::LOCALHOST.into(),
            ],
            usage: Usage::Server,
            ..Profile::client("peshub", &[], self.now, DEVELOPMENT)
        };
        Ok(self.authority.issue(&profile)?.identity)
    }

    /// Makes the certificate of a participant, with [`participant_uri`] as its one name.
    ///
    /// # Errors
    ///
    /// No key can be made, or the name cannot stand in a URI.
    pub fn participant(&self, name: &str) -> Result<Identity, PkiError> {
        self.client(name, &[participant_uri(name)])
    }

    /// Makes the certificate of a client with any URI names.
    ///
    /// # Errors
    ///
    /// No key can be made, or a name cannot stand in a certificate.
    pub fn client(&self, common_name: &str, uris: &[String]) -> Result<Identity, PkiError> {
        let profile = Profile::client(common_name, uris, self.now, DEVELOPMENT);
        Ok(self.authority.issue(&profile)?.identity)
    }
}

/// Returns the URI name of a participant's certificate in development.
#[must_use]
pub fn participant_uri(name: &str) -> String {
    format!("spiffe://{TRUST_DOMAIN}/participant/{name}")
}

/// Writes a file that only its owner can read. It is there as a whole or not at all.
///
/// # Errors
///
/// The file cannot be written.
pub fn write_private(path: &Path, text: &str) -> Result<(), PkiError> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    // Two processes that write the same file each have one of their own until then.
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}-{number}.new", std::process::id()));
    let fresh = path.with_file_name(name);
    let write = || {
        let mut file =
            std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&fresh, path)
    };
    write().map_err(|source| {
        // It may not be there.
        drop(std::fs::remove_file(&fresh));
        PkiError::File { path: path.to_owned(), source }
    })
}
