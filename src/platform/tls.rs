//! The listener: TCP, TLS with client certificates, and what a connection knows of its peer.

use std::future::Future as _;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::transport::server::Connected;
use x509_parser::extensions::{GeneralName, ParsedExtension};

use crate::platform::tasks::Tasks;

/// Longest TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Most connections that wait to be taken up.
const BACKLOG: usize = 128;

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

/// Accepts connections in the background until the tasks are stopped. A peer that fails its handshake is dropped.
pub fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    tasks: &Tasks,
) -> ReceiverStream<io::Result<Connection>> {
    let (sender, receiver) = mpsc::channel(BACKLOG);
    let work = accept_all(listener, acceptor, tasks.clone(), sender);
    drop(tasks.spawn(work));
    ReceiverStream::new(receiver)
}

async fn accept_all(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    tasks: Tasks,
    sender: mpsc::Sender<io::Result<Connection>>,
) {
    let stop = tasks.stopping();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            () = sender.closed() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, address)) => {
                let (acceptor, sender, own) = (acceptor.clone(), sender.clone(), tasks.clone());
                drop(tasks.spawn(async move {
                    let cutting = own.cutting().cancelled_owned();
                    match shake_hands(stream, address, &acceptor, cutting).await {
                        // The receiver is gone only when the server has ended.
                        Ok(connection) => drop(sender.send(Ok(connection)).await),
                        Err(error) => tracing::debug!(%address, "handshake failed: {error}"),
                    }
                }));
            }
            Err(error) => {
                // Out of file descriptors, most likely: give the others time to close some.
                tracing::warn!("cannot accept: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn shake_hands(
    stream: TcpStream,
    address: SocketAddr,
    acceptor: &TlsAcceptor,
    cutting: WaitForCancellationFutureOwned,
) -> io::Result<Connection> {
    stream.set_nodelay(true)?;
    let stream = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await??;
    let (_, session) = stream.get_ref();
    let leaf = session.peer_certificates().and_then(|chain| chain.first());
    let uri = leaf.and_then(|leaf| single_uri(leaf));
    let peer = Peer { address, uri: uri.map(Into::into) };
    Ok(Connection { peer, stream, cutting: Box::pin(cutting) })
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

/// A connection after its handshake.
#[derive(Debug)]
pub struct Connection {
    peer: Peer,
    stream: TlsStream<TcpStream>,
    /// Ends the connection from our side, whatever is still on its way.
    cutting: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // A connection is always being read from, so this is where it learns of its end.
        if self.cutting.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
