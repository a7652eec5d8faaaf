//! The trust registry: who may issue what, with which keys, and when that was so.

use std::collections::BTreeSet;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use peshub::client::error::Refusal;
use peshub::credentials::domain::Algorithm;
use peshub::credentials::registry::Registry;
use peshub::credentials::registry::entry::KeyUse;
use peshub::credentials::registry::keys::IssuerKeys;
use peshub::credentials::sdjwt::key::{PublicKey, SecretKey};
use peshub::kernel::clock::{Clock as _, SystemClock};
use peshub::pb::peshub::credentials::v1::{
    AccreditIssuerRequest, AddIssuerKeyRequest, AddStatusSignerRequest, CreateIssuerRequest,
    EndIssuerKeyRequest, GetIssuerRequest, Issuer, KeyEnd, KeyHolding, ListIssuersRequest,
    ResolveTrustRequest, ResolveTrustResponse, WithdrawAccreditationRequest,
};
use peshub::platform::db::Db;
use peshub::platform::keys::Keys;
use peshub::platform::keys::files::{self, Ring};
use prost_types::Timestamp;
use tonic::Status;

use crate::program::{done, failed, peshub};
use crate::support::credentials::{
    ACADEMY, Issuers, REGISTRAR, WELDING, accredit, add_key, cli, create_issuer, division,
    occupation, trusted,
};
use crate::support::{World, cluster, story, until};

fn now() -> i64 {
    SystemClock.now().unix_timestamp()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp { seconds, nanos: 0 }
}

fn reason(status: &Status) -> String {
    Refusal::of(status).reason
}

/// Names of the fields that a request breaks.
fn fields(status: &Status) -> Vec<String> {
    use tonic_types::StatusExt as _;
    let violations = status.get_details_bad_request().unwrap().field_violations;
    violations.into_iter().map(|it| it.field).collect()
}

async fn issuer(client: &mut Issuers, name: &str) -> Issuer {
    let request = GetIssuerRequest { issuer: name.to_owned() };
    client.get_issuer(request).await.unwrap().into_inner().issuer.unwrap()
}

async fn resolve(client: &mut Issuers, at: i64, trust_revision: i64) -> ResolveTrustResponse {
    let request = ResolveTrustRequest {
        issuer: ACADEMY.to_owned(),
        at: Some(self::at(at)),
        trust_revision,
        ..ResolveTrustRequest::default()
    };
    client.resolve_trust(request).await.unwrap().into_inner()
}

#[test]
fn an_issuer_is_registered_gets_a_key_and_is_accredited() {
    story(async |world| {
        let hub = world.hub().await;
        let made = trusted(&hub).await;
        assert_eq!(made.issuer.identifier, "https://hub.example/issuers/academy-hangzhou");
        let vct = format!("https://hub.example/credential-types/{WELDING}/1");
        assert_eq!(made.credential_type.vct, vct);
        let mut anyone = hub.connect("platform-north").await.issuers();
        let found = issuer(&mut anyone, &made.issuer.identifier).await;
        assert_eq!((found.name.as_str(), found.owner.as_str()), (ACADEMY, ACADEMY));
        assert_eq!(found.registered_by, REGISTRAR);
        assert_eq!(found.keys, [made.key]);
        assert_eq!(found.accreditations, std::slice::from_ref(&made.accreditation));
        assert_eq!(made.accreditation.divisions[0].code, "330000");
        assert_eq!(made.accreditation.granted_by, REGISTRAR);
        let lists = "https://hub.example/status-lists/academy-hangzhou/";
        assert_eq!(found.status_signers[0].uri_prefix, lists);
        assert_eq!(found.status_signers[0].signer, ACADEMY);
    });
}

#[test]
fn everything_that_is_wrong_with_an_issuer_is_told_at_once() {
    story(async |world| {
        let hub = world.hub().await;
        let mut registrar = hub.connect(REGISTRAR).await.issuers();
        let broken = CreateIssuerRequest {
            name: "Not-A-Name".to_owned(),
            identifier: "http://elsewhere.example/issuer".to_owned(),
            display_name: "two\nlines".to_owned(),
            owner: ACADEMY.to_owned(),
            discovers_keys: true,
            ..CreateIssuerRequest::default()
        };
        let status = registrar.create_issuer(broken).await.unwrap_err();
        assert_eq!(fields(&status), ["name", "display_name", "discovers_keys", "identifier"]);
        let mut check = async |identifier: &str, owner: &str, expected: &str| {
            let request = CreateIssuerRequest {
                name: "some-issuer".to_owned(),
                identifier: identifier.to_owned(),
                display_name: "Some".to_owned(),
                owner: owner.to_owned(),
                ..CreateIssuerRequest::default()
            };
            let found = registrar.create_issuer(request).await.map_err(|it| reason(&it));
            assert_eq!(found.err().as_deref(), Some(expected), "{identifier}");
        };
        let invalid = "FIELDS_INVALID";
        check("", "", invalid).await;
        check("https://hub.example/issuers/other", ACADEMY, invalid).await;
        check("https://hub.example/issuers/some-issuer", "", invalid).await;
        check("https://a.example/x?y", "", invalid).await;
        check("https://a.example/x#y", "", invalid).await;
        check("https://user@a.example/x", "", invalid).await;
        check("https://a.example/x/../y", "", invalid).await;
        check("https://A.example/x", "", invalid).await;
        check("urn:issuer", "", invalid).await;
        check("", "nobody", "PARTICIPANT_NOT_FOUND").await;
    });
}

#[test]
fn names_and_identifiers_are_taken_once() {
    story(async |world| {
        let hub = world.hub().await;
        let mut registrar = hub.connect(REGISTRAR).await.issuers();
        create_issuer(&mut registrar, "first", ACADEMY).await;
        let mut elsewhere = hub.connect("bureau-shenzhen").await.issuers();
        let mut check = async |name: &str, identifier: &str, owner: &str| {
            let request = CreateIssuerRequest {
                name: name.to_owned(),
                identifier: identifier.to_owned(),
                display_name: "Some".to_owned(),
                owner: owner.to_owned(),
                ..CreateIssuerRequest::default()
            };
            elsewhere.create_issuer(request).await.map(drop).map_err(|it| reason(&it))
        };
        let exists = Err("ALREADY_EXISTS".to_owned());
        assert_eq!(check("first", "https://a.example/1", "").await, exists);
        assert_eq!(check("second", "https://a.example/1", "").await, Ok(()));
        assert_eq!(check("third", "https://a.example/1", "").await, exists);
        // The address that the hub gives to the name belongs to the name.
        assert_eq!(check("first", "", ACADEMY).await, exists);
    });
}

#[test]
fn only_who_owns_or_registered_an_issuer_has_anything_to_say_about_its_keys() {
    story(async |world| {
        let hub = world.hub().await;
        trusted(&hub).await;
        let check = async |who: &str, expected: Result<(), &str>| {
            let request = AddIssuerKeyRequest {
                issuer: ACADEMY.to_owned(),
                ..AddIssuerKeyRequest::default()
            };
            let mut client = hub.connect(who).await.issuers();
            let found = client.add_issuer_key(request).await.map(drop).map_err(|it| reason(&it));
            assert_eq!(found, expected.map_err(str::to_owned), "{who}");
        };
        check(ACADEMY, Ok(())).await;
        check(REGISTRAR, Ok(())).await;
        check("bureau-hangzhou", Err("ISSUER_NOT_FOUND")).await;
        check("bureau-nation", Err("ISSUER_NOT_FOUND")).await;
        check("platform-north", Err("ACTION_NOT_GRANTED")).await;
        let end = EndIssuerKeyRequest {
            issuer: ACADEMY.to_owned(),
            key_id: "any".to_owned(),
            end: KeyEnd::Retired.into(),
            ..EndIssuerKeyRequest::default()
        };
        let mut stranger = hub.connect("bureau-hangzhou").await.issuers();
        let refused = stranger.end_issuer_key(end.clone()).await.unwrap_err();
        assert_eq!(reason(&refused), "ISSUER_NOT_FOUND");
        let mut owner = hub.connect(ACADEMY).await.issuers();
        let refused = owner.end_issuer_key(end).await.unwrap_err();
        assert_eq!(reason(&refused), "ISSUER_KEY_NOT_FOUND");
        let request = AddStatusSignerRequest {
            issuer: ACADEMY.to_owned(),
            uri_prefix: "https://lists.example/".to_owned(),
            ..AddStatusSignerRequest::default()
        };
        let refused = stranger.add_status_signer(request.clone()).await.unwrap_err();
        assert_eq!(reason(&refused), "ISSUER_NOT_FOUND");
        let mut registrar = hub.connect(REGISTRAR).await.issuers();
        registrar.add_status_signer(request.clone()).await.unwrap();
        let refused = registrar.add_status_signer(request).await.unwrap_err();
        assert_eq!(reason(&refused), "ALREADY_EXISTS");
    });
}

/// The public half of a new key as a JSON Web Key.
fn fresh_jwk(algorithm: Algorithm) -> serde_json::Value {
    SecretKey::generate(algorithm).unwrap().public().to_jwk()
}

#[test]
fn an_issuers_own_key_is_entered_under_its_own_name_or_its_thumbprint() {
    story(async |world| {
        let hub = world.hub().await;
        let mut registrar = hub.connect(REGISTRAR).await.issuers();
        create_issuer(&mut registrar, ACADEMY, ACADEMY).await;
        let mut owner = hub.connect(ACADEMY).await.issuers();
        let mut add = async |jwk: String, key_id: &str, valid_from: Option<Timestamp>| {
            let request = AddIssuerKeyRequest {
                issuer: ACADEMY.to_owned(),
                public_jwk: jwk,
                key_id: key_id.to_owned(),
                valid_from,
                ..AddIssuerKeyRequest::default()
            };
            owner.add_issuer_key(request).await.map(|it| it.into_inner().key.unwrap())
        };
        let mut jwk = fresh_jwk(Algorithm::EdDsa);
        let public = PublicKey::from_jwk(&jwk).unwrap();
        let plain = add(jwk.to_string(), "", None).await.unwrap();
        let thumbprint = URL_SAFE_NO_PAD.encode(public.thumbprint());
        assert_eq!(plain.key_id, thumbprint);
        assert_eq!(plain.holding, i32::from(KeyHolding::Issuer));
        jwk["kid"] = "named".into();
        // It may have signed long before the hub heard of it.
        let named = add(jwk.to_string(), "", Some(at(now() - 100_000))).await.unwrap();
        assert_eq!(named.key_id, "named");
        assert_eq!(named.valid_from.unwrap().seconds / 1_000, (now() - 100_000) / 1_000);
        let given = add(jwk.to_string(), "given", None).await.unwrap();
        assert_eq!(given.key_id, "given");
        let twice = add(jwk.to_string(), "given", None).await.unwrap_err();
        assert_eq!(reason(&twice), "ALREADY_EXISTS");
        let mut refused = async |jwk: &str, key_id: &str, expected: &[&str]| {
            let status = add(jwk.to_owned(), key_id, None).await.unwrap_err();
            assert_eq!(fields(&status), expected, "{jwk}");
            assert!(!format!("{status:?}").contains("c2VjcmV0"), "a secret half comes back");
        };
        refused("{", "", &["public_jwk"]).await;
        refused(r#"{"kty": "RSA", "n": "AQAB", "e": "AQAB"}"#, "", &["public_jwk"]).await;
        jwk["d"] = "c2VjcmV0".into();
        refused(&jwk.to_string(), "a b", &["key_id", "public_jwk"]).await;
    });
}

#[test]
fn a_key_of_the_hubs_signs_and_its_secret_half_is_in_no_answer_and_no_column_in_clear() {
    story(async |world| {
        let data_dir = cluster::directory("issuer-keys");
        let hub = world.hub_in(&data_dir).await;
        let made = trusted(&hub).await;
        let (registry, keys) = office(world, &data_dir).await;
        let book = registry.present();
        let issuer = book.issuer(ACADEMY).unwrap();
        let key = issuer.signing_key(KeyUse::Credentials, SystemClock.now()).unwrap();
        assert_eq!(key.key_id, made.key.key_id);
        let signature = keys.sign(key, b"message").await.unwrap();
        let jwk = serde_json::from_str(&made.key.public_jwk).unwrap();
        assert!(PublicKey::from_jwk(&jwk).unwrap().verify(b"message", &signature));
        // What stands in the database opens with the vault alone.
        let elsewhere = cluster::directory("issuer-keys-elsewhere");
        let strange = IssuerKeys::new(&Keys::open_or_create(&elsewhere).unwrap());
        assert!(strange.sign(key, b"message").await.is_err());
        let handle: Vec<u8> = sqlx::query_scalar("SELECT handle FROM issuer_key")
            .fetch_one(&world.pool)
            .await
            .unwrap();
        let pkcs8_of_p256 = [0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48];
        assert!(!handle.windows(7).any(|it| it == pkcs8_of_p256), "in clear");
        assert!(!format!("{key:?}").contains("handle"), "{key:?}");
    });
}

/// The registry over a world's database, and the keys of a hub's data directory.
async fn office(world: &World, data_dir: &Path) -> (Registry, IssuerKeys) {
    let db = Db::open(world.options.clone(), 4);
    let keys = Keys::open(&data_dir.join("dev/keys")).unwrap();
    (Registry::open(db).await.unwrap(), IssuerKeys::new(&keys))
}

#[test]
fn a_key_file_serves_the_issuer_whose_name_it_bears_and_nobody_else() {
    story(async |world| {
        let data_dir = cluster::directory("key-files");
        let hub = world.hub_in(&data_dir).await;
        let mut registrar = hub.connect(REGISTRAR).await.issuers();
        create_issuer(&mut registrar, ACADEMY, ACADEMY).await;
        create_issuer(&mut registrar, "other", ACADEMY).await;
        let secret = SecretKey::generate(Algorithm::EdDsa).unwrap();
        let text = STANDARD.encode(secret.pkcs8().unwrap());
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
        let file = data_dir.join("dev/keys/issuer-academy-hangzhou-hsm1.pem");
        std::fs::write(&file, pem).unwrap();
        let mut add = async |issuer: &str, held_as: &str| {
            let request = AddIssuerKeyRequest {
                issuer: issuer.to_owned(),
                held_as: held_as.to_owned(),
                ..AddIssuerKeyRequest::default()
            };
            registrar.add_issuer_key(request).await.map(|it| it.into_inner().key.unwrap())
        };
        let key = add(ACADEMY, "hsm1").await.unwrap();
        assert_eq!(key.public_jwk, secret.public().to_jwk().to_string());
        assert_eq!(key.holding, i32::from(KeyHolding::Hub));
        for (issuer, held_as) in
            [("other", "hsm1"), (ACADEMY, "none"), (ACADEMY, "../signing"), (ACADEMY, "x/../hsm1")]
        {
            let refused = add(issuer, held_as).await.unwrap_err();
            assert_eq!(reason(&refused), "KEY_UNAVAILABLE", "{issuer} {held_as}");
        }
        let (registry, keys) = office(world, &data_dir).await;
        let book = registry.present();
        let key = book.issuer(ACADEMY).unwrap().key(&key.key_id).unwrap();
        let signature = keys.sign(key, b"message").await.unwrap();
        assert!(secret.public().verify(b"message", &signature));
        std::fs::remove_file(&file).unwrap();
        assert!(keys.sign(key, b"message").await.is_err());
    });
}

async fn end(
    client: &mut Issuers,
    key_id: &str,
    end: KeyEnd,
    at: Option<Timestamp>,
) -> Result<(), Status> {
    let request = EndIssuerKeyRequest {
        issuer: ACADEMY.to_owned(),
        key_id: key_id.to_owned(),
        end: end.into(),
        at,
        ..EndIssuerKeyRequest::default()
    };
    client.end_issuer_key(request).await.map(drop)
}

#[test]
fn a_key_is_retired_once_and_may_be_compromised_after_that_and_never_comes_back() {
    story(async |world| {
        let hub = world.hub().await;
        let made = trusted(&hub).await;
        let mut owner = hub.connect(ACADEMY).await.issuers();
        let (first, second) = (made.key.key_id, add_key(&mut owner, ACADEMY).await.key_id);
        let (retired, compromised) = (KeyEnd::Retired, KeyEnd::Compromised);
        // What was signed until now stays good; what is in wrong hands is so now.
        let past = end(&mut owner, &first, retired, Some(at(now() - 100))).await.unwrap_err();
        assert_eq!(fields(&past), ["at"]);
        let future = end(&mut owner, &first, compromised, Some(at(now() + 100))).await.unwrap_err();
        assert_eq!(fields(&future), ["at"]);
        end(&mut owner, &first, retired, Some(at(now() + 1_000))).await.unwrap();
        let again = end(&mut owner, &first, retired, None).await.unwrap_err();
        assert_eq!(reason(&again), "ISSUER_KEY_ENDED");
        end(&mut owner, &first, compromised, Some(at(now() - 100))).await.unwrap();
        let again = end(&mut owner, &first, compromised, None).await.unwrap_err();
        assert_eq!(reason(&again), "ISSUER_KEY_ENDED");
        end(&mut owner, &second, compromised, None).await.unwrap();
        let again = end(&mut owner, &second, retired, None).await.unwrap_err();
        assert_eq!(reason(&again), "ISSUER_KEY_ENDED");
        let found = issuer(&mut owner, ACADEMY).await;
        let ends: Vec<_> = found
            .keys
            .iter()
            .map(|key| (key.retired_at.is_some(), key.compromised_at.is_some()))
            .collect();
        assert_eq!(ends, [(false, true), (true, true)], "the newest first");
    });
}

#[test]
fn a_bureau_accredits_within_its_divisions_and_withdraws_what_it_gave() {
    story(async |world| {
        let hub = world.hub().await;
        trusted(&hub).await;
        let request = |divisions: &[&str]| AccreditIssuerRequest {
            issuer: ACADEMY.to_owned(),
            type_name: WELDING.to_owned(),
            occupations: vec![occupation("6180204")],
            divisions: divisions.iter().map(|code| division(code)).collect(),
            ..AccreditIssuerRequest::default()
        };
        let mut hangzhou = hub.connect("bureau-hangzhou").await.issuers();
        for beyond in ["330000", "440300", "CN"] {
            let refused = hangzhou.accredit_issuer(request(&["330106", beyond])).await;
            assert_eq!(reason(&refused.unwrap_err()), "ACTION_NOT_GRANTED", "{beyond}");
        }
        let given = hangzhou.accredit_issuer(request(&["330106"])).await.unwrap().into_inner();
        let given = given.accreditation.unwrap();
        // Codes are written as their lists do, with names.
        assert_eq!(given.occupations[0].code, "6-18-02-04");
        assert_eq!(given.occupations[0].name, "焊工");
        assert_eq!(given.divisions[0].name, "西湖区");
        let withdraw = |at| WithdrawAccreditationRequest {
            accreditation_id: given.accreditation_id.clone(),
            because: "it has closed".to_owned(),
            at,
            request_id: String::new(),
        };
        let mut registrar = hub.connect(REGISTRAR).await.issuers();
        let refused = registrar.withdraw_accreditation(withdraw(None)).await.unwrap_err();
        assert_eq!(reason(&refused), "ACCREDITATION_NOT_FOUND", "another bureau's");
        let refused = hangzhou.withdraw_accreditation(withdraw(Some(at(now() - 100)))).await;
        assert_eq!(fields(&refused.unwrap_err()), ["at"]);
        let withdrawn = hangzhou.withdraw_accreditation(withdraw(None)).await.unwrap();
        let withdrawn = withdrawn.into_inner().accreditation.unwrap();
        assert_eq!(withdrawn.withdrawn_because, "it has closed");
        // Again changes nothing.
        let again = hangzhou.withdraw_accreditation(withdraw(Some(at(now() + 100)))).await.unwrap();
        assert_eq!(again.into_inner().accreditation.unwrap(), withdrawn);
    });
}

#[test]
fn everything_that_is_wrong_with_an_accreditation_is_told_at_once() {
    story(async |world| {
        let hub = world.hub().await;
        trusted(&hub).await;
        let mut registrar = hub.connect(REGISTRAR).await.issuers();
        let broken = AccreditIssuerRequest {
            issuer: ACADEMY.to_owned(),
            type_name: WELDING.to_owned(),
            occupations: vec![occupation("6-18-02-04"), occupation("welder")],
            divisions: vec![division("330104"), division("330106")],
            valid_from: Some(at(now() + 100)),
            valid_until: Some(at(now())),
            ..AccreditIssuerRequest::default()
        };
        let status = registrar.accredit_issuer(broken).await.unwrap_err();
        let expected = ["valid_until", "occupations[1].code", "divisions[0].code"];
        assert_eq!(fields(&status), expected);
        let mut refused = async |issuer: &str, type_name: &str| {
            let request = AccreditIssuerRequest {
                issuer: issuer.to_owned(),
                type_name: type_name.to_owned(),
                ..AccreditIssuerRequest::default()
            };
            reason(&registrar.accredit_issuer(request).await.unwrap_err())
        };
        assert_eq!(refused("nobody", WELDING).await, "ISSUER_NOT_FOUND");
        assert_eq!(refused(ACADEMY, "nothing").await, "CREDENTIAL_TYPE_NOT_FOUND");
    });
}

#[test]
fn what_was_true_is_told_for_any_instant_as_of_any_revision() {
    story(async |world| {
        let hub = world.hub().await;
        let made = trusted(&hub).await;
        let mut anyone = hub.connect("platform-south").await.issuers();
        let before = resolve(&mut anyone, now() + 500, 0).await;
        assert_eq!((before.keys.len(), before.accreditations.len()), (1, 1));
        assert_eq!(resolve(&mut anyone, now() - 1_000, 0).await.keys, [], "not yet");
        // Later it turns out that the key was in wrong hands all the time.
        let mut owner = hub.connect(ACADEMY).await.issuers();
        end(&mut owner, &made.key.key_id, KeyEnd::Compromised, None).await.unwrap();
        let mut registrar = hub.connect(REGISTRAR).await.issuers();
        let withdraw = WithdrawAccreditationRequest {
            accreditation_id: made.accreditation.accreditation_id,
            because: "the key was lost".to_owned(),
            ..WithdrawAccreditationRequest::default()
        };
        registrar.withdraw_accreditation(withdraw).await.unwrap();
        let after = resolve(&mut anyone, now() + 500, 0).await;
        assert_eq!((after.keys.len(), after.accreditations.len()), (0, 0));
        assert_eq!(after.trust_revision, before.trust_revision + 2);
        // As it was known then, it is told then.
        for hub in [hub.clone(), world.hub().await] {
            let mut client = hub.connect("platform-south").await.issuers();
            let again = resolve(&mut client, now() + 500, before.trust_revision).await;
            assert_eq!(again, before);
            let first = ResolveTrustRequest {
                issuer: ACADEMY.to_owned(),
                trust_revision: 1,
                ..ResolveTrustRequest::default()
            };
            let first = client.resolve_trust(first).await.unwrap().into_inner();
            assert_eq!((first.keys.len(), first.trust_revision), (0, 1));
        }
        let request = ResolveTrustRequest {
            issuer: ACADEMY.to_owned(),
            trust_revision: after.trust_revision + 1,
            ..ResolveTrustRequest::default()
        };
        let refused = anyone.resolve_trust(request).await.unwrap_err();
        assert_eq!(fields(&refused), ["trust_revision"]);
    });
}

#[test]
fn a_change_is_known_to_every_replica() {
    story(async |world| {
        let (one, other) = (world.hub().await, world.hub().await);
        trusted(&one).await;
        let mut client = other.connect("platform-north").await.issuers();
        until("the change at the other replica", async || {
            let request = GetIssuerRequest { issuer: ACADEMY.to_owned() };
            let found = client.get_issuer(request).await.ok()?.into_inner().issuer?;
            (found.accreditations.len() == 1).then_some(())
        })
        .await;
        // Changes of both stand beside each other.
        let mut registrar = other.connect(REGISTRAR).await.issuers();
        accredit(&mut registrar, ACADEMY, WELDING).await;
        add_key(&mut one.connect(ACADEMY).await.issuers(), ACADEMY).await;
        let found = issuer(&mut one.connect(ACADEMY).await.issuers(), ACADEMY).await;
        assert_eq!((found.accreditations.len(), found.keys.len()), (2, 2));
    });
}

#[test]
fn a_list_of_issuers_comes_in_pages_that_lack_and_repeat_nobody() {
    story(async |world| {
        let hub = world.hub().await;
        let mut registrar = hub.connect(REGISTRAR).await.issuers();
        trusted(&hub).await;
        for number in 0..7 {
            create_issuer(&mut registrar, &format!("issuer-{number}"), ACADEMY).await;
        }
        let list = async |request: ListIssuersRequest| {
            let mut client = hub.connect("platform-north").await.issuers();
            let (mut names, mut token) = (Vec::new(), String::new());
            loop {
                let request = ListIssuersRequest { page_token: token, ..request.clone() };
                let page = client.list_issuers(request).await.unwrap().into_inner();
                assert!(page.issuers.len() <= 3);
                names.extend(page.issuers.into_iter().map(|it| it.name));
                token = page.next_page_token;
                if token.is_empty() {
                    return names;
                }
            }
        };
        let three = ListIssuersRequest { page_size: 3, ..ListIssuersRequest::default() };
        let all = list(three.clone()).await;
        assert_eq!(all.len(), 8);
        assert_eq!(
            all.iter().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>(),
            all.iter().collect::<Vec<_>>()
        );
        let welding = ListIssuersRequest { type_name: WELDING.to_owned(), ..three.clone() };
        assert_eq!(list(welding).await, [ACADEMY]);
        let nobodys = ListIssuersRequest { owner: "platform-north".to_owned(), ..three.clone() };
        assert_eq!(list(nobodys).await, [""; 0]);
        let mut client = hub.connect("platform-north").await.issuers();
        let token = client.list_issuers(three.clone()).await.unwrap().into_inner().next_page_token;
        let other = ListIssuersRequest { page_token: token, owner: ACADEMY.to_owned(), ..three };
        let refused = client.list_issuers(other).await.unwrap_err();
        assert_eq!(reason(&refused), "PAGE_TOKEN_INVALID");
    });
}

#[test]
fn nobody_can_overwrite_what_stands_in_the_registry() {
    story(async |world| {
        let hub = world.hub().await;
        trusted(&hub).await;
        let mut connection = world.pool.acquire().await.unwrap();
        sqlx::query("SET ROLE peshub_participant").execute(&mut *connection).await.unwrap();
        for statement in [
            "UPDATE issuer SET identifier = 'https://mine.example'",
            "UPDATE issuer_key SET public_jwk = '{}'",
            "UPDATE issuer_key SET valid_from = now()",
            "UPDATE issuer_key SET handle = '\\x00'",
            "UPDATE accreditation SET valid_until = NULL",
            "UPDATE credential_type SET content = '\\x00'",
            "UPDATE status_signer SET signer_id = 1",
            "DELETE FROM issuer_key",
            "DELETE FROM accreditation",
            "DELETE FROM credential_type",
            "DELETE FROM issuer",
            "TRUNCATE status_signer",
        ] {
            let refused = sqlx::query(statement).execute(&mut *connection).await.unwrap_err();
            assert!(refused.to_string().contains("permission denied"), "{statement}: {refused}");
        }
        // What may be said of a key is when it ended.
        let ended = sqlx::query("UPDATE issuer_key SET retired_at = now(), retired_revision = 9");
        assert_eq!(ended.execute(&mut *connection).await.unwrap().rows_affected(), 1);
        sqlx::query("RESET ROLE").execute(&mut *connection).await.unwrap();
    });
}

#[test]
fn keys_that_the_hub_holds_sign_on_when_the_master_key_has_changed_and_the_old_one_is_gone() {
    story(async |world| {
        let data_dir = cluster::directory("issuer-keys-rotated");
        let hub = world.hub_in(&data_dir).await;
        let made = trusted(&hub).await;
        world.stop(&hub).await;
        let folder = data_dir.join("dev/keys");
        let before = Ring::read(&folder).unwrap().ids().current_master;
        let next = files::add(&folder, files::KeyUse::Master).unwrap();
        files::put_to_use(&folder, files::KeyUse::Master, &next).unwrap();
        let url = cluster::url(&world.options);
        let rewrap = || {
            let mut command = peshub();
            command.args(["keys", "rewrap", "--database-url", &url, "--keys-dir"]).arg(&folder);
            done(&mut command)
        };
        let said = rewrap();
        assert!(said.contains("1 issuers' keys wrapped anew"), "{said}");
        assert!(said.contains(&format!("master {before} is not needed")), "{said}");
        assert!(!rewrap().contains("issuers' keys"), "once is enough");
        std::fs::remove_file(folder.join(format!("master-{before}.key"))).unwrap();
        let (registry, keys) = office(world, &data_dir).await;
        let book = registry.present();
        let key = book.issuer(ACADEMY).unwrap().key(&made.key.key_id).unwrap();
        let signature = keys.sign(key, b"message").await.unwrap();
        assert!(key.public.as_ref().unwrap().verify(b"message", &signature));
    });
}

#[test]
fn an_issuer_that_issues_elsewhere_has_no_key_at_the_hub_and_nobody_has_too_many() {
    story(async |world| {
        let hub = world.hub().await;
        let mut registrar = hub.connect(REGISTRAR).await.issuers();
        let request = CreateIssuerRequest {
            name: "elsewhere".to_owned(),
            identifier: "https://a.example".to_owned(),
            display_name: "Elsewhere".to_owned(),
            ..CreateIssuerRequest::default()
        };
        registrar.create_issuer(request).await.unwrap();
        let made = AddIssuerKeyRequest {
            issuer: "elsewhere".to_owned(),
            ..AddIssuerKeyRequest::default()
        };
        let refused = registrar.add_issuer_key(made.clone()).await.unwrap_err();
        assert_eq!(fields(&refused), ["public_jwk"]);
        let own =
            AddIssuerKeyRequest { public_jwk: fresh_jwk(Algorithm::Es256).to_string(), ..made };
        registrar.add_issuer_key(own.clone()).await.unwrap();
        sqlx::query(
            "INSERT INTO issuer_key (issuer_id, key_id, algorithm, public_jwk, holding, use, valid_from, added_at, revision)
             SELECT issuer_id, 'k' || n, algorithm, public_jwk, holding, use, valid_from, added_at, revision
             FROM issuer_key, generate_series(2, 500) n",
        )
        .execute(&world.pool)
        .await
        .unwrap();
        let one_more = AddIssuerKeyRequest { key_id: "one-more".to_owned(), ..own };
        let hub = world.hub().await;
        let mut registrar = hub.connect(REGISTRAR).await.issuers();
        let refused = registrar.add_issuer_key(one_more).await.unwrap_err();
        assert_eq!(fields(&refused), ["issuer"]);
    });
}

#[test]
fn the_registry_is_kept_with_the_program() {
    story(async |world| {
        let hub = world.hub().await;
        let run = |who: &str, arguments: &str| {
            done(cli(&hub, who).arg("issuers").args(arguments.split(' ')))
        };
        run(REGISTRAR, "types publish samples/credential-types/training-completion.json");
        let create = "create academy-hangzhou --display-name Academy --owner academy-hangzhou";
        let made = run(REGISTRAR, create);
        assert!(
            made.starts_with("academy-hangzhou · Academy · https://hub.example/issuers/"),
            "{made}"
        );
        let key = run(ACADEMY, "add-key academy-hangzhou --algorithm eddsa --json");
        let key: serde_json::Value = serde_json::from_str(&key).unwrap();
        let key_id = key["key_id"].as_str().unwrap();
        assert_eq!(key["algorithm"], "KEY_ALGORITHM_EDDSA");
        let accredit = "accredit academy-hangzhou training-completion --division 330100 --occupation csco:6-18 --until 2099-01-01";
        let given = run(REGISTRAR, accredit);
        assert!(given.contains("6-18-00-00 ") && given.contains("330100 杭州市"), "{given}");
        assert!(given.contains("until 2099-01-01T00:00:00Z"), "{given}");
        run(REGISTRAR, "add-status-signer academy-hangzhou https://lists.example/a/");
        let shown = run("platform-north", "show academy-hangzhou");
        for words in [key_id, "EdDSA · held by the hub", "https://lists.example/a/…", "6-18"] {
            assert!(shown.contains(words), "{words} in {shown}");
        }
        assert_eq!(run("platform-north", "list --type training-completion").lines().count(), 1);
        let resolved = run("platform-north", "resolve academy-hangzhou --type training-completion");
        assert!(resolved.starts_with("registry revision 5\n"), "{resolved}");
        assert_eq!(resolved.lines().count(), 5, "a key, an accreditation, two lists: {resolved}");
        let before = run("platform-north", "resolve academy-hangzhou --revision 2");
        assert_eq!(before.lines().count(), 2, "{before}");
        let ended = run(ACADEMY, &format!("end-key academy-hangzhou {key_id} --compromised"));
        assert!(ended.contains("· compromised 20"), "{ended}");
        let id = given.split_whitespace().nth(1).unwrap();
        let withdrawn = run(REGISTRAR, &format!("withdraw {id} --because closed"));
        assert!(withdrawn.contains(": closed"), "{withdrawn}");
        let retired = run(REGISTRAR, "types retire training-completion 1");
        assert!(retired.trim_end().ends_with("· retired"), "{retired}");
        let wrong = ["issuers", "end-key", ACADEMY, key_id, "--at", "yesterday"];
        let said = failed(cli(&hub, ACADEMY).args(wrong), 2);
        assert!(said.contains("2026-01-31"), "{said}");
    });
}
