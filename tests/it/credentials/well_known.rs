//! What anybody finds at the hub's public addresses, and what the hub finds at others'.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use axum::routing::get;
use peshub::credentials::domain::Algorithm;
use peshub::credentials::sdjwt::key::{PublicKey, SecretKey};
use peshub::kernel::clock::{Clock as _, SystemClock};
use peshub::pb::peshub::credentials::v1::{
    AddIssuerKeyRequest, CreateIssuerRequest, EndIssuerKeyRequest, GetIssuerRequest, IssuerKey,
    KeyEnd, KeyHolding, VerdictOutcome,
};
use prost_types::Timestamp;
use reqwest::header::{HeaderMap, IF_NONE_MATCH};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::credentials::{
    ACADEMY, Issuers, REGISTRAR, WELDING, accredit, add_key, create_issuer, publish, trusted,
    welding_claims, welding_type,
};
use crate::support::wallet::{look, said, sign};
use crate::support::{TestHub, World, story, until, within};

/// Asks a hub's public listener for something.
async fn ask(hub: &TestHub, path: &str) -> (StatusCode, HeaderMap, String) {
    let answer = reqwest::get(format!("http://{}{path}", hub.public)).await.unwrap();
    let (status, headers) = (answer.status(), answer.headers().clone());
    (status, headers, answer.text().await.unwrap())
}

async fn json_at(hub: &TestHub, path: &str) -> Value {
    let (status, _, body) = ask(hub, path).await;
    assert_eq!(status, StatusCode::OK, "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

async fn end(client: &mut Issuers, key_id: &str, end: KeyEnd, at: i64) {
    let request = EndIssuerKeyRequest {
        issuer: ACADEMY.to_owned(),
        key_id: key_id.to_owned(),
        end: end.into(),
        at: Some(Timestamp { seconds: at, nanos: 0 }),
        request_id: String::new(),
    };
    client.end_issuer_key(request).await.unwrap();
}

#[test]
fn an_issuer_tells_of_its_keys_retired_ones_too_and_never_of_lost_ones() {
    story(async |world| {
        let hub = world.hub().await;
        trusted(&hub).await;
        let now = SystemClock.now().unix_timestamp();
        let mut owner = hub.connect(ACADEMY).await.issuers();
        let retired = add_key(&mut owner, ACADEMY).await.key_id;
        end(&mut owner, &retired, KeyEnd::Retired, now + 1_000).await;
        let lost = add_key(&mut owner, ACADEMY).await.key_id;
        end(&mut owner, &lost, KeyEnd::Compromised, now).await;
        let address = "/.well-known/jwt-vc-issuer/issuers/academy-hangzhou";
        let told = json_at(&hub, address).await;
        assert_eq!(told["issuer"], "https://hub.example/issuers/academy-hangzhou");
        let keys = told["jwks"]["keys"].as_array().unwrap();
        assert_eq!(keys.len(), 2);
        for key in keys {
            assert!(PublicKey::from_jwk(key).is_ok());
            assert_eq!((&key["use"], &key["alg"]), (&json!("sig"), &json!("ES256")));
            assert!(key["nbf"].as_i64().unwrap() <= now + 60);
            let is_retired = key["kid"] == retired.as_str();
            assert_eq!(key.get("exp"), is_retired.then(|| json!(now + 1_000)).as_ref());
            assert_ne!(key["kid"], lost.as_str());
            assert_eq!(key.get("d"), None);
        }
        let set = json_at(&hub, "/issuers/academy-hangzhou/jwks.json").await;
        assert_eq!(set, told["jwks"]);
        assert_eq!(json_at(&hub, "/issuers/academy-hangzhou").await, told);
        // Who issues elsewhere is not spoken for.
        let mut registrar = hub.connect(REGISTRAR).await.issuers();
        let elsewhere = CreateIssuerRequest {
            name: "elsewhere".to_owned(),
            identifier: "https://a.example".to_owned(),
            display_name: "Elsewhere".to_owned(),
            ..CreateIssuerRequest::default()
        };
        registrar.create_issuer(elsewhere).await.unwrap();
        for path in [
            "/.well-known/jwt-vc-issuer/issuers/elsewhere",
            "/issuers/elsewhere/jwks.json",
            "/.well-known/jwt-vc-issuer/issuers/nobody",
            "/.well-known/jwt-vc-issuer",
            "/",
        ] {
            assert_eq!(ask(&hub, path).await.0, StatusCode::NOT_FOUND, "{path}");
        }
    });
}

#[test]
fn a_credential_type_is_described_where_its_name_leads() {
    story(async |world| {
        let hub = world.hub().await;
        let made = trusted(&hub).await;
        let path = made.credential_type.vct.strip_prefix("https://hub.example").unwrap();
        let (_, headers, body) = ask(&hub, path).await;
        assert_eq!(headers["content-type"], "application/json");
        let told: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(told["vct"], made.credential_type.vct);
        assert_eq!(told["name"], "Welding certificate");
        assert_eq!(told["display"][1], json!({"locale": "zh-CN", "name": "焊接证书"}));
        let claims = told["claims"].as_array().unwrap();
        let named = |path: Value| claims.iter().find(|it| it["path"] == path).unwrap();
        let expected = json!({
            "path": ["occupation"],
            "display": [{"locale": "en", "label": "occupation"}],
            "sd": "never",
            "mandatory": true,
        });
        assert_eq!(named(json!(["occupation"])), &expected);
        assert_eq!(named(json!(["issued_on"]))["sd"], "allowed");
        assert_eq!(named(json!(["skills", null]))["sd"], "always");
        let schema = told["schema_uri"].as_str().unwrap();
        let schema = schema.strip_prefix("https://hub.example").unwrap();
        let (_, headers, body) = ask(&hub, schema).await;
        assert_eq!(headers["content-type"], "application/schema+json");
        let sent: Value = serde_json::from_str(&welding_type().schema_json).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), sent);
        for path in ["0", "2", "x", "1/other"] {
            let path = format!("/credential-types/{WELDING}/{path}");
            let (status, ..) = ask(&hub, &path).await;
            assert!(status.is_client_error(), "{path}: {status}");
        }
    });
}

#[test]
fn the_hubs_own_keys_are_told_so_that_what_it_signs_can_be_verified() {
    story(async |world| {
        let hub = world.hub().await;
        let told = json_at(&hub, "/.well-known/peshub-keys").await;
        let keys = told["keys"].as_array().unwrap();
        assert_eq!(keys.len(), 1);
        let key = PublicKey::from_jwk(&keys[0]).unwrap();
        assert_eq!(key.algorithm(), Algorithm::EdDsa);
        let known: (String, Vec<u8>) = sqlx::query_as("SELECT key_id, public_key FROM signing_key")
            .fetch_one(&world.pool)
            .await
            .unwrap();
        assert_eq!(
            (keys[0]["kid"].as_str().unwrap(), key.point()),
            (known.0.as_str(), &known.1[..])
        );
    });
}

#[test]
fn what_a_client_has_is_not_sent_again_until_it_changes() {
    story(async |world| {
        let hub = world.hub().await;
        trusted(&hub).await;
        let address = format!("http://{}/issuers/academy-hangzhou/jwks.json", hub.public);
        let client = reqwest::Client::new();
        let first = client.get(&address).send().await.unwrap();
        assert_eq!(first.headers()["cache-control"], "public, max-age=300");
        assert_eq!(first.headers()["access-control-allow-origin"], "*");
        assert_eq!(first.headers()["content-type"], "application/jwk-set+json");
        let tag = first.headers()["etag"].clone();
        let length = first.text().await.unwrap().len();
        let again = client.get(&address).header(IF_NONE_MATCH, &tag).send().await.unwrap();
        assert_eq!((again.status(), &again.headers()["etag"]), (StatusCode::NOT_MODIFIED, &tag));
        assert_eq!(again.bytes().await.unwrap().len(), 0);
        let head = client.head(&address).send().await.unwrap();
        assert_eq!((head.status(), &head.headers()["etag"]), (StatusCode::OK, &tag));
        assert_eq!(head.headers()["content-length"], length.to_string().as_str());
        assert_eq!(head.bytes().await.unwrap().len(), 0);
        add_key(&mut hub.connect(ACADEMY).await.issuers(), ACADEMY).await;
        let changed = client.get(&address).header(IF_NONE_MATCH, &tag).send().await.unwrap();
        assert_eq!(changed.status(), StatusCode::OK);
        assert_ne!(changed.headers()["etag"], tag);
        // A page in a browser asks beforehand whether it may say what it has.
        let request = client.request(reqwest::Method::OPTIONS, &address);
        let asked = request.header("access-control-request-headers", "if-none-match").send();
        let asked = asked.await.unwrap();
        assert_eq!(asked.status(), StatusCode::NO_CONTENT);
        assert_eq!(asked.headers()["access-control-allow-headers"], "If-None-Match");
        for method in [reqwest::Method::POST, reqwest::Method::PUT, reqwest::Method::DELETE] {
            let answer = client.request(method.clone(), &address).body("x").send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{method}");
        }
    });
}

/// Says something to the public listener and returns all that comes back until it ends.
async fn say(hub: &TestHub, words: &[u8]) -> String {
    let mut stream = TcpStream::connect(hub.public).await.unwrap();
    // A listener that has heard enough does not wait for the rest.
    stream.write_all(words).await.unwrap_or_default();
    let mut heard = Vec::new();
    let all = stream.read_to_end(&mut heard);
    within("the end of the connection", all).await.map_or_else(drop, drop);
    String::from_utf8_lossy(&heard).into_owned()
}

#[test]
fn the_public_listener_bounds_what_it_takes() {
    story(async |world| {
        let hub = world.hub().await;
        let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(64 * 1024));
        let heard = say(&hub, long.as_bytes()).await;
        assert!(heard.is_empty() || heard.starts_with("HTTP/1.1 431"), "{heard}");
        let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(500));
        let heard = say(&hub, many.as_bytes()).await;
        assert!(heard.is_empty() || heard.starts_with("HTTP/1.1 431"), "{heard}");
        let heard = say(&hub, b"nonsense\r\n\r\n").await;
        assert!(heard.is_empty() || heard.starts_with("HTTP/1.1 400"), "{heard}");
        // A body is never read: the connection ends with the answer.
        let body = b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nxxxx";
        let heard = say(&hub, body).await;
        assert!(
            heard.starts_with("HTTP/1.1 404") && heard.contains("connection: close"),
            "{heard}"
        );
        // HTTP/2 without TLS is not spoken here.
        let heard = say(&hub, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        assert!(!heard.starts_with("HTTP/1.1 2"), "{heard}");
        // Somebody who says nothing more keeps nobody else from being served, nor the hub from stopping.
        let mut silent = Vec::new();
        for _ in 0..20 {
            let mut stream = TcpStream::connect(hub.public).await.unwrap();
            stream.write_all(b"GET / HT").await.unwrap();
            silent.push(stream);
        }
        assert_eq!(ask(&hub, "/").await.0, StatusCode::NOT_FOUND);
        world.stop(&hub).await;
        drop(silent);
    });
}

/// An issuer elsewhere, which tells of itself what it is told to tell.
struct Elsewhere {
    address: SocketAddr,
    told: Arc<Mutex<(StatusCode, String)>>,
    asked: Arc<Mutex<u32>>,
    task: tokio::task::JoinHandle<()>,
}

impl Elsewhere {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let told = Arc::new(Mutex::new((StatusCode::NOT_FOUND, String::new())));
        let (telling, asked) = (Arc::clone(&told), Arc::new(Mutex::new(0)));
        let counting = Arc::clone(&asked);
        let answer = move || {
            *counting.lock().unwrap() += 1;
            let answer = telling.lock().unwrap().clone();
            async move { answer.into_response() }
        };
        let router = Router::new()
            .route("/.well-known/jwt-vc-issuer/academy", get(answer.clone()))
            .route("/moved", get(answer));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, told, asked, task }
    }

    fn identifier(&self) -> String {
        format!("http://{}/academy", self.address)
    }

    fn tells(&self, status: StatusCode, body: &Value) {
        *self.told.lock().unwrap() = (status, body.to_string());
    }

    /// Tells of keys, by id.
    fn tells_keys(&self, keys: &[(&str, &SecretKey)]) {
        let keys: Vec<_> = keys
            .iter()
            .map(|(kid, key)| {
                let mut jwk = key.public().to_jwk();
                jwk["kid"] = json!(kid);
                jwk
            })
            .collect();
        let body = json!({"issuer": self.identifier(), "jwks": {"keys": keys}});
        self.tells(StatusCode::OK, &body);
    }

    fn times_asked(&self) -> u32 {
        *self.asked.lock().unwrap()
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn discovering(hub: &TestHub, elsewhere: &Elsewhere) {
    let request = CreateIssuerRequest {
        name: "elsewhere".to_owned(),
        identifier: elsewhere.identifier(),
        display_name: "An academy elsewhere".to_owned(),
        discovers_keys: true,
        ..CreateIssuerRequest::default()
    };
    hub.connect(REGISTRAR).await.issuers().create_issuer(request).await.unwrap();
}

async fn keys(hub: &TestHub) -> Vec<IssuerKey> {
    let request = GetIssuerRequest { issuer: "elsewhere".to_owned() };
    let mut client = hub.connect("platform-north").await.issuers();
    client.get_issuer(request).await.unwrap().into_inner().issuer.unwrap().keys
}

/// Waits until the keys that have not ended are those of some ids.
async fn until_keys(hub: &TestHub, expected: &[&str]) {
    until("the keys", async || {
        let all = keys(hub).await;
        let mut there: Vec<_> = all.iter().filter(|key| key.retired_at.is_none()).collect();
        there.sort_by(|one, other| one.key_id.cmp(&other.key_id));
        let there: Vec<_> = there.iter().map(|key| key.key_id.as_str()).collect();
        (there == expected).then_some(())
    })
    .await;
}

/// Lets the keys that are there be two hours old.
async fn settle(world: &World) {
    sqlx::query("UPDATE issuer_key SET added_at = added_at - interval '2 hours'")
        .execute(&world.pool)
        .await
        .unwrap();
}

fn fresh() -> SecretKey {
    SecretKey::generate(Algorithm::Es256).unwrap()
}

#[test]
fn keys_of_an_issuer_elsewhere_enter_when_they_are_first_seen_and_are_retired_when_they_are_gone() {
    story(async |world| {
        let elsewhere = Elsewhere::start().await;
        let (one, two) = (fresh(), fresh());
        elsewhere.tells_keys(&[("one", &one)]);
        let hub = world.hub().await;
        let before = SystemClock.now().unix_timestamp();
        discovering(&hub, &elsewhere).await;
        until_keys(&hub, &["one"]).await;
        let [found] = <[IssuerKey; 1]>::try_from(keys(&hub).await).unwrap();
        assert_eq!(found.holding, i32::from(KeyHolding::Discovered));
        assert_eq!(found.public_jwk, one.public().to_jwk().to_string());
        assert!(found.valid_from.unwrap().seconds >= before, "from when it was first seen");
        // What was found a moment ago is not gone when a cache lacks it.
        elsewhere.tells_keys(&[("two", &two)]);
        let next = world.hub().await;
        until_keys(&next, &["one", "two"]).await;
        world.stop(&next).await;
        settle(world).await;
        // The next look-up: what has come enters, what is gone is retired. Another hub looks at its own pace, and at once.
        elsewhere.tells_keys(&[("two", &two)]);
        let other = world.hub().await;
        until_keys(&other, &["two"]).await;
        let gone = keys(&other).await.into_iter().find(|key| key.key_id == "one").unwrap();
        assert!(gone.retired_at.unwrap().seconds >= before);
        assert!(gone.compromised_at.is_none(), "what it signed before stays good");
        // What is retired does not come back, and an id is never another key.
        elsewhere.tells_keys(&[("one", &one), ("two", &fresh()), ("three", &fresh())]);
        settle(world).await;
        let third = world.hub().await;
        until_keys(&third, &["three"]).await;
    });
}

#[test]
fn an_answer_that_cannot_be_right_changes_nothing() {
    story(async |world| {
        let elsewhere = Elsewhere::start().await;
        let one = fresh();
        elsewhere.tells_keys(&[("one", &one)]);
        let hub = world.hub().await;
        discovering(&hub, &elsewhere).await;
        until_keys(&hub, &["one"]).await;
        world.stop(&hub).await;
        let mut jwk = fresh().public().to_jwk();
        jwk["kid"] = json!("planted");
        let set = json!({"keys": [jwk]});
        let own = elsewhere.identifier();
        let moved = format!("http://{}/moved", elsewhere.address);
        for (status, body) in [
            (StatusCode::OK, json!({"issuer": "https://other.example", "jwks": set})),
            (StatusCode::OK, json!({"issuer": format!("{own}/"), "jwks": set})),
            (StatusCode::OK, json!({"issuer": own, "jwks": {"keys": []}})),
            (StatusCode::OK, json!({"issuer": own, "jwks": {"keys": [{"kty": "RSA"}]}})),
            (StatusCode::OK, json!({"issuer": own})),
            (StatusCode::OK, json!({"issuer": own, "jwks": set, "jwks_uri": moved})),
            (StatusCode::OK, json!({"issuer": own, "jwks_uri": "http://a.example/jwks"})),
            (StatusCode::OK, json!({"issuer": own, "jwks": set, "pad": "x".repeat(300_000)})),
            (StatusCode::OK, json!("nonsense")),
            (StatusCode::INTERNAL_SERVER_ERROR, json!({"issuer": own, "jwks": set})),
            (StatusCode::FOUND, json!({"issuer": own, "jwks": set})),
        ] {
            elsewhere.tells(status, &body);
            let before = elsewhere.times_asked();
            let hub = world.hub().await;
            until("a look-up", async || (elsewhere.times_asked() > before).then_some(())).await;
            // When a hub has stopped, what it was about to change is changed.
            world.stop(&hub).await;
            let found: Vec<(String, bool)> =
                sqlx::query_as("SELECT key_id, retired_at IS NULL FROM issuer_key")
                    .fetch_all(&world.pool)
                    .await
                    .unwrap();
            assert_eq!(found, [("one".to_owned(), true)], "{status} {:.80}", body.to_string());
        }
        // A sound answer after all of these does.
        elsewhere.tells_keys(&[("one", &one), ("next", &fresh())]);
        let hub = world.hub().await;
        until_keys(&hub, &["next", "one"]).await;
    });
}

#[test]
fn keys_that_a_registrar_entered_are_not_for_the_issuers_page_to_end() {
    story(async |world| {
        let elsewhere = Elsewhere::start().await;
        let hub = world.hub().await;
        discovering(&hub, &elsewhere).await;
        let entered = AddIssuerKeyRequest {
            issuer: "elsewhere".to_owned(),
            public_jwk: fresh().public().to_jwk().to_string(),
            key_id: "entered".to_owned(),
            ..AddIssuerKeyRequest::default()
        };
        hub.connect(REGISTRAR).await.issuers().add_issuer_key(entered).await.unwrap();
        elsewhere.tells_keys(&[("found", &fresh())]);
        let other = world.hub().await;
        until_keys(&other, &["entered", "found"]).await;
    });
}

#[test]
fn an_issuer_that_the_hub_knows_nothing_of_is_asked_nothing() {
    story(async |world| {
        let elsewhere = Elsewhere::start().await;
        let hub = world.hub().await;
        let mut registrar = hub.connect(REGISTRAR).await.issuers();
        create_issuer(&mut registrar, ACADEMY, ACADEMY).await;
        // It issues elsewhere, and its keys are entered by hand.
        let request = CreateIssuerRequest {
            name: "elsewhere".to_owned(),
            identifier: elsewhere.identifier(),
            display_name: "Elsewhere".to_owned(),
            ..CreateIssuerRequest::default()
        };
        registrar.create_issuer(request).await.unwrap();
        world.stop(&hub).await;
        world.stop(&world.hub().await).await;
        assert_eq!(elsewhere.times_asked(), 0);
    });
}

#[test]
fn a_credential_with_a_key_that_is_new_at_its_issuer_is_believed_soon_after_it_was_met() {
    story(async |world| {
        let elsewhere = Elsewhere::start().await;
        let (before, after) = (fresh(), fresh());
        elsewhere.tells_keys(&[("before", &before)]);
        let hub = world.hub().await;
        discovering(&hub, &elsewhere).await;
        until_keys(&hub, &["before"]).await;
        let mut registrar = hub.connect(REGISTRAR).await.issuers();
        let it = publish(&mut registrar, welding_type()).await;
        accredit(&mut registrar, "elsewhere", WELDING).await;
        let Value::Object(mut claims) = welding_claims() else { panic!("no object") };
        claims.insert("iss".to_owned(), json!(elsewhere.identifier()));
        claims.insert("vct".to_owned(), json!(it.vct));
        claims.insert("iat".to_owned(), json!(SystemClock.now().unix_timestamp()));
        let mut verifier = hub.connect("bureau-hangzhou").await.verification();
        let known = sign(&before, Some("before"), claims.clone());
        assert_eq!(said(&look(&mut verifier, &known).await), (VerdictOutcome::Valid, ""));
        // The issuer changes its key. The hub would look again within five minutes, were it not for this.
        elsewhere.tells_keys(&[("before", &before), ("after", &after)]);
        let new = sign(&after, Some("after"), claims);
        let unknown = (VerdictOutcome::UntrustedIssuer, "key.known");
        assert_eq!(said(&look(&mut verifier, &new).await), unknown);
        until_keys(&hub, &["after", "before"]).await;
        assert_eq!(said(&look(&mut verifier, &new).await), (VerdictOutcome::Valid, ""));
    });
}
