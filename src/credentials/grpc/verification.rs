//! The service of verification.

use std::pin::Pin;

use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::credentials::status::watch::StatusWatches;
use crate::credentials::verify::calls::Call;
use crate::credentials::verify::follow;
use crate::credentials::verify::stream::VerifyStreams;
use crate::credentials::wire::verification as wire;
use crate::kernel::fault::Fault;
use crate::kernel::fields;
use crate::pb::peshub::credentials::v1 as pb;
use crate::pb::peshub::credentials::v1::verification_service_server::VerificationService;
use crate::platform::action::Action;
use crate::platform::mutation::{self, RequestKey};
use crate::platform::permit::Permit;
use crate::platform::serve::Draining;
use crate::platform::{rpc, status};
use prost::Message as _;
use time::OffsetDateTime;

/// Serves `peshub.credentials.v1.VerificationService`.
#[derive(Clone)]
pub struct VerificationGrpc {
    /// Verifies, one by one and in streams.
    pub streams: VerifyStreams,
    /// Serves watches of statuses.
    pub watches: StatusWatches,
}

impl std::fmt::Debug for VerificationGrpc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VerificationGrpc").finish_non_exhaustive()
    }
}

type Stream<T> = Pin<Box<dyn futures_util::Stream<Item = Result<T, Status>> + Send>>;

fn outgoing<T: Send + 'static>(
    receiver: tokio::sync::mpsc::Receiver<Result<T, Fault>>,
) -> Response<Stream<T>> {
    let span = tracing::Span::current();
    let failed = move |fault: Fault| span.in_scope(|| status::of_fault(&fault));
    Response::new(Box::pin(ReceiverStream::new(receiver).map(move |it| it.map_err(&failed))))
}

/// How a call that verifies was asked.
struct Asked {
    policy: Option<pb::VerificationPolicy>,
    grounds: Option<pb::Grounds>,
    presentations: Vec<String>,
    request_id: String,
    body: Vec<u8>,
}

impl Asked {
    fn call(self, permit: Permit, now: OffsetDateTime) -> Result<Call, Fault> {
        mutation::sound_id(&self.request_id)?;
        let asked = wire::asked(self.policy, self.grounds, now)?;
        let (texts, request_id) = (self.presentations.into(), self.request_id);
        Ok(Call { permit, asked, texts, request_id, body: self.body, now })
    }
}

#[tonic::async_trait]
impl VerificationService for VerificationGrpc {
    type VerifyPresentationsStream = Stream<pb::VerifyPresentationsResponse>;
    type WatchStatusesStream = Stream<pb::WatchStatusesResponse>;

    async fn verify_presentation(
        &self,
        request: Request<pb::VerifyPresentationRequest>,
    ) -> Result<Response<pb::VerifyPresentationResponse>, Status> {
        let (verifier, now) = (self.streams.verifier.clone(), self.streams.clock.now());
        let action = Action::VerifyPresentation;
        rpc::unary(&self.streams.tasks, action, request, |_, permit, request| async move {
            let body = request.encode_to_vec();
            let asked = Asked {
                policy: request.policy,
                grounds: request.grounds,
                presentations: vec![request.presentation],
                request_id: request.request_id,
                body,
            };
            verifier.one(asked.call(permit, now)?).await
        })
        .await
    }

    async fn batch_verify_presentations(
        &self,
        request: Request<pb::BatchVerifyPresentationsRequest>,
    ) -> Result<Response<pb::BatchVerifyPresentationsResponse>, Status> {
        let (verifier, now) = (self.streams.verifier.clone(), self.streams.clock.now());
        let action = Action::BatchVerifyPresentations;
        rpc::unary(&self.streams.tasks, action, request, |_, permit, request| async move {
            let body = request.encode_to_vec();
            let asked = Asked {
                policy: request.policy,
                grounds: request.grounds,
                presentations: request.presentations,
                request_id: request.request_id,
                body,
            };
            verifier.several(asked.call(permit, now)?).await
        })
        .await
    }

    async fn verify_presentations(
        &self,
        request: Request<Streaming<pb::VerifyPresentationsRequest>>,
    ) -> Result<Response<Self::VerifyPresentationsStream>, Status> {
        let (_, extensions, incoming) = request.into_parts();
        let (_, permit) = rpc::admit(&extensions, Action::VerifyPresentations)
            .map_err(|fault| status::of_fault(&fault))?;
        let draining = Draining::of(&extensions, &self.streams.tasks);
        Ok(outgoing(self.streams.serve(permit, incoming, draining)))
    }

    async fn replay_verdict(
        &self,
        request: Request<pb::ReplayVerdictRequest>,
    ) -> Result<Response<pb::ReplayVerdictResponse>, Status> {
        let (verifier, now) = (self.streams.verifier.clone(), self.streams.clock.now());
        let action = Action::ReplayVerdict;
        rpc::unary(&self.streams.tasks, action, request, |_, permit, request| async move {
            let basis = request.basis.unwrap_or_default();
            let asked = Asked {
                policy: request.policy,
                grounds: request.grounds,
                presentations: vec![request.presentation],
                request_id: String::new(),
                body: Vec::new(),
            };
            verifier.replay(asked.call(permit, now)?, &basis).await
        })
        .await
    }

    async fn check_requirements(
        &self,
        request: Request<pb::CheckRequirementsRequest>,
    ) -> Result<Response<pb::CheckRequirementsResponse>, Status> {
        let (verifier, now) = (self.streams.verifier.clone(), self.streams.clock.now());
        let action = Action::CheckRequirements;
        rpc::unary(&self.streams.tasks, action, request, |_, permit, request| async move {
            let body = request.encode_to_vec();
            let asked = Asked {
                policy: request.policy,
                grounds: request.grounds,
                presentations: request.presentations,
                request_id: request.request_id,
                body,
            };
            let posting = (request.source.as_str(), request.external_id.as_str());
            verifier.requirements(asked.call(permit, now)?, posting).await
        })
        .await
    }

    async fn watch_statuses(
        &self,
        request: Request<pb::WatchStatusesRequest>,
    ) -> Result<Response<Self::WatchStatusesStream>, Status> {
        let (_, extensions, request) = request.into_parts();
        let draining = Draining::of(&extensions, &self.streams.tasks);
        let serve = || {
            let (_, permit) = rpc::admit(&extensions, Action::WatchStatuses)?;
            let violations = fields::check(&request);
            if !violations.is_empty() {
                return Err(Fault::fields(violations));
            }
            Ok(self.watches.serve(permit, &request, draining)?)
        };
        serve().map(outgoing).map_err(|fault: Fault| status::of_fault(&fault))
    }

    async fn unfollow_credentials(
        &self,
        request: Request<pb::UnfollowCredentialsRequest>,
    ) -> Result<Response<pb::UnfollowCredentialsResponse>, Status> {
        let (db, now) = (self.streams.verifier.db.clone(), self.streams.clock.now());
        let action = Action::UnfollowCredentials;
        rpc::unary(&self.streams.tasks, action, request, |_, permit, request| async move {
            let key = RequestKey::new(&request.request_id, &request)?;
            follow::end(&db, &permit, &key, request.handles, now).await
        })
        .await
    }
}
