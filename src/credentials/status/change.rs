//! Changing how credentials stand: all of a request or none.

use std::sync::Arc;

use aws_lc_rs::digest;
use prost::Message;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::credentials::domain::{CredentialId, Status};
use crate::credentials::error::CredentialError;
use crate::credentials::status::statement::Statement;
use crate::credentials::status::watch::follower_facet;
use crate::credentials::store::credential::changes::{self as store, Held, StatusEvent};
use crate::credentials::store::status::Spot;
use crate::credentials::wire::timestamp;
use crate::kernel::clock::SharedClock;
use crate::kernel::fault::Fault;
use crate::kernel::ids::ParticipantId;
use crate::pb::peshub::credentials::v1 as pb;
use crate::platform::db::{Db, Record, WriteTx};
use crate::platform::keys::signing::Signer;
use crate::platform::mutation::{RequestKey, once};
use crate::platform::permit::{Permit, owner_facet};

/// Changes statuses.
#[derive(Clone)]
pub struct Changing {
    /// The database.
    pub db: Db,
    /// The clock.
    pub clock: SharedClock,
    /// Signs what followers are told.
    pub signer: Arc<dyn Signer>,
}

impl std::fmt::Debug for Changing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Changing").finish_non_exhaustive()
    }
}

/// What is to change.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Which credentials.
    pub ids: Vec<CredentialId>,
    /// How they are to stand.
    pub status: Status,
    /// Number of the reason in the contract.
    pub reason: i16,
}

/// What was changed.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    /// When.
    pub at: OffsetDateTime,
    /// How many stood otherwise before.
    pub changed: i32,
    /// Names the entry of the audit trail.
    pub entry_id: Uuid,
}

impl Changing {
    /// Changes the status of credentials of the permit's holder, all or none; `answer` makes what the caller is told. A wish that cannot
    /// be read is refused only when the request is new.
    ///
    /// # Errors
    ///
    /// `CREDENTIAL_NOT_FOUND`, `CREDENTIAL_STATUS_FINAL`, `REQUEST_ID_REUSED`, or the database fails.
    pub async fn change<A>(
        &self,
        permit: &Permit,
        key: &RequestKey,
        wish: Result<Wish, CredentialError>,
        answer: impl FnOnce(Change) -> A + Send + 'static,
    ) -> Result<A, Fault>
    where
        A: Message + Default,
    {
        let (changing, now) = (self.clone(), self.clock.now());
        once(&self.db, permit, key, now, |tx| {
            Box::pin(async move {
                let (change, record) = changing.carry_out(tx, wish?).await?;
                Ok((answer(change), record))
            })
        })
        .await
    }

    async fn carry_out(
        &self,
        tx: &mut WriteTx,
        mut wish: Wish,
    ) -> Result<(Change, Record), CredentialError> {
        wish.ids.sort_unstable();
        wish.ids.dedup();
        let held = store::hold(tx, &wish.ids).await?;
        check(&wish, &held)?;
        // Only now: whoever has looked at the database before cannot have missed it by its time.
        let at = self.clock.now();
        let number = wish.status.number();
        let changing: Vec<Held> = held.into_iter().filter(|it| it.status != number).collect();
        let record = record(&wish, changing.len(), at);
        if !changing.is_empty() {
            let ids: Vec<Uuid> = changing.iter().map(|it| it.id).collect();
            let changes = store::change(tx, &ids, (wish.status, wish.reason), at).await?;
            self.tell(tx, (&changing, &changes), wish.status, at).await?;
        }
        let changed = i32::try_from(changing.len()).unwrap_or(i32::MAX);
        Ok((Change { at, changed, entry_id: record.entry_id }, record))
    }

    /// Writes an event for each credential: for its owner, and for everybody who follows it.
    async fn tell(
        &self,
        tx: &mut WriteTx,
        (changing, changes): (&[Held], &[i64]),
        status: Status,
        at: OffsetDateTime,
    ) -> Result<(), CredentialError> {
        let owner = tx.permit().participant().map(owner_facet);
        let spots: Vec<Spot> = changing.iter().filter_map(spot).collect();
        let followers = store::followers(tx, &spots, at).await?;
        let rows = changing.iter().zip(changes).zip(spots.iter().zip(followers));
        let events = rows.map(|((held, change), (spot, followers))| {
            let followers = followers.into_iter().map(|id| follower_facet(ParticipantId(id)));
            StatusEvent {
                change: *change,
                header: header(self.signer.as_ref(), &held.digest, status.list_value(), at),
                spot: spot.encoded(),
                facets: owner.iter().cloned().chain(followers).collect(),
            }
        });
        let events: Vec<StatusEvent> = events.collect();
        Ok(store::tell(tx.connection(), &events, at).await?)
    }
}

/// Returns what followers are told of a change, but for what each has for itself: where it stands in the feed, and its own name for
/// the credential.
#[must_use]
pub fn header(signer: &dyn Signer, digest: &[u8], list_value: u8, at: OffsetDateTime) -> Vec<u8> {
    let status = Status::of_list_value(list_value).map_or(0, Status::number);
    let event = pb::StatusEvent {
        status: status.into(),
        at: Some(timestamp(at)),
        statement: Statement { digest, list_value, at }.signed(signer),
        ..pb::StatusEvent::default()
    };
    event.encode_to_vec()
}

fn spot(held: &Held) -> Option<Spot> {
    held.list.zip(held.index).map(|(list, index)| Spot { list, index })
}

fn check(wish: &Wish, held: &[Held]) -> Result<(), CredentialError> {
    // Both are in the order of their ids.
    let mut found = held.iter();
    for id in &wish.ids {
        let Some(held) = found.next().filter(|it| it.id == id.0) else {
            return Err(CredentialError::CredentialNotFound { id: id.to_string() });
        };
        let is_final = held.status == Status::Revoked.number() && wish.status != Status::Revoked;
        let why = match spot(held) {
            None => "has no place in a status list of the hub, so that its status cannot change",
            Some(_) if is_final => "is revoked, which is for ever",
            Some(_) => continue,
        };
        return Err(CredentialError::StatusFinal { id: id.to_string(), why });
    }
    Ok(())
}

fn record(wish: &Wish, changed: usize, at: OffsetDateTime) -> Record {
    let event = match wish.status {
        _ if changed == 0 => "credential.status_unchanged",
        Status::Valid => "credential.reinstated",
        Status::Revoked => "credential.revoked",
        Status::Suspended => "credential.suspended",
    };
    let first = wish.ids.first().map_or_else(String::new, ToString::to_string);
    let subject = match wish.ids.len() {
        0 | 1 => format!("credentials/{first}"),
        more => format!("credentials/{first} and {} more: {changed} of {more} changed", more - 1),
    };
    let ids: Vec<u8> = wish.ids.iter().flat_map(|id| *id.0.as_bytes()).collect();
    let sha256 = digest::digest(&digest::SHA256, &ids);
    Record::new(at, subject, event).of_body(bytes::Bytes::copy_from_slice(sha256.as_ref()))
}
