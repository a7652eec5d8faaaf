use tonic::Code;

use crate::client::error::ClientError;
use crate::client::tests::hub::{Hub, Step};
use crate::client::tests::{quick, start};
use crate::client::watch::{Restart, Watch, WatchItem, WatchOptions};
use crate::pb::peshub::feed::v1::{Bookmark, EventKind};
use crate::pb::peshub::postings::v1::watch_postings_response::Message as Answer;
use crate::pb::peshub::postings::v1::{PostingEvent, WatchPostingsResponse};

fn event(kind: EventKind, position: i64) -> Step {
    let cursor = match kind {
        EventKind::Snapshot => String::new(),
        _ => format!("c{position}"),
    };
    let event = PostingEvent { kind: kind.into(), position, cursor: cursor.into(), record: None };
    Step::Send(Box::new(WatchPostingsResponse { message: Some(Answer::Event(event)) }))
}

fn bookmark(position: i64, snapshot_complete: bool) -> Step {
    let bookmark = Bookmark {
        position,
        cursor: format!("c{position}").into(),
        snapshot_complete,
        ..Bookmark::default()
    };
    Step::Send(Box::new(WatchPostingsResponse { message: Some(Answer::Bookmark(bookmark)) }))
}

/// Plays one watch after the other and returns what came out, and the cursors and names it was asked with.
async fn check(consumer: &str, watches: &[&[Step]], expected: &str, asked: &str) {
    let hub = Hub::default();
    hub.state().watches = watches.iter().map(|steps| steps.to_vec()).collect();
    let connection = start(hub.clone()).await;
    let options =
        WatchOptions { consumer: consumer.to_owned(), retry: quick(), ..WatchOptions::default() };
    let mut watch = Watch::new(&connection, options);
    let mut shown = Vec::new();
    for _ in expected.split(' ') {
        let item = watch.next().await;
        if matches!(item, Ok(WatchItem::Event(_) | WatchItem::Bookmark(_))) {
            hub.received.send_modify(|received| *received += 1);
        }
        shown.push(match item {
            Ok(WatchItem::Event(event)) => {
                let kind = event.kind().as_str_name().trim_start_matches("EVENT_KIND_");
                let initial: String = kind.to_lowercase().chars().take(1).collect();
                format!("{initial}{}", event.position)
            }
            Ok(WatchItem::Bookmark(bookmark)) => format!("b{}", bookmark.position),
            Ok(WatchItem::Restart(restart)) => format!("{restart:?}"),
            Err(error) => error.reason().to_owned(),
        });
    }
    assert_eq!(shown.join(" "), expected);
    let cursors: Vec<String> = hub
        .state()
        .watched
        .iter()
        .map(|request| {
            let cursor = String::from_utf8_lossy(&request.cursor).into_owned();
            format!("{}@{cursor}", request.consumer)
        })
        .collect();
    assert_eq!(cursors.join(" "), asked);
}

#[tokio::test]
async fn a_watch_goes_on_after_every_break() {
    let begin = [
        event(EventKind::Snapshot, 4),
        event(EventKind::Snapshot, 4),
        bookmark(4, true),
        event(EventKind::Entered, 5),
        Step::Cut,
    ];
    let middle = [event(EventKind::Changed, 6), bookmark(9, false), Step::End];
    let end = [Step::Fail(Code::Unavailable, "SHUTTING_DOWN")];
    let last = [event(EventKind::Left, 12), Step::Idle];
    check("", &[&begin, &middle, &end, &last], "s4 s4 b4 e5 c6 b9 l12", "@ @c5 @c9 @c9").await;
}

#[tokio::test]
async fn a_snapshot_that_breaks_begins_again_and_says_so() {
    // The bookmark midway is a sign of life, not a place to go on from.
    let broken = [event(EventKind::Snapshot, 4), bookmark(4, false), Step::Cut];
    let unbegun = [Step::End];
    let whole = [event(EventKind::Snapshot, 7), bookmark(7, true), Step::Idle];
    check("", &[&unbegun, &broken, &whole], "s4 b4 SnapshotBroken s7 b7", "@ @ @").await;
}

#[tokio::test]
async fn a_cursor_that_is_of_no_use_leads_to_a_new_snapshot() {
    let first = [bookmark(3, false), Step::End];
    let expired = [Step::Fail(Code::OutOfRange, "CURSOR_EXPIRED")];
    let second = [event(EventKind::Snapshot, 90), bookmark(90, true), Step::End];
    let rewound = [Step::Fail(Code::OutOfRange, "FEED_REWOUND")];
    let third = [bookmark(5, true), event(EventKind::Changed, 6), Step::Idle];
    // Asked with its name the hub would resume at the cursor that has expired.
    check(
        "county",
        &[&first, &expired, &second, &rewound, &third],
        "b3 CursorExpired s90 b90 FeedRewound b5 c6",
        "county@ county@c3 @ county@c90 @",
    )
    .await;
}

#[tokio::test]
async fn what_the_hub_refuses_for_good_ends_the_watch() {
    let invalid = [Step::Fail(Code::InvalidArgument, "CURSOR_INVALID")];
    check("", &[&invalid], "CURSOR_INVALID", "@").await;
    let denied =
        [event(EventKind::Snapshot, 1), Step::Fail(Code::PermissionDenied, "ACTION_NOT_GRANTED")];
    check("", &[&denied], "s1 ACTION_NOT_GRANTED", "@").await;
    // A hub that says so of a watch without a cursor would say so for ever.
    let expired = [Step::Fail(Code::OutOfRange, "CURSOR_EXPIRED")];
    check("", &[&expired, &expired], "CursorExpired CURSOR_EXPIRED", "@ @").await;
}

#[tokio::test]
async fn a_named_consumer_tells_the_hub_how_far_it_is() {
    let hub = Hub::default();
    hub.state().watches = [vec![bookmark(8, true), Step::Idle]].into();
    let connection = start(hub.clone()).await;
    let options = WatchOptions { consumer: "county".to_owned(), ..WatchOptions::default() };
    let mut watch = Watch::new(&connection, options);
    watch.acknowledge().await.unwrap();
    watch.next().await.unwrap();
    watch.acknowledge().await.unwrap();
    let told = hub.state().acknowledged.clone();
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].consumer.as_str(), &told[0].cursor[..]), ("county", &b"c8"[..]));
}

#[tokio::test]
async fn as_a_stream_it_ends_after_the_first_error() {
    use futures_util::StreamExt as _;
    let hub = Hub::default();
    let steps = vec![bookmark(8, true), Step::Fail(Code::InvalidArgument, "CURSOR_INVALID")];
    hub.state().watches = [steps].into();
    let connection = start(hub.clone()).await;
    let items: Vec<Result<WatchItem, ClientError>> =
        Watch::new(&connection, WatchOptions::default()).into_stream().collect().await;
    assert_eq!(items.len(), 2);
    assert!(items[0].is_ok() && items[1].is_err());
    assert_ne!(Restart::CursorExpired, Restart::FeedRewound);
}
