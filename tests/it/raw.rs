//! Calls of any RPC with any bytes.

use http::uri::PathAndQuery;
use peshub::client::connect::Connection;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Request, Status};

use crate::support::within;

/// Calls an RPC, `package.Service/Method`, with encoded messages. Returns the first answer; `None` when the call ended well
/// without one.
pub(crate) async fn call(
    connection: &Connection,
    method: &str,
    messages: Vec<Vec<u8>>,
) -> Result<Option<Vec<u8>>, Status> {
    let mut grpc = Grpc::new(connection.transport());
    let path: PathAndQuery = format!("/{method}").parse().expect("a path");
    let work = async {
        grpc.ready().await.map_err(|error| Status::unknown(format!("not ready: {error}")))?;
        // The stream stays open: an end would be taken for the end of the work.
        let stays = tokio_stream::StreamExt::chain(
            tokio_stream::iter(messages),
            tokio_stream::pending::<Vec<u8>>(),
        );
        let is_stream = method.ends_with("/SyncPostings");
        if is_stream {
            let called = grpc.streaming(Request::new(stays), path, BytesCodec).await?;
            called.into_inner().message().await
        } else {
            let all = tokio_stream::StreamExt::take(stays, 1);
            let called = grpc.streaming(Request::new(all), path, BytesCodec).await?;
            called.into_inner().message().await
        }
    };
    within("an answer", work).await
}

#[derive(Clone, Copy, Default)]
struct BytesCodec;

impl Codec for BytesCodec {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for BytesCodec {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        bytes::BufMut::put_slice(to, &item);
        Ok(())
    }
}

impl Decoder for BytesCodec {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let length = bytes::Buf::remaining(from);
        Ok(Some(bytes::Buf::copy_to_bytes(from, length).to_vec()))
    }
}
