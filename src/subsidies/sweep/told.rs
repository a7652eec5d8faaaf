//! The record of what a sweep tells a bureau of claims for programmes that are not its own: whoever decides a programme knows its claims, and
//! of everybody else's each telling is an entry that the worker can be shown.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::kernel::ids;
use crate::platform::db::{DbError, Disclosure, Further, WriteTx};
use crate::platform::keys::sealing::DataKey;
use crate::subsidies::population::commands::subject;
use crate::subsidies::population::sealed::Whose;
use crate::subsidies::store::reference;
use crate::subsidies::store::sweep::Taken;
use crate::subsidies::sweep::evaluate::Found;
use crate::subsidies::sweep::plan::Plan;

/// What is told of a worker.
#[derive(Clone, Debug)]
pub struct Told {
    worker_id: Uuid,
    /// Programme and edition.
    edition: String,
}

/// Returns what is told anew of workers, and was not when they were swept before.
#[must_use]
pub fn told(plan: &Plan, found: &Found, keys: &[(Whose, DataKey)]) -> Vec<Told> {
    let told = found.taken.iter().filter_map(|pair| {
        let published = &plan.programmes.get(pair.programme)?.published;
        let worker_id = keys.get(pair.subject)?.0.worker?;
        let edition = format!("{}/{}", published.name(), published.edition);
        (published.owner != plan.participant).then_some(Told { worker_id, edition })
    });
    told.collect()
}

/// Returns the entries of a step.
///
/// # Errors
///
/// The database fails.
pub async fn entries(
    tx: &mut WriteTx,
    taken: &Taken,
    (told, now): (&[Told], OffsetDateTime),
) -> Result<Vec<Further>, DbError> {
    if told.is_empty() {
        return Ok(Vec::new());
    }
    let bureau = reference::participant_name(tx, taken.participant.0).await?;
    let what = format!("{}/sweeps/{}", subject(&taken.content.population), taken.id);
    let purpose = format!("a sweep by {bureau}: whether it is claimed already");
    let entry = |it: &Told| Further {
        entry_id: ids::time_ordered(now),
        subject: what.clone(),
        disclosure: Disclosure {
            worker_id: it.worker_id,
            purpose: purpose.clone(),
            legal_basis: format!("law: {}", it.edition),
        },
    };
    Ok(told.iter().map(entry).collect())
}
