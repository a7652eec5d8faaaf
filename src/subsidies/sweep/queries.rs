//! How sweeps and subjects stand.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::kernel::fault::Fault;
use crate::pb::peshub::subsidies::v1 as pb;
use crate::platform::page::PageTokens;
use crate::platform::permit::Permit;
use crate::subsidies::error::SubsidyError;
use crate::subsidies::population::Population;
use crate::subsidies::population::commands::Keeper;
use crate::subsidies::population::standing::Stood;
use crate::subsidies::store::population;
use crate::subsidies::store::sweep::{self as store, Span};
use crate::subsidies::sweep::reading;
use crate::subsidies::wire::sweep as wire;

/// How often a sweep that is watched is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// Subjects that are opened for one page.
const LOOKED_THROUGH: i64 = 2_000;
/// Findings of a page when the request does not say.
const PAGE_SIZE: usize = 100;

/// What goes out on a watch.
pub type Outgoing = Result<pb::WatchSweepResponse, Fault>;

/// Returns the caller's populations.
///
/// # Errors
///
/// The database fails.
pub async fn populations(
    keeper: &Keeper,
    permit: &Permit,
) -> Result<Vec<Population>, SubsidyError> {
    let mut tx = keeper.db.read(permit).await?;
    Ok(population::list(tx.connection(), permit, None).await?)
}

/// Returns a population of the caller's.
///
/// # Errors
///
/// `POPULATION_NOT_FOUND`, or the database fails.
pub async fn population(
    keeper: &Keeper,
    permit: &Permit,
    name: &str,
) -> Result<Population, SubsidyError> {
    let mut tx = keeper.db.read(permit).await?;
    let found = population::list(tx.connection(), permit, Some(name)).await?.pop();
    found.ok_or_else(|| SubsidyError::PopulationNotFound { name: name.to_owned() })
}

/// Returns a sweep of the caller's.
///
/// # Errors
///
/// `SWEEP_NOT_FOUND`, or the database fails.
pub async fn sweep(keeper: &Keeper, permit: &Permit, id: Uuid) -> Result<pb::Sweep, SubsidyError> {
    let mut tx = keeper.db.read(permit).await?;
    let found = store::get(tx.connection(), permit, id).await?;
    found.ok_or_else(|| SubsidyError::SweepNotFound { id: id.to_string() })
}

/// Returns the newest sweeps of a population.
///
/// # Errors
///
/// `POPULATION_NOT_FOUND`, or the database fails.
pub async fn sweeps(
    keeper: &Keeper,
    permit: &Permit,
    name: &str,
) -> Result<Vec<pb::Sweep>, SubsidyError> {
    let of = population(keeper, permit, name).await?;
    let mut tx = keeper.db.read(permit).await?;
    store::list(tx.connection(), of.id).await
}

/// Sends a sweep whenever it has come further, until it is over.
pub async fn watch(
    keeper: Arc<Keeper>,
    permit: Permit,
    id: Uuid,
    draining: CancellationToken,
    answers: mpsc::Sender<Outgoing>,
) {
    let mut told: Option<pb::Sweep> = None;
    loop {
        let (answer, is_over) = match sweep(&keeper, &permit, id).await {
            Ok(sweep) if told.as_ref() == Some(&sweep) => (None, false),
            Ok(sweep) => {
                told = Some(sweep.clone());
                let is_over = sweep.state() != pb::SweepState::Running;
                (Some(Ok(pb::WatchSweepResponse { sweep: Some(sweep) })), is_over)
            }
            Err(error) => (Some(Err(error.into())), true),
        };
        if let Some(answer) = answer
            && (answers.send(answer).await.is_err() || is_over)
        {
            return;
        }
        tokio::select! {
            () = answers.closed() => return,
            () = draining.cancelled() => {
                answers.send(Err(SubsidyError::ShuttingDown.into())).await.unwrap_or_default();
                return;
            }
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// Returns how subjects of a population stand.
///
/// # Errors
///
/// `POPULATION_NOT_FOUND`, `PAGE_TOKEN_INVALID`, `KEY_UNAVAILABLE`, or the database fails.
pub async fn findings(
    keeper: &Keeper,
    permit: &Permit,
    pages: &PageTokens,
    request: pb::ListFindingsRequest,
) -> Result<pb::ListFindingsResponse, Fault> {
    let of = population(keeper, permit, &request.population).await?;
    let fingerprint = [
        of.id.0.to_be_bytes().as_slice(),
        request.programme.as_bytes(),
        &request.verdict.to_be_bytes(),
    ]
    .concat();
    let after = pages.open(&fingerprint, &request.page_token)?.unwrap_or_default();
    let size = usize::try_from(request.page_size).ok().filter(|it| *it > 0).unwrap_or(PAGE_SIZE);
    let span = Span {
        population: of.id,
        after,
        last: i64::MAX,
        since: -1,
        most: LOOKED_THROUGH.min(i64::try_from(size).unwrap_or(i64::MAX)),
    };
    let Some(chunk) = reading::next(keeper, span).await? else {
        return Ok(pb::ListFindingsResponse::default());
    };
    let last = chunk.last;
    let stood = chunk
        .with(|opened| {
            let keys = opened.keys.iter().map(|(whose, _)| whose.worker);
            let stood = opened.subjects.iter().zip(keys);
            let stood = stood.flat_map(|(it, worker)| {
                it.standing.all().iter().map(move |stood| (worker, *stood))
            });
            Ok(stood.collect::<Vec<(Option<Uuid>, Stood)>>())
        })
        .await?;
    let mut tx = keeper.db.read(permit).await?;
    let names = population::programme_names(tx.connection()).await?;
    let wanted = |stood: &Stood| {
        let is_named =
            request.programme.is_empty() || names.get(&stood.programme) == Some(&request.programme);
        is_named && (request.verdict == 0 || request.verdict == i32::from(stood.verdict))
    };
    let stood: Vec<_> = stood.into_iter().filter(|(_, stood)| wanted(stood)).collect();
    let workers: Vec<Uuid> = stood.iter().filter_map(|(worker, _)| *worker).collect();
    let references = population::references(tx.connection(), permit, &workers).await?;
    let findings = stood.iter().map(|(worker, stood)| {
        let programme = names.get(&stood.programme).cloned().unwrap_or_default();
        let reference = worker.and_then(|it| references.get(&it).copied());
        wire::finding(stood, programme, reference)
    });
    let next_page_token = pages.seal(&fingerprint, last);
    Ok(pb::ListFindingsResponse { findings: findings.collect(), next_page_token })
}
