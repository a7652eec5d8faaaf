//! Issuing: what goes in, what comes out, what is kept, and what is refused.

use std::collections::{BTreeMap, BTreeSet};

use peshub::client::error::Refusal;
use peshub::pb::peshub::credentials::v1::{
    CredentialDraft, CredentialStatus, EndIssuerKeyRequest, GetCredentialRequest,
    IssueCredentialsRequest, KeyEnd, ListCredentialsRequest, RetireCredentialTypeRequest,
};
use peshub::platform::audit::hash::Hex;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use tonic::Code;

use crate::support::credentials::{
    ACADEMY, REGISTRAR, WELDING, accredit, path, publish, trusted, welding_claims, welding_type,
};
use crate::support::issuing::{
    Credentials, asking, bound_to, count, draft, holder, issue, issue_one, read,
};
use crate::support::{PUBLIC_URL, World, story, within};
use crate::workers::people::{Invented, find, let_erase, workers};

async fn refused(client: &mut Credentials, draft: CredentialDraft) -> Refusal {
    let refusal = client.issue_credential(asking(draft, "")).await.unwrap_err();
    Refusal::of(&refusal)
}

fn with_claims(change: impl FnOnce(&mut Value)) -> CredentialDraft {
    let mut claims = welding_claims();
    change(&mut claims);
    CredentialDraft { claims_json: claims.to_string(), ..draft() }
}

#[test]
fn what_is_issued_says_what_was_asked_for_and_verifies_by_the_issuers_key() {
    story(async |world| {
        let hub = world.hub().await;
        let trusted = trusted(&hub).await;
        let mut client = hub.connect(ACADEMY).await.credentials();
        let key = holder();
        let issued = issue(&mut client, bound_to(&[&key])).await.remove(0);
        let found = read(&issued.sd_jwt, &trusted.key);
        let issued_at = issued.issued_at.unwrap();
        assert_eq!(issued_at.nanos, 0, "times tell whole seconds and no more");
        let exp = issued_at.seconds + 3_650 * 86_400;
        assert_eq!(issued.valid_until.unwrap().seconds, exp, "as long as the type allows");
        let place = found.status.clone().unwrap();
        assert_eq!(place.uri, format!("{PUBLIC_URL}/status-lists/{ACADEMY}/0"));
        let mut expected = welding_claims();
        let own = json!({
            "iss": format!("{PUBLIC_URL}/issuers/{ACADEMY}"),
            "vct": trusted.credential_type.vct,
            "iat": issued_at.seconds,
            "exp": exp,
            "cnf": {"jwk": key.public().to_jwk()},
            "status": {"status_list": {"idx": place.index, "uri": place.uri}},
        });
        expected.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
        assert_eq!(found.claims, expected);
        let hidden: BTreeSet<&str> = found.hidden.iter().map(String::as_str).collect();
        let always = ["level", "issued_on", "person", "person.name", "person.birth_year"];
        let lists = ["skills", "skills.0", "skills.1"];
        assert_eq!(hidden, always.into_iter().chain(lists).collect());
        let seen = found.payload.as_object().unwrap();
        assert_eq!(seen["occupation"], "6-18-02-04", "what everybody sees");
        assert!(!found.payload.to_string().contains("Qelv"), "{}", found.payload);
        assert_eq!(found.kid.as_deref(), Some(trusted.key.key_id.as_str()));

        let request = GetCredentialRequest { credential_id: issued.credential_id.clone() };
        let kept = client.get_credential(request).await.unwrap().into_inner().credential.unwrap();
        assert_eq!(kept.credential_sha256.as_ref(), found.digest);
        assert_eq!((kept.issuer.as_str(), kept.type_name.as_str()), (ACADEMY, WELDING));
        assert_eq!((kept.type_version, kept.key_id.as_str()), (1, trusted.key.key_id.as_str()));
        assert_eq!(kept.status(), CredentialStatus::Valid);
        assert_eq!(kept.place.unwrap().index, i64::try_from(place.index).unwrap());
        assert!(!kept.deposited && kept.changes.is_empty() && kept.valid_from.is_none());
    });
}

#[test]
fn one_time_credentials_share_nothing_but_what_they_say() {
    story(async |world| {
        let hub = world.hub().await;
        let trusted = trusted(&hub).await;
        let mut client = hub.connect(ACADEMY).await.credentials();
        let keys: Vec<_> = (0..20).map(|_| holder()).collect();
        let asked = CredentialDraft {
            digests_multiple_of: 5,
            ..bound_to(&keys.iter().collect::<Vec<_>>())
        };
        let issued = issue(&mut client, asked).await;
        assert_eq!(issued.len(), 20);
        let found: Vec<_> = issued.iter().map(|it| read(&it.sd_jwt, &trusted.key)).collect();
        for (found, key) in found.iter().zip(&keys) {
            assert_eq!(found.claims["cnf"]["jwk"], key.public().to_jwk(), "in the keys' order");
            let digests = found.payload["_sd"].as_array().unwrap().len();
            assert!(digests > 4 && digests.is_multiple_of(5), "{digests} digests");
        }
        let of = |name: &str| -> BTreeSet<String> {
            let all = found.iter().flat_map(|it| it.payload[name].as_array().unwrap().clone());
            all.map(|it| it.to_string()).collect()
        };
        let digests: usize =
            found.iter().map(|it| it.payload["_sd"].as_array().unwrap().len()).sum();
        assert_eq!(of("_sd").len(), digests, "no digest twice");
        let places: BTreeSet<u64> =
            found.iter().map(|it| it.status.clone().unwrap().index).collect();
        assert_eq!(places.len(), 20, "no place twice");
        assert!(places.iter().zip(places.iter().skip(1)).all(|(one, next)| next - one > 1));
        let alike = |found: &crate::support::issuing::Read| {
            let mut claims = found.claims.clone();
            let own = claims.as_object_mut().unwrap();
            own.remove("cnf");
            own.remove("status");
            claims
        };
        assert!(found.iter().all(|it| alike(it) == alike(&found[0])));
        let audited = "SELECT count(*) FROM audit WHERE event = 'credential.issued'";
        assert_eq!(count(&world.pool, audited).await, 1, "one entry for all");
    });
}

/// Looks through every table for a text, as text and as bytes.
async fn is_stored(world: &World, text: &str) -> Vec<String> {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')",
    )
    .fetch_all(&world.pool)
    .await
    .unwrap();
    let hex = Hex(text.as_bytes().to_vec());
    let hex = serde_json::to_value(&hex).unwrap();
    let hex = hex.as_str().unwrap();
    let mut found = Vec::new();
    for table in tables {
        let query = format!(
            "SELECT count(*) FROM \"{table}\" AS t WHERE t::text LIKE $1 OR t::text LIKE $2"
        );
        let rows: i64 = sqlx::query_scalar(AssertSqlSafe(query))
            .bind(format!("%{text}%"))
            .bind(format!("%{hex}%"))
            .fetch_one(&world.pool)
            .await
            .unwrap();
        if rows > 0 {
            found.push(table);
        }
    }
    found
}

#[test]
fn what_a_credential_says_is_stored_nowhere() {
    story(async |world| {
        let hub = world.hub().await;
        trusted(&hub).await;
        let mut client = hub.connect(ACADEMY).await.credentials();
        let request = asking(draft(), "kept-seven-days");
        let issued = client.issue_credential(request).await.unwrap().into_inner();
        let sd_jwt = &issued.credentials[0].sd_jwt;
        let disclosure = sd_jwt.split('~').nth(1).unwrap();
        let id = &issued.credentials[0].credential_id;
        assert!(is_stored(world, id).await.contains(&"credential".to_owned()), "the search finds");
        assert_eq!(is_stored(world, "Zhrau").await, Vec::<String>::new());
        assert_eq!(is_stored(world, disclosure).await, Vec::<String>::new());
    });
}

#[test]
fn everything_that_is_wrong_is_told_with_its_place_and_without_what_was_given() {
    story(async |world| {
        let hub = world.hub().await;
        trusted(&hub).await;
        let mut client = hub.connect(ACADEMY).await.credentials();
        let mut check = async |draft: CredentialDraft, expected: &[&str]| {
            let refusal = refused(&mut client, draft).await;
            assert_eq!(
                (refusal.code, refusal.reason.as_str()),
                (Code::InvalidArgument, "FIELDS_INVALID")
            );
            let fields: Vec<&str> = refusal.violations.iter().map(|it| it.field.as_str()).collect();
            assert_eq!(fields, expected, "{refusal}");
            let told = format!("{refusal:?}");
            assert!(!told.contains("Qelv") && !told.contains("7777"), "{told}");
        };
        let wrong = with_claims(|claims| {
            claims["level"] = 7_777.into();
            claims["issued_on"] = "2026-02-31 Qelv".into();
            claims["person"] = json!({"nickname": "Qelv"});
            claims["secret"] = "Qelv".into();
        });
        check(
            wrong,
            &[
                "draft.claims_json/issued_on",
                "draft.claims_json/level",
                "draft.claims_json/person",
                "draft.claims_json/person",
                "draft.claims_json",
            ],
        )
        .await;
        for own in ["iss", "exp", "cnf", "status", "sub", "vct", "_sd"] {
            let wrong = with_claims(|claims| claims[own] = "Qelv".into());
            check(wrong, &["draft.claims_json"]).await;
        }
        let claims_json = |text: &str| CredentialDraft { claims_json: text.to_owned(), ..draft() };
        check(claims_json("[\"Qelv\"]"), &["draft.claims_json"]).await;
        check(claims_json(r#"{"level": 1, "level": "Qelv"}"#), &["draft.claims_json"]).await;
        let key = holder();
        let mut secret = key.public().to_jwk();
        secret["d"] = "Qelv".into();
        let jwks = vec!["Qelv".to_owned(), "{}".to_owned(), secret.to_string()];
        let jwks = CredentialDraft { holder_jwks: jwks, ..draft() };
        check(jwks, &["draft.holder_jwks[0]", "draft.holder_jwks[1]", "draft.holder_jwks[2]"])
            .await;
        check(bound_to(&[&key, &key]), &["draft.holder_jwks[1]"]).await;
        let references = CredentialDraft { worker_reference: "Qelv".to_owned(), ..draft() };
        check(references, &["draft.worker_reference"]).await;
        let subject = CredentialDraft { subject_for: "platform-north".to_owned(), ..draft() };
        check(subject, &["draft.worker_reference"]).await;
        let disclosed = vec![path(&["level"]), path(&["issued_on"]), path(&["nothing"])];
        let disclosed = CredentialDraft { disclosed, ..draft() };
        check(disclosed, &["draft.disclosed[0]", "draft.disclosed[2]"]).await;
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let now = i64::try_from(now.as_secs()).unwrap();
        let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
        let until = |seconds| CredentialDraft { valid_until: at(seconds), ..draft() };
        check(until(now - 1), &["draft.valid_until"]).await;
        check(until(now + 3_651 * 86_400), &["draft.valid_until"]).await;
        check(until(-5), &["draft.valid_until"]).await;
        let backwards =
            CredentialDraft { valid_from: at(now + 100), valid_until: at(now + 99), ..draft() };
        check(backwards, &["draft.valid_until"]).await;
        let stored = "SELECT count(*) FROM credential";
        assert_eq!(count(&world.pool, stored).await, 0);
    });
}

#[test]
fn what_the_type_leaves_to_the_issuer_is_disclosed_where_the_issuer_says_so() {
    story(async |world| {
        let hub = world.hub().await;
        let trusted = trusted(&hub).await;
        let mut client = hub.connect(ACADEMY).await.credentials();
        let open = CredentialDraft { disclosed: vec![path(&["issued_on"])], ..draft() };
        let issued = issue(&mut client, open).await.remove(0);
        let found = read(&issued.sd_jwt, &trusted.key);
        assert_eq!(found.payload["issued_on"], "2026-01-31");
        assert!(!found.hidden.iter().any(|it| it == "issued_on"), "{:?}", found.hidden);
        let short = CredentialDraft { without_status: true, ..draft() };
        let issued = issue(&mut client, short).await.remove(0);
        let found = read(&issued.sd_jwt, &trusted.key);
        assert_eq!((found.status, found.claims.get("status")), (None, None));
        assert_eq!(found.claims.get("cnf"), None);
    });
}

#[test]
fn an_issuer_issues_what_it_is_accredited_for_and_nothing_else() {
    story(async |world| {
        let (hub, other) = (world.hub().await, world.hub().await);
        let trusted = trusted(&hub).await;
        // The second hub has heard of nothing yet: what it lacks it looks up before it refuses.
        let mut client = other.connect(ACADEMY).await.credentials();
        issue_one(&mut client).await;
        let mut check = async |draft: CredentialDraft, code: Code, reason: &str, word: &str| {
            let refusal = refused(&mut client, draft).await;
            assert_eq!((refusal.code, refusal.reason.as_str()), (code, reason), "{refusal}");
            assert!(refusal.message.contains(word), "{refusal}");
        };
        let accredited = (Code::FailedPrecondition, "ISSUER_NOT_ACCREDITED");
        let elsewhere = with_claims(|claims| claims["division"] = "440305".into());
        check(elsewhere, accredited.0, accredited.1, "in this division").await;
        let nowhere = with_claims(|claims| claims["division"] = "Atlantis".into());
        check(nowhere, accredited.0, accredited.1, "in this division").await;
        let mut registrar = hub.connect(REGISTRAR).await.issuers();
        let other_type = peshub::pb::peshub::credentials::v1::CredentialType {
            name: "other-certificate".to_owned(),
            ..welding_type()
        };
        publish(&mut registrar, other_type).await;
        let other_type =
            || CredentialDraft { type_name: "other-certificate".to_owned(), ..draft() };
        check(other_type(), accredited.0, accredited.1, "for this type").await;
        let nothing = CredentialDraft { type_name: "nothing".to_owned(), ..draft() };
        check(nothing, Code::NotFound, "CREDENTIAL_TYPE_NOT_FOUND", "type").await;
        let version = CredentialDraft { type_version: 2, ..draft() };
        check(version, Code::NotFound, "CREDENTIAL_TYPE_NOT_FOUND", "type").await;
        let nobody = CredentialDraft { issuer: "nobody".to_owned(), ..draft() };
        check(nobody, Code::NotFound, "ISSUER_NOT_FOUND", "issuer").await;
        let by_address = CredentialDraft { issuer: trusted.issuer.identifier.clone(), ..draft() };
        check(by_address, Code::NotFound, "ISSUER_NOT_FOUND", "issuer").await;
        accredit(&mut registrar, ACADEMY, "other-certificate").await;
        let mut academy = other.connect(ACADEMY).await.credentials();
        issue(&mut academy, other_type()).await;
        let retire = RetireCredentialTypeRequest {
            name: "other-certificate".to_owned(),
            version: 1,
            request_id: String::new(),
        };
        registrar.retire_credential_type(retire).await.unwrap();
        let refusal = within("the news", async {
            loop {
                match academy.issue_credential(asking(other_type(), "")).await {
                    Ok(_) => tokio::task::yield_now().await,
                    Err(refusal) => return Refusal::of(&refusal),
                }
            }
        });
        assert_eq!(refusal.await.reason, "CREDENTIAL_TYPE_NOT_FOUND");
    });
}

#[test]
fn the_first_answer_is_given_again_whatever_has_happened_since() {
    story(async |world| {
        let hub = world.hub().await;
        let trusted = trusted(&hub).await;
        let mut client = hub.connect(ACADEMY).await.credentials();
        let first = client.issue_credential(asking(draft(), "once")).await.unwrap().into_inner();
        let again = client.issue_credential(asking(draft(), "once")).await.unwrap().into_inner();
        assert_eq!(first, again);
        let other = with_claims(|claims| claims["level"] = 4.into());
        let refusal = client.issue_credential(asking(other, "once")).await.unwrap_err();
        assert_eq!(Refusal::of(&refusal).reason, "REQUEST_ID_REUSED");
        let end = EndIssuerKeyRequest {
            issuer: ACADEMY.to_owned(),
            key_id: trusted.key.key_id,
            end: KeyEnd::Retired.into(),
            ..EndIssuerKeyRequest::default()
        };
        hub.connect(ACADEMY).await.issuers().end_issuer_key(end).await.unwrap();
        let refusal = refused(&mut client, draft()).await;
        assert_eq!(refusal.reason, "ISSUER_KEY_NOT_FOUND");
        let again = client.issue_credential(asking(draft(), "once")).await.unwrap().into_inner();
        assert_eq!(first, again);
        assert_eq!(count(&world.pool, "SELECT count(*) FROM credential").await, 1);
    });
}

#[test]
fn a_worker_has_another_name_for_each_participant_and_always_the_same() {
    story(async |world| {
        let hub = world.hub().await;
        let trusted = trusted(&hub).await;
        let person = Invented::new(7);
        let mut register = workers(&hub, ACADEMY).await;
        let reference = find(&mut register, person.id.clone()).await.unwrap();
        let mut client = hub.connect(ACADEMY).await.credentials();
        let about = |subject_for: &str| CredentialDraft {
            worker_reference: reference.clone(),
            subject_for: subject_for.to_owned(),
            ..draft()
        };
        let mut subject = async |name: &str| {
            let issued = issue(&mut client, about(name)).await.remove(0);
            let claims = read(&issued.sd_jwt, &trusted.key).claims;
            claims.get("sub").map(|sub| sub.as_str().unwrap().to_owned())
        };
        let (north, south) = (subject("platform-north").await, subject("platform-south").await);
        assert!(north.as_ref().unwrap().starts_with("urn:uuid:"), "{north:?}");
        assert_ne!(north, south);
        assert_eq!(subject("platform-north").await, north);
        assert_eq!(subject("").await, None);
        let refusal = refused(&mut client, about("platform-nowhere")).await;
        assert_eq!(refusal.reason, "PARTICIPANT_NOT_FOUND");
        let stranger = uuid::Uuid::from_u128(7).to_string();
        let stranger = CredentialDraft { worker_reference: stranger, ..draft() };
        assert_eq!(refused(&mut client, stranger).await.reason, "WORKER_NOT_FOUND");

        let listed = |reference: &str| ListCredentialsRequest {
            issuer: ACADEMY.to_owned(),
            worker_reference: reference.to_owned(),
            ..ListCredentialsRequest::default()
        };
        let page = client.list_credentials(listed(&reference)).await.unwrap().into_inner();
        assert_eq!(page.credentials.len(), 4);
        assert!(page.credentials.iter().all(|it| it.worker_reference == reference));
        let_erase(&world.pool, &register, ACADEMY).await;
        let erase = peshub::pb::peshub::workers::v1::EraseWorkerRequest {
            reference: reference.clone(),
            request_id: String::new(),
        };
        hub.connect(ACADEMY).await.workers().erase_worker(erase).await.unwrap();
        assert_eq!(refused(&mut client, about("")).await.reason, "WORKER_ERASED");
    });
}

#[test]
fn a_stream_answers_each_by_its_number_and_goes_on_after_a_refusal() {
    story(async |world| {
        let hub = world.hub().await;
        trusted(&hub).await;
        let mut client = hub.connect(ACADEMY).await.credentials();
        let of = |number: i64, draft: CredentialDraft| IssueCredentialsRequest {
            number,
            draft: Some(draft),
            request_id: format!("stream-{number}"),
        };
        let wrong = with_claims(|claims| claims["level"] = "Qelv".into());
        let elsewhere = with_claims(|claims| claims["division"] = "440305".into());
        let mut requests: Vec<_> = (1..=40).map(|number| of(number, draft())).collect();
        requests.insert(5, of(100, wrong));
        requests.insert(9, of(101, elsewhere));
        requests.push(of(1, draft()));
        requests
            .push(IssueCredentialsRequest { number: 102, ..IssueCredentialsRequest::default() });
        let again = requests.clone();
        let collect = async |client: &mut Credentials, requests: Vec<IssueCredentialsRequest>| {
            let stream = client.issue_credentials(tokio_stream::iter(requests)).await.unwrap();
            let (mut stream, mut answers) = (stream.into_inner(), Vec::new());
            while let Some(answer) = within("an answer", stream.message()).await.unwrap() {
                answers.push(answer);
            }
            answers
        };
        let answers = collect(&mut client, requests).await;
        assert_eq!(answers.len(), 44);
        let mut by_number = BTreeMap::<i64, Vec<_>>::new();
        for answer in answers {
            by_number.entry(answer.number).or_default().push(answer);
        }
        let reasons = |number: i64| -> BTreeSet<String> {
            by_number[&number].iter().map(|it| it.reason.clone()).collect()
        };
        for number in 2..=40 {
            assert_eq!(reasons(number), [String::new()].into());
            assert_eq!(by_number[&number][0].credentials.len(), 1);
        }
        assert_eq!(reasons(1), [String::new(), "STREAM_OUT_OF_STEP".to_owned()].into());
        assert_eq!(reasons(100), ["FIELDS_INVALID".to_owned()].into());
        let told = &by_number[&100][0].message;
        assert!(told.contains("draft.claims_json/level") && !told.contains("Qelv"), "{told}");
        assert_eq!(reasons(101), ["ISSUER_NOT_ACCREDITED".to_owned()].into());
        assert_eq!(reasons(102), ["FIELDS_INVALID".to_owned()].into());
        let stored = "SELECT count(*) FROM credential";
        assert_eq!(count(&world.pool, stored).await, 40);
        // Sent again on another stream, each gets its first answer.
        let answers = collect(&mut client, again).await;
        assert_eq!(count(&world.pool, stored).await, 40);
        let seven = answers.iter().find(|it| it.number == 7).unwrap();
        assert_eq!(seven.credentials, by_number[&7][0].credentials);
    });
}

#[test]
fn who_issued_finds_it_page_by_page_and_nobody_else_does() {
    story(async |world| {
        let hub = world.hub().await;
        trusted(&hub).await;
        let mut client = hub.connect(ACADEMY).await.credentials();
        let mut issued = Vec::new();
        for _ in 0..5 {
            issued.push(issue_one(&mut client).await.credential_id);
        }
        issued.reverse();
        let asked = |page_token: &str| ListCredentialsRequest {
            issuer: ACADEMY.to_owned(),
            page_size: 2,
            page_token: page_token.to_owned(),
            ..ListCredentialsRequest::default()
        };
        let (mut found, mut token) = (Vec::new(), String::new());
        loop {
            let page = client.list_credentials(asked(&token)).await.unwrap().into_inner();
            assert!(page.credentials.len() <= 2);
            found.extend(page.credentials.into_iter().map(|it| it.credential_id));
            token = page.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        assert_eq!(found, issued, "the newest first");
        let other = ListCredentialsRequest { type_name: WELDING.to_owned(), ..asked("") };
        let page = client.list_credentials(other.clone()).await.unwrap().into_inner();
        let swapped = ListCredentialsRequest { page_token: page.next_page_token, ..asked("") };
        let refusal = client.list_credentials(swapped).await.unwrap_err();
        assert_eq!(Refusal::of(&refusal).reason, "PAGE_TOKEN_INVALID");
        let revoked =
            ListCredentialsRequest { status: CredentialStatus::Revoked.into(), ..asked("") };
        let page = client.list_credentials(revoked).await.unwrap().into_inner();
        assert_eq!(page.credentials, []);

        let mut stranger = hub.connect(REGISTRAR).await.credentials();
        let get = |id: &str| GetCredentialRequest { credential_id: id.to_owned() };
        let refusal = stranger.get_credential(get(&issued[0])).await.unwrap_err();
        assert_eq!(Refusal::of(&refusal).reason, "CREDENTIAL_NOT_FOUND");
        let refusal = stranger.list_credentials(asked("")).await.unwrap_err();
        assert_eq!(Refusal::of(&refusal).reason, "ISSUER_NOT_FOUND");
        let refusal = client.get_credential(get("nonsense")).await.unwrap_err();
        assert_eq!(Refusal::of(&refusal).reason, "CREDENTIAL_NOT_FOUND");
    });
}
