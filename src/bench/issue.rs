//! `peshub bench issue`: how many credentials 64 issuers get at the same time, and how soon a platform that watches knows of a revocation.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future;
use hdrhistogram::Histogram;
use serde_json::json;
use tokio::sync::mpsc;

use crate::bench::child::ChildHub;
use crate::bench::statuses;
use crate::bench::{BenchError, Report, rate};
use crate::client::connect::Connection;
use crate::client::error::ClientError;
use crate::credentials::domain::Algorithm;
use crate::credentials::sdjwt::key::SecretKey;
use crate::pb::peshub::credentials::v1 as pb;
use crate::pb::peshub::credentials::v1::watch_statuses_response::Message;
use crate::platform::tasks::Tasks;

/// Who issues, who registers the issuer, and who watches; demo participants of a development hub.
const ISSUER: &str = "academy-hangzhou";
const REGISTRAR: &str = "bureau-zhejiang";
const WATCHER: &str = "platform-north";
/// Name of the type that is issued.
const TYPE: &str = "bench-certificate";
/// Issuers at the same time.
const ISSUERS: usize = 64;
/// Connections that they share, as a handful of machines would have.
const CONNECTIONS: usize = 8;
/// Most credentials of one call for verification.
const BATCH: usize = 100;
/// Longest that the last news is waited for.
const PATIENCE: Duration = Duration::from_secs(20);
/// Quotas are for participants, not for measurements.
const ARGUMENTS: [&str; 4] = ["--quota-write", "4000000000", "--quota-disclosure", "4000000000"];

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct IssueOptions {
    /// Credentials that are issued.
    pub credentials: usize,
    /// Credentials that are revoked, one by one.
    pub revocations: usize,
    /// Revocations a second.
    pub revocations_per_s: u32,
}

/// Measures. `progress` is told what is going on.
///
/// # Errors
///
/// A part does not start, or something is lost.
pub async fn run(
    program: &Path,
    data_dir: &Path,
    options: IssueOptions,
    progress: impl Fn(&str),
) -> Result<Report, BenchError> {
    let mut report = Report::default();
    progress("looking statuses up");
    statuses::run(&mut report)?;
    progress("starting a hub");
    let hub = ChildHub::start_with(program, &data_dir.join("hub"), &ARGUMENTS).await?;
    prepare(&hub).await?;
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(hub.connect(ISSUER).await?);
    }
    progress("issuing, to warm up");
    let jwk = holder()?;
    issue(&connections, ISSUERS * 4, &jwk).await?;
    progress("issuing");
    let count = options.credentials.max(ISSUERS);
    let start = Instant::now();
    let (issued, calls) = issue(&connections, count, &jwk).await?;
    let took = start.elapsed();
    report.add("issue_per_s", rate(issued.len(), took));
    report.add("issue_p50_ms", milliseconds(calls.value_at_quantile(0.5)));
    report.add("issue_p99_ms", milliseconds(calls.value_at_quantile(0.99)));

    progress("revoking under watch");
    let revoked = issued.into_iter().take(options.revocations).collect();
    let seen = revoke(&hub, revoked, options.revocations_per_s).await?;
    report.add("revoke_seen_p50_ms", milliseconds(seen.value_at_quantile(0.5)));
    report.add("revoke_seen_p99_ms", milliseconds(seen.value_at_quantile(0.99)));
    report.add("revoke_seen_max_ms", milliseconds(seen.max()));
    report
        .add("revocations", rate(usize::try_from(seen.len()).unwrap_or(0), Duration::from_secs(1)));
    if let Some(mib) = hub.peak_mib().and_then(|mib| u32::try_from(mib).ok()) {
        report.add("hub_rss_mb", f64::from(mib));
    }
    hub.stop().await?;
    Ok(report)
}

#[expect(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "a latency for people")]
fn milliseconds(microseconds: u64) -> f64 {
    microseconds as f64 / 1_000.0
}

fn histogram() -> Result<Histogram<u64>, BenchError> {
    Histogram::new_with_bounds(1, 600_000_000, 3)
        .map_err(|error| BenchError::Wrong(error.to_string()))
}

fn microseconds(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}

/// Registers the issuer with a key that the hub holds, publishes the type, and accredits the one for the other.
async fn prepare(hub: &ChildHub) -> Result<(), BenchError> {
    let mut registrar = hub.connect(REGISTRAR).await?.issuers();
    let create = pb::CreateIssuerRequest {
        name: ISSUER.to_owned(),
        display_name: "Issuer of the measurement".to_owned(),
        owner: ISSUER.to_owned(),
        ..pb::CreateIssuerRequest::default()
    };
    registrar.create_issuer(create).await.map_err(ClientError::from)?;
    let publish = pb::CreateCredentialTypeRequest {
        credential_type: Some(credential_type()),
        request_id: String::new(),
    };
    registrar.create_credential_type(publish).await.map_err(ClientError::from)?;
    let accredit = pb::AccreditIssuerRequest {
        issuer: ISSUER.to_owned(),
        type_name: TYPE.to_owned(),
        ..pb::AccreditIssuerRequest::default()
    };
    registrar.accredit_issuer(accredit).await.map_err(ClientError::from)?;
    let mut issuer = hub.connect(ISSUER).await?.issuers();
    let add =
        pb::AddIssuerKeyRequest { issuer: ISSUER.to_owned(), ..pb::AddIssuerKeyRequest::default() };
    issuer.add_issuer_key(add).await.map_err(ClientError::from)?;
    Ok(())
}

/// Claims of the type, of which the first is for everybody to see and the others for the holder to disclose.
const CLAIMS: [&str; 8] = [
    "division",
    "family_name",
    "given_name",
    "certificate_number",
    "course",
    "issued_on",
    "assessed_by",
    "score",
];

fn credential_type() -> pb::CredentialType {
    let text = json!({"type": "string", "maxLength": 100});
    let properties: serde_json::Map<_, _> =
        CLAIMS.iter().map(|name| ((*name).to_owned(), text.clone())).collect();
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": properties,
        "required": CLAIMS,
        "additionalProperties": false,
    });
    let path = |name: &str| pb::ClaimPath { segments: vec![name.to_owned()] };
    let named =
        |text: &str| vec![pb::DisplayName { language: "en".to_owned(), text: text.to_owned() }];
    let claim = |(index, name): (usize, &&str)| {
        let seen =
            if index == 0 { pb::ClaimDisclosure::Never } else { pb::ClaimDisclosure::Always };
        pb::ClaimDefinition {
            path: Some(path(name)),
            names: named(name),
            disclosure: seen.into(),
            mandatory: true,
            sensitive: false,
        }
    };
    pb::CredentialType {
        name: TYPE.to_owned(),
        names: named("Certificate of the measurement"),
        claims: CLAIMS.iter().enumerate().map(claim).collect(),
        schema_json: schema.to_string(),
        division_claim: Some(path("division")),
        validity_days_max: 365,
        ..pb::CredentialType::default()
    }
}

fn draft(jwk: &str) -> pb::CredentialDraft {
    let claims: serde_json::Map<_, _> = CLAIMS
        .iter()
        .map(|name| ((*name).to_owned(), json!(format!("{name} of somebody"))))
        .collect();
    let mut claims = serde_json::Value::Object(claims);
    if let Some(division) = claims.get_mut("division") {
        *division = json!("330106");
    }
    pb::CredentialDraft {
        issuer: ISSUER.to_owned(),
        type_name: TYPE.to_owned(),
        claims_json: claims.to_string(),
        holder_jwks: vec![jwk.to_owned()],
        ..pb::CredentialDraft::default()
    }
}

fn holder() -> Result<String, BenchError> {
    let key = SecretKey::generate(Algorithm::Es256);
    let key = key.map_err(|defect| BenchError::Wrong(defect.to_string()))?;
    Ok(key.public().to_jwk().to_string())
}

/// Issues credentials, as many issuers at the same time as there are, and returns them and how long each call took, microseconds.
async fn issue(
    connections: &[Connection],
    count: usize,
    jwk: &str,
) -> Result<(Vec<pb::IssuedCredential>, Histogram<u64>), BenchError> {
    let each = count.div_ceil(ISSUERS);
    let work = (0..ISSUERS).zip(connections.iter().cycle()).map(|(_, connection)| async move {
        let mut client = connection.credentials();
        let mut issued = Vec::with_capacity(each);
        for _ in 0..each {
            let request =
                pb::IssueCredentialRequest { draft: Some(draft(jwk)), request_id: String::new() };
            let start = Instant::now();
            let answer = client.issue_credential(request).await.map_err(ClientError::from)?;
            let took = microseconds(start.elapsed());
            issued.extend(answer.into_inner().credentials.into_iter().map(|it| (it, took)));
        }
        Ok::<_, BenchError>(issued)
    });
    let (mut all, mut calls) = (Vec::new(), histogram()?);
    for (issued, took) in future::try_join_all(work).await?.into_iter().flatten() {
        all.push(issued);
        calls.saturating_record(took);
    }
    Ok((all, calls))
}

/// Lets a platform follow credentials and revokes them one by one. Returns the time from when the issuer asked to when the platform
/// knew, microseconds.
async fn revoke(
    hub: &ChildHub,
    issued: Vec<pb::IssuedCredential>,
    per_s: u32,
) -> Result<Histogram<u64>, BenchError> {
    let platform = hub.connect(WATCHER).await?;
    let handles = follow(&platform, &issued).await?;
    let request = pb::WatchStatusesRequest { bookmark_seconds: 1, ..Default::default() };
    let answer =
        platform.verification().watch_statuses(request).await.map_err(ClientError::from)?;
    let mut stream = answer.into_inner();
    let (sender, mut seen) = mpsc::unbounded_channel();
    // The first bookmark says that the watch stands.
    stream.message().await.map_err(ClientError::from)?;
    let tasks = Tasks::default();
    let watching = tasks.spawn(async move {
        while let Ok(Some(response)) = stream.message().await {
            if let Some(Message::Event(event)) = response.message
                && sender.send((event.handle, Instant::now())).is_err()
            {
                return;
            }
        }
    });
    let mut client = hub.connect(ISSUER).await?.credentials();
    let mut pace = tokio::time::interval(Duration::from_secs(1) / per_s.max(1));
    let mut asked = HashMap::new();
    let issued: Arc<[pb::IssuedCredential]> = issued.into();
    for credential in issued.iter() {
        pace.tick().await;
        asked.insert(credential.credential_id.clone(), Instant::now());
        let request = pb::RevokeCredentialsRequest {
            credential_ids: vec![credential.credential_id.clone()],
            reason: pb::StatusReason::Superseded.into(),
            request_id: String::new(),
        };
        client.revoke_credentials(request).await.map_err(ClientError::from)?;
    }
    let mut times = histogram()?;
    let all = async {
        for _ in 0..issued.len() {
            let Some((handle, at)) = seen.recv().await else { return };
            let asked_at = handles.get(&handle).and_then(|id| asked.get(id));
            if let Some(asked_at) = asked_at {
                times.saturating_record(microseconds(at.saturating_duration_since(*asked_at)));
            }
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, all).await;
    watching.abort();
    drop(watching.await);
    in_time.map_err(|_| BenchError::Wrong("a revocation was not heard of".into()))?;
    Ok(times)
}

/// Verifies credentials and follows them; returns their ids by the platform's names for them.
async fn follow(
    platform: &Connection,
    issued: &[pb::IssuedCredential],
) -> Result<HashMap<String, String>, BenchError> {
    let mut client = platform.verification();
    let mut handles = HashMap::new();
    for batch in issued.chunks(BATCH) {
        let request = pb::BatchVerifyPresentationsRequest {
            presentations: batch.iter().map(|it| it.sd_jwt.clone()).collect(),
            grounds: Some(pb::Grounds {
                purpose: "measuring".to_owned(),
                law: "none: nobody is concerned".to_owned(),
                consent_id: String::new(),
            }),
            policy: Some(pb::VerificationPolicy { follow: true, ..Default::default() }),
            request_id: String::new(),
        };
        let answer = client.batch_verify_presentations(request).await.map_err(ClientError::from)?;
        for (credential, result) in batch.iter().zip(answer.into_inner().results) {
            let verdict = result.verdict.unwrap_or_default();
            if verdict.outcome() != pb::VerdictOutcome::Valid || verdict.handle.is_empty() {
                let outcome = verdict.outcome().as_str_name();
                return Err(BenchError::Wrong(format!("a credential is {outcome}, not followed")));
            }
            handles.insert(verdict.handle, credential.credential_id.clone());
        }
    }
    Ok(handles)
}
