//! A watch, message by message.

use std::collections::BTreeMap;

use bytes::Bytes;
use peshub::client::error::Refusal;
use peshub::pb::peshub::feed::v1::{Bookmark, EventKind};
use peshub::pb::peshub::postings::v1::watch_postings_response::Message as Answer;
use peshub::pb::peshub::postings::v1::{
    PostingEvent, PostingFilter, PostingRecord, WatchPostingsRequest, WatchPostingsResponse,
};
use tonic::Streaming;

use crate::support::{Postings, within};

/// A watch that is read by hand.
pub(crate) struct Watcher {
    stream: Streaming<WatchPostingsResponse>,
}

/// A request for a snapshot and what follows, with a bookmark every second.
pub(crate) fn watching(filter: PostingFilter) -> WatchPostingsRequest {
    WatchPostingsRequest {
        filter: Some(filter),
        bookmark_seconds: 1,
        ..WatchPostingsRequest::default()
    }
}

/// A request for what comes after a cursor.
pub(crate) fn resuming(filter: PostingFilter, cursor: &Bytes) -> WatchPostingsRequest {
    WatchPostingsRequest { cursor: cursor.clone(), ..watching(filter) }
}

impl Watcher {
    pub(crate) async fn start(
        client: &Postings,
        request: WatchPostingsRequest,
    ) -> Result<Self, Refusal> {
        let called = within("a watch", client.clone().watch_postings(request)).await;
        let stream = called.map_err(|status| Refusal::of(&status))?.into_inner();
        Ok(Self { stream })
    }

    /// Returns the next message; an error when the watch ended with one.
    pub(crate) async fn next(&mut self) -> Result<Answer, Refusal> {
        let answer = within("a message of the watch", self.stream.message()).await;
        let answer = answer.map_err(|status| Refusal::of(&status))?;
        Ok(answer.expect("a watch never ends without a word").message.expect("a message"))
    }

    /// Returns everything up to the first bookmark that will do, and that bookmark.
    pub(crate) async fn until(
        &mut self,
        will_do: impl Fn(&Bookmark) -> bool,
    ) -> (Vec<PostingEvent>, Bookmark) {
        let mut events = Vec::new();
        loop {
            match self.next().await.expect("a watch that goes on") {
                Answer::Event(event) => events.push(event),
                Answer::Bookmark(bookmark) if will_do(&bookmark) => return (events, bookmark),
                Answer::Bookmark(_) => {}
            }
        }
    }

    /// Returns the snapshot and the bookmark that completes it.
    pub(crate) async fn snapshot(&mut self) -> (Vec<PostingEvent>, Bookmark) {
        let (events, bookmark) = self.until(|bookmark| bookmark.snapshot_complete).await;
        assert!(events.iter().all(|event| event.kind() == EventKind::Snapshot));
        assert!(events.iter().all(|event| event.position == bookmark.position));
        (events, bookmark)
    }

    /// Returns all events up to a position, by waiting for a bookmark there or after it.
    pub(crate) async fn up_to(&mut self, position: i64) -> (Vec<PostingEvent>, Bookmark) {
        self.until(|bookmark| bookmark.position >= position).await
    }

    /// Returns the next events, as many as asked for.
    pub(crate) async fn events(&mut self, count: usize) -> Vec<PostingEvent> {
        let mut events = Vec::new();
        while events.len() < count {
            if let Answer::Event(event) = self.next().await.expect("a watch that goes on") {
                events.push(event);
            }
        }
        events
    }

    /// Returns why the watch ended, and the bookmarks before that.
    pub(crate) async fn end(&mut self) -> (Vec<Bookmark>, Refusal) {
        let mut bookmarks = Vec::new();
        loop {
            match self.next().await {
                Ok(Answer::Bookmark(bookmark)) => bookmarks.push(bookmark),
                Ok(Answer::Event(_)) => {}
                Err(refusal) => return (bookmarks, refusal),
            }
        }
    }
}

/// A watch that must be refused; returns why.
pub(crate) async fn refused(client: &Postings, request: WatchPostingsRequest) -> Refusal {
    match Watcher::start(client, request).await {
        Err(refusal) => refusal,
        Ok(mut watcher) => watcher.end().await.1,
    }
}

/// An event in one line: `ENTERED a7`.
pub(crate) fn told(event: &PostingEvent) -> String {
    let kind = event.kind().as_str_name().strip_prefix("EVENT_KIND_").unwrap();
    format!("{kind} {}", id(event))
}

/// The source's id of an event's posting.
pub(crate) fn id(event: &PostingEvent) -> String {
    record(event).key.as_ref().expect("a key").external_id.clone()
}

/// The record of an event.
pub(crate) fn record(event: &PostingEvent) -> &PostingRecord {
    event.record.as_ref().expect("an event with a record")
}

/// What a consumer holds after it has applied events, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Held(pub(crate) BTreeMap<String, PostingRecord>);

impl Held {
    /// Applies events in order. Whatever comes twice, or leaves without having been there, fails the story.
    pub(crate) fn apply(&mut self, events: &[PostingEvent]) {
        for event in events {
            let record = record(event).clone();
            let name = record.name.clone();
            let before = match event.kind() {
                EventKind::Left => {
                    assert_eq!(record.posting, None, "LEFT carries no content");
                    let gone = self.0.remove(&name);
                    assert!(gone.is_some(), "{name} left without having been there");
                    gone
                }
                _ => self.0.insert(name.clone(), record.clone()),
            };
            match event.kind() {
                EventKind::Snapshot | EventKind::Entered => {
                    assert_eq!(before, None, "{name} came twice");
                }
                EventKind::Changed | EventKind::Left => {
                    let before = before.unwrap_or_else(|| panic!("{name} changed from nowhere"));
                    assert_eq!(
                        before.revision + 1,
                        record.revision,
                        "a revision of {name} is missing"
                    );
                }
                EventKind::Unspecified => panic!("an event of no kind"),
            }
        }
    }
}
