//! What is known of a worker, sealed and opened. Each piece is bound to the worker or reference that it belongs to, so that none can be
//! put in the place of another.

use zeroize::Zeroizing;

use crate::platform::keys::sealing::DataKey;
use crate::platform::keys::vault::{KeyVault, Wrapped, worker_context};
use crate::workers::domain::{Reference, WorkerId};
use crate::workers::error::WorkerError;

/// Makes a worker's key and returns it with its wrapped form.
///
/// # Errors
///
/// The vault fails.
pub async fn new_key(
    vault: &dyn KeyVault,
    worker: WorkerId,
) -> Result<(DataKey, Wrapped), WorkerError> {
    let key = DataKey::random()?;
    let wrapped = vault.wrap(&worker_context(worker.0), &key).await?;
    Ok((key, wrapped))
}

/// Opens a worker's key.
///
/// # Errors
///
/// The vault fails.
pub async fn open_key(
    vault: &dyn KeyVault,
    worker: WorkerId,
    wrapped: &Wrapped,
) -> Result<DataKey, WorkerError> {
    Ok(vault.open(&worker_context(worker.0), wrapped).await?)
}

/// Wraps a worker's key under the master key of now.
///
/// # Errors
///
/// The vault fails.
pub async fn wrap_anew(
    vault: &dyn KeyVault,
    worker: WorkerId,
    wrapped: &Wrapped,
) -> Result<Wrapped, WorkerError> {
    let context = worker_context(worker.0);
    let key = vault.open(&context, wrapped).await?;
    Ok(vault.wrap(&context, &key).await?)
}

/// Seals an identity number.
///
/// # Errors
///
/// The machine gives no randomness.
pub fn seal_number(key: &DataKey, worker: WorkerId, number: &[u8]) -> Result<Vec<u8>, WorkerError> {
    Ok(key.seal(&number_context(worker), number)?)
}

/// Opens an identity number.
///
/// # Errors
///
/// It is not what was sealed.
pub fn open_number(
    key: &DataKey,
    worker: WorkerId,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, WorkerError> {
    let opened = key.open(&number_context(worker), sealed);
    opened.ok_or(WorkerError::Corrupt { what: "identity number" })
}

/// Seals a participant's statement.
///
/// # Errors
///
/// The machine gives no randomness.
pub fn seal_statement(
    key: &DataKey,
    reference: Reference,
    statement: &[u8],
) -> Result<Vec<u8>, WorkerError> {
    Ok(key.seal(&statement_context(reference), statement)?)
}

/// Opens a participant's statement.
///
/// # Errors
///
/// It is not what was sealed.
pub fn open_statement(
    key: &DataKey,
    reference: Reference,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, WorkerError> {
    let opened = key.open(&statement_context(reference), sealed);
    opened.ok_or(WorkerError::Corrupt { what: "statement" })
}

/// Returns what a request about a worker is told apart by. It is made with the worker's own key: once that is destroyed, nobody
/// can find out by trying what the request said.
#[must_use]
pub fn request_mac(key: &DataKey, reference: Reference, statement: &[u8]) -> [u8; 32] {
    key.mac(&[b"worker request ", reference.0.as_bytes().as_slice()].concat(), statement)
}

fn number_context(worker: WorkerId) -> Vec<u8> {
    [b"worker number ", worker.0.as_bytes().as_slice()].concat()
}

fn statement_context(reference: Reference) -> Vec<u8> {
    [b"worker statement ", reference.0.as_bytes().as_slice()].concat()
}
