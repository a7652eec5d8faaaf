//! Watches of statuses: every change of a credential that the caller follows, as the feed brings it.

use std::time::Duration;

use futures_util::future::BoxFuture;
use prost::Message as _;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::credentials::error::CredentialError;
use crate::credentials::store::status::{self as store, Spot};
use crate::credentials::wire::timestamp;
use crate::kernel::fault::Fault;
use crate::kernel::ids::ParticipantId;
use crate::pb::peshub::credentials::v1 as pb;
use crate::pb::peshub::feed::v1 as feed_pb;
use crate::platform::db::Db;
use crate::platform::feed::cursor::Cursor;
use crate::platform::feed::event::{Event, FacetFilter, Topic};
use crate::platform::feed::reader::{End, Feed, FeedError, Manner, Mark, Reader, Telling};
use crate::platform::permit::Permit;

/// Messages that may wait for the transport.
const QUEUE: usize = 64;
/// Time between two bookmarks when the request does not say.
const BOOKMARKS_EVERY: Duration = Duration::from_secs(15);

/// What goes out on a watch.
pub type Outgoing = Result<pb::WatchStatusesResponse, Fault>;

/// Serves watches of statuses.
#[derive(Clone, Debug)]
pub struct StatusWatches {
    feed: Feed,
}

/// Returns the facet token of what a participant follows.
#[must_use]
pub fn follower_facet(participant: ParticipantId) -> String {
    format!("w:{participant}")
}

impl StatusWatches {
    /// Returns watches over a feed.
    #[must_use]
    pub const fn new(feed: Feed) -> Self {
        Self { feed }
    }

    /// Serves a watch until either side ends it.
    ///
    /// # Errors
    ///
    /// `CURSOR_INVALID`.
    pub fn serve(
        &self,
        permit: Permit,
        request: &pb::WatchStatusesRequest,
        draining: CancellationToken,
    ) -> Result<mpsc::Receiver<Outgoing>, FeedError> {
        let cursor = match request.cursor.as_ref() {
            [] => None,
            sealed => Some(self.feed.open_cursor(sealed)?),
        };
        let bookmarks_every = match u64::try_from(request.bookmark_seconds) {
            Ok(seconds) if seconds > 0 => Duration::from_secs(seconds),
            _ => BOOKMARKS_EVERY,
        };
        let (sender, receiver) = mpsc::channel(QUEUE);
        let manner = Manner { bookmarks_every, draining };
        let token = permit.participant().map(follower_facet);
        let filter = FacetFilter::default().and_any_of(token.into_iter().collect());
        let telling = StatusTelling { db: self.feed.db.clone(), permit, filter };
        let mut reader = Reader::new(self.feed.clone(), telling, manner, sender);
        let feed = self.feed.clone();
        let work = async move {
            // Counted in before the first position is read, so that the tail holds what comes after it.
            let _counted = feed.tail.watch();
            if let Err(end) = run(&mut reader, cursor).await {
                reader.end(end).await;
            }
        };
        drop(self.feed.tasks.spawn(work.in_current_span()));
        Ok(receiver)
    }
}

async fn run(reader: &mut Reader<StatusTelling>, cursor: Option<Cursor>) -> Result<(), End> {
    match cursor {
        Some(cursor) => reader.begin_after(cursor).await?,
        None => reader.begin_now().await?,
    }
    reader.follow().await
}

/// What a watch of statuses tells.
struct StatusTelling {
    db: Db,
    permit: Permit,
    filter: FacetFilter,
}

impl Telling for StatusTelling {
    type Message = pb::WatchStatusesResponse;

    fn concerns(&self, event: &Event) -> bool {
        event.topic == Some(Topic::CredentialStatus) && self.filter.matches(&event.after)
    }

    fn event<'a>(
        &'a self,
        event: &'a Event,
    ) -> BoxFuture<'a, Result<Option<Self::Message>, Fault>> {
        Box::pin(async move { Ok(self.change(event).await?) })
    }

    fn bookmark(&self, mark: Mark) -> Self::Message {
        message(pb::watch_statuses_response::Message::Bookmark(feed_pb::Bookmark {
            position: mark.position.0,
            cursor: mark.cursor,
            at: Some(timestamp(mark.at)),
            snapshot_complete: mark.snapshot_complete,
            closing: mark.closing,
        }))
    }
}

impl StatusTelling {
    async fn change(
        &self,
        event: &Event,
    ) -> Result<Option<pb::WatchStatusesResponse>, CredentialError> {
        let corrupt = || CredentialError::Corrupt { what: "event of a status" };
        let mut told = pb::StatusEvent::decode(event.header.clone()).map_err(|_| corrupt())?;
        let spot = event.body.as_deref().and_then(Spot::decoded).ok_or_else(corrupt)?;
        let mut tx = self.db.read(&self.permit).await?;
        // Who follows it no longer is told no longer.
        let Some(handle) = store::handle(&mut tx, spot).await? else { return Ok(None) };
        told.position = event.position.0;
        told.cursor = event.cursor.clone();
        told.handle = handle;
        Ok(Some(message(pb::watch_statuses_response::Message::Event(told))))
    }
}

fn message(message: pb::watch_statuses_response::Message) -> pb::WatchStatusesResponse {
    pb::WatchStatusesResponse { message: Some(message) }
}
