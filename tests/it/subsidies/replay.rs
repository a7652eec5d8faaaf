//! Decisions reproduced without a hub, by the program.

use serde_json::{Value, json};

use peshub::pb::peshub::subsidies::v1 as pb;

use crate::program::{done, failed, peshub};
use crate::support::applications::{ONCE, asking, decide, furnish, submit, worker};
use crate::support::credentials::cli;
use crate::support::eligibility::BUREAU;
use crate::support::story;

const NORTH: &str = "platform-north";

#[test]
fn a_decision_is_reproduced_bit_for_bit_and_the_first_difference_is_named() {
    story(async |world| {
        let hub = world.hub().await;
        furnish(&hub).await;
        let reference = worker(&hub, NORTH, 1).await;
        let mut north = hub.connect(NORTH).await.applications();
        let mut bureau = hub.connect(BUREAU).await.applications();
        let filed = submit(&mut north, asking(ONCE, &reference, true)).await.unwrap();
        let (_, decision) =
            decide(&mut bureau, &filed, pb::DecisionOutcome::Granted).await.unwrap();
        let id = decision.record.unwrap().decision_id;
        let key: Vec<u8> = sqlx::query_scalar("SELECT public_key FROM signing_key")
            .fetch_one(&world.pool)
            .await
            .unwrap();
        let key = key.iter().fold(String::new(), |hex, it| hex + &format!("{it:02x}"));
        let mut command = cli(&hub, BUREAU);
        command.args([
            "subsidies",
            "export",
            &id,
            "--purpose",
            "an objection",
            "--law",
            "Article 9",
        ]);
        let exported = tokio::task::spawn_blocking(move || done(&mut command)).await.unwrap();
        let export: Value = serde_json::from_str(&exported).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("export.json");
        let replay = |export: &Value, arguments: &[&str]| {
            std::fs::write(&file, export.to_string()).unwrap();
            let mut command = peshub();
            command.args(["subsidies", "replay"]).arg(&file).args(arguments);
            command
        };
        let said = done(&mut replay(&export, &[]));
        assert!(said.contains("the same, bit for bit") && said.contains("no --key"), "{said}");
        let said = done(&mut replay(&export, &["--key", &key]));
        assert!(said.contains("receipt: checked"), "{said}");
        let stranger = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        let said = failed(&mut replay(&export, &["--key", stranger]), 1);
        assert!(said.contains("decision.receipt"), "{said}");
        // Whatever is changed is found, and named.
        let changed = |pointer: &str, value: Value| {
            let mut export = export.clone();
            *export.pointer_mut(pointer).expect(pointer) = value;
            export
        };
        let trained = export["facts"].as_array().unwrap().iter();
        let trained = trained.clone().position(|it| it["name"] == "worker.trained").unwrap();
        let rows = [
            (format!("/facts/{trained}/value/truth"), json!(false), "determination."),
            ("/edition/programme/unit".to_owned(), json!("per_year"), "edition (its SHA-256)"),
            ("/salt".to_owned(), json!("AAAA"), "commitment"),
            ("/decision/record/amount".to_owned(), json!("1"), "decision.record"),
            ("/decision/record_bytes".to_owned(), json!("AAAA"), "decision.record"),
            ("/determination_bytes".to_owned(), json!(""), "commitment"),
        ];
        for (pointer, value, expected) in rows {
            let said = failed(&mut replay(&changed(&pointer, value), &[]), 1);
            assert!(said.contains(expected), "{pointer}: {said}");
        }
    });
}
