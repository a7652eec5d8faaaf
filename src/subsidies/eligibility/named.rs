//! Whom a check is about, where that is said: until when something is claimed already for them, and the record that it was told.
//!
//! **Invariant:** a check tells no more than applying would, to nobody who could not apply or decide, and what it tells of a worker is an
//! entry of the trail before it is an answer.

use std::collections::HashMap;

use uuid::Uuid;

use crate::kernel::fault::{Fault, Kind, Reason};
use crate::kernel::ids;
use crate::pb::peshub::subsidies::v1 as pb;
use crate::platform::action::Action;
use crate::platform::db::{Disclosure, Further, Record};
use crate::platform::permit::Permit;
use crate::subsidies::claimed::{About, Keyed, Look, Taken};
use crate::subsidies::eligibility::Terms;
use crate::subsidies::eligibility::stream::Checks;
use crate::subsidies::error::SubsidyError;
use crate::subsidies::store::reference;

/// What is said of a subject.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a> {
    /// The caller's reference to the worker; empty: none.
    pub worker: &'a str,
    /// The employer's registration number; empty: none.
    pub employer: &'a str,
    /// What is stated.
    pub facts: &'a [pb::Fact],
}

/// What was found of a subject that is named, or why it cannot be checked.
pub type Found = Result<Seen, SubsidyError>;

/// What is claimed already, and for whom.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Until when, by the places of the programmes.
    pub taken: Taken,
    /// The caller's reference to the worker, and the worker.
    worker: Option<(Uuid, Uuid)>,
}

/// Finds out what is claimed already, by one query for all subjects and programmes; by none where nobody is named or nothing is claimed.
///
/// # Errors
///
/// `ACTION_NOT_GRANTED` when somebody is named and the caller may neither apply nor decide; or the database fails.
pub async fn see(
    checks: &Checks,
    permit: &Permit,
    terms: &Terms,
    subjects: &[Named<'_>],
) -> Result<Vec<Found>, Fault> {
    let nobody = || subjects.iter().map(|_| Ok(Seen::default())).collect();
    if subjects.iter().all(|it| it.worker.is_empty() && it.employer.is_empty()) {
        return Ok(nobody());
    }
    let Some(holder) = permit.holder().filter(|it| may_know(&it.roles)) else {
        let message = "claims are told to who may apply or decide";
        return Err(Fault::new(Kind::PermissionDenied, Reason::ActionNotGranted, message));
    };
    let programmes = terms.programmes.iter().enumerate();
    let keyed: Vec<(usize, Keyed)> = programmes
        .filter_map(|(at, it)| Some((at, Keyed::of(&terms.book, it, holder.participant)?)))
        .collect();
    if keyed.is_empty() {
        return Ok(nobody());
    }
    let mut tx = checks.db.read(permit).await?;
    let references: Vec<Uuid> =
        subjects.iter().filter_map(|it| Uuid::try_parse(it.worker).ok()).collect();
    let known = reference::known(tx.connection(), holder.participant.0, &references).await?;
    let known = known.into_iter().map(|(name, worker, erased)| (name, (worker, erased))).collect();
    let mut look = Look::default();
    let width = terms.programmes.len();
    let mut found = Vec::with_capacity(subjects.len());
    for (index, subject) in subjects.iter().enumerate() {
        let (about, worker) = match about(checks, subject, &known) {
            Ok(it) => it,
            Err(error) => {
                found.push(Err(error));
                continue;
            }
        };
        // What cannot be read the check itself refuses.
        if let Ok(stated) = terms.stated(subject.facts) {
            for (at, keyed) in &keyed {
                look.ask(index * width + at, (keyed, &checks.blind), &stated.facts, &about);
            }
        }
        found.push(Ok(Seen { taken: Taken::default(), worker }));
    }
    if look.is_empty() {
        return Ok(found);
    }
    for (place, until) in look.answer(&mut tx, false).await? {
        if let Some(Ok(seen)) = found.get_mut(place / width) {
            seen.taken.insert(place % width, until);
        }
    }
    Ok(found)
}

fn may_know(roles: &[crate::pb::peshub::common::v1::Role]) -> bool {
    [Action::SubmitApplication, Action::DecideApplication].iter().any(|it| it.is_granted_to(roles))
}

/// The workers behind references, with whether they were erased.
type Known = HashMap<Uuid, (Uuid, bool)>;

fn about(
    checks: &Checks,
    subject: &Named<'_>,
    known: &Known,
) -> Result<(About, Option<(Uuid, Uuid)>), SubsidyError> {
    let unknown = || SubsidyError::WorkerNotFound { reference: subject.worker.to_owned() };
    let worker = match subject.worker {
        "" => None,
        text => {
            let reference = Uuid::try_parse(text).map_err(|_| unknown())?;
            match known.get(&reference) {
                None => return Err(unknown()),
                Some((_, true)) => return Err(SubsidyError::WorkerErased),
                Some((worker, false)) => Some((reference, *worker)),
            }
        }
    };
    let employer = match subject.employer {
        "" => None,
        number => {
            let expected = "a registration number of letters and digits";
            let none = || SubsidyError::field("employer", expected);
            Some(checks.blind.employer(number).ok_or_else(none)?)
        }
    };
    Ok((About { worker: worker.map(|(_, it)| it), employer }, worker))
}

/// Records what is about to be told of workers' claims: who has asked, and which programmes are taken, by their editions.
///
/// # Errors
///
/// The database fails: then nothing is to be told.
pub async fn record<'a>(
    checks: &Checks,
    permit: &Permit,
    told: impl Iterator<Item = (&'a Seen, &'a [pb::Determination])>,
) -> Result<(), Fault> {
    let now = checks.clock.now();
    let further = told.filter_map(|(seen, determinations)| {
        let (reference, worker_id) = seen.worker?;
        let taken = determinations.iter().filter(|it| !it.taken_until.is_empty());
        let programmes: Vec<_> =
            taken.map(|it| format!("{}/{}", it.programme, it.edition)).collect();
        let disclosure = Disclosure {
            worker_id,
            purpose: "a check of eligibility: whether it is claimed already".to_owned(),
            legal_basis: format!("law: {}", programmes.join(", ")),
        };
        let entry_id = ids::time_ordered(now);
        let subject = format!("workers/{reference}");
        (!programmes.is_empty()).then_some(Further { entry_id, subject, disclosure })
    });
    let mut further: Vec<Further> = further.collect();
    let subject = format!("eligibility: claims of {} told", further.len());
    let record = match further.pop() {
        None => return Ok(()),
        Some(only) if further.is_empty() => {
            Record::new(now, only.subject, EVENT).disclosing(only.disclosure)
        }
        Some(last) => {
            further.push(last);
            Record::new(now, subject, EVENT).disclosing_each(further)
        }
    };
    let tx = checks.db.write(permit).await?;
    Ok(tx.commit(record).await?)
}

/// How it is called in the trail.
const EVENT: &str = "claims.told";
