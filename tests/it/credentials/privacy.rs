//! What a platform has no grant for it can neither see, nor link, nor enumerate; and what is kept says nothing of a person.

use std::collections::BTreeSet;

use peshub::client::error::Refusal;
use peshub::pb::peshub::credentials::v1::{
    Consent, CredentialDraft, EvidenceKind, GetConsentRequest, GetCredentialRequest, Grounds,
    ListConsentsRequest, ReplayVerdictRequest, VerdictOutcome, VerificationPolicy,
    WithdrawConsentRequest,
};
use peshub::pb::peshub::workers::v1::ProveDisclosureRequest;
use serde_json::json;
use sqlx::{AssertSqlSafe, PgPool, Row as _};

use crate::support::credentials::{ACADEMY, trusted, welding_claims};
use crate::support::issuing::{Credentials, draft, issue};
use crate::support::story;
use crate::support::wallet::{
    Consents, Wallet, awaited, by_consent, by_law, look, recording, request, said, terms, told,
    verify,
};
use crate::workers::people::{Invented, register, workers};

const NORTH: &str = "platform-north";
const SOUTH: &str = "platform-south";

async fn reasons(client: &mut Consents, consent_id: &str) -> BTreeSet<String> {
    let consent_id = consent_id.to_owned();
    let get = client.get_consent(GetConsentRequest { consent_id: consent_id.clone() }).await;
    let withdrawal =
        WithdrawConsentRequest { consent_id: consent_id.clone(), request_id: String::new() };
    let withdrawal = client.withdraw_consent(withdrawal).await;
    let asked = Consent { consent_id, ..Consent::default() };
    let asked = request(client, &asked).await;
    // The whole refusal, but for the name that was asked for and the number of the call.
    [get.map(drop).unwrap_err(), withdrawal.map(drop).unwrap_err()]
        .iter()
        .map(Refusal::of)
        .chain([asked.unwrap_err()])
        .map(|it| format!("{} {}", it.reason, it.message))
        .collect()
}

#[test]
fn consents_nonces_and_credentials_of_others_are_as_if_they_were_not_there() {
    story(async |world| {
        let hub = world.hub().await;
        trusted(&hub).await;
        let wallet = Wallet::new();
        let (mut north, mut south) =
            (hub.connect(NORTH).await.consents(), hub.connect(SOUTH).await.consents());
        let mut academy = hub.connect(ACADEMY).await.credentials();
        let jwk = wallet.key.public().to_jwk().to_string();
        let bound = CredentialDraft { holder_jwks: vec![jwk], ..draft() };
        let credential = issue(&mut academy, bound).await.remove(0);
        let consent = awaited(&mut north, NORTH, &["level"]).await;
        let nobodys = uuid::Uuid::from_u128(0x018f_0000_0000_7000_8000_0000_0000_0009).to_string();
        let of_north = reasons(&mut south, &consent.consent_id).await;
        assert_eq!(of_north, reasons(&mut south, &nobodys).await, "one cannot be told from none");
        assert_eq!(of_north, BTreeSet::from(["CONSENT_NOT_FOUND no such consent".to_owned()]));
        let list = south.list_consents(ListConsentsRequest::default()).await.unwrap().into_inner();
        assert!(list.consents.is_empty());
        // Neither the consent nor the nonce serves anybody else.
        let asked = request(&mut north, &consent).await.unwrap();
        let proven = wallet.answer(&credential.sd_jwt, &["level"], &asked);
        let mut of_south = hub.connect(SOUTH).await.verification();
        let refusal =
            verify(&mut of_south, &proven, by_consent(&consent), VerificationPolicy::default());
        assert_eq!(refusal.await.unwrap_err().reason, "CONSENT_NOT_FOUND");
        let own = awaited(&mut south, SOUTH, &["level"]).await;
        let verdict =
            verify(&mut of_south, &proven, by_consent(&own), VerificationPolicy::default()).await;
        let verdict = verdict.unwrap();
        assert_eq!(said(&verdict), (VerdictOutcome::BadBinding, "binding.audience"));
        assert!(verdict.claims_json.is_empty());
        // It has not used the nonce up for whom it was given to.
        let mut of_north = hub.connect(NORTH).await.verification();
        let verdict =
            verify(&mut of_north, &proven, by_consent(&consent), VerificationPolicy::default());
        assert_eq!(said(&verdict.await.unwrap()), (VerdictOutcome::Valid, ""));
        // Ids of credentials and disclosures are their owners' and their workers'.
        let mut platform: Credentials = hub.connect(SOUTH).await.credentials();
        for id in [credential.credential_id.as_str(), nobodys.as_str()] {
            let request = GetCredentialRequest { credential_id: id.to_owned() };
            let refusal = Refusal::of(&platform.get_credential(request).await.unwrap_err());
            assert!(
                ["ACTION_NOT_GRANTED", "CREDENTIAL_NOT_FOUND"].contains(&refusal.reason.as_str())
            );
        }
        let prove = ProveDisclosureRequest { reference: nobodys.clone(), entry_id: nobodys };
        let refusal = workers(&hub, "bureau-zhejiang").await.prove_disclosure(prove).await;
        assert_eq!(Refusal::of(&refusal.unwrap_err()).reason, "WORKER_NOT_FOUND");
    });
}

#[test]
fn what_two_platforms_see_of_one_worker_has_nothing_in_common_to_join_it_by() {
    story(async |world| {
        let hub = world.hub().await;
        trusted(&hub).await;
        let mut academy = hub.connect(ACADEMY).await.credentials();
        let invented = Invented::new(21);
        let of_academy = register(&mut workers(&hub, ACADEMY).await, &invented).await;
        let mut seen = Vec::new();
        for who in [NORTH, SOUTH] {
            let wallet = Wallet::new();
            let pairwise = CredentialDraft {
                worker_reference: of_academy.clone(),
                subject_for: who.to_owned(),
                holder_jwks: vec![wallet.key.public().to_jwk().to_string()],
                ..draft()
            };
            let credential = issue(&mut academy, pairwise).await.remove(0);
            let mut client = hub.connect(who).await.verification();
            let verdict = look(&mut client, &Wallet::show(&credential.sd_jwt, &["level"])).await;
            assert_eq!(said(&verdict), (VerdictOutcome::Valid, ""));
            assert!(!verdict.subject.is_empty());
            let place = verdict.status.clone().unwrap();
            seen.push(BTreeSet::from([
                verdict.subject.clone(),
                verdict.handle.clone(),
                format!("{:?}", verdict.credential_sha256),
                format!("{:?}", verdict.holder_key_thumbprint),
                format!("{:?}", verdict.basis.clone().unwrap().seal),
                told(&verdict)["sub"].to_string(),
            ]));
            assert!(
                place.list_uri.ends_with("/0"),
                "the list is everybody's, the place nobody else's"
            );
        }
        assert!(seen[0].is_disjoint(&seen[1]), "{seen:?}");
        // The same credential shown to both: what the hub adds differs as well.
        let credential = issue(&mut academy, draft()).await.remove(0);
        let shown = Wallet::show(&credential.sd_jwt, &["level"]);
        let handles = [
            look(&mut hub.connect(NORTH).await.verification(), &shown).await.handle,
            look(&mut hub.connect(SOUTH).await.verification(), &shown).await.handle,
        ];
        assert_ne!(handles[0], handles[1]);
    });
}

/// Everything that the database holds, as one text a table.
async fn dump(pool: &PgPool) -> Vec<(String, String)> {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let mut found = Vec::new();
    for table in tables {
        let query = format!("SELECT coalesce(string_agg(t::text, ' '), '') FROM {table} t");
        let row = sqlx::query(AssertSqlSafe(query)).fetch_one(pool).await.unwrap();
        found.push((table, row.get::<String, _>(0)));
    }
    found
}

fn hex(text: &str) -> String {
    peshub::platform::audit::hash::to_hex(text.as_bytes())
}

#[test]
fn what_a_credential_says_stands_nowhere_in_the_database() {
    story(async |world| {
        let hub = world.hub().await;
        trusted(&hub).await;
        let wallet = Wallet::new();
        let mut academy = hub.connect(ACADEMY).await.credentials();
        let mut claims = welding_claims();
        claims["person"]["name"] = json!("Zhrauvexo Brynkwyrga");
        claims["medical"] = json!("fit for heights and depths");
        let bound = CredentialDraft {
            claims_json: claims.to_string(),
            holder_jwks: vec![wallet.key.public().to_jwk().to_string()],
            ..draft()
        };
        let credential = issue(&mut academy, bound).await.remove(0);
        let mut consents = hub.connect(NORTH).await.consents();
        let mut client = hub.connect(NORTH).await.verification();
        let consent = awaited(&mut consents, NORTH, &["person.name", "medical"]).await;
        let asked = request(&mut consents, &consent).await.unwrap();
        let proven = wallet.answer(&credential.sd_jwt, &["person", "medical"], &asked);
        let verification = peshub::pb::peshub::credentials::v1::VerifyPresentationRequest {
            presentation: proven.clone(),
            grounds: by_consent(&consent),
            policy: Some(VerificationPolicy { follow: true, ..Default::default() }),
            request_id: "kept".to_owned(),
        };
        let answer = client.verify_presentation(verification).await.unwrap().into_inner();
        let verdict = answer.verdict.unwrap();
        assert!(verdict.claims_json.contains("Zhrauvexo"), "{}", verdict.claims_json);
        let replay = ReplayVerdictRequest {
            presentation: proven,
            policy: Some(VerificationPolicy { follow: true, ..Default::default() }),
            basis: verdict.basis.clone(),
            grounds: by_consent(&consent),
        };
        client.replay_verdict(replay).await.unwrap();
        let tables = dump(&world.pool).await;
        let all: usize = tables.iter().map(|(_, rows)| rows.len()).sum();
        assert!(all > 10_000, "{all}");
        let jwt = credential.sd_jwt.split('~').next().unwrap();
        let secrets = [
            "Zhrauvexo",
            "heights and depths",
            &asked.nonce,
            jwt,
            credential.sd_jwt.split('~').nth(1).unwrap(),
        ];
        for (table, rows) in &tables {
            for secret in secrets {
                assert!(!rows.contains(secret), "{table} has {secret}");
                assert!(!rows.contains(&hex(secret)), "{table} has {secret} as bytes");
            }
        }
        // The look into the tables finds what is there.
        assert!(tables.iter().any(|(_, rows)| rows.contains(&hex("placing as a welder"))));
    });
}

#[test]
fn words_that_stay_in_clear_cannot_name_the_person() {
    story(async |world| {
        let hub = world.hub().await;
        let mut client = hub.connect(NORTH).await.verification();
        for (purpose, law) in [
            ("case of 11010519491231002X", "a law"),
            ("placing", "consent of 811228-9874"),
            ("write to somebody@example.org", "a law"),
        ] {
            let grounds = Some(Grounds {
                purpose: purpose.to_owned(),
                law: law.to_owned(),
                consent_id: String::new(),
            });
            let refusal = verify(&mut client, "x", grounds, VerificationPolicy::default()).await;
            let refusal = refusal.unwrap_err();
            assert_eq!(refusal.reason, "FIELDS_INVALID");
            assert!(!refusal.to_string().contains("1949"), "{refusal}");
        }
        let both = Some(Grounds { consent_id: uuid::Uuid::nil().to_string(), ..by_law().unwrap() });
        for grounds in [both, Some(Grounds::default())] {
            let refusal = verify(&mut client, "x", grounds, VerificationPolicy::default()).await;
            assert_eq!(refusal.unwrap_err().violations[0].field, "grounds");
        }
        let mut consents = hub.connect(NORTH).await.consents();
        let mut telling = recording("", terms(NORTH, &["level"]), EvidenceKind::HolderSignature);
        telling.terms.as_mut().unwrap().purpose = "for 13912345678".to_owned();
        let refusal = Refusal::of(&consents.record_consent(telling).await.unwrap_err());
        assert_eq!(refusal.violations[0].field, "terms.purpose");
    });
}
