//! Puts applications together, and what follows the credentials that they rest on.

use std::sync::Arc;

use uuid::Uuid;

use crate::platform::audit::receipt::Receipts;
use crate::platform::feed::reader::Feed;
use crate::platform::page::PageTokens;
use crate::server::HubParts;
use crate::subsidies::application::desk::Desk;
use crate::subsidies::application::follow;
use crate::subsidies::grpc::applications::ApplicationGrpc;
use crate::subsidies::population::commands::Keeper;

/// Returns the service; `secret` is for page tokens.
pub(crate) fn service(
    parts: &HubParts,
    (hub, secret): (Uuid, &[u8]),
    feed: &Feed,
    keeper: &Keeper,
) -> ApplicationGrpc {
    let desk = Desk {
        db: parts.db.clone(),
        vault: Arc::clone(&parts.keys.vault),
        blind: keeper.blind.clone(),
        programmes: keeper.programmes.clone(),
        receipts: Receipts::new(hub, Arc::clone(&parts.keys.signer)),
    };
    let tasks = feed.tasks.clone();
    drop(tasks.spawn(follow::run(desk.clone(), feed.clone(), tasks.stopping())));
    let pages = PageTokens::new(&[b"application pages", secret].concat());
    ApplicationGrpc { desk, feed: feed.clone(), clock: Arc::clone(&parts.clock), pages, tasks }
}
