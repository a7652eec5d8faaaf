//! Puts verification and consents together.

use std::sync::Arc;

use uuid::Uuid;

use crate::credentials::consent::commands::{Audience, Desk};
use crate::credentials::grpc::consents::ConsentGrpc;
use crate::credentials::grpc::verification::VerificationGrpc;
use crate::credentials::registry::Registry;
use crate::credentials::status::Statuses;
use crate::credentials::status::watch::StatusWatches;
use crate::credentials::verify::basis::Seals;
use crate::credentials::verify::commands::Verifier;
use crate::credentials::verify::stream::VerifyStreams;
use crate::platform::keys::sealing::DataKey;
use crate::platform::page::PageTokens;
use crate::platform::tasks::Tasks;
use crate::server::HubParts;

/// The services.
pub(crate) struct Verifying {
    /// Workers' consents.
    pub(crate) consents: ConsentGrpc,
    /// Verification.
    pub(crate) verification: VerificationGrpc,
}

/// Returns the services; `secret` is for page tokens. What verdicts rest on is sealed, and credentials are named, under the secret of
/// credentials, which the database holds wrapped alone.
pub(crate) fn services(
    parts: &HubParts,
    (hub, secret): (Uuid, &[u8]),
    registry: &Registry,
    (statuses, watches, own): (Statuses, StatusWatches, &DataKey),
    tasks: &Tasks,
) -> Verifying {
    let audience = Audience { hub };
    let verifier = Verifier {
        db: parts.db.clone(),
        registry: registry.clone(),
        statuses,
        seals: Seals::new(own.bytes()),
        audience: audience.clone(),
        verified: Arc::default(),
    };
    let desk = Desk { db: parts.db.clone(), registry: registry.clone(), audience };
    let clock = Arc::clone(&parts.clock);
    let pages = PageTokens::new(&[b"consent pages", secret].concat());
    let consents = ConsentGrpc { desk, clock: Arc::clone(&clock), pages, tasks: tasks.clone() };
    let streams = VerifyStreams { verifier, clock, tasks: tasks.clone() };
    Verifying { consents, verification: VerificationGrpc { streams, watches } }
}
