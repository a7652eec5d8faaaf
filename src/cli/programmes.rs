//! `peshub programmes`: programmes as files, offline, and the book of programmes of a hub.

mod files;
mod said;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::client::ClientArgs;
use crate::cli::{Outcome, output};
use crate::client::error::ClientError;
use crate::json;
use crate::json::programme as file;
use crate::pb::peshub::subsidies::v1 as pb;

/// Commands of `peshub programmes`.
#[derive(Debug, Subcommand)]
pub(super) enum ProgrammesCommand {
    /// Tell what keeps programmes from being published, each with its place. Needs no hub.
    Lint(files::FilesArgs),
    /// Run the cases of programmes. Needs no hub.
    Test(files::FilesArgs),
    /// Tell what two files of a programme answer differently, and for whom. Needs no hub.
    Diff(files::DiffArgs),
    /// Put the facts of a file into the catalogue.
    Define(DefineArgs),
    /// List the facts of the catalogue.
    Facts(FactsArgs),
    /// Retire a fact.
    RetireFact(NameArgs),
    /// Store the programme of a file as a draft.
    Draft(DraftArgs),
    /// Check a draft as publishing does.
    Check(NameArgs),
    /// Publish a draft that another system has made; what it changes for whom is shown.
    Publish(PublishArgs),
    /// Show an edition of a programme.
    Show(ShowArgs),
    /// List programmes.
    List(ListArgs),
    /// Tell what two editions answer differently, and for whom.
    Compare(CompareArgs),
    /// Retire a programme: it answers no more.
    Retire(RetireArgs),
}

#[derive(Args, Debug)]
pub(super) struct DefineArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// YAML file as `programmes/catalogue.yaml`.
    file: PathBuf,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(super) struct FactsArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Only those whose names begin with this.
    #[arg(default_value = "")]
    prefix: String,
    /// Those that were retired as well.
    #[arg(long)]
    retired: bool,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(super) struct NameArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Its name.
    name: String,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(super) struct DraftArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// YAML file as those under `programmes`.
    file: PathBuf,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(super) struct PublishArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Its name.
    name: String,
    /// SHA-256 of the draft that was reviewed, in hexadecimal digits; the draft as it is now when absent.
    #[arg(long)]
    draft: Option<String>,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(super) struct ShowArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Its name.
    name: String,
    /// Which edition; the newest when 0.
    #[arg(long, default_value_t = 0)]
    edition: i64,
    /// As a file, which can be drafted again.
    #[arg(long, conflicts_with = "json")]
    yaml: bool,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(super) struct ListArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Only those that hold in this division, GB/T 2260 or ISO 3166-2.
    #[arg(long, value_name = "CODE")]
    division: Option<String>,
    /// Only those of this bureau.
    #[arg(long, default_value = "")]
    bureau: String,
    /// Those that were retired as well.
    #[arg(long)]
    retired: bool,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(super) struct CompareArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Its name.
    name: String,
    /// Number of the edition before.
    before: i64,
    /// Number of the edition after; the newest when 0.
    #[arg(default_value_t = 0)]
    after: i64,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(super) struct RetireArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Its name.
    name: String,
    /// Why; nothing about a person.
    #[arg(long)]
    because: String,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(command: ProgrammesCommand) -> Outcome {
    match command {
        ProgrammesCommand::Lint(args) => files::lint(&args),
        ProgrammesCommand::Test(args) => files::test(&args),
        ProgrammesCommand::Diff(args) => files::diff(&args),
        ProgrammesCommand::Define(args) => define(args).await,
        ProgrammesCommand::Facts(args) => facts(args).await,
        ProgrammesCommand::RetireFact(args) => retire_fact(args).await,
        ProgrammesCommand::Draft(args) => draft(args).await,
        ProgrammesCommand::Check(args) => check(args).await,
        ProgrammesCommand::Publish(args) => publish(args).await,
        ProgrammesCommand::Show(args) => show(args).await,
        ProgrammesCommand::List(args) => list(args).await,
        ProgrammesCommand::Compare(args) => compare(args).await,
        ProgrammesCommand::Retire(args) => retire(args).await,
    }
}

/// Prints a message as JSON, or in words.
fn tell<M: prost::Message>(name: &str, message: &M, as_json: bool, words: impl Fn(&M)) -> Outcome {
    if as_json {
        output::json(&json::of_message(&format!("peshub.subsidies.v1.{name}"), message)?);
    } else {
        words(message);
    }
    Ok(())
}

async fn define(args: DefineArgs) -> Outcome {
    let facts = files::facts(&args.file)?;
    let mut client = args.client.connect().await?.programmes();
    let request = pb::DefineFactsRequest { facts, ..Default::default() };
    let answer = client.define_facts(request).await.map_err(ClientError::from)?.into_inner();
    for fact in &answer.facts {
        tell("CataloguedFact", fact, args.json, said::fact)?;
    }
    Ok(())
}

async fn facts(args: FactsArgs) -> Outcome {
    let mut client = args.client.connect().await?.programmes();
    let mut request = pb::ListFactsRequest {
        prefix: args.prefix,
        with_retired: args.retired,
        ..Default::default()
    };
    loop {
        let answer = client.list_facts(request.clone()).await.map_err(ClientError::from)?;
        let page = answer.into_inner();
        for fact in &page.facts {
            tell("CataloguedFact", fact, args.json, said::fact)?;
        }
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return Ok(());
        }
    }
}

async fn retire_fact(args: NameArgs) -> Outcome {
    let mut client = args.client.connect().await?.programmes();
    let request = pb::RetireFactRequest { name: args.name, ..Default::default() };
    let answer = client.retire_fact(request).await.map_err(ClientError::from)?.into_inner();
    tell("CataloguedFact", &answer.fact.unwrap_or_default(), args.json, said::fact)
}

async fn draft(args: DraftArgs) -> Outcome {
    let programme = Some(files::programme(&args.file)?);
    let mut client = args.client.connect().await?.programmes();
    let request = pb::DraftProgrammeRequest { programme, ..Default::default() };
    let answer = client.draft_programme(request).await.map_err(ClientError::from)?.into_inner();
    tell("DraftProgrammeResponse", &answer, args.json, |answer| {
        answer.draft.iter().for_each(said::draft);
        answer.findings.iter().for_each(said::finding);
    })
}

async fn check(args: NameArgs) -> Outcome {
    let mut client = args.client.connect().await?.programmes();
    let request = pb::CheckDraftRequest { name: args.name };
    let answer = client.check_draft(request).await.map_err(ClientError::from)?.into_inner();
    tell("CheckDraftResponse", &answer, args.json, said::check)
}

async fn publish(args: PublishArgs) -> Outcome {
    let mut client = args.client.connect().await?.programmes();
    let draft_sha256 = match &args.draft {
        Some(digits) => files::digits(digits)?,
        None => {
            let request = pb::CheckDraftRequest { name: args.name.clone() };
            let answer = client.check_draft(request).await.map_err(ClientError::from)?;
            answer.into_inner().draft.unwrap_or_default().draft_sha256.to_vec()
        }
    };
    let request = pb::PublishProgrammeRequest {
        name: args.name,
        draft_sha256: draft_sha256.into(),
        ..Default::default()
    };
    let answer = client.publish_programme(request).await.map_err(ClientError::from)?.into_inner();
    tell("PublishProgrammeResponse", &answer, args.json, |answer| {
        answer.edition.iter().for_each(|it| output::line(&said::headline(it)));
        answer.comparison.iter().for_each(said::comparison);
    })
}

async fn show(args: ShowArgs) -> Outcome {
    let mut client = args.client.connect().await?.programmes();
    let request = pb::GetProgrammeRequest { name: args.name, edition: args.edition };
    let answer = client.get_programme(request).await.map_err(ClientError::from)?.into_inner();
    let found = answer.edition.unwrap_or_default();
    if args.yaml {
        let programme = found.edition.unwrap_or_default().programme.unwrap_or_default();
        output::line(file::write(&programme)?.trim_end());
        return Ok(());
    }
    tell("PublishedEdition", &found, args.json, said::edition)
}

async fn list(args: ListArgs) -> Outcome {
    let mut client = args.client.connect().await?.programmes();
    let mut request = pb::ListProgrammesRequest {
        division: args.division.as_deref().map(crate::cli::postings::division),
        bureau: args.bureau,
        with_retired: args.retired,
        ..Default::default()
    };
    loop {
        let answer = client.list_programmes(request.clone()).await.map_err(ClientError::from)?;
        let page = answer.into_inner();
        for edition in &page.editions {
            let line = |it: &pb::PublishedEdition| output::line(&said::headline(it));
            tell("PublishedEdition", edition, args.json, line)?;
        }
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return Ok(());
        }
    }
}

async fn compare(args: CompareArgs) -> Outcome {
    let mut client = args.client.connect().await?.programmes();
    let request =
        pb::CompareEditionsRequest { name: args.name, before: args.before, after: args.after };
    let answer = client.compare_editions(request).await.map_err(ClientError::from)?.into_inner();
    tell("Comparison", &answer.comparison.unwrap_or_default(), args.json, said::comparison)
}

async fn retire(args: RetireArgs) -> Outcome {
    let mut client = args.client.connect().await?.programmes();
    let request =
        pb::RetireProgrammeRequest { name: args.name, because: args.because, ..Default::default() };
    let answer = client.retire_programme(request).await.map_err(ClientError::from)?.into_inner();
    let line = |it: &pb::PublishedEdition| output::line(&said::headline(it));
    tell("PublishedEdition", &answer.edition.unwrap_or_default(), args.json, line)
}
