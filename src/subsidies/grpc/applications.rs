//! `peshub.subsidies.v1.ApplicationService`

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::kernel::clock::SharedClock;
use crate::kernel::fault::Fault;
use crate::kernel::fields;
use crate::pb::peshub::subsidies::v1 as pb;
use crate::pb::peshub::subsidies::v1::application_service_server::ApplicationService;
use crate::platform::action::Action;
use crate::platform::feed::reader::Feed;
use crate::platform::mutation::RequestKey;
use crate::platform::page::PageTokens;
use crate::platform::serve::Draining;
use crate::platform::tasks::Tasks;
use crate::platform::{rpc, status};
use crate::subsidies::application::commands::{self, Change};
use crate::subsidies::application::desk::Desk;
use crate::subsidies::application::queries::{self, Grounds};
use crate::subsidies::application::{officer, watch};

/// Serves `peshub.subsidies.v1.ApplicationService`.
#[derive(Clone)]
pub struct ApplicationGrpc {
    /// What works on applications.
    pub desk: Desk,
    /// The feed.
    pub feed: Feed,
    /// The clock.
    pub clock: SharedClock,
    /// Seals page tokens.
    pub pages: PageTokens,
    /// Where work runs.
    pub tasks: Tasks,
}

impl std::fmt::Debug for ApplicationGrpc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApplicationGrpc").finish_non_exhaustive()
    }
}

#[tonic::async_trait]
impl ApplicationService for ApplicationGrpc {
    type WatchApplicationsStream =
        BoxStream<'static, Result<pb::WatchApplicationsResponse, Status>>;

    async fn submit_application(
        &self,
        request: Request<pb::SubmitApplicationRequest>,
    ) -> Result<Response<pb::SubmitApplicationResponse>, Status> {
        let (desk, now) = (self.desk.clone(), self.clock.now());
        let action = Action::SubmitApplication;
        rpc::unary(&self.tasks, action, request, |_, permit, request| async move {
            let key = RequestKey::new(&request.request_id, &request)?;
            commands::submit(&desk, Change { permit: &permit, key: &key, now }, request).await
        })
        .await
    }

    async fn provide_evidence(
        &self,
        request: Request<pb::ProvideEvidenceRequest>,
    ) -> Result<Response<pb::ProvideEvidenceResponse>, Status> {
        let (desk, now) = (self.desk.clone(), self.clock.now());
        let action = Action::ProvideEvidence;
        rpc::unary(&self.tasks, action, request, |_, permit, request| async move {
            let key = RequestKey::new(&request.request_id, &request)?;
            commands::provide(&desk, Change { permit: &permit, key: &key, now }, request).await
        })
        .await
    }

    async fn withdraw_application(
        &self,
        request: Request<pb::WithdrawApplicationRequest>,
    ) -> Result<Response<pb::WithdrawApplicationResponse>, Status> {
        let (desk, now) = (self.desk.clone(), self.clock.now());
        let action = Action::WithdrawApplication;
        rpc::unary(&self.tasks, action, request, |_, permit, request| async move {
            let key = RequestKey::new(&request.request_id, &request)?;
            commands::withdraw(&desk, Change { permit: &permit, key: &key, now }, request).await
        })
        .await
    }

    async fn accept_offer(
        &self,
        request: Request<pb::AcceptOfferRequest>,
    ) -> Result<Response<pb::AcceptOfferResponse>, Status> {
        let (desk, now) = (self.desk.clone(), self.clock.now());
        let action = Action::AcceptOffer;
        rpc::unary(&self.tasks, action, request, |_, permit, request| async move {
            let key = RequestKey::new(&request.request_id, &request)?;
            commands::accept(&desk, Change { permit: &permit, key: &key, now }, request).await
        })
        .await
    }

    async fn appeal_decision(
        &self,
        request: Request<pb::AppealDecisionRequest>,
    ) -> Result<Response<pb::AppealDecisionResponse>, Status> {
        let (desk, now) = (self.desk.clone(), self.clock.now());
        let action = Action::AppealDecision;
        rpc::unary(&self.tasks, action, request, |_, permit, request| async move {
            let key = RequestKey::new(&request.request_id, &request)?;
            commands::appeal(&desk, Change { permit: &permit, key: &key, now }, request).await
        })
        .await
    }

    async fn request_evidence(
        &self,
        request: Request<pb::RequestEvidenceRequest>,
    ) -> Result<Response<pb::RequestEvidenceResponse>, Status> {
        let (desk, now) = (self.desk.clone(), self.clock.now());
        let action = Action::RequestEvidence;
        rpc::unary(&self.tasks, action, request, |_, permit, request| async move {
            let key = RequestKey::new(&request.request_id, &request)?;
            officer::request_evidence(&desk, Change { permit: &permit, key: &key, now }, request)
                .await
        })
        .await
    }

    async fn hold_application(
        &self,
        request: Request<pb::HoldApplicationRequest>,
    ) -> Result<Response<pb::HoldApplicationResponse>, Status> {
        let (desk, now) = (self.desk.clone(), self.clock.now());
        let action = Action::HoldApplication;
        rpc::unary(&self.tasks, action, request, |_, permit, request| async move {
            let key = RequestKey::new(&request.request_id, &request)?;
            officer::hold(&desk, Change { permit: &permit, key: &key, now }, request).await
        })
        .await
    }

    async fn decide_application(
        &self,
        request: Request<pb::DecideApplicationRequest>,
    ) -> Result<Response<pb::DecideApplicationResponse>, Status> {
        let (desk, now) = (self.desk.clone(), self.clock.now());
        let action = Action::DecideApplication;
        rpc::unary(&self.tasks, action, request, |_, permit, request| async move {
            let key = RequestKey::new(&request.request_id, &request)?;
            officer::decide(&desk, Change { permit: &permit, key: &key, now }, request).await
        })
        .await
    }

    async fn record_payment(
        &self,
        request: Request<pb::RecordPaymentRequest>,
    ) -> Result<Response<pb::RecordPaymentResponse>, Status> {
        let (desk, now) = (self.desk.clone(), self.clock.now());
        let action = Action::RecordPayment;
        rpc::unary(&self.tasks, action, request, |_, permit, request| async move {
            let key = RequestKey::new(&request.request_id, &request)?;
            officer::pay(&desk, Change { permit: &permit, key: &key, now }, request).await
        })
        .await
    }

    async fn claw_back(
        &self,
        request: Request<pb::ClawBackRequest>,
    ) -> Result<Response<pb::ClawBackResponse>, Status> {
        let (desk, now) = (self.desk.clone(), self.clock.now());
        let action = Action::ClawBack;
        rpc::unary(&self.tasks, action, request, |_, permit, request| async move {
            let key = RequestKey::new(&request.request_id, &request)?;
            officer::claw_back(&desk, Change { permit: &permit, key: &key, now }, request).await
        })
        .await
    }

    async fn set_budget(
        &self,
        request: Request<pb::SetBudgetRequest>,
    ) -> Result<Response<pb::SetBudgetResponse>, Status> {
        let (desk, now) = (self.desk.clone(), self.clock.now());
        let action = Action::SetBudget;
        rpc::unary(&self.tasks, action, request, |_, permit, request| async move {
            let key = RequestKey::new(&request.request_id, &request)?;
            officer::set_budget(&desk, Change { permit: &permit, key: &key, now }, request).await
        })
        .await
    }

    async fn get_application(
        &self,
        request: Request<pb::GetApplicationRequest>,
    ) -> Result<Response<pb::GetApplicationResponse>, Status> {
        let desk = self.desk.clone();
        let action = Action::GetApplication;
        rpc::unary(&self.tasks, action, request, |_, permit, request| async move {
            let application = queries::get(&desk, &permit, &request.application_id).await?;
            Ok(pb::GetApplicationResponse { application: Some(application) })
        })
        .await
    }

    async fn list_applications(
        &self,
        request: Request<pb::ListApplicationsRequest>,
    ) -> Result<Response<pb::ListApplicationsResponse>, Status> {
        let (desk, pages) = (self.desk.clone(), self.pages.clone());
        let action = Action::ListApplications;
        rpc::unary(&self.tasks, action, request, |_, permit, request| async move {
            queries::list(&desk, &permit, &pages, request).await
        })
        .await
    }

    async fn watch_applications(
        &self,
        request: Request<pb::WatchApplicationsRequest>,
    ) -> Result<Response<Self::WatchApplicationsStream>, Status> {
        let (_, extensions, request) = request.into_parts();
        let draining = Draining::of(&extensions, &self.tasks);
        let serve = || {
            let (_, permit) = rpc::admit(&extensions, Action::WatchApplications)?;
            let violations = fields::check(&request);
            if !violations.is_empty() {
                return Err(Fault::fields(violations));
            }
            Ok(watch::serve(&self.feed, &permit, &request, draining)?)
        };
        let outgoing = serve().map_err(|fault| status::of_fault(&fault))?;
        let outgoing = ReceiverStream::new(outgoing);
        let answers = outgoing.map(|it| it.map_err(|fault| status::of_fault(&fault)));
        Ok(Response::new(answers.boxed()))
    }

    async fn disclose_application(
        &self,
        request: Request<pb::DiscloseApplicationRequest>,
    ) -> Result<Response<pb::DiscloseApplicationResponse>, Status> {
        let (desk, now) = (self.desk.clone(), self.clock.now());
        let action = Action::DiscloseApplication;
        rpc::unary(&self.tasks, action, request, |_, permit, request| async move {
            let grounds = Grounds::read(&request.purpose, request.legal_basis.as_ref())?;
            let wanted = (request.application_id.as_str(), grounds);
            Ok(queries::disclose(&desk, &permit, wanted, now).await?)
        })
        .await
    }

    async fn get_decision(
        &self,
        request: Request<pb::GetDecisionRequest>,
    ) -> Result<Response<pb::GetDecisionResponse>, Status> {
        let desk = self.desk.clone();
        let action = Action::GetDecision;
        rpc::unary(&self.tasks, action, request, |_, permit, request| async move {
            let decision = queries::decision(&desk, &permit, &request.decision_id).await?;
            Ok(pb::GetDecisionResponse { decision: Some(decision) })
        })
        .await
    }

    async fn export_decision(
        &self,
        request: Request<pb::ExportDecisionRequest>,
    ) -> Result<Response<pb::ExportDecisionResponse>, Status> {
        let (desk, now) = (self.desk.clone(), self.clock.now());
        let action = Action::ExportDecision;
        rpc::unary(&self.tasks, action, request, |_, permit, request| async move {
            let grounds = Grounds::read(&request.purpose, request.legal_basis.as_ref())?;
            let wanted = (request.decision_id.as_str(), grounds);
            Ok(queries::export(&desk, &permit, wanted, now).await?)
        })
        .await
    }

    async fn list_budgets(
        &self,
        request: Request<pb::ListBudgetsRequest>,
    ) -> Result<Response<pb::ListBudgetsResponse>, Status> {
        let desk = self.desk.clone();
        let action = Action::ListBudgets;
        rpc::unary(&self.tasks, action, request, |_, permit, request| async move {
            let budgets = queries::budgets(&desk, &permit, &request.programme).await?;
            Ok(pb::ListBudgetsResponse { budgets })
        })
        .await
    }
}
