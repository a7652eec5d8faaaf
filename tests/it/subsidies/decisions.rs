//! Records of decisions: signed, without a value, and shown to whom they concern.

use aws_lc_rs::digest::{SHA256, digest};
use peshub::client::error::Refusal;
use peshub::pb::peshub::subsidies::v1 as pb;
use peshub::pb::peshub::workers::v1::ListDisclosuresRequest;
use prost::Message as _;

use crate::support::applications::{AMOUNT, ONCE, asking, decide, furnish, law, submit, worker};
use crate::support::eligibility::BUREAU;
use crate::support::story;

const NORTH: &str = "platform-north";

#[test]
fn a_decision_is_recorded_and_signed_and_tells_no_value() {
    story(async |world| {
        let hub = world.hub().await;
        furnish(&hub).await;
        let reference = worker(&hub, NORTH, 1).await;
        let mut north = hub.connect(NORTH).await.applications();
        let mut bureau = hub.connect(BUREAU).await.applications();
        let filed = submit(&mut north, asking(ONCE, &reference, true)).await.unwrap();
        let (_, decision) =
            decide(&mut bureau, &filed, pb::DecisionOutcome::Granted).await.unwrap();
        let record = decision.record.clone().unwrap();
        assert_eq!(pb::DecisionRecord::decode(decision.record_bytes.clone()).unwrap(), record);
        assert_eq!((record.amount, record.bureau.as_str()), (AMOUNT, BUREAU));
        let determination = record.determination.clone().unwrap();
        assert_eq!(determination.verdict(), pb::Verdict::Eligible);
        assert_eq!(determination.facts_sha256.len(), 0, "a digest of values is no secret");
        assert_eq!(determination.selected_on, "");
        for commitment in [
            &record.edition_sha256,
            &record.facts_commitment,
            &record.selected_on_commitment,
            &record.determination_commitment,
        ] {
            assert_eq!(commitment.len(), 32);
        }
        // The receipt is over the record, and its entry is in the trail.
        let receipt = decision.receipt.clone().unwrap();
        assert_eq!(receipt.body_sha256, digest(&SHA256, &decision.record_bytes).as_ref());
        let receipts = vec![crate::audit::receipts::receipt(&receipt)];
        crate::audit::sound_trail(&world.pool, receipts).await;
        // Both who decided and who applied are shown it, and nobody else.
        let request = pb::GetDecisionRequest { decision_id: record.decision_id.clone() };
        for client in [&mut north, &mut bureau] {
            let shown = client.get_decision(request.clone()).await.unwrap().into_inner();
            assert_eq!(shown.decision.unwrap(), decision);
        }
        let mut south = hub.connect("platform-south").await.applications();
        let refusal = Refusal::of(&south.get_decision(request).await.unwrap_err());
        assert_eq!(refusal.reason, "DECISION_NOT_FOUND");
        // Exporting it discloses, which the worker can be shown.
        let export = pb::ExportDecisionRequest {
            decision_id: record.decision_id,
            purpose: "answering an objection".to_owned(),
            legal_basis: Some(law()),
        };
        bureau.export_decision(export.clone()).await.unwrap();
        let refusal = Refusal::of(&north.export_decision(export).await.unwrap_err());
        assert_eq!(refusal.reason, "ACTION_NOT_GRANTED");
        let mut workers = hub.connect(BUREAU).await.workers();
        let reference = worker(&hub, BUREAU, 1).await;
        let request = ListDisclosuresRequest { reference, ..Default::default() };
        let told = workers.list_disclosures(request).await.unwrap().into_inner().disclosures;
        let told: Vec<_> =
            told.iter().map(|it| (it.participant.as_str(), it.purpose.as_str())).collect();
        assert_eq!(told, [(BUREAU, "answering an objection")]);
    });
}
