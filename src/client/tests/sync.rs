use tonic::Code;

use crate::client::error::ClientError;
use crate::client::sync::{SyncOptions, SyncSession};
use crate::client::tests::hub::{Fault, Hub};
use crate::client::tests::{quick, start};
use crate::pb::peshub::postings::v1::{BatchAcknowledgement, PostingChange};

fn options() -> SyncOptions {
    SyncOptions { source: "jobs".to_owned(), retry: quick(), ..SyncOptions::default() }
}

fn batch(number: i64) -> Vec<PostingChange> {
    let change = |index: i64| PostingChange {
        external_id: format!("{number}-{index}"),
        source_revision: Some(number),
        ..PostingChange::default()
    };
    (0..3).map(change).collect()
}

/// Sends batches and returns the acknowledgements in the order they came.
async fn send_all(
    session: &mut SyncSession,
    count: i64,
) -> Result<Vec<BatchAcknowledgement>, ClientError> {
    let mut acknowledgements = Vec::new();
    for number in 1..=count {
        session.send(&batch(number)).await?;
        while let Some(acknowledgement) = session.received() {
            acknowledgements.push(acknowledgement);
        }
    }
    while let Some(acknowledgement) = session.acknowledgement().await? {
        acknowledgements.push(acknowledgement);
    }
    Ok(acknowledgements)
}

async fn exactly_once(faults: &[(i64, Fault)], replayed: &[i64], reconnects: u64) {
    let hub = Hub::default();
    for (batch_id, fault) in faults {
        hub.fault(*batch_id, fault.clone());
    }
    let connection = start(hub.clone()).await;
    let mut session = SyncSession::open(&connection, options()).await.unwrap();
    let acknowledgements = send_all(&mut session, 20).await.unwrap();

    let ids: Vec<i64> = acknowledgements.iter().map(|it| it.batch_id).collect();
    assert_eq!(ids, (1..=20).collect::<Vec<_>>(), "{faults:?}");
    assert_eq!(acknowledgements[7].position, 80);
    let stored: Vec<i64> = hub.state().stored.iter().map(|(id, _)| *id).collect();
    assert_eq!(stored, ids, "{faults:?}");
    let said: Vec<i64> =
        acknowledgements.iter().filter(|it| it.replayed).map(|it| it.batch_id).collect();
    for id in replayed {
        assert!(said.contains(id), "{faults:?}: {said:?} lacks {id}");
    }
    assert_eq!(session.reconnects(), reconnects, "{faults:?}");
    assert_eq!(session.finish().await.unwrap(), []);
}

#[tokio::test]
async fn every_batch_is_stored_and_acknowledged_once_whatever_breaks() {
    exactly_once(&[], &[], 0).await;
    exactly_once(&[(1, Fault::CutBeforeCommit)], &[], 1).await;
    exactly_once(&[(5, Fault::CutAfterCommit)], &[5], 1).await;
    exactly_once(&[(20, Fault::CutAfterCommit)], &[20], 1).await;
    exactly_once(&[(6, Fault::End), (6, Fault::End)], &[], 2).await;
    exactly_once(&[(3, Fault::AcknowledgeTwice), (4, Fault::CutAfterCommit)], &[4], 1).await;
    let unavailable = Fault::FailAfterCommit(Code::Unavailable, "SHUTTING_DOWN");
    exactly_once(&[(7, unavailable.clone()), (8, unavailable)], &[7, 8], 2).await;
    exactly_once(&[(9, Fault::Fail(Code::Aborted, "CONTENDED"))], &[], 1).await;
    exactly_once(
        &[
            (2, Fault::CutAfterCommit),
            (2, Fault::CutBeforeCommit),
            (3, Fault::CutAfterCommit),
            (11, Fault::Fail(Code::Unavailable, "STORE_UNAVAILABLE")),
            (11, Fault::CutAfterCommit),
            (20, Fault::End),
        ],
        &[2, 3, 11],
        6,
    )
    .await;
}

#[tokio::test]
async fn a_later_session_goes_on_where_the_lane_stands() {
    let hub = Hub::default();
    let connection = start(hub.clone()).await;
    let mut session = SyncSession::open(&connection, options()).await.unwrap();
    send_all(&mut session, 3).await.unwrap();
    session.finish().await.unwrap();

    let mut session = SyncSession::open(&connection, options()).await.unwrap();
    assert_eq!(session.limits().last_batch_id, 3);
    assert_eq!(session.send(&batch(4)).await.unwrap(), 4);
    let left = session.finish().await.unwrap();
    assert_eq!(left.iter().map(|it| it.batch_id).collect::<Vec<_>>(), [4]);
    assert_eq!(hub.state().opened[0].source, "jobs");
}

#[tokio::test]
async fn what_the_hub_refuses_for_good_ends_the_session() {
    let check = async |code, reason: &'static str| {
        let hub = Hub::default();
        hub.fault(3, Fault::Fail(code, reason));
        let connection = start(hub.clone()).await;
        let mut session = SyncSession::open(&connection, options()).await.unwrap();
        let error = send_all(&mut session, 9).await.unwrap_err();
        assert!(matches!(&error, ClientError::Refused(it) if it.code == code), "{error:?}");
        assert_eq!(error.reason(), reason);
        assert_eq!(hub.state().opened.len(), 1);
        assert_eq!(hub.state().last, 2);
    };
    check(Code::FailedPrecondition, "BATCH_OUT_OF_ORDER").await;
    check(Code::AlreadyExists, "BATCH_ID_REUSED").await;
    check(Code::Aborted, "LANE_TAKEN_OVER").await;
    check(Code::ResourceExhausted, "BATCH_TOO_LARGE").await;
    check(Code::Internal, "INTERNAL").await;
}

#[tokio::test]
async fn opening_is_tried_again_only_where_that_helps() {
    let hub = Hub::default();
    hub.state()
        .refusals
        .extend([(Code::Unavailable, "STORE_UNAVAILABLE"), (Code::Unavailable, "SHUTTING_DOWN")]);
    let connection = start(hub.clone()).await;
    SyncSession::open(&connection, options()).await.unwrap();

    hub.state().refusals.push_back((Code::InvalidArgument, "FIELDS_INVALID"));
    let error = SyncSession::open(&connection, options()).await.unwrap_err();
    let ClientError::Refused(refusal) = error else { panic!("{error:?}") };
    assert_eq!(refusal.violations[0].field, "open.source");
    assert_eq!(
        refusal.to_string(),
        "InvalidArgument (FIELDS_INVALID): as the test wants it; open.source: at most 64 characters"
    );
}

#[tokio::test]
async fn a_lane_that_moved_is_not_written_on() {
    let hub = Hub::default();
    hub.fault(3, Fault::CutBeforeCommit);
    let connection = start(hub.clone()).await;
    let mut session = SyncSession::open(&connection, options()).await.unwrap();
    send_all(&mut session, 2).await.unwrap();
    // The hub is restored to a time before the acknowledged batches.
    hub.state().last = 1;
    session.send(&batch(3)).await.unwrap();
    let error = session.acknowledgement().await.unwrap_err();
    assert!(matches!(error, ClientError::LaneMoved { found: 1, expected: 3 }), "{error:?}");
}

#[tokio::test]
async fn a_batch_beyond_the_limits_is_not_sent() {
    let hub = Hub::default();
    let connection = start(hub.clone()).await;
    let mut session = SyncSession::open(&connection, options()).await.unwrap();
    let many = vec![PostingChange::default(); 1_001];
    let error = session.send(&many).await.unwrap_err();
    assert!(matches!(error, ClientError::BatchTooLarge { changes: 1_001, .. }), "{error:?}");
    // The session is as good as before.
    send_all(&mut session, 2).await.unwrap();
}

#[tokio::test]
async fn nothing_is_sent_beyond_the_credits() {
    let hub = Hub::default();
    let connection = start(hub.clone()).await;
    let mut session = SyncSession::open(&connection, options()).await.unwrap();
    for number in 1..=50 {
        session.send(&batch(number)).await.unwrap();
        assert!(session.unacknowledged() <= 4);
    }
    assert_eq!(session.finish().await.unwrap().len(), 50);
}

#[tokio::test]
async fn a_position_that_could_not_be_told_is_asked_for_again() {
    let hub = Hub::default();
    hub.fault(3, Fault::NoPosition);
    hub.fault(3, Fault::CutAfterCommit);
    hub.fault(3, Fault::NoPosition);
    let connection = start(hub.clone()).await;
    let mut session = SyncSession::open(&connection, options()).await.unwrap();
    assert_eq!(session.position().await.unwrap(), None);
    let acknowledgements = send_all(&mut session, 3).await.unwrap();
    assert_eq!(acknowledgements[2].position, 0);
    assert_eq!(session.position().await.unwrap(), Some(30));
    // It was stored once, and the lane goes on as if nothing had been asked.
    assert_eq!(session.send(&batch(4)).await.unwrap(), 4);
    assert_eq!(session.finish().await.unwrap().len(), 1);
    assert_eq!(hub.state().stored.len(), 4);
}
