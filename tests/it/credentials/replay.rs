//! Verdicts that are given again, requests that come again, and what the worker is shown of all of it.

use peshub::client::error::Refusal;
use peshub::pb::peshub::credentials::v1::VerdictOutcome as Is;
use peshub::pb::peshub::credentials::v1::{
    AccreditIssuerRequest, BatchVerifyPresentationsRequest, EndIssuerKeyRequest, EvidenceKind,
    Grounds, KeyEnd, ReplayVerdictRequest, Verdict, VerdictOutcome, VerificationPolicy,
    VerifyPresentationRequest, WithdrawConsentRequest,
};
use peshub::pb::peshub::workers::v1::{
    Disclosure, LegalBasisKind, ListDisclosuresRequest, ProveDisclosureRequest,
};
use peshub::platform::audit::hash::Hex;
use peshub::platform::audit::keyring::Keyring;
use peshub::platform::audit::proof::Proof;
use peshub::platform::audit::statement::PublicKey;
use serde_json::json;
use time::Duration;

use crate::support::credentials::{ACADEMY, REGISTRAR, WELDING};
use crate::support::wallet::{
    Consents, School, Verification, Wallet, awaited, by_consent, by_law, look, now, recording,
    request, said, terms, timestamp, told, verify,
};
use crate::support::{story, until};
use crate::workers::people::{Invented, register, workers};

const NORTH: &str = "platform-north";
const SOUTH: &str = "platform-south";
const BUREAU: &str = "bureau-zhejiang";

async fn replay(
    client: &mut Verification,
    presentation: &str,
    grounds: Option<Grounds>,
    policy: VerificationPolicy,
    verdict: &Verdict,
) -> Result<Verdict, Refusal> {
    let request = ReplayVerdictRequest {
        presentation: presentation.to_owned(),
        policy: Some(policy),
        basis: verdict.basis.clone(),
        grounds,
    };
    let answer = client.replay_verdict(request).await;
    answer.map(|it| it.into_inner().verdict.unwrap()).map_err(|status| Refusal::of(&status))
}

#[test]
fn a_verdict_is_given_again_after_keys_and_rights_have_ended() {
    story(async |world| {
        let hub = world.hub().await;
        let (school, wallet) = (School::found(&hub).await, Wallet::new());
        let mut client = hub.connect(NORTH).await.verification();
        let mut consents = hub.connect(NORTH).await.consents();
        let credential = school.issue(&wallet);
        let policy = VerificationPolicy::default;
        let shown = Wallet::show(&credential, &["level"]);
        let forged = Wallet::show(
            &school.issue_with(&wallet, &[("iss", json!("https://x.example"))]),
            &["level"],
        );
        let over = school
            .issue_with(&wallet, &[("exp", json!((now() - Duration::days(1)).unix_timestamp()))]);
        let over = Wallet::show(&over, &["level"]);
        let consent = awaited(&mut consents, NORTH, &["level"]).await;
        let asked = request(&mut consents, &consent).await.unwrap();
        let proven = wallet.answer(&credential, &["level", "person"], &asked);
        let mut given = Vec::new();
        for (presentation, grounds) in [
            (&shown, by_law()),
            (&forged, by_law()),
            (&over, by_law()),
            (&proven, by_consent(&consent)),
            (&proven, by_consent(&consent)),
        ] {
            let verdict =
                verify(&mut client, presentation, grounds.clone(), policy()).await.unwrap();
            given.push((presentation, grounds, verdict));
        }
        let outcomes: Vec<_> = given.iter().map(|it| it.2.outcome()).collect();
        let expected = [Is::Valid, Is::UntrustedIssuer, Is::Expired, Is::Valid, Is::BadBinding];
        assert_eq!(outcomes, expected, "the last one's nonce was used");
        // Everything ends that they rested on.
        let end = EndIssuerKeyRequest {
            issuer: ACADEMY.to_owned(),
            key_id: school.kid.clone(),
            end: KeyEnd::Compromised.into(),
            at: Some(timestamp(now() - Duration::days(100))),
            ..EndIssuerKeyRequest::default()
        };
        hub.connect(ACADEMY).await.issuers().end_issuer_key(end).await.unwrap();
        let more = AccreditIssuerRequest {
            issuer: ACADEMY.to_owned(),
            type_name: WELDING.to_owned(),
            ..AccreditIssuerRequest::default()
        };
        hub.connect(REGISTRAR).await.issuers().accredit_issuer(more).await.unwrap();
        until("the end of the key", async || {
            (look(&mut client, &shown).await.outcome() == Is::UntrustedIssuer).then_some(())
        })
        .await;
        for (presentation, grounds, verdict) in &given {
            let again = replay(&mut client, presentation, grounds.clone(), policy(), verdict).await;
            assert_eq!(&again.unwrap(), verdict);
        }
        // The basis is good for this, and for nothing else.
        let (_, _, valid) = &given[0];
        let made_up = |change: fn(&mut Verdict)| {
            let mut verdict = valid.clone();
            change(&mut verdict);
            verdict
        };
        let earlier = made_up(|it| {
            it.basis.as_mut().unwrap().verified_at.as_mut().unwrap().seconds -= 86_400;
        });
        let other_registry = made_up(|it| it.basis.as_mut().unwrap().trust_revision -= 1);
        let sealed_not = made_up(|it| it.basis.as_mut().unwrap().seal.clear());
        for (presentation, policy, verdict) in [
            (&shown, policy(), &earlier),
            (&shown, policy(), &other_registry),
            (&shown, policy(), &sealed_not),
            (&over, policy(), valid),
            (&shown, VerificationPolicy { status_age_seconds_max: 1, ..policy() }, valid),
        ] {
            let refusal = replay(&mut client, presentation, by_law(), policy, verdict).await;
            let refusal = refusal.unwrap_err();
            assert_eq!(refusal.violations[0].field, "basis", "{refusal}");
        }
        let mut south = hub.connect(SOUTH).await.verification();
        let refusal = replay(&mut south, &shown, by_law(), policy(), valid).await.unwrap_err();
        assert_eq!(refusal.violations[0].field, "basis", "another's verdict is nobody else's");
        // A consent that is withdrawn gives no right to look again.
        let consent_id = consent.consent_id.clone();
        let withdrawal = WithdrawConsentRequest { consent_id, request_id: String::new() };
        consents.withdraw_consent(withdrawal).await.unwrap();
        let (presentation, grounds, verdict) = &given[3];
        let refusal = replay(&mut client, presentation, grounds.clone(), policy(), verdict).await;
        assert_eq!(refusal.unwrap_err().reason, "CONSENT_NOT_GIVEN");
    });
}

#[test]
fn a_request_that_comes_again_is_answered_alike_without_being_kept_and_not_after_the_withdrawal() {
    story(async |world| {
        let hub = world.hub().await;
        let (school, wallet) = (School::found(&hub).await, Wallet::new());
        let mut client = hub.connect(NORTH).await.verification();
        let mut consents: Consents = hub.connect(NORTH).await.consents();
        let credential = school.issue(&wallet);
        let consent = awaited(&mut consents, NORTH, &["level"]).await;
        let asked = request(&mut consents, &consent).await.unwrap();
        let request = VerifyPresentationRequest {
            presentation: wallet.answer(&credential, &["level"], &asked),
            grounds: by_consent(&consent),
            policy: None,
            request_id: "v-1".to_owned(),
        };
        let first = client.verify_presentation(request.clone()).await.unwrap().into_inner();
        assert_eq!(said(first.verdict.as_ref().unwrap()), (VerdictOutcome::Valid, ""));
        let again = client.verify_presentation(request.clone()).await.unwrap().into_inner();
        assert_eq!(again, first, "the nonce counts as it did");
        let events: i64 =
            sqlx::query_scalar("SELECT count(*) FROM audit WHERE event = 'credential.verified'")
                .fetch_one(&world.pool)
                .await
                .unwrap();
        assert_eq!(events, 1);
        let withdrawal = WithdrawConsentRequest {
            consent_id: consent.consent_id.clone(),
            request_id: String::new(),
        };
        consents.withdraw_consent(withdrawal).await.unwrap();
        let refusal = Refusal::of(&client.verify_presentation(request).await.unwrap_err());
        assert_eq!(refusal.reason, "CONSENT_NOT_GIVEN");
        let batch = BatchVerifyPresentationsRequest {
            presentations: vec![Wallet::show(&credential, &["level"]), "nonsense".to_owned()],
            grounds: by_law(),
            policy: None,
            request_id: "b-1".to_owned(),
        };
        let first = client.batch_verify_presentations(batch.clone()).await.unwrap().into_inner();
        let again = client.batch_verify_presentations(batch).await.unwrap().into_inner();
        assert_eq!(first, again);
        let outcome = |index: usize| first.results[index].verdict.as_ref().unwrap().outcome();
        assert_eq!((outcome(0), outcome(1)), (VerdictOutcome::Valid, VerdictOutcome::Malformed));
    });
}

#[test]
fn the_worker_is_shown_who_looked_and_can_have_it_proven_without_the_hub() {
    story(async |world| {
        let hub = world.hub().await;
        let (school, wallet) = (School::found(&hub).await, Wallet::new());
        let mut client = hub.connect(NORTH).await.verification();
        let mut consents = hub.connect(NORTH).await.consents();
        let invented = Invented::new(11);
        let of_north = register(&mut workers(&hub, NORTH).await, &invented).await;
        let mut bureau = workers(&hub, BUREAU).await;
        let of_bureau = register(&mut bureau, &invented).await;
        let it = recording(&of_north, terms(NORTH, &["level"]), EvidenceKind::Document);
        let consent = consents.record_consent(it).await.unwrap().into_inner().consent.unwrap();
        let credential = school.issue(&wallet);
        let shown = Wallet::show(&credential, &["level", "person"]);
        let verdict =
            verify(&mut client, &shown, by_consent(&consent), VerificationPolicy::default()).await;
        assert_eq!(told(&verdict.unwrap())["level"], 3);
        // What told nothing of the worker is no disclosure of the worker's data.
        let nonsense =
            verify(&mut client, "nonsense", by_consent(&consent), VerificationPolicy::default());
        assert_eq!(nonsense.await.unwrap().outcome(), VerdictOutcome::Malformed);
        let list = ListDisclosuresRequest { reference: of_bureau.clone(), ..Default::default() };
        let shown: Vec<Disclosure> =
            bureau.list_disclosures(list).await.unwrap().into_inner().disclosures;
        assert_eq!(shown.len(), 1, "{shown:?}");
        let disclosure = &shown[0];
        assert_eq!(disclosure.participant, NORTH);
        assert_eq!(disclosure.action, "credentials.verify");
        assert_eq!(disclosure.credential_type, WELDING);
        assert_eq!(disclosure.purpose, "placing as a welder");
        let basis = disclosure.legal_basis.clone().unwrap();
        assert_eq!(
            (basis.kind(), basis.reference.as_str()),
            (LegalBasisKind::Consent, consent.consent_id.as_str())
        );
        crate::audit::sealed(&world.pool).await;
        let prove = |reference: &str, entry_id: &str| ProveDisclosureRequest {
            reference: reference.to_owned(),
            entry_id: entry_id.to_owned(),
        };
        let answer =
            bureau.prove_disclosure(prove(&of_bureau, &disclosure.entry_id)).await.unwrap();
        let document = answer.into_inner().document;
        let proof = Proof::read(document.as_bytes()).unwrap();
        assert_eq!(proof.entry.entry_id, disclosure.entry_id);
        assert_eq!(
            proof.entry.legal_basis.as_deref(),
            Some(format!("consent: {}", consent.consent_id).as_str())
        );
        let mut audit = hub.connect("auditor").await.audit();
        let keys =
            audit.list_signing_keys(peshub::pb::peshub::audit::v1::ListSigningKeysRequest {});
        let keys = keys.await.unwrap().into_inner().keys.into_iter().map(|it| PublicKey {
            key_id: it.key_id,
            algorithm: it.algorithm,
            public_key: Hex(it.public_key.to_vec()),
        });
        let keyring = Keyring::pinned(keys.collect());
        proof.check(&keyring).unwrap();
        let forged = document.replace(NORTH, SOUTH);
        assert!(Proof::read(forged.as_bytes()).unwrap().check(&keyring).is_err());
        // Of another worker, or with another's reference, it is no disclosure at all.
        let other = register(&mut bureau, &Invented::new(12)).await;
        for (reference, reason) in
            [(other.as_str(), "AUDIT_ENTRY_NOT_FOUND"), (of_north.as_str(), "WORKER_NOT_FOUND")]
        {
            let answer = bureau.prove_disclosure(prove(reference, &disclosure.entry_id)).await;
            assert_eq!(Refusal::of(&answer.unwrap_err()).reason, reason);
        }
    });
}
