//! The service: parse, do, render.

use std::sync::Arc;

use aws_lc_rs::hmac;
use tonic::{Request, Response, Status};

use crate::kernel::clock::SharedClock;
use crate::pb::peshub::workers::v1 as pb;
use crate::pb::peshub::workers::v1::worker_service_server::WorkerService;
use crate::platform::action::Action;
use crate::platform::keys::sealing::{self, DataKey};
use crate::platform::mutation::{self, RequestKey};
use crate::platform::rpc;
use crate::platform::tasks::Tasks;
use crate::workers::commands::{self, Change, Registry};
use crate::workers::queries::{self, Page};
use crate::workers::wire;

/// Disclosures a page when the request does not say.
const PAGE_SIZE: i64 = 100;

/// Serves `peshub.workers.v1.WorkerService`.
#[derive(Clone)]
pub struct WorkerGrpc {
    registry: Registry,
    clock: SharedClock,
    pages: Arc<DataKey>,
    tasks: Tasks,
}

impl WorkerGrpc {
    /// Returns the service; `secret` is the one that all replicas share.
    #[must_use]
    pub fn new(registry: Registry, clock: SharedClock, secret: &[u8], tasks: Tasks) -> Self {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let pages = Arc::new(DataKey::from(sealing::mac(&secret, b"pages of disclosures", b"")));
        Self { registry, clock, pages, tasks }
    }
}

impl std::fmt::Debug for WorkerGrpc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorkerGrpc").finish_non_exhaustive()
    }
}

#[tonic::async_trait]
impl WorkerService for WorkerGrpc {
    async fn register_worker(
        &self,
        request: Request<pb::RegisterWorkerRequest>,
    ) -> Result<Response<pb::RegisterWorkerResponse>, Status> {
        let (registry, now) = (self.registry.clone(), self.clock.now());
        let action = Action::RegisterWorker;
        rpc::unary(&self.tasks, action, request, |_, permit, request| async move {
            let number = wire::national_id(request.national_id, now.date())?;
            let person = wire::person(request.person, now.date())?;
            mutation::sound_id(&request.request_id)?;
            let change = Change { permit: &permit, request_id: &request.request_id, now };
            let reference = commands::register(&registry, change, &number, &person).await?;
            Ok(pb::RegisterWorkerResponse { reference: reference.to_string() })
        })
        .await
    }

    async fn disclose_worker(
        &self,
        request: Request<pb::DiscloseWorkerRequest>,
    ) -> Result<Response<pb::DiscloseWorkerResponse>, Status> {
        let (registry, now) = (self.registry.clone(), self.clock.now());
        let action = Action::DiscloseWorker;
        rpc::unary(&self.tasks, action, request, |_, permit, request| async move {
            let fields = wire::fields(&request.fields);
            let grounds = wire::grounds(&request.purpose, request.legal_basis)?;
            let wanted = (wire::reference(&request.reference)?, fields.as_slice());
            let known = commands::disclose(&registry, &permit, wanted, &grounds, now).await?;
            Ok(wire::response(known, &fields))
        })
        .await
    }

    async fn update_worker(
        &self,
        request: Request<pb::UpdateWorkerRequest>,
    ) -> Result<Response<pb::UpdateWorkerResponse>, Status> {
        let (registry, now) = (self.registry.clone(), self.clock.now());
        let action = Action::UpdateWorker;
        rpc::unary(&self.tasks, action, request, |_, permit, request| async move {
            let reference = wire::reference(&request.reference)?;
            let person = wire::person(request.person, now.date())?;
            mutation::sound_id(&request.request_id)?;
            let change = Change { permit: &permit, request_id: &request.request_id, now };
            let stated_at = commands::update(&registry, change, reference, &person).await?;
            Ok(pb::UpdateWorkerResponse { stated_at: Some(wire::timestamp(stated_at)) })
        })
        .await
    }

    async fn erase_worker(
        &self,
        request: Request<pb::EraseWorkerRequest>,
    ) -> Result<Response<pb::EraseWorkerResponse>, Status> {
        let (registry, now) = (self.registry.clone(), self.clock.now());
        let action = Action::EraseWorker;
        rpc::unary(&self.tasks, action, request, |_, permit, request| async move {
            let reference = wire::reference(&request.reference)?;
            let key = RequestKey::new(&request.request_id, &request)?;
            commands::erase(&registry, &permit, &key, reference, now).await
        })
        .await
    }

    async fn list_disclosures(
        &self,
        request: Request<pb::ListDisclosuresRequest>,
    ) -> Result<Response<pb::ListDisclosuresResponse>, Status> {
        let (db, key) = (self.registry.db.clone(), Arc::clone(&self.pages));
        let action = Action::ListDisclosures;
        rpc::unary(&self.tasks, action, request, |_, permit, request| async move {
            let size = match request.page_size {
                0 => PAGE_SIZE,
                size => i64::from(size),
            };
            let page = Page { key: &key, token: &request.page_token, size };
            let reference = wire::reference(&request.reference)?;
            let (found, next_page_token) =
                queries::disclosures(&db, &permit, reference, page).await?;
            let disclosures = found.into_iter().map(wire::disclosure).collect();
            Ok(pb::ListDisclosuresResponse { disclosures, next_page_token })
        })
        .await
    }

    async fn prove_disclosure(
        &self,
        request: Request<pb::ProveDisclosureRequest>,
    ) -> Result<Response<pb::ProveDisclosureResponse>, Status> {
        let db = self.registry.db.clone();
        let action = Action::ProveDisclosure;
        rpc::unary(&self.tasks, action, request, |_, permit, request| async move {
            let reference = wire::reference(&request.reference)?;
            let entry_id = wire::entry_id(&request.entry_id)?;
            let proof = queries::proof(&db, &permit, reference, entry_id).await?;
            Ok(pb::ProveDisclosureResponse { document: proof.text() })
        })
        .await
    }
}
