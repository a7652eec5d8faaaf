//! Writes, and disclosures, which are written down: one function, one use case, one transaction.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::kernel::fault::Fault;
use crate::kernel::fields::{Rule, Violation};
use crate::kernel::ids;
use crate::pb::peshub::workers::v1 as pb;
use crate::platform::db::{Db, DbError, Disclosure, Record, WriteTx};
use crate::platform::keys::KeyError;
use crate::platform::keys::sealing::DataKey;
use crate::platform::keys::vault::{KeyVault, Wrapped};
use crate::platform::mutation::{RequestKey, once};
use crate::platform::permit::Permit;
use crate::platform::replay::{self, Known as Replay};
use crate::workers::domain::number::NationalId;
use crate::workers::domain::{self, Grounds, Known, Reference, WorkerField, WorkerId};
use crate::workers::error::WorkerError;
use crate::workers::store::{self, Found, Held, index};
use crate::workers::{sealed, wire};

/// How often a registration is tried when others register the same person.
const TRIES: u32 = 20;

/// What the register works with.
#[derive(Clone, Debug)]
pub struct Registry {
    /// The database.
    pub db: Db,
    /// Where the keys are.
    pub vault: Arc<dyn KeyVault>,
}

/// A request that changes something.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// Who may.
    pub permit: &'a Permit,
    /// Makes it safe to repeat; may be empty.
    pub request_id: &'a str,
    /// When.
    pub now: OffsetDateTime,
}

/// Returns the caller's reference to a worker, registering the worker if nobody has; `person` is what the caller states.
///
/// # Errors
///
/// `REQUEST_ID_REUSED`, `KEY_UNAVAILABLE`, or the database fails.
pub async fn register(
    registry: &Registry,
    change: Change<'_>,
    number: &NationalId,
    person: &wire::Person,
) -> Result<Reference, WorkerError> {
    let mut tries = 0;
    loop {
        match try_register(registry, change, number, person).await {
            Ok(Some(reference)) => return Ok(reference),
            Ok(None) | Err(WorkerError::Db(DbError::Contended(_))) if tries < TRIES => {
                tries += 1;
                tokio::time::sleep(Duration::from_millis(2) * tries).await;
            }
            Ok(None) => return Err(DbError::Contended(None).into()),
            Err(error) => return Err(error),
        }
    }
}

/// Tries once; `None` when somebody else came first.
async fn try_register(
    registry: &Registry,
    change: Change<'_>,
    number: &NationalId,
    person: &wire::Person,
) -> Result<Option<Reference>, WorkerError> {
    let (permit, now) = (change.permit, change.now);
    let mut tx = registry.db.write(permit).await?;
    let current = registry.vault.key_ids().await?.current_index;
    let keys = index::keys(&mut tx).await?;
    if !keys.contains_key(&current) {
        drop(tx);
        announce(&registry.db, &current, now).await?;
        return Ok(None);
    }
    let active = keys.into_iter().filter(|(_, is_active)| *is_active).map(|(id, _)| id);
    let active: Vec<String> = active.collect();
    let digests = registry.vault.index_digests(&number.canonical(), &active).await?;
    let (worker, key) = match store::find(&mut tx, &digests).await? {
        Some(found) => {
            let key = sealed::open_key(registry.vault.as_ref(), found.id, &found.key).await?;
            (found.id, key)
        }
        None => create(&mut tx, registry.vault.as_ref(), number, now).await?,
    };
    if !index::add(&mut tx, worker, &digests).await? {
        return Ok(None);
    }
    let fresh = Reference::random().ok_or(KeyError::Randomness)?;
    let Some(reference) = store::reference(&mut tx, worker, fresh, now).await? else {
        return Ok(None);
    };
    let statement = wire::encoded(person);
    let body = sealed::request_mac(&key, reference, &statement);
    match known(&mut tx, change, &body).await? {
        Replay::New => {}
        Replay::Answered(answer) => {
            let bytes = Uuid::from_slice(&answer).ok();
            let unreadable = WorkerError::Corrupt { what: "answer" };
            return bytes.map(|bytes| Some(Reference(bytes))).ok_or(unreadable);
        }
        Replay::Reused => return Err(WorkerError::RequestIdReused),
    }
    if !statement.is_empty() {
        let sealed = sealed::seal_statement(&key, reference, &statement)?;
        store::state(&mut tx, reference, Some(&sealed), now).await?;
    }
    answered(&mut tx, change, (&body, reference.0.as_bytes())).await?;
    // The same event whether or not the worker was there: who reads its own trail is not told.
    tx.commit(Record::new(now, subject(reference), "worker.registered")).await?;
    Ok(Some(reference))
}

/// Makes a worker that is not in the index yet.
async fn create(
    tx: &mut WriteTx,
    vault: &dyn KeyVault,
    number: &NationalId,
    now: OffsetDateTime,
) -> Result<(WorkerId, DataKey), WorkerError> {
    let worker = WorkerId(ids::time_ordered(now));
    let (key, wrapped) = sealed::new_key(vault, worker).await?;
    let sealed = sealed::seal_number(&key, worker, &wire::encoded(&wire::number(number)))?;
    store::create(tx, &Found { id: worker, key: wrapped }, &sealed, now).await?;
    Ok((worker, key))
}

/// Says that from now on everybody must be found under an index key.
async fn announce(db: &Db, index_key_id: &str, now: OffsetDateTime) -> Result<(), WorkerError> {
    let mut tx = db.write(&Permit::of_hub()).await?;
    index::use_key(&mut tx, index_key_id, false, now).await?;
    tx.commit(Record::new(now, format!("keys/index/{index_key_id}"), "key.used")).await?;
    Ok(())
}

/// Replaces what the caller states about a worker.
///
/// # Errors
///
/// `WORKER_NOT_FOUND`, `WORKER_ERASED`, `REQUEST_ID_REUSED`, `KEY_UNAVAILABLE`, or the database fails.
pub async fn update(
    registry: &Registry,
    change: Change<'_>,
    reference: Reference,
    person: &wire::Person,
) -> Result<OffsetDateTime, WorkerError> {
    let now = change.now;
    let mut tx = registry.db.write(change.permit).await?;
    let held = hold(&mut tx, reference).await?;
    let (wrapped, _) = held.content.ok_or(WorkerError::Erased { reference })?;
    let key = sealed::open_key(registry.vault.as_ref(), held.id, &wrapped).await?;
    let statement = wire::encoded(person);
    let body = sealed::request_mac(&key, reference, &statement);
    match known(&mut tx, change, &body).await? {
        Replay::New => {}
        Replay::Answered(answer) => return instant(&answer),
        Replay::Reused => return Err(WorkerError::RequestIdReused),
    }
    let sealed = if statement.is_empty() {
        None
    } else {
        Some(sealed::seal_statement(&key, reference, &statement)?)
    };
    store::state(&mut tx, reference, sealed.as_deref(), now).await?;
    answered(&mut tx, change, (&body, &encoded_instant(now))).await?;
    tx.commit(Record::new(now, subject(reference), "worker.updated")).await?;
    Ok(now)
}

/// Erases a worker.
///
/// # Errors
///
/// `WORKER_NOT_FOUND`, `WORKER_ERASED`, `REQUEST_ID_REUSED`, or the database fails.
pub async fn erase(
    registry: &Registry,
    permit: &Permit,
    key: &RequestKey,
    reference: Reference,
    now: OffsetDateTime,
) -> Result<pb::EraseWorkerResponse, Fault> {
    once(&registry.db, permit, key, now, |tx| {
        Box::pin(async move {
            let permit = tx.permit().clone();
            let worker = store::id_of(tx.connection(), &permit, reference).await?;
            let worker = worker.ok_or(WorkerError::NotFound { reference })?;
            if !store::erase(tx, worker, now).await? {
                return Err(WorkerError::Erased { reference }.into());
            }
            let answer = pb::EraseWorkerResponse { erased_at: Some(wire::timestamp(now)) };
            Ok((answer, Record::new(now, subject(reference), "worker.erased")))
        })
    })
    .await
}

/// Discloses some of what is known of a worker, and writes down that it was disclosed.
///
/// # Errors
///
/// `WORKER_NOT_FOUND`, `WORKER_ERASED`, `FIELDS_INVALID` when the grounds tell of the person, `KEY_UNAVAILABLE`, or the
/// database fails: then nothing is disclosed.
pub async fn disclose(
    registry: &Registry,
    permit: &Permit,
    (reference, fields): (Reference, &[WorkerField]),
    grounds: &Grounds,
    now: OffsetDateTime,
) -> Result<wire::Disclosed, WorkerError> {
    let mut tx = registry.db.write(permit).await?;
    let held = hold(&mut tx, reference).await?;
    let (wrapped, number) = held.content.ok_or(WorkerError::Erased { reference })?;
    let content = (&wrapped, number.as_slice());
    let known = open(registry, &mut tx, held.id, content).await?;
    let person = known.person.clone().unwrap_or_default();
    let national_id = wire::stored_number(&known.number, now.date());
    let national_id = national_id.ok_or(WorkerError::Corrupt { what: "identity number" })?;
    let texts = wire::texts(&person);
    if grounds.tell_of(&Known { national_id: &national_id, texts: &texts }) {
        // Who tries what is refused could find out what is known: the refusal is noted with the reference.
        let fault = Fault::fields(vec![telling()]).about("worker", reference.to_string());
        return Err(WorkerError::Invalid(fault));
    }
    let words: Vec<_> = fields.iter().map(|field| field.word()).collect();
    let subject = format!("{}: {}", subject(reference), words.join(", "));
    let record = Record::new(now, subject, "worker.disclosed").disclosing(Disclosure {
        worker_id: held.id.0,
        purpose: grounds.purpose.clone(),
        legal_basis: grounds.basis(),
    });
    let entry_id = record.entry_id;
    // First it is written down, then it is told.
    tx.commit(record).await?;
    Ok(wire::Disclosed { entry_id, ..known })
}

/// Opens what is known of a worker, for a disclosure.
async fn open(
    registry: &Registry,
    tx: &mut WriteTx,
    worker: WorkerId,
    (wrapped, number): (&Wrapped, &[u8]),
) -> Result<wire::Disclosed, WorkerError> {
    let key = sealed::open_key(registry.vault.as_ref(), worker, wrapped).await?;
    let number = wire::decoded(&sealed::open_number(&key, worker, number)?);
    let statements = store::statements(tx, worker).await?;
    let standings: Vec<_> = statements.iter().map(|it| it.standing).collect();
    let told = domain::told(&standings).and_then(|index| statements.get(index));
    let person = match told {
        Some(told) => {
            let opened = sealed::open_statement(&key, told.reference, &told.sealed)?;
            let unreadable = WorkerError::Corrupt { what: "statement" };
            Some(wire::decoded(&opened).ok_or(unreadable)?)
        }
        None => None,
    };
    Ok(wire::Disclosed {
        number: number.ok_or(WorkerError::Corrupt { what: "identity number" })?,
        person,
        standing: told.map(|told| told.standing),
        entry_id: Uuid::nil(),
    })
}

async fn hold(tx: &mut WriteTx, reference: Reference) -> Result<Held, WorkerError> {
    store::hold(tx, reference).await?.ok_or(WorkerError::NotFound { reference })
}

async fn known(tx: &mut WriteTx, change: Change<'_>, body: &[u8]) -> Result<Replay, WorkerError> {
    if change.request_id.is_empty() {
        return Ok(Replay::New);
    }
    Ok(replay::look_up(tx, change.request_id, body).await?)
}

async fn answered(
    tx: &mut WriteTx,
    change: Change<'_>,
    (body, answer): (&[u8], &[u8]),
) -> Result<(), WorkerError> {
    if !change.request_id.is_empty() {
        replay::store(tx, change.request_id, body, answer, change.now).await?;
    }
    Ok(())
}

fn telling() -> Violation {
    let expected = "grounds that tell nothing of the person: they are kept in clear, and stay";
    Violation {
        field: "purpose".to_owned(),
        rule: Rule::BadFormat,
        expected: expected.to_owned(),
        given: String::new(),
    }
}

fn subject(reference: Reference) -> String {
    format!("workers/{reference}")
}

fn encoded_instant(at: OffsetDateTime) -> [u8; 16] {
    at.unix_timestamp_nanos().to_be_bytes()
}

fn instant(answer: &Bytes) -> Result<OffsetDateTime, WorkerError> {
    let nanos = answer.first_chunk::<16>().copied().map(i128::from_be_bytes);
    let at = nanos.and_then(|nanos| OffsetDateTime::from_unix_timestamp_nanos(nanos).ok());
    at.ok_or(WorkerError::Corrupt { what: "answer" })
}
