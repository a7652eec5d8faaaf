//! What a platform has no grant for it can neither see, nor link, nor enumerate; and what is kept says nothing of a person.

use std::collections::BTreeSet;

use peshub::client::error::Refusal;
use peshub::credentials::sdjwt::encoding;
use peshub::credentials::sdjwt::read::Presented;
use peshub::pb::peshub::credentials::v1::verify_presentations_request::Message;
use peshub::pb::peshub::credentials::v1::{
    BatchVerifyPresentationsRequest, Consent, CredentialDraft, DepositCredentialRequest,
    EvidenceKind, GetConsentRequest, GetCredentialRequest, Grounds, ListConsentsRequest,
    OpenVerification, PresentationBatch, ReplayVerdictRequest, RevokeCredentialsRequest,
    StatusReason, VerdictOutcome, VerificationPolicy, VerifyPresentationRequest,
    VerifyPresentationsRequest, WithdrawConsentRequest,
};
use peshub::pb::peshub::workers::v1::ProveDisclosureRequest;
use peshub::platform::audit::hash::to_hex as hex;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool, Row as _};

use crate::support::credentials::{ACADEMY, trusted, welding_claims};
use crate::support::issuing::{self, Credentials, draft, issue};
use crate::support::wallet::{
    Consents, Wallet, awaited, by_consent, by_law, look, recording, request, said, terms, told,
    verify,
};
use crate::support::{cluster, story, within};
use crate::workers::people::{Invented, reason, register, workers};
use crate::workers::planted::Logged;
use crate::workers::search::Search;

const NORTH: &str = "platform-north";
const SOUTH: &str = "platform-south";
/// What a credential says of somebody.
const NAME: &str = "Zhrauvexo Brynkwyrga";
const MEDICAL: &str = "fit for heights and depths";

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

/// What must not be found: in the log, and what of it in the database neither.
#[derive(Default)]
struct Secrets {
    of_log: Search,
    of_both: Search,
}

impl Secrets {
    fn add(&mut self, text: &str) {
        self.of_log.text(text);
        self.of_both.text(text);
    }

    /// Adds a credential or a presentation: each part but the header, which says nothing, and what is in its disclosures.
    fn add_token(&mut self, text: &str) {
        for part in text.split('~').flat_map(|it| it.split('.')) {
            let Some(bytes) = encoding::decode(part).filter(|it| !it.is_empty()) else { continue };
            match serde_json::from_slice::<Value>(&bytes) {
                Ok(Value::Object(header)) if header.contains_key("alg") => continue,
                Ok(Value::Array(disclosure)) => {
                    self.add(std::str::from_utf8(&bytes).unwrap());
                    self.add(disclosure[0].as_str().unwrap());
                }
                _ => {}
            }
            self.add(part);
        }
    }
}

/// What was said in calls that went well.
struct Told {
    bound: CredentialDraft,
    credential: String,
    nonce: String,
    verification: VerifyPresentationRequest,
    replay: ReplayVerdictRequest,
    /// Of everything a bit.
    words: String,
}

/// Calls that go well, with everything that must not be found.
async fn told_well(hub: &Logged, secrets: &mut Secrets) -> Told {
    let (wallet, invented) = (Wallet::new(), Invented::new(22));
    let mut academy = hub.connect(ACADEMY).await.credentials();
    let worker_reference = register(&mut hub.workers(ACADEMY).await, &invented).await;
    let mut claims = welding_claims();
    claims["person"]["name"] = json!(NAME);
    claims["medical"] = json!(MEDICAL);
    let jwk = wallet.key.public().to_jwk();
    let bound = CredentialDraft {
        claims_json: claims.to_string(),
        worker_reference,
        subject_for: NORTH.to_owned(),
        holder_jwks: vec![jwk.to_string()],
        ..draft()
    };
    let credential = issue(&mut academy, bound.clone()).await.remove(0).sd_jwt;
    let mut consents = hub.connect(NORTH).await.consents();
    let mut client = hub.connect(NORTH).await.verification();
    let consent = awaited(&mut consents, NORTH, &["person.name", "medical"]).await;
    let asked = request(&mut consents, &consent).await.unwrap();
    let proven = wallet.answer(&credential, &["person", "medical"], &asked);
    let policy = Some(VerificationPolicy { follow: true, ..Default::default() });
    let verification = VerifyPresentationRequest {
        presentation: proven.clone(),
        grounds: by_consent(&consent),
        policy: policy.clone(),
        request_id: "kept".to_owned(),
    };
    let answer = client.verify_presentation(verification.clone()).await.unwrap().into_inner();
    let verdict = answer.verdict.unwrap();
    assert!(verdict.claims_json.contains(NAME), "{}", verdict.claims_json);
    secrets.add(NAME);
    secrets.add(MEDICAL);
    secrets.add(&asked.nonce);
    secrets.add_token(&credential);
    secrets.add_token(&proven);
    let whole = Presented::read(&credential).unwrap().disclose().unwrap();
    let subject = whole.claims["sub"].as_str().unwrap();
    for text in [subject, &invented.person.native_name, &invented.person.latin_name] {
        secrets.of_log.text(text);
    }
    for coordinate in ["x", "y"] {
        secrets.of_log.text(jwk[coordinate].as_str().unwrap());
    }
    secrets.of_log.number(&invented.id.number);
    secrets.of_both.number(&invented.id.number);
    let replay = ReplayVerdictRequest {
        presentation: proven.clone(),
        policy: policy.clone(),
        basis: verdict.basis.clone(),
        grounds: by_consent(&consent),
    };
    client.replay_verdict(replay.clone()).await.unwrap();
    let words = [NAME, MEDICAL, &invented.id.number].join(" ");
    Told { bound, credential, nonce: asked.nonce, verification, replay, words }
}

/// Presentations that do not hold: the nonce was used, it is cut short, somebody else's words are in it, it is none.
async fn told_wrongly(hub: &Logged, told: &Told) {
    let mut client = hub.connect(NORTH).await.verification();
    let VerifyPresentationRequest { presentation: proven, grounds, policy, .. } =
        told.verification.clone();
    let cut = proven[..proven.len() - 9].to_owned();
    let forged = proven.replacen('~', "~WyJhIiwiYiIsImMiXQ~", 1);
    let presentations = vec![proven, cut, forged, told.words.clone()];
    let batch = BatchVerifyPresentationsRequest {
        presentations: presentations.clone(),
        grounds: grounds.clone(),
        policy: policy.clone(),
        request_id: String::new(),
    };
    let results = client.batch_verify_presentations(batch).await.unwrap().into_inner().results;
    assert_eq!(results.len(), 4);
    let open = OpenVerification { grounds, policy };
    let batch = PresentationBatch { number: 1, presentations };
    let messages = [Message::Open(open), Message::Batch(batch)]
        .map(|it| VerifyPresentationsRequest { message: Some(it) });
    let mut answers =
        client.verify_presentations(tokio_stream::iter(messages)).await.unwrap().into_inner();
    while let Ok(Some(_)) = within("an answer", answers.message()).await {}
}

/// Calls that are refused, with it in every field that takes text. Returns why.
async fn refused(hub: &Logged, told: &Told) -> BTreeSet<String> {
    let mut academy = hub.connect(ACADEMY).await.credentials();
    let mut consents = hub.connect(NORTH).await.consents();
    let mut client = hub.connect(NORTH).await.verification();
    let Told { bound, credential, nonce, verification, replay, words } = told;
    let number = &words[NAME.len() + MEDICAL.len() + 2..];
    let mut reasons = BTreeSet::new();
    let mut refused = |reason: String| reasons.extend([reason]);
    let mut claims: Value = serde_json::from_str(&bound.claims_json).unwrap();
    claims["level"] = json!(words);
    for claims_json in [claims.to_string(), words.clone(), format!("{{\"{words}\": ")] {
        let wrong = CredentialDraft { claims_json, ..bound.clone() };
        refused(reason(academy.issue_credential(issuing::asking(wrong, &words[..60])).await));
    }
    for sd_jwt in [credential, &verification.presentation, words] {
        let deposit = DepositCredentialRequest {
            issuer: ACADEMY.to_owned(),
            sd_jwt: sd_jwt.clone(),
            worker_reference: number.to_owned(),
            request_id: number.to_owned(),
        };
        refused(reason(academy.deposit_credential(deposit).await));
    }
    let grounds = Grounds { purpose: words.clone(), ..by_law().unwrap() };
    let wrong = VerifyPresentationRequest { grounds: Some(grounds), ..verification.clone() };
    refused(reason(client.verify_presentation(wrong).await));
    let wrong = VerifyPresentationRequest { presentation: words.clone(), ..verification.clone() };
    refused(reason(client.verify_presentation(wrong).await));
    let wrong = ReplayVerdictRequest { basis: None, ..replay.clone() };
    refused(reason(client.replay_verdict(wrong).await));
    for text in [NAME, nonce, number, credential] {
        let get = GetConsentRequest { consent_id: text.to_owned() };
        refused(reason(consents.get_consent(get).await));
        let get = GetCredentialRequest { credential_id: text.to_owned() };
        refused(reason(academy.get_credential(get).await));
        let revoke = RevokeCredentialsRequest {
            credential_ids: vec![text.to_owned()],
            reason: StatusReason::Fraud.into(),
            request_id: String::new(),
        };
        refused(reason(academy.revoke_credentials(revoke).await));
        let list =
            ListConsentsRequest { page_token: text.to_owned(), ..ListConsentsRequest::default() };
        refused(reason(consents.list_consents(list).await));
    }
    reasons
}

#[test]
fn what_a_credential_says_stands_neither_in_the_database_nor_in_the_log() {
    story(async |world| {
        let data_dir = cluster::directory("says");
        let before = world.hub_in(&data_dir).await;
        trusted(&before).await;
        world.stop(&before).await;
        let mut hub = Logged::start_in(data_dir, &world.options);
        let mut secrets = Secrets::default();
        let told = told_well(&hub, &mut secrets).await;
        told_wrongly(&hub, &told).await;
        let told = refused(&hub, &told).await;
        assert!(told.contains("FIELDS_INVALID") && !told.contains("OK"), "{told:?}");
        let mut log = hub.stop();
        assert!(log.len() > 100_000, "a log of everything");
        let found = secrets.of_log.found(&log);
        assert!(
            found.is_empty(),
            "{} in the log:\n{}",
            found.len(),
            found[..found.len().min(5)].join("\n")
        );
        let tables = dump(&world.pool).await;
        let all: usize = tables.iter().map(|(_, rows)| rows.len()).sum();
        assert!(all > 10_000, "{all}");
        for (table, rows) in &tables {
            let found = secrets.of_both.found(rows.as_bytes());
            assert!(found.is_empty(), "{table}:\n{}", found[..found.len().min(5)].join("\n"));
        }
        // The look finds what is there.
        let mut there = Search::default();
        there.text("placing as a welder");
        assert!(tables.iter().any(|(_, rows)| !there.found(rows.as_bytes()).is_empty()));
        let line = format!("TRACE peshub: told {}", hex(NAME.as_bytes()));
        log.extend_from_slice(line.as_bytes());
        assert_eq!(secrets.of_log.found(&log).len(), 1, "what is planted");
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
