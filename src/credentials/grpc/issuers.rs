//! `peshub.credentials.v1.IssuerService`

use futures_util::future::BoxFuture;
use time::OffsetDateTime;
use tonic::{Request, Response, Status};

use crate::credentials::error::CredentialError;
use crate::credentials::registry::commands::{Office, accreditations, issuers, keys, types};
use crate::credentials::registry::queries;
use crate::kernel::clock::SharedClock;
use crate::kernel::fault::Fault;
use crate::kernel::fields::Check;
use crate::pb::peshub::credentials::v1 as pb;
use crate::pb::peshub::credentials::v1::issuer_service_server::IssuerService;
use crate::platform::action::Action;
use crate::platform::db::{Db, Record, WriteTx};
use crate::platform::mutation::{RequestKey, once};
use crate::platform::page::PageTokens;
use crate::platform::rpc;
use crate::platform::tasks::Tasks;

/// Serves `peshub.credentials.v1.IssuerService`.
#[derive(Clone)]
pub struct IssuerGrpc {
    /// What the registry is changed with.
    pub office: Office,
    /// The database.
    pub db: Db,
    /// The clock.
    pub clock: SharedClock,
    /// Seals page tokens.
    pub pages: PageTokens,
    /// Where work runs.
    pub tasks: Tasks,
}

impl std::fmt::Debug for IssuerGrpc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuerGrpc").finish_non_exhaustive()
    }
}

/// Changes the registry in a transaction.
type Done<'a, A> = BoxFuture<'a, Result<(A, Record), CredentialError>>;

impl IssuerGrpc {
    /// Changes the registry once, and sees that this replica knows of it before the answer leaves.
    async fn changed<Q, A, W>(
        &self,
        action: Action,
        request: Request<Q>,
        key: Result<RequestKey, Fault>,
        work: W,
    ) -> Result<Response<A>, Status>
    where
        Q: Check + Send + Sync + 'static,
        A: prost::Message + Default + 'static,
        W: for<'a> FnOnce(&'a Office, &'a mut WriteTx, &'a Q, OffsetDateTime) -> Done<'a, A>
            + Send
            + 'static,
    {
        let (hub, now) = (self.clone(), self.clock.now());
        rpc::unary(&self.tasks, action, request, move |_, permit, request| async move {
            let key = key?;
            let office = hub.office.clone();
            let answer = once(&hub.db, &permit, &key, now, |tx| {
                Box::pin(async move { Ok(work(&office, tx, &request, now).await?) })
            })
            .await?;
            // It is committed: who asks next finds it here, or half a second later.
            hub.office.registry.refresh().await.map_or_else(drop, drop);
            Ok(answer)
        })
        .await
    }
}

#[tonic::async_trait]
impl IssuerService for IssuerGrpc {
    async fn create_issuer(
        &self,
        request: Request<pb::CreateIssuerRequest>,
    ) -> Result<Response<pb::CreateIssuerResponse>, Status> {
        let key = RequestKey::new(&request.get_ref().request_id, request.get_ref());
        self.changed(Action::CreateIssuer, request, key, |office, tx, request, now| {
            Box::pin(issuers::create(office, tx, request, now))
        })
        .await
    }

    async fn get_issuer(
        &self,
        request: Request<pb::GetIssuerRequest>,
    ) -> Result<Response<pb::GetIssuerResponse>, Status> {
        let hub = self.clone();
        rpc::unary(&self.tasks, Action::GetIssuer, request, |_, _, request| async move {
            Ok(queries::issuer(&hub.office.registry.present(), &request)?)
        })
        .await
    }

    async fn list_issuers(
        &self,
        request: Request<pb::ListIssuersRequest>,
    ) -> Result<Response<pb::ListIssuersResponse>, Status> {
        let hub = self.clone();
        rpc::unary(&self.tasks, Action::ListIssuers, request, |_, _, request| async move {
            let book = hub.office.registry.present();
            queries::issuers(&book, &hub.pages, &request, hub.clock.now())
        })
        .await
    }

    async fn add_issuer_key(
        &self,
        request: Request<pb::AddIssuerKeyRequest>,
    ) -> Result<Response<pb::AddIssuerKeyResponse>, Status> {
        let key = RequestKey::new(&request.get_ref().request_id, request.get_ref());
        self.changed(Action::AddIssuerKey, request, key, |office, tx, request, now| {
            Box::pin(keys::add(office, tx, request, now))
        })
        .await
    }

    async fn end_issuer_key(
        &self,
        request: Request<pb::EndIssuerKeyRequest>,
    ) -> Result<Response<pb::EndIssuerKeyResponse>, Status> {
        let key = RequestKey::new(&request.get_ref().request_id, request.get_ref());
        self.changed(Action::EndIssuerKey, request, key, |office, tx, request, now| {
            Box::pin(keys::end(office, tx, request, now))
        })
        .await
    }

    async fn accredit_issuer(
        &self,
        request: Request<pb::AccreditIssuerRequest>,
    ) -> Result<Response<pb::AccreditIssuerResponse>, Status> {
        let key = RequestKey::new(&request.get_ref().request_id, request.get_ref());
        self.changed(Action::AccreditIssuer, request, key, |office, tx, request, now| {
            Box::pin(accreditations::give(office, tx, request, now))
        })
        .await
    }

    async fn withdraw_accreditation(
        &self,
        request: Request<pb::WithdrawAccreditationRequest>,
    ) -> Result<Response<pb::WithdrawAccreditationResponse>, Status> {
        let key = RequestKey::new(&request.get_ref().request_id, request.get_ref());
        self.changed(Action::WithdrawAccreditation, request, key, |office, tx, request, now| {
            Box::pin(accreditations::withdraw(office, tx, request, now))
        })
        .await
    }

    async fn add_status_signer(
        &self,
        request: Request<pb::AddStatusSignerRequest>,
    ) -> Result<Response<pb::AddStatusSignerResponse>, Status> {
        let key = RequestKey::new(&request.get_ref().request_id, request.get_ref());
        self.changed(Action::AddStatusSigner, request, key, |office, tx, request, now| {
            Box::pin(issuers::add_status_signer(office, tx, request, now))
        })
        .await
    }

    async fn resolve_trust(
        &self,
        request: Request<pb::ResolveTrustRequest>,
    ) -> Result<Response<pb::ResolveTrustResponse>, Status> {
        let hub = self.clone();
        rpc::unary(&self.tasks, Action::ResolveTrust, request, |_, _, request| async move {
            let now = hub.clock.now();
            Ok(queries::trust(&hub.office.registry, &request, now).await?)
        })
        .await
    }

    async fn create_credential_type(
        &self,
        request: Request<pb::CreateCredentialTypeRequest>,
    ) -> Result<Response<pb::CreateCredentialTypeResponse>, Status> {
        let key = RequestKey::new(&request.get_ref().request_id, request.get_ref());
        self.changed(Action::CreateCredentialType, request, key, |office, tx, request, now| {
            Box::pin(types::publish(office, tx, request, now))
        })
        .await
    }

    async fn get_credential_type(
        &self,
        request: Request<pb::GetCredentialTypeRequest>,
    ) -> Result<Response<pb::GetCredentialTypeResponse>, Status> {
        let hub = self.clone();
        rpc::unary(&self.tasks, Action::GetCredentialType, request, |_, _, request| async move {
            Ok(queries::credential_type(&hub.office.registry.present(), &request)?)
        })
        .await
    }

    async fn list_credential_types(
        &self,
        request: Request<pb::ListCredentialTypesRequest>,
    ) -> Result<Response<pb::ListCredentialTypesResponse>, Status> {
        let hub = self.clone();
        rpc::unary(&self.tasks, Action::ListCredentialTypes, request, |_, _, request| async move {
            let book = hub.office.registry.present();
            queries::credential_types(&book, &hub.pages, &request)
        })
        .await
    }

    async fn retire_credential_type(
        &self,
        request: Request<pb::RetireCredentialTypeRequest>,
    ) -> Result<Response<pb::RetireCredentialTypeResponse>, Status> {
        let key = RequestKey::new(&request.get_ref().request_id, request.get_ref());
        self.changed(Action::RetireCredentialType, request, key, |office, tx, request, now| {
            Box::pin(types::retire(office, tx, request, now))
        })
        .await
    }
}
