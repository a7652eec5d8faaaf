//! Status lists that are kept elsewhere: only from where the registry says, only what holds, the last good one until its time is over.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use peshub::client::error::Refusal;
use peshub::credentials::domain::{Algorithm, Status};
use peshub::credentials::sdjwt::jws;
use peshub::credentials::sdjwt::key::SecretKey;
use peshub::credentials::status::Statuses;
use peshub::credentials::status::codec::{Bits, Entries};
use peshub::credentials::status::look::{Finding, Look, Place, Why};
use peshub::kernel::clock::{Clock as _, SystemClock};
use peshub::kernel::ids::IssuerId;
use peshub::pb::peshub::credentials::v1::{
    AddIssuerKeyRequest, AddStatusSignerRequest, CreateIssuerRequest, CredentialStatus, KeyUse,
    StatusEvent,
};
use peshub::platform::fetch::Reach;
use prost::Message as _;
use serde_json::{Value, json};

use crate::support::credentials::REGISTRAR;
use crate::support::issuing::count;
use crate::support::{TestHub, World, story, until, within};

/// What the server elsewhere answers, by path, and how often it was asked.
#[derive(Clone, Default)]
pub(crate) struct Elsewhere {
    answers: Arc<Mutex<HashMap<String, (u16, String)>>>,
    asked: Arc<Mutex<HashMap<String, u32>>>,
}

impl Elsewhere {
    pub(crate) fn put(&self, path: &str, body: String) {
        self.answers.lock().unwrap().insert(path.to_owned(), (200, body));
    }

    fn fail(&self, path: &str) {
        self.answers.lock().unwrap().insert(path.to_owned(), (503, String::new()));
    }

    fn asked(&self, path: &str) -> u32 {
        self.asked.lock().unwrap().get(path).copied().unwrap_or_default()
    }
}

pub(crate) async fn answer(
    State(elsewhere): State<Elsewhere>,
    Path(path): Path<String>,
) -> (StatusCode, String) {
    *elsewhere.asked.lock().unwrap().entry(path.clone()).or_default() += 1;
    let answers = elsewhere.answers.lock().unwrap();
    let (code, body) = answers.get(&path).cloned().unwrap_or((404, String::new()));
    (StatusCode::from_u16(code).unwrap(), body)
}

/// An issuer that issues elsewhere, and keeps its lists on a server of its own.
struct Far {
    elsewhere: Elsewhere,
    key: SecretKey,
    base: String,
    id: IssuerId,
    statuses: Statuses,
    server: tokio::task::JoinHandle<()>,
}

impl Far {
    async fn start(world: &World, hub: &TestHub) -> Self {
        let elsewhere = Elsewhere::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/lists/", listener.local_addr().unwrap());
        let routes =
            Router::new().route("/lists/{path}", get(answer)).with_state(elsewhere.clone());
        let server = tokio::spawn(async move {
            drop(axum::serve(listener, routes).await);
        });
        let mut registrar = hub.connect(REGISTRAR).await.issuers();
        let create = CreateIssuerRequest {
            name: "far".to_owned(),
            identifier: "https://far.example".to_owned(),
            display_name: "Far away".to_owned(),
            ..CreateIssuerRequest::default()
        };
        registrar.create_issuer(create).await.unwrap();
        let key = SecretKey::generate(Algorithm::Es256).unwrap();
        let add = AddIssuerKeyRequest {
            issuer: "far".to_owned(),
            public_jwk: key.public().to_jwk().to_string(),
            key_id: "lists".to_owned(),
            key_use: KeyUse::StatusLists.into(),
            valid_from: Some(prost_types::Timestamp { seconds: now() - 86_400, nanos: 0 }),
            ..AddIssuerKeyRequest::default()
        };
        registrar.add_issuer_key(add).await.unwrap();
        let signer = AddStatusSignerRequest {
            issuer: "far".to_owned(),
            uri_prefix: base.clone(),
            ..AddStatusSignerRequest::default()
        };
        registrar.add_status_signer(signer).await.unwrap();
        let id = sqlx::query_scalar("SELECT issuer_id FROM issuer WHERE name = 'far'");
        let id = IssuerId(id.fetch_one(&world.pool).await.unwrap());
        Self { elsewhere, key, base, id, statuses: world.statuses(hub), server }
    }

    async fn end(self) {
        self.server.abort();
        drop(self.server.await);
    }

    fn uri(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn claims(&self, path: &str, entries: &Entries) -> Value {
        json!({
            "sub": self.uri(path),
            "iat": now(),
            "exp": now() + 3_600,
            "ttl": 60,
            "status_list": {"bits": entries.bits().number(), "lst": entries.encode().unwrap()},
        })
    }

    fn signed(&self, claims: &Value) -> String {
        signed(claims, "statuslist+jwt", &self.key)
    }

    fn look(&self, path: &str, index: u64) -> Look {
        let uri = self.uri(path);
        let at = Place { issuer: self.id, signer: Some(self.id), uri: &uri, index };
        self.statuses.look_up(&at, SystemClock.now())
    }

    /// Waits until a look-up finds something that is wanted.
    async fn finds<T>(&self, path: &str, wanted: impl Fn(Look) -> Option<T>) -> T {
        until("the look-up", async || wanted(self.look(path, 3))).await
    }
}

pub(crate) fn known(look: Look) -> Option<Finding> {
    match look {
        Look::Known(found) => Some(found),
        _ => None,
    }
}

pub(crate) fn signed(claims: &Value, typ: &str, key: &SecretKey) -> String {
    jws::sign(typ, Some("lists"), claims.as_object().unwrap(), key).unwrap()
}

fn now() -> i64 {
    SystemClock.now().unix_timestamp()
}

/// A list whose place 3 has a value.
pub(crate) fn with(value: u8) -> Entries {
    let mut entries = Entries::zeros(Bits::Two, 16);
    entries.set(3, value);
    entries
}

/// Lets every list be fetched again at once.
pub(crate) async fn hurry(world: &World) {
    sqlx::query("UPDATE status_list SET due_at = now() WHERE shard IS NULL")
        .execute(&world.pool)
        .await
        .unwrap();
}

async fn failure(world: &World, uri: &str) -> String {
    until("the failure", async || {
        let failure = "SELECT failure FROM status_list WHERE uri = $1 AND failure IS NOT NULL";
        sqlx::query_scalar(failure).bind(uri).fetch_optional(&world.pool).await.unwrap()
    })
    .await
}

#[test]
fn a_list_that_is_kept_elsewhere_is_fetched_in_the_background() {
    story(async |world| {
        let (hub, other) = (world.hub().await, world.hub().await);
        let far = Far::start(world, &hub).await;
        far.elsewhere.put("good", far.signed(&far.claims("good", &with(2))));
        assert_eq!(far.look("good", 3), Look::Unavailable { why: Why::OnItsWay }, "nobody waits");
        let found = far.finds("good", known).await;
        assert_eq!((found.status, found.kept_here), (Status::Suspended, false));
        assert_eq!(found.as_of.unix_timestamp().abs_diff(now()) / 30, 0, "when it was signed");
        let fresh = found.fresh_until.unwrap().unix_timestamp() - now();
        assert!((30..=60).contains(&fresh), "{fresh} s");
        assert!(matches!(far.look("good", 0), Look::Known(it) if it.status == Status::Valid));
        assert_eq!(far.look("good", 64), Look::OutOfRange);
        assert_eq!(far.look("good", u64::MAX), Look::OutOfRange);
        let uri = far.uri("good");
        let foreign =
            Place { issuer: far.id, signer: Some(IssuerId(far.id.0 + 1)), uri: &uri, index: 3 };
        let look = far.statuses.look_up(&foreign, SystemClock.now());
        assert_eq!(look, Look::Unavailable { why: Why::ForeignList });
        // Every replica has it from the database; the server was asked once.
        let at = Place { issuer: far.id, signer: Some(far.id), uri: &uri, index: 3 };
        let there = world.statuses(&other);
        let look = there.look_up_waiting(&at, Duration::from_secs(10)).await;
        assert_eq!(known(look).unwrap().status, Status::Suspended);
        assert_eq!(far.elsewhere.asked("good"), 1);
        far.end().await;
    });
}

#[test]
fn nothing_is_fetched_from_where_the_registry_does_not_say() {
    story(async |world| {
        let hub = world.hub().await;
        let far = Far::start(world, &hub).await;
        let host = far.base.strip_suffix("/lists/").unwrap();
        let outside = format!("{host}/other/list");
        let at = Place { issuer: far.id, signer: None, uri: &outside, index: 0 };
        let look = far.statuses.look_up(&at, SystemClock.now());
        assert_eq!(look, Look::Unavailable { why: Why::NobodySigns });
        // Should somebody get it into the table all the same, it is not asked for either.
        sqlx::query(
            "INSERT INTO status_list (uri, issuer_id, bits, created_at, wanted_at, due_at) VALUES ($1, $2, 2, now(), now(), now())",
        )
        .bind(&outside)
        .bind(far.id.0)
        .execute(&world.pool)
        .await
        .unwrap();
        let why = failure(world, &outside).await;
        assert!(why.contains("nobody is registered"), "{why}");
        assert_eq!(far.elsewhere.asked.lock().unwrap().len(), 0);
        far.end().await;
    });
}

/// Lets the registry say that an issuer keeps its lists somewhere.
async fn keep_lists_at(hub: &TestHub, base: &str) -> Result<(), Refusal> {
    let signer = AddStatusSignerRequest {
        issuer: "far".to_owned(),
        uri_prefix: base.to_owned(),
        ..AddStatusSignerRequest::default()
    };
    let mut registrar = hub.connect(REGISTRAR).await.issuers();
    registrar.add_status_signer(signer).await.map(drop).map_err(|it| Refusal::of(&it))
}

#[test]
fn what_lies_within_the_network_is_asked_only_if_who_runs_the_hub_says_so() {
    story(async |world| {
        let open = world.hub().await;
        let far = Far::start(world, &open).await;
        world.stop(&open).await;
        let within_network = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = within_network.local_addr().unwrap().port();
        let base = format!("https://localhost:{port}/");
        let uri = format!("{base}list");
        let at = Place { issuer: far.id, signer: Some(far.id), uri: &uri, index: 0 };
        let hub = world.hub_reaching(Reach::Public).await;
        let number = keep_lists_at(&hub, &format!("https://127.0.0.1:{port}/")).await;
        assert_eq!(number.unwrap_err().reason, "FIELDS_INVALID");
        keep_lists_at(&hub, &base).await.unwrap();
        world.statuses(&hub).look_up_waiting(&at, Duration::ZERO).await;
        assert_eq!(failure(world, &uri).await, "its host has no public address");
        world.stop(&hub).await;
        let hub = world.hub_reaching(Reach::Anywhere).await;
        hurry(world).await;
        world.statuses(&hub).look_up_waiting(&at, Duration::ZERO).await;
        let (asked, _) = within("the question", within_network.accept()).await.unwrap();
        drop(asked);
        far.end().await;
    });
}

/// Zeros of a gibibyte, compressed, without the end that nobody gets to.
fn bomb() -> String {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.flush().unwrap();
    let head = encoder.get_ref().len();
    encoder.write_all(&vec![0; 1024 * 1024]).unwrap();
    encoder.flush().unwrap();
    let bytes = encoder.get_ref();
    URL_SAFE_NO_PAD.encode([&bytes[..head], &bytes[head..].repeat(1024)].concat())
}

#[test]
fn what_does_not_hold_is_not_believed() {
    story(async |world| {
        let hub = world.hub().await;
        let far = Far::start(world, &hub).await;
        let stranger = SecretKey::generate(Algorithm::Es256).unwrap();
        let changed = |path: &str, name: &str, value: Value| {
            let mut claims = far.claims(path, &with(0));
            match name.split_once('.') {
                Some((outer, inner)) => claims[outer][inner] = value,
                None => claims[name] = value,
            }
            far.signed(&claims)
        };
        let without = |path: &str, name: &str| {
            let mut claims = far.claims(path, &with(0));
            claims.as_object_mut().unwrap().remove(name);
            far.signed(&claims)
        };
        let plain = far.claims("typ", &with(0));
        let cases = [
            ("sub", changed("sub", "sub", far.uri("other").into()), "sub is not"),
            ("typ", signed(&plain, "JWT", &far.key), "typ is another one"),
            (
                "signature",
                signed(&far.claims("signature", &with(0)), "statuslist+jwt", &stranger),
                "does not hold",
            ),
            ("future", changed("future", "iat", (now() + 3_600).into()), "iat lies in the future"),
            ("iat", without("iat", "iat"), "there is no iat"),
            ("over", changed("over", "exp", (now() - 1).into()), "exp lies in the past"),
            ("ttl", changed("ttl", "ttl", 0.into()), "ttl is no positive number"),
            ("bits", changed("bits", "status_list.bits", 3.into()), "1, 2, 4 or 8 bits"),
            ("bomb", changed("bomb", "status_list.lst", bomb().into()), "inflates to more than"),
            ("zlib", changed("zlib", "status_list.lst", "AAAA".into()), "no whole zlib stream"),
            ("list", without("list", "status_list"), "there is no status_list"),
            ("large", "x".repeat(5 << 20), "too large"),
            ("nonsense", "nonsense".to_owned(), "three parts"),
        ];
        for (path, body, _) in &cases {
            far.elsewhere.put(path, body.clone());
            far.look(path, 3);
        }
        far.look("nothing", 3);
        for (path, _, expected) in &cases {
            let why = failure(world, &far.uri(path)).await;
            assert!(why.contains(expected), "{path}: {why}");
            let look = far.finds(path, |look| {
                (look != Look::Unavailable { why: Why::OnItsWay }).then_some(look)
            });
            assert_eq!(look.await, Look::Unavailable { why: Why::NotHad }, "{path}");
        }
        let why = failure(world, &far.uri("nothing")).await;
        assert!(why.contains("404"), "{why}");
        // It is tried again, later each time, and believed as soon as it holds.
        far.elsewhere.put("bomb", far.signed(&far.claims("bomb", &with(1))));
        hurry(world).await;
        let found = far.finds("bomb", known).await;
        assert_eq!(found.status, Status::Revoked);
        far.end().await;
    });
}

#[test]
fn the_last_good_list_counts_until_its_own_time_is_over() {
    story(async |world| {
        let hub = world.hub().await;
        let far = Far::start(world, &hub).await;
        let mut claims = far.claims("short", &with(0));
        claims["exp"] = (now() + 5).into();
        far.elsewhere.put("short", far.signed(&claims));
        far.finds("short", known).await;
        far.elsewhere.fail("short");
        hurry(world).await;
        let why = failure(world, &far.uri("short")).await;
        assert!(why.contains("503"), "{why}");
        assert!(known(far.look("short", 3)).is_some(), "it counts still");
        far.finds("short", |look| (look == Look::Unavailable { why: Why::Over }).then_some(()))
            .await;
        assert!(now() >= claims["exp"].as_i64().unwrap());

        // A token that is older than the one before is no news.
        far.elsewhere.put("back", far.signed(&far.claims("back", &with(1))));
        assert_eq!(far.finds("back", known).await.status, Status::Revoked);
        let mut older = far.claims("back", &with(0));
        older["iat"] = (now() - 60).into();
        far.elsewhere.put("back", far.signed(&older));
        hurry(world).await;
        let why = failure(world, &far.uri("back")).await;
        assert!(why.contains("older"), "{why}");
        assert_eq!(known(far.look("back", 3)).unwrap().status, Status::Revoked);
        far.end().await;
    });
}

#[test]
fn a_change_of_a_followed_place_is_told_and_kept_for_later() {
    story(async |world| {
        let hub = world.hub().await;
        let far = Far::start(world, &hub).await;
        far.elsewhere.put("news", far.signed(&far.claims("news", &with(0))));
        far.finds("news", known).await;
        let before = SystemClock.now();
        sqlx::query(
            "INSERT INTO credential_follow (list_id, idx, participant_id, handle, digest, until)
             SELECT l.list_id, f.idx, p.participant_id, 'handle', decode(repeat('ab', 32), 'hex'), now() + interval '1 day'
             FROM status_list l, participant p, (VALUES (3), (4)) AS f(idx)
             WHERE l.uri = $1 AND p.name IN ('platform-north', 'platform-south')",
        )
        .bind(far.uri("news"))
        .execute(&world.pool)
        .await
        .unwrap();
        far.elsewhere.put("news", far.signed(&far.claims("news", &with(1))));
        hurry(world).await;
        far.finds("news", |look| known(look).filter(|it| it.status == Status::Revoked)).await;
        let events: Vec<(Vec<u8>, Vec<String>)> =
            sqlx::query_as("SELECT header, facets FROM change_log WHERE topic = 2")
                .fetch_all(&world.pool)
                .await
                .unwrap();
        assert_eq!(events.len(), 1, "one event for what changed, for all who follow it");
        let (header, facets) = &events[0];
        let event = StatusEvent::decode(header.as_slice()).unwrap();
        assert_eq!(event.status(), CredentialStatus::Revoked);
        assert_eq!(facets.len(), 2);
        assert!(facets.iter().all(|facet| facet.starts_with("w:")), "{facets:?}");
        // The same again is nothing new.
        hurry(world).await;
        until("the fetch", async || (far.elsewhere.asked("news") >= 3).then_some(())).await;
        let uri = far.uri("news");
        until("the third version", async || {
            let version = "SELECT version FROM status_list WHERE uri LIKE '%/news'";
            (count(&world.pool, version).await == 3).then_some(())
        })
        .await;
        assert_eq!(count(&world.pool, "SELECT count(*) FROM change_log WHERE topic = 2").await, 1);
        let kept = "SELECT count(*) FROM status_list_version";
        assert_eq!(count(&world.pool, kept).await, 2, "only what differs is kept");
        let at = Place { issuer: far.id, signer: Some(far.id), uri: &uri, index: 3 };
        let then =
            async |instant| far.statuses.look_up_at(&at, instant, SystemClock.now()).await.unwrap();
        assert_eq!(known(then(before).await).unwrap().status, Status::Valid);
        assert_eq!(known(then(SystemClock.now()).await).unwrap().status, Status::Revoked);
        let unknown = then(before - Duration::from_hours(1)).await;
        assert_eq!(unknown, Look::Unavailable { why: Why::NotKnownThen });
        far.end().await;
    });
}
