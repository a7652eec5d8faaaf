//! Sound requests to the service that issues, for everybody who may call it and everybody who may not.

use peshub::credentials::domain::{Algorithm, ClaimPath};
use peshub::credentials::sdjwt::issue::{Draft, prepare};
use peshub::credentials::sdjwt::jws::Header;
use peshub::credentials::sdjwt::key::SecretKey;
use peshub::kernel::clock::{Clock as _, SystemClock};
use peshub::pb::peshub::credentials::v1::{
    AddIssuerKeyRequest, CredentialDraft, CredentialType, DepositCredentialRequest,
    GetCredentialRequest, IssueCredentialRequest, IssueCredentialsRequest, ListCredentialsRequest,
    ReinstateCredentialsRequest, ReserveStatusRequest, RevokeCredentialsRequest, StatusReason,
    SuspendCredentialsRequest,
};
use prost::Message as _;
use serde_json::Value;

use crate::support::TestHub;
use crate::support::credentials::{
    accredit, add_key, create_issuer, publish, welding_claims, welding_type,
};

/// Who issues: the bureau of the place.
const BUREAU: &str = "bureau-shenzhen";
/// Its issuer and its type, which no other call of the matrix is about.
const ISSUER: &str = "matrix-issuer";
const TYPE: &str = "matrix-issued";

/// What a bureau has issued, and signed without the hub.
pub(crate) struct Issued {
    credential_id: String,
    key: SecretKey,
    identifier: String,
    vct: String,
}

fn claims() -> Value {
    let mut claims = welding_claims();
    claims["division"] = "440305".into();
    claims
}

fn draft() -> CredentialDraft {
    CredentialDraft {
        issuer: ISSUER.to_owned(),
        type_name: TYPE.to_owned(),
        claims_json: claims().to_string(),
        ..CredentialDraft::default()
    }
}

/// Lets a bureau issue a credential, and gives it a key of its own besides.
pub(crate) async fn issued(hub: &TestHub) -> Issued {
    let connection = hub.connect(BUREAU).await;
    let mut bureau = connection.issuers();
    let identifier = create_issuer(&mut bureau, ISSUER, BUREAU).await.identifier;
    add_key(&mut bureau, ISSUER).await;
    let key = SecretKey::generate(Algorithm::EdDsa).unwrap();
    let add = AddIssuerKeyRequest {
        issuer: ISSUER.to_owned(),
        public_jwk: key.public().to_jwk().to_string(),
        key_id: "own".to_owned(),
        ..AddIssuerKeyRequest::default()
    };
    bureau.add_issuer_key(add).await.unwrap();
    let named = CredentialType { name: TYPE.to_owned(), ..welding_type() };
    let vct = publish(&mut bureau, named).await.vct;
    accredit(&mut bureau, ISSUER, TYPE).await;
    let request = IssueCredentialRequest { draft: Some(draft()), request_id: String::new() };
    let issued = connection.credentials().issue_credential(request).await.unwrap().into_inner();
    let credential_id = issued.credentials[0].credential_id.clone();
    Issued { credential_id, key, identifier, vct }
}

/// Signs a credential without the hub.
fn signed(made: &Issued) -> String {
    let mut claims = claims();
    claims["iss"] = made.identifier.as_str().into();
    claims["vct"] = made.vct.as_str().into();
    claims["iat"] = SystemClock.now().unix_timestamp().into();
    let paths = [
        &["level"][..],
        &["issued_on"],
        &["person"],
        &["person", "name"],
        &["person", "birth_year"],
        &["skills"],
        &["skills", "*"],
    ];
    let hidden = paths.map(|path| {
        let segments: Vec<String> = path.iter().map(|&it| it.to_owned()).collect();
        ClaimPath::parse(&segments).unwrap()
    });
    let Value::Object(claims) = claims else { panic!("no object") };
    let header = Header {
        algorithm: Algorithm::EdDsa,
        typ: Some("dc+sd-jwt".to_owned()),
        kid: Some("own".to_owned()),
        x5c: Vec::new(),
    };
    let draft = Draft { header, claims, hidden: &hidden, digests_multiple_of: 0 };
    let unsigned = prepare(draft).unwrap();
    let signature = made.key.sign(unsigned.signing_input()).unwrap();
    unsigned.finish(&signature)
}

/// A sound request to `CredentialService`; `who` keeps those apart that make something new.
pub(crate) fn credentials(method: &str, who: usize, made: &Issued) -> Option<Vec<u8>> {
    let (issuer, request_id) = (ISSUER.to_owned(), format!("matrix-{who}"));
    let credential_ids = vec![made.credential_id.clone()];
    let reason = StatusReason::Superseded.into();
    let message = match method {
        "IssueCredential" => {
            IssueCredentialRequest { draft: Some(draft()), request_id }.encode_to_vec()
        }
        "IssueCredentials" => {
            IssueCredentialsRequest { number: 1, draft: Some(draft()), request_id }.encode_to_vec()
        }
        "ReserveStatus" => ReserveStatusRequest { issuer, count: 1, request_id }.encode_to_vec(),
        "DepositCredential" => DepositCredentialRequest {
            issuer,
            sd_jwt: signed(made),
            worker_reference: String::new(),
            request_id,
        }
        .encode_to_vec(),
        "GetCredential" => {
            GetCredentialRequest { credential_id: made.credential_id.clone() }.encode_to_vec()
        }
        "ListCredentials" => {
            ListCredentialsRequest { issuer, ..ListCredentialsRequest::default() }.encode_to_vec()
        }
        "SuspendCredentials" => {
            SuspendCredentialsRequest { credential_ids, reason, request_id }.encode_to_vec()
        }
        "ReinstateCredentials" => {
            ReinstateCredentialsRequest { credential_ids, reason, request_id }.encode_to_vec()
        }
        "RevokeCredentials" => {
            RevokeCredentialsRequest { credential_ids, reason, request_id }.encode_to_vec()
        }
        _ => return None,
    };
    Some(message)
}
