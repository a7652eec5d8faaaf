//! Signed tokens: whose, for whom, until when, by which key, and bound to which certificate.

mod issuer;

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use peshub::client::connect::Connection;
use peshub::client::error::Refusal;
use peshub::pb::peshub::participants::v1::GetCallerRequest;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use tonic::Code;

use crate::identity::office::{
    NORTH, Neighbours, Office, call, client, issue, name, now, reason, register,
};
use crate::identity::tokens::issuer::{Address, ISSUER, SUBJECT, Signer, key_set, settings};
use crate::support::World;
use crate::support::{story, until};

const AUDIENCE: &str = "https://hub.example";

/// An office that believes the issuer, whose subject is the north platform, with these keys.
async fn office(world: &World, keys: &[&Signer]) -> Office {
    register(world, NORTH, ISSUER, SUBJECT).await;
    let dir = crate::identity::office::directory(&world.ca.certificate());
    let domain = peshub::platform::pki::TRUST_DOMAIN;
    crate::identity::office::write(&dir, domain, "jwks.json", &key_set(keys));
    crate::identity::office::write(&dir, domain, "tokens.toml", &settings("jwks.json", ""));
    let hub = world.hub_believing(&dir).await;
    Office { dir, hub }
}

/// What a good token says.
fn claims() -> Value {
    let now = now().unix_timestamp();
    json!({ "iss": ISSUER, "sub": SUBJECT, "aud": AUDIENCE, "exp": now + 600, "iat": now })
}

/// What a good token says, but for some of it.
fn claims_with(other: &Value) -> Value {
    let mut claims = claims();
    for (name, value) in other.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

fn thumbprint(certificate: &str) -> String {
    let der = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &der);
    URL_SAFE_NO_PAD.encode(digest)
}

#[test]
fn a_signed_token_speaks_for_whom_its_issuer_says() {
    story(async |world| {
        let signers =
            [Signer::es256("a"), Signer::ed25519("b"), Signer::rs256("c"), Signer::ps256("d")];
        let office = office(world, &signers.each_ref()).await;
        for signer in &signers {
            let token = signer.token(&claims());
            assert_eq!(
                office.call_with(None, &token).await.unwrap(),
                NORTH,
                "{}",
                signer.algorithm
            );
        }
        let several = claims_with(&json!({ "aud": ["https://elsewhere.example", AUDIENCE] }));
        assert_eq!(office.call_with(None, &signers[0].token(&several)).await.unwrap(), NORTH);
        // A minute of skew is allowed.
        let now = now().unix_timestamp();
        let skewed = claims_with(&json!({ "exp": now - 30, "nbf": now + 30 }));
        assert_eq!(office.call_with(None, &signers[0].token(&skewed)).await.unwrap(), NORTH);
        let other = claims_with(&json!({ "sub": "somebody-else" }));
        let why = reason(office.call_with(None, &signers[0].token(&other)).await);
        assert_eq!(why, "CALLER_UNKNOWN");
    });
}

#[test]
fn a_token_that_is_not_all_right_is_refused_with_the_reason() {
    story(async |world| {
        let good = Signer::es256("a");
        let office = office(world, &[&good]).await;
        let mut neighbours = Neighbours::of(&office.hub).await;
        let unknown = Signer::es256("unknown");
        let impostor = Signer::es256("a");
        let rsa = Signer::rs256("a");
        let now = now().unix_timestamp();
        let with = |other: Value| good.token(&claims_with(&other));
        let header = |other: Value| good.token_with(&other, &claims());
        let [first, second, third] = good.parts(&claims());
        let other_payload = URL_SAFE_NO_PAD.encode(claims_with(&json!({ "sub": "x" })).to_string());
        let hmac = good.token_signed_with_its_public_key(&claims());
        let hostile = [
            (
                "for another audience",
                with(json!({ "aud": "https://elsewhere.example" })),
                "TOKEN_AUDIENCE_WRONG",
            ),
            ("for other audiences", with(json!({ "aud": ["x", "y"] })), "TOKEN_AUDIENCE_WRONG"),
            ("without an audience", with(json!({ "aud": null })), "TOKEN_INVALID"),
            ("expired", with(json!({ "exp": now - 61 })), "TOKEN_EXPIRED"),
            ("without an end", with(json!({ "exp": null })), "TOKEN_INVALID"),
            ("with an end in words", with(json!({ "exp": "tomorrow" })), "TOKEN_INVALID"),
            ("not begun", with(json!({ "nbf": now + 120 })), "TOKEN_EXPIRED"),
            (
                "of an unknown issuer",
                with(json!({ "iss": "https://elsewhere.example" })),
                "TOKEN_INVALID",
            ),
            ("without an issuer", with(json!({ "iss": null })), "TOKEN_INVALID"),
            ("without a subject", with(json!({ "sub": null })), "TOKEN_INVALID"),
            ("with an empty subject", with(json!({ "sub": "" })), "TOKEN_INVALID"),
            (
                "with a subject that cannot be stored",
                with(json!({ "sub": "a\u{0}b" })),
                "TOKEN_INVALID",
            ),
            ("signed with an unknown key", unknown.token(&claims()), "TOKEN_INVALID"),
            ("signed with another key in a known name", impostor.token(&claims()), "TOKEN_INVALID"),
            (
                "signed with a key of another kind in a known name",
                rsa.token(&claims()),
                "TOKEN_INVALID",
            ),
            (
                "of another algorithm than its key's",
                header(json!({ "alg": "RS256" })),
                "TOKEN_INVALID",
            ),
            (
                "with alg none",
                format!("{}.{second}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none","kid":"a"}"#)),
                "TOKEN_INVALID",
            ),
            ("with HS256 and the public key", hmac, "TOKEN_INVALID"),
            ("with what is critical", header(json!({ "crit": ["x"], "x": 1 })), "TOKEN_INVALID"),
            ("with another payload", format!("{first}.{other_payload}.{third}"), "TOKEN_INVALID"),
            ("without its signature", format!("{first}.{second}."), "TOKEN_INVALID"),
            ("of two parts", format!("{first}.{second}"), "TOKEN_INVALID"),
            ("of four parts", format!("{first}.{second}.{third}.{third}"), "TOKEN_INVALID"),
            ("that is none", "..".to_owned(), "TOKEN_INVALID"),
            ("that nobody made", "nobody-made-this".to_owned(), "TOKEN_INVALID"),
            (
                "that is too long",
                format!("{first}.{second}.{}", "A".repeat(9_000)),
                "TOKEN_INVALID",
            ),
            (
                "bound in an unknown way",
                with(json!({ "cnf": { "jkt": "x" } })),
                "TOKEN_BINDING_WRONG",
            ),
            (
                "bound, on a connection without a certificate",
                with(json!({ "cnf": { "x5t#S256": "A".repeat(43) } })),
                "TOKEN_BINDING_WRONG",
            ),
        ];
        for (what, token, expected) in hostile {
            let refusal = office.call_with(None, &token).await.expect_err(what);
            let why = (refusal.code, refusal.reason.as_str());
            assert_eq!(why, (Code::Unauthenticated, expected), "{what}: {refusal}");
        }
        neighbours.go_on().await;
        assert_eq!(office.call_with(None, &good.token(&claims())).await.unwrap(), NORTH);
    });
}

#[test]
fn a_token_and_a_certificate_must_belong_together() {
    story(async |world| {
        let signer = Signer::es256("a");
        let office = office(world, &[&signer]).await;
        let ca = world.ca.authority();
        let [north, again, south] =
            [NORTH, NORTH, "platform-south"].map(|who| issue(ca, &client(ca, &[&name(who)])));
        let bound = |to: &str| {
            signer.token(&claims_with(&json!({ "cnf": { "x5t#S256": thumbprint(to) } })))
        };
        let token = bound(&north.certificate);
        assert_eq!(office.call_with(Some(&north), &token).await.unwrap(), NORTH);
        // Bound to another certificate, though one of the same system; to none; to one of another system.
        for (identity, token) in [
            (Some(&again), token.clone()),
            (Some(&south), token.clone()),
            (None, token),
            (Some(&north), signer.token(&claims())),
            (Some(&south), bound(&south.certificate)),
        ] {
            let why = reason(office.call_with(identity, &token).await);
            assert_eq!(why, "TOKEN_BINDING_WRONG");
        }
        assert_eq!(office.call(Some(&south)).await.unwrap(), "platform-south");
    });
}

/// Calls with headers as they are given.
async fn call_with_headers(office: &Office, headers: &[&str]) -> String {
    let connection = Connection::open(&office.options(None)).await.unwrap();
    let mut request = tonic::Request::new(GetCallerRequest {});
    for header in headers {
        request.metadata_mut().append("authorization", header.parse().unwrap());
    }
    let mut client = connection.participants();
    match client.get_caller(request).await {
        Ok(caller) => caller.into_inner().participant.unwrap().name,
        Err(status) => Refusal::of(&status).reason,
    }
}

#[test]
fn an_authorization_header_that_is_not_understood_is_never_passed_over() {
    story(async |world| {
        let signer = Signer::es256("a");
        let office = office(world, &[&signer]).await;
        let good = format!("Bearer {}", signer.token(&claims()));
        let lower = good.replace("Bearer", "bearer");
        assert_eq!(call_with_headers(&office, &[&good]).await, NORTH);
        assert_eq!(call_with_headers(&office, &[&lower]).await, NORTH);
        for headers in [&[&good[..], &good][..], &["Basic YTpi"], &["Bearer "], &["Bearer"], &[""]]
        {
            assert_eq!(call_with_headers(&office, headers).await, "TOKEN_INVALID", "{headers:?}");
        }
        // Who needs no caller is not asked for one.
        let connection = Connection::open(&office.options(None)).await.unwrap();
        let mut health = tonic_health::pb::health_client::HealthClient::new(connection.transport());
        let mut request = tonic::Request::new(tonic_health::pb::HealthCheckRequest::default());
        request.metadata_mut().insert("authorization", "Bearer a.b.c".parse().unwrap());
        health.check(request).await.expect("the health of the hub");
    });
}

#[test]
fn keys_in_a_file_are_replaced_while_the_hub_serves() {
    story(async |world| {
        let (old, new) = (Signer::es256("old"), Signer::es256("new"));
        let office = office(world, &[&old]).await;
        let mut neighbours = Neighbours::of(&office.hub).await;
        let (before, after) = (old.token(&claims()), new.token(&claims()));
        assert_eq!(office.call_with(None, &before).await.unwrap(), NORTH);
        assert_eq!(reason(office.call_with(None, &after).await), "TOKEN_INVALID");
        office.write("jwks.json", &key_set(&[&old, &new]));
        until("the new key", async || office.call_with(None, &after).await.ok()).await;
        assert_eq!(office.call_with(None, &before).await.unwrap(), NORTH);
        office.write("jwks.json", &key_set(&[&new]));
        until("the end of the old key", async || office.call_with(None, &before).await.err()).await;
        assert_eq!(office.call_with(None, &after).await.unwrap(), NORTH);
        // An issuer that may use fewer algorithms; one that is not believed any more.
        office.write("tokens.toml", &settings("jwks.json", "algorithms = ['EdDSA']"));
        until("the end of the algorithm", async || office.call_with(None, &after).await.err())
            .await;
        office.remove("tokens.toml");
        until("the end of the issuer", async || {
            let refusal = office.call_with(None, &after).await.unwrap_err();
            refusal.message.contains("issuer is not known").then_some(())
        })
        .await;
        neighbours.go_on().await;
    });
}

#[test]
fn keys_at_an_address_are_fetched_and_outlive_it() {
    story(async |world| {
        let (old, new) = (Signer::es256("old"), Signer::es256("new"));
        let office = office(world, &[&old]).await;
        let content = Arc::new(Mutex::new(key_set(&[&old])));
        let address = Address::serve(&world.ca, Arc::clone(&content)).await;
        office.write("address-ca.pem", &world.ca.certificate());
        let jwks = address.url();
        office.write("tokens.toml", &settings(&jwks, "jwks_ca = 'address-ca.pem'"));
        let (before, after) = (old.token(&claims()), new.token(&claims()));
        until("the fetched keys", async || {
            (address.fetches() > 0).then_some(office.call_with(None, &before).await.ok()?)
        })
        .await;
        // A key that is not known makes the hub look again, after a pause.
        *content.lock().unwrap() = key_set(&[&new]);
        until("the new key", async || office.call_with(None, &after).await.ok()).await;
        assert_eq!(reason(office.call_with(None, &before).await), "TOKEN_INVALID");
        // Tokens with unknown keys do not make it look more often than that.
        let fetched = address.fetches();
        for number in 0..50 {
            let stray = new.token_with(&json!({ "kid": format!("stray-{number}") }), &claims());
            assert_eq!(reason(office.call_with(None, &stray).await), "TOKEN_INVALID");
        }
        assert!(address.fetches() <= fetched + 1);
        // What is no key set, or nothing at all, does not take the place of the last one.
        *content.lock().unwrap() = "<html>".to_owned();
        let fetched = address.fetches();
        until("another fetch", async || {
            let stray = new.token_with(&json!({ "kid": "stray" }), &claims());
            drop(office.call_with(None, &stray).await);
            (address.fetches() > fetched).then_some(())
        })
        .await;
        assert_eq!(office.call_with(None, &after).await.unwrap(), NORTH);
        address.stop().await;
        assert_eq!(office.call_with(None, &after).await.unwrap(), NORTH);
    });
}

#[test]
fn an_open_connection_does_not_outlive_its_token() {
    story(async |world| {
        let signer = Signer::es256("a");
        let office = office(world, &[&signer]).await;
        let ending = claims_with(&json!({ "exp": now().unix_timestamp() - 57 }));
        let options = peshub::client::connect::Options {
            token: Some(signer.token(&ending)),
            ..office.options(None)
        };
        let connection = Connection::open(&options).await.unwrap();
        assert_eq!(call(&connection).await.unwrap(), NORTH);
        let refusal = crate::identity::office::refused_in_time(&connection).await;
        assert_eq!(refusal.reason, "TOKEN_EXPIRED");
    });
}
