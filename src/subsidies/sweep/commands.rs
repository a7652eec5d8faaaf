//! Beginning sweeps and stopping them.

use std::sync::Arc;

use time::OffsetDateTime;

use crate::kernel::fault::Fault;
use crate::kernel::ids::{self, ParticipantId};
use crate::pb::peshub::subsidies::v1 as pb;
use crate::platform::db::Record;
use crate::platform::mutation::{RequestKey, once};
use crate::platform::permit::Permit;
use crate::subsidies::book::{Book, Published};
use crate::subsidies::domain::Day;
use crate::subsidies::error::SubsidyError;
use crate::subsidies::population::commands::{Keeper, subject};
use crate::subsidies::store::population;
use crate::subsidies::store::sweep::{self as store, Fresh};
use crate::subsidies::sweep::plan::{Before, Plan, Planned};
use crate::subsidies::wire::sweep as wire;
use crate::subsidies::wire::timestamp;

/// Begins a sweep.
///
/// # Errors
///
/// `POPULATION_NOT_FOUND`, `PROGRAMME_NOT_FOUND`, `ALREADY_EXISTS` while another one runs, `REQUEST_ID_REUSED`, or the database fails.
pub async fn start(
    keeper: &Keeper,
    permit: &Permit,
    key: &RequestKey,
    request: pb::StartSweepRequest,
    now: OffsetDateTime,
) -> Result<pb::StartSweepResponse, Fault> {
    // Who publishes and then sweeps finds what was published.
    let book = keeper.programmes.refresh().await?;
    let chosen = chosen(&book, &request.programmes)?;
    once(&keeper.db, permit, key, now, |tx| {
        Box::pin(async move {
            let name = request.population;
            let held = population::hold(tx, &name).await?;
            let held =
                held.ok_or_else(|| SubsidyError::PopulationNotFound { name: name.clone() })?;
            let participant = tx.permit().participant().unwrap_or(ParticipantId(0));
            let before = store::swept(tx.connection(), held.id).await?;
            let before = if request.full { Vec::new() } else { before };
            let day = Day::of(now.date());
            let plan = planned(&book, chosen, (day, participant), (request.offers, &before));
            let held = if plan.programmes.iter().any(|it| it.keyed.is_some()) {
                population::touch(tx, held, now).await?
            } else {
                held
            };
            let since = plan.since();
            let (last_subject, subjects) = store::extent(tx, held.id, since).await?;
            let id = ids::time_ordered(now);
            let sweep = pb::Sweep {
                sweep_id: id.to_string(),
                population: name.clone(),
                state: pb::SweepState::Running.into(),
                day: day.to_string(),
                full: request.full,
                offers: request.offers,
                answer_days: request.answer_days,
                programmes: plan.programmes.iter().map(wire::programme).collect(),
                subjects,
                started_at: Some(timestamp(now)),
                ..Default::default()
            };
            let (to_revision, content) = (held.revision, &sweep);
            let fresh = Fresh { id, population: held.id, content, to_revision, last_subject };
            if !store::begin(tx, &fresh, now).await? {
                return Err(SubsidyError::SweepRunning { name }.into());
            }
            let what = format!("{}/sweeps/{id}", subject(&name));
            let record = Record::new(now, what, "sweep.started");
            Ok((pb::StartSweepResponse { sweep: Some(sweep) }, record))
        })
    })
    .await
}

fn chosen(book: &Book, names: &[String]) -> Result<Vec<Arc<Published>>, SubsidyError> {
    if names.is_empty() {
        return Ok(book.programmes().to_vec());
    }
    let mut names = names.to_vec();
    names.sort_unstable();
    names.dedup();
    let found = names.into_iter().map(|name| {
        let found = book.programme(&name).map(Arc::clone);
        found.ok_or(SubsidyError::ProgrammeNotFound { name })
    });
    found.collect()
}

/// Returns the plan of a sweep. Offers are made by whoever publishes the programme, and only where it is proactive.
#[must_use]
pub fn planned(
    book: &Arc<Book>,
    chosen: Vec<Arc<Published>>,
    (day, participant): (Day, ParticipantId),
    (offers, before): (bool, &[Before]),
) -> Plan {
    let programmes = chosen.into_iter().map(|published| {
        let offers = offers && published.compiled.is_proactive && published.owner == participant;
        let before = before.iter().find(|it| it.programme == published.programme);
        Planned::new(published, (book, day, participant), offers, before)
    });
    Plan::new(programmes.collect(), Arc::clone(book), day, participant)
}

/// Stops a sweep; one that is over stays as it is.
///
/// # Errors
///
/// `SWEEP_NOT_FOUND`, `REQUEST_ID_REUSED`, or the database fails.
pub async fn cancel(
    keeper: &Keeper,
    permit: &Permit,
    key: &RequestKey,
    id: String,
    now: OffsetDateTime,
) -> Result<pb::CancelSweepResponse, Fault> {
    once(&keeper.db, permit, key, now, |tx| {
        Box::pin(async move {
            let id = wire::sweep_id(&id)?;
            let sweep = store::hold(tx, id).await?;
            let none = || SubsidyError::SweepNotFound { id: id.to_string() };
            let mut sweep = sweep.ok_or_else(none)?;
            if sweep.state() == pb::SweepState::Running {
                sweep.set_state(pb::SweepState::Cancelled);
                sweep.finished_at = Some(timestamp(now));
                store::store(tx, id, &sweep).await?;
            }
            let what = format!("{}/sweeps/{id}", subject(&sweep.population));
            let record = Record::new(now, what, "sweep.cancelled");
            Ok((pb::CancelSweepResponse { sweep: Some(sweep) }, record))
        })
    })
    .await
}
