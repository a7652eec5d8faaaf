//! Outcomes: what becomes of a presentation, check by check.

use peshub::credentials::domain::Algorithm;
use peshub::credentials::sdjwt::key::SecretKey;
use peshub::pb::peshub::credentials::v1::VerdictOutcome as Is;
use peshub::pb::peshub::credentials::v1::{
    CheckOutcome, EndIssuerKeyRequest, KeyEnd, VerdictOutcome, VerificationPolicy,
};
use serde_json::{Value, json};
use time::Duration;

use crate::support::credentials::ACADEMY;
use crate::support::wallet::{
    School, Verification, Wallet, by_law, look, now, own_key, said, sign, told, verify,
};
use crate::support::{TestHub, story, until};

const NORTH: &str = "platform-north";

async fn verifier(hub: &TestHub) -> Verification {
    hub.connect(NORTH).await.verification()
}

#[test]
fn a_sound_credential_is_valid_and_every_check_is_told() {
    story(async |world| {
        let hub = world.hub().await;
        let (school, wallet) = (School::found(&hub).await, Wallet::new());
        let mut client = verifier(&hub).await;
        let shown = Wallet::show(&school.issue(&wallet), &["level", "person.name"]);
        let verdict = look(&mut client, &shown).await;
        assert_eq!(said(&verdict), (VerdictOutcome::Valid, ""));
        let told = told(&verdict);
        assert_eq!(told["level"], 3);
        assert_eq!(told["person"]["name"], "Qelv Zhrau");
        assert!(told.get("skills").is_none() && told.get("cnf").is_none(), "{told}");
        assert_eq!(verdict.issuer_name, ACADEMY);
        assert_eq!((verdict.key_id.as_str(), verdict.type_version), ("own-1", 1));
        assert!(!verdict.holder_bound && verdict.holder_key_thumbprint.len() == 32);
        assert_eq!(verdict.credential_sha256.len(), 32);
        let of = |id: &str| verdict.checks.iter().find(|it| it.id == id).unwrap();
        for id in ["format.size", "key.safe", "signature.issuer", "scope.division", "time.not_over"]
        {
            assert_eq!(of(id).outcome(), CheckOutcome::Passed, "{id}");
        }
        for id in ["binding.nonce", "status.list", "consent.claims"] {
            assert_eq!(of(id).outcome(), CheckOutcome::Skipped, "{id}");
        }
        assert!(verdict.checks.iter().all(|it| !it.clause.is_empty()));
    });
}

#[test]
fn each_defect_has_its_outcome_and_its_check() {
    story(async |world| {
        let hub = world.hub().await;
        let (school, wallet) = (School::found(&hub).await, Wallet::new());
        let mut client = verifier(&hub).await;
        let seconds = |from_now: i64| json!((now() + Duration::seconds(from_now)).unix_timestamp());
        let issued = |change: &[(&str, Value)]| school.issue_with(&wallet, change);
        let foreign = SecretKey::generate(Algorithm::Es256).unwrap();
        let good = school.issue(&wallet);
        let mut just_now = school.claims(&wallet);
        just_now.insert("iat".to_owned(), seconds(0));
        let forged = sign(&foreign, Some("own-1"), school.claims(&wallet));
        let huge = format!("{good}{}", "x".repeat(1 << 20));
        let crowded = |count: usize| {
            let many: Vec<String> = (0..count).map(|it| format!("d{it:042}")).collect();
            let mut digests = school.claims(&wallet);
            digests.insert("_sd".to_owned(), json!(many));
            digests.insert("_sd_alg".to_owned(), json!("sha-256"));
            crate::support::wallet::sign_as_is(&school.key, &school.kid, &digests)
        };
        let cases: Vec<(&str, String, Is, &str)> = vec![
            ("nothing", String::new(), Is::Malformed, "format.parts"),
            ("1 MB", huge, Is::Malformed, "format.size"),
            ("10,000 digests", crowded(10_000), Is::Malformed, "format.size"),
            ("3,000 digests", crowded(3_000), Is::Valid, ""),
            (
                "a disclosure of another",
                format!("{good}WyJhIiwiYiIsMV0~"),
                Is::Malformed,
                "disclosures.unreferenced",
            ),
            ("nobody's", issued(&[("iss", Value::Null)]), Is::UntrustedIssuer, "issuer.named"),
            (
                "an issuer by its own claim",
                issued(&[("iss", json!("https://diploma-mill.example"))]),
                Is::UntrustedIssuer,
                "issuer.known",
            ),
            (
                "an issuer by its name here",
                issued(&[("iss", json!(ACADEMY))]),
                Is::UntrustedIssuer,
                "issuer.known",
            ),
            (
                "a key that is none",
                sign(&school.key, Some("own-9"), school.claims(&wallet)),
                Is::UntrustedIssuer,
                "key.known",
            ),
            (
                "no key named of several",
                sign(&school.key, None, just_now),
                Is::UntrustedIssuer,
                "key.known",
            ),
            (
                "before its key",
                issued(&[("iat", seconds(-800 * 86_400))]),
                Is::UntrustedIssuer,
                "key.period",
            ),
            ("forged", forged, Is::BadSignature, "signature.issuer"),
            (
                "a type that is none",
                issued(&[("vct", json!("urn:example:other"))]),
                Is::OutOfScope,
                "type.known",
            ),
            (
                "elsewhere",
                issued(&[("division", json!("440305"))]),
                Is::OutOfScope,
                "scope.division",
            ),
            ("not yet", issued(&[("nbf", seconds(120))]), Is::NotYetValid, "time.begun"),
            (
                "issued tomorrow",
                issued(&[("iat", seconds(86_400))]),
                Is::NotYetValid,
                "time.issued",
            ),
            ("over", issued(&[("exp", seconds(-120))]), Is::Expired, "time.not_over"),
            ("over, by less than clocks differ", issued(&[("exp", seconds(-30))]), Is::Valid, ""),
            (
                "not yet, by less than clocks differ",
                issued(&[("nbf", seconds(30)), ("iat", seconds(30))]),
                Is::Valid,
                "",
            ),
            ("without an end", issued(&[("exp", Value::Null)]), Is::Valid, ""),
            ("without a holder", issued(&[("cnf", Value::Null)]), Is::Valid, ""),
            ("without a time of issue", issued(&[("iat", Value::Null)]), Is::Valid, ""),
            (
                "another kind of status",
                issued(&[("status", json!({"other": {}}))]),
                Is::StatusUnavailable,
                "status.mechanism",
            ),
            (
                "a list of nobody's",
                issued(&[(
                    "status",
                    json!({"status_list": {"uri": "https://else.example/1", "idx": 1}}),
                )]),
                Is::StatusUnavailable,
                "status.list",
            ),
        ];
        for (what, presentation, outcome, check) in cases {
            let verdict = look(&mut client, &presentation).await;
            assert_eq!(said(&verdict), (outcome, check), "{what}");
            let tells = !matches!(
                outcome,
                Is::Malformed
                    | Is::UntrustedIssuer
                    | Is::BadSignature
                    | Is::BadBinding
                    | Is::OutOfScope
            );
            assert_eq!(!verdict.claims_json.is_empty(), tells, "{what}");
        }
    });
}

#[test]
fn a_policy_says_which_types_and_claims_are_taken_and_whether_the_holder_must_show() {
    story(async |world| {
        let hub = world.hub().await;
        let (school, wallet) = (School::found(&hub).await, Wallet::new());
        let mut client = verifier(&hub).await;
        let credential = school.issue(&wallet);
        let shown = Wallet::show(&credential, &["level"]);
        let policy = VerificationPolicy {
            type_names: vec!["driving-licence".to_owned()],
            ..VerificationPolicy::default()
        };
        let verdict = verify(&mut client, &shown, by_law(), policy).await.unwrap();
        assert_eq!(said(&verdict), (VerdictOutcome::OutOfScope, "type.wanted"));
        let required = |path: &str| VerificationPolicy {
            required_claims: vec![crate::support::credentials::path(
                &path.split('.').collect::<Vec<_>>(),
            )],
            ..VerificationPolicy::default()
        };
        let verdict = verify(&mut client, &shown, by_law(), required("level")).await.unwrap();
        assert_eq!(said(&verdict), (VerdictOutcome::Valid, ""));
        let verdict = verify(&mut client, &shown, by_law(), required("person.name")).await.unwrap();
        assert_eq!(said(&verdict), (VerdictOutcome::Malformed, "claims.required"));
        assert!(verdict.claims_json.is_empty());
        let binding = |audience: &str, nonce: &str| VerificationPolicy {
            require_binding: true,
            audience: audience.to_owned(),
            nonce: nonce.to_owned(),
            ..VerificationPolicy::default()
        };
        let at = async |presentation: &str, policy| {
            let verdict =
                verify(&mut client.clone(), presentation, by_law(), policy).await.unwrap();
            let (outcome, check) = said(&verdict);
            (outcome, check.to_owned(), verdict.holder_bound)
        };
        let proven = wallet.prove(&credential, &["level"], ("https://north.example", "n-1"));
        let asked = || binding("https://north.example", "n-1");
        let bad = |check: &str| (VerdictOutcome::BadBinding, check.to_owned(), false);
        assert_eq!(at(&proven, asked()).await, (VerdictOutcome::Valid, String::new(), true));
        assert_eq!(at(&shown, asked()).await, bad("binding.present"));
        assert_eq!(
            at(&proven, binding("https://south.example", "n-1")).await,
            bad("binding.audience")
        );
        assert_eq!(
            at(&proven, binding("https://north.example", "n-2")).await,
            bad("binding.nonce")
        );
        let others = Wallet::new();
        let stolen =
            crate::support::wallet::bound_by(&others, &shown, ("https://north.example", "n-1"));
        assert_eq!(at(&stolen, asked()).await, bad("binding.signature"));
        let old = now() - Duration::minutes(7);
        let old = wallet.prove_at(&credential, &["level"], ("https://north.example", "n-1"), old);
        assert_eq!(at(&old, asked()).await, bad("binding.time"));
        let patient = VerificationPolicy { binding_age_seconds_max: 3_600, ..asked() };
        assert_eq!(at(&old, patient).await.0, VerdictOutcome::Valid);
        // What was proven of some claims proves nothing of others.
        let (_, proof) = proven.rsplit_once('~').unwrap();
        let more = format!("{}{proof}", Wallet::show(&credential, &["level", "person"]));
        assert_eq!(at(&more, asked()).await, bad("binding.hash"));
    });
}

#[test]
fn a_key_that_is_rotated_retired_or_compromised_counts_for_what_it_signed_in_its_time() {
    story(async |world| {
        let hub = world.hub().await;
        let (school, wallet) = (School::found(&hub).await, Wallet::new());
        let mut client = verifier(&hub).await;
        let mut academy = hub.connect(ACADEMY).await.issuers();
        let of_old = Wallet::show(&school.issue(&wallet), &["level"]);
        assert_eq!(look(&mut client, &of_old).await.outcome(), VerdictOutcome::Valid);
        let newer = own_key(&hub, "own-2").await;
        let signed_by_newer = sign(&newer, Some("own-2"), school.claims(&wallet));
        until("the new key", async || {
            let verdict = look(&mut client, &signed_by_newer).await;
            (verdict.outcome() == VerdictOutcome::Valid).then_some(())
        })
        .await;
        let retire = EndIssuerKeyRequest {
            issuer: ACADEMY.to_owned(),
            key_id: "own-1".to_owned(),
            end: KeyEnd::Retired.into(),
            ..EndIssuerKeyRequest::default()
        };
        academy.end_issuer_key(retire.clone()).await.unwrap();
        let later = json!((now() + Duration::seconds(30)).unix_timestamp());
        let after = Wallet::show(&school.issue_with(&wallet, &[("iat", later)]), &["level"]);
        until("the retirement", async || {
            let verdict = look(&mut client, &after).await;
            (said(&verdict) == (VerdictOutcome::UntrustedIssuer, "key.period")).then_some(())
        })
        .await;
        assert_eq!(
            look(&mut client, &of_old).await.outcome(),
            VerdictOutcome::Valid,
            "issued before"
        );
        let compromised = EndIssuerKeyRequest {
            end: KeyEnd::Compromised.into(),
            at: Some(crate::support::wallet::timestamp(now() - Duration::days(10))),
            ..retire
        };
        academy.end_issuer_key(compromised).await.unwrap();
        // A thief can write any time into what they sign: only what the hub has known before counts.
        until("the compromise", async || {
            let verdict = look(&mut client, &of_old).await;
            (said(&verdict) == (VerdictOutcome::UntrustedIssuer, "key.safe")).then_some(())
        })
        .await;
        assert_eq!(look(&mut client, &signed_by_newer).await.outcome(), VerdictOutcome::Valid);
    });
}
