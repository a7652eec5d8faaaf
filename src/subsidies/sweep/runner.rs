//! The work that brings sweeps further. Every replica does it; no two have the same sweep at a time.
//!
//! A step is one transaction: how its subjects stand, the offers, the counts and the place where the next step begins. While a step is
//! written down the next one is evaluated, and the one after that is read.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::kernel::clock::SharedClock;
use crate::kernel::fault::{Fault, Kind};
use crate::kernel::ids;
use crate::pb::peshub::subsidies::v1 as pb;
use crate::platform::audit::receipt::Receipts;
use crate::platform::db::Record;
use crate::platform::metrics;
use crate::platform::permit::Permit;
use crate::subsidies::application::desk::Desk;
use crate::subsidies::claimed::Taken as Claimed;
use crate::subsidies::error::SubsidyError;
use crate::subsidies::population::commands::{Keeper, subject};
use crate::subsidies::population::sealed::What;
use crate::subsidies::store::sweep::{self as store, Hold, Span, Taken};
use crate::subsidies::sweep::commands::planned;
use crate::subsidies::sweep::evaluate::{Found, evaluate};
use crate::subsidies::sweep::offers::{self, Due};
use crate::subsidies::sweep::plan::{Before, Plan};
use crate::subsidies::sweep::reading::{Chunk, Opened, Reader};
use crate::subsidies::sweep::told::{self, Told};
use crate::subsidies::wire::determination::word;
use crate::subsidies::wire::{sweep as wire, timestamp};

/// Subjects of a step.
const STEP: i64 = 4_000;
/// Subjects of a step that makes offers: each is claimed and reserved, and the step must end before others think that it was given up.
const OFFER_STEP: i64 = 400;
/// Steps that are evaluated at the same time, or wait to be written down.
const UNDER_WAY: usize = 2;
/// How often a sweep is looked for.
const POLL: Duration = Duration::from_millis(200);
/// For how long others keep away from a sweep that is brought no further.
const HELD_FOR: Duration = Duration::from_secs(10);
/// How long a hub waits after a failure.
const PAUSE: Duration = Duration::from_secs(1);

/// Brings sweeps further.
#[derive(Clone)]
pub struct Runner {
    keeper: Arc<Keeper>,
    desk: Desk,
    clock: SharedClock,
    holder: Uuid,
}

impl std::fmt::Debug for Runner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runner").field("holder", &self.holder).finish_non_exhaustive()
    }
}

/// A step that was evaluated.
struct Step {
    last: i64,
    seen: usize,
    found: Found,
    subjects: Vec<i64>,
    sealed: Vec<Vec<u8>>,
    due: Vec<Due>,
    told: Vec<Told>,
}

impl Runner {
    /// Returns what brings sweeps further in this hub.
    #[must_use]
    pub fn new(keeper: Arc<Keeper>, receipts: Receipts, clock: SharedClock) -> Self {
        let holder = ids::time_ordered(clock.now());
        let desk = Desk {
            db: keeper.db.clone(),
            vault: Arc::clone(&keeper.vault),
            blind: keeper.blind.clone(),
            programmes: keeper.programmes.clone(),
            receipts,
        };
        Self { keeper, desk, clock, holder }
    }

    /// Runs until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        loop {
            let round = tokio::select! {
                () = stop.cancelled() => break,
                round = self.round() => round,
            };
            let pause = match round {
                Ok(true) => continue,
                Ok(false) => POLL,
                Err(fault) => {
                    tracing::warn!("a sweep waits: {}", fault.message);
                    PAUSE
                }
            };
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(pause) => {}
            }
        }
        if let Err(fault) = self.let_go().await {
            tracing::debug!("a sweep is not let go: {}", fault.message);
        }
    }

    async fn let_go(&self) -> Result<(), Fault> {
        let mut tx = self.keeper.db.read(&Permit::of_hub()).await?;
        store::let_go(tx.connection(), self.holder).await?;
        Ok(())
    }

    /// Takes a sweep and brings it to its end. Returns whether there was one.
    async fn round(&self) -> Result<bool, Fault> {
        let hold = self.hold();
        let mut tx = self.keeper.db.read(&Permit::of_hub()).await?;
        let taken = store::take(tx.connection(), hold).await?;
        drop(tx);
        let Some(mut taken) = taken else { return Ok(false) };
        taken.content.resumed += i32::from(taken.was_held);
        match self.sweep(&mut taken).await {
            Ok(()) => Ok(true),
            Err(fault) if fault.kind == Kind::Internal => {
                failed(&taken, &fault);
                fault.reason.name().clone_into(&mut taken.content.reason);
                self.end(&mut taken, pb::SweepState::Failed, None).await?;
                Ok(true)
            }
            // Somebody takes it up again: this hub, or another one.
            Err(fault) => {
                self.let_go().await?;
                Err(fault)
            }
        }
    }

    fn hold(&self) -> Hold {
        let now = self.clock.now();
        Hold { holder: self.holder, now, until: now + HELD_FOR }
    }

    async fn sweep(&self, taken: &mut Taken) -> Result<(), Fault> {
        let plan = Arc::new(self.plan(taken).await?);
        let span = Span {
            population: taken.population,
            after: taken.done_to,
            last: taken.last_subject,
            since: plan.since(),
            most: if plan.programmes.iter().any(|it| it.offers) { OFFER_STEP } else { STEP },
        };
        let reader = Reader { keeper: Arc::clone(&self.keeper), span };
        let chunks = stream::unfold(Some(reader), |reader| async move {
            let mut reader = reader?;
            match reader.next().await {
                Ok(None) => None,
                Ok(Some(chunk)) => Some((Ok(chunk), Some(reader))),
                Err(error) => Some((Err(Fault::from(error)), None)),
            }
        });
        let steps = chunks.map(|chunk| {
            let plan = Arc::clone(&plan);
            async move { self.step(chunk?, plan).await }
        });
        let mut steps = Box::pin(steps.buffered(UNDER_WAY));
        while let Some(step) = steps.next().await {
            if !self.write(taken, &plan, step?).await? {
                return Ok(());
            }
        }
        drop(steps);
        self.end(taken, pb::SweepState::Done, Some(&plan)).await
    }

    /// Returns what a sweep evaluates: the editions that were in force when it began.
    async fn plan(&self, taken: &Taken) -> Result<Plan, SubsidyError> {
        let mut chosen = Vec::with_capacity(taken.content.programmes.len());
        for swept in &taken.content.programmes {
            let found = self.keeper.programmes.edition(&swept.programme, swept.edition).await?;
            chosen.push(found.ok_or(SubsidyError::Corrupt { what: "edition of a sweep" })?);
        }
        let mut tx = self.keeper.db.read(&Permit::of_hub()).await?;
        let before = store::swept(tx.connection(), taken.population).await?;
        drop(tx);
        let before = if taken.content.full { Vec::new() } else { before };
        let book = self.keeper.programmes.present();
        let when = (wire::day(&taken.content)?, taken.participant);
        Ok(planned(&book, chosen, when, (taken.content.offers, &before)))
    }

    /// Writes a step down; `false` when the sweep is no longer this hub's, or was stopped.
    async fn write(&self, taken: &mut Taken, plan: &Plan, mut step: Step) -> Result<bool, Fault> {
        let mut content = taken.content.clone();
        wire::add(&mut content, plan, (&step.found, step.seen));
        let now = self.clock.now();
        let mut tx = self.keeper.db.write(&Permit::of_hub()).await?;
        for due in std::mem::take(&mut step.due) {
            let (subject, sealed) =
                offers::make(&self.desk, &mut tx, (plan, due), (&mut content, now)).await?;
            step.subjects.push(subject.0);
            step.sealed.push(sealed);
        }
        if !step.subjects.is_empty() {
            store::stand(&mut tx, (&step.subjects, &step.sealed)).await?;
        }
        let place = (self.hold(), step.last);
        if !store::advance(&mut tx, taken.id, place, &content).await? {
            return Ok(false);
        }
        let further = told::entries(&mut tx, taken, (&step.told, now)).await?;
        tx.commit(record(taken, now, "sweep.advanced").disclosing_each(further)).await?;
        count(&step);
        taken.content = content;
        taken.done_to = step.last;
        Ok(true)
    }

    /// Evaluates a step and looks up what is claimed already.
    async fn step(&self, chunk: Chunk, plan: Arc<Plan>) -> Result<Step, Fault> {
        let last = chunk.last;
        let (blind, evaluating) = (self.keeper.blind.clone(), Arc::clone(&plan));
        let evaluated = chunk.with(move |mut opened| {
            let (found, look) = evaluate(&evaluating, &blind, &mut opened.subjects);
            Ok((opened, found, look))
        });
        let (opened, found, look) = evaluated.await?;
        let taken = if look.is_empty() {
            Claimed::default()
        } else {
            let mut tx = self.keeper.db.read(&Permit::of_hub()).await?;
            look.answer(&mut tx, true).await?
        };
        let work = move || settled(last, &plan, (opened, found), &taken);
        Ok(tokio::task::spawn_blocking(work).await.map_err(Fault::internal)??)
    }

    /// Ends a sweep, and notes up to where programmes were swept if all of it was done.
    async fn end(
        &self,
        taken: &mut Taken,
        state: pb::SweepState,
        plan: Option<&Plan>,
    ) -> Result<(), Fault> {
        let now = self.clock.now();
        taken.content.set_state(state);
        taken.content.finished_at = Some(timestamp(now));
        let mut tx = self.keeper.db.write(&Permit::of_hub()).await?;
        if let Some(plan) = plan {
            let swept: Vec<Before> = plan
                .programmes
                .iter()
                .map(|it| Before {
                    programme: it.published.programme,
                    edition: it.published.edition,
                    revision: taken.to_revision,
                    day: plan.day,
                    offers: it.offers,
                })
                .collect();
            store::note_swept(&mut tx, taken.population, &swept).await?;
        }
        let place = (self.hold(), taken.done_to);
        if store::advance(&mut tx, taken.id, place, &taken.content).await? {
            tx.commit(record(taken, now, "sweep.ended")).await?;
            let outcome = if state == pb::SweepState::Done { "done" } else { "failed" };
            let took = wire::started(&taken.content).map_or(Duration::ZERO, |at| age(at, now));
            metrics::SWEEP_SECONDS.record(took, &[outcome]);
        }
        Ok(())
    }
}

/// Returns how long it is from one time to another.
fn age(from: OffsetDateTime, to: OffsetDateTime) -> Duration {
    Duration::try_from(to - from).unwrap_or_default()
}

/// Counts what a step has found.
fn count(step: &Step) {
    metrics::SWEPT.add_len(step.seen, &[]);
    for tally in &step.found.tallies {
        for (number, (subjects, ..)) in (0..).zip(tally.counts) {
            let count = u64::try_from(subjects).unwrap_or_default();
            if count > 0 {
                let verdict = pb::Verdict::try_from(number).unwrap_or_default();
                metrics::DETERMINATIONS.add(count, &["sweep", word(verdict)]);
            }
        }
    }
}

fn failed(taken: &Taken, fault: &Fault) {
    let error = fault.cause.as_deref().map(|it| it as &dyn std::error::Error);
    tracing::error!(error, "sweep {} cannot go on", taken.id);
}

fn record(taken: &Taken, now: OffsetDateTime, event: &'static str) -> Record {
    let what = format!("{}/sweeps/{}", subject(&taken.content.population), taken.id);
    Record::new(now, what, event)
}

/// Says how those stand who may be taken, and seals how those stand who stand otherwise than before. Those who are to get an offer or to
/// lose one are sealed afterwards.
fn settled(
    last: i64,
    plan: &Plan,
    (opened, mut found): (Opened, Found),
    taken: &Claimed,
) -> Result<Step, SubsidyError> {
    let Opened { mut subjects, keys } = opened;
    found.settle(plan, &mut subjects, taken);
    let seen = subjects.len();
    let (mut ids, mut sealed) = (Vec::new(), Vec::new());
    let is_due: HashSet<usize> =
        found.due.iter().chain(&found.lapsed).map(|it| it.subject).collect();
    for index in found.moved.iter().filter(|it| !is_due.contains(it)) {
        let (Some(subject), Some((whose, key))) = (subjects.get(*index), keys.get(*index)) else {
            continue;
        };
        ids.push(subject.id.0);
        sealed.push(whose.seal(key, What::Standing, &subject.standing.encoded())?);
    }
    let told = told::told(plan, &found, &keys);
    let due = offers::due(&found, subjects, keys);
    Ok(Step { last, seen, found, subjects: ids, sealed, due, told })
}
