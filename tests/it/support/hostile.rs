//! Clients that nobody would ship: connections without a word, and HTTP/2 written frame by frame.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::{TestHub, within};

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Returns how to speak TLS with a hub, as a participant or as nobody.
pub(crate) fn tls(hub: &TestHub, participant: Option<&str>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(hub.ca.certificate().as_bytes()).unwrap();
    roots.add(authority).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match participant {
        None => builder.with_no_client_auth(),
        Some(participant) => {
            let identity = hub.ca.participant(participant).unwrap();
            let chain = CertificateDer::pem_slice_iter(identity.certificate.as_bytes());
            let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
            let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Arc::new(config)
}

fn name() -> ServerName<'static> {
    ServerName::try_from("localhost").unwrap()
}

/// Connects and says nothing.
pub(crate) async fn silent(hub: &TestHub) -> TcpStream {
    within("a TCP connection", TcpStream::connect(hub.address)).await.expect("a TCP connection")
}

/// Begins a TLS handshake and says nothing more.
pub(crate) async fn half_shaken(hub: &TestHub, config: &Arc<ClientConfig>) -> TcpStream {
    let mut hello = Vec::new();
    let mut tls = ClientConnection::new(Arc::clone(config), name()).unwrap();
    tls.write_tls(&mut hello).unwrap();
    let mut stream = silent(hub).await;
    // The hub may have dropped it already.
    stream.write_all(&hello).await.unwrap_or_default();
    stream
}

/// Shakes hands, and nothing more.
pub(crate) async fn shaken(hub: &TestHub, config: &Arc<ClientConfig>) -> TlsStream<TcpStream> {
    let connector = TlsConnector::from(Arc::clone(config));
    let shaking = connector.connect(name(), silent(hub).await);
    within("a TLS handshake", shaking).await.expect("a TLS handshake")
}

/// Waits until the other end has closed a connection.
pub(crate) async fn until_closed(mut stream: impl tokio::io::AsyncRead + Unpin) {
    let mut bytes = [0; 4_096];
    let closed = async {
        // An end and a reset are both an end.
        while stream.read(&mut bytes).await.is_ok_and(|length| length > 0) {}
    };
    within("the end of the connection", closed).await;
}

/// A frame of HTTP/2.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// Returns a frame's bytes.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// Returns headers as HPACK has them without any compression (RFC 7541, 6.2.2).
pub(crate) fn block(headers: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in headers {
        bytes.push(0);
        text(&mut bytes, name);
        text(&mut bytes, value);
    }
    bytes
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    let mut rest = text.len();
    if rest < 127 {
        bytes.push(rest as u8);
    } else {
        bytes.push(127);
        rest -= 127;
        while rest >= 128 {
            bytes.push((rest % 128) as u8 | 128);
            rest /= 128;
        }
        bytes.push(rest as u8);
    }
    bytes.extend(text.as_bytes());
}

/// The headers of a call.
pub(crate) fn call<'a>(path: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut headers = vec![
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", path),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    headers.extend(more);
    headers
}

/// HTTP/2 by hand.
pub(crate) struct RawClient {
    stream: TlsStream<TcpStream>,
}

impl RawClient {
    /// Connects as a participant and says what every client begins with, with some settings.
    pub(crate) async fn connect(hub: &TestHub, settings: &[(u16, u32)]) -> Self {
        let stream = shaken(hub, &tls(hub, Some("platform-north"))).await;
        let mut client = Self { stream };
        let mut payload = Vec::new();
        for (name, value) in settings {
            payload.extend(name.to_be_bytes());
            payload.extend(value.to_be_bytes());
        }
        client.write(PREFACE).await.unwrap();
        client.write(&frame(SETTINGS, 0, 0, &payload)).await.unwrap();
        client
    }

    /// Sends bytes; fails when the hub has closed the connection.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// Sends the same bytes again and again, for as long as the hub takes them or until it was often enough. Returns how often
    /// it was. A hub that reads nothing more for a second takes no more.
    pub(crate) async fn flood(&mut self, bytes: &[u8], most: usize) -> usize {
        for count in 0..most {
            match tokio::time::timeout(Duration::from_secs(1), self.write(bytes)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return count,
            }
        }
        most
    }

    /// Reads a frame; `None` at the end.
    pub(crate) async fn read(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        self.stream.read_exact(&mut payload).await.ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & (u32::MAX >> 1);
        Some(Frame { kind: head[3], stream, payload })
    }

    /// Reads until the hub ends the connection; returns the error code that it gave.
    pub(crate) async fn goodbye(mut self) -> Option<u32> {
        let reading = async {
            let mut code = None;
            while let Some(frame) = self.read().await {
                if frame.kind == GOAWAY {
                    let bytes: [u8; 4] = frame.payload[4..8].try_into().unwrap();
                    code = Some(u32::from_be_bytes(bytes));
                }
            }
            code
        };
        within("the end of the connection", reading).await
    }
}
