//! Receipts of what was accepted, and proofs of single entries.

use std::io::{Cursor, Write as _};
use std::process::Command;

use peshub::client::error::Refusal;
use peshub::pb::peshub::audit::v1::{GetInclusionProofRequest, ListSigningKeysRequest};
use peshub::pb::peshub::common::v1::Receipt as Issued;
use peshub::pb::peshub::postings::v1::{
    BatchUpsertPostingsRequest, ListHeldClosesRequest, ResolveHeldClosesRequest, SyncOpen,
};
use peshub::platform::audit::hash::Hash;
use peshub::platform::audit::keyring::{Keyring, pem};
use peshub::platform::audit::proof::Proof;
use peshub::platform::audit::receipt::Receipt;
use peshub::platform::audit::statement::PublicKey;
use peshub::platform::audit::verify::{self, Expectations, Failure};
use serde_json::Value;

use crate::audit::{AUDITOR, NORTH, export, sealed, send};
use crate::support::postings::{close, posting, upsert};
use crate::support::sync::{SyncStream, opening};
use crate::support::{TestHub, story};

pub(crate) fn receipt(issued: &Issued) -> Receipt {
    Receipt {
        entry_id: issued.entry_id.clone(),
        statement: issued.statement.clone(),
        algorithm: issued.algorithm.clone(),
        key_id: issued.key_id.clone(),
        signature: issued.signature.to_vec(),
    }
}

/// The key that the hub signs with, as any client may ask for it.
async fn key(hub: &TestHub) -> PublicKey {
    let mut client = hub.connect(NORTH).await.audit();
    let answer = client.list_signing_keys(ListSigningKeysRequest {}).await.unwrap().into_inner();
    let key = answer.keys.last().expect("a key").clone();
    let public_key = peshub::platform::audit::hash::Hex(key.public_key.to_vec());
    PublicKey { key_id: key.key_id, algorithm: key.algorithm, public_key }
}

fn said(issued: &Issued) -> Value {
    serde_json::from_str(&issued.statement).expect("a statement in JSON")
}

/// Holds a receipt against an export.
fn held(export: &[u8], receipt: Receipt) -> Result<(), Failure> {
    let expectations = Expectations { receipts: vec![receipt], ..Expectations::default() };
    verify::verify(Cursor::new(export), &expectations).map(|_| ())
}

#[test]
fn every_batch_and_decision_has_a_receipt_that_holds() {
    story(async |world| {
        let hub = world.hub().await;
        let keyring = Keyring::pinned(vec![key(&hub).await]);
        // A batch on a stream.
        let north = hub.connect(NORTH).await;
        let open = SyncOpen { lane: "closes".to_owned(), ..opening(NORTH) };
        let (mut stream, _) = SyncStream::open_lane(&north, open).await;
        let postings: Vec<_> =
            (0..140).map(|it| upsert(&format!("h{it}"), posting("Welder", "440305"))).collect();
        let synced = stream.sync(1, &postings).await.receipt.expect("a receipt");
        let statement = receipt(&synced).check(&keyring).unwrap();
        assert_eq!(said(&synced)["lane"], "closes");
        assert_eq!(said(&synced)["batch_id"], 1);
        assert_eq!(said(&synced)["action"], "postings.sync");
        assert_eq!((statement.participant.as_str(), statement.counts["created"]), (NORTH, 140));
        assert_eq!(statement.body_sha256.map(|it| it.0), Some(synced.body_sha256.to_vec()));
        // A batch without a stream.
        let upserted = send(&hub, "a", "by-request").await.acknowledgement.unwrap();
        let upserted = upserted.receipt.expect("a receipt");
        receipt(&upserted).check(&keyring).unwrap();
        assert_eq!(said(&upserted)["request_id"], "by-request");
        assert_eq!(said(&upserted)["batch_id"], Value::Null);
        // A decision.
        let closes: Vec<_> = (0..140).map(|it| close(&format!("h{it}"))).collect();
        assert!(stream.sync(2, &closes).await.held > 0);
        let mut client = north.postings();
        let request = ListHeldClosesRequest { source: NORTH.to_owned(), ..Default::default() };
        let held_back = client.list_held_closes(request).await.unwrap().into_inner().total;
        let request = ResolveHeldClosesRequest {
            source: NORTH.to_owned(),
            resolution: 1,
            request_id: "decided".to_owned(),
        };
        let decided = client.resolve_held_closes(request.clone()).await.unwrap().into_inner();
        let decision = decided.receipt.expect("a receipt");
        let statement = receipt(&decision).check(&keyring).unwrap();
        assert_eq!(
            (statement.event.as_str(), statement.counts["resolved"]),
            ("closes.released", held_back)
        );
        let again = client.resolve_held_closes(request).await.unwrap().into_inner();
        assert_eq!(again.receipt, Some(decision.clone()));
        drop(stream);
        // All of them are in the trail.
        sealed(&world.pool).await;
        let export = export(&hub).await;
        for issued in [&synced, &upserted, &decision] {
            held(&export, receipt(issued)).unwrap();
        }
    });
}

#[test]
fn a_batch_that_comes_again_gets_the_same_receipt_and_one_that_is_refused_gets_none() {
    story(async |world| {
        let hub = world.hub().await;
        let north = hub.connect(NORTH).await;
        let (mut stream, _) = SyncStream::open(&north, NORTH).await;
        let change = [upsert("a", posting("Welder", "440305"))];
        let first = stream.sync(1, &change).await;
        drop(stream);
        let (mut stream, _) = SyncStream::open(&north, NORTH).await;
        let again = stream.sync(1, &change).await;
        assert!(again.replayed && again.receipt == first.receipt, "{again:?}");
        let answer = send(&hub, "b", "once").await.acknowledgement.unwrap();
        let repeated = send(&hub, "b", "once").await.acknowledgement.unwrap();
        assert!(repeated.replayed && repeated.receipt == answer.receipt);
        let rows = async || -> i64 {
            sqlx::query_scalar("SELECT count(*) FROM audit").fetch_one(&world.pool).await.unwrap()
        };
        let before = rows().await;
        // Out of order: refused, rolled back, no row.
        stream.send(7, &change).await;
        assert_eq!(stream.refusal().await.reason, "BATCH_OUT_OF_ORDER");
        // Checked only: nothing stored, nothing said to be accepted.
        let request = BatchUpsertPostingsRequest {
            source: NORTH.to_owned(),
            changes: change.to_vec(),
            request_id: String::new(),
            validate_only: true,
        };
        let checked = north.postings().batch_upsert_postings(request).await.unwrap().into_inner();
        assert_eq!(checked.acknowledgement.unwrap().receipt, None);
        let open = SyncOpen { validate_only: true, ..opening(NORTH) };
        let (mut stream, _) = SyncStream::open_lane(&north, open).await;
        assert_eq!(stream.sync(2, &change).await.receipt, None);
        assert_eq!(rows().await, before);
    });
}

#[test]
fn a_receipt_that_was_changed_does_not_hold() {
    story(async |world| {
        let hub = world.hub().await;
        let keyring = Keyring::pinned(vec![key(&hub).await]);
        let issued = send(&hub, "a", "one").await.acknowledgement.unwrap().receipt.unwrap();
        let other = send(&hub, "b", "two").await.acknowledgement.unwrap().receipt.unwrap();
        let sound = receipt(&issued);
        sound.check(&keyring).unwrap();
        for place in 0..sound.statement.len() {
            let mut forged = sound.clone();
            let mut bytes = forged.statement.into_bytes();
            bytes[place] ^= 1;
            forged.statement = String::from_utf8(bytes).unwrap();
            forged.check(&keyring).unwrap_err();
        }
        for place in 0..sound.signature.len() {
            let mut forged = sound.clone();
            forged.signature[place] ^= 1;
            forged.check(&keyring).unwrap_err();
        }
        let mut forged = sound.clone();
        forged.entry_id = other.entry_id.clone();
        forged.check(&keyring).unwrap_err();
        forged.statement = other.statement.clone();
        forged.check(&keyring).unwrap_err();
        // A sound receipt whose entry the trail does not have, or has otherwise.
        sealed(&world.pool).await;
        let before = export(&hub).await;
        let late = send(&hub, "c", "three").await.acknowledgement.unwrap().receipt.unwrap();
        let failure = held(&before, receipt(&late)).unwrap_err();
        assert!(failure.to_string().contains("not in the export"), "{failure}");
        // The row was changed before it was sealed: nothing but the receipt gives it away.
        crate::audit::lift_the_wall(&world.pool).await;
        let paused = peshub::platform::audit::store::lock;
        let mut sealer = world.pool.begin().await.unwrap();
        paused(&mut sealer).await.unwrap();
        let caught = send(&hub, "d", "four").await.acknowledgement.unwrap().receipt.unwrap();
        let id: uuid::Uuid = caught.entry_id.parse().unwrap();
        sqlx::query("UPDATE audit SET body_sha256 = sha256('forged') WHERE entry_id = $1")
            .bind(id)
            .execute(&world.pool)
            .await
            .unwrap();
        sealer.commit().await.unwrap();
        sealed(&world.pool).await;
        let failure = held(&export(&hub).await, receipt(&caught)).unwrap_err();
        assert!(failure.to_string().contains("body digest"), "{failure}");
    });
}

#[test]
fn a_receipt_is_verified_by_openssl_alone() {
    story(async |world| {
        let hub = world.hub().await;
        let issued = send(&hub, "a", "one").await.acknowledgement.unwrap().receipt.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            std::fs::File::create(&path).unwrap().write_all(bytes).unwrap();
            path
        };
        let key = file("key.pem", pem(&key(&hub).await).as_bytes());
        let signature = file("signature", &issued.signature);
        let verifies = |statement: &[u8]| {
            let mut command = Command::new("openssl");
            command.args(["pkeyutl", "-verify", "-rawin", "-pubin", "-inkey"]).arg(&key);
            command.arg("-in").arg(file("statement", statement)).arg("-sigfile").arg(&signature);
            command.output().expect("openssl").status.success()
        };
        assert!(verifies(issued.statement.as_bytes()));
        assert!(!verifies(issued.statement.replace("\"one\"", "\"two\"").as_bytes()));
    });
}

#[test]
fn every_entry_of_a_checkpoint_is_proved_and_no_other() {
    story(async |world| {
        let hub = world.hub().await;
        let keyring = Keyring::pinned(vec![key(&hub).await]);
        // Nothing is sealed meanwhile, so that the rows come under one checkpoint.
        let mut sealer = world.pool.begin().await.unwrap();
        peshub::platform::audit::store::lock(&mut sealer).await.unwrap();
        let mut receipts = Vec::new();
        for number in 0..7 {
            let answer = send(&hub, "a", &format!("r-{number}")).await.acknowledgement.unwrap();
            receipts.push(answer.receipt.unwrap());
        }
        let prove = async |who: &str, entry_id: &str| {
            let request = GetInclusionProofRequest { entry_id: entry_id.to_owned() };
            let answer = hub.connect(who).await.audit().get_inclusion_proof(request).await;
            answer.map(tonic::Response::into_inner).map_err(|status| Refusal::of(&status))
        };
        let early = prove(NORTH, &receipts[0].entry_id).await.unwrap_err();
        assert_eq!(early.reason, "AUDIT_ENTRY_NOT_SEALED");
        assert!(early.retry_after.is_some());
        sealer.commit().await.unwrap();
        sealed(&world.pool).await;
        let mut proofs = Vec::new();
        for receipt in &receipts {
            let answer = prove(NORTH, &receipt.entry_id).await.unwrap();
            assert_eq!(
                answer.path.iter().map(bytes::Bytes::len).collect::<Vec<_>>(),
                vec![32; answer.path.len()]
            );
            let proof = Proof::read(answer.document.as_bytes()).unwrap();
            proof.check(&keyring).unwrap();
            assert_eq!(proof.entry.text(), answer.entry);
            proofs.push(proof);
        }
        let sizes: Vec<_> =
            proofs.iter().map(|proof| (proof.checkpoint.number, proof.size >= 7)).collect();
        assert!(sizes.iter().all(|size| *size == (proofs[0].checkpoint.number, true)), "{sizes:?}");
        for (index, proof) in proofs.iter().enumerate() {
            let other = &proofs[(index + 1) % proofs.len()];
            let forged = |change: &dyn Fn(&mut Proof)| {
                let mut forged = proof.clone();
                change(&mut forged);
                assert_ne!(forged, *proof);
                forged.check(&keyring).unwrap_err();
            };
            forged(&|it| it.entry = other.entry.clone());
            forged(&|it| it.entry.subject.push('!'));
            forged(&|it| it.path = other.path.clone());
            forged(&|it| it.path[0] = Hash::ZERO);
            forged(&|it| it.path.clear());
            forged(&|it| it.index += 1);
            forged(&|it| it.size += 1);
            forged(&|it| it.checkpoint.root = proof.entry.leaf());
            forged(&|it| it.checkpoint.last_seq += 1);
            forged(&|it| it.signature.0[0] ^= 1);
        }
        // The export has the same checkpoint; a proof from a trail with another one is found out.
        let export = export(&hub).await;
        let expectations = Expectations { proofs: proofs.clone(), ..Expectations::default() };
        verify::verify(Cursor::new(&export), &expectations).unwrap();
        // Nobody is told of others' entries, nor of what is none.
        for who in ["platform-south", "operator"] {
            assert_eq!(
                prove(who, &receipts[0].entry_id).await.unwrap_err().reason,
                "AUDIT_ENTRY_NOT_FOUND"
            );
        }
        let unknown = prove(AUDITOR, "018f0000-0000-7000-8000-000000000001").await.unwrap_err();
        assert_eq!(unknown.reason, "AUDIT_ENTRY_NOT_FOUND");
        assert_eq!(prove(AUDITOR, "nonsense").await.unwrap_err().reason, "FIELDS_INVALID");
        prove(AUDITOR, &receipts[0].entry_id).await.unwrap();
    });
}
