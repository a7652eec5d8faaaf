//! `peshub demo`

use std::io::{self, IsTerminal as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use crate::cli::place::Place;
use crate::cli::{Outcome, client, output};
use crate::demo::credentials::Cast;
use crate::demo::progress::Progress;
use crate::demo::subsidies;
use crate::demo::{self, Bureau, Platform, Settings};
use crate::dev::{Database, DevError, DevHub, DevOptions, PLATFORMS};
use crate::kernel::clock::SystemClock;
use crate::platform::config::Surroundings;

/// Who watches: bureau and division.
const WATCHERS: [(&str, &str); 2] = [("bureau-zhejiang", "330000"), ("bureau-shenzhen", "440300")];

/// Who registers the issuer, who issues, and who verifies, in the story of a credential.
const REGISTRAR: &str = "bureau-zhejiang";
const ISSUER: &str = "academy-hangzhou";
const VERIFIER: &str = "platform-north";
/// Who publishes and pays in the story of a subsidy.
const PAYER: &str = "bureau-shenzhen";

/// Arguments of `peshub demo`.
#[derive(Args, Debug)]
pub(super) struct DemoArgs {
    /// Postings of all platforms together.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(30..=3_000_000))]
    postings: u32,
    /// Makes the postings and what happens to them; the same seed does the same.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// End when the summary is printed. Otherwise the hub stays until Ctrl-C.
    #[arg(long)]
    exit: bool,
    /// Print the summary as one JSON object.
    #[arg(long)]
    json: bool,
    /// Address of the gRPC listener; another port is taken when this one is in use.
    #[arg(long, env = "PESHUB_LISTEN", default_value = "127.0.0.1:7443")]
    listen: SocketAddr,
    /// Where the data lives, kept afterwards; a temporary folder when absent. It must not hold an earlier run.
    #[arg(long)]
    demo_dir: Option<PathBuf>,
}

pub(super) async fn run(args: DemoArgs) -> Outcome {
    let place = Place::new(args.demo_dir.clone(), "demo")?;
    output::error("starting a private PostgreSQL and a hub");
    let mut options = DevOptions::new(place.path().to_owned(), &Surroundings::of_process());
    let database = Database::open(None, &options.data_dir, options.search_path.clone()).await?;
    let free = options.listen;
    options.listen = args.listen;
    let dev = match DevHub::start(&options, &database).await {
        Err(DevError::Listen { .. }) => {
            options.listen = free;
            DevHub::start(&options, &database).await?
        }
        started => started?,
    };
    let interrupted = client::interrupted();
    tokio::pin!(interrupted);
    let outcome = tokio::select! {
        stopped = &mut interrupted => stopped,
        shown = show(&args, &dev) => shown,
    };
    if outcome.is_ok() && !args.exit {
        commands(&dev, &options);
        interrupted.await?;
    }
    dev.hub.stop().await;
    database.close().await?;
    outcome
}

async fn show(args: &DemoArgs, dev: &DevHub) -> Outcome {
    let mut platforms = Vec::new();
    for (name, _) in PLATFORMS {
        platforms.push(Platform { source: name.to_owned(), connection: dev.client(name)? });
    }
    let mut bureaus = Vec::new();
    for (name, division) in WATCHERS {
        bureaus.push(Bureau {
            name: name.to_owned(),
            divisions: vec![division.to_owned()],
            connection: dev.client(name)?,
        });
    }
    let settings = Settings {
        seed: args.seed,
        postings_per_platform: usize::try_from(args.postings)?.div_ceil(PLATFORMS.len()),
        ..Settings::new(platforms, bureaus)
    };
    let mut progress = if io::stderr().is_terminal() {
        Progress::bars()
    } else {
        Progress::lines(Box::new(io::stderr()))
    };
    let mut summary = demo::run(settings, Arc::new(SystemClock), &mut progress).await?;
    let cast = Cast {
        registrar: dev.client(REGISTRAR)?,
        issuer: dev.client(ISSUER)?,
        issuer_name: ISSUER.to_owned(),
        platform: dev.client(VERIFIER)?,
        platform_name: VERIFIER.to_owned(),
    };
    summary.credentials = Some(demo::credentials::tell(&cast, Arc::new(SystemClock)).await?);
    let cast = subsidies::Cast {
        bureau: dev.client(PAYER)?,
        bureau_name: PAYER.to_owned(),
        operator: dev.client("operator")?,
        security: dev.client("security")?,
        first: dev.client(VERIFIER)?,
        second: dev.client("platform-south")?,
    };
    summary.subsidies = Some(subsidies::tell(&cast).await?);
    if args.json {
        output::json(&serde_json::to_value(&summary)?);
    } else {
        output::line(&summary.to_text());
    }
    if summary.is_sound() {
        Ok(())
    } else {
        Err("not everything is as it ought to be; the summary says what".into())
    }
}

fn commands(dev: &DevHub, options: &DevOptions) {
    let (address, data_dir) = (dev.hub.address, options.data_dir.display());
    let (authority, (certificate, key)) =
        (dev.credentials.authority(), dev.credentials.of("bureau-zhejiang"));
    let program = output::program();
    output::error(&format!(
        "\nThe hub stays until Ctrl-C. In another terminal:\n\
         \x20 {program} watch --as bureau-shenzhen --hub https://{address} --data-dir {data_dir}\n\
         \x20 {program} postings list --as bureau-hangzhou --newest-first --hub https://{address} --data-dir {data_dir}\n\
         \x20 grpcurl -cacert {} -cert {} -key {} {address} peshub.participants.v1.ParticipantService/GetCaller",
        authority.display(),
        certificate.display(),
        key.display(),
    ));
}
