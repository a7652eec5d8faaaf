//! Who has a stream open is looked up again and again; who does not stand any more is told so.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use http::{Request, Response};
use peshub::client::connect::Connection;
use peshub::kernel::clock::SystemClock;
use peshub::kernel::fault::Reason;
use peshub::platform::db::Db;
use peshub::platform::identity::{Identities, IdentityFault, IdentityLayer};
use peshub::platform::permit::{Caller, Environment};
use peshub::platform::pki::Identity;
use peshub::platform::tasks::Tasks;
use peshub::platform::tls::Peer;
use peshub::platform::trust::SharedTrust;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tonic::Code;
use tower::{Layer as _, ServiceExt as _};

use crate::identity::office::{Neighbours, Office, client, list, name, now};
use crate::support::postings::in_any_state;
use crate::support::sync::SyncStream;
use crate::support::watch::{Watcher, watching};
use crate::support::{World, story, until, within};

/// The layer that finds out who calls, by itself.
struct Door {
    identities: Identities,
    tasks: Tasks,
    db: Db,
}

impl Door {
    fn open(world: &World, office: &Office, environment: Environment) -> Self {
        let db = Db::open(world.options.clone(), 4);
        let trust = SharedTrust::open(Some(&office.dir), true).unwrap();
        let tasks = Tasks::default();
        drop(tasks.spawn(trust.clone().follow(Arc::new(SystemClock), tasks.stopping())));
        let identities = Identities::new(db.clone(), environment, trust, Arc::new(SystemClock));
        drop(tasks.spawn(identities.clone().watch(tasks.stopping())));
        Self { identities, tasks, db }
    }

    /// Returns who the layer says it is.
    async fn ask(
        &self,
        identity: Option<&Identity>,
        token: Option<&str>,
    ) -> Result<Caller, Reason> {
        let chain = identity
            .map(|it| vec![CertificateDer::from_pem_slice(it.certificate.as_bytes()).unwrap()]);
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let mut request = Request::new(());
        request.extensions_mut().insert(Peer::new(address, chain.as_deref()));
        if let Some(token) = token {
            let value = format!("Bearer {token}").parse().unwrap();
            request.headers_mut().insert(http::header::AUTHORIZATION, value);
        }
        let inner = tower::service_fn(async |request: Request<()>| {
            let (mut parts, ()) = request.into_parts();
            let mut response = Response::new(());
            if let Some(fault) = parts.extensions.remove::<IdentityFault>() {
                response.extensions_mut().insert(fault);
            }
            if let Some(caller) = parts.extensions.remove::<Caller>() {
                response.extensions_mut().insert(caller);
            }
            Ok::<_, Infallible>(response)
        });
        let layered = IdentityLayer(self.identities.clone()).layer(inner);
        let mut response = within("an answer", layered.oneshot(request)).await.unwrap();
        match response.extensions_mut().remove::<Caller>() {
            Some(caller) => Ok(caller),
            None => {
                let fault = response.extensions_mut().remove::<IdentityFault>();
                Err(fault.map_or(Reason::CallerUnknown, |fault| fault.to_fault().reason))
            }
        }
    }

    async fn close(self) {
        self.tasks.stop().await;
        self.db.close().await;
    }
}

async fn run(world: &World, statement: &'static str) {
    sqlx::raw_sql(statement).execute(&world.pool).await.unwrap();
}

/// Waits until a caller is told that it does not stand any more.
async fn ended(caller: &Caller) {
    let begun = std::time::Instant::now();
    within("the end of a caller's standing", caller.ending().ended()).await;
    eprintln!("{} ended after {:?}", caller.name(), begun.elapsed());
}

#[test]
fn who_does_not_stand_any_more_is_told_while_its_streams_are_open() {
    story(async |world| {
        let office = Office::open(world).await;
        let door = Door::open(world, &office, Environment::Development);
        let ca = world.ca.authority();
        let certificate = |who: &str| ca.issue(&client(ca, &[&name(who)])).unwrap();
        let north = certificate("platform-north");
        let caller = door.ask(Some(&north.identity), None).await.unwrap();
        let bureau = certificate("bureau-nation");
        let bystander = door.ask(Some(&bureau.identity), None).await.unwrap();
        let again = door.ask(Some(&north.identity), None).await.unwrap();
        assert_eq!(again.name(), "platform-north");

        // An organisation is locked out and let in again.
        run(world, "UPDATE participant SET disabled_at = now() WHERE name = 'platform-north'")
            .await;
        ended(&caller).await;
        ended(&again).await;
        let refused = door.ask(Some(&north.identity), None).await.unwrap_err();
        assert_eq!(refused, Reason::CallerDisabled);
        run(world, "UPDATE participant SET disabled_at = NULL").await;
        let caller =
            until("the caller", async || door.ask(Some(&north.identity), None).await.ok()).await;

        // A system is locked out; a role is taken away; a certificate's name is given back.
        run(
            world,
            "UPDATE participant_system s SET disabled_at = now() FROM participant p
            WHERE p.participant_id = s.participant_id AND p.name = 'platform-north'",
        )
        .await;
        ended(&caller).await;
        run(world, "UPDATE participant_system SET disabled_at = NULL").await;
        let caller =
            until("the caller", async || door.ask(Some(&north.identity), None).await.ok()).await;
        run(world, "DELETE FROM system_role r USING participant_system s, participant p
            WHERE r.system_id = s.system_id AND p.participant_id = s.participant_id AND p.name = 'platform-north'").await;
        ended(&caller).await;
        let caller = until("the caller", async || {
            door.ask(Some(&north.identity), None)
                .await
                .ok()
                .filter(|it| it.ending().reason().is_none())
        })
        .await;
        assert_eq!(caller.standing().roles, []);
        run(
            world,
            "UPDATE system_identity SET valid_until = now() WHERE subject LIKE '%/platform-north'",
        )
        .await;
        ended(&caller).await;
        let refused = door.ask(Some(&north.identity), None).await.unwrap_err();
        assert_eq!(refused, Reason::CallerUnknown);
        run(world, "UPDATE system_identity SET valid_until = NULL").await;
        let caller =
            until("the caller", async || door.ask(Some(&north.identity), None).await.ok()).await;

        // A certificate is revoked, while another one of the same name goes on.
        let other = certificate("platform-north");
        let with_other = door.ask(Some(&other.identity), None).await.unwrap();
        office.write("crl.pem", &list(ca, 1, &[&north.serial], time::Duration::hours(1)));
        ended(&caller).await;
        let refused = door.ask(Some(&north.identity), None).await.unwrap_err();
        assert_eq!(refused, Reason::CertificateRevoked);
        assert!(with_other.ending().reason().is_none());
        assert!(bystander.ending().reason().is_none(), "whom nothing was done to goes on");
        door.close().await;
    });
}

#[test]
fn a_token_of_the_hub_counts_until_its_time_is_over_or_it_is_taken_away() {
    story(async |world| {
        let office = Office::open(world).await;
        let door = Door::open(world, &office, Environment::Development);
        let give = "INSERT INTO system_token (token_sha256, system_id, created_at, expires_at)
            SELECT sha256($1::bytea), s.system_id, now(), now() + $2 * interval '1 second'
            FROM participant_system s JOIN participant p USING (participant_id) WHERE p.name = 'platform-north'";
        for (token, seconds) in [(&b"short"[..], 2_i32), (b"long", 3_600), (b"past", -1)] {
            sqlx::query(give).bind(token).bind(seconds).execute(&world.pool).await.unwrap();
        }
        let short = door.ask(None, Some("short")).await.unwrap();
        let long = door.ask(None, Some("long")).await.unwrap();
        assert_eq!(door.ask(None, Some("past")).await.unwrap_err(), Reason::TokenExpired);
        assert_eq!(door.ask(None, Some("other")).await.unwrap_err(), Reason::TokenInvalid);
        ended(&short).await;
        assert_eq!(door.ask(None, Some("short")).await.unwrap_err(), Reason::TokenExpired);
        assert!(long.ending().reason().is_none());
        run(world, "DELETE FROM system_token").await;
        ended(&long).await;
        assert_eq!(door.ask(None, Some("long")).await.unwrap_err(), Reason::TokenInvalid);
        door.close().await;
    });
}

#[test]
fn a_system_is_known_only_where_and_when_it_is_registered_for() {
    story(async |world| {
        let office = Office::open(world).await;
        let ca = world.ca.authority();
        let north = ca.issue(&client(ca, &[&name("platform-north")])).unwrap().identity;
        for environment in [Environment::Production, Environment::Test] {
            let door = Door::open(world, &office, environment);
            let refused = door.ask(Some(&north), None).await.unwrap_err();
            assert_eq!(refused, Reason::CallerUnknown, "{environment:?}");
            door.close().await;
        }
        let door = Door::open(world, &office, Environment::Development);
        run(world, "UPDATE system_identity SET valid_from = now() + interval '1 hour'").await;
        assert_eq!(door.ask(Some(&north), None).await.unwrap_err(), Reason::CallerUnknown);
        run(world, "UPDATE system_identity SET valid_from = now() - interval '1 hour'").await;
        until("the begin", async || door.ask(Some(&north), None).await.ok()).await;
        door.close().await;
        assert!(now().year() > 2_000);
    });
}

/// Connects with a certificate and opens a watch.
async fn watch(office: &Office, identity: &Identity) -> Watcher {
    let connection = Connection::open(&office.options(Some(identity))).await.unwrap();
    let mut watcher =
        Watcher::start(&connection.postings(), watching(in_any_state())).await.unwrap();
    watcher.snapshot().await;
    watcher
}

#[test]
fn open_streams_end_with_the_reason() {
    story(async |world| {
        let office = Office::open(world).await;
        let mut neighbours = Neighbours::of(&office.hub).await;
        let ca = world.ca.authority();
        let [zhejiang, hangzhou, north] = ["bureau-zhejiang", "bureau-hangzhou", "platform-north"]
            .map(|who| ca.issue(&client(ca, &[&name(who)])).unwrap());
        let mut revoked = watch(&office, &zhejiang.identity).await;
        let mut disabled = watch(&office, &hangzhou.identity).await;
        let connection = Connection::open(&office.options(Some(&north.identity))).await.unwrap();
        let (mut stream, _) = SyncStream::open(&connection, "platform-north").await;

        let serials = [&zhejiang.serial[..], &north.serial];
        office.write("crl.pem", &list(ca, 1, &serials, time::Duration::hours(1)));
        run(world, "UPDATE participant SET disabled_at = now() WHERE name = 'bureau-hangzhou'")
            .await;
        let begun = std::time::Instant::now();
        let (_, refusal) = within("the end of the stream", revoked.end()).await;
        assert_eq!(
            (refusal.code, &refusal.reason[..]),
            (Code::Unauthenticated, "CERTIFICATE_REVOKED")
        );
        let (_, refusal) = within("the end of the stream", disabled.end()).await;
        assert_eq!(
            (refusal.code, &refusal.reason[..]),
            (Code::PermissionDenied, "CALLER_DISABLED")
        );
        let refusal = stream.refusal().await;
        assert_eq!(refusal.reason, "CERTIFICATE_REVOKED");
        eprintln!("three streams ended after {:?}", begun.elapsed());
        neighbours.go_on().await;
    });
}
