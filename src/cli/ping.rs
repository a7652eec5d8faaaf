//! `peshub ping`

use std::time::Instant;

use clap::Args;
use serde_json::json;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::cli::client::ClientArgs;
use crate::cli::{Outcome, output};
use crate::client::error::ClientError;
use crate::pb::peshub::participants::v1 as pb;

/// Arguments of `peshub ping`.
#[derive(Args, Debug)]
pub(super) struct PingArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: PingArgs) -> Outcome {
    let begun = Instant::now();
    let connection = args.client.connect().await?;
    let connected = begun.elapsed();
    let mut health = HealthClient::new(connection.transport());
    let answer = health.check(HealthCheckRequest::default()).await.map_err(ClientError::from)?;
    let status = answer.into_inner().status();
    // Health needs no caller; who has shown something to be known by is told whether it is.
    let caller = if args.client.is_somebody() {
        let asked = connection.participants().get_caller(pb::GetCallerRequest {}).await;
        Some(asked.map_err(ClientError::from)?.into_inner())
    } else {
        None
    };
    let round_trip = begun.elapsed();
    let name = caller.and_then(|caller| caller.participant).map(|it| it.name);
    if args.json {
        output::json(&json!({
            "hub": args.client.hub(),
            "status": status.as_str_name(),
            "caller": name,
            "connected_ms": u64::try_from(connected.as_millis())?,
            "answered_ms": u64::try_from(round_trip.as_millis())?,
        }));
    } else {
        let caller = name.map(|name| format!(", known as {name}")).unwrap_or_default();
        output::line(&format!(
            "{}: {}{caller}; connected in {} ms, answered after {} ms",
            args.client.hub(),
            status.as_str_name(),
            connected.as_millis(),
            round_trip.as_millis()
        ));
    }
    if status == ServingStatus::Serving {
        return Ok(());
    }
    Err("the hub answers, and does not serve; `peshub doctor` at the hub says why".into())
}
