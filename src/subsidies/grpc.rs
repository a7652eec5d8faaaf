//! The services.

pub mod applications;
pub mod eligibility;
pub mod populations;
pub mod programmes;

use std::pin::Pin;

use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Response, Status};

use crate::kernel::fault::Fault;
use crate::platform::status;

/// What goes out on a stream.
pub type Stream<T> = Pin<Box<dyn futures_util::Stream<Item = Result<T, Status>> + Send>>;

/// Returns the answer of a stream whose messages come out of a receiver.
#[must_use]
pub fn outgoing<T: Send + 'static>(
    receiver: mpsc::Receiver<Result<T, Fault>>,
) -> Response<Stream<T>> {
    let span = tracing::Span::current();
    let failed = move |fault: Fault| span.in_scope(|| status::of_fault(&fault));
    Response::new(Box::pin(ReceiverStream::new(receiver).map(move |it| it.map_err(&failed))))
}
