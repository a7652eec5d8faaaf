//! Holders at the command line: a key, a credential looked into, and what of it is shown.

use std::path::Path;

use peshub::credentials::domain::{Algorithm, ClaimPath, Segment};
use peshub::credentials::sdjwt::issue::{Draft, prepare};
use peshub::credentials::sdjwt::jws::Header;
use peshub::credentials::sdjwt::key::SecretKey;
use serde_json::{Value, json};

use crate::program::{done, failed, peshub};

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
