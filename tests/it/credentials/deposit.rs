//! Deposits: what an issuer signed by itself, in places that it reserved.

use peshub::client::error::Refusal;
use peshub::credentials::domain::{Algorithm, ClaimPath};
use peshub::credentials::sdjwt::issue::{Draft, prepare};
use peshub::credentials::sdjwt::jws::Header;
use peshub::credentials::sdjwt::key::SecretKey;
use peshub::pb::peshub::credentials::v1::{
    AddIssuerKeyRequest, CredentialStatus, DepositCredentialRequest, EndIssuerKeyRequest, KeyEnd,
    KeyUse, ReserveStatusRequest, StatusPlace,
};
use serde_json::{Value, json};

use crate::support::credentials::{
    ACADEMY, REGISTRAR, accredit, create_issuer, publish, welding_claims, welding_type,
};
use crate::support::issuing::{Credentials, count, revoke};
use crate::support::{PUBLIC_URL, TestHub, story};

/// The academy as an issuer who signs by itself; the hub holds a key for its status lists and no other.
struct Own {
    key: SecretKey,
    vct: String,
}

async fn own(hub: &TestHub) -> Own {
    let mut registrar = hub.connect(REGISTRAR).await.issuers();
    create_issuer(&mut registrar, ACADEMY, ACADEMY).await;
    let vct = publish(&mut registrar, welding_type()).await.vct;
    accredit(&mut registrar, ACADEMY, "welding-certificate").await;
    let key = SecretKey::generate(Algorithm::EdDsa).unwrap();
    let mut academy = hub.connect(ACADEMY).await.issuers();
    let add = AddIssuerKeyRequest {
        issuer: ACADEMY.to_owned(),
        public_jwk: key.public().to_jwk().to_string(),
        key_id: "own".to_owned(),
        key_use: KeyUse::Credentials.into(),
        ..AddIssuerKeyRequest::default()
    };
    academy.add_issuer_key(add).await.unwrap();
    Own { key, vct }
}

async fn add_list_key(hub: &TestHub) {
    let add = AddIssuerKeyRequest {
        issuer: ACADEMY.to_owned(),
        key_id: "lists".to_owned(),
        key_use: KeyUse::StatusLists.into(),
        ..AddIssuerKeyRequest::default()
    };
    hub.connect(ACADEMY).await.issuers().add_issuer_key(add).await.unwrap();
}

fn now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap()
}

impl Own {
    /// Signs a welding certificate; `change` is given its claims before.
    fn sign(&self, place: Option<&StatusPlace>, change: impl FnOnce(&mut Value)) -> String {
        let mut claims = welding_claims();
        claims["iss"] = format!("{PUBLIC_URL}/issuers/{ACADEMY}").into();
        claims["vct"] = self.vct.as_str().into();
        claims["iat"] = now().into();
        if let Some(place) = place {
            let list = json!({"idx": place.index, "uri": place.uri});
            claims["status"] = json!({"status_list": list});
        }
        change(&mut claims);
        self.sign_hiding(claims, &["level", "issued_on", "person", "skills"])
    }

    fn sign_hiding(&self, claims: Value, hidden: &[&str]) -> String {
        let path = |name: &&str| ClaimPath::parse(&[(*name).to_owned()]).unwrap();
        let mut hidden: Vec<_> = hidden.iter().map(path).collect();
        for below in ["name", "birth_year"] {
            let segments = ["person".to_owned(), below.to_owned()];
            hidden.push(ClaimPath::parse(&segments).unwrap());
        }
        hidden.push(ClaimPath::parse(&["skills".to_owned(), "*".to_owned()]).unwrap());
        let Value::Object(claims) = claims else { panic!("no object") };
        let header = Header {
            algorithm: Algorithm::EdDsa,
            typ: Some("dc+sd-jwt".to_owned()),
            kid: Some("own".to_owned()),
            x5c: Vec::new(),
        };
        let draft = Draft { header, claims, hidden: &hidden, digests_multiple_of: 0 };
        let unsigned = prepare(draft).unwrap();
        let signature = self.key.sign(unsigned.signing_input()).unwrap();
        unsigned.finish(&signature)
    }
}

fn deposit(sd_jwt: &str) -> DepositCredentialRequest {
    DepositCredentialRequest {
        issuer: ACADEMY.to_owned(),
        sd_jwt: sd_jwt.to_owned(),
        ..DepositCredentialRequest::default()
    }
}

async fn reserve(client: &mut Credentials, number: i32, request_id: &str) -> Vec<StatusPlace> {
    let request = ReserveStatusRequest {
        issuer: ACADEMY.to_owned(),
        count: number,
        request_id: request_id.to_owned(),
    };
    client.reserve_status(request).await.unwrap().into_inner().places
}

#[test]
fn what_an_issuer_signed_by_itself_is_deposited_in_a_place_that_it_reserved() {
    story(async |world| {
        let hub = world.hub().await;
        let own = own(&hub).await;
        let mut client = hub.connect(ACADEMY).await.credentials();
        let request =
            ReserveStatusRequest { issuer: ACADEMY.to_owned(), count: 3, ..Default::default() };
        let refusal = client.reserve_status(request).await.unwrap_err();
        let refusal = Refusal::of(&refusal);
        assert_eq!(refusal.reason, "ISSUER_KEY_NOT_FOUND", "nobody could sign the list");
        add_list_key(&hub).await;
        let places = reserve(&mut client, 3, "places").await;
        assert_eq!(reserve(&mut client, 3, "places").await, places, "once");
        let sd_jwt = own.sign(Some(&places[0]), |_| {});
        let kept = client.deposit_credential(deposit(&sd_jwt)).await.unwrap().into_inner();
        let kept = kept.credential.unwrap();
        assert!(kept.deposited);
        assert_eq!((kept.key_id.as_str(), kept.status()), ("own", CredentialStatus::Valid));
        assert_eq!(kept.place.as_ref(), Some(&places[0]));
        // The same again, another one at its place, and one at a place that was not reserved.
        let same_place = own.sign(Some(&places[0]), |_| {});
        let beyond = StatusPlace { index: places[1].index ^ 1, ..places[1].clone() };
        let beyond = own.sign(Some(&beyond), |_| {});
        for (sd_jwt, reason) in [
            (&sd_jwt, "ALREADY_EXISTS"),
            (&same_place, "ALREADY_EXISTS"),
            (&beyond, "CREDENTIAL_REFUSED"),
        ] {
            let refusal = client.deposit_credential(deposit(sd_jwt)).await.unwrap_err();
            assert_eq!(Refusal::of(&refusal).reason, reason);
        }
        assert_eq!(count(&world.pool, "SELECT count(*) FROM status_reservation").await, 2);
        revoke(&mut client, &[&kept.credential_id]).await;
        let elsewhere = own.sign(None, |claims| {
            let list = json!({"idx": 5, "uri": "https://lists.example/1"});
            claims["status"] = json!({"status_list": list});
        });
        let kept = client.deposit_credential(deposit(&elsewhere)).await.unwrap().into_inner();
        assert_eq!(kept.credential.unwrap().place, None, "its status is kept elsewhere");
    });
}

#[test]
fn what_does_not_verify_is_not_deposited() {
    story(async |world| {
        let hub = world.hub().await;
        let own = own(&hub).await;
        add_list_key(&hub).await;
        let mut client = hub.connect(ACADEMY).await.credentials();
        let mut check = async |sd_jwt: &str, reason: &str, word: &str| {
            let refusal = client.deposit_credential(deposit(sd_jwt)).await.unwrap_err();
            let refusal = Refusal::of(&refusal);
            assert_eq!(refusal.reason, reason, "{refusal}");
            assert!(refusal.message.contains(word), "{refusal} lacks {word}");
            assert!(!refusal.message.contains("Qelv"), "{refusal}");
        };
        let refused = "CREDENTIAL_REFUSED";
        check("nonsense", refused, "format.").await;
        let good = own.sign(None, |_| {});
        let (signed, rest) = good.split_once('~').unwrap();
        let forged =
            format!("{}A{}~{rest}", &signed[..signed.len() - 4], &signed[signed.len() - 3..]);
        check(&forged, refused, "signature.").await;
        check(&format!("{signed}~"), refused, "claims.schema").await;
        let other = own.sign(None, |claims| claims["iss"] = "https://other.example".into());
        check(&other, refused, "issuer.identifier").await;
        let unknown = own.sign(None, |claims| claims["vct"] = "https://other.example".into());
        check(&unknown, refused, "type.known").await;
        let wrong = own.sign(None, |claims| claims["level"] = 9.into());
        check(&wrong, refused, "/level breaks maximum").await;
        let future = own.sign(None, |claims| claims["iat"] = (now() + 3_600).into());
        check(&future, refused, "time.issued").await;
        let elsewhere = own.sign(None, |claims| claims["division"] = "440305".into());
        check(&elsewhere, "ISSUER_NOT_ACCREDITED", "division").await;
        let mut open = welding_claims();
        open["iss"] = format!("{PUBLIC_URL}/issuers/{ACADEMY}").into();
        open["vct"] = own.vct.as_str().into();
        open["iat"] = now().into();
        let all_open = own.sign_hiding(open.clone(), &["issued_on", "person", "skills"]);
        check(&all_open, refused, "level must be for its holder to disclose").await;
        let all_hidden =
            own.sign_hiding(open, &["level", "occupation", "issued_on", "person", "skills"]);
        check(&all_hidden, refused, "occupation must be for everybody to see").await;
        let end = EndIssuerKeyRequest {
            issuer: ACADEMY.to_owned(),
            key_id: "own".to_owned(),
            end: KeyEnd::Compromised.into(),
            ..EndIssuerKeyRequest::default()
        };
        hub.connect(ACADEMY).await.issuers().end_issuer_key(end).await.unwrap();
        check(&good, refused, "key.known").await;
        assert_eq!(count(&world.pool, "SELECT count(*) FROM credential").await, 0);
    });
}
