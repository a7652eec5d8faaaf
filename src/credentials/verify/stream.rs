//! A stream of verifications: while one batch is written down, the next is verified, and answers leave in order.

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Streaming};
use tracing::Instrument as _;

use crate::credentials::error::CredentialError;
use crate::credentials::verify::calls::Call;
use crate::credentials::verify::commands::Verifier;
use crate::credentials::verify::policy::{Asked, Right, Telling};
use crate::credentials::wire::{verdict, verification};
use crate::kernel::clock::SharedClock;
use crate::kernel::fault::Fault;
use crate::kernel::fields;
use crate::pb::peshub::credentials::v1 as pb;
use crate::pb::peshub::credentials::v1::verify_presentations_request::Message;
use crate::platform::permit::Permit;
use crate::platform::tasks::Tasks;

/// Batches of one stream that are under way at once. Under a consent it is one: what a batch changes of it counts for the next.
const UNDER_WAY: usize = 4;
/// Answers that wait for the transport.
const QUEUE: usize = 2;

/// What goes out on a stream.
pub type Outgoing = Result<pb::VerifyPresentationsResponse, Fault>;

/// Serves streams of verifications.
#[derive(Clone)]
pub struct VerifyStreams {
    /// Verifies.
    pub verifier: Verifier,
    /// The clock.
    pub clock: SharedClock,
    /// Where streams run.
    pub tasks: Tasks,
}

/// A batch under way.
type UnderWay = JoinHandle<Outgoing>;

impl VerifyStreams {
    /// Serves a stream until either side ends it. Answers come out of the receiver.
    #[must_use]
    pub fn serve(
        &self,
        permit: Permit,
        incoming: Streaming<pb::VerifyPresentationsRequest>,
        draining: CancellationToken,
    ) -> mpsc::Receiver<Outgoing> {
        let (answers, receiver) = mpsc::channel(QUEUE);
        let streams = self.clone();
        let work = async move {
            if let Err(fault) = streams.run(permit, (incoming, draining), answers.clone()).await {
                // Nobody listens any more when this fails.
                answers.send(Err(fault)).await.unwrap_or_default();
            }
        };
        drop(self.tasks.spawn(work.in_current_span()));
        receiver
    }

    async fn run(
        &self,
        permit: Permit,
        (mut incoming, draining): (Streaming<pb::VerifyPresentationsRequest>, CancellationToken),
        answers: mpsc::Sender<Outgoing>,
    ) -> Result<(), Fault> {
        let Some(asked) = self.open(&mut incoming).await? else { return Ok(()) };
        let by_consent = matches!(asked.grounds.right, Right::Consent(_));
        let (to_answer, under_way) = mpsc::channel(if by_consent { 1 } else { UNDER_WAY - 1 });
        let answering = self.tasks.spawn(answer(under_way, answers.clone()).in_current_span());
        let reading = async {
            loop {
                let message = tokio::select! {
                    () = draining.cancelled() => return Err(CredentialError::ShuttingDown.into()),
                    () = answers.closed() => return Ok(()),
                    // A batch has failed, which is told.
                    () = to_answer.closed() => return Ok(()),
                    message = next(&mut incoming) => message?,
                };
                let Some(message) = message else { return Ok(()) };
                let batch = batch_of(message)?;
                // A place first: no more is begun than may be under way.
                let Ok(place) = to_answer.reserve().await else { return Ok(()) };
                let call = self.call(&permit, &asked, batch.presentations);
                let (verifier, number) = (self.verifier.clone(), batch.number);
                let work = async move { respond(&verifier, call, number).await };
                let mut work = self.tasks.spawn(work.in_current_span());
                if by_consent {
                    let outcome = (&mut work).await.map_err(Fault::internal)?;
                    work = self.tasks.spawn(std::future::ready(outcome));
                }
                place.send(work);
            }
        };
        let reading: Result<(), Fault> = reading.await;
        drop(to_answer);
        // What was begun is answered before the stream ends, whatever ends it.
        answering.await.map_err(Fault::internal)?;
        reading
    }

    async fn open(
        &self,
        incoming: &mut Streaming<pb::VerifyPresentationsRequest>,
    ) -> Result<Option<Asked>, Fault> {
        let Some(message) = next(incoming).await? else { return Ok(None) };
        let Some(Message::Open(open)) = message.message else {
            let expected = "the first message opens the stream";
            return Err(CredentialError::OutOfStep { expected }.into());
        };
        let violations = fields::check(&open);
        if !violations.is_empty() {
            return Err(Fault::fields(violations));
        }
        let now = self.clock.now();
        let asked = verification::asked(open.policy, open.grounds, now)?;
        Ok(Some(Asked { telling: Telling::Letters, ..asked }))
    }

    fn call(&self, permit: &Permit, asked: &Asked, presentations: Vec<String>) -> Call {
        Call {
            permit: permit.clone(),
            asked: asked.clone(),
            texts: presentations.into(),
            request_id: String::new(),
            body: Vec::new(),
            now: self.clock.now(),
        }
    }
}

fn batch_of(message: pb::VerifyPresentationsRequest) -> Result<pb::PresentationBatch, Fault> {
    let Some(Message::Batch(batch)) = message.message else {
        let expected = "batches follow the opening";
        return Err(CredentialError::OutOfStep { expected }.into());
    };
    let violations = fields::check(&batch);
    if violations.is_empty() { Ok(batch) } else { Err(Fault::fields(violations)) }
}

async fn respond(verifier: &Verifier, call: Call, number: i64) -> Outgoing {
    let (results, entry_id) = verifier.answered(&call, true, |it| it).await?;
    let (entry_id, rules) = (entry_id.to_string(), Vec::new());
    Ok(pb::VerifyPresentationsResponse { number, results, entry_id, rules })
}

/// Sends answers in the order of their batches, with the first of them the checks that there are; after a failure nothing more.
async fn answer(mut under_way: mpsc::Receiver<UnderWay>, answers: mpsc::Sender<Outgoing>) {
    let mut rules = Some(verdict::rules());
    while let Some(batch) = under_way.recv().await {
        let outcome = batch.await.unwrap_or_else(|panic| Err(Fault::internal(panic)));
        let outcome = outcome.map(|answer| pb::VerifyPresentationsResponse {
            rules: rules.take().unwrap_or_default(),
            ..answer
        });
        let has_failed = outcome.is_err();
        if answers.send(outcome).await.is_err() || has_failed {
            return;
        }
    }
}

/// Returns the next message; `None` at the end, or when the client broke off.
async fn next(
    incoming: &mut Streaming<pb::VerifyPresentationsRequest>,
) -> Result<Option<pb::VerifyPresentationsRequest>, Fault> {
    match incoming.message().await {
        Ok(message) => Ok(message),
        // What tonic says to a frame that is larger than its limit.
        Err(status) if status.code() == Code::OutOfRange => {
            Err(CredentialError::BatchTooLarge.into())
        }
        Err(status)
            if status.code() == Code::Internal || status.code() == Code::InvalidArgument =>
        {
            let expected = "a message of peshub.credentials.v1.VerifyPresentationsRequest";
            let violation =
                crate::credentials::wire::parts::broken("", fields::Rule::Malformed, expected);
            Err(Fault::fields(vec![violation]).because(status))
        }
        Err(status) => {
            tracing::debug!("stream of verifications broke off: {status}");
            Ok(None)
        }
    }
}
