//! `peshub.subsidies.v1.ProgrammeService`

use futures_util::future::BoxFuture;
use time::OffsetDateTime;
use tonic::{Request, Response, Status};

use crate::kernel::clock::SharedClock;
use crate::kernel::fault::Fault;
use crate::kernel::fields::Check;
use crate::pb::peshub::subsidies::v1 as pb;
use crate::pb::peshub::subsidies::v1::programme_service_server::ProgrammeService;
use crate::platform::action::Action;
use crate::platform::db::{Db, Record, WriteTx};
use crate::platform::mutation::{RequestKey, once};
use crate::platform::page::PageTokens;
use crate::platform::rpc;
use crate::platform::tasks::Tasks;
use crate::subsidies::book::Programmes;
use crate::subsidies::error::SubsidyError;
use crate::subsidies::publishing::{drafts, facts, queries};
use crate::subsidies::wire::programme as render;

/// Serves `peshub.subsidies.v1.ProgrammeService`.
#[derive(Clone)]
pub struct ProgrammeGrpc {
    /// The database.
    pub db: Db,
    /// The clock.
    pub clock: SharedClock,
    /// Seals page tokens.
    pub pages: PageTokens,
    /// What is in force.
    pub book: Programmes,
    /// Where work runs.
    pub tasks: Tasks,
}

impl std::fmt::Debug for ProgrammeGrpc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProgrammeGrpc").finish_non_exhaustive()
    }
}

/// Changes the catalogue or the book in a transaction.
type Done<'a, A> = BoxFuture<'a, Result<(A, Record), SubsidyError>>;

impl ProgrammeGrpc {
    /// Makes a change once.
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
        W: for<'a> FnOnce(&'a mut WriteTx, &'a Q, OffsetDateTime) -> Done<'a, A> + Send + 'static,
    {
        let (hub, now) = (self.clone(), self.clock.now());
        rpc::unary(&self.tasks, action, request, move |_, permit, request| async move {
            let key = key?;
            once(&hub.db, &permit, &key, now, |tx| {
                Box::pin(async move { Ok(work(tx, &request, now).await?) })
            })
            .await
        })
        .await
    }

    /// Sees that this replica answers by what was published before it says so; others find it by themselves, and so does this one when
    /// the database fails just now.
    async fn in_force<A>(
        &self,
        changed: Result<Response<A>, Status>,
    ) -> Result<Response<A>, Status> {
        if changed.is_ok() {
            drop(self.book.refresh().await);
        }
        changed
    }
}

#[tonic::async_trait]
impl ProgrammeService for ProgrammeGrpc {
    async fn define_facts(
        &self,
        request: Request<pb::DefineFactsRequest>,
    ) -> Result<Response<pb::DefineFactsResponse>, Status> {
        let key = RequestKey::new(&request.get_ref().request_id, request.get_ref());
        self.changed(Action::DefineFacts, request, key, |tx, request, now| {
            Box::pin(facts::define(tx, request, now))
        })
        .await
    }

    async fn list_facts(
        &self,
        request: Request<pb::ListFactsRequest>,
    ) -> Result<Response<pb::ListFactsResponse>, Status> {
        let hub = self.clone();
        rpc::unary(&self.tasks, Action::ListFacts, request, |_, permit, request| async move {
            queries::facts(&hub.db, &permit, &hub.pages, &request).await
        })
        .await
    }

    async fn retire_fact(
        &self,
        request: Request<pb::RetireFactRequest>,
    ) -> Result<Response<pb::RetireFactResponse>, Status> {
        let key = RequestKey::new(&request.get_ref().request_id, request.get_ref());
        self.changed(Action::RetireFact, request, key, |tx, request, now| {
            Box::pin(facts::retire(tx, request, now))
        })
        .await
    }

    async fn draft_programme(
        &self,
        request: Request<pb::DraftProgrammeRequest>,
    ) -> Result<Response<pb::DraftProgrammeResponse>, Status> {
        let key = RequestKey::new(&request.get_ref().request_id, request.get_ref());
        self.changed(Action::DraftProgramme, request, key, |tx, request, now| {
            Box::pin(drafts::save(tx, request, now))
        })
        .await
    }

    async fn get_programme(
        &self,
        request: Request<pb::GetProgrammeRequest>,
    ) -> Result<Response<pb::GetProgrammeResponse>, Status> {
        let hub = self.clone();
        rpc::unary(&self.tasks, Action::GetProgramme, request, |_, permit, request| async move {
            let found = queries::edition(&hub.db, &permit, &request.name, request.edition).await?;
            Ok(pb::GetProgrammeResponse { edition: Some(render::edition(&found)?) })
        })
        .await
    }

    async fn list_programmes(
        &self,
        request: Request<pb::ListProgrammesRequest>,
    ) -> Result<Response<pb::ListProgrammesResponse>, Status> {
        let hub = self.clone();
        rpc::unary(&self.tasks, Action::ListProgrammes, request, |_, permit, request| async move {
            queries::programmes(&hub.db, &permit, &hub.pages, &request).await
        })
        .await
    }

    async fn check_draft(
        &self,
        request: Request<pb::CheckDraftRequest>,
    ) -> Result<Response<pb::CheckDraftResponse>, Status> {
        let hub = self.clone();
        rpc::unary(&self.tasks, Action::CheckDraft, request, |_, permit, request| async move {
            Ok(queries::check(&hub.db, &permit, &request.name).await?)
        })
        .await
    }

    async fn publish_programme(
        &self,
        request: Request<pb::PublishProgrammeRequest>,
    ) -> Result<Response<pb::PublishProgrammeResponse>, Status> {
        let key = RequestKey::new(&request.get_ref().request_id, request.get_ref());
        let published = self.changed(Action::PublishProgramme, request, key, |tx, request, now| {
            Box::pin(drafts::publish(tx, request, now))
        });
        self.in_force(published.await).await
    }

    async fn retire_programme(
        &self,
        request: Request<pb::RetireProgrammeRequest>,
    ) -> Result<Response<pb::RetireProgrammeResponse>, Status> {
        let key = RequestKey::new(&request.get_ref().request_id, request.get_ref());
        let retired = self.changed(Action::RetireProgramme, request, key, |tx, request, now| {
            Box::pin(drafts::retire(tx, request, now))
        });
        self.in_force(retired.await).await
    }

    async fn compare_editions(
        &self,
        request: Request<pb::CompareEditionsRequest>,
    ) -> Result<Response<pb::CompareEditionsResponse>, Status> {
        let hub = self.clone();
        rpc::unary(&self.tasks, Action::CompareEditions, request, |_, permit, request| async move {
            let comparison = queries::comparison(&hub.db, &permit, &request).await?;
            Ok(pb::CompareEditionsResponse { comparison: Some(comparison) })
        })
        .await
    }
}
