//! Watches of applications: every step of those that the caller has filed or decides, as the feed brings it.

use std::time::Duration;

use futures_util::future::BoxFuture;
use prost::Message as _;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::kernel::fault::Fault;
use crate::pb::peshub::feed::v1 as feed_pb;
use crate::pb::peshub::subsidies::v1 as pb;
use crate::platform::feed::cursor::Cursor;
use crate::platform::feed::event::{Event, FacetFilter, Topic};
use crate::platform::feed::reader::{End, Feed, FeedError, Manner, Mark, Reader, Telling};
use crate::platform::permit::{Permit, owner_facet};
use crate::subsidies::error::SubsidyError;
use crate::subsidies::wire::timestamp;

/// Messages that may wait for the transport.
const QUEUE: usize = 64;
/// Time between two bookmarks when the request does not say.
const BOOKMARKS_EVERY: Duration = Duration::from_secs(15);

/// What goes out on a watch.
pub type Outgoing = Result<pb::WatchApplicationsResponse, Fault>;

/// Serves a watch until either side ends it.
///
/// # Errors
///
/// `CURSOR_INVALID`.
pub fn serve(
    feed: &Feed,
    permit: &Permit,
    request: &pb::WatchApplicationsRequest,
    draining: CancellationToken,
) -> Result<mpsc::Receiver<Outgoing>, FeedError> {
    let cursor = match request.cursor.as_ref() {
        [] => None,
        sealed => Some(feed.open_cursor(sealed)?),
    };
    let bookmarks_every = match u64::try_from(request.bookmark_seconds) {
        Ok(seconds) if seconds > 0 => Duration::from_secs(seconds),
        _ => BOOKMARKS_EVERY,
    };
    let (sender, receiver) = mpsc::channel(QUEUE);
    let own = permit.participant().map(owner_facet);
    let filter = FacetFilter::default().and_any_of(own.into_iter().collect());
    let manner = Manner { bookmarks_every, draining };
    let mut reader = Reader::new(feed.clone(), Steps { filter }, manner, sender);
    let own = feed.clone();
    let work = async move {
        // Counted in before the first position is read, so that the tail holds what comes after it.
        let _counted = own.tail.watch();
        if let Err(end) = run(&mut reader, cursor).await {
            reader.end(end).await;
        }
    };
    drop(feed.tasks.spawn(work.in_current_span()));
    Ok(receiver)
}

async fn run(reader: &mut Reader<Steps>, cursor: Option<Cursor>) -> Result<(), End> {
    match cursor {
        Some(cursor) => reader.begin_after(cursor).await?,
        None => reader.begin_now().await?,
    }
    reader.follow().await
}

/// What a watch of applications tells.
struct Steps {
    filter: FacetFilter,
}

impl Telling for Steps {
    type Message = pb::WatchApplicationsResponse;

    fn concerns(&self, event: &Event) -> bool {
        event.topic == Some(Topic::Application) && self.filter.matches(&event.after)
    }

    fn event<'a>(
        &'a self,
        event: &'a Event,
    ) -> BoxFuture<'a, Result<Option<Self::Message>, Fault>> {
        Box::pin(async move {
            let corrupt = |_| SubsidyError::Corrupt { what: "event of an application" };
            let stored = pb::ApplicationEvent::decode(event.header.clone()).map_err(corrupt)?;
            let told = pb::ApplicationEvent {
                position: event.position.0,
                cursor: event.cursor.clone(),
                ..stored
            };
            Ok(Some(message(pb::watch_applications_response::Message::Event(told))))
        })
    }

    fn bookmark(&self, mark: Mark) -> Self::Message {
        message(pb::watch_applications_response::Message::Bookmark(feed_pb::Bookmark {
            position: mark.position.0,
            cursor: mark.cursor,
            at: Some(timestamp(mark.at)),
            snapshot_complete: mark.snapshot_complete,
            closing: mark.closing,
        }))
    }
}

fn message(message: pb::watch_applications_response::Message) -> pb::WatchApplicationsResponse {
    pb::WatchApplicationsResponse { message: Some(message) }
}
