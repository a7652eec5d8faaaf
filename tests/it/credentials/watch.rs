//! Watches of statuses: a platform learns of what it follows, of nothing else, and of everything, wherever it goes on.

use peshub::client::error::Refusal;
use peshub::credentials::sdjwt::jws::Jws;
use peshub::credentials::sdjwt::key::PublicKey;
use peshub::kernel::ids::Position;
use peshub::pb::peshub::credentials::v1::watch_statuses_response::Message;
use peshub::pb::peshub::credentials::v1::{
    CredentialStatus, IssuedCredential, ReinstateCredentialsRequest, StatusEvent, StatusReason,
    SuspendCredentialsRequest, UnfollowCredentialsRequest, VerdictOutcome, VerificationPolicy,
    WatchStatusesRequest, WatchStatusesResponse,
};
use peshub::pb::peshub::feed::v1::Bookmark;
use peshub::platform::db::Db;
use peshub::platform::feed::cursor::{Cursor, CursorKey};
use peshub::platform::feed::store;
use peshub::platform::permit::Permit;
use serde_json::Value;
use tonic::{Code, Streaming};

use crate::support::credentials::{ACADEMY, trusted};
use crate::support::issuing::{Credentials, issue_one, read, revoke};
use crate::support::wallet::{Verification, by_law, verify};
use crate::support::{TestHub, story, until, within};

const NORTH: &str = "platform-north";
const SOUTH: &str = "platform-south";

/// A watch, and what it said last of all.
struct Watch(Streaming<WatchStatusesResponse>);

impl Watch {
    async fn start(client: &mut Verification, cursor: &[u8]) -> Self {
        let request = WatchStatusesRequest { cursor: cursor.to_vec().into(), bookmark_seconds: 1 };
        let answer = within("the watch", client.watch_statuses(request)).await.unwrap();
        Self(answer.into_inner())
    }

    async fn next(&mut self) -> Result<Message, Refusal> {
        match within("a message", self.0.message()).await {
            Ok(Some(response)) => Ok(response.message.unwrap()),
            Ok(None) => panic!("the stream ended without a word"),
            Err(status) => Err(Refusal::of(&status)),
        }
    }

    async fn event(&mut self) -> StatusEvent {
        loop {
            if let Message::Event(event) = self.next().await.unwrap() {
                return event;
            }
        }
    }

    /// Returns the next bookmark, and fails if an event comes before it.
    async fn bookmark(&mut self) -> Bookmark {
        match self.next().await.unwrap() {
            Message::Bookmark(bookmark) => bookmark,
            Message::Event(event) => panic!("{event:?}"),
        }
    }
}

/// Verifies a credential and follows it; returns the follower's name for it. A replica may have to hear of the issuer first.
async fn follow(client: &mut Verification, issued: &IssuedCredential) -> String {
    let policy = VerificationPolicy { follow: true, ..VerificationPolicy::default() };
    let verdict = until("the verdict", async || {
        let mut client = client.clone();
        let verdict = verify(&mut client, &issued.sd_jwt, by_law(), policy.clone()).await.unwrap();
        (verdict.outcome() == VerdictOutcome::Valid).then_some(verdict)
    })
    .await;
    assert!(!verdict.handle.is_empty());
    verdict.handle
}

fn suspend(id: &str) -> SuspendCredentialsRequest {
    SuspendCredentialsRequest {
        credential_ids: vec![id.to_owned()],
        reason: StatusReason::UnderReview.into(),
        request_id: String::new(),
    }
}

/// Reads a statement that the hub signed.
async fn stated(hub: &TestHub, event: &StatusEvent) -> Value {
    let address = format!("http://{}/.well-known/peshub-keys", hub.public);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let keys = client.get(address).send().await.unwrap().text().await.unwrap();
    let keys: Value = serde_json::from_str(&keys).unwrap();
    let jws = Jws::read(&event.statement, Some("peshub-status+jwt"), 4_096).unwrap();
    let kid = jws.header().kid.clone().unwrap();
    let key = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == kid.as_str());
    jws.verify(&PublicKey::from_jwk(key.unwrap()).unwrap()).unwrap();
    Value::Object(jws.claims().unwrap())
}

async fn clients(hub: &TestHub, other: &TestHub) -> (Credentials, Verification, Verification) {
    (
        hub.connect(ACADEMY).await.credentials(),
        hub.connect(NORTH).await.verification(),
        other.connect(SOUTH).await.verification(),
    )
}

#[test]
fn a_platform_learns_of_what_it_follows_and_of_nothing_else() {
    story(async |world| {
        let (hub, other) = (world.hub().await, world.hub().await);
        let trusted = trusted(&hub).await;
        let (mut academy, mut north, mut south) = clients(&hub, &other).await;
        let (one, two) = (issue_one(&mut academy).await, issue_one(&mut academy).await);
        let ours = follow(&mut north, &one).await;
        let theirs = follow(&mut south, &one).await;
        assert_ne!(ours, theirs, "nobody finds out by names that it is the same");
        follow(&mut south, &two).await;
        let mut north_watch = Watch::start(&mut north, b"").await;
        let mut south_watch = Watch::start(&mut south, b"").await;
        north_watch.bookmark().await;
        south_watch.bookmark().await;
        academy.suspend_credentials(suspend(&two.credential_id)).await.unwrap();
        revoke(&mut academy, &[&one.credential_id]).await;
        let event = north_watch.event().await;
        assert_eq!(
            (event.handle.as_str(), event.status()),
            (ours.as_str(), CredentialStatus::Revoked)
        );
        let says = stated(&hub, &event).await;
        let digest = base64::Engine::encode(
            &base64::engine::general_purpose::URL_SAFE_NO_PAD,
            read(&one.sd_jwt, &trusted.key).digest,
        );
        let expected = serde_json::json!({
            "credential_sha256": digest,
            "iat": event.at.unwrap().seconds,
            "status": 1,
        });
        assert_eq!(says, expected);
        let suspended = south_watch.event().await;
        assert_eq!(suspended.status(), CredentialStatus::Suspended);
        let revoked = south_watch.event().await;
        assert_eq!(
            (revoked.handle.as_str(), revoked.status()),
            (theirs.as_str(), CredentialStatus::Revoked)
        );
        assert!(revoked.position > suspended.position);
        // The first hears of nothing more, and its bookmark says that nothing is missing.
        until("the bookmark", async || {
            (north_watch.bookmark().await.position >= revoked.position).then_some(())
        })
        .await;
        assert_ne!(event.statement, "", "signed");
    });
}

#[test]
fn a_watch_goes_on_where_it_was_and_who_unfollows_is_told_no_more() {
    story(async |world| {
        let hub = world.hub().await;
        trusted(&hub).await;
        let (mut academy, mut north, _) = clients(&hub, &hub).await;
        let issued = issue_one(&mut academy).await;
        let id = issued.credential_id.as_str();
        let handle = follow(&mut north, &issued).await;
        let mut watch = Watch::start(&mut north, b"").await;
        let start = watch.bookmark().await;
        academy.suspend_credentials(suspend(id)).await.unwrap();
        let first = watch.event().await;
        drop(watch);
        let reinstate = ReinstateCredentialsRequest {
            credential_ids: vec![id.to_owned()],
            ..ReinstateCredentialsRequest::default()
        };
        academy.reinstate_credentials(reinstate).await.unwrap();
        revoke(&mut academy, &[id]).await;
        // From the event on comes what followed it; from the start on, all of it again.
        let mut watch = Watch::start(&mut north, &first.cursor).await;
        let rest = [watch.event().await, watch.event().await];
        let told: Vec<_> = rest.iter().map(StatusEvent::status).collect();
        assert_eq!(told, [CredentialStatus::Valid, CredentialStatus::Revoked]);
        let mut watch = Watch::start(&mut north, &start.cursor).await;
        for expected in [&first, &rest[0], &rest[1]] {
            assert_eq!(&watch.event().await, expected);
        }
        let unfollow = UnfollowCredentialsRequest {
            handles: vec![handle, "nothing".to_owned()],
            request_id: String::new(),
        };
        let ended = north.unfollow_credentials(unfollow).await.unwrap().into_inner();
        assert_eq!(ended.ended, 1);
        let mut watch = Watch::start(&mut north, &start.cursor).await;
        until("the bookmark", async || {
            (watch.bookmark().await.position >= rest[1].position).then_some(())
        })
        .await;
    });
}

#[test]
fn a_cursor_that_leads_nowhere_is_told_apart() {
    story(async |world| {
        let hub = world.hub().await;
        trusted(&hub).await;
        let mut north = hub.connect(NORTH).await.verification();
        let db = Db::open(world.options.clone(), 2);
        let mut tx = db.read(&Permit::of_hub()).await.unwrap();
        let secret =
            store::shared_secret(tx.connection(), "cursor", b"", time::OffsetDateTime::UNIX_EPOCH);
        let key = CursorKey::new(&secret.await.unwrap());
        let (head, _) = store::probe(tx.connection()).await.unwrap();
        drop(tx);
        db.close().await;
        sqlx::query("UPDATE feed_head SET seq = seq + 10, oldest_seq = seq + 5")
            .execute(&world.pool)
            .await
            .unwrap();
        let mut check = async |cursor: Vec<u8>, code: Code, reason: &str| {
            let request = WatchStatusesRequest { cursor: cursor.into(), bookmark_seconds: 1 };
            let refusal = match north.watch_statuses(request).await {
                Ok(answer) => within("the end", answer.into_inner().message()).await.unwrap_err(),
                Err(refusal) => refusal,
            };
            let refusal = Refusal::of(&refusal);
            assert_eq!((refusal.code, refusal.reason.as_str()), (code, reason));
        };
        check(b"nonsense".to_vec(), Code::InvalidArgument, "CURSOR_INVALID").await;
        let old = key.seal(Cursor { epoch: head.epoch, position: Position(0) });
        check(old.to_vec(), Code::OutOfRange, "CURSOR_EXPIRED").await;
        let other_life = Cursor { epoch: uuid::Uuid::from_u128(7), position: head.position };
        check(key.seal(other_life).to_vec(), Code::OutOfRange, "FEED_REWOUND").await;
    });
}

#[test]
fn a_hub_that_stops_says_so_after_a_last_bookmark_and_another_goes_on() {
    story(async |world| {
        let (hub, other) = (world.hub().await, world.hub().await);
        trusted(&hub).await;
        let (mut academy, mut north, _) = clients(&other, &other).await;
        let issued = issue_one(&mut academy).await;
        follow(&mut north, &issued).await;
        let mut elsewhere = hub.connect(NORTH).await.verification();
        let mut watch = Watch::start(&mut elsewhere, b"").await;
        watch.bookmark().await;
        let ending = async {
            let mut last = None;
            loop {
                match watch.next().await {
                    Ok(Message::Bookmark(bookmark)) => last = Some(bookmark),
                    Ok(Message::Event(event)) => panic!("{event:?}"),
                    Err(refusal) => return (last.unwrap(), refusal),
                }
            }
        };
        let ((last, refusal), ()) = tokio::join!(ending, world.stop(&hub));
        assert!(last.closing);
        assert_eq!(refusal.reason, "SHUTTING_DOWN");
        revoke(&mut academy, &[&issued.credential_id]).await;
        let mut watch = Watch::start(&mut north, &last.cursor).await;
        assert_eq!(watch.event().await.status(), CredentialStatus::Revoked);
    });
}
