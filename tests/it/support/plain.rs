//! Calls with headers of one's own, and answers as they come over the wire: nothing of a gRPC library in between.

use bytes::Bytes;
use http::{HeaderMap, Request};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tonic::{Code, Status};

use crate::support::hostile::{shaken, tls};
use crate::support::{TestHub, within};

/// An HTTP/2 connection.
pub(crate) struct Plain {
    sender: SendRequest<axum::body::Body>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) headers: HeaderMap,
    /// How the call ended, wherever it said so.
    pub(crate) status: Status,
}

impl Answer {
    /// Returns the number of the call by the answer's header.
    pub(crate) fn call_id(&self) -> &str {
        self.headers.get("x-request-id").expect("a number").to_str().expect("a text")
    }
}

impl Plain {
    /// Connects as a participant, or as nobody.
    pub(crate) async fn connect(hub: &TestHub, participant: Option<&str>) -> Self {
        let stream = TokioIo::new(shaken(hub, &tls(hub, participant)).await);
        let shaking = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream);
        let (sender, connection) = within("HTTP/2", shaking).await.expect("HTTP/2");
        tokio::spawn(connection);
        Self { sender }
    }

    /// Calls a method, `package.Service/Method`, with one message.
    pub(crate) async fn call(
        &self,
        method: &str,
        message: &impl prost::Message,
        headers: &[(&str, &str)],
    ) -> Answer {
        let message = message.encode_to_vec();
        let mut body = vec![0];
        body.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
        body.extend(message);
        let mut request = Request::post(format!("https://localhost/{method}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(axum::body::Body::from(Bytes::from(body))).unwrap();
        let mut sender = self.sender.clone();
        let work = async move {
            sender.ready().await.expect("a connection");
            let (head, mut body) =
                sender.send_request(request).await.expect("an answer").into_parts();
            let mut status = Status::from_header_map(&head.headers);
            while let Some(frame) = std::future::poll_fn(|context| {
                http_body::Body::poll_frame(std::pin::Pin::new(&mut body), context)
            })
            .await
            {
                if let Ok(trailers) = frame.expect("a frame").into_trailers() {
                    status = Status::from_header_map(&trailers);
                }
            }
            let status = status.unwrap_or_else(|| Status::unknown("no status"));
            Answer { headers: head.headers, status }
        };
        within("an answer", work).await
    }

    /// Calls a method that must answer well.
    pub(crate) async fn good(&self, method: &str, message: &impl prost::Message) {
        let answer = self.call(method, message, &[]).await;
        assert_eq!(answer.status.code(), Code::Ok, "{:?}", answer.status);
    }
}
