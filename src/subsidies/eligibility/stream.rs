//! A stream of checks: batches are spread over the processors, and answered in their order.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::Streaming;
use tracing::Instrument as _;

use crate::kernel::clock::SharedClock;
use crate::kernel::fault::Fault;
use crate::pb::peshub::subsidies::v1 as pb;
use crate::pb::peshub::subsidies::v1::check_subjects_request::Message;
use crate::platform::db::Db;
use crate::platform::metrics;
use crate::platform::permit::Permit;
use crate::platform::tasks::Tasks;
use crate::subsidies::blind::Blind;
use crate::subsidies::book::Programmes;
use crate::subsidies::domain::Day;
use crate::subsidies::eligibility::Terms;
use crate::subsidies::eligibility::named::{self, Found, Named, Seen};
use crate::subsidies::error::SubsidyError;
use crate::subsidies::incoming::{next_batch, opening};
use crate::subsidies::wire::determination::word;
use crate::subsidies::wire::eligibility as wire;

/// Answers that wait for the transport.
const QUEUE: usize = 2;
/// Most threads for the subjects of one batch.
const THREADS_MAX: usize = 8;
/// The messages of a stream.
const MESSAGE: &str = "peshub.subsidies.v1.CheckSubjectsRequest";

/// What goes out on a stream.
pub type Outgoing = Result<pb::CheckSubjectsResponse, Fault>;

/// Serves checks, one by one and in streams.
#[derive(Clone)]
pub struct Checks {
    /// The database, for what is claimed already.
    pub db: Db,
    /// Names employers and claims.
    pub blind: Blind,
    /// The programmes in force.
    pub programmes: Programmes,
    /// The clock.
    pub clock: SharedClock,
    /// Where streams run.
    pub tasks: Tasks,
}

impl std::fmt::Debug for Checks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checks").finish_non_exhaustive()
    }
}

impl Checks {
    /// Checks one subject.
    ///
    /// # Errors
    ///
    /// `FIELDS_INVALID`, `FACT_UNKNOWN`, `PROGRAMME_NOT_FOUND`, `PROGRAMME_EDITION_NOT_FOUND`, `EVALUATION_FAILED`; where somebody is
    /// named, `ACTION_NOT_GRANTED`, `WORKER_NOT_FOUND`, `WORKER_ERASED`, or the database fails.
    pub async fn one(
        &self,
        permit: &Permit,
        request: pb::CheckEligibilityRequest,
    ) -> Result<pb::CheckEligibilityResponse, Fault> {
        let terms = self.terms(request.terms, "terms").await?;
        let (worker, employer) = (request.worker_reference.as_str(), request.employer.as_str());
        let named = Named { worker, employer, facts: &request.facts };
        let seen = named::see(self, permit, &terms, &[named]).await?.pop();
        let seen = seen.unwrap_or_else(|| Ok(Seen::default()))?;
        let (determinations, questions) = if terms.is_dear() {
            let taken = seen.taken.clone();
            let work = move || terms.check(&request.facts, &taken);
            tokio::task::spawn_blocking(work).await.map_err(Fault::internal)??
        } else {
            terms.check(&request.facts, &seen.taken)?
        };
        named::record(self, permit, [(&seen, determinations.as_slice())].into_iter()).await?;
        count(determinations.iter());
        Ok(pb::CheckEligibilityResponse { determinations, questions })
    }

    async fn terms(&self, sent: Option<pb::CheckTerms>, at: &str) -> Result<Terms, SubsidyError> {
        let today = Day::of(self.clock.now().date());
        Terms::find(&self.programmes, wire::asked(sent, today, at)?).await
    }

    /// Serves a stream until either side ends it. Answers come out of the receiver.
    #[must_use]
    pub fn serve(
        &self,
        permit: Permit,
        incoming: Streaming<pb::CheckSubjectsRequest>,
        draining: CancellationToken,
    ) -> mpsc::Receiver<Outgoing> {
        let (answers, receiver) = mpsc::channel(QUEUE);
        let checks = self.clone();
        let work = async move {
            if let Err(fault) = checks.run(&permit, (incoming, draining), &answers).await {
                // Nobody listens any more when this fails.
                answers.send(Err(fault)).await.unwrap_or_default();
            }
        };
        drop(self.tasks.spawn(work.in_current_span()));
        receiver
    }

    async fn run(
        &self,
        permit: &Permit,
        (mut incoming, draining): (Streaming<pb::CheckSubjectsRequest>, CancellationToken),
        answers: &mpsc::Sender<Outgoing>,
    ) -> Result<(), Fault> {
        let Some(open) = opening(&mut incoming, MESSAGE, opens).await? else { return Ok(()) };
        let terms = Arc::new(self.terms(Some(open), "open").await?);
        let ends = (&draining, answers);
        while let Some(batch) = next_batch(&mut incoming, MESSAGE, ends, batch).await? {
            let number = batch.number;
            let results = self.batch(permit, &terms, batch.subjects).await?;
            if answers.send(Ok(pb::CheckSubjectsResponse { number, results })).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Checks the subjects of a batch.
    async fn batch(
        &self,
        permit: &Permit,
        terms: &Arc<Terms>,
        subjects: Vec<pb::CheckSubject>,
    ) -> Result<Vec<pb::SubjectResult>, Fault> {
        let named: Vec<Named<'_>> = subjects
            .iter()
            .map(|it| Named {
                worker: &it.worker_reference,
                employer: &it.employer,
                facts: &it.facts,
            })
            .collect();
        let found = named::see(self, permit, terms, &named).await?;
        let seen: Vec<Option<Seen>> = found.iter().map(|it| it.as_ref().ok().cloned()).collect();
        let results = spread(terms, subjects.into_iter().zip(found).collect()).await?;
        let told = seen.iter().zip(&results);
        let told =
            told.filter_map(|(seen, it)| Some((seen.as_ref()?, it.determinations.as_slice())));
        named::record(self, permit, told).await?;
        count(results.iter().flat_map(|it| &it.determinations));
        Ok(results)
    }
}

fn opens(message: pb::CheckSubjectsRequest) -> Option<pb::CheckTerms> {
    match message.message {
        Some(Message::Open(open)) => Some(open),
        Some(Message::Batch(_)) | None => None,
    }
}

fn batch(message: pb::CheckSubjectsRequest) -> Option<pb::SubjectBatch> {
    match message.message {
        Some(Message::Batch(batch)) => Some(batch),
        Some(Message::Open(_)) | None => None,
    }
}

/// Counts what was determined.
fn count<'a>(determinations: impl Iterator<Item = &'a pb::Determination>) {
    let mut counts = BTreeMap::<i32, usize>::new();
    for it in determinations {
        *counts.entry(it.verdict).or_default() += 1;
    }
    for (verdict, count) in counts {
        let verdict = pb::Verdict::try_from(verdict).unwrap_or_default();
        metrics::DETERMINATIONS.add_len(count, &["check", word(verdict)]);
    }
}

/// Checks subjects, spread over the processors; the results come in their order.
async fn spread(
    terms: &Arc<Terms>,
    subjects: Vec<(pb::CheckSubject, Found)>,
) -> Result<Vec<pb::SubjectResult>, Fault> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let length = subjects.len().div_ceil(processors.clamp(1, THREADS_MAX)).max(1);
    let mut subjects = subjects.into_iter();
    let mut threads = Vec::new();
    loop {
        let chunk: Vec<_> = subjects.by_ref().take(length).collect();
        if chunk.is_empty() {
            break;
        }
        let terms = Arc::clone(terms);
        let work = move || -> Vec<_> {
            let check = |(it, found): (pb::CheckSubject, Found)| {
                wire::result(found.and_then(|seen| terms.check(&it.facts, &seen.taken)))
            };
            chunk.into_iter().map(check).collect()
        };
        threads.push(tokio::task::spawn_blocking(work));
    }
    let mut results = Vec::new();
    for thread in threads {
        results.extend(thread.await.map_err(Fault::internal)?);
    }
    Ok(results)
}
