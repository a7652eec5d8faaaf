//! `peshub doctor`

use std::sync::Arc;

use clap::Args;
use serde_json::json;

use crate::cli::output::Ended;
use crate::cli::{Outcome, output};
use crate::dev::{self, Database};
use crate::doctor::{self, Patient, Report, Severity};
use crate::kernel::clock::SystemClock;
use crate::platform::config::{
    HubOptions, KeyOptions, Surroundings, ThresholdOptions, TlsOptions, TrustOptions,
};
use crate::platform::local_postgres;

/// Arguments of `peshub doctor`: those of `serve`, none of which is required, and from when to speak up.
#[derive(Args, Debug)]
pub(super) struct DoctorArgs {
    #[command(flatten)]
    hub: HubOptions,
    #[command(flatten)]
    tls: TlsOptions,
    #[command(flatten)]
    trust: TrustOptions,
    #[command(flatten)]
    keys: KeyOptions,
    #[command(flatten)]
    thresholds: ThresholdOptions,
    /// One JSON object for each finding, and one at the end that counts them.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: DoctorArgs) -> Outcome {
    let surroundings = Surroundings::of_process();
    let options = &args.hub.database;
    let data_dir = match (&options.database_url, &options.data_dir) {
        (Some(_), _) => None,
        (None, Some(data_dir)) => Some(data_dir.clone()),
        (None, None) => dev::default_data_dir(&surroundings).await.ok(),
    };
    let data_dir = data_dir.filter(|dir| local_postgres::is_made(dir));
    let mut started = None;
    let database = match (&options.database_url, &data_dir) {
        (Some(url), _) => Some(url.parse().map_err(|error| format!("--database-url: {error}"))?),
        (None, Some(dir)) => match local_postgres::url_of_running(dir, "peshub") {
            Some(url) => Some(url.parse()?),
            None => {
                let database = Database::open(None, dir, surroundings.search_path).await?;
                Some(started.insert(database).options.clone())
            }
        },
        (None, None) => None,
    };
    let patient = Patient {
        database,
        data_dir,
        tls: args.tls.files().map(|(certificate, key)| (certificate.to_owned(), key.to_owned())),
        trust_dir: args.trust.trust_dir,
        hub_tokens: args.trust.hub_tokens,
        keys_dir: args.keys.dir().map(ToOwned::to_owned),
        database_connections: args.hub.database_connections,
        limits: args.hub.limits,
        thresholds: args.thresholds,
        clock: Arc::new(SystemClock),
    };
    let report = doctor::examine(&patient).await;
    if let Some(database) = started {
        database.close().await?;
    }
    if args.json {
        tell_json(&report)?;
    } else {
        tell(&report);
    }
    match report.worst() {
        None => Ok(()),
        Some(Severity::Warning) => Err(Ended(1).into()),
        Some(Severity::Fault) => Err(Ended(2).into()),
    }
}

fn tell_json(report: &Report) -> Outcome {
    for finding in &report.findings {
        output::json(&serde_json::to_value(finding)?);
    }
    let count = |severity| report.findings.iter().filter(|it| it.severity == severity).count();
    let skipped =
        report.skipped.iter().map(|(check, why)| json!({ "check": check, "because": why }));
    output::json(&json!({
        "faults": count(Severity::Fault),
        "warnings": count(Severity::Warning),
        "checked": report.checked,
        "skipped": skipped.collect::<Vec<_>>(),
    }));
    Ok(())
}

fn tell(report: &Report) {
    for finding in &report.findings {
        let word = match finding.severity {
            Severity::Fault => "FAULT",
            Severity::Warning => "warning",
        };
        output::line(&format!(
            "{word:<8} {}: {}\n         {}\n         to mend it: {}",
            finding.check, finding.what, finding.meaning, finding.remedy
        ));
    }
    for (check, why) in &report.skipped {
        output::line(&format!("not seen {check}: {why}"));
    }
    let found = match report.findings.len() {
        0 => "nothing wrong".to_owned(),
        1 => "1 finding".to_owned(),
        count => format!("{count} findings"),
    };
    output::line(&format!("{} checks, {found}", report.checked.len()));
}
