//! `peshub.subsidies.v1.EligibilityService`

use tonic::{Request, Response, Status, Streaming};

use crate::pb::peshub::subsidies::v1 as pb;
use crate::pb::peshub::subsidies::v1::eligibility_service_server::EligibilityService;
use crate::platform::action::Action;
use crate::platform::serve::Draining;
use crate::platform::{rpc, status};
use crate::subsidies::eligibility::stream::Checks;
use crate::subsidies::grpc::{Stream, outgoing};

/// Serves `peshub.subsidies.v1.EligibilityService`.
#[derive(Clone, Debug)]
pub struct EligibilityGrpc {
    /// Checks.
    pub checks: Checks,
}

#[tonic::async_trait]
impl EligibilityService for EligibilityGrpc {
    type CheckSubjectsStream = Stream<pb::CheckSubjectsResponse>;

    async fn check_eligibility(
        &self,
        request: Request<pb::CheckEligibilityRequest>,
    ) -> Result<Response<pb::CheckEligibilityResponse>, Status> {
        let checks = self.checks.clone();
        let action = Action::CheckEligibility;
        rpc::unary(&self.checks.tasks, action, request, |_, permit, request| async move {
            checks.one(&permit, request).await
        })
        .await
    }

    async fn check_subjects(
        &self,
        request: Request<Streaming<pb::CheckSubjectsRequest>>,
    ) -> Result<Response<Self::CheckSubjectsStream>, Status> {
        let (_, extensions, incoming) = request.into_parts();
        let admitted = rpc::admit(&extensions, Action::CheckSubjects);
        let (_, permit) = admitted.map_err(|fault| status::of_fault(&fault))?;
        let draining = Draining::of(&extensions, &self.checks.tasks);
        Ok(outgoing(self.checks.serve(permit, incoming, draining)))
    }
}
