//! The service: parse, do, render.

use std::pin::Pin;

use prost::Message as _;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::audit::export::Exports;
use crate::audit::{queries, wire};
use crate::kernel::fault::Fault;
use crate::kernel::fields;
use crate::pb::peshub::audit::v1 as pb;
use crate::pb::peshub::audit::v1::audit_service_server::AuditService;
use crate::platform::action::Action;
use crate::platform::audit::store;
use crate::platform::page::PageTokens;
use crate::platform::{rpc, status};

/// Serves `peshub.audit.v1.AuditService`.
#[derive(Clone, Debug)]
pub struct AuditGrpc {
    /// Makes exports.
    pub exports: Exports,
    /// Seals page tokens.
    pub pages: PageTokens,
}

#[tonic::async_trait]
impl AuditService for AuditGrpc {
    type ExportAuditStream =
        Pin<Box<dyn futures_util::Stream<Item = Result<pb::ExportAuditResponse, Status>> + Send>>;

    async fn search_audit(
        &self,
        request: Request<pb::SearchAuditRequest>,
    ) -> Result<Response<pb::SearchAuditResponse>, Status> {
        let (db, pages) = (self.exports.db.clone(), self.pages.clone());
        let tasks = &self.exports.tasks;
        rpc::unary(tasks, Action::SearchAudit, request, |_, permit, request| async move {
            let mut criteria = wire::criteria(&request)?;
            let fingerprint = fingerprint(&request);
            criteria.after = pages.open(&fingerprint, &request.page_token)?;
            let (rows, more) = queries::search(&db, &permit, criteria).await?;
            let next = rows.last().filter(|_| more);
            let next_page_token =
                next.map_or_else(String::new, |last| pages.seal(&fingerprint, last.audit_id));
            let for_auditor = queries::is_auditor(&permit);
            let entries = rows.into_iter().map(|row| wire::entry(row, for_auditor)).collect();
            Ok(pb::SearchAuditResponse { entries, next_page_token })
        })
        .await
    }

    async fn list_checkpoints(
        &self,
        request: Request<pb::ListCheckpointsRequest>,
    ) -> Result<Response<pb::ListCheckpointsResponse>, Status> {
        let (db, tasks) = (self.exports.db.clone(), &self.exports.tasks);
        rpc::unary(tasks, Action::ListCheckpoints, request, |_, permit, request| async move {
            let limit = wire::page_size(request.page_size);
            let mut tx = db.read(&permit).await?;
            let keys: Vec<_> =
                store::keys(tx.connection()).await?.into_iter().map(|(key, _)| key).collect();
            let found = store::checkpoints(tx.connection(), request.from_number, limit).await?;
            let checkpoints = found.into_iter().map(|it| wire::checkpoint(it, &keys)).collect();
            Ok(pb::ListCheckpointsResponse { checkpoints })
        })
        .await
    }

    async fn get_latest_checkpoint(
        &self,
        request: Request<pb::GetLatestCheckpointRequest>,
    ) -> Result<Response<pb::GetLatestCheckpointResponse>, Status> {
        let (db, tasks) = (self.exports.db.clone(), &self.exports.tasks);
        rpc::unary(tasks, Action::GetLatestCheckpoint, request, |_, permit, _| async move {
            let mut tx = db.read(&permit).await?;
            let keys: Vec<_> =
                store::keys(tx.connection()).await?.into_iter().map(|(key, _)| key).collect();
            let latest = store::latest(tx.connection()).await?;
            let checkpoint = latest.map(|latest| wire::checkpoint(latest, &keys));
            Ok(pb::GetLatestCheckpointResponse { checkpoint })
        })
        .await
    }

    async fn get_inclusion_proof(
        &self,
        request: Request<pb::GetInclusionProofRequest>,
    ) -> Result<Response<pb::GetInclusionProofResponse>, Status> {
        let (db, tasks) = (self.exports.db.clone(), &self.exports.tasks);
        rpc::unary(tasks, Action::GetInclusionProof, request, |_, permit, request| async move {
            let entry_id = wire::entry_id(&request.entry_id)?;
            Ok(wire::proof(&queries::proof(&db, &permit, entry_id).await?))
        })
        .await
    }

    async fn export_audit(
        &self,
        request: Request<pb::ExportAuditRequest>,
    ) -> Result<Response<Self::ExportAuditStream>, Status> {
        let (_, extensions, request) = request.into_parts();
        let serve = || {
            let (_, permit) = rpc::admit(&extensions, Action::ExportAudit)?;
            let violations = fields::check(&request);
            if !violations.is_empty() {
                return Err(Fault::fields(violations));
            }
            Ok(self.exports.serve(permit, (request.from_seq, request.until_seq)))
        };
        let pieces = serve().map_err(|fault: Fault| status::of_fault(&fault))?;
        let pieces = ReceiverStream::new(pieces);
        let pieces = pieces.map(|piece| piece.map_err(|fault| status::of_fault(&fault)));
        Ok(Response::new(Box::pin(pieces)))
    }

    async fn list_signing_keys(
        &self,
        request: Request<pb::ListSigningKeysRequest>,
    ) -> Result<Response<pb::ListSigningKeysResponse>, Status> {
        let (db, tasks) = (self.exports.db.clone(), &self.exports.tasks);
        let hub = self.exports.hub.to_string();
        rpc::unary(tasks, Action::ListSigningKeys, request, |_, permit, _| async move {
            let mut tx = db.read(&permit).await?;
            let keys = store::keys(tx.connection()).await?;
            Ok(pb::ListSigningKeysResponse { keys: keys.into_iter().map(wire::key).collect(), hub })
        })
        .await
    }
}

/// Returns what a page token is bound to: the request without what tells pages apart.
fn fingerprint(request: &pb::SearchAuditRequest) -> Vec<u8> {
    let mut request = request.clone();
    request.page_token.clear();
    request.page_size = 0;
    // Without a filter means the same as with an empty one.
    request.filter.get_or_insert_default();
    request.encode_to_vec()
}
