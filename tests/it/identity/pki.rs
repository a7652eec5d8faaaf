//! `peshub pki`, and a hub that believes what it made.

use std::path::Path;

use serde_json::Value;
use tonic::Code;

use crate::identity::office::{call, directory, refused_in_time, register};
use crate::program::{done, failed, peshub, text};
use crate::support::{cluster, story};
use peshub::client::connect::{ClientIdentity, Connection, Options};

fn pki(dir: &Path, arguments: &[&str]) -> String {
    done(peshub().arg("pki").args(arguments).arg("--dir").arg(dir))
}

fn pki_fails(dir: &Path, arguments: &[&str]) -> String {
    failed(peshub().arg("pki").args(arguments).arg("--dir").arg(dir), 1)
}

fn index(dir: &Path) -> Vec<Value> {
    let lines = pki(dir, &["list", "--json"]);
    lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn read(path: &Path) -> String {
    text(&std::fs::read(path).expect("a file"))
}

#[test]
fn a_pilots_authority_issues_renews_and_revokes() {
    story(async |world| {
        let dir = cluster::directory("pki");
        let (authority, trust) = (dir.join("authority"), directory(&world.ca.certificate()));
        pki(&authority, &["root", "--trust-domain", "pilot.example"]);
        let said = pki_fails(&authority, &["root", "--trust-domain", "pilot.example"]);
        assert!(said.contains("is there already"), "{said}");
        let domain = trust.join("pilot.example");
        std::fs::create_dir_all(&domain).unwrap();
        std::fs::copy(authority.join("ca.pem"), domain.join("ca.pem")).unwrap();
        pki(&authority, &["issue", "participant/north"]);
        let out = dir.join("other.pem");
        let uri = "spiffe://pilot.example/participant/other";
        pki(&authority, &["issue", "--uri", uri, "--out", out.to_str().unwrap(), "--days", "1"]);
        pki(&authority, &["issue", "--server", "--dns", "hub.example", "--ip", "127.0.0.1"]);
        for wrong in ["spiffe://elsewhere.example/x", "participant/", "a b"] {
            let said = pki_fails(&authority, &["issue", wrong]);
            assert!(said.contains("is no name of the trust domain"), "{said}");
        }
        let names =
            |index: &[Value]| index.iter().map(|it| it["names"].to_string()).collect::<Vec<_>>();
        let expected = [
            r#"["spiffe://pilot.example/participant/north"]"#,
            r#"["spiffe://pilot.example/participant/other"]"#,
            r#"["hub.example","127.0.0.1"]"#,
        ];
        assert_eq!(names(&index(&authority)), expected);
        for file in ["ca.key.pem", "ca.pem", "index.jsonl", "issued/north.key.pem"] {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(authority.join(file)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }

        // A hub that believes it, and knows the name.
        let hub = world.hub_believing(&trust).await;
        register(world, "platform-north", "", "spiffe://pilot.example/participant/north").await;
        let file = authority.join("issued/north.pem");
        let options = |file: &Path| Options {
            identity: Some(ClientIdentity {
                certificate_pem: read(file),
                key_pem: read(&file.with_extension("key.pem")),
            }),
            ..hub.options("nobody")
        };
        let old = Connection::open(&options(&file)).await.unwrap();
        assert_eq!(call(&old).await.unwrap(), "platform-north");
        pki(&authority, &["renew", file.to_str().unwrap()]);
        let renewed = Connection::open(&options(&file)).await.unwrap();
        assert_eq!(call(&renewed).await.unwrap(), "platform-north");
        assert_eq!(call(&old).await.unwrap(), "platform-north");

        let serial = index(&authority)[0]["serial"].as_str().unwrap().to_owned();
        let said = pki_fails(&authority, &["revoke", &serial, "no-such-file"]);
        assert!(said.contains("no-such-file"), "{said}");
        assert!(!authority.join("crl.pem").exists(), "all or none is revoked");
        pki(&authority, &["revoke", &serial]);
        std::fs::copy(authority.join("crl.pem"), domain.join("crl.pem")).unwrap();
        let refusal = refused_in_time(&old).await;
        let why = (refusal.code, refusal.reason.as_str());
        assert_eq!(why, (Code::Unauthenticated, "CERTIFICATE_REVOKED"));
        assert_eq!(call(&renewed).await.unwrap(), "platform-north");

        // A file names what is in it now; each list is later than the one before.
        pki(&authority, &["crl"]);
        pki(&authority, &["revoke", file.to_str().unwrap()]);
        let revoked: Vec<_> =
            index(&authority).iter().map(|it| it["revoked_at"].is_string()).collect();
        assert_eq!(revoked, [true, false, false, true]);
        std::fs::copy(authority.join("crl.pem"), domain.join("crl.pem")).unwrap();
        refused_in_time(&renewed).await;
    });
}

#[test]
fn two_at_once_do_not_lose_each_others_certificates() {
    let dir = cluster::directory("pki");
    pki(&dir, &["root", "--trust-domain", "pilot.example"]);
    let mut running: Vec<_> = (0..8)
        .map(|number| {
            let mut command = peshub();
            command.args(["pki", "issue", &format!("participant/n{number}"), "--dir"]).arg(&dir);
            command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
            command.spawn().expect("the program")
        })
        .collect();
    for child in &mut running {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(index(&dir).len(), 8);
    assert_eq!(std::fs::read_dir(dir.join("issued")).unwrap().count(), 2 * 8);
}
