//! Applications from their filing to their end.

use peshub::pb::peshub::subsidies::v1::{
    self as pb, ApplicationState as State, ApplicationStep as Step,
};

use crate::support::applications::{
    AMOUNT, ONCE, Watch, asking, decide, furnish, get, grant, pay, submit, withdraw, worker,
};
use crate::support::eligibility::{BUREAU, truth};
use crate::support::story;
use peshub::client::error::Refusal;

const NORTH: &str = "platform-north";
const SOUTH: &str = "platform-south";

#[test]
fn an_application_goes_its_way_and_everybody_concerned_is_told_of_each_step() {
    story(async |world| {
        let hub = world.hub().await;
        furnish(&hub).await;
        let reference = worker(&hub, NORTH, 1).await;
        let mut north = hub.connect(NORTH).await.applications();
        let mut bureau = hub.connect(BUREAU).await.applications();
        let mut south = hub.connect(SOUTH).await.applications();
        let mut seen = [Watch::start(&mut north, &[]).await, Watch::start(&mut bureau, &[]).await];
        let mut unconcerned = Watch::start(&mut south, &[]).await;

        let filed = submit(&mut north, asking(ONCE, &reference, true)).await.unwrap();
        assert_eq!((filed.state(), filed.amount), (State::Submitted, AMOUNT));
        assert_eq!(filed.worker_reference, reference);
        let shown = get(&mut bureau, &filed.application_id).await.unwrap();
        assert_eq!(shown.worker_reference, "", "the bureau does not know the worker");
        assert_eq!(shown.determination.unwrap().verdict(), pb::Verdict::Eligible);
        let hidden = get(&mut south, &filed.application_id).await.unwrap_err();
        assert_eq!(hidden.reason, "APPLICATION_NOT_FOUND");

        let request = pb::RequestEvidenceRequest {
            application_id: filed.application_id.clone(),
            etag: filed.etag.clone(),
            facts: vec!["worker.trained".to_owned()],
            answer_by: "2199-01-01".to_owned(),
            remark: "the certificate, please".to_owned(),
            ..Default::default()
        };
        let asked = bureau.request_evidence(request.clone()).await.unwrap().into_inner();
        let asked = asked.application.unwrap();
        assert_eq!((asked.state(), asked.asked.len()), (State::EvidenceRequested, 1));
        // Of two who act on what they read one is told.
        let moved = Refusal::of(&bureau.request_evidence(request).await.unwrap_err());
        assert_eq!(moved.reason, "APPLICATION_MOVED");
        let early = decide(&mut bureau, &asked, pb::DecisionOutcome::Refused).await.unwrap_err();
        assert_eq!(early.reason, "APPLICATION_MOVED", "the applicant has still time");

        let request = pb::ProvideEvidenceRequest {
            application_id: asked.application_id.clone(),
            etag: asked.etag.clone(),
            facts: vec![truth("worker.trained", true)],
            request_id: String::new(),
        };
        let provided = north.provide_evidence(request).await.unwrap().into_inner();
        let provided = provided.application.unwrap();
        assert_eq!((provided.state(), provided.asked.len()), (State::Submitted, 0));
        let granted = grant(&mut bureau, &provided).await;
        let paid = pay(&mut bureau, &granted).await;
        assert_eq!((paid.state(), paid.amount), (State::Paid, AMOUNT));
        let back = pb::ClawBackRequest {
            application_id: paid.application_id.clone(),
            etag: paid.etag.clone(),
            amount: Some(1_000),
            remark: "left early".to_owned(),
            request_id: String::new(),
        };
        let back = bureau.claw_back(back).await.unwrap().into_inner().application.unwrap();
        assert_eq!((back.state(), back.clawed_back), (State::ClawedBack, 1_000));
        let appeal = pb::AppealDecisionRequest {
            application_id: back.application_id.clone(),
            etag: back.etag.clone(),
            grounds: "did not leave".to_owned(),
            request_id: String::new(),
        };
        let appealed = north.appeal_decision(appeal).await.unwrap().into_inner();
        let lifted = grant(&mut bureau, &appealed.application.unwrap()).await;
        assert_eq!((lifted.state(), lifted.clawed_back), (State::Paid, 0));
        assert_eq!(lifted.decision_ids.len(), 2);

        let expected = [
            Step::Submitted,
            Step::EvidenceRequested,
            Step::EvidenceProvided,
            Step::Granted,
            Step::Paid,
            Step::ClawedBack,
            Step::Appealed,
            Step::Granted,
        ];
        let mut last = 0;
        for watch in &mut seen {
            for step in expected {
                let event = watch.step().await;
                assert_eq!(event.step(), step);
                let told = event.application.unwrap();
                assert_eq!(told.application_id, filed.application_id);
                assert_eq!(told.worker_reference, "", "references are their holders' own");
                last = event.position;
            }
        }
        assert!(unconcerned.up_to(last).await.is_empty(), "nobody else is told");
    });
}

#[test]
fn who_is_not_eligible_is_heard_and_takes_nothing() {
    story(async |world| {
        let hub = world.hub().await;
        furnish(&hub).await;
        let reference = worker(&hub, NORTH, 2).await;
        let mut north = hub.connect(NORTH).await.applications();
        let mut bureau = hub.connect(BUREAU).await.applications();
        let filed = submit(&mut north, asking(ONCE, &reference, false)).await.unwrap();
        assert_eq!((filed.state(), filed.amount), (State::Submitted, 0));
        let claims = "SELECT count(*) FROM claim";
        let count =
            async || -> i64 { sqlx::query_scalar(claims).fetch_one(&world.pool).await.unwrap() };
        assert_eq!(count().await, 0);
        let wrong = decide(&mut bureau, &filed, pb::DecisionOutcome::Granted).await.unwrap_err();
        assert_eq!(wrong.reason, "FIELDS_INVALID");
        let refused = decide(&mut bureau, &filed, pb::DecisionOutcome::Refused).await.unwrap().0;
        assert_eq!(refused.state(), State::Refused);
        let appeal = pb::AppealDecisionRequest {
            application_id: refused.application_id.clone(),
            etag: refused.etag,
            grounds: "was trained since".to_owned(),
            request_id: String::new(),
        };
        let appealed = north.appeal_decision(appeal).await.unwrap().into_inner();
        let appealed = appealed.application.unwrap();
        let request = pb::ProvideEvidenceRequest {
            application_id: appealed.application_id.clone(),
            etag: appealed.etag,
            facts: vec![truth("worker.trained", true)],
            request_id: String::new(),
        };
        let provided = north.provide_evidence(request).await.unwrap().into_inner();
        let granted = grant(&mut bureau, &provided.application.unwrap()).await;
        assert_eq!((granted.state(), granted.amount, count().await), (State::Granted, AMOUNT, 2));
        let withdrawn = withdraw(&mut north, &granted).await.unwrap();
        assert_eq!((withdrawn.state(), count().await), (State::Withdrawn, 0));
    });
}

#[test]
fn what_an_application_states_goes_with_the_worker_and_the_decision_stays() {
    story(async |world| {
        let hub = world.hub().await;
        furnish(&hub).await;
        let reference = worker(&hub, NORTH, 3).await;
        let mut north = hub.connect(NORTH).await.applications();
        let mut bureau = hub.connect(BUREAU).await.applications();
        let filed = submit(&mut north, asking(ONCE, &reference, true)).await.unwrap();
        let granted = grant(&mut bureau, &filed).await;
        let disclose = pb::DiscloseApplicationRequest {
            application_id: filed.application_id.clone(),
            purpose: "deciding on the grant".to_owned(),
            legal_basis: Some(crate::support::applications::law()),
        };
        let told = bureau.disclose_application(disclose.clone()).await.unwrap().into_inner();
        let names: Vec<_> = told.facts.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["claim.date", "worker.trained"]);
        // Erasing is a right of its own: the database is told directly what the register does.
        sqlx::raw_sql(
            "UPDATE worker SET sealed = NULL, erased_at = now(); DELETE FROM worker_key; DELETE FROM worker_index;",
        )
        .execute(&world.pool)
        .await
        .unwrap();
        let refusal = Refusal::of(&bureau.disclose_application(disclose).await.unwrap_err());
        assert_eq!(refusal.reason, "WORKER_ERASED");
        let request = pb::GetDecisionRequest { decision_id: granted.decision_ids[0].clone() };
        let decision = bureau.get_decision(request).await.unwrap().into_inner().decision.unwrap();
        assert_eq!(decision.record.unwrap().outcome(), pb::DecisionOutcome::Granted);
        // It can still be paid: that needs nothing of what was stated.
        assert_eq!(pay(&mut bureau, &granted).await.state(), State::Paid);
    });
}
