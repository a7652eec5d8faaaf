//! A school that signs its credentials by itself, a worker's wallet, and what verifiers ask.

use peshub::credentials::domain::{Algorithm, ClaimPath};
use peshub::credentials::sdjwt::issue::{Draft, prepare};
use peshub::credentials::sdjwt::jws::Header;
use peshub::credentials::sdjwt::key::SecretKey;
use peshub::credentials::sdjwt::present::{Choice, Proof, present};
use peshub::kernel::clock::{Clock as _, SystemClock};
use peshub::pb::peshub::credentials::v1::consent_service_client::ConsentServiceClient;
use peshub::pb::peshub::credentials::v1::verification_service_client::VerificationServiceClient;
use peshub::pb::peshub::credentials::v1::{
    AccreditIssuerRequest, AddIssuerKeyRequest, Check, CheckOutcome, Consent, ConsentTerms,
    Evidence, EvidenceKind, Grounds, RecordConsentRequest, RequestPresentationRequest,
    RequestPresentationResponse, Verdict, VerdictOutcome, VerificationPolicy,
    VerifyPresentationRequest,
};
use serde_json::{Map, Value, json};
use time::{Duration, OffsetDateTime};

use crate::support::TestHub;
use crate::support::credentials::{
    ACADEMY, REGISTRAR, Trusted, WELDING, path, trusted, welding_claims,
};
use peshub::client::connect::Transport;
use peshub::client::error::Refusal;

pub(crate) type Verification = VerificationServiceClient<Transport>;
pub(crate) type Consents = ConsentServiceClient<Transport>;

/// The law on whose grounds bureaus and platforms look in these stories.
pub(crate) const LAW: &str = "an article of a law";

pub(crate) fn now() -> OffsetDateTime {
    SystemClock.now().replace_nanosecond(0).unwrap()
}

pub(crate) fn timestamp(at: OffsetDateTime) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: at.unix_timestamp(), nanos: at.nanosecond() as i32 }
}

/// The academy, with a key of its own.
pub(crate) struct School {
    pub(crate) trusted: Trusted,
    pub(crate) key: SecretKey,
    pub(crate) kid: String,
}

/// A key that the academy holds itself, since two years.
pub(crate) async fn own_key(hub: &TestHub, kid: &str) -> SecretKey {
    let key = SecretKey::generate(Algorithm::Es256).unwrap();
    let request = AddIssuerKeyRequest {
        issuer: ACADEMY.to_owned(),
        public_jwk: key.public().to_jwk().to_string(),
        key_id: kid.to_owned(),
        valid_from: Some(timestamp(now() - Duration::days(730))),
        ..AddIssuerKeyRequest::default()
    };
    hub.connect(ACADEMY).await.issuers().add_issuer_key(request).await.unwrap();
    key
}

impl School {
    /// Founds the academy: it may issue the welding certificate since two years.
    pub(crate) async fn found(hub: &TestHub) -> Self {
        let trusted = trusted(hub).await;
        let request = AccreditIssuerRequest {
            issuer: ACADEMY.to_owned(),
            type_name: WELDING.to_owned(),
            valid_from: Some(timestamp(now() - Duration::days(730))),
            ..AccreditIssuerRequest::default()
        };
        hub.connect(REGISTRAR).await.issuers().accredit_issuer(request).await.unwrap();
        let key = own_key(hub, "own-1").await;
        Self { trusted, key, kid: "own-1".to_owned() }
    }

    /// What a welding certificate says that was issued yesterday.
    pub(crate) fn claims(&self, wallet: &Wallet) -> Map<String, Value> {
        let Value::Object(mut claims) = welding_claims() else { panic!("no object") };
        claims.insert("iss".to_owned(), json!(self.trusted.issuer.identifier));
        claims.insert("vct".to_owned(), json!(self.trusted.credential_type.vct));
        claims.insert("sub".to_owned(), json!("subject-1"));
        claims.insert("iat".to_owned(), json!((now() - Duration::days(1)).unix_timestamp()));
        claims.insert("exp".to_owned(), json!((now() + Duration::days(365)).unix_timestamp()));
        claims.insert("cnf".to_owned(), json!({"jwk": wallet.key.public().to_jwk()}));
        claims
    }

    /// Issues a welding certificate, as the academy's own machine does.
    pub(crate) fn issue(&self, wallet: &Wallet) -> String {
        self.sign(self.claims(wallet))
    }

    /// Issues a welding certificate that says something else.
    pub(crate) fn issue_with(&self, wallet: &Wallet, change: &[(&str, Value)]) -> String {
        let mut claims = self.claims(wallet);
        for (name, value) in change {
            if value.is_null() {
                claims.remove(*name);
            } else {
                claims.insert((*name).to_owned(), value.clone());
            }
        }
        self.sign(claims)
    }

    pub(crate) fn sign(&self, claims: Map<String, Value>) -> String {
        sign(&self.key, Some(&self.kid), claims)
    }
}

/// Signs claims as a credential of which everything but `occupation` and `division` can be withheld.
pub(crate) fn sign(key: &SecretKey, kid: Option<&str>, claims: Map<String, Value>) -> String {
    let hidden = ["level", "issued_on", "person", "medical", "skills", "sub"];
    let hidden: Vec<ClaimPath> = hidden.iter().map(|it| claim_path(it)).collect();
    let header = Header {
        algorithm: key.algorithm(),
        typ: Some("dc+sd-jwt".to_owned()),
        kid: kid.map(str::to_owned),
        x5c: Vec::new(),
    };
    let draft = Draft { header, claims, hidden: &hidden, digests_multiple_of: 8 };
    let unsigned = prepare(draft).unwrap();
    let signature = key.sign(unsigned.signing_input()).unwrap();
    unsigned.finish(&signature)
}

/// `person.name` as a path.
pub(crate) fn claim_path(text: &str) -> ClaimPath {
    let segments: Vec<String> = text.split('.').map(str::to_owned).collect();
    ClaimPath::parse(&segments).unwrap()
}

/// A worker's wallet.
pub(crate) struct Wallet {
    pub(crate) key: SecretKey,
}

impl Wallet {
    pub(crate) fn new() -> Self {
        Self { key: SecretKey::generate(Algorithm::Es256).unwrap() }
    }

    /// Presents some claims of a credential without a proof.
    pub(crate) fn show(credential: &str, claims: &[&str]) -> String {
        let paths: Vec<ClaimPath> = claims.iter().map(|it| claim_path(it)).collect();
        present(credential, Choice::Paths(&paths), None).unwrap()
    }

    /// Presents some claims of a credential, with a proof for somebody's occasion.
    pub(crate) fn prove(
        &self,
        credential: &str,
        claims: &[&str],
        (audience, nonce): (&str, &str),
    ) -> String {
        self.prove_at(credential, claims, (audience, nonce), now())
    }

    pub(crate) fn prove_at(
        &self,
        credential: &str,
        claims: &[&str],
        (audience, nonce): (&str, &str),
        issued_at: OffsetDateTime,
    ) -> String {
        let paths: Vec<ClaimPath> = claims.iter().map(|it| claim_path(it)).collect();
        let proof = Proof { key: &self.key, audience, nonce, issued_at };
        present(credential, Choice::Paths(&paths), Some(&proof)).unwrap()
    }

    /// Answers what a verifier asks, after having found the nonce from the terms that the holder was shown.
    pub(crate) fn answer(
        &self,
        credential: &str,
        claims: &[&str],
        asked: &RequestPresentationResponse,
    ) -> String {
        assert!(peshub::credentials::consent::binds(&asked.nonce, &asked.terms_json));
        self.prove(credential, claims, (&asked.audience, &asked.nonce))
    }
}

#[expect(clippy::unnecessary_wraps, reason = "a request may lack its grounds")]
pub(crate) fn by_law() -> Option<Grounds> {
    Some(Grounds {
        purpose: "placing in a vacancy".to_owned(),
        law: LAW.to_owned(),
        consent_id: String::new(),
    })
}

#[expect(clippy::unnecessary_wraps, reason = "a request may lack its grounds")]
pub(crate) fn by_consent(consent: &Consent) -> Option<Grounds> {
    Some(Grounds { consent_id: consent.consent_id.clone(), ..Grounds::default() })
}

/// Verifies and returns the verdict.
pub(crate) async fn verify(
    client: &mut Verification,
    presentation: &str,
    grounds: Option<Grounds>,
    policy: VerificationPolicy,
) -> Result<Verdict, Refusal> {
    let request = VerifyPresentationRequest {
        presentation: presentation.to_owned(),
        grounds,
        policy: Some(policy),
        request_id: String::new(),
    };
    let answer = client.verify_presentation(request).await;
    answer.map(|it| it.into_inner().verdict.unwrap()).map_err(|status| Refusal::of(&status))
}

/// Verifies on grounds of a law, as usual.
pub(crate) async fn look(client: &mut Verification, presentation: &str) -> Verdict {
    verify(client, presentation, by_law(), VerificationPolicy::default()).await.unwrap()
}

/// The outcome and the first check that failed.
pub(crate) fn said(verdict: &Verdict) -> (VerdictOutcome, &str) {
    let failed = |it: &&Check| it.outcome() == CheckOutcome::Failed;
    let first = verdict.checks.iter().find(failed);
    (verdict.outcome(), first.map_or("", |it| it.id.as_str()))
}

/// What a verdict tells, as JSON.
pub(crate) fn told(verdict: &Verdict) -> Value {
    serde_json::from_str(&verdict.claims_json).unwrap_or(Value::Null)
}

/// Terms for somebody, over the welding certificate.
pub(crate) fn terms(recipient: &str, claims: &[&str]) -> ConsentTerms {
    ConsentTerms {
        recipient: recipient.to_owned(),
        purpose: "placing as a welder".to_owned(),
        type_names: vec![WELDING.to_owned()],
        claims: claims.iter().map(|it| path(&it.split('.').collect::<Vec<_>>())).collect(),
        until: Some(timestamp(now() + Duration::days(30))),
    }
}

pub(crate) fn recording(
    worker_reference: &str,
    terms: ConsentTerms,
    kind: EvidenceKind,
) -> RecordConsentRequest {
    let is_document = kind == EvidenceKind::Document;
    RecordConsentRequest {
        worker_reference: worker_reference.to_owned(),
        terms: Some(terms),
        evidence: Some(Evidence {
            kind: kind.into(),
            document_sha256: if is_document { vec![7; 32].into() } else { bytes::Bytes::new() },
            reference: if is_document { "file 7".to_owned() } else { String::new() },
        }),
        request_id: String::new(),
    }
}

/// Records a consent that waits for the holder's signature.
pub(crate) async fn awaited(client: &mut Consents, recipient: &str, claims: &[&str]) -> Consent {
    let request = recording("", terms(recipient, claims), EvidenceKind::HolderSignature);
    client.record_consent(request).await.unwrap().into_inner().consent.unwrap()
}

/// Asks for what to ask a holder.
pub(crate) async fn request(
    client: &mut Consents,
    consent: &Consent,
) -> Result<RequestPresentationResponse, Refusal> {
    let request = RequestPresentationRequest {
        consent_id: consent.consent_id.clone(),
        ..RequestPresentationRequest::default()
    };
    let answer = client.request_presentation(request).await;
    answer.map(tonic::Response::into_inner).map_err(|status| Refusal::of(&status))
}

/// Signs a payload as it is, whatever it says.
pub(crate) fn sign_as_is(key: &SecretKey, kid: &str, payload: &Map<String, Value>) -> String {
    let signed = peshub::credentials::sdjwt::jws::sign("dc+sd-jwt", Some(kid), payload, key);
    format!("{}~", signed.unwrap())
}

/// Puts a wallet's proof to what is shown, whoever's it is.
pub(crate) fn bound_by(wallet: &Wallet, shown: &str, (audience, nonce): (&str, &str)) -> String {
    let proof = Proof { key: &wallet.key, audience, nonce, issued_at: now() };
    let hash = peshub::credentials::sdjwt::disclosure::HashFunction::Sha256;
    peshub::credentials::sdjwt::present::bind(shown.to_owned(), hash, &proof).unwrap()
}
