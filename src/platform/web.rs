//! The public HTTP listener: HTTP/1.1 behind an ingress that speaks TLS. What it serves is public, and whoever relies on it finds it
//! signed. It takes no bodies and keeps nobody's state.

pub mod document;

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::ServiceExt as _;

use crate::platform::fetch;
use crate::platform::tasks::Tasks;

/// Most connections at the same time; more wait until one ends, which none outlives.
const CONNECTIONS_MAX: usize = 1_024;
/// Most bytes of the head of a request, and most of its lines.
const HEAD_BYTES_MAX: usize = 16 * 1024;
const HEAD_LINES_MAX: usize = 64;
/// How long a client has for the head of a request, and how long a connection may be without one.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an answer may take to be found.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection is used; whoever reads slower than this is cut off.
const CONNECTION_AGE: Duration = Duration::from_mins(2);
/// How long a connection whose time is over, or that the hub's end meets, has for the answer that is under way.
const GRACE: Duration = Duration::from_secs(5);

/// What public addresses of the hub begin with: scheme, host, and a path if there is one, without a slash at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl(Arc<str>);

impl PublicUrl {
    /// Reads an address. Without TLS it must lie on the loopback, and only a development hub may have such a one.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn read(text: &str, allows_loopback: bool) -> Result<Self, &'static str> {
        let url: reqwest::Url = text.parse().map_err(|_| "is no address")?;
        let host = url.host_str().unwrap_or_default();
        match url.scheme() {
            "https" => {}
            "http" if allows_loopback && fetch::is_loopback(&url) => {}
            _ => return Err("is not an https address"),
        }
        let is_plain = url.username().is_empty() && url.password().is_none();
        if !is_plain || url.query().is_some() || url.fragment().is_some() || host.is_empty() {
            return Err("has more than a scheme, a host, a port and a path");
        }
        let text = text.trim_end_matches('/');
        if url.as_str().trim_end_matches('/') != text {
            return Err("is not written in its normal form");
        }
        Ok(Self(text.into()))
    }

    /// Returns it as a text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The public listener of a hub.
#[derive(Debug)]
pub struct Public {
    /// Where it listens.
    pub listener: TcpListener,
    /// What its addresses begin with, for clients.
    pub url: PublicUrl,
}

/// Serves a router in the background until the tasks are stopped, and returns its address.
///
/// # Errors
///
/// The listener has no address.
pub fn serve(
    listener: TcpListener,
    router: Router,
    tasks: &Tasks,
) -> Result<SocketAddr, std::io::Error> {
    let address = listener.local_addr()?;
    let server = Server {
        router: router.fallback(nothing),
        places: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
        tasks: tasks.clone(),
    };
    drop(tasks.spawn(server.run(listener)));
    Ok(address)
}

async fn nothing() -> (StatusCode, &'static str) {
    (StatusCode::NOT_FOUND, "there is nothing here\n")
}

#[derive(Clone)]
struct Server {
    router: Router,
    places: Arc<Semaphore>,
    tasks: Tasks,
}

impl Server {
    async fn run(self, listener: TcpListener) {
        let stop = self.tasks.stopping();
        loop {
            let accepted = async {
                let place = Arc::clone(&self.places).acquire_owned().await;
                (place, listener.accept().await)
            };
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = accepted => accepted,
            };
            match accepted {
                (Ok(place), Ok((stream, _))) => {
                    drop(self.tasks.spawn(self.clone().converse(stream, place)));
                }
                (Err(_), _) => return,
                (_, Err(error)) => {
                    // Out of file descriptors, most likely: give the others time to close some.
                    tracing::warn!("the public listener cannot accept: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    /// Serves one connection to its end.
    async fn converse(self, stream: TcpStream, place: OwnedSemaphorePermit) {
        let _place = place;
        let (stop, cut) = (self.tasks.stopping(), self.tasks.cutting());
        let router = self.router;
        let service = service_fn(move |request| answer(router.clone(), request));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(HEAD_BYTES_MAX)
            .max_headers(HEAD_LINES_MAX)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            ended = connection.as_mut() => return said(ended),
            () = stop.cancelled() => {}
            () = tokio::time::sleep(CONNECTION_AGE) => {}
        }
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            ended = connection => said(ended),
            () = cut.cancelled() => {}
            () = tokio::time::sleep(GRACE) => {}
        }
    }
}

fn said(ended: Result<(), hyper::Error>) {
    if let Err(error) = ended {
        tracing::debug!("a public connection failed: {error}");
    }
}

/// Answers a browser that asks what it may send.
fn preflight() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "If-None-Match"),
        (header::ACCESS_CONTROL_MAX_AGE, "86400"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Answers a request. Its body, if it has one, is never read, so that the connection ends with the answer.
async fn answer(router: Router, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let has_body = !hyper::body::Body::is_end_stream(request.body());
    let is_question = request.method() == Method::OPTIONS;
    let answering = router.oneshot(request.map(|_| Body::empty()));
    let mut response = match tokio::time::timeout(ANSWER_TIMEOUT, answering).await {
        // Browsers ask beforehand when a page wants to send `If-None-Match`.
        Ok(_) if is_question => preflight(),
        Ok(answered) => answered?,
        Err(_) => {
            let mut late = Response::new(Body::from("the answer takes too long\n"));
            *late.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            late
        }
    };
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("ETag"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if has_body {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}
