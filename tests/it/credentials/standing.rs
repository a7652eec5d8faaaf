//! How a credential stands, as verdicts and watches tell it.

use axum::Router;
use axum::routing::get;
use peshub::pb::peshub::credentials::v1::watch_statuses_response::Message;
use peshub::pb::peshub::credentials::v1::{
    AddStatusSignerRequest, CredentialStatus, ReinstateCredentialsRequest, StatusEvent,
    StatusReason, SuspendCredentialsRequest, UnfollowCredentialsRequest, VerdictOutcome,
    VerificationPolicy, WatchStatusesRequest, WatchStatusesResponse,
};
use serde_json::{Value, json};
use time::Duration;
use tonic::Streaming;

use crate::credentials::elsewhere::{Elsewhere, answer, hurry, signed, with};
use crate::support::credentials::{ACADEMY, REGISTRAR, trusted};
use crate::support::issuing::{draft, issue, issue_one, revoke};
use crate::support::wallet::{
    School, Verification, Wallet, by_law, now, own_key, said, timestamp, verify,
};
use crate::support::{TestHub, World, story, until, within};

const NORTH: &str = "platform-north";
const SOUTH: &str = "platform-south";

fn following() -> VerificationPolicy {
    VerificationPolicy { follow: true, ..VerificationPolicy::default() }
}

async fn outcome(
    client: &mut Verification,
    presentation: &str,
    policy: VerificationPolicy,
) -> (VerdictOutcome, String) {
    let verdict = verify(client, presentation, by_law(), policy).await.unwrap();
    let (outcome, check) = said(&verdict);
    (outcome, check.to_owned())
}

async fn becomes(client: &mut Verification, presentation: &str, expected: VerdictOutcome) {
    until("the outcome", async || {
        let found = outcome(client, presentation, VerificationPolicy::default()).await.0;
        (found == expected).then_some(())
    })
    .await;
}

/// A watch of a platform.
struct Watching(Streaming<WatchStatusesResponse>);

impl Watching {
    async fn start(hub: &TestHub, who: &str) -> Self {
        let mut client = hub.connect(who).await.verification();
        let request = WatchStatusesRequest { bookmark_seconds: 1, ..Default::default() };
        let mut watching = Self(client.watch_statuses(request).await.unwrap().into_inner());
        // With the first bookmark it stands.
        watching.bookmark().await;
        watching
    }

    async fn next(&mut self) -> Message {
        within("a message", self.0.message()).await.unwrap().unwrap().message.unwrap()
    }

    async fn event(&mut self) -> StatusEvent {
        loop {
            if let Message::Event(event) = self.next().await {
                return event;
            }
        }
    }

    async fn bookmark(&mut self) -> Option<StatusEvent> {
        match self.next().await {
            Message::Bookmark(_) => None,
            Message::Event(event) => Some(event),
        }
    }
}

#[test]
fn what_is_suspended_reinstated_and_revoked_is_told_by_verdicts() {
    story(async |world| {
        let hub = world.hub().await;
        trusted(&hub).await;
        let mut academy = hub.connect(ACADEMY).await.credentials();
        let mut client = hub.connect(NORTH).await.verification();
        let issued = issue_one(&mut academy).await;
        let shown = Wallet::show(&issued.sd_jwt, &["level"]);
        let verdict =
            verify(&mut client, &shown, by_law(), VerificationPolicy::default()).await.unwrap();
        assert_eq!(said(&verdict), (VerdictOutcome::Valid, ""));
        let status = verdict.status.unwrap();
        assert!(status.kept_here && status.list_uri.contains("/status-lists/academy-hangzhou/"));
        let before = now();
        crate::support::until("the next second", async || (now() > before).then_some(())).await;
        let ids = vec![issued.credential_id.clone()];
        let suspend = SuspendCredentialsRequest {
            credential_ids: ids.clone(),
            reason: StatusReason::UnderReview.into(),
            request_id: String::new(),
        };
        academy.suspend_credentials(suspend).await.unwrap();
        becomes(&mut client, &shown, VerdictOutcome::Suspended).await;
        let reinstate =
            ReinstateCredentialsRequest { credential_ids: ids.clone(), ..Default::default() };
        academy.reinstate_credentials(reinstate).await.unwrap();
        becomes(&mut client, &shown, VerdictOutcome::Valid).await;
        revoke(&mut academy, &[&issued.credential_id]).await;
        becomes(&mut client, &shown, VerdictOutcome::Revoked).await;
        let as_of = |at| VerificationPolicy { as_of: Some(timestamp(at)), ..Default::default() };
        let then = outcome(&mut client, &shown, as_of(before)).await.0;
        assert!(matches!(then, VerdictOutcome::Valid), "{then:?}: it was valid then");
        // Instants are told in whole seconds here.
        until("the revocation in the past", async || {
            let today = outcome(&mut client, &shown, as_of(now())).await;
            (today == (VerdictOutcome::Revoked, "status.not_revoked".to_owned())).then_some(())
        })
        .await;
        let long_ago = outcome(&mut client, &shown, as_of(now() - Duration::days(2))).await.0;
        assert_eq!(long_ago, VerdictOutcome::NotYetValid);
        // Only a law gives the right to look back.
        let consent = Some(peshub::pb::peshub::credentials::v1::Grounds {
            consent_id: uuid::Uuid::nil().to_string(),
            ..Default::default()
        });
        let refusal = verify(&mut client, &shown, consent, as_of(before)).await.unwrap_err();
        assert_eq!(refusal.violations[0].field, "policy.as_of");
    });
}

#[test]
fn a_platform_is_told_of_what_it_follows_by_its_own_name_and_of_nothing_else() {
    story(async |world| {
        let hub = world.hub().await;
        trusted(&hub).await;
        let mut academy = hub.connect(ACADEMY).await.credentials();
        let (mut north, mut south) =
            (hub.connect(NORTH).await.verification(), hub.connect(SOUTH).await.verification());
        let (one, two, three) = (
            issue_one(&mut academy).await,
            issue_one(&mut academy).await,
            issue_one(&mut academy).await,
        );
        let handle = async |client: &mut Verification, sd_jwt: &str| {
            let shown = Wallet::show(sd_jwt, &["level"]);
            verify(client, &shown, by_law(), following()).await.unwrap().handle
        };
        let of_north = handle(&mut north, &one.sd_jwt).await;
        let of_south = handle(&mut south, &one.sd_jwt).await;
        let unwanted = handle(&mut north, &two.sd_jwt).await;
        assert_ne!(of_north, of_south);
        let unfollowed = Wallet::show(&three.sd_jwt, &[]);
        let found = outcome(&mut north, &unfollowed, VerificationPolicy::default()).await.0;
        assert_eq!(found, VerdictOutcome::Valid);
        let unfollow = |handles: &[&str]| UnfollowCredentialsRequest {
            handles: handles.iter().map(|&it| it.to_owned()).collect(),
            request_id: String::new(),
        };
        // Another's name for a credential is nothing to anybody else.
        let ended = south.unfollow_credentials(unfollow(&[&of_north, &unwanted])).await.unwrap();
        assert_eq!(ended.into_inner().ended, 0);
        let ended = north.unfollow_credentials(unfollow(&[&unwanted, "nothing"])).await.unwrap();
        assert_eq!(ended.into_inner().ended, 1);
        let mut of_norths = Watching::start(&hub, NORTH).await;
        let mut of_souths = Watching::start(&hub, SOUTH).await;
        revoke(&mut academy, &[&one.credential_id, &two.credential_id, &three.credential_id]).await;
        for (watching, handle) in [(&mut of_norths, &of_north), (&mut of_souths, &of_south)] {
            let event = watching.event().await;
            assert_eq!((&event.handle, event.status()), (handle, CredentialStatus::Revoked));
            assert_eq!(watching.bookmark().await, None, "nothing of the others");
        }
    });
}

#[test]
fn no_revocation_is_lost_between_a_verdict_and_following() {
    story(async |world| {
        let hub = world.hub().await;
        trusted(&hub).await;
        let mut academy = hub.connect(ACADEMY).await.credentials();
        let client = hub.connect(NORTH).await.verification();
        let mut watching = Watching::start(&hub, NORTH).await;
        let mut expected = std::collections::BTreeSet::new();
        for _ in 0..20 {
            let issued = issue_one(&mut academy).await;
            let shown = Wallet::show(&issued.sd_jwt, &["level"]);
            let (mut verifier, mut revoker) = (client.clone(), academy.clone());
            let ids = [issued.credential_id.as_str()];
            let (verdict, ()) = tokio::join!(
                verify(&mut verifier, &shown, by_law(), following()),
                revoke(&mut revoker, &ids)
            );
            let verdict = verdict.unwrap();
            match verdict.outcome() {
                // Told now, or told by the watch.
                VerdictOutcome::Revoked => {}
                VerdictOutcome::Valid => {
                    expected.insert(verdict.handle);
                }
                other => panic!("{other:?}"),
            }
        }
        let count = expected.len();
        while !expected.is_empty() {
            let event = watching.event().await;
            assert_eq!(event.status(), CredentialStatus::Revoked);
            expected.remove(&event.handle);
        }
        eprintln!("{count} of 20 were told by the watch");
    });
}

#[test]
fn what_is_revoked_during_a_stream_is_told_on_it() {
    story(async |world| {
        let hub = world.hub().await;
        trusted(&hub).await;
        let mut academy = hub.connect(ACADEMY).await.credentials();
        let issued = issue(&mut academy, draft()).await.remove(0);
        let shown = Wallet::show(&issued.sd_jwt, &["level"]);
        let mut asking = crate::credentials::stream::Asking::open(&hub, by_law()).await;
        let mut ask = async |number| {
            asking.batch(number, vec![shown.clone(); 3]).await;
            let answer = asking.answer().await.unwrap();
            let found = crate::credentials::stream::outcomes(&answer);
            assert!(found.windows(2).all(|two| two[0] == two[1]), "{found:?}");
            found[0]
        };
        assert_eq!(ask(1).await, VerdictOutcome::Valid);
        revoke(&mut academy, &[&issued.credential_id]).await;
        let mut number = 1;
        until("the revocation", async || {
            number += 1;
            (ask(number).await == VerdictOutcome::Revoked).then_some(())
        })
        .await;
    });
}

/// The academy's own status lists, on a server of its own.
async fn elsewhere(
    world: &World,
    hub: &TestHub,
) -> (Elsewhere, String, tokio::task::JoinHandle<()>) {
    let elsewhere = Elsewhere::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/lists/", listener.local_addr().unwrap());
    let routes = Router::new().route("/lists/{path}", get(answer)).with_state(elsewhere.clone());
    let server = tokio::spawn(async move { drop(axum::serve(listener, routes).await) });
    let signer = AddStatusSignerRequest {
        issuer: ACADEMY.to_owned(),
        uri_prefix: base.clone(),
        ..AddStatusSignerRequest::default()
    };
    hub.connect(REGISTRAR).await.issuers().add_status_signer(signer).await.unwrap();
    world.statuses(hub);
    (elsewhere, base, server)
}

#[test]
fn a_list_that_is_kept_elsewhere_must_be_had_and_be_new_enough() {
    story(async |world| {
        let hub = world.hub().await;
        let (school, wallet) = (School::found(&hub).await, Wallet::new());
        let lists = own_key(&hub, "lists").await;
        let (elsewhere, base, server) = elsewhere(world, &hub).await;
        let mut client = hub.connect(NORTH).await.verification();
        let uri = format!("{base}one");
        let status = json!({"status_list": {"uri": uri, "idx": 3}});
        let shown = Wallet::show(&school.issue_with(&wallet, &[("status", status)]), &["level"]);
        let beyond = json!({"status_list": {"uri": uri, "idx": 64}});
        let beyond = Wallet::show(&school.issue_with(&wallet, &[("status", beyond)]), &["level"]);
        let list = |age: i64, value: u8| -> Value {
            let entries = with(value);
            json!({
                "sub": uri,
                "iat": now().unix_timestamp() - age,
                "exp": now().unix_timestamp() + 86_400,
                "ttl": 43_200,
                "status_list": {"bits": entries.bits().number(), "lst": entries.encode().unwrap()},
            })
        };
        let usual = VerificationPolicy::default;
        let unavailable = (VerdictOutcome::StatusUnavailable, "status.list".to_owned());
        // The server has none: what cannot be known is not taken for good.
        assert_eq!(outcome(&mut client, &shown, usual()).await, unavailable);
        elsewhere.put("one", signed(&list(3_600, 0), "statuslist+jwt", &lists));
        hurry(world).await;
        becomes(&mut client, &shown, VerdictOutcome::Valid).await;
        let index = outcome(&mut client, &beyond, usual()).await;
        assert_eq!(index, (VerdictOutcome::StatusUnavailable, "status.index".to_owned()));
        let within = |seconds| VerificationPolicy { status_age_seconds_max: seconds, ..usual() };
        let stale = (VerdictOutcome::StatusStale, "status.fresh".to_owned());
        assert_eq!(outcome(&mut client, &shown, within(1_800)).await, stale);
        assert_eq!(outcome(&mut client, &shown, within(7_200)).await.0, VerdictOutcome::Valid);
        // Whoever follows it is told when it changes there.
        let verdict = verify(&mut client, &shown, by_law(), following()).await.unwrap();
        let mut watching = Watching::start(&hub, NORTH).await;
        elsewhere.put("one", signed(&list(0, 1), "statuslist+jwt", &lists));
        hurry(world).await;
        let event = watching.event().await;
        assert_eq!(
            (event.handle.as_str(), event.status()),
            (verdict.handle.as_str(), CredentialStatus::Revoked)
        );
        becomes(&mut client, &shown, VerdictOutcome::Revoked).await;
        server.abort();
        drop(server.await);
    });
}
