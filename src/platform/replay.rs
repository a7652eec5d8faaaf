//! The first answer to each request id, kept [`KEPT`] in the transaction of the change itself: an outcome that the client
//! never learned is settled by asking again with the same id.
//!
//! Request ids and bodies are kept as keyed digests, and answers sealed, under a key that the database holds only wrapped: a body
//! may hold a national identity number, which a plain digest would not hide, and an answer may hold a token.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use time::OffsetDateTime;

use crate::kernel::fault::{Fault, Kind, Reason};
use crate::platform::db::{Db, DbError, WriteTx};
use crate::platform::keys::sealing::DataKey;
use crate::platform::keys::vault::KeyVault;
use crate::platform::secrets::{self, REPLAY, SecretError};

/// How long answers are kept.
pub const KEPT: Duration = Duration::from_hours(7 * 24);

/// What is known of a request id.
#[derive(Debug, PartialEq, Eq)]
pub enum Known {
    /// Nothing: do the work, then [`store`] the answer.
    New,
    /// The same request was answered with this.
    Answered(Bytes),
    /// The id came with another body before.
    Reused,
}

/// Opens the key that all replicas share, making it on the first start, and gives it to the database's handle.
///
/// # Errors
///
/// The database or the key vault fails.
pub async fn open(db: &Db, vault: &dyn KeyVault, now: OffsetDateTime) -> Result<(), SecretError> {
    db.keep_answers_under(secrets::open(db, vault, REPLAY, now).await?);
    Ok(())
}

/// Looks a request id up. `body` is what makes it this request and no other. Two calls with one id at the same time wait for
/// each other here.
///
/// # Errors
///
/// The database fails.
pub async fn look_up(tx: &mut WriteTx, request_id: &str, body: &[u8]) -> Result<Known, DbError> {
    let key = Key::of(tx, request_id, body)?;
    let lock = key.request_mac.first_chunk::<8>().copied().unwrap_or_default();
    sqlx::query!("SELECT pg_advisory_xact_lock($1)", i64::from_be_bytes(lock))
        .execute(tx.connection())
        .await?;
    let row = sqlx::query!(
        "SELECT body_mac, response FROM replay
         WHERE participant_id = $1 AND method = $2 AND request_mac = $3",
        key.participant,
        key.method,
        key.request_mac.as_slice(),
    )
    .fetch_optional(tx.connection())
    .await?;
    match row {
        None => Ok(Known::New),
        Some(row) if row.body_mac == key.body_mac => {
            let opened = key.seal.open(&key.request_mac, &row.response);
            let unreadable = || sqlx::Error::Decode("a stored answer does not open".into());
            Ok(Known::Answered(Bytes::copy_from_slice(&opened.ok_or_else(unreadable)?)))
        }
        Some(_) => Ok(Known::Reused),
    }
}

/// Stores the answer to a request id.
///
/// # Errors
///
/// The database fails.
pub async fn store(
    tx: &mut WriteTx,
    request_id: &str,
    body: &[u8],
    response: &[u8],
    now: OffsetDateTime,
) -> Result<(), DbError> {
    let key = Key::of(tx, request_id, body)?;
    let sealed = key.seal.seal(&key.request_mac, response);
    let sealed = sealed.map_err(|error| sqlx::Error::Encode(error.into()))?;
    sqlx::query!(
        "INSERT INTO replay (participant_id, method, request_mac, body_mac, response, created_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
        key.participant,
        key.method,
        key.request_mac.as_slice(),
        key.body_mac.as_slice(),
        sealed,
        now,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

struct Key {
    participant: i64,
    method: &'static str,
    request_mac: [u8; 32],
    body_mac: [u8; 32],
    seal: Arc<DataKey>,
}

impl Key {
    fn of(tx: &WriteTx, request_id: &str, body: &[u8]) -> Result<Self, DbError> {
        let closed = || sqlx::Error::Configuration("the key of the answers was not opened".into());
        let seal = tx.answer_key().ok_or_else(closed)?;
        let participant = tx.permit().participant().map_or(0, |id| id.0);
        let method = tx.permit().action().name();
        let message = format!("{participant} {method} {request_id}");
        let request_mac = seal.mac(b"request id", message.as_bytes());
        let body_mac = seal.mac(b"body", body);
        Ok(Self { participant, method, request_mac, body_mac, seal })
    }
}

/// Returns the fault of a request id that came with another body before.
#[must_use]
pub fn reused() -> Fault {
    let message = "this request id was answered before with another body; use a new one";
    Fault::new(Kind::AlreadyExists, Reason::RequestIdReused, message)
}
