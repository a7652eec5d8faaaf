//! What applications and decisions state of somebody, sealed: with the worker's own key, which erasure destroys; with a key of the hub
//! where they are about no worker.

use prost::Message;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::pb::peshub::subsidies::v1 as pb;
use crate::platform::db::WriteTx;
use crate::platform::keys::sealing::DataKey;
use crate::platform::keys::vault::{KeyVault, Wrapped, worker_context};
use crate::subsidies::application::{ApplicationId, DecisionId};
use crate::subsidies::blind::Blind;
use crate::subsidies::error::SubsidyError;
use crate::subsidies::store::reference;

/// What an application states, and what was determined from it, with values.
pub type Content = pb::DiscloseApplicationResponse;
/// What a decision rests on: the salt, the facts, the determination with values.
pub type Basis = pb::DecisionExport;

/// Opens the key to what is kept of an application about a worker, whose own key was found.
///
/// # Errors
///
/// `WORKER_ERASED`, `KEY_UNAVAILABLE`.
pub async fn key(
    (vault, blind): (&dyn KeyVault, &Blind),
    id: ApplicationId,
    worker: Option<(Uuid, Option<&Wrapped>)>,
) -> Result<DataKey, SubsidyError> {
    match worker {
        None => Ok(DataKey::from(blind.digest(b"application key", id.0.as_bytes()))),
        Some((_, None)) => Err(SubsidyError::WorkerErased),
        Some((worker, Some(wrapped))) => Ok(vault.open(&worker_context(worker), wrapped).await?),
    }
}

/// Opens the key to what is kept of an application. The worker is not erased until the transaction ends.
///
/// # Errors
///
/// `WORKER_ERASED`, `KEY_UNAVAILABLE`, or the database fails.
pub async fn key_of(
    tx: &mut WriteTx,
    keys: (&dyn KeyVault, &Blind),
    (id, worker): (ApplicationId, Option<Uuid>),
) -> Result<DataKey, SubsidyError> {
    let wrapped = match worker {
        Some(worker) => reference::key_of(tx, worker).await?,
        None => None,
    };
    key(keys, id, worker.map(|it| (it, wrapped.as_ref()))).await
}

/// Seals what an application states.
///
/// # Errors
///
/// The machine gives no randomness.
pub fn seal(key: &DataKey, id: ApplicationId, content: &Content) -> Result<Vec<u8>, SubsidyError> {
    sealed(key, &application_context(id), content)
}

/// Opens what an application states.
///
/// # Errors
///
/// It is not what was sealed.
pub fn open(key: &DataKey, id: ApplicationId, sealed: &[u8]) -> Result<Content, SubsidyError> {
    opened(key, &application_context(id), sealed)
}

/// Seals what a decision rests on.
///
/// # Errors
///
/// The machine gives no randomness.
pub fn seal_basis(key: &DataKey, id: DecisionId, basis: &Basis) -> Result<Vec<u8>, SubsidyError> {
    sealed(key, &decision_context(id), basis)
}

/// Opens what a decision rests on.
///
/// # Errors
///
/// It is not what was sealed.
pub fn open_basis(key: &DataKey, id: DecisionId, sealed: &[u8]) -> Result<Basis, SubsidyError> {
    opened(key, &decision_context(id), sealed)
}

fn sealed(key: &DataKey, context: &[u8], message: &impl Message) -> Result<Vec<u8>, SubsidyError> {
    let plain = Zeroizing::new(message.encode_to_vec());
    Ok(key.seal(context, &plain)?)
}

fn opened<M: Message + Default>(
    key: &DataKey,
    context: &[u8],
    sealed: &[u8],
) -> Result<M, SubsidyError> {
    let opened = key.open(context, sealed);
    let read = opened.and_then(|plain| M::decode(plain.as_slice()).ok());
    read.ok_or(SubsidyError::Corrupt { what: "what an application states" })
}

fn application_context(id: ApplicationId) -> Vec<u8> {
    [b"application ", id.0.as_bytes().as_slice()].concat()
}

fn decision_context(id: DecisionId) -> Vec<u8> {
    [b"decision ", id.0.as_bytes().as_slice()].concat()
}
