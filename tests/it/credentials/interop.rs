//! Tokens of this hub in other implementations, and theirs here. `scripts/interop` installs them; what is not installed is told.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use peshub::credentials::domain::{Algorithm, ClaimPath, Segment};
use peshub::credentials::sdjwt::binding::BindingPolicy;
use peshub::credentials::sdjwt::claims::Confirmation;
use peshub::credentials::sdjwt::issue::{Draft, prepare};
use peshub::credentials::sdjwt::jws::Header;
use peshub::credentials::sdjwt::key::{PublicKey, SecretKey};
use peshub::credentials::sdjwt::present::{Choice, Proof, present};
use peshub::credentials::sdjwt::read::Presented;
use serde_json::{Map, Value, json};
use time::{Duration, OffsetDateTime};

const AUDIENCE: &str = "https://hub.example/platforms/one";
const NONCE: &str = "b1mE0b7x1mE4uHf9QmV2bQ";
const HIDDEN: [&str; 5] = ["family_name", "skill_level", "occupation", "score", "birth_date"];
const SHOWN: [&str; 2] = ["family_name", "skill_level"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A program of ours that uses another implementation.
struct Other {
    name: &'static str,
    command: Command,
}

fn python(name: &'static str, program: &str) -> Option<Other> {
    let venv = root().join("target/tools/interop");
    let command = program_at(name, &venv.join("installed"), &venv.join("bin/python"))?;
    Some(with_program(name, command, program))
}

fn node(name: &'static str, program: &str) -> Option<Other> {
    let folder = root().join("target/tools/interop-node");
    let command = program_at(name, &folder.join("installed"), Path::new("node"))?;
    // It finds its packages beside the program.
    let own = folder.join(program);
    std::fs::copy(root().join("tests/interop").join(program), &own).unwrap();
    let mut command = command;
    command.arg(own);
    Some(Other { name, command })
}

fn program_at(name: &str, marker: &Path, program: &Path) -> Option<Command> {
    if marker.exists() {
        return Some(Command::new(program));
    }
    eprintln!("\n*** NOT CHECKED: {name} is not installed; run scripts/interop ***\n");
    None
}

fn with_program(name: &'static str, mut command: Command, program: &str) -> Other {
    command.arg(root().join("tests/interop").join(program));
    Other { name, command }
}

fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc().replace_nanosecond(0).unwrap()
}

fn claims() -> Map<String, Value> {
    let now = now().unix_timestamp();
    let claims = json!({
        "iss": "https://bureau.example/issuers/skills", "vct": "https://hub.example/types/skill-level/1",
        "iat": now - 60, "exp": now + 86_400,
        "family_name": "李", "skill_level": 3, "occupation": "6-18-01-01", "score": {"theory": 87, "practice": null},
        "birth_date": "1990-02-03", "division": "330106",
    });
    let Value::Object(claims) = claims else { panic!() };
    claims
}

fn path(name: &str) -> ClaimPath {
    ClaimPath::new(vec![Segment::Name(name.to_owned())]).unwrap()
}

/// What is left of claims when only some of the hidden ones are shown.
fn shown(mut claims: Map<String, Value>) -> Map<String, Value> {
    claims.retain(|name, _| !HIDDEN.contains(&name.as_str()) || SHOWN.contains(&name.as_str()));
    claims
}

/// Issues here, and presents without and with key binding.
fn own(issuer: &SecretKey, holder: &SecretKey) -> (Map<String, Value>, [String; 2]) {
    let mut claims = claims();
    claims.insert("cnf".to_owned(), json!({"jwk": holder.public().to_jwk()}));
    let header = Header {
        algorithm: issuer.algorithm(),
        typ: Some("dc+sd-jwt".to_owned()),
        kid: Some("1".to_owned()),
        x5c: Vec::new(),
    };
    let hidden = HIDDEN.map(path);
    let draft = Draft { header, claims: claims.clone(), hidden: &hidden, digests_multiple_of: 4 };
    let unsigned = prepare(draft).unwrap();
    let signature = issuer.sign(unsigned.signing_input()).unwrap();
    let complete = unsigned.finish(&signature);
    let chosen = SHOWN.map(path);
    let proof = Proof { key: holder, audience: AUDIENCE, nonce: NONCE, issued_at: now() };
    let texts = [None, Some(&proof)];
    (shown(claims), texts.map(|it| present(&complete, Choice::Paths(&chosen), it).unwrap()))
}

/// Verifies one of theirs, and returns what it says.
fn verify(text: &str, issuer: &PublicKey, is_bound: bool) -> Map<String, Value> {
    let presented = Presented::read(text).unwrap();
    presented.verify_signature(issuer).unwrap();
    let disclosed = presented.disclose().unwrap();
    assert!(matches!(disclosed.confirmation, Confirmation::Key(_)));
    if is_bound {
        let (now, age_max) = (now(), Duration::minutes(5));
        let policy = BindingPolicy { audience: AUDIENCE, nonce: NONCE, now, age_max };
        presented.verify_binding(&disclosed, &policy).unwrap();
    }
    disclosed.claims
}

/// Lets another implementation verify ours and make some, and verifies those.
fn check(mut other: Other, holders: &[Algorithm]) {
    let (mut asked, mut expected) = (Vec::new(), Vec::new());
    for algorithm in Algorithm::ALL {
        for holder in holders {
            let (issuer, holder) =
                (SecretKey::generate(algorithm).unwrap(), SecretKey::generate(*holder).unwrap());
            let (claims, texts) = own(&issuer, &holder);
            for (text, is_bound) in texts.into_iter().zip([false, true]) {
                let said = |it: &str| if is_bound { json!(it) } else { Value::Null };
                let key = issuer.public().to_jwk();
                asked.push(json!({
                    "text": text, "issuer": key, "audience": said(AUDIENCE), "nonce": said(NONCE),
                }));
                expected.push(Some(claims.clone()));
            }
        }
    }
    // One that must not verify: the answer is theirs and not ours.
    let mut forged = asked[0].clone();
    forged["issuer"] = SecretKey::generate(Algorithm::Es256).unwrap().public().to_jwk();
    asked.push(forged);
    expected.push(None);

    let make = json!({
        "claims": claims(), "hidden": HIDDEN, "shown": SHOWN, "audience": AUDIENCE, "nonce": NONCE,
    });
    let question = json!({"verify": asked, "make": make}).to_string();
    let mut child = other
        .command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(question.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}: {}", other.name, output.status);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();

    let found: Vec<Option<Map<String, Value>>> =
        answer["claims"].as_array().unwrap().iter().map(|it| it.as_object().cloned()).collect();
    assert_eq!(found, expected, "{}", other.name);

    let tokens = answer["made"].as_array().unwrap();
    assert_eq!(tokens.len(), 2, "{}", other.name);
    for it in tokens {
        let issuer = PublicKey::from_jwk(&it["issuer"]).unwrap();
        let text = |name: &str| it[name].as_str().unwrap();
        let without_cnf = |mut claims: Map<String, Value>| {
            claims.remove("cnf").unwrap();
            claims
        };
        let complete = without_cnf(verify(text("issued"), &issuer, false));
        let (bare, bound) =
            (verify(text("bare"), &issuer, false), verify(text("bound"), &issuer, true));
        let said: Map<String, Value> = make["claims"].as_object().unwrap().clone();
        assert_eq!(complete, said, "{}", other.name);
        assert_eq!((&bare, without_cnf(bare.clone())), (&bound, shown(said)), "{}", other.name);
        // What they issued is presented here as well.
        let chosen = SHOWN.map(path);
        let again = present(text("issued"), Choice::Paths(&chosen), None).unwrap();
        assert_eq!(verify(&again, &issuer, false), bare, "{}", other.name);
    }
    eprintln!("{}: {} of ours, {} of theirs", other.name, expected.len(), tokens.len() * 3);
}

#[test]
fn the_reference_implementation_agrees() {
    let Some(other) = python("PyPI sd-jwt", "with_sd_jwt.py") else { return };
    // It knows holders' keys of P-256 only.
    check(other, &[Algorithm::Es256]);
}

#[test]
fn openvc_agrees() {
    let Some(other) = python("PyPI openvc-core", "with_openvc.py") else { return };
    check(other, &Algorithm::ALL);
}

#[test]
fn sd_jwt_vc_of_npm_agrees() {
    let Some(other) = node("npm @sd-jwt/sd-jwt-vc", "with_sd_jwt_vc.mjs") else { return };
    check(other, &Algorithm::ALL);
}
