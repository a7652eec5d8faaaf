//! A stream of facts: each batch is stored in a transaction of its own and answered after its commit.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::Streaming;
use tracing::Instrument as _;

use crate::kernel::clock::SharedClock;
use crate::kernel::fault::Fault;
use crate::pb::peshub::subsidies::v1 as pb;
use crate::pb::peshub::subsidies::v1::store_facts_request::Message;
use crate::platform::permit::Permit;
use crate::platform::tasks::Tasks;
use crate::subsidies::error::SubsidyError;
use crate::subsidies::incoming::{next_batch, opening};
use crate::subsidies::population::commands::{Keeper, take_in};
use crate::subsidies::store::population as store;

/// Answers that wait for the transport.
const QUEUE: usize = 4;
/// The messages of a stream.
const MESSAGE: &str = "peshub.subsidies.v1.StoreFactsRequest";

/// What goes out on a stream.
pub type Outgoing = Result<pb::StoreFactsResponse, Fault>;

/// Serves streams of facts.
#[derive(Clone)]
pub struct FactStreams {
    /// Keeps populations.
    pub keeper: Arc<Keeper>,
    /// The clock.
    pub clock: SharedClock,
    /// Where streams run.
    pub tasks: Tasks,
}

impl std::fmt::Debug for FactStreams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FactStreams").finish_non_exhaustive()
    }
}

impl FactStreams {
    /// Serves a stream until either side ends it. Answers come out of the receiver.
    #[must_use]
    pub fn serve(
        &self,
        permit: Permit,
        incoming: Streaming<pb::StoreFactsRequest>,
        draining: CancellationToken,
    ) -> mpsc::Receiver<Outgoing> {
        let (answers, receiver) = mpsc::channel(QUEUE);
        let streams = self.clone();
        let work = async move {
            if let Err(fault) = streams.run(&permit, (incoming, draining), &answers).await {
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
        (mut incoming, draining): (Streaming<pb::StoreFactsRequest>, CancellationToken),
        answers: &mpsc::Sender<Outgoing>,
    ) -> Result<(), Fault> {
        let Some(open) = opening(&mut incoming, MESSAGE, opens).await? else { return Ok(()) };
        let name = open.population;
        let mut tx = self.keeper.db.read(permit).await?;
        if store::list(tx.connection(), permit, Some(&name)).await?.is_empty() {
            return Err(SubsidyError::PopulationNotFound { name }.into());
        }
        drop(tx);
        let ends = (&draining, answers);
        while let Some(batch) = next_batch(&mut incoming, MESSAGE, ends, batch).await? {
            let now = self.clock.now();
            let answer = take_in(&self.keeper, permit, &name, batch, now).await?;
            if answers.send(Ok(answer)).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }
}

fn opens(message: pb::StoreFactsRequest) -> Option<pb::OpenStore> {
    match message.message {
        Some(Message::Open(open)) => Some(open),
        Some(Message::Batch(_)) | None => None,
    }
}

fn batch(message: pb::StoreFactsRequest) -> Option<pb::FactBatch> {
    match message.message {
        Some(Message::Batch(batch)) => Some(batch),
        Some(Message::Open(_)) | None => None,
    }
}
