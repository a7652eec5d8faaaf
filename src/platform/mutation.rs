//! A change that is made once per request id: the look-up of the id, the change, its answer, its audit row and its events are one
//! transaction.

use aws_lc_rs::digest;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use prost::Message;
use time::OffsetDateTime;

use crate::kernel::fault::Fault;
use crate::kernel::fields::{self, Rule, Violation};
use crate::platform::db::{Db, Record, WriteTx};
use crate::platform::permit::Permit;
use crate::platform::replay::{self, Known};

/// Longest request id.
pub const REQUEST_ID_CHARS_MAX: usize = 64;

/// What names a request: the id that its client gave it, and what it asks for.
#[derive(Clone, Debug)]
pub struct RequestKey {
    id: String,
    body_sha256: Bytes,
}

impl RequestKey {
    /// Returns whether it can be told from others.
    #[must_use]
    pub const fn is_repeatable(&self) -> bool {
        !self.id.is_empty()
    }

    /// Returns the key of a request. Without an id, every call is a new one.
    ///
    /// # Errors
    ///
    /// `FIELDS_INVALID` when the id is not of 1 to 64 printable ASCII characters.
    pub fn new(id: &str, request: &impl Message) -> Result<Self, Fault> {
        sound_id(id)?;
        let body = request.encode_to_vec();
        let digest = digest::digest(&digest::SHA256, &body);
        Ok(Self { id: id.to_owned(), body_sha256: Bytes::copy_from_slice(digest.as_ref()) })
    }
}

/// Holds a request id against its form.
///
/// # Errors
///
/// `FIELDS_INVALID` when it is not of at most 64 printable ASCII characters.
pub fn sound_id(id: &str) -> Result<(), Fault> {
    if id.len() <= REQUEST_ID_CHARS_MAX && id.chars().all(|letter| letter.is_ascii_graphic()) {
        return Ok(());
    }
    Err(Fault::fields(vec![Violation {
        field: "request_id".to_owned(),
        rule: Rule::BadFormat,
        expected: "at most 64 printable ASCII characters".to_owned(),
        given: fields::cut(id),
    }]))
}

/// Makes a change and returns its answer; the first answer, without any effect, when the request was answered before.
///
/// # Errors
///
/// `REQUEST_ID_REUSED` when the id came with another body before; what `work` returns; the database fails. Nothing is changed
/// then, unless the connection broke during the commit: the same request settles it.
pub async fn once<A, W>(
    db: &Db,
    permit: &Permit,
    key: &RequestKey,
    now: OffsetDateTime,
    work: W,
) -> Result<A, Fault>
where
    A: Message + Default,
    W: for<'a> FnOnce(&'a mut WriteTx) -> BoxFuture<'a, Result<(A, Record), Fault>> + Send,
{
    let mut tx = db.write(permit).await?;
    if let Some(answer) = answered(&mut tx, key).await? {
        return Ok(answer);
    }
    let (answer, record) = work(&mut tx).await?;
    if !key.id.is_empty() {
        let encoded = answer.encode_to_vec();
        replay::store(&mut tx, &key.id, &key.body_sha256, &encoded, now).await?;
    }
    tx.commit(record).await?;
    Ok(answer)
}

/// Returns the first answer to a request, if it was answered before.
///
/// # Errors
///
/// `REQUEST_ID_REUSED` when the id came with another body before, or the database fails.
pub async fn answered<A>(tx: &mut WriteTx, key: &RequestKey) -> Result<Option<A>, Fault>
where
    A: Message + Default,
{
    if key.id.is_empty() {
        return Ok(None);
    }
    match replay::look_up(tx, &key.id, &key.body_sha256).await? {
        Known::New => Ok(None),
        Known::Answered(stored) => A::decode(stored).map(Some).map_err(Fault::internal),
        Known::Reused => Err(replay::reused()),
    }
}
