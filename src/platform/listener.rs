//! The listener: TCP connections, their handshakes, and their ends.
//!
//! Whoever connects and says nothing costs a place among the handshakes under way, never somebody else's: when all places are
//! taken the oldest handshake gives way, and a client that means it is through within milliseconds.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;

use crate::platform::metrics;
use crate::platform::tasks::Tasks;
use crate::platform::tls::Peer;

/// Longest TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Most connections that wait to be taken up.
const BACKLOG: usize = 128;
/// Bytes that every HTTP/2 client begins with (RFC 9113, 3.4).
const PREFACE_BYTES: usize = 24;

/// Accepts connections in the background until the tasks are stopped. A peer that fails its handshake is dropped; beyond
/// `handshakes_max` at the same time the oldest one is. Without an acceptor there is no TLS, which only measurements do.
pub fn accept(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    handshakes_max: usize,
    tasks: &Tasks,
) -> ReceiverStream<io::Result<Connection>> {
    let (sender, receiver) = mpsc::channel(BACKLOG);
    let accepting = Accepting {
        acceptor,
        handshakes: Arc::new(Handshakes { most: handshakes_max, under_way: Mutex::default() }),
        tasks: tasks.clone(),
        sender,
    };
    drop(tasks.spawn(accepting.run(listener)));
    ReceiverStream::new(receiver)
}

/// Handshakes under way, by the order in which they began.
#[derive(Debug)]
struct Handshakes {
    most: usize,
    under_way: Mutex<BTreeMap<u64, CancellationToken>>,
}

impl Handshakes {
    /// Counts one in, at the cost of the oldest ones if there is no place. The token says when it must give way itself.
    fn begin(self: &Arc<Self>, number: u64, stop: &CancellationToken) -> Place {
        let give_way = stop.child_token();
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        while under_way.len() >= self.most.max(1) {
            let Some((_, oldest)) = under_way.pop_first() else { break };
            oldest.cancel();
        }
        under_way.insert(number, give_way.clone());
        Place { number, give_way, handshakes: Arc::clone(self) }
    }

    /// Lets the oldest one go: the machine has no more room.
    fn relieve(&self) {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, oldest)) = under_way.pop_first() {
            oldest.cancel();
        }
    }
}

/// A place among the handshakes under way; free again when it is dropped.
#[derive(Debug)]
struct Place {
    number: u64,
    give_way: CancellationToken,
    handshakes: Arc<Handshakes>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut under_way =
            self.handshakes.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.remove(&self.number);
    }
}

struct Accepting {
    acceptor: Option<TlsAcceptor>,
    handshakes: Arc<Handshakes>,
    tasks: Tasks,
    sender: mpsc::Sender<io::Result<Connection>>,
}

impl Accepting {
    async fn run(self, listener: TcpListener) {
        let stop = self.tasks.stopping();
        let mut number = 0;
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                () = self.sender.closed() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, address)) => {
                    number += 1;
                    let place = self.handshakes.begin(number, &stop);
                    let (acceptor, sender) = (self.acceptor.clone(), self.sender.clone());
                    drop(self.tasks.spawn(take_up(stream, address, acceptor, (place, sender))));
                }
                Err(error) => {
                    // Out of file descriptors, most likely: give the others time to close some.
                    tracing::warn!("cannot accept: {error}");
                    self.handshakes.relieve();
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

async fn take_up(
    stream: TcpStream,
    address: SocketAddr,
    acceptor: Option<TlsAcceptor>,
    (place, sender): (Place, mpsc::Sender<io::Result<Connection>>),
) {
    let shaken = tokio::select! {
        () = place.give_way.cancelled() => {
            metrics::HANDSHAKES.add(1, &["gave_way"]);
            tracing::debug!(%address, "handshake gave way");
            return;
        }
        shaken = shake_hands(stream, address, acceptor.as_ref()) => shaken,
    };
    drop(place);
    metrics::HANDSHAKES.add(1, &[if shaken.is_ok() { "done" } else { "failed" }]);
    match shaken {
        // The receiver is gone only when the server has ended.
        Ok(connection) => drop(sender.send(Ok(connection)).await),
        Err(error) => tracing::debug!(%address, "handshake failed: {error}"),
    }
}

async fn shake_hands(
    stream: TcpStream,
    address: SocketAddr,
    acceptor: Option<&TlsAcceptor>,
) -> io::Result<Connection> {
    stream.set_nodelay(true)?;
    let Some(acceptor) = acceptor else {
        let (peer, stream) = (Peer::new(address, None), Transport::Plain(stream));
        return Ok(Connection { peer, stream, received: 0, has_spoken: Arc::default() });
    };
    let stream = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await??;
    let (_, session) = stream.get_ref();
    let peer = Peer::new(address, session.peer_certificates());
    let stream = Transport::Tls(Box::new(stream));
    Ok(Connection { peer, stream, received: 0, has_spoken: Arc::default() })
}

/// What carries a connection's bytes.
#[derive(Debug)]
enum Transport {
    Tls(Box<TlsStream<TcpStream>>),
    Plain(TcpStream),
}

/// A connection after its handshake.
#[derive(Debug)]
pub struct Connection {
    peer: Peer,
    stream: Transport,
    /// Bytes that have come, as long as they are fewer than an HTTP/2 client begins with.
    received: usize,
    has_spoken: Arc<AtomicBool>,
}

impl Connection {
    /// Returns what is known of the other end.
    #[must_use]
    pub const fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Returns what becomes true when the other end has sent as much as an HTTP/2 client begins with.
    #[must_use]
    pub fn has_spoken(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.has_spoken)
    }
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
        let before = buffer.filled().len();
        let read = match &mut self.stream {
            Transport::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
            Transport::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
        };
        if self.received < PREFACE_BYTES {
            self.received += buffer.filled().len().saturating_sub(before);
            if self.received >= PREFACE_BYTES {
                self.has_spoken.store(true, Ordering::Relaxed);
            }
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Transport::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
            Transport::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Transport::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Transport::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Transport::Tls(stream) => stream.is_write_vectored(),
            Transport::Plain(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Transport::Tls(stream) => Pin::new(stream).poll_flush(context),
            Transport::Plain(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Transport::Tls(stream) => Pin::new(stream).poll_shutdown(context),
            Transport::Plain(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio_util::sync::CancellationToken;

    use crate::platform::listener::Handshakes;

    #[test]
    fn the_oldest_handshake_gives_way_and_a_finished_one_makes_room() {
        let handshakes = Arc::new(Handshakes { most: 2, under_way: Mutex::default() });
        let stop = CancellationToken::new();
        let begin = |number| handshakes.begin(number, &stop);
        let (first, second, third) = (begin(1), begin(2), begin(3));
        let given_way = || [&first, &second, &third].map(|it| it.give_way.is_cancelled());
        assert_eq!(given_way(), [true, false, false]);
        drop(second);
        let fourth = begin(4);
        assert!(!third.give_way.is_cancelled() && !fourth.give_way.is_cancelled());
        let fifth = begin(5);
        assert!(third.give_way.is_cancelled() && !fifth.give_way.is_cancelled());
        // The machine has no more room: the oldest goes, whatever the limit.
        handshakes.relieve();
        assert!(fourth.give_way.is_cancelled() && !fifth.give_way.is_cancelled());
        stop.cancel();
        assert!(fifth.give_way.is_cancelled());
    }
}
