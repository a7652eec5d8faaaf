//! How credentials stand: changed all or none, looked up in memory by every replica, told for any instant.

use std::time::{Duration, Instant};

use peshub::client::error::Refusal;
use peshub::credentials::domain::Status;
use peshub::credentials::status::Statuses;
use peshub::credentials::status::look::{Look, Place, Why};
use peshub::kernel::clock::{Clock as _, SystemClock};
use peshub::kernel::ids::IssuerId;
use peshub::pb::peshub::credentials::v1::{
    CredentialDraft, CredentialStatus, GetCredentialRequest, ReinstateCredentialsRequest,
    RevokeCredentialsRequest, StatusReason, SuspendCredentialsRequest,
};
use sqlx::Connection as _;

use crate::support::credentials::{ACADEMY, REGISTRAR, trusted};
use crate::support::issuing::{Credentials, count, draft, issue, issue_one, place, revoke};
use crate::support::{PUBLIC_URL, World, story, until, within};

fn suspend(ids: &[&str]) -> SuspendCredentialsRequest {
    SuspendCredentialsRequest {
        credential_ids: ids.iter().map(|&id| id.to_owned()).collect(),
        reason: StatusReason::UnderReview.into(),
        request_id: String::new(),
    }
}

fn reinstate(ids: &[&str]) -> ReinstateCredentialsRequest {
    ReinstateCredentialsRequest {
        credential_ids: ids.iter().map(|&id| id.to_owned()).collect(),
        ..ReinstateCredentialsRequest::default()
    }
}

fn revoking(ids: &[&str], request_id: &str) -> RevokeCredentialsRequest {
    RevokeCredentialsRequest {
        credential_ids: ids.iter().map(|&id| id.to_owned()).collect(),
        reason: StatusReason::Fraud.into(),
        request_id: request_id.to_owned(),
    }
}

async fn standing(client: &mut Credentials, id: &str) -> CredentialStatus {
    let request = GetCredentialRequest { credential_id: id.to_owned() };
    let answer = client.get_credential(request).await.unwrap().into_inner();
    answer.credential.unwrap().status()
}

/// The academy's number, which its lists belong to.
pub(crate) async fn issuer_id(world: &World) -> IssuerId {
    let id = sqlx::query_scalar("SELECT issuer_id FROM issuer WHERE name = $1").bind(ACADEMY);
    IssuerId(id.fetch_one(&world.pool).await.unwrap())
}

/// Waits until a look-up finds a status.
async fn stands(statuses: &Statuses, at: &Place<'_>, expected: Status) -> Duration {
    let begun = Instant::now();
    until("the status", async || match statuses.look_up(at, SystemClock.now()) {
        Look::Known(found) if found.status == expected => Some(()),
        _ => None,
    })
    .await;
    begun.elapsed()
}

#[test]
fn a_status_is_suspended_reinstated_and_revoked_for_ever() {
    story(async |world| {
        let hub = world.hub().await;
        trusted(&hub).await;
        let mut client = hub.connect(ACADEMY).await.credentials();
        let (one, two) = (issue_one(&mut client).await, issue_one(&mut client).await);
        let (one, two) = (one.credential_id.as_str(), two.credential_id.as_str());
        let done = client.suspend_credentials(suspend(&[one, two, one])).await.unwrap();
        assert_eq!(done.into_inner().changed, 2, "each once");
        let done = client.suspend_credentials(suspend(&[one])).await.unwrap();
        assert_eq!(done.into_inner().changed, 0);
        assert_eq!(standing(&mut client, one).await, CredentialStatus::Suspended);
        let done = client.reinstate_credentials(reinstate(&[one, two])).await.unwrap();
        assert_eq!(done.into_inner().changed, 2);
        let request = revoking(&[one], "once");
        let first = client.revoke_credentials(request.clone()).await.unwrap().into_inner();
        assert_eq!(first.changed, 1);
        let again = client.revoke_credentials(request).await.unwrap().into_inner();
        assert_eq!(first, again);
        let more = client.revoke_credentials(revoking(&[one], "")).await.unwrap().into_inner();
        assert_eq!(more.changed, 0, "revoking again changes nothing");

        // Where one cannot be changed, none is.
        for outcome in [
            client.suspend_credentials(suspend(&[two, one])).await.map(drop),
            client.reinstate_credentials(reinstate(&[two, one])).await.map(drop),
        ] {
            let refusal = Refusal::of(&outcome.unwrap_err());
            assert_eq!(refusal.reason, "CREDENTIAL_STATUS_FINAL");
            assert!(refusal.message.contains(one), "{refusal}");
        }
        let nobodys = uuid::Uuid::from_u128(7).to_string();
        for missing in [nobodys.as_str(), "nonsense"] {
            let refusal =
                client.revoke_credentials(revoking(&[two, missing], "")).await.unwrap_err();
            assert_eq!(Refusal::of(&refusal).reason, "CREDENTIAL_NOT_FOUND");
        }
        let mut stranger = hub.connect(REGISTRAR).await.credentials();
        let refusal = stranger.revoke_credentials(revoking(&[two], "")).await.unwrap_err();
        assert_eq!(Refusal::of(&refusal).reason, "CREDENTIAL_NOT_FOUND", "another's");
        assert_eq!(standing(&mut client, two).await, CredentialStatus::Valid);
        let placeless = CredentialDraft { without_status: true, ..draft() };
        let placeless = issue(&mut client, placeless).await.remove(0).credential_id;
        let refusal = client.revoke_credentials(revoking(&[&placeless], "")).await.unwrap_err();
        let refusal = Refusal::of(&refusal);
        assert_eq!(refusal.reason, "CREDENTIAL_STATUS_FINAL");
        assert!(refusal.message.contains("no place"), "{refusal}");

        let request = GetCredentialRequest { credential_id: one.to_owned() };
        let kept = client.get_credential(request).await.unwrap().into_inner().credential.unwrap();
        let told: Vec<_> = kept.changes.iter().map(|it| (it.status(), it.reason())).collect();
        let expected = [
            (CredentialStatus::Revoked, StatusReason::Fraud),
            (CredentialStatus::Valid, StatusReason::Unspecified),
            (CredentialStatus::Suspended, StatusReason::UnderReview),
        ];
        assert_eq!(told, expected, "the newest first");
    });
}

#[test]
fn every_replica_knows_of_a_change_and_as_of_when_it_knows() {
    story(async |world| {
        let (hub, other) = (world.hub().await, world.hub().await);
        trusted(&hub).await;
        let mut client = hub.connect(ACADEMY).await.credentials();
        let given = issue_one(&mut client).await;
        let spot = place(&given.sd_jwt);
        let issuer = issuer_id(world).await;
        let at = Place { issuer, signer: Some(issuer), uri: &spot.uri, index: spot.index };
        let (here, there) = (world.statuses(&hub), world.statuses(&other));
        for statuses in [&here, &there] {
            let first = statuses.look_up(&at, SystemClock.now());
            assert_eq!(
                first,
                Look::Unavailable { why: Why::OnItsWay },
                "it is loaded when asked for"
            );
            let before = SystemClock.now();
            let look = statuses.look_up_waiting(&at, Duration::from_secs(10)).await;
            let Look::Known(found) = look else { panic!("{look:?}") };
            assert_eq!((found.status, found.kept_here), (Status::Valid, true));
            assert!(found.as_of > before - Duration::from_secs(5));
            until("a later look", async || match statuses.look_up(&at, SystemClock.now()) {
                Look::Known(found) if found.as_of > before => Some(()),
                _ => None,
            })
            .await;
        }
        client.suspend_credentials(suspend(&[&given.credential_id])).await.unwrap();
        stands(&here, &at, Status::Suspended).await;
        stands(&there, &at, Status::Suspended).await;
        let suspended = SystemClock.now();
        revoke(&mut client, &[&given.credential_id]).await;
        stands(&here, &at, Status::Revoked).await;
        stands(&there, &at, Status::Revoked).await;

        let look = |at: Place<'_>| here.look_up(&at, SystemClock.now());
        assert_eq!(look(Place { index: 1 << 20, ..at }), Look::OutOfRange);
        assert_eq!(look(Place { index: u64::MAX, ..at }), Look::OutOfRange);
        let foreign = Place { issuer: IssuerId(issuer.0 + 1), ..at };
        assert_eq!(look(foreign), Look::Unavailable { why: Why::ForeignList });
        let nobody = Place { signer: None, uri: "https://elsewhere.example/1", ..at };
        assert_eq!(look(nobody), Look::Unavailable { why: Why::NobodySigns });
        let nothing = format!("{PUBLIC_URL}/status-lists/{ACADEMY}/7");
        let nothing = Place { uri: &nothing, ..at };
        let why = here.look_up_waiting(&nothing, Duration::from_secs(10)).await;
        assert_eq!(why, Look::Unavailable { why: Why::NoSuchList });

        // History tells any instant, as it was known at another one.
        let now = SystemClock.now();
        let then = async |instant, known_at| match here.look_up_at(&at, instant, known_at).await {
            Ok(Look::Known(found)) => found.status,
            other => panic!("{other:?}"),
        };
        assert_eq!(then(now, now).await, Status::Revoked);
        assert_eq!(then(suspended, now).await, Status::Suspended);
        assert_eq!(then(now, suspended).await, Status::Suspended, "as it was known then");
        let before = now - Duration::from_hours(1);
        assert_eq!(then(before, now).await, Status::Valid);
        let beyond = here.look_up_at(&Place { index: 1 << 20, ..at }, now, now).await.unwrap();
        assert_eq!(beyond, Look::OutOfRange);
    });
}

#[test]
fn what_waits_for_the_publisher_is_known_all_the_same() {
    story(async |world| {
        let hub = world.hub().await;
        trusted(&hub).await;
        let mut client = hub.connect(ACADEMY).await.credentials();
        let given = issue_one(&mut client).await;
        let spot = place(&given.sd_jwt);
        let issuer = issuer_id(world).await;
        let at = Place { issuer, signer: Some(issuer), uri: &spot.uri, index: spot.index };
        let statuses = world.statuses(&hub);
        statuses.look_up_waiting(&at, Duration::from_secs(10)).await;
        // Somebody holds the list: another publisher, which hangs.
        let mut hanging = sqlx::PgConnection::connect_with(&world.options).await.unwrap();
        let mut tx = hanging.begin().await.unwrap();
        sqlx::query("SELECT FROM status_list FOR NO KEY UPDATE").execute(&mut *tx).await.unwrap();
        let more = issue_one(&mut client).await;
        assert_ne!(place(&more.sd_jwt), spot, "issuing does not wait for it");
        revoke(&mut client, &[&given.credential_id]).await;
        stands(&statuses, &at, Status::Revoked).await;
        let waits = "SELECT count(*) FROM status_pending";
        assert_eq!(count(&world.pool, waits).await, 1);
        drop(tx);
        drop(hanging);
        until("the publisher", async || (count(&world.pool, waits).await == 0).then_some(())).await;
        assert!(
            matches!(statuses.look_up(&at, SystemClock.now()), Look::Known(it) if it.status == Status::Revoked)
        );
    });
}

#[test]
fn a_publisher_that_is_killed_midway_loses_and_repeats_nothing() {
    story(async |world| {
        let (hub, other) = (world.hub().await, world.hub().await);
        trusted(&hub).await;
        let mut client = hub.connect(ACADEMY).await.credentials();
        let mut ids = Vec::new();
        let mut places = Vec::new();
        for _ in 0..12 {
            let issued = issue_one(&mut client).await;
            places.push(place(&issued.sd_jwt));
            ids.push(issued.credential_id);
        }
        let issuer = issuer_id(world).await;
        let statuses = [world.statuses(&hub), world.statuses(&other)];
        let killing = async {
            for _ in 0..40 {
                // Whatever the hubs are at, except what the stories themselves and the sequencer are connected by.
                let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                            WHERE datname = current_database() AND pid <> pg_backend_pid()
                              AND application_name = 'peshub' AND query LIKE '%status_list%'";
                count(&world.pool, kill).await;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let changing = async {
            for id in &ids {
                let request = revoking(&[id.as_str()], id);
                until("the revocation", async || {
                    client.clone().revoke_credentials(request.clone()).await.ok()
                })
                .await;
            }
        };
        tokio::join!(killing, changing);
        for statuses in &statuses {
            for spot in &places {
                let at = Place { issuer, signer: Some(issuer), uri: &spot.uri, index: spot.index };
                within("the status", stands(statuses, &at, Status::Revoked)).await;
            }
        }
        let waits = "SELECT count(*) FROM status_pending";
        until("the publisher", async || (count(&world.pool, waits).await == 0).then_some(())).await;
        let changes = "SELECT count(*) FROM credential_status_change";
        assert_eq!(count(&world.pool, changes).await, 12);
    });
}
