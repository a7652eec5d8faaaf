//! A trust directory that changes, callers with all kinds of credentials, and neighbours who must not notice.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use peshub::client::connect::{ClientIdentity, Connection, Options};
use peshub::client::error::Refusal;
use peshub::kernel::clock::{Clock as _, SystemClock};
use peshub::pb::peshub::participants::v1::GetCallerRequest;
use peshub::pb::peshub::postings::v1::BatchUpsertPostingsRequest;
use peshub::platform::pki::authority::{Authority, ListProfile, Profile, Revoked};
use peshub::platform::pki::{self, Identity, TRUST_DOMAIN};
use time::{Duration, OffsetDateTime};

use crate::support::postings::{in_any_state, posting, upsert};
use crate::support::watch::{Watcher, id, watching};
use crate::support::{Postings, TestHub, World, cluster, until, within};

pub(crate) const NORTH: &str = "platform-north";

/// Now, as the hub has it.
pub(crate) fn now() -> OffsetDateTime {
    SystemClock.now()
}

/// A trust directory with the authority of the world, and a hub that believes it.
pub(crate) struct Office {
    pub(crate) dir: PathBuf,
    pub(crate) hub: TestHub,
}

impl Office {
    pub(crate) async fn open(world: &World) -> Self {
        let dir = directory(&world.ca.certificate());
        let hub = world.hub_believing(&dir).await;
        Self { dir, hub }
    }

    /// Writes a file of the development domain.
    pub(crate) fn write(&self, file: &str, text: &str) {
        self.write_in(TRUST_DOMAIN, file, text);
    }

    /// Writes a file of a domain.
    pub(crate) fn write_in(&self, domain: &str, file: &str, text: &str) {
        write(&self.dir, domain, file, text);
    }

    /// Removes a file of the development domain.
    pub(crate) fn remove(&self, file: &str) {
        std::fs::remove_file(self.dir.join(TRUST_DOMAIN).join(file)).unwrap();
    }

    /// How to connect with a certificate, or none.
    pub(crate) fn options(&self, identity: Option<&Identity>) -> Options {
        options(&self.hub, identity)
    }

    /// Calls on a fresh connection with a certificate; says who the hub takes the caller for, or why not.
    pub(crate) async fn call(&self, identity: Option<&Identity>) -> Result<String, Refusal> {
        call(&Connection::lazy(&self.options(identity)).unwrap()).await
    }

    /// Calls with a token.
    pub(crate) async fn call_with(
        &self,
        identity: Option<&Identity>,
        token: &str,
    ) -> Result<String, Refusal> {
        let options = Options { token: Some(token.to_owned()), ..self.options(identity) };
        call(&Connection::lazy(&options).unwrap()).await
    }
}

/// Makes a trust directory in which the development domain has an authority.
pub(crate) fn directory(authority: &str) -> PathBuf {
    let dir = cluster::directory("trust");
    write(&dir, TRUST_DOMAIN, "ca.pem", authority);
    dir
}

/// Writes a file of a domain as careful people do: beside it, and then in its place.
pub(crate) fn write(dir: &Path, domain: &str, file: &str, text: &str) {
    std::fs::create_dir_all(dir.join(domain)).unwrap();
    let fresh = dir.join(format!(".{domain}-{file}"));
    std::fs::write(&fresh, text).unwrap();
    std::fs::rename(fresh, dir.join(domain).join(file)).unwrap();
}

pub(crate) fn options(hub: &TestHub, identity: Option<&Identity>) -> Options {
    let identity = identity.map(|identity| ClientIdentity {
        certificate_pem: identity.certificate.clone(),
        key_pem: identity.key.clone(),
    });
    Options { identity, ..hub.options(NORTH) }
}

/// Says who the hub takes the caller for, or why not.
pub(crate) async fn call(connection: &Connection) -> Result<String, Refusal> {
    let mut client = connection.participants();
    let answer = within("an answer", client.get_caller(GetCallerRequest {})).await;
    let caller = answer.map_err(|status| Refusal::of(&status))?.into_inner();
    Ok(caller.participant.expect("a participant").name)
}

/// The reason of a refusal that the hub told.
pub(crate) fn reason(outcome: Result<String, Refusal>) -> String {
    let refusal = outcome.expect_err("a refusal");
    assert!(!refusal.is_transport, "{refusal}");
    refusal.reason
}

/// Waits until calls on a connection are refused, and returns why.
pub(crate) async fn refused_in_time(connection: &Connection) -> Refusal {
    until("a refusal", async || call(connection).await.err()).await
}

/// A client certificate of an authority.
pub(crate) fn client(authority: &Authority, uris: &[&str]) -> Profile {
    let uris: Vec<_> = uris.iter().map(|uri| (*uri).to_owned()).collect();
    assert!(!authority.certificate().is_empty());
    Profile::client("client", &uris, now(), Duration::days(1))
}

pub(crate) fn issue(authority: &Authority, profile: &Profile) -> Identity {
    authority.issue(profile).expect("a certificate").identity
}

/// An authority of some trust domain.
pub(crate) fn authority(trust_domain: &str) -> Authority {
    let made = Authority::create("another authority", trust_domain, now(), Duration::days(1));
    made.expect("an authority")
}

/// A revocation list that counts for some time from now.
pub(crate) fn list(
    authority: &Authority,
    number: u64,
    serials: &[&str],
    lasts: Duration,
) -> String {
    let revoked = serials.iter().map(|serial| Revoked { serial: (*serial).to_owned(), at: now() });
    let profile = ListProfile {
        number,
        this_update: now() - Duration::hours(2) + Duration::seconds(number.try_into().unwrap()),
        next_update: now() + lasts,
        revoked: revoked.collect(),
    };
    authority.revocation_list(&profile).expect("a list")
}

/// Registers one more identity of a participant's system.
pub(crate) async fn register(world: &World, participant: &str, issuer: &str, subject: &str) {
    let statement =
        "INSERT INTO system_identity (issuer, subject, system_id, valid_from, created_at)
        SELECT $1, $2, s.system_id, now(), now()
        FROM participant_system s JOIN participant p USING (participant_id) WHERE p.name = $3";
    let query = sqlx::query(statement).bind(issuer).bind(subject).bind(participant);
    assert_eq!(query.execute(&world.pool).await.unwrap().rows_affected(), 1);
}

/// Returns the URI name of a demo participant.
pub(crate) fn name(participant: &str) -> String {
    pki::participant_uri(participant)
}

/// A platform that sends and a bureau that watches, on connections that were there before.
pub(crate) struct Neighbours {
    south: Postings,
    watcher: Watcher,
    sent: usize,
    hub: Arc<TestHub>,
}

impl Neighbours {
    pub(crate) async fn of(hub: &TestHub) -> Self {
        let south = hub.postings("platform-south").await;
        let bureau = hub.postings("bureau-nation").await;
        let mut watcher = Watcher::start(&bureau, watching(in_any_state())).await.unwrap();
        watcher.snapshot().await;
        Self { south, watcher, sent: 0, hub: Arc::new(hub.clone()) }
    }

    /// Sends a posting on the old connection, and sees it arrive on the old stream; a new connection is taken, too.
    pub(crate) async fn go_on(&mut self) {
        self.sent += 1;
        let external_id = format!("s{}", self.sent);
        let request = BatchUpsertPostingsRequest {
            source: "platform-south".to_owned(),
            changes: vec![upsert(&external_id, posting("Baker", "330106"))],
            ..BatchUpsertPostingsRequest::default()
        };
        within("a batch", self.south.batch_upsert_postings(request)).await.expect("a batch");
        let events = self.watcher.events(1).await;
        assert_eq!(id(&events[0]), external_id);
        assert_eq!(
            call(&self.hub.connect("platform-south").await).await.unwrap(),
            "platform-south"
        );
    }
}
