//! Consents: recorded, signed by the holder, held against what is presented, withdrawn.

use peshub::client::error::Refusal;
use peshub::pb::peshub::credentials::v1::{
    Consent, ConsentState, EvidenceKind, GetConsentRequest, ListConsentsRequest,
    RecordConsentRequest, VerdictOutcome, VerificationPolicy, WithdrawConsentRequest,
};
use serde_json::json;
use time::Duration;

use crate::support::credentials::path;
use crate::support::wallet::{
    Consents, School, Wallet, awaited, by_consent, now, recording, request, said, terms, timestamp,
    told, verify,
};
use crate::support::{TestHub, story};
use crate::workers::people::{Invented, register, workers};

const NORTH: &str = "platform-north";
const SOUTH: &str = "platform-south";
const BUREAU: &str = "bureau-zhejiang";

async fn consents(hub: &TestHub, who: &str) -> Consents {
    hub.connect(who).await.consents()
}

async fn record(client: &mut Consents, it: RecordConsentRequest) -> Result<Consent, Refusal> {
    let answer = client.record_consent(it).await;
    answer.map(|it| it.into_inner().consent.unwrap()).map_err(|status| Refusal::of(&status))
}

async fn get(client: &mut Consents, consent: &Consent) -> Result<Consent, Refusal> {
    let request = GetConsentRequest { consent_id: consent.consent_id.clone() };
    let answer = client.get_consent(request).await;
    answer.map(|it| it.into_inner().consent.unwrap()).map_err(|status| Refusal::of(&status))
}

async fn withdraw(client: &mut Consents, consent: &Consent) -> Result<Consent, Refusal> {
    let consent_id = consent.consent_id.clone();
    let request = WithdrawConsentRequest { consent_id, request_id: String::new() };
    let answer = client.withdraw_consent(request).await;
    answer.map(|it| it.into_inner().consent.unwrap()).map_err(|status| Refusal::of(&status))
}

async fn listed(client: &mut Consents, worker_reference: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut asked = ListConsentsRequest {
        worker_reference: worker_reference.to_owned(),
        page_size: 2,
        ..ListConsentsRequest::default()
    };
    loop {
        let page = client.list_consents(asked.clone()).await.unwrap().into_inner();
        assert!(page.consents.len() <= 2);
        found.extend(page.consents.into_iter().map(|it| it.consent_id));
        if page.next_page_token.is_empty() {
            return found;
        }
        asked.page_token = page.next_page_token;
    }
}

#[test]
fn one_signature_of_the_holder_gives_the_consent_and_proves_the_credential() {
    story(async |world| {
        let hub = world.hub().await;
        let (school, wallet) = (School::found(&hub).await, Wallet::new());
        let (mut client, mut verifier) =
            (consents(&hub, NORTH).await, hub.connect(NORTH).await.verification());
        let consent = awaited(&mut client, NORTH, &["level", "person.name"]).await;
        assert_eq!(consent.state(), ConsentState::Awaited);
        let credential = school.issue(&wallet);
        let policy = VerificationPolicy::default;
        // Until the holder has signed, nothing is told.
        let shown = Wallet::show(&credential, &["level"]);
        let refusal = verify(&mut verifier, &shown, by_consent(&consent), policy()).await;
        assert_eq!(refusal.unwrap_err().reason, "CONSENT_NOT_GIVEN");
        let asked = request(&mut client, &consent).await.unwrap();
        let bound: serde_json::Value = serde_json::from_str(&asked.terms_json).unwrap();
        assert_eq!(bound["recipient"], NORTH);
        assert_eq!(bound["purpose"], "placing as a welder");
        assert_eq!(bound["claims"], json!([["level"], ["person", "name"]]));
        assert_eq!(bound["consent"], consent.consent_id);
        let proven = wallet.answer(&credential, &["level", "person"], &asked);
        let verdict = verify(&mut verifier, &proven, by_consent(&consent), policy()).await.unwrap();
        assert_eq!(said(&verdict), (VerdictOutcome::Valid, ""));
        assert!(verdict.holder_bound);
        // More was shown than the consent covers: it is withheld, and named.
        let what = told(&verdict);
        assert_eq!((&what["level"], &what["person"]), (&json!(3), &json!({"name": "Qelv Zhrau"})));
        let withheld: Vec<String> =
            verdict.withheld.iter().map(|it| it.segments.join(".")).collect();
        assert_eq!(withheld, ["division", "occupation", "person.birth_year"]);
        assert!(verdict.subject.is_empty());
        let given = get(&mut client, &consent).await.unwrap();
        assert_eq!(given.state(), ConsentState::Given);
        assert_eq!(given.holder_key_thumbprint, wallet.key.public().thumbprint().to_vec());
        // From now on the consent covers what the same holder shows, and nobody else's.
        let verdict = verify(&mut verifier, &shown, by_consent(&consent), policy()).await.unwrap();
        assert_eq!(told(&verdict)["level"], 3);
        let other = Wallet::show(&school.issue(&Wallet::new()), &["level"]);
        let refusal = verify(&mut verifier, &other, by_consent(&consent), policy()).await;
        assert_eq!(refusal.unwrap_err().reason, "CONSENT_NOT_GIVEN");
    });
}

#[test]
fn a_nonce_is_good_once_for_its_consent_its_audience_and_its_time() {
    story(async |world| {
        let hub = world.hub().await;
        let (school, wallet) = (School::found(&hub).await, Wallet::new());
        let (mut client, mut verifier) =
            (consents(&hub, NORTH).await, hub.connect(NORTH).await.verification());
        let credential = school.issue(&wallet);
        let consent = awaited(&mut client, NORTH, &["level"]).await;
        let asked = request(&mut client, &consent).await.unwrap();
        let mut at = async |presentation: &str, consent: &Consent| {
            let policy = VerificationPolicy::default();
            let verdict = verify(&mut verifier, presentation, by_consent(consent), policy).await;
            let verdict = verdict.unwrap();
            let (outcome, check) = said(&verdict);
            (outcome, check.to_owned())
        };
        let bad = |check: &str| (VerdictOutcome::BadBinding, check.to_owned());
        let for_south = wallet.prove(&credential, &["level"], ("platform-south", &asked.nonce));
        assert_eq!(at(&for_south, &consent).await, bad("binding.audience"));
        let made_up = wallet.prove(&credential, &["level"], (&asked.audience, "made-up"));
        assert_eq!(at(&made_up, &consent).await, bad("binding.single_use"));
        // What failed has not used it up.
        let proven = wallet.answer(&credential, &["level"], &asked);
        assert_eq!(at(&proven, &consent).await, (VerdictOutcome::Valid, String::new()));
        assert_eq!(at(&proven, &consent).await, bad("binding.single_use"));
        let again = wallet.answer(&credential, &["level"], &asked);
        assert_eq!(at(&again, &consent).await, bad("binding.single_use"));
        // A nonce of one consent says nothing of another.
        let other = awaited(&mut client, NORTH, &["level", "person"]).await;
        let asked = request(&mut client, &consent).await.unwrap();
        let elsewhere = wallet.answer(&credential, &["level"], &asked);
        assert_eq!(at(&elsewhere, &other).await, bad("binding.single_use"));
        let asked = request(&mut client, &consent).await.unwrap();
        sqlx::query("UPDATE presentation_request SET expires_at = now() - interval '1 second'")
            .execute(&world.pool)
            .await
            .unwrap();
        let late = wallet.answer(&credential, &["level"], &asked);
        assert_eq!(at(&late, &consent).await, bad("binding.single_use"));
    });
}

#[test]
fn what_the_consent_does_not_cover_is_refused_when_the_caller_asks_so_and_sensitive_claims_must_be_named()
 {
    story(async |world| {
        let hub = world.hub().await;
        let (school, wallet) = (School::found(&hub).await, Wallet::new());
        let (mut client, mut verifier) =
            (consents(&hub, NORTH).await, hub.connect(NORTH).await.verification());
        let credential = school.issue_with(&wallet, &[("medical", json!("fit for heights"))]);
        let worker = register(&mut workers(&hub, NORTH).await, &Invented::new(3)).await;
        let mut consented = async |claims: &[&str]| {
            let it = recording(&worker, terms(NORTH, claims), EvidenceKind::Document);
            record(&mut client, it).await.unwrap()
        };
        let narrow = consented(&["occupation", "division", "level"]).await;
        assert_eq!(narrow.state(), ConsentState::Given);
        let strict = || VerificationPolicy { refuse_excess: true, ..VerificationPolicy::default() };
        let shown = Wallet::show(&credential, &["level", "medical"]);
        let refusal = verify(&mut verifier, &shown, by_consent(&narrow), strict()).await;
        assert_eq!(refusal.unwrap_err().reason, "CLAIMS_BEYOND_CONSENT");
        let less = Wallet::show(&credential, &["level"]);
        let verdict = verify(&mut verifier, &less, by_consent(&narrow), strict()).await.unwrap();
        assert_eq!(said(&verdict), (VerdictOutcome::Valid, ""));
        assert!(verdict.withheld.is_empty());
        let verdict =
            verify(&mut verifier, &shown, by_consent(&narrow), VerificationPolicy::default()).await;
        let verdict = verdict.unwrap();
        assert_eq!(verdict.withheld, [path(&["medical"])]);
        assert!(!verdict.claims_json.contains("heights"), "{}", verdict.claims_json);
        let named = consented(&["medical"]).await;
        let verdict =
            verify(&mut verifier, &shown, by_consent(&named), VerificationPolicy::default()).await;
        assert_eq!(told(&verdict.unwrap())["medical"], "fit for heights");
        // For other types it is none at all.
        let mut others = terms(NORTH, &["level"]);
        others.type_names = vec!["driving-licence".to_owned()];
        let other = record(&mut client, recording(&worker, others, EvidenceKind::Document)).await;
        let refusal = verify(
            &mut verifier,
            &shown,
            by_consent(&other.unwrap()),
            VerificationPolicy::default(),
        );
        assert_eq!(refusal.await.unwrap_err().reason, "CONSENT_NOT_GIVEN");
    });
}

#[test]
fn a_consent_that_is_withdrawn_or_over_covers_nothing_any_more() {
    story(async |world| {
        let hub = world.hub().await;
        let (school, wallet) = (School::found(&hub).await, Wallet::new());
        let (mut client, mut verifier) =
            (consents(&hub, NORTH).await, hub.connect(NORTH).await.verification());
        let shown = Wallet::show(&school.issue(&wallet), &["level"]);
        let worker = register(&mut workers(&hub, NORTH).await, &Invented::new(3)).await;
        let it = recording(&worker, terms(NORTH, &["level"]), EvidenceKind::Document);
        let consent = record(&mut client, it).await.unwrap();
        let policy = VerificationPolicy::default;
        assert!(verify(&mut verifier, &shown, by_consent(&consent), policy()).await.is_ok());
        let withdrawn = withdraw(&mut client, &consent).await.unwrap();
        assert_eq!(withdrawn.state(), ConsentState::Withdrawn);
        let refusal = verify(&mut verifier, &shown, by_consent(&consent), policy()).await;
        assert_eq!(refusal.unwrap_err().reason, "CONSENT_NOT_GIVEN");
        assert_eq!(request(&mut client, &consent).await.unwrap_err().reason, "CONSENT_NOT_GIVEN");
        let again = withdraw(&mut client, &consent).await.unwrap();
        assert_eq!(again.withdrawn_at, withdrawn.withdrawn_at, "again changes nothing");
        let mut short = terms(NORTH, &["level"]);
        short.until = Some(timestamp(now() + Duration::seconds(2)));
        let it = recording(&worker, short, EvidenceKind::Document);
        let consent = record(&mut client, it).await.unwrap();
        crate::support::until("the end of the consent", async || {
            let consent = get(&mut client, &consent).await.unwrap();
            (consent.state() == ConsentState::Over).then_some(())
        })
        .await;
        let refusal = verify(&mut verifier, &shown, by_consent(&consent), policy()).await;
        assert_eq!(refusal.unwrap_err().reason, "CONSENT_NOT_GIVEN");
    });
}

#[test]
fn a_bureau_records_and_withdraws_on_a_workers_behalf_and_sees_all_of_that_worker() {
    story(async |world| {
        let hub = world.hub().await;
        let (mut north, mut south, mut bureau) = (
            consents(&hub, NORTH).await,
            consents(&hub, SOUTH).await,
            consents(&hub, BUREAU).await,
        );
        let invented = Invented::new(5);
        let of_bureau = register(&mut workers(&hub, BUREAU).await, &invented).await;
        let of_north = register(&mut workers(&hub, NORTH).await, &invented).await;
        let it = recording(&of_bureau, terms(SOUTH, &["level"]), EvidenceKind::InPerson);
        let by_bureau = record(&mut bureau, it).await.unwrap();
        assert_eq!(
            (by_bureau.worker_reference.as_str(), by_bureau.recorded_by.as_str()),
            (of_bureau.as_str(), BUREAU)
        );
        let it = recording(&of_north, terms(NORTH, &["level"]), EvidenceKind::Document);
        let of_norths = record(&mut north, it).await.unwrap();
        let other = awaited(&mut north, NORTH, &["level"]).await;
        let ids = |all: &[&Consent]| -> Vec<String> {
            all.iter().map(|it| it.consent_id.clone()).collect()
        };
        assert_eq!(listed(&mut bureau, &of_bureau).await, ids(&[&of_norths, &by_bureau]));
        assert_eq!(listed(&mut bureau, "").await, ids(&[&by_bureau]));
        assert_eq!(listed(&mut north, "").await, ids(&[&other, &of_norths]));
        assert_eq!(listed(&mut north, &of_north).await, ids(&[&of_norths]));
        assert_eq!(listed(&mut south, "").await, ids(&[&by_bureau]));
        // Who receives it and does not know the worker is told no reference.
        assert_eq!(get(&mut south, &by_bureau).await.unwrap().worker_reference, "");
        // A bureau that knows the worker withdraws what it neither recorded nor received.
        assert_eq!(get(&mut bureau, &of_norths).await.unwrap_err().reason, "CONSENT_NOT_FOUND");
        let withdrawn = withdraw(&mut bureau, &of_norths).await.unwrap();
        assert_eq!(withdrawn.state(), ConsentState::Withdrawn);
        assert_eq!(get(&mut north, &of_norths).await.unwrap().state(), ConsentState::Withdrawn);
    });
}

#[test]
fn what_cannot_be_a_consent_is_refused_with_every_reason() {
    story(async |world| {
        let hub = world.hub().await;
        let (mut north, mut bureau) = (consents(&hub, NORTH).await, consents(&hub, BUREAU).await);
        let signature = EvidenceKind::HolderSignature;
        let refusal = |fields: Result<Consent, Refusal>| {
            let refusal = fields.unwrap_err();
            let fields = refusal.violations.iter().map(|it| it.field.clone()).collect::<Vec<_>>();
            (refusal.reason, fields.join(" "))
        };
        let mut wrong = terms(NORTH, &["level"]);
        wrong.until = Some(timestamp(now() + Duration::days(4 * 366)));
        wrong.purpose = "case of 11010519491231002X".to_owned();
        let mut it = recording("", wrong, EvidenceKind::Document);
        it.evidence.as_mut().unwrap().document_sha256 = vec![1; 5].into();
        let told = refusal(record(&mut north, it).await);
        let fields = "terms.until terms.purpose evidence.document_sha256";
        assert_eq!(told, ("FIELDS_INVALID".to_owned(), fields.to_owned()));
        // Without a worker only the holder's signature shows anything.
        let it = recording("", terms(NORTH, &["level"]), EvidenceKind::Document);
        let told = refusal(record(&mut north, it).await);
        assert_eq!(told, ("FIELDS_INVALID".to_owned(), "worker_reference".to_owned()));
        // A platform records for itself alone, and cannot find out who else there is.
        for recipient in [SOUTH, "nobody-at-all"] {
            let it = recording("", terms(recipient, &["level"]), signature);
            assert_eq!(refusal(record(&mut north, it).await).0, "PARTICIPANT_NOT_FOUND");
        }
        let it = recording("", terms("nobody-at-all", &["level"]), signature);
        assert_eq!(refusal(record(&mut bureau, it).await).0, "PARTICIPANT_NOT_FOUND");
        let of_bureau = register(&mut workers(&hub, BUREAU).await, &Invented::new(5)).await;
        let it = recording(&of_bureau, terms(NORTH, &["level"]), signature);
        assert_eq!(refusal(record(&mut north, it).await).0, "WORKER_NOT_FOUND");
        let it = awaited(&mut north, NORTH, &["level"]).await;
        let mut other = terms(NORTH, &["level"]);
        other.type_names = vec!["nobodys-type".to_owned()];
        let unknown = record(&mut north, recording("", other, signature)).await.unwrap();
        assert_eq!(
            request(&mut north, &unknown).await.unwrap_err().reason,
            "CREDENTIAL_TYPE_NOT_FOUND"
        );
        assert_eq!(request(&mut bureau, &it).await.unwrap_err().reason, "CONSENT_NOT_FOUND");
    });
}
