//! `peshub.credentials.v1.CredentialService`

use std::pin::Pin;

use prost::Message;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status as Answer, Streaming};

use crate::credentials::domain::Status;
use crate::credentials::error::CredentialError;
use crate::credentials::issuing::Issuing;
use crate::credentials::issuing::deposit::Deposit;
use crate::credentials::issuing::stream::IssueStreams;
use crate::credentials::queries;
use crate::credentials::status::change::{Change, Changing, Wish};
use crate::credentials::wire::{credential as wire, timestamp};
use crate::kernel::fault::Fault;
use crate::kernel::fields::Check;
use crate::pb::peshub::credentials::v1 as pb;
use crate::pb::peshub::credentials::v1::credential_service_server::CredentialService;
use crate::platform::action::Action;
use crate::platform::mutation::RequestKey;
use crate::platform::page::PageTokens;
use crate::platform::serve::Draining;
use crate::platform::tasks::Tasks;
use crate::platform::{rpc, status};

/// Serves `peshub.credentials.v1.CredentialService`.
#[derive(Clone, Debug)]
pub struct CredentialGrpc {
    /// Issues.
    pub issuing: Issuing,
    /// Changes statuses.
    pub changing: Changing,
    /// Serves streams of drafts.
    pub streams: IssueStreams,
    /// Seals page tokens.
    pub pages: PageTokens,
    /// Where work runs.
    pub tasks: Tasks,
}

type Stream<T> = Pin<Box<dyn futures_util::Stream<Item = Result<T, Answer>> + Send>>;

/// Reads a request for a change of statuses.
fn wish(ids: &[String], status: Status, reason: i32) -> Result<Wish, CredentialError> {
    let missing = |id| CredentialError::CredentialNotFound { id };
    let ids = wire::credential_ids(ids).map_err(missing)?;
    Ok(Wish { ids, status, reason: i16::try_from(reason).unwrap_or_default() })
}

impl CredentialGrpc {
    /// Changes statuses.
    async fn changed<Q, A>(
        &self,
        action: Action,
        request: Request<Q>,
        (key, wish): (Result<RequestKey, Fault>, Result<Wish, CredentialError>),
        answer: impl FnOnce(Change) -> A + Send + 'static,
    ) -> Result<Response<A>, Answer>
    where
        Q: Check,
        A: Message + Default + 'static,
    {
        let changing = self.changing.clone();
        rpc::unary(&self.tasks, action, request, |_, permit, _| async move {
            changing.change(&permit, &key?, wish, answer).await
        })
        .await
    }
}

#[tonic::async_trait]
impl CredentialService for CredentialGrpc {
    type IssueCredentialsStream = Stream<pb::IssueCredentialsResponse>;

    async fn issue_credential(
        &self,
        request: Request<pb::IssueCredentialRequest>,
    ) -> Result<Response<pb::IssueCredentialResponse>, Answer> {
        let issuing = self.issuing.clone();
        let action = Action::IssueCredential;
        rpc::unary(&self.tasks, action, request, |_, permit, request| async move {
            let key = RequestKey::new(&request.request_id, &request)?;
            let draft = wire::draft(request.draft.unwrap_or_default())?;
            issuing.issue(&permit, &key, draft).await
        })
        .await
    }

    async fn issue_credentials(
        &self,
        request: Request<Streaming<pb::IssueCredentialsRequest>>,
    ) -> Result<Response<Self::IssueCredentialsStream>, Answer> {
        let (_, extensions, incoming) = request.into_parts();
        let (_, permit) = rpc::admit(&extensions, Action::IssueCredentials)
            .map_err(|fault| status::of_fault(&fault))?;
        let draining = Draining::of(&extensions, &self.tasks);
        let answers = ReceiverStream::new(self.streams.serve(permit, incoming, draining));
        let span = tracing::Span::current();
        let failed = move |fault: Fault| span.in_scope(|| status::of_fault(&fault));
        Ok(Response::new(Box::pin(answers.map(move |answer| answer.map_err(&failed)))))
    }

    async fn reserve_status(
        &self,
        request: Request<pb::ReserveStatusRequest>,
    ) -> Result<Response<pb::ReserveStatusResponse>, Answer> {
        let issuing = self.issuing.clone();
        let action = Action::ReserveStatus;
        rpc::unary(&self.tasks, action, request, |_, permit, request| async move {
            let key = RequestKey::new(&request.request_id, &request)?;
            issuing.reserve(&permit, &key, &request).await
        })
        .await
    }

    async fn deposit_credential(
        &self,
        request: Request<pb::DepositCredentialRequest>,
    ) -> Result<Response<pb::DepositCredentialResponse>, Answer> {
        let issuing = self.issuing.clone();
        let action = Action::DepositCredential;
        rpc::unary(&self.tasks, action, request, |_, permit, request| async move {
            let key = RequestKey::new(&request.request_id, &request)?;
            let mut wrong = Vec::new();
            let worker = wire::reference("worker_reference", &request.worker_reference, &mut wrong);
            if !wrong.is_empty() {
                return Err(Fault::fields(wrong));
            }
            let deposit = Deposit { issuer: request.issuer, sd_jwt: request.sd_jwt, worker };
            issuing.deposit(&permit, &key, deposit).await
        })
        .await
    }

    async fn get_credential(
        &self,
        request: Request<pb::GetCredentialRequest>,
    ) -> Result<Response<pb::GetCredentialResponse>, Answer> {
        let db = self.issuing.db.clone();
        let action = Action::GetCredential;
        rpc::unary(&self.tasks, action, request, |_, permit, request| async move {
            let credential = queries::credential(&db, &permit, &request.credential_id).await?;
            Ok(pb::GetCredentialResponse { credential: Some(credential) })
        })
        .await
    }

    async fn list_credentials(
        &self,
        request: Request<pb::ListCredentialsRequest>,
    ) -> Result<Response<pb::ListCredentialsResponse>, Answer> {
        let (issuing, pages) = (self.issuing.clone(), self.pages.clone());
        let action = Action::ListCredentials;
        rpc::unary(&self.tasks, action, request, |_, permit, request| async move {
            queries::credentials(&issuing, &permit, &pages, &request).await
        })
        .await
    }

    async fn suspend_credentials(
        &self,
        request: Request<pb::SuspendCredentialsRequest>,
    ) -> Result<Response<pb::SuspendCredentialsResponse>, Answer> {
        let asked = request.get_ref();
        let key = RequestKey::new(&asked.request_id, asked);
        let wish = wish(&asked.credential_ids, Status::Suspended, asked.reason);
        let answer = |change: Change| pb::SuspendCredentialsResponse {
            at: Some(timestamp(change.at)),
            changed: change.changed,
        };
        self.changed(Action::SuspendCredentials, request, (key, wish), answer).await
    }

    async fn reinstate_credentials(
        &self,
        request: Request<pb::ReinstateCredentialsRequest>,
    ) -> Result<Response<pb::ReinstateCredentialsResponse>, Answer> {
        let asked = request.get_ref();
        let key = RequestKey::new(&asked.request_id, asked);
        let wish = wish(&asked.credential_ids, Status::Valid, asked.reason);
        let answer = |change: Change| pb::ReinstateCredentialsResponse {
            at: Some(timestamp(change.at)),
            changed: change.changed,
        };
        self.changed(Action::ReinstateCredentials, request, (key, wish), answer).await
    }

    async fn revoke_credentials(
        &self,
        request: Request<pb::RevokeCredentialsRequest>,
    ) -> Result<Response<pb::RevokeCredentialsResponse>, Answer> {
        let asked = request.get_ref();
        let key = RequestKey::new(&asked.request_id, asked);
        let wish = wish(&asked.credential_ids, Status::Revoked, asked.reason);
        let answer = |change: Change| pb::RevokeCredentialsResponse {
            at: Some(timestamp(change.at)),
            changed: change.changed,
            entry_id: change.entry_id.to_string(),
        };
        self.changed(Action::RevokeCredentials, request, (key, wish), answer).await
    }
}
