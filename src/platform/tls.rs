//! TLS with client certificates, and what a connection knows of its peer.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio_rustls::TlsAcceptor;
use x509_parser::extensions::{GeneralName, ParsedExtension};

/// The server's own certificate and the authorities whose clients it believes, all PEM.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// Certificate chain of the server, its own first.
    pub certificates: Vec<u8>,
    /// Its private key.
    pub key: Vec<u8>,
    /// Authorities of client certificates.
    pub client_authorities: Vec<u8>,
}

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file holds no PEM of the expected kind.
    #[error("{what} is not a PEM file of the expected kind")]
    Pem {
        /// Which file.
        what: &'static str,
    },
    /// The key does not fit, or an authority cannot be used.
    #[error("the TLS settings do not fit together")]
    Settings(#[from] rustls::Error),
    /// The client authorities cannot be used.
    #[error("the client authorities cannot be used")]
    Authorities(#[from] rustls::server::VerifierBuilderError),
}

/// Returns the acceptor for TLS 1.2 and 1.3 with HTTP/2. A client certificate is asked for and, when shown, verified; callers
/// with a bearer token need none.
///
/// # Errors
///
/// A file is not what it should be.
pub fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, TlsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    for authority in certificates(&files.client_authorities, "the client authorities")? {
        roots.add(authority)?;
    }
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .allow_unauthenticated()
            .build()?;
    let key = PrivateKeyDer::from_pem_slice(&files.key)
        .map_err(|_| TlsError::Pem { what: "the server's key" })?;
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(certificates(&files.certificates, "the server's certificate")?, key)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn certificates(pem: &[u8], what: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    found.ok().filter(|list| !list.is_empty()).ok_or(TlsError::Pem { what })
}

/// Returns the URI name of a certificate if it has exactly one; the common name never counts.
fn single_uri(certificate: &[u8]) -> Option<String> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let mut uris =
        certificate.extensions().iter().flat_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(names) => names.general_names.as_slice(),
            _ => &[],
        });
    let mut uris = uris.by_ref().filter_map(|name| match name {
        GeneralName::URI(uri) => Some((*uri).to_owned()),
        _ => None,
    });
    let first = uris.next()?;
    uris.next().is_none().then_some(first)
}

/// What a connection knows of its other end.
#[derive(Clone, Debug)]
pub struct Peer {
    address: SocketAddr,
    uri: Option<Arc<str>>,
}

impl Peer {
    /// Returns what is known after a handshake: the address, and the certificate that was shown and verified.
    #[must_use]
    pub fn new(address: SocketAddr, chain: Option<&[CertificateDer<'static>]>) -> Self {
        let leaf = chain.and_then(<[_]>::first);
        Self { address, uri: leaf.and_then(|leaf| single_uri(leaf)).map(Into::into) }
    }

    /// Returns its address.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the one URI name of its verified certificate.
    #[must_use]
    pub fn uri(&self) -> Option<&str> {
        self.uri.as_deref()
    }
}
