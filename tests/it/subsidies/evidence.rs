//! Facts that rest on credentials: verified by the applicant, cited by the determination, and opened again when the credential falls.

use peshub::pb::peshub::credentials::v1::{VerificationPolicy, VerifyPresentationRequest};
use peshub::pb::peshub::subsidies::v1::{
    self as pb, ApplicationState as State, ApplicationStep as Step,
};

use crate::support::applications::{Watch, asking, decide, get, grant, once, submit, worker};
use crate::support::credentials::{ACADEMY, WELDING, trusted};
use crate::support::eligibility::{BUREAU, furnish, in_force, publish, truth};
use crate::support::issuing::{issue_one, revoke};
use crate::support::wallet::by_law;
use crate::support::{TestHub, story, until};

const NORTH: &str = "platform-north";
pub(crate) const CERTIFIED: &str = "test.certified";

/// A programme whose fact a welding certificate proves.
pub(crate) async fn certified(hub: &TestHub) {
    let publisher = furnish(hub, vec![]).await;
    let source = pb::ClaimSource {
        type_name: WELDING.to_owned(),
        claim: "level".to_owned(),
        constant: "true".to_owned(),
    };
    let fact = pb::FactDefinition {
        name: "worker.certified".to_owned(),
        kind: pb::FactKind::Bool.into(),
        meaning: "Whether somebody has a certificate".to_owned(),
        claims: vec![source],
        lawful_source: "An article".to_owned(),
        about_worker: true,
        ..Default::default()
    };
    let mut author = hub.connect(BUREAU).await.programmes();
    let request = pb::DefineFactsRequest { facts: vec![fact], request_id: String::new() };
    author.define_facts(request).await.unwrap();
    let mut programme = pb::Programme { name: CERTIFIED.to_owned(), ..once() };
    let criteria = &mut programme.versions[0].criteria;
    "worker.certified".clone_into(&mut criteria[0].expression);
    for case in &mut programme.cases {
        for fact in case.facts.iter_mut().filter(|it| it.name == "worker.trained") {
            "worker.certified".clone_into(&mut fact.name);
        }
        case.facts.retain(|it| it.name != "worker.age");
    }
    publish(hub, &publisher, programme).await;
    in_force(hub, CERTIFIED, 1).await;
}

pub(crate) fn resting_on(entry_id: &str) -> pb::Fact {
    let provenance = pb::Provenance {
        basis: pb::FactBasis::Credential.into(),
        reference: entry_id.to_owned(),
        ..Default::default()
    };
    pb::Fact { provenance: Some(provenance), ..truth("worker.certified", true) }
}

/// Verifies a credential, following it or not; returns the entry of the trail.
pub(crate) async fn verified(
    hub: &TestHub,
    participant: &str,
    sd_jwt: &str,
    follow: bool,
) -> String {
    let client = hub.connect(participant).await.verification();
    until("the verdict", async || {
        let request = VerifyPresentationRequest {
            presentation: sd_jwt.to_owned(),
            grounds: by_law(),
            policy: Some(VerificationPolicy { follow, ..VerificationPolicy::default() }),
            request_id: String::new(),
        };
        let answer = client.clone().verify_presentation(request).await.unwrap().into_inner();
        let is_valid = answer.verdict.unwrap().outcome().as_str_name().ends_with("_VALID");
        is_valid.then_some(answer.entry_id)
    })
    .await
}

#[test]
fn a_revoked_credential_opens_again_what_rests_on_it_and_the_bureau_is_told() {
    story(async |world| {
        let hub = world.hub().await;
        certified(&hub).await;
        trusted(&hub).await;
        let mut academy = hub.connect(ACADEMY).await.credentials();
        let issued = issue_one(&mut academy).await;
        let reference = worker(&hub, NORTH, 1).await;
        let mut north = hub.connect(NORTH).await.applications();
        let mut bureau = hub.connect(BUREAU).await.applications();
        let asking = |fact: pb::Fact| pb::SubmitApplicationRequest {
            facts: vec![fact],
            ..asking(CERTIFIED, &reference, true)
        };
        // What nobody has verified, what another has, and what is not followed is no evidence.
        let another = verified(&hub, "platform-south", &issued.sd_jwt, true).await;
        let unfollowed = verified(&hub, NORTH, &issued.sd_jwt, false).await;
        let nothing = uuid::Uuid::nil().to_string();
        for entry_id in [nothing.as_str(), &another, &unfollowed, "else"] {
            let refusal = submit(&mut north, asking(resting_on(entry_id))).await.unwrap_err();
            let fields: Vec<_> = refusal.violations.iter().map(|it| it.field.as_str()).collect();
            let said = (refusal.reason.as_str(), fields.as_slice());
            assert_eq!(said, ("FIELDS_INVALID", ["facts[0].provenance"].as_slice()), "{entry_id}");
        }
        let entry_id = verified(&hub, NORTH, &issued.sd_jwt, true).await;
        let filed = submit(&mut north, asking(resting_on(&entry_id))).await.unwrap();
        let determination = filed.determination.clone().unwrap();
        assert_eq!(
            determination.rests_on,
            std::slice::from_ref(&entry_id),
            "the determination cites it"
        );
        let granted = grant(&mut bureau, &filed).await;
        assert_eq!(granted.state(), State::Granted);

        let mut watch = Watch::start(&mut bureau.clone(), &[]).await;
        revoke(&mut academy, &[&issued.credential_id]).await;
        let event = watch.until(Step::Reopened).await;
        let told = event.application.unwrap();
        assert_eq!((told.state(), told.reopened), (State::EvidenceRequested, true));
        assert_eq!(told.asked, ["worker.certified"]);
        let again = get(&mut bureau, &filed.application_id).await.unwrap();
        assert_eq!((again.state(), again.reopened), (State::EvidenceRequested, true));
        // The same evidence is none any more; without other evidence it cannot be granted.
        let provide = |fact: pb::Fact, it: &pb::Application| pb::ProvideEvidenceRequest {
            application_id: it.application_id.clone(),
            etag: it.etag.clone(),
            facts: vec![fact],
            request_id: String::new(),
        };
        let paper = pb::Provenance {
            basis: pb::FactBasis::Document.into(),
            reference: "paper-1".to_owned(),
            ..Default::default()
        };
        let shown = pb::Fact { provenance: Some(paper), ..truth("worker.certified", true) };
        let provided = north.provide_evidence(provide(shown, &again)).await.unwrap().into_inner();
        let provided = provided.application.unwrap();
        assert_eq!((provided.state(), provided.reopened), (State::Submitted, false));
        let decided = decide(&mut bureau, &provided, pb::DecisionOutcome::Granted).await.unwrap();
        assert_eq!(decided.0.decision_ids.len(), 2);
    });
}
