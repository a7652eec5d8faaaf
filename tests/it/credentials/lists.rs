//! Status lists as the world gets them: signed, over HTTP, only those that changed signed anew; and the specification's own vectors.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use peshub::credentials::domain::Status;
use peshub::credentials::sdjwt::jws::Jws;
use peshub::credentials::sdjwt::key::PublicKey;
use peshub::credentials::status::book::{Keeping, List, ListBook};
use peshub::credentials::status::codec::{Bits, Entries};
use peshub::credentials::status::look::{Look, Place, Why};
use peshub::kernel::clock::{Clock as _, SystemClock};
use peshub::kernel::ids::{IssuerId, StatusListId};
use peshub::pb::peshub::credentials::v1::{AddIssuerKeyRequest, IssuerKey, KeyUse};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::credentials::data;
use crate::support::credentials::{
    ACADEMY, REGISTRAR, WELDING, accredit, create_issuer, publish, trusted, welding_type,
};
use crate::support::issuing::{count, draft, issue, issue_one, place, revoke};
use crate::support::{PUBLIC_URL, TestHub, story, until, within};

struct Answer {
    status: StatusCode,
    headers: reqwest::header::HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |it| it.to_str().unwrap())
    }
}

async fn ask(hub: &TestHub, method: Method, path: &str, known: Option<&str>) -> Answer {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = client.request(method, format!("http://{}{path}", hub.public));
    if let Some(known) = known {
        request = request.header("if-none-match", known);
    }
    let answer = within("the answer", request.send()).await.unwrap();
    let (status, headers) = (answer.status(), answer.headers().clone());
    Answer { status, headers, body: answer.text().await.unwrap() }
}

/// Waits for a list to be published.
async fn published(hub: &TestHub, path: &str) -> Answer {
    until("the list", async || {
        let answer = ask(hub, Method::GET, path, None).await;
        (answer.status == StatusCode::OK).then_some(answer)
    })
    .await
}

/// Reads a token that holds by a key.
fn token(body: &str, key: &IssuerKey) -> (Value, Entries) {
    let jwk: Value = serde_json::from_str(&key.public_jwk).unwrap();
    let jws = Jws::read(body, Some("statuslist+jwt"), 4 << 20).unwrap();
    jws.verify(&PublicKey::from_jwk(&jwk).unwrap()).unwrap();
    assert_eq!(jws.header().kid.as_deref(), Some(key.key_id.as_str()));
    let claims = Value::Object(jws.claims().unwrap());
    let list = &claims["status_list"];
    let entries =
        Entries::decode(list["bits"].as_i64().unwrap(), list["lst"].as_str().unwrap(), 1 << 20);
    (claims.clone(), entries.unwrap())
}

#[test]
fn a_list_is_published_signed_and_says_what_was_revoked() {
    story(async |world| {
        let hub = world.hub().await;
        let trusted = trusted(&hub).await;
        let mut client = hub.connect(ACADEMY).await.credentials();
        let path = format!("/status-lists/{ACADEMY}/0");
        assert_eq!(ask(&hub, Method::GET, &path, None).await.status, StatusCode::NOT_FOUND);
        let (one, two) = (issue_one(&mut client).await, issue_one(&mut client).await);
        let first = published(&hub, &path).await;
        assert_eq!(first.header("content-type"), "application/statuslist+jwt");
        assert_eq!(first.header("cache-control"), "public, max-age=300");
        let (claims, entries) = token(&first.body, &trusted.key);
        let uri = format!("{PUBLIC_URL}{path}");
        assert_eq!(claims["sub"], uri.as_str());
        assert_eq!(claims["ttl"], 300);
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 86_400);
        assert_eq!(entries.len(), 1 << 20, "a list tells nothing of how many there are");
        assert!((0..entries.len()).all(|index| entries.get(index) == Some(0)));

        let tag = first.header("etag").to_owned();
        assert!(tag.starts_with('"'), "{tag}");
        let known = ask(&hub, Method::GET, &path, Some(&tag)).await;
        assert_eq!((known.status, known.body.as_str()), (StatusCode::NOT_MODIFIED, ""));
        let head = ask(&hub, Method::HEAD, &path, None).await;
        assert_eq!((head.status, head.body.as_str()), (StatusCode::OK, ""));
        assert_eq!(head.header("etag"), tag);
        let earlier = ask(&hub, Method::GET, &format!("{path}?time=1686925000"), None).await;
        assert_eq!(earlier.status, StatusCode::NOT_IMPLEMENTED);
        for nothing in [
            "/status-lists/nobody/0",
            "/status-lists/academy-hangzhou/00",
            "/status-lists/academy-hangzhou/1",
        ] {
            let answer = ask(&hub, Method::GET, nothing, None).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{nothing}");
        }
        let all = ask(
            &hub,
            Method::GET,
            claims["status_list"]["aggregation_uri"]
                .as_str()
                .unwrap()
                .strip_prefix(PUBLIC_URL)
                .unwrap(),
            None,
        )
        .await;
        let all: Value = serde_json::from_str(&all.body).unwrap();
        assert_eq!(all, serde_json::json!({"status_lists": [uri]}));

        revoke(&mut client, &[&one.credential_id]).await;
        let changed = until("the new version", async || {
            let answer = ask(&hub, Method::GET, &path, Some(&tag)).await;
            (answer.status == StatusCode::OK).then_some(answer)
        })
        .await;
        let (_, entries) = token(&changed.body, &trusted.key);
        let revoked: Vec<u64> =
            (0..entries.len()).filter(|index| entries.get(*index) != Some(0)).collect();
        assert_eq!(revoked, [place(&one.sd_jwt).index]);
        assert_eq!(entries.get(revoked[0]), Some(1));
        assert_eq!(entries.get(place(&two.sd_jwt).index), Some(0));
    });
}

#[test]
fn only_what_changed_is_signed_anew() {
    story(async |world| {
        let hub = world.hub().await;
        trusted(&hub).await;
        let mut registrar = hub.connect(REGISTRAR).await.issuers();
        create_issuer(&mut registrar, "second", ACADEMY).await;
        crate::support::credentials::add_key(&mut hub.connect(ACADEMY).await.issuers(), "second")
            .await;
        accredit(&mut registrar, "second", WELDING).await;
        let mut client = hub.connect(ACADEMY).await.credentials();
        let one = issue_one(&mut client).await;
        let second = peshub::pb::peshub::credentials::v1::CredentialDraft {
            issuer: "second".to_owned(),
            ..draft()
        };
        issue(&mut client, second).await;
        let paths = [format!("/status-lists/{ACADEMY}/0"), "/status-lists/second/0".to_owned()];
        published(&hub, &paths[0]).await;
        let untouched = published(&hub, &paths[1]).await;
        let signatures = "SELECT count(*) FROM audit WHERE event = 'status_list.published'";
        assert_eq!(count(&world.pool, signatures).await, 2);
        revoke(&mut client, &[&one.credential_id]).await;
        until("the signature", async || (count(&world.pool, signatures).await == 3).then_some(()))
            .await;
        let again = ask(&hub, Method::GET, &paths[1], None).await;
        assert_eq!(again.body, untouched.body);
        // One that grew old is signed anew though nothing changed.
        sqlx::query("UPDATE status_list SET issued_at = issued_at - interval '61 minutes', published_at = published_at - interval '61 minutes' WHERE uri LIKE '%second%'")
            .execute(&world.pool)
            .await
            .unwrap();
        until("the signature", async || (count(&world.pool, signatures).await == 4).then_some(()))
            .await;
        let versions = "SELECT count(*) FROM status_list WHERE version = signed_version";
        assert_eq!(count(&world.pool, versions).await, 2);
    });
}

#[test]
fn a_list_of_few_is_not_published_but_known_to_the_hub() {
    story(async |world| {
        let hub = world.hub_with_population(3).await;
        trusted(&hub).await;
        let mut client = hub.connect(ACADEMY).await.credentials();
        let one = issue_one(&mut client).await;
        issue_one(&mut client).await;
        revoke(&mut client, &[&one.credential_id]).await;
        let spot = place(&one.sd_jwt);
        let issuer = crate::credentials::status::issuer_id(world).await;
        let at = Place { issuer, signer: Some(issuer), uri: &spot.uri, index: spot.index };
        let statuses = world.statuses(&hub);
        until("the status", async || match statuses.look_up(&at, SystemClock.now()) {
            Look::Known(found) if found.status == Status::Revoked => Some(()),
            _ => None,
        })
        .await;
        let waits = "SELECT count(*) FROM status_pending";
        until("the publisher", async || (count(&world.pool, waits).await == 0).then_some(())).await;
        let path = format!("/status-lists/{ACADEMY}/0");
        assert_eq!(ask(&hub, Method::GET, &path, None).await.status, StatusCode::NOT_FOUND);
        issue_one(&mut client).await;
        published(&hub, &path).await;
    });
}

#[test]
fn without_a_key_for_lists_the_hub_says_so_and_signs_as_soon_as_there_is_one() {
    story(async |world| {
        let hub = world.hub().await;
        let mut registrar = hub.connect(REGISTRAR).await.issuers();
        create_issuer(&mut registrar, ACADEMY, ACADEMY).await;
        publish(&mut registrar, welding_type()).await;
        accredit(&mut registrar, ACADEMY, WELDING).await;
        let mut academy = hub.connect(ACADEMY).await.issuers();
        let mut add = async |key_use: KeyUse| {
            let add = AddIssuerKeyRequest {
                issuer: ACADEMY.to_owned(),
                key_use: key_use.into(),
                ..AddIssuerKeyRequest::default()
            };
            academy.add_issuer_key(add).await.unwrap().into_inner().key.unwrap()
        };
        add(KeyUse::Credentials).await;
        let mut client = hub.connect(ACADEMY).await.credentials();
        issue_one(&mut client).await;
        let why: String = until("the failure", async || {
            let why = "SELECT failure FROM status_list WHERE failure IS NOT NULL";
            sqlx::query_scalar(why).fetch_optional(&world.pool).await.unwrap()
        })
        .await;
        assert!(why.contains("nobody could sign"), "{why}");
        let key = add(KeyUse::StatusLists).await;
        let list = published(&hub, &format!("/status-lists/{ACADEMY}/0")).await;
        token(&list.body, &key);
    });
}

#[test]
fn ten_million_credentials_take_less_than_ten_megabytes() {
    let book = ListBook::new("https://hub.example/status-lists/");
    let issuer = IssuerId(1);
    let uri = |shard: i64| format!("https://hub.example/status-lists/issuer/{shard}");
    let mut entries = Entries::zeros(Bits::Two, 1 << 18);
    for index in (0..entries.len()).step_by(100) {
        entries.set(index, 1);
    }
    // As they come from storage: compressed, and inflated again.
    let compressed = entries.deflate().unwrap();
    assert!(compressed.len() < 60_000, "{} bytes", compressed.len());
    let lists = (0..10).map(|shard| {
        let entries = Entries::inflate(Bits::Two, &compressed, 1 << 20).unwrap();
        let list = List::new(StatusListId(shard), 1, Keeping::Here { issuer }, entries);
        (Arc::from(uri(shard)), Arc::new(list))
    });
    book.change(lists.collect(), &[]);
    book.saw_all(SystemClock.now(), Duration::from_mins(1));
    let (mut revoked, mut places) = (0, 0);
    for shard in 0..10 {
        let uri = uri(shard);
        for index in (0..1 << 20).step_by(10) {
            let at = Place { issuer, signer: None, uri: &uri, index };
            let Look::Known(found) = book.look_up(&at, SystemClock.now()) else { panic!("{at:?}") };
            revoked += u32::from(found.status == Status::Revoked);
            places += 10;
        }
    }
    assert!(places > 10_000_000, "{places}");
    assert_eq!(revoked, 104_860);
    assert!(book.weight() <= 10_000_000, "{} bytes", book.weight());
    eprintln!("{places} places in {} bytes", book.weight());
    // An entry whose value has no meaning here is no status.
    let mut odd = Entries::zeros(Bits::Four, 8);
    odd.set(3, 9);
    let list = List::new(StatusListId(99), 1, Keeping::Here { issuer }, odd);
    book.change(vec![(Arc::from(uri(99)), Arc::new(list))], &[]);
    let at = Place { issuer, signer: None, uri: &uri(99), index: 3 };
    let look = book.look_up(&at, SystemClock.now());
    assert_eq!(look, Look::Unavailable { why: Why::UnknownValue });
}

#[derive(serde::Deserialize)]
struct Vector {
    bits: i64,
    size: u64,
    lst: String,
    expected: BTreeMap<String, u8>,
}

#[test]
fn the_specifications_vectors_read_as_they_say() {
    let Some(file) = data::path("token-status-list/test_vectors.json") else { return };
    let vectors: Vec<Vector> = serde_json::from_value(data::json(&file)).unwrap();
    assert_eq!(vectors.len(), 4);
    for vector in vectors {
        let entries = Entries::decode(vector.bits, &vector.lst, 1 << 20).unwrap();
        assert_eq!(entries.len(), vector.size);
        for index in 0..entries.len() {
            let expected = vector.expected.get(&index.to_string()).copied().unwrap_or_default();
            assert_eq!(entries.get(index), Some(expected), "{} bits, {index}", vector.bits);
        }
        assert_eq!(entries.get(vector.size), None);
        // What is written is read the same, whatever the compression.
        let again = Entries::decode(vector.bits, &entries.encode().unwrap(), 1 << 20).unwrap();
        assert_eq!(again, entries);
    }
}
