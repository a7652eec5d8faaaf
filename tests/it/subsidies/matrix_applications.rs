//! Sound requests to the service of applications, for everybody who may call them and everybody who may not.

use peshub::pb::peshub::common::v1::Role;
use peshub::pb::peshub::subsidies::v1 as pb;
use prost::Message as _;
use sqlx::PgPool;

use crate::support::TestHub;
use crate::support::applications::{
    Applications, ONCE, asking, decide, grant, law, once, pay, reasons, submit, worker,
};
use crate::support::eligibility::{BUREAU, facts, in_force, publish, truth};
use crate::support::subsidies::second_system;

const NORTH: &str = "platform-north";

/// Applications of the north platform, each where some step can be taken, with its etag.
pub(crate) struct Applied {
    submitted: pb::Application,
    withdrawable: pb::Application,
    offered: pb::Application,
    refused: pb::Application,
    asked: pb::Application,
    held: pb::Application,
    decided: pb::Application,
    granted: pb::Application,
    paid: pb::Application,
    /// Somebody for whom nothing is claimed.
    worker: String,
}

/// Files, decides and pays.
pub(crate) async fn applied(hub: &TestHub, pool: &PgPool) -> Applied {
    let mut author = hub.connect(BUREAU).await.programmes();
    // The day of the claim is in the project's own catalogue, which is there already.
    let facts = facts().into_iter().filter(|it| it.name != "claim.date").collect();
    let request = pb::DefineFactsRequest { facts, request_id: String::new() };
    author.define_facts(request).await.unwrap();
    let roles = &[Role::ProgrammePublisher];
    let publisher = second_system(hub, BUREAU, "second-eyes", roles).await;
    publish(hub, &publisher, once()).await;
    in_force(hub, ONCE, 1).await;
    let mut north = hub.connect(NORTH).await.applications();
    let mut bureau = hub.connect(BUREAU).await.applications();
    let mut number = 100;
    let mut file = async |north: &mut Applications| {
        number += 1;
        let reference = worker(hub, NORTH, number).await;
        submit(north, asking(ONCE, &reference, true)).await.unwrap()
    };
    let (submitted, withdrawable) = (file(&mut north).await, file(&mut north).await);
    let (asked, held, decided) =
        (file(&mut north).await, file(&mut north).await, file(&mut north).await);
    let offered = file(&mut north).await;
    sqlx::query(
        "UPDATE application SET state = 4, proactive = true WHERE application_id = $1::uuid",
    )
    .bind(&offered.application_id)
    .execute(pool)
    .await
    .unwrap();
    let refused = file(&mut north).await;
    let refused = decide(&mut bureau, &refused, pb::DecisionOutcome::Refused).await.unwrap().0;
    let granted = file(&mut north).await;
    let granted = grant(&mut bureau, &granted).await;
    let paid = file(&mut north).await;
    let paid = grant(&mut bureau, &paid).await;
    let paid = pay(&mut bureau, &paid).await;
    let worker = worker(hub, NORTH, 100).await;
    Applied {
        submitted,
        withdrawable,
        offered,
        refused,
        asked,
        held,
        decided,
        granted,
        paid,
        worker,
    }
}

/// A sound request about what the north platform has filed; `who` keeps those apart that make something new.
pub(crate) fn applications(method: &str, who: usize, made: &Applied) -> Option<Vec<u8>> {
    let request_id = format!("matrix-{who}");
    let named = |it: &pb::Application| (it.application_id.clone(), it.etag.clone());
    let decision_id = made.granted.decision_ids[0].clone();
    let purpose = "the matrix".to_owned();
    let message = match method {
        "SubmitApplication" => {
            pb::SubmitApplicationRequest { request_id, ..asking(ONCE, &made.worker, true) }
                .encode_to_vec()
        }
        "ProvideEvidence" => {
            let (application_id, etag) = named(&made.submitted);
            let facts = vec![truth("worker.trained", true)];
            pb::ProvideEvidenceRequest { application_id, etag, facts, request_id }.encode_to_vec()
        }
        "WithdrawApplication" => {
            let (application_id, etag) = named(&made.withdrawable);
            pb::WithdrawApplicationRequest { application_id, etag, request_id }.encode_to_vec()
        }
        "AcceptOffer" => {
            let (application_id, etag) = named(&made.offered);
            pb::AcceptOfferRequest { application_id, etag, request_id }.encode_to_vec()
        }
        "AppealDecision" => {
            let (application_id, etag) = named(&made.refused);
            let grounds = "it was wrong".to_owned();
            pb::AppealDecisionRequest { application_id, etag, grounds, request_id }.encode_to_vec()
        }
        "GetApplication" => {
            let application_id = named(&made.submitted).0;
            pb::GetApplicationRequest { application_id }.encode_to_vec()
        }
        "ListApplications" => pb::ListApplicationsRequest::default().encode_to_vec(),
        "WatchApplications" => pb::WatchApplicationsRequest::default().encode_to_vec(),
        "RequestEvidence" => {
            let (application_id, etag) = named(&made.asked);
            pb::RequestEvidenceRequest {
                application_id,
                etag,
                facts: vec!["worker.trained".to_owned()],
                answer_by: "2199-01-01".to_owned(),
                remark: String::new(),
                request_id,
            }
            .encode_to_vec()
        }
        "HoldApplication" => {
            let (application_id, etag) = named(&made.held);
            let (resume, remark) = (false, String::new());
            pb::HoldApplicationRequest { application_id, etag, resume, remark, request_id }
                .encode_to_vec()
        }
        "DecideApplication" => {
            let (application_id, etag) = named(&made.decided);
            pb::DecideApplicationRequest {
                application_id,
                etag,
                outcome: pb::DecisionOutcome::Granted.into(),
                amount: None,
                reasons: reasons("As the law says."),
                request_id,
            }
            .encode_to_vec()
        }
        "RecordPayment" => {
            let (application_id, etag) = named(&made.granted);
            pb::RecordPaymentRequest {
                application_id,
                etag,
                payment_reference: "p-1".to_owned(),
                paid_on: "2025-01-05".to_owned(),
                request_id,
            }
            .encode_to_vec()
        }
        "ClawBack" => {
            let (application_id, etag) = named(&made.paid);
            let (amount, remark) = (Some(1), "left early".to_owned());
            pb::ClawBackRequest { application_id, etag, amount, remark, request_id }.encode_to_vec()
        }
        "DiscloseApplication" => {
            let application_id = named(&made.submitted).0;
            pb::DiscloseApplicationRequest { application_id, purpose, legal_basis: Some(law()) }
                .encode_to_vec()
        }
        "GetDecision" => pb::GetDecisionRequest { decision_id }.encode_to_vec(),
        "ExportDecision" => {
            pb::ExportDecisionRequest { decision_id, purpose, legal_basis: Some(law()) }
                .encode_to_vec()
        }
        "SetBudget" => pb::SetBudgetRequest {
            programme: ONCE.to_owned(),
            from: "2190-01-01".to_owned(),
            to: "2190-12-31".to_owned(),
            cap: 1_000_000,
            request_id,
        }
        .encode_to_vec(),
        "ListBudgets" => pb::ListBudgetsRequest::default().encode_to_vec(),
        _ => return None,
    };
    Some(message)
}
