//! Postings meet credentials.

use peshub::client::error::Refusal;
use peshub::pb::peshub::credentials::v1::RequirementOutcome as Is;
use peshub::pb::peshub::credentials::v1::{
    CheckRequirementsRequest, CheckRequirementsResponse, RequirementOutcome,
};
use peshub::pb::peshub::postings::v1::{BatchUpsertPostingsRequest, Requirements};
use serde_json::json;
use time::Duration;

use crate::support::credentials::WELDING;
use crate::support::postings::{posting, upsert};
use crate::support::wallet::{School, Wallet, by_law, now};
use crate::support::{TestHub, story};

const NORTH: &str = "platform-north";
const SOUTH: &str = "platform-south";

async fn post(hub: &TestHub, types: &[&str]) {
    let mut it = posting("Welder", "440305");
    let credential_types = types.iter().map(|&it| it.to_owned()).collect();
    it.requirements = Some(Requirements { credential_types, ..Requirements::default() });
    let request = BatchUpsertPostingsRequest {
        source: NORTH.to_owned(),
        changes: vec![upsert("w1", it)],
        request_id: String::new(),
        validate_only: false,
    };
    hub.postings(NORTH).await.batch_upsert_postings(request).await.unwrap();
}

async fn check(
    hub: &TestHub,
    who: &str,
    presentations: Vec<String>,
) -> Result<CheckRequirementsResponse, Refusal> {
    let request = CheckRequirementsRequest {
        source: NORTH.to_owned(),
        external_id: "w1".to_owned(),
        presentations,
        grounds: by_law(),
        policy: None,
        request_id: String::new(),
    };
    let answer = hub.connect(who).await.verification().check_requirements(request).await;
    answer.map(tonic::Response::into_inner).map_err(|status| Refusal::of(&status))
}

fn met(answer: &CheckRequirementsResponse) -> Vec<(RequirementOutcome, i32, bool)> {
    let found = answer.requirements.iter();
    found.map(|it| (it.outcome(), it.presentation, it.type_known)).collect()
}

#[test]
fn what_a_posting_requires_is_met_missing_or_not_valid() {
    story(async |world| {
        let hub = world.hub().await;
        let (school, wallet) = (School::found(&hub).await, Wallet::new());
        let vct = school.trusted.credential_type.vct.clone();
        post(&hub, &[WELDING, &vct, "crane-licence"]).await;
        let over = json!((now() - Duration::days(1)).unix_timestamp());
        let over = Wallet::show(&school.issue_with(&wallet, &[("exp", over)]), &["level"]);
        let good = Wallet::show(&school.issue(&wallet), &["level"]);
        let nothing = check(&hub, NORTH, Vec::new()).await.unwrap();
        let missing = |known| (Is::Missing, -1, known);
        assert_eq!(met(&nothing), [missing(true), missing(true), missing(false)]);
        assert!(!nothing.all_met && nothing.results.is_empty() && !nothing.entry_id.is_empty());
        let stale = check(&hub, NORTH, vec!["nonsense".to_owned(), over.clone()]).await.unwrap();
        let invalid = (Is::NotValid, 1, true);
        assert_eq!(met(&stale), [invalid, invalid, missing(false)]);
        assert_eq!(stale.results.len(), 2);
        let fine = check(&hub, NORTH, vec![over, good.clone()]).await.unwrap();
        assert_eq!(met(&fine), [(Is::Met, 1, true), (Is::Met, 1, true), missing(false)]);
        assert!(!fine.all_met);
        post(&hub, &[WELDING]).await;
        assert!(check(&hub, NORTH, vec![good.clone()]).await.unwrap().all_met);
        post(&hub, &[]).await;
        assert!(check(&hub, NORTH, Vec::new()).await.unwrap().all_met, "nothing is required");
        // The bureau of the place sees the posting, others do not.
        assert!(check(&hub, "bureau-shenzhen", vec![good.clone()]).await.is_ok());
        for who in [SOUTH, "bureau-zhejiang"] {
            let refusal = check(&hub, who, vec![good.clone()]).await.unwrap_err();
            assert_eq!(refusal.reason, "POSTING_NOT_FOUND", "{who}");
        }
    });
}
