//! Puts the trust registry together, and what keeps it up to date.

use std::sync::Arc;

use crate::credentials::error::CredentialError;
use crate::credentials::grpc::issuers::IssuerGrpc;
use crate::credentials::registry::Registry;
use crate::credentials::registry::addresses::Addresses;
use crate::credentials::registry::commands::Office;
use crate::credentials::registry::discovery::Discovery;
use crate::credentials::registry::keys::IssuerKeys;
use crate::platform::page::PageTokens;
use crate::platform::tasks::Tasks;
use crate::server::HubParts;

/// Returns what the trust registry is read and changed with, and keeps it up to date in the background.
///
/// # Errors
///
/// The registry cannot be read.
pub(crate) async fn office(parts: &HubParts, tasks: &Tasks) -> Result<Office, CredentialError> {
    let registry = Registry::open(parts.db.clone()).await?;
    drop(tasks.spawn(registry.clone().follow(tasks.stopping())));
    let discovery = Discovery {
        registry: registry.clone(),
        db: parts.db.clone(),
        clock: Arc::clone(&parts.clock),
        reach: parts.reach,
    };
    drop(tasks.spawn(discovery.run(tasks.stopping())));
    Ok(Office {
        registry,
        keys: IssuerKeys::new(&parts.keys),
        addresses: Addresses::new(parts.public.as_ref().map(|public| public.url.as_str())),
        reach: parts.reach,
    })
}

/// Returns the service.
pub(crate) fn service(
    parts: &HubParts,
    office: &Office,
    secret: &[u8],
    tasks: &Tasks,
) -> IssuerGrpc {
    IssuerGrpc {
        office: office.clone(),
        db: parts.db.clone(),
        clock: Arc::clone(&parts.clock),
        pages: PageTokens::new(&[b"registry pages", secret].concat()),
        tasks: tasks.clone(),
    }
}
