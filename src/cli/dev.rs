//! `peshub dev`

use std::time::Duration;

use clap::Args;

use crate::cli::{Outcome, client, output};
use crate::dev::{self, BUREAUS, Database, DevHub, DevOptions, ISSUERS, PLATFORMS};
use crate::platform::config::{HubOptions, Surroundings};

/// Arguments of `peshub dev`.
#[derive(Args, Debug)]
pub(super) struct DevArgs {
    #[command(flatten)]
    hub: HubOptions,
    /// Without TLS, audit trail and signatures, for measurements of what they cost.
    #[arg(long, hide = true)]
    without_trust: bool,
}

pub(super) async fn run(args: DevArgs) -> Outcome {
    let surroundings = Surroundings::of_process();
    let data_dir = match &args.hub.database.data_dir {
        Some(data_dir) => data_dir.clone(),
        None => dev::default_data_dir(&surroundings).await?,
    };
    let options = DevOptions {
        database_url: args.hub.database.database_url.clone(),
        listen: args.hub.listen,
        internal_listen: Some(args.hub.internal_listen),
        public_listen: args.hub.public.public_listen,
        public_url: args.hub.public.public_url.clone(),
        status_population_min: 1,
        database_connections: args.hub.database_connections,
        feed_days: args.hub.feed_days,
        checkpoint_every: Duration::from_secs(u64::from(args.hub.checkpoint_seconds)),
        limits: args.hub.limits.clone(),
        without_trust: args.without_trust,
        ..DevOptions::new(data_dir, &surroundings)
    };
    let url = options.database_url.as_deref();
    let database = Database::open(url, &options.data_dir, options.search_path.clone()).await?;
    // Listened for from here on, so that a start can be broken off as well.
    let stop = client::interrupted();
    tokio::pin!(stop);
    let dev = tokio::select! {
        dev = DevHub::start(&options, &database) => dev?,
        stopped = &mut stop => {
            database.close().await?;
            return stopped;
        }
    };
    welcome(&dev, &options, &database);
    stop.await?;
    output::error("shutting down");
    dev.hub.stop().await;
    database.close().await?;
    Ok(())
}

fn welcome(dev: &DevHub, options: &DevOptions, database: &Database) {
    let data_dir = options.data_dir.display();
    let address = dev.hub.address;
    let (certificate, key) = dev.credentials.of("bureau-zhejiang");
    let place = database.private.as_ref().map_or_else(
        || "the database that was named".to_owned(),
        |private| private.location().to_string(),
    );
    let bureaus: Vec<_> =
        BUREAUS.iter().map(|(name, _, division)| format!("{name} ({division})")).collect();
    let platforms: Vec<_> = PLATFORMS.iter().map(|(name, _)| *name).collect();
    let issuers: Vec<_> = ISSUERS.iter().map(|(name, _)| *name).collect();
    let public = dev.hub.public_address.map_or_else(String::new, |it| it.to_string());
    let internal = dev.hub.internal_address().map_or_else(String::new, |it| it.to_string());
    let program = output::program();
    output::line(&format!(
        "A development hub is running. Data: {place}\n\
         gRPC (mTLS): {address} · probes: http://{internal}/readyz\n\
         Bureaus: {}\nPlatforms: {}\nIssuers: {} · public: http://{public}\n\
         Certificates: {data_dir}/dev\n\n\
         In another terminal:\n\
         \x20 {program} watch --as bureau-zhejiang --hub https://{address} --data-dir {data_dir}\n\
         \x20 {program} import FILE --as platform-north --source platform-north --hub https://{address} --data-dir {data_dir}\n\
         \x20 {program} postings list --as bureau-hangzhou --hub https://{address} --data-dir {data_dir}\n\
         \x20 grpcurl -cacert {} -cert {} -key {} {address} peshub.participants.v1.ParticipantService/GetCaller\n\n\
         Ctrl-C ends it; the data stays.",
        bureaus.join(", "),
        platforms.join(", "),
        issuers.join(", "),
        dev.credentials.authority().display(),
        certificate.display(),
        key.display(),
    ));
}
