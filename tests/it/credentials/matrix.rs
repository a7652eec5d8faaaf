//! Sound requests to the services of credentials, for everybody who may call them and everybody who may not.

use peshub::pb::peshub::credentials::v1::{
    AccreditIssuerRequest, AddIssuerKeyRequest, AddStatusSignerRequest,
    CreateCredentialTypeRequest, CreateIssuerRequest, CredentialType, EndIssuerKeyRequest,
    GetCredentialTypeRequest, GetIssuerRequest, KeyEnd, ListCredentialTypesRequest,
    ListIssuersRequest, ResolveTrustRequest, RetireCredentialTypeRequest,
    WithdrawAccreditationRequest,
};
use prost::Message as _;

use crate::support::TestHub;
use crate::support::credentials::{
    ACADEMY, WELDING, accredit, add_key, create_issuer, publish, welding_type,
};

/// Who has entered it.
const BUREAU: &str = "bureau-shenzhen";
/// The issuer that the calls are about.
const ISSUER: &str = "matrix";

/// What a bureau has entered into the trust registry.
pub(crate) struct Registered {
    key_id: String,
    accreditation_id: String,
}

/// Enters an issuer with a key, a type and an accreditation.
pub(crate) async fn registered(hub: &TestHub) -> Registered {
    let mut bureau = hub.connect(BUREAU).await.issuers();
    create_issuer(&mut bureau, ISSUER, ACADEMY).await;
    let key_id = add_key(&mut bureau, ISSUER).await.key_id;
    publish(&mut bureau, welding_type()).await;
    let accreditation_id = accredit(&mut bureau, ISSUER, WELDING).await.accreditation_id;
    Registered { key_id, accreditation_id }
}

/// A sound request to `IssuerService` about what the bureau has entered; `who` keeps those apart that make something new.
pub(crate) fn issuers(method: &str, who: usize, made: &Registered) -> Option<Vec<u8>> {
    let issuer = ISSUER.to_owned();
    let type_name = WELDING.to_owned();
    let request_id = format!("matrix-{who}");
    let message = match method {
        "CreateIssuer" => CreateIssuerRequest {
            name: format!("matrix-{who}"),
            identifier: format!("https://matrix-{who}.example"),
            display_name: "Matrix".to_owned(),
            request_id,
            ..CreateIssuerRequest::default()
        }
        .encode_to_vec(),
        "GetIssuer" => GetIssuerRequest { issuer }.encode_to_vec(),
        "ListIssuers" => ListIssuersRequest::default().encode_to_vec(),
        "AddIssuerKey" => {
            AddIssuerKeyRequest { issuer, request_id, ..AddIssuerKeyRequest::default() }
                .encode_to_vec()
        }
        "EndIssuerKey" => EndIssuerKeyRequest {
            issuer,
            key_id: made.key_id.clone(),
            end: KeyEnd::Retired.into(),
            at: None,
            request_id,
        }
        .encode_to_vec(),
        "AccreditIssuer" => AccreditIssuerRequest {
            issuer,
            type_name,
            request_id,
            ..AccreditIssuerRequest::default()
        }
        .encode_to_vec(),
        "WithdrawAccreditation" => WithdrawAccreditationRequest {
            accreditation_id: made.accreditation_id.clone(),
            at: None,
            because: "the matrix".to_owned(),
            request_id,
        }
        .encode_to_vec(),
        "AddStatusSigner" => AddStatusSignerRequest {
            issuer,
            uri_prefix: format!("https://matrix-{who}.example/lists/"),
            signer: String::new(),
            request_id,
        }
        .encode_to_vec(),
        "ResolveTrust" => {
            ResolveTrustRequest { issuer, ..ResolveTrustRequest::default() }.encode_to_vec()
        }
        "CreateCredentialType" => CreateCredentialTypeRequest {
            credential_type: Some(CredentialType {
                name: format!("matrix-{who}"),
                ..welding_type()
            }),
            request_id,
        }
        .encode_to_vec(),
        "GetCredentialType" => {
            GetCredentialTypeRequest { name: type_name, ..GetCredentialTypeRequest::default() }
                .encode_to_vec()
        }
        "ListCredentialTypes" => ListCredentialTypesRequest::default().encode_to_vec(),
        "RetireCredentialType" => {
            RetireCredentialTypeRequest { name: type_name, version: 1, request_id }.encode_to_vec()
        }
        _ => return None,
    };
    Some(message)
}
