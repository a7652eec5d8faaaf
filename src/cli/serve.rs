//! `peshub serve`

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::net::TcpListener;

use crate::cli::{Outcome, client};
use crate::dev::{self, Database};
use crate::kernel::clock::SystemClock;
use crate::platform::config::{
    EnvironmentOptions, HubOptions, KeyOptions, Surroundings, TlsOptions, TrustOptions,
};
use crate::platform::db::Db;
use crate::platform::keys::Keys;
use crate::platform::probes::Internal;
use crate::platform::tls::{ServerFiles, Tls};
use crate::platform::trust::SharedTrust;
use crate::platform::web::{Public, PublicUrl};
use crate::server::{Hub, HubParts};

/// Arguments of `peshub serve`.
#[derive(Args, Debug)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    hub: HubOptions,
    #[command(flatten)]
    tls: TlsOptions,
    #[command(flatten)]
    trust: TrustOptions,
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
    let trust = believed(&args.trust)?;
    let (certificates, key) = args.tls.files().ok_or("--tls-cert and --tls-key are missing")?;
    let files = ServerFiles { certificates: certificates.to_owned(), key: key.to_owned() };
    let tls = Tls::open(files, trust)?;
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
    let public = match &args.hub.public.public_url {
        Some(url) => {
            let url = PublicUrl::read(url, false).map_err(|why| format!("--public-url {why}"))?;
            let listener = TcpListener::bind(args.hub.public.public_listen).await?;
            Some(Public { listener, url })
        }
        None => None,
    };
    let parts = HubParts {
        db,
        clock: Arc::new(SystemClock),
        tls,
        is_plain: false,
        listener: TcpListener::bind(args.hub.listen).await?,
        internal: Some(internal),
        keys: Keys::open(args.keys.dir().ok_or("--keys-dir is missing")?)?,
        environment: args.environment.environment,
        feed_days: args.hub.feed_days,
        checkpoint_every: Duration::from_secs(args.hub.checkpoint_seconds.into()),
        limits: args.hub.limits,
        reflection: args.reflection,
        public,
        allows_loopback: false,
        status_population_min: args.hub.public.status_list_population_min,
    };
    let hub = Box::pin(Hub::start(parts)).await?;
    tracing::info!("serving gRPC on {} (TLS)", hub.address);
    if let Some(address) = hub.public_address {
        tracing::info!("serving HTTP to the public on {address}");
    }
    stop.await?;
    tracing::info!("shutting down");
    hub.stop().await;
    database.close().await?;
    Ok(())
}

/// Returns whom the hub believes. A hub that believes nobody, or everybody, is not started.
fn believed(
    options: &TrustOptions,
) -> Result<SharedTrust, Box<dyn std::error::Error + Send + Sync>> {
    let trust = SharedTrust::open(options.trust_dir.as_deref(), options.hub_tokens)?;
    if !trust.present().is_empty() {
        return Ok(trust);
    }
    let what = match &options.trust_dir {
        Some(dir) => format!("{} has no folder of a trust domain", dir.display()),
        None => "there is no --trust-dir".to_owned(),
    };
    Err(format!(
        "nobody could call this hub: {what}, and without --hub-tokens it takes no tokens of its own.\n\
         Put the authorities of client certificates into TRUST-DIR/TRUST-DOMAIN/ca.pem. For a pilot:\n  \
         peshub pki root --trust-domain pilot.example --dir authority\n  \
         peshub pki issue --dir authority participant/NAME\n  \
         mkdir -p trust/pilot.example && cp authority/ca.pem trust/pilot.example/\n  \
         peshub serve --trust-dir trust …\n\
         To try things out, `peshub dev` does all of this by itself."
    )
    .into())
}
