//! Many credentials on one stream: each is answered by its number as soon as it is issued or refused.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tonic::Streaming;
use tracing::Instrument as _;

use crate::credentials::issuing::Issuing;
use crate::credentials::wire::credential as wire;
use crate::kernel::fault::{Fault, Kind, Reason};
use crate::kernel::fields;
use crate::pb::peshub::credentials::v1 as pb;
use crate::platform::feed::reader::FeedError;
use crate::platform::mutation::RequestKey;
use crate::platform::permit::Permit;
use crate::platform::tasks::Tasks;

/// Credentials of one stream that are under way at the same time; more wait in the transport.
const AT_ONCE: u32 = 16;
/// Most numbers of one stream.
const NUMBERS_MAX: usize = 1_000_000;

/// What goes out on a stream.
pub type Outgoing = Result<pb::IssueCredentialsResponse, Fault>;

/// Serves streams of drafts.
#[derive(Clone, Debug)]
pub struct IssueStreams {
    /// Issues.
    pub issuing: Issuing,
    /// Where it runs.
    pub tasks: Tasks,
}

impl IssueStreams {
    /// Serves a stream until either side ends it.
    #[must_use]
    pub fn serve(
        &self,
        permit: Permit,
        incoming: Streaming<pb::IssueCredentialsRequest>,
        draining: CancellationToken,
    ) -> mpsc::Receiver<Outgoing> {
        let (answers, receiver) = mpsc::channel(usize::try_from(AT_ONCE).unwrap_or(1));
        let streams = self.clone();
        let work = async move {
            let under_way = Arc::new(Semaphore::new(usize::try_from(AT_ONCE).unwrap_or(1)));
            let turns = (&under_way, &answers);
            let read = streams.read(permit, (incoming, draining), turns).await;
            // What is under way is answered before the stream ends.
            drop(under_way.acquire_many(AT_ONCE).await);
            if let Err(fault) = read {
                // Nobody listens any more when this fails.
                answers.send(Err(fault)).await.unwrap_or_default();
            }
        };
        drop(self.tasks.spawn(work.in_current_span()));
        receiver
    }

    async fn read(
        &self,
        permit: Permit,
        (mut incoming, draining): (Streaming<pb::IssueCredentialsRequest>, CancellationToken),
        (under_way, answers): (&Arc<Semaphore>, &mpsc::Sender<Outgoing>),
    ) -> Result<(), Fault> {
        let mut numbers = HashSet::new();
        loop {
            let Ok(turn) = Arc::clone(under_way).acquire_owned().await else { return Ok(()) };
            let request = tokio::select! {
                () = draining.cancelled() => return Err(FeedError::ShuttingDown.into()),
                () = answers.closed() => return Ok(()),
                request = incoming.message() => request,
            };
            // A client that breaks off has nobody to be answered.
            let Ok(Some(request)) = request else { return Ok(()) };
            if numbers.len() >= NUMBERS_MAX {
                return Err(out_of_step("a million are enough for one stream; open another one"));
            }
            let is_new = numbers.insert(request.number);
            let (issuing, permit, answers) =
                (self.issuing.clone(), permit.clone(), answers.clone());
            let work = async move {
                let number = request.number;
                let outcome = if is_new {
                    issue(&issuing, &permit, request).await
                } else {
                    Err(out_of_step("this number came before on this stream"))
                };
                let answer = match outcome {
                    Ok(issued) => pb::IssueCredentialsResponse {
                        number,
                        credentials: issued.credentials,
                        ..pb::IssueCredentialsResponse::default()
                    },
                    Err(fault) => refused(number, &fault),
                };
                answers.send(Ok(answer)).await.unwrap_or_default();
                drop(turn);
            };
            drop(self.tasks.spawn(work.in_current_span()));
        }
    }
}

async fn issue(
    issuing: &Issuing,
    permit: &Permit,
    request: pb::IssueCredentialsRequest,
) -> Result<pb::IssueCredentialResponse, Fault> {
    let violations = fields::check(&request);
    if !violations.is_empty() {
        return Err(Fault::fields(violations));
    }
    // The number is the stream's, and no part of what the id stands for.
    let request =
        pb::IssueCredentialRequest { draft: request.draft, request_id: request.request_id };
    let key = RequestKey::new(&request.request_id, &request)?;
    let draft = wire::draft(request.draft.unwrap_or_default())?;
    issuing.issue(permit, &key, draft).await
}

fn out_of_step(message: &str) -> Fault {
    Fault::new(Kind::FailedPrecondition, Reason::StreamOutOfStep, message)
}

/// Tells why one was refused. What was given is no part of it.
fn refused(number: i64, fault: &Fault) -> pb::IssueCredentialsResponse {
    if fault.kind == Kind::Internal {
        let error = fault as &dyn std::error::Error;
        tracing::error!(error, "a credential of a stream was not issued: {fault}");
    }
    let broken = fault.violations.iter().map(|it| format!("{}: {}", it.field, it.expected));
    let broken: Vec<String> = broken.collect();
    pb::IssueCredentialsResponse {
        number,
        reason: fault.reason.name().to_owned(),
        message: if broken.is_empty() { fault.message.clone() } else { broken.join("; ") },
        ..pb::IssueCredentialsResponse::default()
    }
}
