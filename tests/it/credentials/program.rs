//! Holders at the command line: a key, a credential looked into, and what of it is shown.

use std::path::Path;

use peshub::credentials::domain::{Algorithm, ClaimPath, Segment};
use peshub::credentials::sdjwt::issue::{Draft, prepare};
use peshub::credentials::sdjwt::jws::Header;
use peshub::credentials::sdjwt::key::SecretKey;
use serde_json::{Value, json};

use crate::program::{done, failed, peshub};
use crate::support::credentials::{ACADEMY, WELDING, cli, trusted, welding_claims};
use crate::support::issuing::holder;
use crate::support::wallet::Wallet;
use crate::support::{story, until};

/// Issues a credential to who has a key, and returns the issuer's public key.
fn issue(holder: &Value, path: &Path) -> Value {
    let issuer = SecretKey::generate(Algorithm::EdDsa).unwrap();
    let claims = json!({
        "iss": "https://bureau.example/issuers/skills", "vct": "https://hub.example/types/skill-level/1",
        "cnf": {"jwk": holder}, "name": "张三", "level": 3, "skills": ["welding", "turning"],
    });
    let Value::Object(claims) = claims else { panic!() };
    let path_of = |segments: Vec<Segment>| ClaimPath::new(segments).unwrap();
    let name = |text: &str| Segment::Name(text.to_owned());
    let hidden = [
        path_of(vec![name("name")]),
        path_of(vec![name("level")]),
        path_of(vec![name("skills"), Segment::Every]),
    ];
    let header = Header {
        algorithm: issuer.algorithm(),
        typ: Some("dc+sd-jwt".to_owned()),
        kid: Some("1".to_owned()),
        x5c: Vec::new(),
    };
    let draft = Draft { header, claims, hidden: &hidden, digests_multiple_of: 4 };
    let unsigned = prepare(draft).unwrap();
    let signature = issuer.sign(unsigned.signing_input()).unwrap();
    std::fs::write(path, unsigned.finish(&signature) + "\n").unwrap();
    let mut key = issuer.public().to_jwk();
    key["kid"] = json!("1");
    json!({"keys": [{"kty": "RSA", "kid": "0"}, key]})
}

#[test]
fn a_holder_makes_a_key_and_shows_a_part_of_a_credential() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let command = |name: &str| {
        let mut command = peshub();
        command.args(["credentials", name]);
        command
    };
    for algorithm in ["es256", "eddsa"] {
        let pem = file(&format!("{algorithm}.pem"));
        let made = done(command("key").arg(&pem).args(["--algorithm", algorithm]));
        let holder: Value = serde_json::from_str(&made).unwrap();
        assert_eq!(done(command("key").arg(&pem).arg("--show")), made);
        let said = failed(command("key").arg(&pem), 1);
        assert!(said.contains("is there already"), "{said}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&pem).unwrap().permissions().mode() & 0o077, 0);
        }

        let (credential, issuer) = (file("credential"), file("issuer.jwks"));
        std::fs::write(&issuer, issue(&holder, &credential).to_string()).unwrap();
        let complete = done(command("inspect").arg(&credential).arg("--issuer-key").arg(&issuer));
        for part in
            ["张三", "turning", "passed         signature.issuer", "by disclosure  skills.1"]
        {
            assert!(complete.contains(part), "{part}: {complete}");
        }

        let mut present = command("present");
        present
            .arg(&credential)
            .args(["--claim", "level", "--claim", "skills.1", "--key"])
            .arg(&pem);
        let text = done(present.args(["--audience", "platform", "--nonce", "n-1"]));
        let shown = file("shown");
        std::fs::write(&shown, text).unwrap();
        let inspect = |nonce: &str| {
            let mut inspect = command("inspect");
            inspect.arg(&shown).args(["--json", "--issuer-key"]).arg(&issuer);
            inspect.args(["--audience", "platform", "--nonce", nonce]);
            inspect
        };
        let said: Value = serde_json::from_str(&done(&mut inspect("n-1"))).unwrap();
        assert_eq!(said["disclosed"], json!(["skills.0", "level"]));
        assert_eq!(said["claims"]["skills"], json!(["turning"]));
        assert_eq!(said["claims"].get("name"), None);
        let checks: Vec<_> =
            said["checks"].as_array().unwrap().iter().map(|it| &it["outcome"]).collect();
        assert_eq!(checks, ["passed"; 4]);
        failed(&mut inspect("n-2"), 1);

        let said = failed(command("present").arg(&credential).args(["--claim", "wage"]), 1);
        assert!(said.contains("no claim wage"), "{said}");
    }
    // A key that is not the one in the credential.
    let (other, credential) = (file("es256.pem"), file("credential"));
    let mut shows = command("present");
    shows.arg(&credential).args(["--all", "--audience", "a", "--nonce", "n", "--key"]).arg(other);
    let said = failed(&mut shows, 1);
    assert!(said.contains("not the one that the credential is bound to"), "{said}");
    // What is no credential.
    std::fs::write(file("broken"), "a~b").unwrap();
    let output = command("inspect").arg(file("broken")).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(
        printed.contains("failed         format.parts") && printed.contains("RFC 9901 4"),
        "{printed}"
    );
}

#[test]
fn an_issuer_issues_suspends_reinstates_and_revokes_with_the_program_and_a_verdict_is_given_again()
{
    story(async |world| {
        let hub = world.hub().await;
        trusted(&hub).await;
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let claims = file("claims.json", &welding_claims().to_string());
        let wallet = file("wallet.jwk", &holder().public().to_jwk().to_string());
        let command = |who: &str, name: &str| {
            let mut command = cli(&hub, who);
            command.args(["credentials", name]);
            command
        };
        let issue = |claims: &Path| {
            let mut issue = command(ACADEMY, "issue");
            issue.arg(claims).args(["--issuer", ACADEMY, "--type", WELDING, "--json", "--holder"]);
            issue.arg(&wallet);
            issue
        };
        let issued: Value = serde_json::from_str(&done(&mut issue(&claims))).unwrap();
        let id = issued["credential_id"].as_str().unwrap().to_owned();
        let shown = Wallet::show(issued["sd_jwt"].as_str().unwrap(), &["level"]);
        let shown = file("shown", &shown);
        let law = ["--law", "an article of a law", "--purpose", "a course"];
        let verify = || {
            let mut verify = command("platform-north", "verify");
            verify.arg(&shown).args(law).arg("--json");
            verify
        };
        let verdict = done(&mut verify());
        let then: Value = serde_json::from_str(&verdict).unwrap();
        let verdict = file("verdict.json", &verdict);
        let status = || done(command(ACADEMY, "status").arg(&id));
        let becomes = async |expected: &str| {
            until("the status", async || {
                let output = verify().output().unwrap();
                let said: Value = serde_json::from_slice(&output.stdout).unwrap();
                (said["verdict"]["outcome"] == expected).then_some(())
            })
            .await;
        };
        let change = |name: &str, reason: &str| {
            let mut change = command(ACADEMY, name);
            change.arg(&id).args(["--reason", reason]);
            change
        };
        assert!(status().contains("· valid ·"), "{}", status());
        assert_eq!(done(&mut change("suspend", "under-review")).trim(), "1 suspended");
        becomes("VERDICT_OUTCOME_SUSPENDED").await;
        assert!(status().contains("under review"), "{}", status());
        assert_eq!(done(&mut change("reinstate", "issued-in-error")).trim(), "1 reinstated");
        becomes("VERDICT_OUTCOME_VALID").await;
        assert!(done(&mut change("revoke", "fraud")).starts_with("1 revoked; entry "));
        becomes("VERDICT_OUTCOME_REVOKED").await;
        let said = failed(&mut change("suspend", "under-review"), 1);
        assert!(said.contains("CREDENTIAL_STATUS_FINAL"), "{said}");
        // As it was then, whatever became of it since; with another law it is another look, with another policy another verdict.
        let replay = |more: &[&str]| {
            let mut replay = command("platform-north", "replay");
            replay.arg(&shown).arg(&verdict).args(law).arg("--json").args(more);
            replay
        };
        let again: Value = serde_json::from_str(&done(&mut replay(&[]))).unwrap();
        assert_eq!(again["verdict"], then["verdict"]);
        let said = failed(&mut replay(&["--require-binding"]), 1);
        assert!(said.contains("FIELDS_INVALID"), "{said}");
        // What breaks the type's schema is said by its place, without what stood there.
        let wrong = file("wrong.json", r#"{"level": "驫厵纞"}"#);
        let said = failed(&mut issue(&wrong), 1);
        assert!(said.contains("draft.claims_json") && !said.contains("驫"), "{said}");
    });
}
