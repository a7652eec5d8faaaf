//! Exports, sent as they are read: one checkpoint's rows in memory at a time.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::kernel::clock::SharedClock;
use crate::kernel::fault::{Fault, Kind, Reason};
use crate::pb::peshub::audit::v1 as pb;
use crate::platform::audit::export::{Beginning, Exporter};
use crate::platform::audit::store::{self, Sealed};
use crate::platform::db::{Db, Record};
use crate::platform::keys::signing::Signer;
use crate::platform::permit::Permit;
use crate::platform::tasks::Tasks;

/// Pieces that wait for a slow reader.
const PIECES: usize = 4;
/// Bytes of a piece, about; a line is never cut.
const PIECE_BYTES: usize = 256 * 1024;
/// Checkpoints that are looked up at once.
const CHECKPOINTS: i64 = 64;

/// What goes out.
type Outgoing = mpsc::Sender<Result<pb::ExportAuditResponse, Fault>>;

/// Makes exports.
#[derive(Clone)]
pub struct Exports {
    /// The database.
    pub db: Db,
    /// The clock.
    pub clock: SharedClock,
    /// What heads and ends are signed with.
    pub signer: Arc<dyn Signer>,
    /// Which hub.
    pub hub: Uuid,
    /// Where work runs.
    pub tasks: Tasks,
}

impl std::fmt::Debug for Exports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exports").field("hub", &self.hub).finish_non_exhaustive()
    }
}

/// Which checkpoints an export is of.
struct Range {
    /// The checkpoint before the first.
    previous: Option<Sealed>,
    /// Number of the last one; less than the first one's when there is none.
    last: i64,
    first_seq: i64,
    last_seq: i64,
}

impl Exports {
    /// Sends an export. Its pieces come out of the receiver.
    #[must_use]
    pub fn serve(
        &self,
        permit: Permit,
        (from_seq, until_seq): (i64, i64),
    ) -> mpsc::Receiver<Result<pb::ExportAuditResponse, Fault>> {
        let (outgoing, receiver) = mpsc::channel(PIECES);
        let exports = self.clone();
        let (stopping, cutting) = (self.tasks.stopping(), self.tasks.cutting());
        let work = async move {
            let sent = tokio::select! {
                () = stopping.cancelled() => {
                    let message = "the hub is shutting down; export again from where this ended";
                    Err(Fault::new(Kind::Unavailable, Reason::ShuttingDown, message))
                }
                sent = exports.send(&permit, (from_seq, until_seq), &outgoing) => sent,
            };
            if let Err(fault) = sent {
                tokio::select! {
                    () = cutting.cancelled() => {}
                    // Nobody listens any more when this fails.
                    told = outgoing.send(Err(fault)) => told.unwrap_or_default(),
                }
            }
        };
        drop(self.tasks.spawn(work.in_current_span()));
        receiver
    }

    async fn send(
        &self,
        permit: &Permit,
        (from_seq, until_seq): (i64, i64),
        outgoing: &Outgoing,
    ) -> Result<(), Fault> {
        let range = self.range(permit, (from_seq, until_seq)).await?;
        let now = self.clock.now();
        let subject = format!("seq {} to {}", range.first_seq, range.last_seq);
        let tx = self.db.write(permit).await?;
        tx.commit(Record::new(now, subject, "audit.exported")).await?;
        let mut tx = self.db.read(permit).await?;
        let keys = store::keys(tx.connection()).await?.into_iter().map(|(key, _)| key).collect();
        drop(tx);
        let mut next = range.previous.as_ref().map_or(0, |it| it.number).saturating_add(1);
        let until_seq = range.last_seq;
        let beginning = Beginning {
            first_seq: range.first_seq,
            last_seq: until_seq,
            previous: range.previous,
            keys,
            at: now,
        };
        let begun = Exporter::begin(self.hub, Arc::clone(&self.signer), beginning);
        let (mut exporter, mut lines) = begun.map_err(Fault::internal)?;
        let mut last_seq = range.first_seq.saturating_sub(1);
        while next <= range.last {
            let mut tx = self.db.read(permit).await?;
            let found = store::checkpoints(tx.connection(), next, CHECKPOINTS).await?;
            let wanted: Vec<_> = found.into_iter().filter(|it| it.number <= range.last).collect();
            // A number that is missing was taken away; the verifier says so.
            let Some(last) = wanted.last().map(|it| it.number) else { break };
            for sealed in wanted {
                let (first, end) = (last_seq.saturating_add(1), sealed.last_seq);
                let rows = store::between(tx.connection(), first, end).await?;
                lines.push_str(&exporter.checkpoint(&rows, &sealed));
                last_seq = end;
                if lines.len() >= PIECE_BYTES {
                    let full = std::mem::take(&mut lines);
                    if !send_lines(outgoing, &full, (last_seq, until_seq)).await {
                        return Ok(());
                    }
                }
            }
            next = last.saturating_add(1);
        }
        lines.push_str(&exporter.end(self.clock.now()));
        send_lines(outgoing, &lines, (last_seq, until_seq)).await;
        Ok(())
    }

    async fn range(
        &self,
        permit: &Permit,
        (from_seq, until_seq): (i64, i64),
    ) -> Result<Range, Fault> {
        let mut tx = self.db.read(permit).await?;
        let latest = store::latest(tx.connection()).await?;
        let Some(latest) = latest else {
            return Ok(Range { previous: None, last: 0, first_seq: 1, last_seq: 0 });
        };
        let until = match until_seq {
            0 => None,
            seq => store::over(tx.connection(), seq).await?,
        };
        let first = store::over(tx.connection(), from_seq.max(1)).await?;
        let until = until.unwrap_or_else(|| latest.clone());
        let Some(first) = first.filter(|first| first.number <= until.number) else {
            // There is nothing from there on: the export is empty and stands at the end of what there is.
            let (last, last_seq) = (latest.number, latest.last_seq);
            let first_seq = last_seq.saturating_add(1);
            return Ok(Range { previous: Some(latest), last, first_seq, last_seq });
        };
        let before = store::checkpoints(tx.connection(), first.number.saturating_sub(1), 1).await?;
        let previous = before.into_iter().find(|it| it.number < first.number);
        let (last, last_seq) = (until.number, until.last_seq);
        Ok(Range { previous, last, first_seq: first.first_seq, last_seq })
    }
}

/// Sends lines in pieces; returns false when nobody listens any more.
async fn send_lines(outgoing: &Outgoing, lines: &str, (last_seq, until_seq): (i64, i64)) -> bool {
    let mut piece = Vec::new();
    let mut pieces = Vec::new();
    for line in lines.split_inclusive('\n') {
        piece.extend_from_slice(line.as_bytes());
        if piece.len() >= PIECE_BYTES {
            pieces.push(std::mem::take(&mut piece));
        }
    }
    pieces.push(piece);
    for lines in pieces.into_iter().filter(|piece| !piece.is_empty()) {
        let response = pb::ExportAuditResponse { lines: Bytes::from(lines), last_seq, until_seq };
        if outgoing.send(Ok(response)).await.is_err() {
            return false;
        }
    }
    true
}
