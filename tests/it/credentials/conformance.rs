//! The format against the examples of its specifications and against vectors of signatures.

use std::path::Path;

use peshub::credentials::domain::Algorithm;
use peshub::credentials::sdjwt::Profile;
use peshub::credentials::sdjwt::binding::BindingPolicy;
use peshub::credentials::sdjwt::key::PublicKey;
use peshub::credentials::sdjwt::process::Disclosed;
use peshub::credentials::sdjwt::read::Presented;
use serde_json::{Map, Value, json};
use time::{Duration, OffsetDateTime};

use crate::credentials::data;

/// What the generated examples were presented with.
struct Occasion<'a> {
    audience: &'a str,
    nonce: &'a str,
    at: i64,
}

fn instant(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).unwrap()
}

/// Verifies all of a presentation, and returns what it says.
fn verified(
    text: &str,
    typ: &str,
    issuer: &PublicKey,
    occasion: Option<&Occasion<'_>>,
) -> Disclosed {
    // By the plain rules in any case, and by those of SD-JWT VC what says to be one.
    let profile = if typ == "dc+sd-jwt" { Profile::SdJwtVc } else { Profile::Plain(Some(typ)) };
    let presented = Presented::read_as(text, profile).unwrap();
    presented.verify_signature(issuer).unwrap();
    let disclosed = presented.disclose().unwrap();
    assert_eq!(presented.binding().is_some(), occasion.is_some());
    if let Some(occasion) = occasion {
        let now = instant(occasion.at) + Duration::minutes(2);
        let (audience, nonce) = (occasion.audience, occasion.nonce);
        let policy = BindingPolicy { audience, nonce, now, age_max: Duration::minutes(5) };
        let binding = presented.verify_binding(&disclosed, &policy).unwrap();
        assert_eq!(binding.issued_at, instant(occasion.at));
        let other = BindingPolicy { nonce: "another", ..policy };
        assert!(presented.verify_binding(&disclosed, &other).is_err());
    }
    disclosed
}

/// Returns the first key of a `settings.yml`: its lines are simple enough.
fn issuer_key(settings: &str) -> PublicKey {
    let after = settings.split_once("issuer_key").unwrap().1;
    let member = |name: &str| {
        let line = after.lines().map(str::trim).find(|it| it.starts_with(&format!("{name}: ")));
        line.unwrap().split_once(": ").unwrap().1.to_owned()
    };
    let jwk = json!({"kty": "EC", "crv": "P-256", "x": member("x"), "y": member("y")});
    PublicKey::from_jwk(&jwk).unwrap()
}

/// Returns the text of an example: its JSON files hold a JSON text in a JSON text.
fn token(folder: &Path, name: &str) -> String {
    let compact = folder.join(format!("{name}.txt"));
    if compact.exists() {
        return data::text(&compact).trim().to_owned();
    }
    data::json(&folder.join(format!("{name}.json"))).as_str().unwrap().to_owned()
}

fn check_examples(set: &str, expected: usize) {
    let Some(root) = data::path(set) else { return };
    let issuer = issuer_key(&data::text(&root.join("settings.yml")));
    let mut count = 0;
    for entry in std::fs::read_dir(&root).unwrap() {
        let folder = entry.unwrap().path();
        if !folder.is_dir() {
            continue;
        }
        eprintln!("{}", folder.display());
        count += 1;
        let issuance = token(&folder, "sd_jwt_issuance");
        let read = Presented::read_as(&issuance, Profile::Plain(None)).unwrap();
        let typ = read.header().typ.clone().unwrap();
        assert_eq!(
            Value::Object(read.payload().clone()),
            data::json(&folder.join("sd_jwt_payload.json"))
        );
        read.refuse_binding().unwrap();
        drop(read);

        // What its holder got says all that was to be said.
        let complete = verified(&issuance, &typ, &issuer, None);
        let Value::Object(said) = data::json(&folder.join("user_claims.json")) else { panic!() };
        for (name, value) in said {
            assert_eq!(complete.claims.get(&name), Some(&value), "{name}");
        }

        // What a verifier got says what was shown, and nothing else.
        let binding = folder.join("kb_jwt_payload.json");
        let binding = binding.exists().then(|| data::json(&binding));
        let occasion = binding.as_ref().map(|it| Occasion {
            audience: it["aud"].as_str().unwrap(),
            nonce: it["nonce"].as_str().unwrap(),
            at: it["iat"].as_i64().unwrap(),
        });
        let shown = token(&folder, "sd_jwt_presentation");
        let shown = verified(&shown, &typ, &issuer, occasion.as_ref());
        assert_eq!(
            Value::Object(shown.claims),
            data::json(&folder.join("verified_contents.json")),
            "{}",
            folder.display()
        );
    }
    assert_eq!(count, expected, "{set}");
}

#[test]
fn examples_of_rfc_9901_say_what_they_should() {
    check_examples("rfc9901-examples-generated", 15);
}

#[test]
fn examples_of_sd_jwt_vc_say_what_they_should() {
    check_examples("sd-jwt-vc-examples-generated", 3);
}

#[test]
fn the_texts_of_rfc_9901_verify_by_its_own_key() {
    let Some(root) = data::path("rfc9901-verbatim") else { return };
    let issuer = PublicKey::from_jwk(&data::json(&root.join("issuer_jwk_A.5.json"))).unwrap();
    let expect = data::json(&root.join("expect.json"));
    let typ = expect["typ"].as_str().unwrap();
    let issuance = data::text(&root.join("issuance_5.1.txt"));
    let complete = verified(issuance.trim(), typ, &issuer, None);
    assert_eq!(complete.disclosed.len(), 10);
    let occasion = Occasion {
        audience: expect["aud"].as_str().unwrap(),
        nonce: expect["nonce"].as_str().unwrap(),
        at: expect["kb_iat"].as_i64().unwrap(),
    };
    let shown = data::text(&root.join("presentation_kb_5.2.txt"));
    let shown = verified(shown.trim(), typ, &issuer, Some(&occasion));
    let names: Vec<String> = shown.disclosed.iter().map(ToString::to_string).collect();
    assert_eq!(names.len(), 4);
    for name in ["given_name", "family_name", "address", "nationalities.0"] {
        assert!(names.iter().any(|it| it == name), "{name}");
    }
    assert_eq!(shown.claims["nationalities"], json!(["US"]));
    assert!(!shown.claims.contains_key("_sd") && !shown.claims.contains_key("_sd_alg"));
    // The same contents as the generated example, which was signed anew.
    if let Some(generated) = data::path("rfc9901-examples-generated/simple/verified_contents.json")
    {
        assert_eq!(Value::Object(shown.claims), data::json(&generated));
    }
}

/// Holds every vector of a file against a key of its group.
fn check_vectors(file: &str, algorithm: Algorithm, point: fn(&Value) -> &Value, expected: usize) {
    let Some(path) = data::path(&format!("wycheproof/{file}")) else { return };
    let all = data::json(&path);
    let (mut count, mut wrong) = (0, Vec::new());
    for group in all["testGroups"].as_array().unwrap() {
        let point = data::hex(point(&group["publicKey"]).as_str().unwrap());
        let key = PublicKey::of_point(algorithm, &point).unwrap();
        if let Some(jwk) = group.get("publicKeyJwk") {
            // Their JWKs name uses of their own.
            let members = ["kty", "crv", "x", "y"];
            let bare: Map<String, Value> = members
                .iter()
                .filter_map(|name| Some(((*name).to_owned(), jwk.get(name)?.clone())))
                .collect();
            assert_eq!(PublicKey::from_jwk(&Value::Object(bare)).unwrap(), key);
        }
        if let Some(der) = group.get("publicKeyDer") {
            assert_eq!(PublicKey::of_spki(&data::hex(der.as_str().unwrap())).unwrap(), key);
        }
        for test in group["tests"].as_array().unwrap() {
            count += 1;
            let bytes = |name: &str| data::hex(test[name].as_str().unwrap());
            let holds = key.verify(&bytes("msg"), &bytes("sig"));
            if holds != (test["result"] == "valid") {
                wrong.push(test["tcId"].clone());
            }
        }
    }
    assert_eq!((count, wrong), (expected, Vec::new()), "{file}");
}

#[test]
fn signatures_of_ed25519_hold_as_wycheproof_says() {
    check_vectors("ed25519_test.json", Algorithm::EdDsa, |key| &key["pk"], 151);
}

#[test]
fn signatures_of_p256_hold_as_wycheproof_says() {
    let file = "ecdsa_secp256r1_sha256_p1363_test.json";
    check_vectors(file, Algorithm::Es256, |key| &key["uncompressed"], 262);
}
