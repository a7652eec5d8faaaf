//! Puts checks of eligibility, populations and sweeps together, and what works on them in the background.

use std::sync::Arc;

use uuid::Uuid;

use crate::platform::audit::receipt::Receipts;
use crate::platform::page::PageTokens;
use crate::platform::secrets::{self, SUBSIDIES};
use crate::platform::tasks::Tasks;
use crate::server::HubParts;
use crate::subsidies::blind::Blind;
use crate::subsidies::book::Programmes;
use crate::subsidies::eligibility::stream::Checks;
use crate::subsidies::error::SubsidyError;
use crate::subsidies::grpc::eligibility::EligibilityGrpc;
use crate::subsidies::grpc::populations::PopulationGrpc;
use crate::subsidies::population::commands::Keeper;
use crate::subsidies::population::stream::FactStreams;
use crate::subsidies::sweep::runner::Runner;

/// The services.
pub(crate) struct Sweeping {
    /// Checks.
    pub(crate) eligibility: EligibilityGrpc,
    /// Populations and sweeps.
    pub(crate) populations: PopulationGrpc,
    /// What populations, checks and applications work with.
    pub(crate) keeper: Arc<Keeper>,
}

/// Returns the services; `secret` is for page tokens, and `hub` issues receipts.
///
/// # Errors
///
/// The programmes cannot be read, or the key of the secret of subsidies cannot be had.
pub(crate) async fn services(
    parts: &HubParts,
    (hub, secret): (Uuid, &[u8]),
    tasks: &Tasks,
) -> Result<Sweeping, SubsidyError> {
    let programmes = Programmes::open(parts.db.clone()).await?;
    drop(tasks.spawn(programmes.clone().follow(tasks.stopping())));
    let vault = Arc::clone(&parts.keys.vault);
    let own = secrets::open(&parts.db, vault.as_ref(), SUBSIDIES, parts.clock.now()).await?;
    let blind = Blind::new(own);
    let (clock, tasks) = (Arc::clone(&parts.clock), tasks.clone());
    let checks = Checks {
        db: parts.db.clone(),
        blind: blind.clone(),
        programmes: programmes.clone(),
        clock: Arc::clone(&clock),
        tasks: tasks.clone(),
    };
    let keeper = Arc::new(Keeper { db: parts.db.clone(), vault, blind, programmes });
    let receipts = Receipts::new(hub, Arc::clone(&parts.keys.signer));
    let runner = Runner::new(Arc::clone(&keeper), receipts, Arc::clone(&clock));
    drop(tasks.spawn(runner.run(tasks.stopping())));
    let streams = FactStreams { keeper: Arc::clone(&keeper), clock, tasks };
    let pages = PageTokens::new(&[b"finding pages", secret].concat());
    Ok(Sweeping {
        eligibility: EligibilityGrpc { checks },
        populations: PopulationGrpc { streams, pages },
        keeper,
    })
}
