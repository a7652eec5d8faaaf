//! A platform: sends its series of changes and keeps the ledger.

use std::collections::VecDeque;

use prost_types::Timestamp;
use tokio::time::Instant;

use crate::client::connect::Connection;
use crate::client::sync::{SyncOptions, SyncSession};
use crate::demo::latencies::Latencies;
use crate::demo::ledger::{Jurisdiction, Ledger};
use crate::demo::progress::Board;
use crate::demo::script::{Plan, Script};
use crate::demo::{DemoError, Settings};
use crate::pb::peshub::participants::v1::CreateSourceRequest;
use crate::pb::peshub::postings::v1::{BatchAcknowledgement, PostingChange};

/// What a platform has sent, and what follows from it.
#[derive(Debug)]
pub(crate) struct Sent {
    /// Name of its source.
    pub(crate) source: String,
    /// The platform's own ids, by their numbers.
    pub(crate) external_ids: Vec<String>,
    /// What the hub said, and what each bureau must receive.
    pub(crate) ledger: Ledger,
    /// From the sending of a batch to its acknowledgement.
    pub(crate) latencies: Latencies,
    /// When the hub committed the last batch.
    pub(crate) committed_at: Option<Timestamp>,
    /// How often the connection was lost.
    pub(crate) reconnects: u64,
}

/// Makes sure that every platform has its source, and connects.
pub(crate) async fn create_sources(settings: &Settings) -> Result<Vec<Connection>, DemoError> {
    let mut connections = Vec::with_capacity(settings.platforms.len());
    for platform in &settings.platforms {
        let who = &platform.source;
        let connection =
            Connection::open(&platform.connection).await.map_err(DemoError::of(who))?;
        let request =
            CreateSourceRequest { name: platform.source.clone(), ..CreateSourceRequest::default() };
        let created = connection.participants().create_source(request).await;
        let source =
            created.map_err(|status| DemoError::of(who)(status.into()))?.into_inner().source;
        if source.is_some_and(|source| source.lanes.iter().any(|lane| lane.last_batch_id > 0)) {
            return Err(DemoError::SourceInUse { source_name: platform.source.clone() });
        }
        connections.push(connection);
    }
    Ok(connections)
}

/// A batch that is under way.
struct UnderWay {
    id: i64,
    plans: Vec<Plan>,
    sent_at: Instant,
}

/// A platform at work.
struct Desk<'a> {
    number: usize,
    board: &'a Board,
    under_way: VecDeque<UnderWay>,
    ledger: Ledger,
    latencies: Latencies,
    committed_at: Option<Timestamp>,
}

/// Sends everything that the script has, and waits for the last acknowledgement.
pub(crate) async fn send_all(
    settings: &Settings,
    number: usize,
    connection: &Connection,
    mut script: Script,
    (jurisdictions, board): (&[Jurisdiction], &Board),
) -> Result<Sent, DemoError> {
    let source = settings.platforms.get(number).map_or("", |platform| platform.source.as_str());
    let options = SyncOptions { source: source.to_owned(), ..SyncOptions::default() };
    let mut session =
        SyncSession::open(connection, options).await.map_err(DemoError::of(source))?;
    let mut desk = Desk {
        number,
        board,
        under_way: VecDeque::new(),
        ledger: Ledger::new(jurisdictions),
        latencies: Latencies::new(),
        committed_at: None,
    };
    loop {
        let (changes, plans): (Vec<PostingChange>, Vec<Plan>) = script
            .batch(settings.batch_size)
            .into_iter()
            .map(|planned| (planned.change, planned.plan))
            .unzip();
        if changes.is_empty() {
            break;
        }
        desk.ledger.counts.sent += u64::try_from(changes.len()).unwrap_or_default();
        let id = session.send(&changes).await.map_err(DemoError::of(source))?;
        desk.under_way.push_back(UnderWay { id, plans, sent_at: Instant::now() });
        while let Some(acknowledgement) = session.received() {
            desk.take(&acknowledgement);
        }
    }
    while let Some(acknowledgement) =
        session.acknowledgement().await.map_err(DemoError::of(source))?
    {
        desk.take(&acknowledgement);
    }
    if desk.ledger.counts.is_position_missing
        && let Some(position) = session.position().await.map_err(DemoError::of(source))?
    {
        desk.ledger.counts.position = desk.ledger.counts.position.max(position);
        desk.ledger.counts.is_position_missing = false;
    }
    let reconnects = session.reconnects();
    session.finish().await.map_err(DemoError::of(source))?;
    Ok(Sent {
        source: source.to_owned(),
        external_ids: script.into_external_ids(),
        ledger: desk.ledger,
        latencies: desk.latencies,
        committed_at: desk.committed_at,
        reconnects,
    })
}

impl Desk<'_> {
    fn take(&mut self, acknowledgement: &BatchAcknowledgement) {
        let id = acknowledgement.batch_id;
        let Some(index) = self.under_way.iter().position(|batch| batch.id == id) else { return };
        let Some(batch) = self.under_way.remove(index) else { return };
        self.latencies.record(batch.sent_at.elapsed());
        self.ledger.acknowledge(&batch.plans, acknowledgement);
        let committed_at =
            acknowledgement.receipt.as_ref().and_then(|receipt| receipt.committed_at);
        self.committed_at = committed_at.or(self.committed_at);
        self.board.acknowledged(self.number, &self.ledger.counts);
    }
}
