//! HTTP/2 on every connection, with its limits, and the end of each in good order.
//!
//! The connections are driven here and not by tonic's own server, which sets some of hyper's protections aside and ends a
//! connection without letting its streams say goodbye.

use std::convert::Infallible;
use std::future::Future;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::future::BoxFuture;
use http::{Extensions, Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_stream::StreamExt as _;
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceExt as _};

use crate::platform::config::LimitOptions;
use crate::platform::limits::seldom::Seldom;
use crate::platform::listener::Connection;
use crate::platform::metrics;
use crate::platform::serve::link::{CallGuard, Link, Links};
use crate::platform::tasks::Tasks;
use crate::platform::tls::Peer;

pub mod link;

/// Most streams on one connection.
pub const STREAMS_MAX: u32 = 100;
/// Most streams that a client may have made the hub reset by breaking the protocol (RUSTSEC-2024-0003).
const LOCAL_ERROR_RESETS_MAX: usize = 1_024;
/// Most streams that a client may have reset before the hub has looked at them (CVE-2023-44487).
const PENDING_RESETS_MAX: usize = 20;
/// Most bytes of the headers of one call.
const HEADER_BYTES_MAX: u32 = 16 * 1024;
/// Most bytes of one frame.
const FRAME_BYTES_MAX: u32 = 16 * 1024;
/// HTTP/2 windows: a batch fits into a stream's, and several into a connection's. The latter bounds what a connection has sent
/// and nobody has read, however many streams it has.
const STREAM_WINDOW: u32 = 4 * 1024 * 1024;
const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;
/// Most bytes of one stream that wait for a client which does not read.
const SEND_BUFFER_BYTES: usize = 400 * 1024;
/// How often a connection is asked for a sign of life, and how long the answer may take.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(10));
/// Longest time from the TLS handshake to the first words of HTTP/2.
const PREFACE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long streams have to end on a connection that is being ended.
const GRACE: Duration = Duration::from_mins(1);
/// How long a connection without calls has to confirm its end.
const FAREWELL: Duration = Duration::from_secs(5);

/// The body of a request.
pub type RequestBody = tonic::body::Body;

/// In the extensions of every call: the signal that its connection is being ended, so that streams say goodbye.
#[derive(Clone, Debug)]
pub struct Draining(CancellationToken);

impl Draining {
    /// Returns the signal of a call's connection; that of the whole hub where there is no connection.
    #[must_use]
    pub fn of(extensions: &Extensions, tasks: &Tasks) -> CancellationToken {
        extensions.get::<Self>().map_or_else(|| tasks.stopping(), |draining| draining.0.clone())
    }
}

/// Serves connections in the background until the tasks are stopped. Every call finds [`Peer`], [`Link`] and [`Draining`] in its
/// extensions.
pub fn serve<S, B>(
    connections: impl Stream<Item = io::Result<Connection>> + Send + 'static,
    service: S,
    limits: &LimitOptions,
    tasks: &Tasks,
) -> JoinHandle<()>
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
    B: Body<Data = Bytes, Error = tonic::Status> + Send + Unpin + 'static,
{
    let most = usize::try_from(limits.connections_max).unwrap_or(usize::MAX);
    let mut server = Server {
        service,
        links: Arc::new(Links::new(most)),
        age: Duration::from_secs(u64::from(limits.connection_age_seconds)),
        idle: Duration::from_secs(u64::from(limits.connection_idle_seconds)),
        randomness: RandomState::new(),
        refused: Seldom::default(),
        tasks: tasks.clone(),
    };
    let stopping = tasks.stopping();
    tasks.spawn(async move {
        let mut connections = pin!(connections);
        loop {
            let connection = tokio::select! {
                () = stopping.cancelled() => return,
                connection = connections.next() => connection,
            };
            match connection {
                Some(Ok(connection)) => server.take(connection),
                Some(Err(error)) => tracing::debug!("a connection failed: {error}"),
                None => return,
            }
        }
    })
}

struct Server<S> {
    service: S,
    links: Arc<Links>,
    age: Duration,
    idle: Duration,
    randomness: RandomState,
    refused: Seldom,
    tasks: Tasks,
}

impl<S, B> Server<S>
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
    B: Body<Data = Bytes, Error = tonic::Status> + Send + Unpin + 'static,
{
    fn take(&mut self, connection: Connection) {
        let Some(seat) = self.links.admit(&self.tasks.cutting()) else {
            metrics::CONNECTIONS_REFUSED.add(1, &[]);
            if let Some(count) = self.refused.count() {
                tracing::warn!("all connections are taken and busy; {count} more were refused");
            }
            return;
        };
        let peer = connection.peer().clone();
        let has_spoken = connection.has_spoken();
        let draining = self.tasks.stopping().child_token();
        let calls = Calls {
            service: self.service.clone(),
            peer,
            link: seat.link().clone(),
            draining: Draining(draining.clone()),
        };
        let http = builder(&self.tasks).serve_connection(TokioIo::new(connection), calls);
        let lifetime = Lifetime {
            end: Instant::now() + self.drawn_age(seat.link()),
            idle: self.idle,
            link: seat.link().clone(),
            draining,
        };
        drop(self.tasks.spawn(async move {
            let _open = metrics::CONNECTIONS.enter(&[]);
            let gone = seat.link().gone();
            let mut http = pin!(http);
            let mut lifetime = pin!(lifetime.run(|| has_spoken.load(Ordering::Relaxed)));
            let end = tokio::select! {
                biased;
                ended = &mut http => return log(ended),
                () = gone.cancelled() => End::Cut,
                end = &mut lifetime => end,
            };
            if end == End::Cut {
                return;
            }
            http.as_mut().graceful_shutdown();
            tokio::select! {
                biased;
                ended = &mut http => log(ended),
                () = gone.cancelled() => {}
                () = patience(seat.link()) => {
                    tracing::debug!("a connection was cut off: it did not end");
                }
            }
        }));
    }

    /// Returns an age within ten percent of what is usual, so that connections made together do not end together.
    fn drawn_age(&self, link: &Link) -> Duration {
        let fifth = u64::try_from((self.age / 5).as_millis()).unwrap_or(u64::MAX);
        let drawn = self.randomness.hash_one(link.number()) % fifth.saturating_add(1);
        self.age * 9 / 10 + Duration::from_millis(drawn)
    }
}

/// Waits as long as a connection may take to end: its calls have their time, and without calls there is little to say.
async fn patience(link: &Link) {
    let begun = Instant::now();
    let end = begun + GRACE;
    loop {
        let now = Instant::now();
        let quiet = link.idle_until(FAREWELL).map(|until| until.max(begun + FAREWELL));
        if now >= end || quiet.is_some_and(|until| until <= now) {
            return;
        }
        tokio::time::sleep_until(end.min(quiet.unwrap_or(now + FAREWELL))).await;
    }
}

fn log(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!("a connection broke: {error}");
    }
}

fn builder(tasks: &Tasks) -> http2::Builder<Executor> {
    let mut builder = http2::Builder::new(Executor(tasks.clone()));
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_local_error_reset_streams(LOCAL_ERROR_RESETS_MAX)
        .max_pending_accept_reset_streams(PENDING_RESETS_MAX)
        .max_header_list_size(HEADER_BYTES_MAX)
        .max_frame_size(FRAME_BYTES_MAX)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .keep_alive_interval(KEEPALIVE.0)
        .keep_alive_timeout(KEEPALIVE.1);
    builder
}

/// Runs the streams of a connection among the hub's tasks.
#[derive(Clone)]
struct Executor(Tasks);

impl<F> hyper::rt::Executor<F> for Executor
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, stream: F) {
        drop(self.0.spawn(stream));
    }
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Its streams are told, and have time.
    Drain,
    /// At once.
    Cut,
}

struct Lifetime {
    end: Instant,
    idle: Duration,
    link: Link,
    draining: CancellationToken,
}

impl Lifetime {
    /// Waits until the connection is to end. Its streams are told.
    async fn run(self, has_spoken: impl Fn() -> bool) -> End {
        let preface = Instant::now() + PREFACE_TIMEOUT;
        let mut end = pin!(tokio::time::sleep_until(self.end));
        let mut check = pin!(tokio::time::sleep(self.idle.min(PREFACE_TIMEOUT)));
        loop {
            tokio::select! {
                () = self.draining.cancelled() => return End::Drain,
                () = &mut end => break,
                () = &mut check => {}
            }
            if !has_spoken() {
                if Instant::now() >= preface {
                    return End::Cut;
                }
                check.as_mut().reset(preface);
                continue;
            }
            match self.link.idle_until(self.idle) {
                Some(idle_until) if idle_until <= Instant::now() => break,
                Some(idle_until) => check.as_mut().reset(idle_until),
                None => check.as_mut().reset(Instant::now() + self.idle),
            }
        }
        self.draining.cancel();
        End::Drain
    }
}

/// The calls of one connection.
struct Calls<S> {
    service: S,
    peer: Peer,
    link: Link,
    draining: Draining,
}

impl<S, B> hyper::service::Service<Request<Incoming>> for Calls<S>
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: 'static,
{
    type Response = Response<Counted<B>>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let mut request = request.map(RequestBody::new);
        let extensions = request.extensions_mut();
        extensions.insert(self.peer.clone());
        extensions.insert(self.link.clone());
        extensions.insert(self.draining.clone());
        let guard = self.link.begin();
        let answering = self.service.clone().oneshot(request);
        Box::pin(async move {
            let response = answering.await?;
            Ok(response.map(|body| Counted { body, _guard: guard }))
        })
    }
}

/// A response's body that counts as a call under way until it ends.
struct Counted<B> {
    body: B,
    _guard: CallGuard,
}

impl<B: Body + Unpin> Body for Counted<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
