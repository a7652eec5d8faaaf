//! TLS of the listener, and what a connection knows of its peer.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::platform::trust::certificate::PeerCertificate;
use crate::platform::trust::verifier::DomainVerifier;
use crate::platform::trust::{LOOK_EVERY, SharedTrust, TrustError, folder};

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file holds no PEM of the expected kind.
    #[error("{what} is not a PEM file of the expected kind")]
    Pem {
        /// Which file.
        what: &'static str,
    },
    /// The key does not fit the certificate, or cannot be used.
    #[error("the server's certificate and key do not fit together")]
    Settings(#[from] rustls::Error),
    /// A file cannot be read, or the trust directory is not sound.
    #[error(transparent)]
    Trust(#[from] TrustError),
}

/// The server's own certificate chain, its own first, and its private key; both PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerIdentity {
    /// Certificates.
    pub certificates: Vec<u8>,
    /// Private key.
    pub key: Vec<u8>,
}

impl std::fmt::Debug for ServerIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerIdentity").finish_non_exhaustive()
    }
}

impl ServerIdentity {
    fn certified_key(&self) -> Result<CertifiedKey, TlsError> {
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|_| TlsError::Pem { what: "the server's key" })?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.certificates).collect();
        let chain = chain.ok().filter(|chain| !chain.is_empty());
        let chain = chain.ok_or(TlsError::Pem { what: "the server's certificate" })?;
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        Ok(CertifiedKey::from_der(chain, key, &provider)?)
    }
}

/// Files of the server's own certificate chain and private key.
#[derive(Clone, Debug)]
pub struct ServerFiles {
    /// Certificates, PEM.
    pub certificates: PathBuf,
    /// Private key, PEM.
    pub key: PathBuf,
}

impl ServerFiles {
    fn read(&self) -> Result<ServerIdentity, TrustError> {
        let certificates = folder::read_file(&self.certificates)?;
        Ok(ServerIdentity { certificates, key: folder::read_file(&self.key)? })
    }
}

/// The TLS of a hub: its own certificate, which may be renewed while it serves, and whom it believes.
#[derive(Clone, Debug)]
pub struct Tls {
    own: Arc<OwnCertificate>,
    files: Option<(ServerFiles, ServerIdentity)>,
    trust: SharedTrust,
}

impl Tls {
    /// Reads the server's certificate and key from files.
    ///
    /// # Errors
    ///
    /// A file cannot be read or is not what it should be.
    pub fn open(files: ServerFiles, trust: SharedTrust) -> Result<Self, TlsError> {
        let identity = files.read()?;
        let tls = Self::fixed(&identity, trust)?;
        Ok(Self { files: Some((files, identity)), ..tls })
    }

    /// Returns the TLS of a server whose certificate never changes.
    ///
    /// # Errors
    ///
    /// The certificate or the key is not what it should be.
    pub fn fixed(identity: &ServerIdentity, trust: SharedTrust) -> Result<Self, TlsError> {
        let own = OwnCertificate(ArcSwap::from_pointee(identity.certified_key()?));
        Ok(Self { own: Arc::new(own), files: None, trust })
    }

    /// Returns whom the hub believes.
    #[must_use]
    pub const fn trust(&self) -> &SharedTrust {
        &self.trust
    }

    /// Returns the acceptor for TLS 1.2 and 1.3 with HTTP/2. What is renewed counts from the next handshake.
    ///
    /// No session is resumed: a handshake that is cut short does not verify the certificate.
    ///
    /// # Errors
    ///
    /// The library does not have these versions.
    pub fn acceptor(&self) -> Result<TlsAcceptor, TlsError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let own: Arc<dyn ResolvesServerCert> = Arc::clone(&self.own) as _;
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(Arc::new(DomainVerifier::new(self.trust.clone())))
            .with_cert_resolver(own);
        config.alpn_protocols = vec![b"h2".to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// Looks at the files of the server's certificate once a second until told to stop. What is not sound is said once, and
    /// changes nothing.
    pub async fn follow(self, stop: CancellationToken) {
        let Some((files, mut seen)) = self.files else { return };
        let (mut last, mut complaint) = (seen.clone(), None);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let reading = files.clone();
            let outcome = match tokio::task::spawn_blocking(move || reading.read()).await {
                Ok(Ok(identity)) if identity == seen => continue,
                // One of two files may have been written; what stands still is taken.
                Ok(Ok(identity)) if identity != last => {
                    last = identity;
                    continue;
                }
                Ok(Ok(identity)) => {
                    let key = identity.certified_key();
                    seen = identity;
                    key.map_err(|error| error.to_string())
                }
                Ok(Err(error)) => Err(error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            match outcome {
                Ok(key) => {
                    self.own.0.store(Arc::new(key));
                    complaint = None;
                    tracing::info!("the server's certificate was renewed");
                }
                Err(error) if complaint.as_ref() != Some(&error) => {
                    tracing::error!("the server's certificate stays as it was: {error}");
                    complaint = Some(error);
                }
                Err(_) => {}
            }
        }
    }
}

/// The server's certificate as it is now.
#[derive(Debug)]
struct OwnCertificate(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for OwnCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

/// What a connection knows of its other end.
#[derive(Clone, Debug)]
pub struct Peer {
    address: SocketAddr,
    certificate: Option<Arc<PeerCertificate>>,
}

impl Peer {
    /// Returns what is known after a handshake: the address, and the certificate that was shown and verified.
    #[must_use]
    pub fn new(address: SocketAddr, chain: Option<&[CertificateDer<'static>]>) -> Self {
        Self { address, certificate: chain.and_then(PeerCertificate::read).map(Arc::new) }
    }

    /// Returns its address.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the certificate that was verified in the handshake.
    #[must_use]
    pub const fn certificate(&self) -> Option<&Arc<PeerCertificate>> {
        self.certificate.as_ref()
    }
}
