//! Making populations, deleting them, and taking in what is known of their subjects: one batch, one transaction.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use time::OffsetDateTime;
use uuid::Uuid;

use crate::kernel::fault::Fault;
use crate::kernel::ids::SubjectId;
use crate::pb::peshub::subsidies::v1 as pb;
use crate::platform::db::{Db, Record, WriteTx};
use crate::platform::keys::sealing::DataKey;
use crate::platform::keys::vault::{KeyVault, Wrapped};
use crate::platform::mutation::{RequestKey, once};
use crate::platform::permit::Permit;
use crate::subsidies::blind::Blind;
use crate::subsidies::book::Programmes;
use crate::subsidies::domain::Day;
use crate::subsidies::error::SubsidyError;
use crate::subsidies::population::body::Body;
use crate::subsidies::population::sealed::{What, Whose};
use crate::subsidies::store::population::{self as store, Columns, Held, Referred, Stored};
use crate::subsidies::wire::population::{self as wire, Sent};

/// What keeps populations.
#[derive(Clone, Debug)]
pub struct Keeper {
    /// The database.
    pub db: Db,
    /// Where the keys are.
    pub vault: Arc<dyn KeyVault>,
    /// Names employers, and seals what is known of them.
    pub blind: Blind,
    /// The catalogue, and the programmes in force.
    pub programmes: Programmes,
}

/// Makes a population.
///
/// # Errors
///
/// `FIELDS_INVALID`, `ALREADY_EXISTS`, `REQUEST_ID_REUSED`, or the database fails.
pub async fn create(
    keeper: &Keeper,
    permit: &Permit,
    key: &RequestKey,
    request: pb::CreatePopulationRequest,
    now: OffsetDateTime,
) -> Result<pb::CreatePopulationResponse, Fault> {
    let name = wire::name(&request.name)?.to_owned();
    once(&keeper.db, permit, key, now, |tx| {
        Box::pin(async move {
            if !store::create(tx, (&name, request.purpose.trim()), now).await? {
                return Err(SubsidyError::AlreadyExists { what: "population", name }.into());
            }
            let permit = tx.permit().clone();
            let made = store::list(tx.connection(), &permit, Some(&name)).await?.pop();
            let made = made.ok_or(SubsidyError::Corrupt { what: "population" })?;
            let record = Record::new(now, subject(&name), "population.created");
            Ok((pb::CreatePopulationResponse { population: Some(wire::population(made)) }, record))
        })
    })
    .await
}

/// Deletes a population with all that is kept of it.
///
/// # Errors
///
/// `POPULATION_NOT_FOUND`, `REQUEST_ID_REUSED`, or the database fails.
pub async fn delete(
    keeper: &Keeper,
    permit: &Permit,
    key: &RequestKey,
    name: String,
    now: OffsetDateTime,
) -> Result<pb::DeletePopulationResponse, Fault> {
    once(&keeper.db, permit, key, now, |tx| {
        Box::pin(async move {
            let held = store::hold(tx, &name).await?;
            let none = || SubsidyError::PopulationNotFound { name: name.clone() };
            let subjects = store::delete(tx, held.ok_or_else(none)?.id).await?;
            let subjects = i64::try_from(subjects).unwrap_or(i64::MAX);
            let what = format!("{}: {subjects} subjects", subject(&name));
            let record = Record::new(now, what, "population.deleted");
            Ok((pb::DeletePopulationResponse { subjects }, record))
        })
    })
    .await
}

/// Takes in a batch: all of it that can be stored, in one transaction.
///
/// # Errors
///
/// `POPULATION_NOT_FOUND`, `KEY_UNAVAILABLE`, or the database fails: then nothing is stored.
pub async fn take_in(
    keeper: &Keeper,
    permit: &Permit,
    population: &str,
    batch: pb::FactBatch,
    now: OffsetDateTime,
) -> Result<pb::StoreFactsResponse, Fault> {
    let book = keeper.programmes.present();
    let today = Day::of(now.date());
    let mut response = pb::StoreFactsResponse { number: batch.number, ..Default::default() };
    let mut sound = Vec::with_capacity(batch.subjects.len());
    for (index, subject) in batch.subjects.iter().enumerate() {
        match wire::sent(subject, &book, &keeper.blind, today) {
            Ok(sent) => sound.push((index, sent)),
            Err(fault) => response.rejects.push(wire::reject(index, &fault)),
        }
    }
    let mut tx = keeper.db.write(permit).await?;
    let held = store::hold(&mut tx, population).await?;
    let none = || SubsidyError::PopulationNotFound { name: population.to_owned() };
    let held = held.ok_or_else(none)?;
    let held = Held { revision: held.revision.saturating_add(1), ..held };
    let named = Named::find(&mut tx, held, sound, &mut response.rejects).await?;
    let opened = named.open(keeper).await?;
    let work = move || opened.merge(held);
    let merged = tokio::task::spawn_blocking(work).await.map_err(Fault::internal)??;
    response.created = merged.created;
    response.changed = merged.changed;
    response.unchanged = merged.unchanged;
    response.removed = i32::try_from(merged.removed.len()).unwrap_or(i32::MAX);
    response.rejects.extend(merged.rejects);
    response.rejects.sort_unstable_by_key(|it| it.index);
    if merged.columns.is_empty() && merged.removed.is_empty() {
        return Ok(response);
    }
    store::keep(&mut tx, held, &merged.columns).await?;
    store::remove(&mut tx, &merged.removed).await?;
    store::raise(&mut tx, held).await?;
    let (changed, removed) = (response.created + response.changed, response.removed);
    let what = format!("{}: facts of {changed} stored, {removed} taken out", subject(population));
    tx.commit(Record::new(now, what, "population.stored")).await?;
    Ok(response)
}

/// Subjects of a batch, found.
struct Named {
    /// In the order of the batch.
    items: Vec<(usize, Whose, Sent)>,
    keys: HashMap<Uuid, Wrapped>,
    stored: HashMap<Whose, Stored>,
}

impl Named {
    async fn find(
        tx: &mut WriteTx,
        held: Held,
        sound: Vec<(usize, Sent)>,
        rejects: &mut Vec<pb::SubjectReject>,
    ) -> Result<Self, Fault> {
        let references: Vec<Uuid> = sound.iter().filter_map(|(_, it)| it.reference).collect();
        let referred = store::workers(tx, &references).await?.into_iter();
        let referred: HashMap<Uuid, Referred> = referred.map(|it| (it.reference, it)).collect();
        let (mut items, mut keys) = (Vec::with_capacity(sound.len()), HashMap::new());
        for (index, sent) in sound {
            let mut whose = Whose { population: held.id, worker: None, employer: sent.employer };
            if let Some(reference) = sent.reference {
                match referred.get(&reference) {
                    Some(Referred { worker, key: Some(key), .. }) => {
                        keys.entry(*worker).or_insert_with(|| key.clone());
                        whose.worker = Some(*worker);
                    }
                    other => {
                        let fault = wire::no_worker(other.is_some());
                        rejects.push(wire::reject(index, &fault));
                        continue;
                    }
                }
            }
            items.push((index, whose, sent));
        }
        let workers: Vec<Uuid> = keys.keys().copied().collect();
        let alone = items.iter().filter(|(_, whose, _)| whose.worker.is_none());
        let employers: Vec<Uuid> = alone.filter_map(|(_, whose, _)| whose.employer).collect();
        let stored = store::subjects(tx, held.id, &workers, &employers).await?.into_iter();
        Ok(Self { items, keys, stored: stored.map(|it| (it.whose, it)).collect() })
    }

    /// Opens the keys.
    async fn open(self, keeper: &Keeper) -> Result<Opened, Fault> {
        let mut keys = HashMap::with_capacity(self.items.len());
        for (_, whose, _) in &self.items {
            if !keys.contains_key(whose) {
                let wrapped = whose.worker.and_then(|it| self.keys.get(&it));
                keys.insert(
                    *whose,
                    whose.key(keeper.vault.as_ref(), &keeper.blind, wrapped).await?,
                );
            }
        }
        Ok(Opened { items: self.items, keys, stored: self.stored })
    }
}

/// Subjects of a batch with their keys.
struct Opened {
    items: Vec<(usize, Whose, Sent)>,
    keys: HashMap<Whose, DataKey>,
    stored: HashMap<Whose, Stored>,
}

/// A subject while a batch is taken in.
struct Subject {
    id: Option<SubjectId>,
    division: String,
    body: Body,
    is_other: bool,
    is_gone: bool,
}

/// What is to be written.
#[derive(Default)]
struct Merged {
    columns: Columns,
    removed: Vec<SubjectId>,
    created: i32,
    changed: i32,
    unchanged: i32,
    rejects: Vec<pb::SubjectReject>,
}

impl Opened {
    fn merge(mut self, held: Held) -> Result<Merged, SubsidyError> {
        let mut merged = Merged::default();
        // In order, so that two streams lock rows in one order.
        let mut subjects: BTreeMap<Whose, Subject> = BTreeMap::new();
        for (index, whose, sent) in std::mem::take(&mut self.items) {
            let subject = match subjects.entry(whose) {
                std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::btree_map::Entry::Vacant(entry) => {
                    entry.insert(self.subject(&whose)?)
                }
            };
            if let Err(fault) = subject.take_in(sent, held.revision) {
                merged.rejects.push(wire::reject(index, &fault));
            }
        }
        for (whose, subject) in subjects {
            match (subject.id, subject.is_gone) {
                (Some(id), true) => merged.removed.push(id),
                (id, false) if subject.is_other => {
                    let key = self.keys.get(&whose).ok_or(SubsidyError::Corrupt { what: "key" })?;
                    let sealed = whose.seal(key, What::Facts, &subject.body.encoded())?;
                    merged.columns.push(whose, subject.division, sealed);
                    if id.is_some() { merged.changed += 1 } else { merged.created += 1 }
                }
                (Some(_), false) => merged.unchanged += 1,
                (None, _) => {}
            }
        }
        Ok(merged)
    }

    fn subject(&mut self, whose: &Whose) -> Result<Subject, SubsidyError> {
        let Some(stored) = self.stored.remove(whose) else {
            return Ok(Subject {
                id: None,
                division: String::new(),
                body: Body::default(),
                is_other: false,
                is_gone: false,
            });
        };
        let key = self.keys.get(whose).ok_or(SubsidyError::Corrupt { what: "key" })?;
        let opened = whose.open(key, What::Facts, &stored.sealed);
        let body = opened.and_then(|it| Body::decoded(&it));
        let body = body.ok_or(SubsidyError::Corrupt { what: "facts of a subject" })?;
        let (id, division) = (Some(stored.id), stored.division);
        Ok(Subject { id, division, body, is_other: false, is_gone: false })
    }
}

impl Subject {
    fn take_in(&mut self, sent: Sent, revision: i64) -> Result<(), Fault> {
        let Some(stated) = sent.stated else {
            self.is_gone = true;
            return Ok(());
        };
        let division = sent.division.unwrap_or(&self.division);
        if division.is_empty() {
            return Err(wire::no_division());
        }
        let is_elsewhere = division != self.division;
        let has_changed = self.body.take_in(&stated, revision).map_err(|_| wire::too_many())?;
        if is_elsewhere {
            self.division = division.to_owned();
            self.body.moved_at = revision;
        }
        self.is_other |= is_elsewhere || has_changed;
        self.is_gone = false;
        Ok(())
    }
}

/// Returns what the trail names a population by.
#[must_use]
pub fn subject(name: &str) -> String {
    format!("populations/{name}")
}
