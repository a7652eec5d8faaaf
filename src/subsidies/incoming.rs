//! What comes in on a stream.

use prost::Message;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Streaming};

use crate::kernel::fault::Fault;
use crate::kernel::fields::{self, Check, Rule, Violation};
use crate::subsidies::error::SubsidyError;

/// Returns the next message; `None` at the end, or when the client broke off.
///
/// # Errors
///
/// `BATCH_TOO_LARGE`; `FIELDS_INVALID` for what is no message of this name.
pub async fn next<T: Message + Default + 'static>(
    incoming: &mut Streaming<T>,
    name: &str,
) -> Result<Option<T>, Fault> {
    match incoming.message().await {
        Ok(message) => Ok(message),
        // What tonic says to a frame that is larger than its limit.
        Err(status) if status.code() == Code::OutOfRange => Err(SubsidyError::BatchTooLarge.into()),
        Err(status) if matches!(status.code(), Code::Internal | Code::InvalidArgument) => {
            let violation = Violation {
                field: String::new(),
                rule: Rule::Malformed,
                expected: format!("a message of {name}"),
                given: String::new(),
            };
            Err(Fault::fields(vec![violation]).because(status))
        }
        Err(status) => {
            tracing::debug!("a stream broke off: {status}");
            Ok(None)
        }
    }
}

/// Returns what opens a stream; `None` when the client broke off before.
///
/// # Errors
///
/// `STREAM_OUT_OF_STEP` when it is something else; as [`next`] and [`sound`].
pub async fn opening<Q, T: Check>(
    incoming: &mut Streaming<Q>,
    name: &str,
    opens: fn(Q) -> Option<T>,
) -> Result<Option<T>, Fault>
where
    Q: Message + Default + 'static,
{
    let Some(first) = next(incoming, name).await? else { return Ok(None) };
    let expected = "the first message opens the stream";
    sound(opens(first).ok_or(SubsidyError::OutOfStep { expected })?).map(Some)
}

/// Waits for the next batch of a stream; `None` when either side has ended it.
///
/// # Errors
///
/// `SHUTTING_DOWN`; `STREAM_OUT_OF_STEP` when it is something else; as [`next`] and [`sound`].
pub async fn next_batch<Q, T: Check, A>(
    incoming: &mut Streaming<Q>,
    name: &str,
    (draining, answers): (&CancellationToken, &mpsc::Sender<A>),
    batch: fn(Q) -> Option<T>,
) -> Result<Option<T>, Fault>
where
    Q: Message + Default + 'static,
{
    let message = tokio::select! {
        () = draining.cancelled() => return Err(SubsidyError::ShuttingDown.into()),
        () = answers.closed() => return Ok(None),
        message = next(incoming, name) => message?,
    };
    let Some(message) = message else { return Ok(None) };
    let expected = "batches follow the opening";
    sound(batch(message).ok_or(SubsidyError::OutOfStep { expected })?).map(Some)
}

/// Holds a message against the contract.
///
/// # Errors
///
/// `FIELDS_INVALID` with everything that is wrong.
pub fn sound<T: Check>(message: T) -> Result<T, Fault> {
    let violations = fields::check(&message);
    if violations.is_empty() { Ok(message) } else { Err(Fault::fields(violations)) }
}
