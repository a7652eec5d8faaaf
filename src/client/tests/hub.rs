//! The hub of the tests: one lane in memory, one feed in memory, and faults at chosen points.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::Stream;
use prost::Message as _;
use tokio::sync::{mpsc, watch};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::task::TaskTracker;
use tonic::{Code, Request, Response, Status, Streaming};

use crate::client::tests::{Cutter, failure};
use crate::pb::peshub::postings::v1::posting_service_server::PostingService;
use crate::pb::peshub::postings::v1::sync_postings_request::Message as Question;
use crate::pb::peshub::postings::v1::sync_postings_response::Message as Answer;
use crate::pb::peshub::postings::v1::{
    AcknowledgeWatchRequest, AcknowledgeWatchResponse, BatchAcknowledgement,
    BatchGetPostingsRequest, BatchGetPostingsResponse, BatchUpsertPostingsRequest,
    BatchUpsertPostingsResponse, GetPostingRequest, GetPostingResponse, ListHeldClosesRequest,
    ListHeldClosesResponse, ListPostingsRequest, ListPostingsResponse, ResolveHeldClosesRequest,
    ResolveHeldClosesResponse, SyncBatch, SyncOpen, SyncOpened, SyncPostingsRequest,
    SyncPostingsResponse, WatchPostingsRequest, WatchPostingsResponse,
};

pub(crate) const CREDITS: i32 = 4;

/// What goes wrong when a batch arrives, the first time that it does.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// The connection breaks, nothing was stored.
    CutBeforeCommit,
    /// The connection breaks, the batch was stored.
    CutAfterCommit,
    /// The call ends with a status, the batch was stored.
    FailAfterCommit(Code, &'static str),
    /// The call ends with a status, nothing was stored.
    Fail(Code, &'static str),
    /// The call ends without a status.
    End,
    /// The acknowledgement comes twice.
    AcknowledgeTwice,
    /// The acknowledgement has no position.
    NoPosition,
}

/// One message of a scripted watch.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Send(Box<WatchPostingsResponse>),
    Fail(Code, &'static str),
    Cut,
    End,
    /// Keeps the stream open.
    Idle,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) last: i64,
    /// Every batch that was stored, in the order of storing.
    pub(crate) stored: Vec<(i64, Vec<u8>)>,
    pub(crate) faults: HashMap<i64, VecDeque<Fault>>,
    /// What opening the lane answers, one for each time; then it works.
    pub(crate) refusals: VecDeque<(Code, &'static str)>,
    pub(crate) opened: Vec<SyncOpen>,
    /// What each watch sends, one after the other.
    pub(crate) watches: VecDeque<Vec<Step>>,
    pub(crate) watched: Vec<WatchPostingsRequest>,
    /// Messages that watches have sent.
    sent: usize,
    pub(crate) acknowledged: Vec<AcknowledgeWatchRequest>,
}

#[derive(Clone, Default)]
pub(crate) struct Hub {
    state: Arc<Mutex<State>>,
    pub(crate) cutter: Cutter,
    /// Messages that the test has received from watches.
    pub(crate) received: watch::Sender<usize>,
    tasks: TaskTracker,
}

impl Hub {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn fault(&self, batch_id: i64, fault: Fault) {
        self.state().faults.entry(batch_id).or_default().push_back(fault);
    }

    async fn serve_lane(
        self,
        mut questions: Streaming<SyncPostingsRequest>,
        answers: mpsc::Sender<Result<SyncPostingsResponse, Status>>,
    ) -> Option<()> {
        let Some(Question::Open(open)) = questions.next().await?.ok()?.message else { return None };
        let opened = {
            let mut state = self.state();
            state.opened.push(open);
            SyncOpened {
                last_batch_id: state.last,
                credits: CREDITS,
                changes_per_batch_max: 1_000,
                bytes_per_batch_max: 4 * 1024 * 1024,
            }
        };
        send(&answers, Ok(Answer::Opened(opened))).await?;
        loop {
            let Some(Question::Batch(batch)) = questions.next().await?.ok()?.message else {
                return None;
            };
            let fault = self.state().faults.get_mut(&batch.batch_id).and_then(VecDeque::pop_front);
            match fault {
                Some(Fault::CutBeforeCommit) => return self.break_off().await,
                Some(Fault::CutAfterCommit) => {
                    self.store(&batch).ok()?;
                    return self.break_off().await;
                }
                Some(Fault::FailAfterCommit(code, reason)) => {
                    self.store(&batch).ok()?;
                    return send(&answers, Err(failure(code, reason))).await;
                }
                Some(Fault::Fail(code, reason)) => {
                    return send(&answers, Err(failure(code, reason))).await;
                }
                Some(Fault::End) => return Some(()),
                Some(Fault::AcknowledgeTwice) => {
                    let acknowledgement = self.store(&batch).ok()?;
                    send(&answers, Ok(Answer::Acknowledgement(acknowledgement.clone()))).await?;
                    send(&answers, Ok(Answer::Acknowledgement(acknowledgement))).await?;
                }
                Some(Fault::NoPosition) => {
                    let acknowledgement =
                        BatchAcknowledgement { position: 0, ..self.store(&batch).ok()? };
                    send(&answers, Ok(Answer::Acknowledgement(acknowledgement))).await?;
                }
                None => match self.store(&batch) {
                    Ok(acknowledgement) => {
                        send(&answers, Ok(Answer::Acknowledgement(acknowledgement))).await?;
                    }
                    Err(status) => return send(&answers, Err(status)).await,
                },
            }
        }
    }

    async fn break_off(&self) -> Option<()> {
        self.cutter.cut();
        // The connection is gone; nothing that is sent now may arrive.
        std::future::pending().await
    }

    fn store(&self, batch: &SyncBatch) -> Result<BatchAcknowledgement, Status> {
        let mut state = self.state();
        let body = SyncBatch { batch_id: 0, ..batch.clone() }.encode_to_vec();
        let known = state.stored.iter().find(|(id, _)| *id == batch.batch_id);
        let replayed = match known {
            Some((_, stored)) if *stored == body => true,
            Some(_) => return Err(failure(Code::AlreadyExists, "BATCH_ID_REUSED")),
            None if batch.batch_id == state.last + 1 => false,
            None => return Err(failure(Code::FailedPrecondition, "BATCH_OUT_OF_ORDER")),
        };
        if !replayed {
            state.last = batch.batch_id;
            state.stored.push((batch.batch_id, body));
        }
        Ok(BatchAcknowledgement {
            batch_id: batch.batch_id,
            position: batch.batch_id * 10,
            created: i32::try_from(batch.changes.len()).unwrap_or_default(),
            replayed,
            ..BatchAcknowledgement::default()
        })
    }

    async fn play(
        self,
        steps: Vec<Step>,
        answers: mpsc::Sender<Result<WatchPostingsResponse, Status>>,
    ) -> Option<()> {
        for step in steps {
            match step {
                Step::Send(answer) => {
                    self.state().sent += 1;
                    answers.send(Ok(*answer)).await.ok()?;
                }
                Step::Fail(code, reason) => {
                    return answers.send(Err(failure(code, reason))).await.ok();
                }
                Step::Cut => {
                    // What was sent must have arrived, or the cut would take it along.
                    let sent = self.state().sent;
                    self.received.subscribe().wait_for(|received| *received >= sent).await.ok()?;
                    return self.break_off().await;
                }
                Step::End => return Some(()),
                Step::Idle => {
                    answers.closed().await;
                    return None;
                }
            }
        }
        Some(())
    }
}

async fn send(
    answers: &mpsc::Sender<Result<SyncPostingsResponse, Status>>,
    answer: Result<Answer, Status>,
) -> Option<()> {
    let answer = answer.map(|message| SyncPostingsResponse { message: Some(message) });
    answers.send(answer).await.ok()
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl PostingService for Hub {
    type SyncPostingsStream = Answers<SyncPostingsResponse>;
    type WatchPostingsStream = Answers<WatchPostingsResponse>;

    async fn sync_postings(
        &self,
        request: Request<Streaming<SyncPostingsRequest>>,
    ) -> Result<Response<Self::SyncPostingsStream>, Status> {
        if let Some((code, reason)) = self.state().refusals.pop_front() {
            return Err(failure(code, reason));
        }
        let (sender, receiver) = mpsc::channel(16);
        drop(self.tasks.spawn(self.clone().serve_lane(request.into_inner(), sender)));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn watch_postings(
        &self,
        request: Request<WatchPostingsRequest>,
    ) -> Result<Response<Self::WatchPostingsStream>, Status> {
        let steps = {
            let mut state = self.state();
            state.watched.push(request.into_inner());
            state.watches.pop_front().unwrap_or_else(|| vec![Step::Idle])
        };
        let (sender, receiver) = mpsc::channel(64);
        drop(self.tasks.spawn(self.clone().play(steps, sender)));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn acknowledge_watch(
        &self,
        request: Request<AcknowledgeWatchRequest>,
    ) -> Result<Response<AcknowledgeWatchResponse>, Status> {
        self.state().acknowledged.push(request.into_inner());
        Ok(Response::new(AcknowledgeWatchResponse::default()))
    }

    async fn batch_upsert_postings(
        &self,
        _: Request<BatchUpsertPostingsRequest>,
    ) -> Result<Response<BatchUpsertPostingsResponse>, Status> {
        Err(failure(Code::Unimplemented, ""))
    }

    async fn get_posting(
        &self,
        _: Request<GetPostingRequest>,
    ) -> Result<Response<GetPostingResponse>, Status> {
        Err(failure(Code::Unimplemented, ""))
    }

    async fn batch_get_postings(
        &self,
        _: Request<BatchGetPostingsRequest>,
    ) -> Result<Response<BatchGetPostingsResponse>, Status> {
        Err(failure(Code::Unimplemented, ""))
    }

    async fn list_postings(
        &self,
        _: Request<ListPostingsRequest>,
    ) -> Result<Response<ListPostingsResponse>, Status> {
        Err(failure(Code::Unimplemented, ""))
    }

    async fn list_held_closes(
        &self,
        _: Request<ListHeldClosesRequest>,
    ) -> Result<Response<ListHeldClosesResponse>, Status> {
        Err(failure(Code::Unimplemented, ""))
    }

    async fn resolve_held_closes(
        &self,
        _: Request<ResolveHeldClosesRequest>,
    ) -> Result<Response<ResolveHeldClosesResponse>, Status> {
        Err(failure(Code::Unimplemented, ""))
    }
}
