//! The listener: TCP connections, their handshakes, and their ends.

use std::future::Future as _;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::transport::server::Connected;

use crate::platform::tasks::Tasks;
use crate::platform::tls::Peer;

/// Longest TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Most connections that wait to be taken up.
const BACKLOG: usize = 128;

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
    let peer = Peer::new(address, session.peer_certificates());
    Ok(Connection { peer, stream, cutting: Box::pin(cutting) })
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
