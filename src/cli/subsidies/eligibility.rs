//! `peshub subsidies check`, and populations: their facts, sweeps and simulations. Facts come from files, since arguments can be read by
//! others.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use tokio_stream::StreamExt as _;

use crate::cli::client::ClientArgs;
use crate::cli::subsidies::applications::{division, facts, text};
use crate::cli::subsidies::said;
use crate::cli::{Outcome, output};
use crate::client::error::ClientError;
use crate::json;
use crate::json::programme as file;
use crate::pb::peshub::subsidies::v1 as pb;
use crate::pb::peshub::subsidies::v1::store_facts_request::Message;

/// Subjects of a batch.
const BATCH: usize = 500;

/// Commands about eligibility.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum EligibilityCommand {
    /// Tell what somebody gets, how much, why, and what is missing.
    Check(CheckArgs),
    /// Make a population.
    CreatePopulation(CreateArgs),
    /// List populations.
    Populations(PlainArgs),
    /// Delete a population with all that is kept of it.
    DeletePopulation(NameArgs),
    /// Store facts of a population's subjects.
    Facts(FactsArgs),
    /// Hold all of a population against programmes, and follow it to its end.
    Sweep(SweepArgs),
    /// List the sweeps of a population.
    Sweeps(NameArgs),
    /// Stop a sweep.
    CancelSweep(NameArgs),
    /// List how subjects of a population stood when they were last swept.
    Findings(FindingsArgs),
    /// Tell who would gain and who would lose by a programme that is not published, and what it would cost.
    Simulate(SimulateArgs),
}

#[derive(Args, Debug)]
pub(in crate::cli) struct CheckArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// YAML file with the facts, `name: value` each, or `name: {value: VALUE, basis: credential, reference: ENTRY_ID}` for what rests on
    /// something; `-` for standard input.
    facts: PathBuf,
    /// GB/T 2260 code of the division, or an ISO 3166-2 code.
    #[arg(long)]
    division: String,
    /// Name of a programme, with `@NUMBER` of an edition. May be given several times; all in force there when it is not.
    #[arg(long = "programme")]
    programmes: Vec<String>,
    /// Your reference to the worker: with it, what is claimed already is told.
    #[arg(long, default_value = "")]
    worker: String,
    /// The employer's registration number.
    #[arg(long, default_value = "")]
    employer: String,
    /// As if it were this day, YYYY-MM-DD.
    #[arg(long, default_value = "")]
    day: String,
    /// Also the day on which the verdict turns, and the last day to file.
    #[arg(long)]
    look_ahead: bool,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct PlainArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct NameArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Its name, or the id of a sweep.
    name: String,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct CreateArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Its name: lower-case letters, digits, hyphens.
    name: String,
    /// By what law or purpose it is kept.
    purpose: String,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct FactsArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Name of the population.
    population: String,
    /// File with one subject a line, `peshub.subsidies.v1.SubjectFacts` as JSON; `-` for standard input.
    file: PathBuf,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct SweepArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Name of the population.
    population: String,
    /// Name of a programme. May be given several times; all in force when it is not.
    #[arg(long = "programme")]
    programmes: Vec<String>,
    /// Everybody against everything, whether something has changed or not.
    #[arg(long)]
    full: bool,
    /// Make offers where a programme of the bureau's is proactive.
    #[arg(long)]
    offers: bool,
    /// For how many days an offer can be accepted.
    #[arg(long, default_value_t = 0)]
    answer_days: i32,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct FindingsArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Name of the population.
    population: String,
    /// Of this programme only.
    #[arg(long, default_value = "")]
    programme: String,
    /// Only those who are eligible.
    #[arg(long)]
    eligible: bool,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct SimulateArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Name of the population.
    population: String,
    /// YAML file of the programme.
    file: PathBuf,
    /// As if it were this day, YYYY-MM-DD.
    #[arg(long, default_value = "")]
    day: String,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs a command.
pub(super) async fn run(command: EligibilityCommand) -> Outcome {
    match command {
        EligibilityCommand::Check(args) => check(args).await,
        EligibilityCommand::CreatePopulation(args) => create(args).await,
        EligibilityCommand::Populations(args) => populations(args).await,
        EligibilityCommand::DeletePopulation(args) => delete(args).await,
        EligibilityCommand::Facts(args) => store(args).await,
        EligibilityCommand::Sweep(args) => sweep(args).await,
        EligibilityCommand::Sweeps(args) => sweeps(args).await,
        EligibilityCommand::CancelSweep(args) => cancel(args).await,
        EligibilityCommand::Findings(args) => findings(args).await,
        EligibilityCommand::Simulate(args) => simulate(args).await,
    }
}

fn print(name: &str, message: &impl prost::Message) -> Outcome {
    output::json(&json::of_message(&format!("peshub.subsidies.v1.{name}"), message)?);
    Ok(())
}

async fn check(args: CheckArgs) -> Outcome {
    let choice = |named: &String| {
        let (name, edition) = named.split_once('@').unwrap_or((named, "0"));
        let edition = edition.parse().map_err(|_| format!("{named}: not NAME or NAME@NUMBER"))?;
        Ok::<_, String>(pb::ProgrammeChoice { name: name.to_owned(), edition })
    };
    let programmes: Result<Vec<_>, String> = args.programmes.iter().map(choice).collect();
    let terms = pb::CheckTerms {
        division: Some(division(args.division)),
        programmes: programmes?,
        detail: pb::CheckDetail::Derivation.into(),
        day: args.day,
        look_ahead: args.look_ahead,
        rank_questions: true,
    };
    let request = pb::CheckEligibilityRequest {
        terms: Some(terms),
        facts: facts(&args.facts)?,
        worker_reference: args.worker,
        employer: args.employer,
    };
    let connection = args.client.connect().await?;
    let mut client = connection.eligibility();
    let answer = client.check_eligibility(request).await.map_err(ClientError::from)?.into_inner();
    if args.json {
        return print("CheckEligibilityResponse", &answer);
    }
    let mut programmes = connection.programmes();
    for it in &answer.determinations {
        // The words of criteria and facts are the edition's.
        let request = pb::GetProgrammeRequest { name: it.programme.clone(), edition: it.edition };
        let found = programmes.get_programme(request).await.map_err(ClientError::from)?;
        let edition = found.into_inner().edition.and_then(|it| it.edition).unwrap_or_default();
        output::line(&said::determination(it, &edition));
    }
    if let Some(question) = answer.questions.first() {
        output::line(&said::question(question));
    }
    Ok(())
}

async fn create(args: CreateArgs) -> Outcome {
    let request = pb::CreatePopulationRequest {
        name: args.name,
        purpose: args.purpose,
        request_id: String::new(),
    };
    let mut client = args.client.connect().await?.populations();
    let made = client.create_population(request).await.map_err(ClientError::from)?.into_inner();
    print("CreatePopulationResponse", &made)
}

async fn populations(args: PlainArgs) -> Outcome {
    let mut client = args.client.connect().await?.populations();
    let request = pb::ListPopulationsRequest {};
    let listed = client.list_populations(request).await.map_err(ClientError::from)?;
    for it in listed.into_inner().populations {
        if args.json {
            print("Population", &it)?;
        } else {
            output::line(&format!("{}: {} subjects, {}", it.name, it.subjects, it.purpose));
        }
    }
    Ok(())
}

async fn delete(args: NameArgs) -> Outcome {
    let request = pb::DeletePopulationRequest { population: args.name, request_id: String::new() };
    let mut client = args.client.connect().await?.populations();
    let gone = client.delete_population(request).await.map_err(ClientError::from)?.into_inner();
    print("DeletePopulationResponse", &gone)
}

async fn store(args: FactsArgs) -> Outcome {
    let read = text(&args.file)?;
    let mut subjects: Vec<pb::SubjectFacts> = Vec::new();
    for (line, number) in read.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty()) {
        let name = "peshub.subsidies.v1.SubjectFacts";
        let read = serde_json::from_str(line).ok();
        let read = read.and_then(|it| json::to_message(name, &it).ok());
        // The line is about a person and not repeated.
        let none = || format!("line {number} is no SubjectFacts; nothing was stored");
        subjects.push(read.ok_or_else(none)?);
    }
    let open = Message::Open(pb::OpenStore { population: args.population });
    let batches: Vec<_> = subjects.chunks(BATCH).map(<[_]>::to_vec).zip(1..).collect();
    let batches = batches
        .into_iter()
        .map(|(subjects, number)| Message::Batch(pb::FactBatch { number, subjects }));
    let messages = std::iter::once(open).chain(batches);
    let messages: Vec<_> = messages.map(|it| pb::StoreFactsRequest { message: Some(it) }).collect();
    let mut client = args.client.connect().await?.populations();
    let sent = tokio_stream::iter(messages);
    let mut answers = client.store_facts(sent).await.map_err(ClientError::from)?.into_inner();
    while let Some(answer) = answers.next().await {
        print("StoreFactsResponse", &answer.map_err(ClientError::from)?)?;
    }
    Ok(())
}

async fn sweep(args: SweepArgs) -> Outcome {
    let request = pb::StartSweepRequest {
        population: args.population,
        programmes: args.programmes,
        full: args.full,
        offers: args.offers,
        answer_days: args.answer_days,
        request_id: String::new(),
    };
    let mut client = args.client.connect().await?.populations();
    let begun = client.start_sweep(request).await.map_err(ClientError::from)?.into_inner();
    let sweep_id = begun.sweep.unwrap_or_default().sweep_id;
    let request = pb::WatchSweepRequest { sweep_id };
    let mut watch = client.watch_sweep(request).await.map_err(ClientError::from)?.into_inner();
    let mut last = pb::Sweep::default();
    while let Some(told) = watch.next().await {
        last = told.map_err(ClientError::from)?.sweep.unwrap_or_default();
        output::error(&format!("{} of {} subjects", last.seen, last.subjects));
    }
    if args.json {
        return print("Sweep", &last);
    }
    output::line(&said::sweep(&last));
    Ok(())
}

async fn sweeps(args: NameArgs) -> Outcome {
    let mut client = args.client.connect().await?.populations();
    let request = pb::ListSweepsRequest { population: args.name };
    let listed = client.list_sweeps(request).await.map_err(ClientError::from)?.into_inner();
    for it in listed.sweeps {
        if args.json {
            print("Sweep", &it)?;
        } else {
            output::line(&said::sweep(&it));
        }
    }
    Ok(())
}

async fn cancel(args: NameArgs) -> Outcome {
    let mut client = args.client.connect().await?.populations();
    let request = pb::CancelSweepRequest { sweep_id: args.name, request_id: String::new() };
    let stopped = client.cancel_sweep(request).await.map_err(ClientError::from)?.into_inner();
    print("CancelSweepResponse", &stopped)
}

async fn findings(args: FindingsArgs) -> Outcome {
    let mut client = args.client.connect().await?.populations();
    let verdict = if args.eligible { pb::Verdict::Eligible } else { pb::Verdict::Unspecified };
    let mut request = pb::ListFindingsRequest {
        population: args.population,
        programme: args.programme,
        verdict: verdict.into(),
        page_size: 1_000,
        page_token: String::new(),
    };
    loop {
        let page = client.list_findings(request.clone()).await.map_err(ClientError::from)?;
        let page = page.into_inner();
        for it in &page.findings {
            print("Finding", it)?;
        }
        if page.next_page_token.is_empty() {
            return Ok(());
        }
        request.page_token = page.next_page_token;
    }
}

async fn simulate(args: SimulateArgs) -> Outcome {
    let programme = read_programme(&args.file)?;
    let request = pb::SimulateProgrammeRequest {
        population: args.population,
        programme: Some(programme),
        day: args.day,
    };
    let mut client = args.client.connect().await?.populations();
    let told = client.simulate_programme(request).await.map_err(ClientError::from)?;
    let mut told = told.into_inner();
    let mut last = pb::SimulateProgrammeResponse::default();
    while let Some(message) = told.next().await {
        last = message.map_err(ClientError::from)?;
        output::error(&format!("{} of {} subjects", last.seen, last.subjects));
    }
    if args.json {
        return print("SimulateProgrammeResponse", &last);
    }
    for effect in last.divisions.iter().chain(&last.total) {
        let code = effect.division.as_ref().map_or("all", |it| it.code.as_str());
        output::line(&format!(
            "{code}: {} subjects, eligible {} before and {} after, {} win, {} lose, cost {} before and {} after {}",
            effect.subjects,
            effect.eligible_before,
            effect.eligible_after,
            effect.winners,
            effect.losers,
            effect.cost_before,
            effect.cost_after,
            last.currency,
        ));
    }
    Ok(())
}

fn read_programme(path: &Path) -> Result<pb::Programme, Box<dyn std::error::Error + Send + Sync>> {
    Ok(file::read(&text(path)?)?)
}
