//! How many checks a second a hub answers over mTLS, one call each: client, hub and PostgreSQL share the machine. Each asks about all
//! programmes of China, and states for each of them what one of its cases states.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::bench::child::ChildHub;
use crate::bench::eligibility::published;
use crate::bench::{BenchError, Report, rate};
use crate::client::connect::{Connection, Options};
use crate::client::error::ClientError;
use crate::pb::peshub::common::v1::{Division, DivisionScheme, Role};
use crate::pb::peshub::participants::v1 as participants;
use crate::pb::peshub::subsidies::v1 as pb;
use crate::platform::tasks::Tasks;

/// Whose programmes they are, and who asks.
const BUREAU: &str = "bureau-nation";
const PLATFORMS: [&str; 2] = ["platform-north", "platform-south"];
/// A system that publishes what another one drafted.
const SYSTEM: &str = "bench-publisher";
/// How often it is asked whether what was published is in force.
const TRIES: usize = 100;
/// Requests that differ.
const REQUESTS: usize = 97;
/// Connections of each platform, and calls under way on each.
const CONNECTIONS: usize = 2;
const UNDER_WAY: usize = 24;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct CheckOptions {
    /// For how long.
    pub seconds: u32,
}

/// Measures.
///
/// # Errors
///
/// A part does not start, or a check is refused.
pub async fn run(
    (program, data_dir): (&Path, &Path),
    options: CheckOptions,
    report: &mut Report,
    progress: impl Fn(&str),
) -> Result<(), BenchError> {
    progress("starting a hub");
    let unlimited = ["--quota-read", "100000000"];
    let hub = ChildHub::start_with(program, &data_dir.join("checks"), &unlimited).await?;
    let programmes = published::of_china()?;
    furnish(&hub, &programmes).await?;
    let requests: Arc<[pb::CheckEligibilityRequest]> = requests(&programmes)?.into();
    in_force(&hub, requests.first(), programmes.len()).await?;
    progress("checking");
    // First to warm up.
    checked(&hub, &requests, Duration::from_secs(1)).await?;
    let length = Duration::from_secs(u64::from(options.seconds.max(1)));
    let (count, took) = checked(&hub, &requests, length).await?;
    report.add("check_rpc_per_s", rate(count, took));
    report.add("check_rpc_programmes", rate(programmes.len(), Duration::from_secs(1)));
    hub.stop().await
}

/// Publishes programmes as a bureau does.
async fn furnish(hub: &ChildHub, programmes: &[pb::Programme]) -> Result<(), BenchError> {
    let mut author = hub.connect(BUREAU).await?.programmes();
    let define = pb::DefineFactsRequest { facts: published::facts()?, request_id: String::new() };
    author.define_facts(define).await.map_err(ClientError::from)?;
    let (participant, system) = (BUREAU.to_owned(), SYSTEM.to_owned());
    let mut operator = hub.connect("operator").await?.participants();
    let register = participants::RegisterSystemRequest {
        participant: participant.clone(),
        system: system.clone(),
        ..Default::default()
    };
    operator.register_system(register).await.map_err(ClientError::from)?;
    let mut security = hub.connect("security").await?.participants();
    let grant = participants::GrantRolesRequest {
        participant: participant.clone(),
        system: system.clone(),
        roles: vec![Role::ProgrammePublisher.into()],
        request_id: String::new(),
    };
    security.grant_roles(grant).await.map_err(ClientError::from)?;
    let issue = participants::IssueTokenRequest {
        participant,
        system,
        valid_days: 1,
        ..Default::default()
    };
    let token = security.issue_token(issue).await.map_err(ClientError::from)?.into_inner().token;
    let options = Options { identity: None, token: Some(token), ..hub.options(BUREAU)? };
    let mut publisher = Connection::open(&options).await?.programmes();
    for programme in programmes {
        let (name, programme) = (programme.name.clone(), Some(programme.clone()));
        let draft = pb::DraftProgrammeRequest { programme, request_id: String::new() };
        let drafted = author.draft_programme(draft).await.map_err(ClientError::from)?.into_inner();
        let draft_sha256 = drafted.draft.unwrap_or_default().draft_sha256;
        let publish = pb::PublishProgrammeRequest { name, draft_sha256, request_id: String::new() };
        publisher.publish_programme(publish).await.map_err(ClientError::from)?;
    }
    Ok(())
}

/// Waits until the hub answers by everything that was published.
async fn in_force(
    hub: &ChildHub,
    request: Option<&pb::CheckEligibilityRequest>,
    count: usize,
) -> Result<(), BenchError> {
    let mut client = hub.connect(BUREAU).await?.eligibility();
    let request = request.cloned().unwrap_or_default();
    for _ in 0..TRIES {
        let answer = client.check_eligibility(request.clone()).await;
        if answer.is_ok_and(|it| it.get_ref().determinations.len() == count) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(BenchError::Wrong("what was published is not in force".to_owned()))
}

/// Returns requests that state for each programme what one of its cases states.
fn requests(programmes: &[pb::Programme]) -> Result<Vec<pb::CheckEligibilityRequest>, BenchError> {
    let definitions = published::facts()?;
    let is_stated =
        |it: &&pb::Fact| !definitions.iter().any(|fact| fact.name == it.name && fact.stated_by_hub);
    let requests = (0..REQUESTS).map(|number| {
        let mut stated: BTreeMap<&str, &pb::Fact> = BTreeMap::new();
        for programme in programmes {
            let case = programme.cases.iter().cycle().nth(number);
            let facts = case.map(|it| it.facts.as_slice()).unwrap_or_default();
            stated.extend(facts.iter().filter(is_stated).map(|it| (it.name.as_str(), it)));
        }
        let division = Division {
            scheme: DivisionScheme::Gbt2260.into(),
            code: "330106".to_owned(),
            name: String::new(),
        };
        let terms = pb::CheckTerms { division: Some(division), ..Default::default() };
        let facts = stated.into_values().cloned().collect();
        pb::CheckEligibilityRequest { terms: Some(terms), facts, ..Default::default() }
    });
    Ok(requests.collect())
}

/// Lets every connection ask for some time; returns how many answers there were, and how long it took.
async fn checked(
    hub: &ChildHub,
    requests: &Arc<[pb::CheckEligibilityRequest]>,
    length: Duration,
) -> Result<(usize, Duration), BenchError> {
    let (tasks, answered) = (Tasks::default(), Arc::new(AtomicUsize::new(0)));
    let mut connections = Vec::new();
    for platform in PLATFORMS {
        for _ in 0..CONNECTIONS {
            connections.push(hub.connect(platform).await?);
        }
    }
    let started = Instant::now();
    let mut callers = Vec::new();
    for (index, connection) in connections.iter().enumerate() {
        for caller in 0..UNDER_WAY {
            let (mut client, requests) = (connection.eligibility(), Arc::clone(requests));
            let answered = Arc::clone(&answered);
            callers.push(tasks.spawn(async move {
                let first = index.wrapping_mul(UNDER_WAY).wrapping_add(caller);
                for request in requests.iter().cycle().skip(first % requests.len().max(1)) {
                    if started.elapsed() >= length {
                        break;
                    }
                    let answer = client.check_eligibility(request.clone()).await;
                    let answer = answer.map_err(ClientError::from)?.into_inner();
                    if answer.determinations.is_empty() {
                        return Err(BenchError::Wrong("nothing was determined".to_owned()));
                    }
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            }));
        }
    }
    for caller in callers {
        caller.await.map_err(|error| BenchError::Wrong(error.to_string()))??;
    }
    Ok((answered.load(Ordering::Relaxed), started.elapsed()))
}
