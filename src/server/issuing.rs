//! Puts together what issues credentials and tells how they stand, and what works for that in the background.

use std::sync::Arc;

use crate::credentials::grpc::credentials::CredentialGrpc;
use crate::credentials::issuing::Issuing;
use crate::credentials::issuing::places::Places;
use crate::credentials::issuing::stream::IssueStreams;
use crate::credentials::registry::commands::Office;
use crate::credentials::status::Statuses;
use crate::credentials::status::change::Changing;
use crate::credentials::status::elsewhere::Fetching;
use crate::credentials::status::keeper::Keeper;
use crate::credentials::status::publisher::Publisher;
use crate::credentials::status::watch::StatusWatches;
use crate::credentials::status::web::Served;
use crate::platform::feed::reader::Feed;
use crate::platform::keys::sealing::DataKey;
use crate::platform::page::PageTokens;
use crate::platform::secrets::{self, CREDENTIALS, SecretError};
use crate::server::HubParts;

/// What issues credentials and tells how they stand.
#[derive(Debug)]
pub(crate) struct IssuingParts {
    /// The service.
    pub(crate) service: CredentialGrpc,
    /// What is known of statuses.
    pub(crate) statuses: Statuses,
    /// Watches of statuses.
    pub(crate) watches: StatusWatches,
    /// Status lists over HTTP.
    pub(crate) served: Served,
    /// The secret that all replicas share.
    pub(crate) secret: Arc<DataKey>,
}

/// Starts what works in the background, and returns the rest.
///
/// # Errors
///
/// The secret that all replicas share cannot be opened.
pub(crate) async fn start(
    parts: &HubParts,
    office: &Office,
    feed: &Feed,
    secret: &[u8],
) -> Result<IssuingParts, SecretError> {
    let (db, clock, tasks) = (&parts.db, &parts.clock, &feed.tasks);
    let own = secrets::open(db, parts.keys.vault.as_ref(), CREDENTIALS, clock.now()).await?;
    let own = Arc::new(own);
    let places = Places::new(db.clone(), Arc::clone(clock), Arc::clone(&own), tasks.clone());
    let issuing = Issuing {
        db: db.clone(),
        clock: Arc::clone(clock),
        registry: office.registry.clone(),
        keys: office.keys.clone(),
        addresses: office.addresses.clone(),
        places,
        secret: own,
    };
    let changing = Changing {
        db: db.clone(),
        clock: Arc::clone(clock),
        signer: Arc::clone(&parts.keys.signer),
    };
    let lists = office.addresses.base().map(|base| format!("{base}/status-lists/"));
    // Without a public address there are no lists here; no address begins with this.
    let lists = lists.unwrap_or_else(|| " ".to_owned());
    let statuses = Statuses::new(db.clone(), Arc::clone(clock), lists);
    let keeper = Keeper::new(statuses.clone(), Arc::clone(&feed.tail));
    drop(tasks.spawn(keeper.run(tasks.stopping())));
    let publisher = Publisher {
        db: db.clone(),
        clock: Arc::clone(clock),
        registry: office.registry.clone(),
        keys: office.keys.clone(),
        tail: Arc::clone(&feed.tail),
        population_min: parts.status_population_min,
    };
    drop(tasks.spawn(publisher.run(tasks.stopping())));
    let fetching = Fetching {
        db: db.clone(),
        clock: Arc::clone(clock),
        registry: office.registry.clone(),
        signer: Arc::clone(&parts.keys.signer),
        reach: parts.reach,
    };
    drop(tasks.spawn(fetching.run(tasks.stopping())));
    let secret_of_all = Arc::clone(&issuing.secret);
    Ok(IssuingParts {
        secret: secret_of_all,
        service: CredentialGrpc {
            streams: IssueStreams { issuing: issuing.clone(), tasks: tasks.clone() },
            issuing,
            changing,
            pages: PageTokens::new(&[b"credential pages", secret].concat()),
            tasks: tasks.clone(),
        },
        statuses,
        watches: StatusWatches::new(feed.clone()),
        served: Served {
            db: db.clone(),
            clock: Arc::clone(clock),
            registry: office.registry.clone(),
            addresses: office.addresses.clone(),
        },
    })
}
