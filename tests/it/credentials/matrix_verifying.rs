//! Sound requests to the services of consents and verification, for everybody who may call them and everybody who may not.

use peshub::pb::peshub::credentials::v1::verify_presentations_request::Message as Asked;
use peshub::pb::peshub::credentials::v1::{
    BatchVerifyPresentationsRequest, CheckRequirementsRequest, EvidenceKind, GetConsentRequest,
    ListConsentsRequest, OpenVerification, RecordConsentRequest, ReplayVerdictRequest,
    RequestPresentationRequest, UnfollowCredentialsRequest, VerdictBasis,
    VerifyPresentationRequest, VerifyPresentationsRequest, WatchStatusesRequest,
    WithdrawConsentRequest,
};
use prost::Message as _;

use crate::support::TestHub;
use crate::support::wallet::{by_law, look, recording, terms};

const NORTH: &str = "platform-north";
/// What is presented: no credential, which is as sound a question as any.
const PRESENTED: &str = "nonsense";

/// What the north platform has recorded and found out.
pub(crate) struct Verified {
    consent_id: String,
    withdrawn_id: String,
    basis: VerdictBasis,
}

/// Records a consent of a worker, and verifies something.
pub(crate) async fn verified(hub: &TestHub, worker: &str) -> Verified {
    let connection = hub.connect(NORTH).await;
    let record = async || {
        let it = recording(worker, terms(NORTH, &["level"]), EvidenceKind::Document);
        let answer = connection.consents().record_consent(it).await.unwrap().into_inner();
        answer.consent.unwrap().consent_id
    };
    let verdict = look(&mut connection.verification(), PRESENTED).await;
    let (consent_id, withdrawn_id) = (record().await, record().await);
    Verified { consent_id, withdrawn_id, basis: verdict.basis.unwrap() }
}

/// A sound request about what the north platform has recorded; `who` keeps those apart that make something new.
pub(crate) fn verification(
    method: &str,
    who: usize,
    made: &Verified,
    (source, external_id): (&str, &str),
) -> Option<Vec<u8>> {
    let request_id = format!("matrix-{who}");
    let (grounds, consent_id) = (by_law(), made.consent_id.clone());
    let presentation = PRESENTED.to_owned();
    let message = match method {
        "RecordConsent" => RecordConsentRequest {
            request_id,
            ..recording("", terms(NORTH, &["level"]), EvidenceKind::HolderSignature)
        }
        .encode_to_vec(),
        "GetConsent" => GetConsentRequest { consent_id }.encode_to_vec(),
        "ListConsents" => ListConsentsRequest::default().encode_to_vec(),
        "WithdrawConsent" => {
            let consent_id = made.withdrawn_id.clone();
            WithdrawConsentRequest { consent_id, request_id }.encode_to_vec()
        }
        "RequestPresentation" => {
            RequestPresentationRequest { consent_id, seconds: 60, request_id }.encode_to_vec()
        }
        "VerifyPresentation" => {
            VerifyPresentationRequest { presentation, grounds, policy: None, request_id }
                .encode_to_vec()
        }
        "BatchVerifyPresentations" => {
            let presentations = vec![presentation];
            BatchVerifyPresentationsRequest { presentations, grounds, policy: None, request_id }
                .encode_to_vec()
        }
        "VerifyPresentations" => {
            let open = Asked::Open(OpenVerification { grounds, policy: None });
            VerifyPresentationsRequest { message: Some(open) }.encode_to_vec()
        }
        "ReplayVerdict" => {
            let basis = Some(made.basis.clone());
            let policy = Some(Default::default());
            ReplayVerdictRequest { presentation, policy, basis, grounds }.encode_to_vec()
        }
        "CheckRequirements" => CheckRequirementsRequest {
            source: source.to_owned(),
            external_id: external_id.to_owned(),
            presentations: vec![presentation],
            grounds,
            policy: None,
            request_id,
        }
        .encode_to_vec(),
        "WatchStatuses" => {
            WatchStatusesRequest { cursor: bytes::Bytes::new(), bookmark_seconds: 1 }
                .encode_to_vec()
        }
        "UnfollowCredentials" => {
            UnfollowCredentialsRequest { handles: vec!["nothing".to_owned()], request_id }
                .encode_to_vec()
        }
        _ => return None,
    };
    Some(message)
}
