//! What comes in on a stream.

use prost::Message;
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

/// Holds a message against the contract.
///
/// # Errors
///
/// `FIELDS_INVALID` with everything that is wrong.
pub fn sound<T: Check>(message: T) -> Result<T, Fault> {
    let violations = fields::check(&message);
    if violations.is_empty() { Ok(message) } else { Err(Fault::fields(violations)) }
}
