//! The service of consents.

use time::Duration;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::credentials::consent::commands::{self, Desk};
use crate::credentials::consent::queries::{self, Page};
use crate::credentials::domain::ConsentId;
use crate::credentials::error::CredentialError;
use crate::credentials::wire::consent as wire;
use crate::kernel::clock::SharedClock;
use crate::pb::peshub::credentials::v1 as pb;
use crate::pb::peshub::credentials::v1::consent_service_server::ConsentService;
use crate::platform::action::Action;
use crate::platform::mutation::RequestKey;
use crate::platform::page::PageTokens;
use crate::platform::rpc;
use crate::platform::tasks::Tasks;

/// Consents a page when the request does not say.
const PAGE_SIZE: i64 = 100;
/// How long a nonce is good when the request does not say, and at least.
const SECONDS: (i32, i32) = (300, 10);

/// Serves `peshub.credentials.v1.ConsentService`.
#[derive(Clone)]
pub struct ConsentGrpc {
    /// What consents are asked on.
    pub desk: Desk,
    /// The clock.
    pub clock: SharedClock,
    /// Seals page tokens.
    pub pages: PageTokens,
    /// Where work goes on when a client has gone.
    pub tasks: Tasks,
}

impl std::fmt::Debug for ConsentGrpc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConsentGrpc").finish_non_exhaustive()
    }
}

/// Reads the id of a consent; what is none names nobody's.
fn named(text: &str) -> ConsentId {
    wire::consent_id(text).unwrap_or(ConsentId(Uuid::nil()))
}

#[tonic::async_trait]
impl ConsentService for ConsentGrpc {
    async fn record_consent(
        &self,
        request: Request<pb::RecordConsentRequest>,
    ) -> Result<Response<pb::RecordConsentResponse>, Status> {
        let (db, now) = (self.desk.db.clone(), self.clock.now());
        let action = Action::RecordConsent;
        rpc::unary(&self.tasks, action, request, |_, permit, request| async move {
            let key = RequestKey::new(&request.request_id, &request)?;
            let draft = wire::draft(&request, now)?;
            commands::record(&db, &permit, &key, draft, now).await
        })
        .await
    }

    async fn get_consent(
        &self,
        request: Request<pb::GetConsentRequest>,
    ) -> Result<Response<pb::GetConsentResponse>, Status> {
        let (db, now) = (self.desk.db.clone(), self.clock.now());
        rpc::unary(&self.tasks, Action::GetConsent, request, |_, permit, request| async move {
            let consent = queries::get(&db, &permit, named(&request.consent_id)).await?;
            Ok(pb::GetConsentResponse { consent: Some(wire::render(&consent, now)) })
        })
        .await
    }

    async fn list_consents(
        &self,
        request: Request<pb::ListConsentsRequest>,
    ) -> Result<Response<pb::ListConsentsResponse>, Status> {
        let (db, now, pages) = (self.desk.db.clone(), self.clock.now(), self.pages.clone());
        rpc::unary(&self.tasks, Action::ListConsents, request, |_, permit, request| async move {
            let reference = match request.worker_reference.as_str() {
                "" => None,
                text => {
                    let nobody = CredentialError::WorkerNotFound { reference: Uuid::nil() };
                    Some(Uuid::try_parse(text).map_err(|_| nobody)?)
                }
            };
            let size = match request.page_size {
                0 => PAGE_SIZE,
                size => i64::from(size),
            };
            let page = Page { tokens: &pages, token: &request.page_token, size };
            let (found, next_page_token) = queries::list(&db, &permit, reference, page).await?;
            let consents = found.iter().map(|it| wire::render(it, now)).collect();
            Ok(pb::ListConsentsResponse { consents, next_page_token })
        })
        .await
    }

    async fn withdraw_consent(
        &self,
        request: Request<pb::WithdrawConsentRequest>,
    ) -> Result<Response<pb::WithdrawConsentResponse>, Status> {
        let (db, now) = (self.desk.db.clone(), self.clock.now());
        let action = Action::WithdrawConsent;
        rpc::unary(&self.tasks, action, request, |_, permit, request| async move {
            let key = RequestKey::new(&request.request_id, &request)?;
            commands::withdraw(&db, &permit, &key, named(&request.consent_id), now).await
        })
        .await
    }

    async fn request_presentation(
        &self,
        request: Request<pb::RequestPresentationRequest>,
    ) -> Result<Response<pb::RequestPresentationResponse>, Status> {
        let (desk, now) = (self.desk.clone(), self.clock.now());
        let action = Action::RequestPresentation;
        rpc::unary(&self.tasks, action, request, |_, permit, request| async move {
            let key = RequestKey::new(&request.request_id, &request)?;
            let (usual, least) = SECONDS;
            let seconds = match request.seconds {
                0 => usual,
                seconds => seconds.max(least),
            };
            let about = (named(&request.consent_id), Duration::seconds(i64::from(seconds)));
            commands::request(&desk, &permit, &key, about, now).await
        })
        .await
    }
}
