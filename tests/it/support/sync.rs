//! A sync stream, message by message, for stories that a well-behaved client library would not tell.

use bytes::Bytes;
use http::uri::PathAndQuery;
use peshub::client::connect::Connection;
use peshub::client::error::Refusal;
use peshub::pb::peshub::common::v1::{FindingCode, Outcome, Verdict};
use peshub::pb::peshub::postings::v1::sync_postings_response::Message as Answer;
use peshub::pb::peshub::postings::v1::{
    BatchAcknowledgement, PostingChange, SyncOpen, SyncOpened, SyncPostingsResponse,
};
use peshub::pb::raw::peshub::postings::v1::sync_postings_request::Message as Question;
use peshub::pb::raw::peshub::postings::v1::{SyncBatch, SyncPostingsRequest};
use prost::Message;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::{IntoStreamingRequest as _, Request, Streaming};
use tonic_prost::ProstCodec;

use crate::support::postings::encoded;
use crate::support::within;

const METHOD: PathAndQuery =
    PathAndQuery::from_static("/peshub.postings.v1.PostingService/SyncPostings");

/// A stream whose messages are of any type, so that wrong ones can be sent.
pub(crate) struct RawStream<M> {
    questions: mpsc::Sender<M>,
    answers: Streaming<SyncPostingsResponse>,
}

pub(crate) type SyncStream = RawStream<SyncPostingsRequest>;

impl<M: Message + Default + 'static> RawStream<M> {
    /// Calls the method and says nothing yet.
    pub(crate) async fn call(connection: &Connection) -> Self {
        let (questions, receiver) = mpsc::channel(64);
        let mut grpc = Grpc::new(connection.transport())
            .max_encoding_message_size(usize::MAX)
            .max_decoding_message_size(usize::MAX);
        within("a connection", grpc.ready()).await.expect("a connection");
        let codec = ProstCodec::<M, SyncPostingsResponse>::default();
        let request = Request::new(ReceiverStream::new(receiver)).into_streaming_request();
        let called = grpc.streaming(request, METHOD, codec);
        let answers = within("the stream", called).await.expect("a stream").into_inner();
        Self { questions, answers }
    }

    /// Sends a message; the stream may have ended already.
    pub(crate) async fn say(&self, message: M) {
        self.questions.send(message).await.unwrap_or_default();
    }

    /// Returns the next answer, or how the stream ended; `None` for an end without an error.
    pub(crate) async fn answer(&mut self) -> Result<Option<Answer>, Refusal> {
        let answer = within("an answer", self.answers.message()).await;
        let answer = answer.map_err(|status| Refusal::of(&status))?;
        Ok(answer.map(|answer| answer.message.expect("an answer that says something")))
    }

    /// Returns how the stream ended, as it came over the wire; answers before that are passed over.
    pub(crate) async fn failure(&mut self) -> tonic::Status {
        loop {
            match within("an answer", self.answers.message()).await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the stream ended without an error"),
                Err(status) => return status,
            }
        }
    }

    /// Returns why the stream ended; acknowledgements before that are passed over.
    pub(crate) async fn refusal(&mut self) -> Refusal {
        loop {
            match self.answer().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the stream ended without an error"),
                Err(refusal) => return refusal,
            }
        }
    }
}

impl SyncStream {
    /// Opens the main lane of a source.
    pub(crate) async fn open(connection: &Connection, source: &str) -> (Self, SyncOpened) {
        Self::open_lane(connection, opening(source)).await
    }

    /// Opens a lane.
    pub(crate) async fn open_lane(connection: &Connection, open: SyncOpen) -> (Self, SyncOpened) {
        let mut stream = Self::call(connection).await;
        stream.say(SyncPostingsRequest { message: Some(Question::Open(open)) }).await;
        match stream.answer().await {
            Ok(Some(Answer::Opened(opened))) => (stream, opened),
            other => panic!("not opened but {other:?}"),
        }
    }

    /// Sends a batch.
    pub(crate) async fn send(&self, batch_id: i64, changes: &[PostingChange]) {
        self.send_raw(batch_id, encoded(changes)).await;
    }

    /// Sends a batch of bytes that need not be changes.
    pub(crate) async fn send_raw(&self, batch_id: i64, changes: Vec<Bytes>) {
        let batch = SyncBatch { batch_id, changes };
        self.say(SyncPostingsRequest { message: Some(Question::Batch(batch)) }).await;
    }

    /// Returns the next acknowledgement.
    pub(crate) async fn acknowledgement(&mut self) -> BatchAcknowledgement {
        match self.answer().await {
            Ok(Some(Answer::Acknowledgement(acknowledgement))) => acknowledgement,
            other => panic!("no acknowledgement but {other:?}"),
        }
    }

    /// Sends a batch and returns its acknowledgement.
    pub(crate) async fn sync(
        &mut self,
        batch_id: i64,
        changes: &[PostingChange],
    ) -> BatchAcknowledgement {
        self.send(batch_id, changes).await;
        self.acknowledgement().await
    }

    /// Says that nothing more comes and returns what was answered until the end.
    pub(crate) async fn finish(self) -> Vec<BatchAcknowledgement> {
        let Self { questions, mut answers } = self;
        drop(questions);
        let mut acknowledged = Vec::new();
        while let Some(answer) = within("the end", answers.message()).await.expect("a good end") {
            match answer.message {
                Some(Answer::Acknowledgement(acknowledgement)) => {
                    acknowledged.push(acknowledgement);
                }
                other => panic!("not an acknowledgement but {other:?}"),
            }
        }
        acknowledged
    }
}

/// Opens the main lane of a source.
pub(crate) fn opening(source: &str) -> SyncOpen {
    SyncOpen { source: source.to_owned(), ..SyncOpen::default() }
}

/// Opens a lane of a source.
pub(crate) fn opening_lane(source: &str, lane: &str) -> SyncOpen {
    SyncOpen { lane: lane.to_owned(), ..opening(source) }
}

/// Counts of an acknowledgement: created, changed, unchanged, closed, held, rejected.
pub(crate) fn counts(acknowledgement: &BatchAcknowledgement) -> [i32; 6] {
    [
        acknowledgement.created,
        acknowledgement.changed,
        acknowledgement.unchanged,
        acknowledgement.closed,
        acknowledgement.held,
        acknowledgement.rejected,
    ]
}

/// A verdict in one line: `2 a7 REJECTED upsert.title TOO_LONG, …`.
pub(crate) fn told(verdict: &Verdict) -> String {
    let outcome = Outcome::try_from(verdict.outcome).unwrap().as_str_name();
    let findings: Vec<String> = verdict
        .findings
        .iter()
        .map(|finding| {
            let code = FindingCode::try_from(finding.code).unwrap().as_str_name();
            let code = code.strip_prefix("FINDING_CODE_").unwrap();
            let suggested = match finding.suggested.as_str() {
                "" => String::new(),
                suggested => format!(" → {suggested}"),
            };
            format!("{} {code}{suggested}", finding.field)
        })
        .collect();
    let outcome = outcome.strip_prefix("OUTCOME_").unwrap();
    let id = &verdict.external_id;
    format!("{} {id} {outcome} {}", verdict.index, findings.join(", "))
}

/// All verdicts of an acknowledgement, a line each.
pub(crate) fn verdicts(acknowledgement: &BatchAcknowledgement) -> Vec<String> {
    acknowledgement.verdicts.iter().map(told).collect()
}
