//! A hub of a few lines, and connections that break where a test wants them to.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::client::connect::{Connection, Options};
use crate::client::retry::Retry;
use crate::client::tests::hub::Hub;
use crate::pb::peshub::postings::v1::posting_service_server::PostingServiceServer;

mod hub;
mod sync;
mod watch;

/// Breaks every connection that is open, as a dying host does.
#[derive(Clone, Default)]
struct Cutter(Arc<Mutex<CancellationToken>>);

impl Cutter {
    fn cut(&self) {
        let mut token = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        token.cancel();
        *token = CancellationToken::new();
    }

    fn current(&self) -> CancellationToken {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Starts the hub and a relay before it; returns a connection through the relay.
async fn start(hub: Hub) -> Connection {
    let tasks = TaskTracker::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let cutter = hub.cutter.clone();
    let server = tonic::transport::Server::builder().add_service(PostingServiceServer::new(hub));
    drop(tasks.spawn(server.serve_with_incoming(TcpListenerStream::new(listener))));
    let relay = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = Options {
        address: format!("http://{}", relay.local_addr().unwrap()),
        ..Options::default()
    };
    drop(tasks.spawn(relay_all(relay, address, cutter, tasks.clone())));
    Connection::open(&options).await.unwrap()
}

async fn relay_all(relay: TcpListener, to: SocketAddr, cutter: Cutter, tasks: TaskTracker) {
    while let Ok((mut near, _)) = relay.accept().await {
        let token = cutter.current();
        drop(tasks.spawn(async move {
            let mut far = TcpStream::connect(to).await.unwrap();
            tokio::select! {
                () = token.cancelled() => {}
                _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
            }
        }));
    }
}

fn quick() -> Retry {
    Retry {
        first: Duration::from_millis(2),
        longest: Duration::from_millis(20),
        total: Duration::from_secs(20),
    }
}

fn failure(code: Code, reason: &str) -> Status {
    let mut details = ErrorDetails::new();
    details.set_error_info(reason, "peshub", std::collections::HashMap::<String, String>::new());
    if code == Code::InvalidArgument {
        details.add_bad_request_violation("open.source", "at most 64 characters");
    }
    Status::with_error_details(code, "as the test wants it", details)
}
