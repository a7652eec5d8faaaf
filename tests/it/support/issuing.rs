//! Issuing in stories: drafts of welding certificates, what comes back, and what it says.

use peshub::credentials::domain::Algorithm;
use peshub::credentials::sdjwt::claims::StatusReference;
use peshub::credentials::sdjwt::key::{PublicKey, SecretKey};
use peshub::credentials::sdjwt::read::Presented;

use peshub::pb::peshub::credentials::v1::credential_service_client::CredentialServiceClient;
use peshub::pb::peshub::credentials::v1::{
    CredentialDraft, IssueCredentialRequest, IssuedCredential, IssuerKey, RevokeCredentialsRequest,
    StatusReason,
};
use serde_json::Value;
use sqlx::PgPool;

use crate::support::credentials::{ACADEMY, WELDING, welding_claims};

pub(crate) type Credentials = CredentialServiceClient<peshub::client::connect::Transport>;

/// A key of a holder.
pub(crate) fn holder() -> SecretKey {
    SecretKey::generate(Algorithm::Es256).unwrap()
}

/// A draft of a welding certificate of the academy.
pub(crate) fn draft() -> CredentialDraft {
    CredentialDraft {
        issuer: ACADEMY.to_owned(),
        type_name: WELDING.to_owned(),
        claims_json: welding_claims().to_string(),
        ..CredentialDraft::default()
    }
}

/// A draft that is bound to some keys.
pub(crate) fn bound_to(holders: &[&SecretKey]) -> CredentialDraft {
    let jwks = holders.iter().map(|key| key.public().to_jwk().to_string());
    CredentialDraft { holder_jwks: jwks.collect(), ..draft() }
}

pub(crate) fn asking(draft: CredentialDraft, request_id: &str) -> IssueCredentialRequest {
    IssueCredentialRequest { draft: Some(draft), request_id: request_id.to_owned() }
}

/// Issues what a draft asks for.
pub(crate) async fn issue(
    client: &mut Credentials,
    draft: CredentialDraft,
) -> Vec<IssuedCredential> {
    let answer = client.issue_credential(asking(draft, "")).await;
    answer.unwrap().into_inner().credentials
}

/// Issues one certificate.
pub(crate) async fn issue_one(client: &mut Credentials) -> IssuedCredential {
    issue(client, draft()).await.remove(0)
}

pub(crate) async fn revoke(client: &mut Credentials, ids: &[&str]) {
    let request = RevokeCredentialsRequest {
        credential_ids: ids.iter().map(|&id| id.to_owned()).collect(),
        reason: StatusReason::Fraud.into(),
        request_id: String::new(),
    };
    client.revoke_credentials(request).await.unwrap();
}

/// What an issued credential says, once its signature holds.
pub(crate) struct Read {
    /// The payload as it was signed.
    pub(crate) payload: Value,
    /// Everything that it says.
    pub(crate) claims: Value,
    /// Paths of what its holder may withhold.
    pub(crate) hidden: Vec<String>,
    /// Its place in a status list.
    pub(crate) status: Option<StatusReference>,
    pub(crate) digest: [u8; 32],
    pub(crate) kid: Option<String>,
}

/// Reads an issued credential and verifies it by its issuer's key.
pub(crate) fn read(text: &str, key: &IssuerKey) -> Read {
    let jwk: Value = serde_json::from_str(&key.public_jwk).unwrap();
    let public = PublicKey::from_jwk(&jwk).unwrap();
    let presented = Presented::read(text).unwrap();
    presented.verify_signature(&public).unwrap();
    presented.refuse_binding().unwrap();
    let disclosed = presented.disclose().unwrap();
    let hidden = disclosed.disclosed.iter().map(ToString::to_string).collect();
    Read {
        payload: Value::Object(presented.payload().clone()),
        claims: Value::Object(disclosed.claims),
        hidden,
        status: disclosed.status,
        digest: presented.digest(),
        kid: presented.header().kid.clone(),
    }
}

/// Returns where a credential's status stands, without a look at its signature.
pub(crate) fn place(text: &str) -> StatusReference {
    Presented::read(text).unwrap().disclose().unwrap().status.unwrap()
}

/// Returns how many rows a query finds.
pub(crate) async fn count(pool: &PgPool, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(pool).await.unwrap()
}
