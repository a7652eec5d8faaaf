//! Messages of the contract as JSON, in the canonical Protobuf mapping with the contract's own field names.

pub mod credential_type;
pub mod programme;

use std::sync::LazyLock;

use prost_reflect::prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use serde_json::Value;

static POOL: LazyLock<Option<DescriptorPool>> =
    LazyLock::new(|| DescriptorPool::decode(crate::pb::DESCRIPTORS).ok());

/// Why a message cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// The contract has no such message.
    #[error("the contract has no message {0}")]
    NoMessage(String),
    /// The bytes are not such a message.
    #[error("the bytes are not the message they should be")]
    Malformed(#[from] prost::DecodeError),
    /// JSON cannot hold it.
    #[error("the message cannot be written as JSON")]
    Json(#[from] serde_json::Error),
}

/// Returns an encoded message of the contract as JSON. `name` is its full name.
///
/// # Errors
///
/// There is no such message, or the bytes are not one.
pub fn of_encoded(name: &str, encoded: &[u8]) -> Result<Value, JsonError> {
    let descriptor = POOL.as_ref().and_then(|pool| pool.get_message_by_name(name));
    let descriptor = descriptor.ok_or_else(|| JsonError::NoMessage(name.to_owned()))?;
    let message = DynamicMessage::decode(descriptor, encoded)?;
    let options = SerializeOptions::new().use_proto_field_name(true);
    Ok(message.serialize_with_options(serde_json::value::Serializer, &options)?)
}

/// Returns a message of the contract as JSON. `name` is its full name.
///
/// # Errors
///
/// There is no such message.
pub fn of_message(name: &str, message: &impl prost::Message) -> Result<Value, JsonError> {
    of_encoded(name, &message.encode_to_vec())
}

/// Reads a message of the contract from JSON. `name` is its full name.
///
/// # Errors
///
/// There is no such message, or the JSON is not one.
pub fn to_message<M: prost::Message + Default>(name: &str, json: &Value) -> Result<M, JsonError> {
    let descriptor = POOL.as_ref().and_then(|pool| pool.get_message_by_name(name));
    let descriptor = descriptor.ok_or_else(|| JsonError::NoMessage(name.to_owned()))?;
    let message = DynamicMessage::deserialize(descriptor, json)?;
    Ok(M::decode(message.encode_to_vec().as_slice())?)
}

/// Returns a message of `peshub.postings.v1` as JSON.
///
/// # Errors
///
/// There is no such message.
pub fn of_posting_message(name: &str, message: &impl prost::Message) -> Result<Value, JsonError> {
    of_message(&format!("peshub.postings.v1.{name}"), message)
}
