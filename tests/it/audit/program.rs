//! `peshub audit` as an auditor runs it.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use peshub::platform::audit::hash::to_hex;
use serde_json::Value;

use crate::audit::{AUDITOR, NORTH, sealed, send};
use crate::support::{TestHub, story};

/// The program as some participant, with certificates as files.
struct Program<'a> {
    hub: &'a TestHub,
    dir: &'a Path,
}

impl Program<'_> {
    fn run(&self, who: Option<&str>, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_peshub"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PESHUB_") {
                command.env_remove(name);
            }
        }
        command.current_dir(self.dir).stdin(Stdio::null()).args(arguments);
        if let Some(who) = who {
            let options = self.hub.options(who);
            let identity = options.identity.unwrap();
            let files = [
                ("ca", options.authorities_pem.unwrap()),
                ("cert", identity.certificate_pem),
                ("key", identity.key_pem),
            ];
            for (name, text) in files {
                std::fs::write(self.dir.join(name), text).unwrap();
            }
            command.args([
                "--hub",
                &options.address,
                "--ca",
                "ca",
                "--cert",
                "cert",
                "--key",
                "key",
            ]);
        }
        command.output().expect("the program")
    }

    fn done(&self, who: Option<&str>, arguments: &[&str]) -> String {
        let output = self.run(who, arguments);
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    fn failed(&self, who: Option<&str>, arguments: &[&str]) -> (String, String) {
        let output = self.run(who, arguments);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        (text(output.stdout), text(output.stderr))
    }
}

#[test]
fn an_auditor_exports_and_verifies_with_receipt_and_proof() {
    story(async |world| {
        let hub = world.hub().await;
        let answer = send(&hub, "a", "one").await;
        sealed(&world.pool).await;
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| dir.path().join(name);
        let program = Program { hub: &hub, dir: dir.path() };
        tokio::task::block_in_place(|| {
            let keys = program.done(Some(AUDITOR), &["audit", "keys", "--pem"]);
            std::fs::write(file("hub.pem"), &keys).unwrap();
            program.done(Some(AUDITOR), &["audit", "export", "-o", "trail.jsonl"]);
            let json =
                peshub::json::of_message("peshub.postings.v1.BatchUpsertPostingsResponse", &answer)
                    .unwrap();
            std::fs::write(file("receipt.json"), json.to_string()).unwrap();
            let receipt = answer.acknowledgement.clone().unwrap().receipt.unwrap();
            program.done(Some(NORTH), &["audit", "proof", &receipt.entry_id, "-o", "proof.json"]);

            let all = [
                "audit",
                "verify",
                "trail.jsonl",
                "--key",
                "hub.pem",
                "--receipt",
                "receipt.json",
                "--proof",
                "proof.json",
            ];
            let said = program.done(None, &all);
            assert!(
                said.contains("trail.jsonl: sound.") && said.contains("pinned keys only"),
                "{said}"
            );
            // Receipt and proof without the export, by the key's digits.
            let digits =
                to_hex(&peshub::platform::audit::keyring::read_key(&keys).unwrap().public_key.0);
            let alone = [
                "audit",
                "verify",
                "--key",
                &digits,
                "--receipt",
                "receipt.json",
                "--proof",
                "proof.json",
            ];
            assert_eq!(program.done(None, &alone), "sound: 1 receipts, 1 proofs\n");
            let unpinned = program.done(None, &["audit", "verify", "trail.jsonl"]);
            assert!(unpinned.contains("that they are the hub's is not verified"), "{unpinned}");
            let json: Value = serde_json::from_str(
                &program.done(None, &["audit", "verify", "trail.jsonl", "--json"]),
            )
            .unwrap();
            assert_eq!(
                (&json["sound"], &json["keys_pinned"]),
                (&Value::Bool(true), &Value::Bool(false))
            );

            let (_, said) =
                program.failed(None, &["audit", "verify", "trail.jsonl", "--key", &"0".repeat(64)]);
            assert!(said.contains("trail.jsonl: line 1 is signed by Ed25519 key"), "{said}");
            let (_, said) = program.failed(None, &["audit", "verify", "--receipt", "receipt.json"]);
            assert!(said.contains("--key"), "{said}");
            let forged = std::fs::read_to_string(file("trail.jsonl")).unwrap().replacen(
                "platform-south",
                "platform-north",
                1,
            );
            std::fs::write(file("forged.jsonl"), forged).unwrap();
            let (out, said) = program.failed(None, &["audit", "verify", "forged.jsonl", "--json"]);
            let json: Value = serde_json::from_str(&out).unwrap();
            assert!(json["line"].as_i64() > Some(1) && json["seq"].as_i64().is_some(), "{json}");
            assert!(
                said.contains(&format!("line {} (seq {})", json["line"], json["seq"])),
                "{said}"
            );

            // What is there is not written over, and who may not export does not.
            let (_, said) =
                program.failed(Some(AUDITOR), &["audit", "export", "-o", "trail.jsonl"]);
            assert!(said.contains("trail.jsonl cannot be made"), "{said}");
            let (_, said) = program.failed(Some(NORTH), &["audit", "export", "-o", "other.jsonl"]);
            assert!(said.contains("ACTION_NOT_GRANTED") && !file("other.jsonl").exists(), "{said}");
            let found =
                program.done(Some(NORTH), &["audit", "search", "--event", "postings.synced"]);
            assert_eq!(found.lines().count(), 1, "{found}");
            assert!(found.contains(&receipt.entry_id), "{found}");
            let found = program.done(
                Some(AUDITOR),
                &["audit", "search", "--json", "--oldest-first", "--limit", "2"],
            );
            assert_eq!(
                found.lines().filter(|line| serde_json::from_str::<Value>(line).is_ok()).count(),
                2
            );
            let checkpoint = program.done(Some(NORTH), &["audit", "checkpoints"]);
            assert!(checkpoint.starts_with("checkpoint "), "{checkpoint}");
            // The receipts of an import, which the export so far cannot have.
            let sample = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("tests/fixtures/postings/schema-org/board.jsonl");
            let sample = sample.display().to_string();
            let import = ["import", &sample, "--source", NORTH, "--receipts", "kept.jsonl"];
            program.done(Some(NORTH), &import);
            let kept = ["audit", "verify", "--key", "hub.pem", "--receipt", "kept.jsonl"];
            assert_eq!(program.done(None, &kept), "sound: 1 receipts, 0 proofs\n");
            let (_, said) = program
                .failed(None, &[&["audit", "verify", "trail.jsonl"][..], &kept[2..]].concat());
            assert!(said.contains("is for no entry of the export"), "{said}");
            // An export in two files.
            let last = program.done(None, &["audit", "verify", "trail.jsonl", "--json"]);
            let last: Value = serde_json::from_str(&last).unwrap();
            let from = (last["last_seq"].as_i64().unwrap() + 1).to_string();
            program.done(Some(AUDITOR), &["audit", "export", "--from", &from, "-o", "more.jsonl"]);
            program.done(
                None,
                &["audit", "verify", "trail.jsonl", "more.jsonl", "--receipt", "receipt.json"],
            );
            let (_, said) = program.failed(None, &["audit", "verify", "more.jsonl", "trail.jsonl"]);
            assert!(
                said.contains("line 1 does not go on where the export before it ends"),
                "{said}"
            );
        });
    });
}

#[test]
fn the_guides_own_verifier_agrees_with_ours() {
    story(async |world| {
        let hub = world.hub().await;
        for number in 0..5 {
            send(&hub, "a", &format!("r-{number}")).await;
            sealed(&world.pool).await;
        }
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| dir.path().join(name);
        let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guides/audit.md");
        let guide = std::fs::read_to_string(guide).unwrap();
        let (_, script) = guide.split_once("```python file: verify.py\n").unwrap();
        std::fs::write(file("verify.py"), script.split_once("\n```").unwrap().0).unwrap();
        let program = Program { hub: &hub, dir: dir.path() };
        tokio::task::block_in_place(|| {
            let keys = program.done(Some(AUDITOR), &["audit", "keys", "--pem"]);
            std::fs::write(file("hub.pem"), keys).unwrap();
            program.done(Some(AUDITOR), &["audit", "export", "-o", "trail.jsonl"]);
            program.done(Some(AUDITOR), &["audit", "export", "--from", "3", "-o", "part.jsonl"]);
            let verify = |name: &str| {
                let mut command = Command::new("python3");
                command.current_dir(dir.path()).args(["verify.py", name, "hub.pem"]);
                let output = command.output().expect("python3");
                (output.status.success(), String::from_utf8(output.stderr).unwrap())
            };
            assert_eq!(verify("trail.jsonl"), (true, String::new()));
            assert_eq!(verify("part.jsonl"), (true, String::new()));
            let export = std::fs::read_to_string(file("trail.jsonl")).unwrap();
            let lines: Vec<_> = export.split_inclusive('\n').collect();
            for (index, line) in lines.iter().enumerate() {
                let mut forged = lines.clone();
                let other = line.replacen("platform-", "platform_", 1).replacen(
                    "\"at\":\"20",
                    "\"at\":\"19",
                    1,
                );
                forged[index] = &other;
                std::fs::write(file("forged.jsonl"), forged.concat()).unwrap();
                let told = format!("line {} does not hold\n", index + 1);
                assert_eq!(verify("forged.jsonl"), (false, told));
            }
        });
    });
}
