//! `peshub serve`

use std::path::Path;
use std::sync::Arc;

use clap::Args;
use tokio::net::TcpListener;

use crate::cli::{Outcome, client};
use crate::dev::{self, Database};
use crate::kernel::clock::SystemClock;
use crate::platform::config::{
    EnvironmentOptions, HubOptions, KeyOptions, Surroundings, TlsOptions,
};
use crate::platform::db::Db;
use crate::platform::keys::Keys;
use crate::platform::probes::Internal;
use crate::platform::tls::{self, TlsFiles};
use crate::server::{Hub, HubParts};

/// Arguments of `peshub serve`.
#[derive(Args, Debug)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    hub: HubOptions,
    #[command(flatten)]
    tls: TlsOptions,
    #[command(flatten)]
    keys: KeyOptions,
    #[command(flatten)]
    environment: EnvironmentOptions,
    /// Let clients ask for the contract over reflection.
    #[arg(long, env = "PESHUB_REFLECTION")]
    reflection: bool,
}

pub(super) async fn run(args: ServeArgs) -> Outcome {
    let surroundings = Surroundings::of_process();
    let data_dir = match &args.hub.database.data_dir {
        Some(data_dir) => data_dir.clone(),
        None => dev::default_data_dir(&surroundings).await?,
    };
    let tls = tls::acceptor(&TlsFiles {
        certificates: read(&args.tls.tls_cert)?,
        key: read(&args.tls.tls_key)?,
        client_authorities: read(&args.tls.tls_client_ca)?,
    })?;
    let url = args.hub.database.database_url.as_deref();
    let database = Database::open(url, &data_dir, surroundings.search_path).await?;
    let db = Db::open(database.options.clone(), args.hub.database_connections);
    let internal = TcpListener::bind(args.hub.internal_listen).await?;
    let internal = Internal::start(internal, db.clone())?;
    let stop = client::interrupted();
    tokio::pin!(stop);
    if database.private.is_some() {
        db.migrate().await?;
    }
    tokio::select! {
        schema = db.await_schema() => schema?,
        stopped = &mut stop => return stopped,
    }
    let hub = Hub::start(HubParts {
        db,
        clock: Arc::new(SystemClock),
        tls,
        listener: TcpListener::bind(args.hub.listen).await?,
        internal: Some(internal),
        keys: Keys::open(&args.keys.keys_dir)?,
        environment: args.environment.environment,
        feed_days: args.hub.feed_days,
        reflection: args.reflection,
    })
    .await?;
    tracing::info!("serving gRPC on {} (TLS)", hub.address);
    stop.await?;
    tracing::info!("shutting down");
    hub.stop().await;
    database.close().await?;
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
    std::fs::read(path)
        .map_err(|error| format!("{} cannot be read: {error}", path.display()).into())
}
