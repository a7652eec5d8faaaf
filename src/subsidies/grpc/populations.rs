//! `peshub.subsidies.v1.PopulationService`

use std::sync::Arc;

use tokio::sync::mpsc;
use tonic::{Request, Response, Status, Streaming};
use tracing::Instrument as _;

use crate::pb::peshub::subsidies::v1 as pb;
use crate::pb::peshub::subsidies::v1::population_service_server::PopulationService;
use crate::platform::action::Action;
use crate::platform::mutation::RequestKey;
use crate::platform::page::PageTokens;
use crate::platform::serve::Draining;
use crate::platform::{rpc, status};
use crate::subsidies::grpc::{Stream, outgoing};
use crate::subsidies::incoming::sound;
use crate::subsidies::population::commands::{self as populations, Keeper};
use crate::subsidies::population::stream::FactStreams;
use crate::subsidies::sweep::{commands, queries, simulate};
use crate::subsidies::wire::{population as wire, sweep};

/// Messages that wait for the transport.
const QUEUE: usize = 4;

/// Serves `peshub.subsidies.v1.PopulationService`.
#[derive(Clone)]
pub struct PopulationGrpc {
    /// Takes in streams of facts.
    pub streams: FactStreams,
    /// Seals page tokens.
    pub pages: PageTokens,
}

impl std::fmt::Debug for PopulationGrpc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PopulationGrpc").finish_non_exhaustive()
    }
}

impl PopulationGrpc {
    fn keeper(&self) -> Arc<Keeper> {
        Arc::clone(&self.streams.keeper)
    }
}

#[tonic::async_trait]
impl PopulationService for PopulationGrpc {
    type StoreFactsStream = Stream<pb::StoreFactsResponse>;
    type WatchSweepStream = Stream<pb::WatchSweepResponse>;
    type SimulateProgrammeStream = Stream<pb::SimulateProgrammeResponse>;

    async fn create_population(
        &self,
        request: Request<pb::CreatePopulationRequest>,
    ) -> Result<Response<pb::CreatePopulationResponse>, Status> {
        let (keeper, now) = (self.keeper(), self.streams.clock.now());
        let action = Action::CreatePopulation;
        rpc::unary(&self.streams.tasks, action, request, |_, permit, request| async move {
            let key = RequestKey::new(&request.request_id, &request)?;
            populations::create(&keeper, &permit, &key, request, now).await
        })
        .await
    }

    async fn list_populations(
        &self,
        request: Request<pb::ListPopulationsRequest>,
    ) -> Result<Response<pb::ListPopulationsResponse>, Status> {
        let (keeper, action) = (self.keeper(), Action::ListPopulations);
        rpc::unary(&self.streams.tasks, action, request, |_, permit, _| async move {
            let found = queries::populations(&keeper, &permit).await?;
            let populations = found.into_iter().map(wire::population).collect();
            Ok(pb::ListPopulationsResponse { populations })
        })
        .await
    }

    async fn delete_population(
        &self,
        request: Request<pb::DeletePopulationRequest>,
    ) -> Result<Response<pb::DeletePopulationResponse>, Status> {
        let (keeper, now) = (self.keeper(), self.streams.clock.now());
        let action = Action::DeletePopulation;
        rpc::unary(&self.streams.tasks, action, request, |_, permit, request| async move {
            let key = RequestKey::new(&request.request_id, &request)?;
            populations::delete(&keeper, &permit, &key, request.population, now).await
        })
        .await
    }

    async fn store_facts(
        &self,
        request: Request<Streaming<pb::StoreFactsRequest>>,
    ) -> Result<Response<Self::StoreFactsStream>, Status> {
        let (_, extensions, incoming) = request.into_parts();
        let (_, permit) = rpc::admit(&extensions, Action::StoreFacts)
            .map_err(|fault| status::of_fault(&fault))?;
        let draining = Draining::of(&extensions, &self.streams.tasks);
        Ok(outgoing(self.streams.serve(permit, incoming, draining)))
    }

    async fn start_sweep(
        &self,
        request: Request<pb::StartSweepRequest>,
    ) -> Result<Response<pb::StartSweepResponse>, Status> {
        let (keeper, now) = (self.keeper(), self.streams.clock.now());
        let action = Action::StartSweep;
        rpc::unary(&self.streams.tasks, action, request, |_, permit, request| async move {
            let key = RequestKey::new(&request.request_id, &request)?;
            commands::start(&keeper, &permit, &key, request, now).await
        })
        .await
    }

    async fn get_sweep(
        &self,
        request: Request<pb::GetSweepRequest>,
    ) -> Result<Response<pb::GetSweepResponse>, Status> {
        let (keeper, action) = (self.keeper(), Action::GetSweep);
        rpc::unary(&self.streams.tasks, action, request, |_, permit, request| async move {
            let id = sweep::sweep_id(&request.sweep_id)?;
            let sweep = queries::sweep(&keeper, &permit, id).await?;
            Ok(pb::GetSweepResponse { sweep: Some(sweep) })
        })
        .await
    }

    async fn list_sweeps(
        &self,
        request: Request<pb::ListSweepsRequest>,
    ) -> Result<Response<pb::ListSweepsResponse>, Status> {
        let (keeper, action) = (self.keeper(), Action::ListSweeps);
        rpc::unary(&self.streams.tasks, action, request, |_, permit, request| async move {
            let sweeps = queries::sweeps(&keeper, &permit, &request.population).await?;
            Ok(pb::ListSweepsResponse { sweeps })
        })
        .await
    }

    async fn cancel_sweep(
        &self,
        request: Request<pb::CancelSweepRequest>,
    ) -> Result<Response<pb::CancelSweepResponse>, Status> {
        let (keeper, now) = (self.keeper(), self.streams.clock.now());
        let action = Action::CancelSweep;
        rpc::unary(&self.streams.tasks, action, request, |_, permit, request| async move {
            let key = RequestKey::new(&request.request_id, &request)?;
            commands::cancel(&keeper, &permit, &key, request.sweep_id, now).await
        })
        .await
    }

    async fn watch_sweep(
        &self,
        request: Request<pb::WatchSweepRequest>,
    ) -> Result<Response<Self::WatchSweepStream>, Status> {
        let (_, extensions, request) = request.into_parts();
        let draining = Draining::of(&extensions, &self.streams.tasks);
        let serve = || {
            let (_, permit) = rpc::admit(&extensions, Action::WatchSweep)?;
            let id = sweep::sweep_id(&sound(request)?.sweep_id)?;
            let (answers, receiver) = mpsc::channel(QUEUE);
            let work = queries::watch(self.keeper(), permit, id, draining, answers);
            drop(self.streams.tasks.spawn(work.in_current_span()));
            Ok(receiver)
        };
        serve().map(outgoing).map_err(|fault| status::of_fault(&fault))
    }

    async fn list_findings(
        &self,
        request: Request<pb::ListFindingsRequest>,
    ) -> Result<Response<pb::ListFindingsResponse>, Status> {
        let (keeper, pages) = (self.keeper(), self.pages.clone());
        let action = Action::ListFindings;
        rpc::unary(&self.streams.tasks, action, request, |_, permit, request| async move {
            queries::findings(&keeper, &permit, &pages, request).await
        })
        .await
    }

    async fn simulate_programme(
        &self,
        request: Request<pb::SimulateProgrammeRequest>,
    ) -> Result<Response<Self::SimulateProgrammeStream>, Status> {
        let (_, extensions, request) = request.into_parts();
        let draining = Draining::of(&extensions, &self.streams.tasks);
        let now = self.streams.clock.now();
        let serve = || {
            let (_, permit) = rpc::admit(&extensions, Action::SimulateProgramme)?;
            let (answers, receiver) = mpsc::channel(QUEUE);
            let asked = (sound(request)?, now);
            let work = simulate::serve(self.keeper(), permit, asked, draining, answers);
            drop(self.streams.tasks.spawn(work.in_current_span()));
            Ok(receiver)
        };
        serve().map(outgoing).map_err(|fault| status::of_fault(&fault))
    }
}
