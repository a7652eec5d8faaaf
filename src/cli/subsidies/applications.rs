//! `peshub subsidies apply` and what comes after: facts come from files, since arguments can be read by others.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use tokio_stream::StreamExt as _;

use crate::cli::client::ClientArgs;
use crate::cli::{Outcome, output};
use crate::client::connect::Transport;
use crate::client::error::ClientError;
use crate::json;
use crate::json::programme as file;
use crate::pb::peshub::common::v1::{Division, DivisionScheme};
use crate::pb::peshub::subsidies::v1 as pb;
use crate::pb::peshub::subsidies::v1::application_service_client::ApplicationServiceClient;
use crate::pb::peshub::workers::v1::{LegalBasis, LegalBasisKind};

type Client = ApplicationServiceClient<Transport>;
type Error = Box<dyn std::error::Error + Send + Sync>;

/// Commands about applications.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ApplicationsCommand {
    /// File an application.
    Apply(ApplyArgs),
    /// Add facts to an application, or state them anew.
    Evidence(EvidenceArgs),
    /// Take an application back, or decline an offer.
    Withdraw(NamedArgs),
    /// Accept an offer.
    Accept(NamedArgs),
    /// Appeal against a decision.
    Appeal(WordsArgs),
    /// Show an application.
    Application(NamedArgs),
    /// List applications.
    Applications(ListArgs),
    /// Print every step of applications as it happens.
    WatchApplications(WatchArgs),
    /// Ask the applicant for evidence.
    RequestEvidence(RequestArgs),
    /// Set an application aside until it is known whether the programme goes on.
    Hold(NamedArgs),
    /// Take up an application again that was set aside.
    Resume(NamedArgs),
    /// Grant or refuse.
    Decide(DecideArgs),
    /// Note a payment.
    Pay(PayArgs),
    /// Claim back what was paid.
    ClawBack(ClawBackArgs),
    /// Print what an application states. It is recorded, and the worker can be shown the record.
    Disclose(DiscloseArgs),
    /// Show the record of a decision and its receipt.
    Decision(NamedArgs),
    /// Print all that a decision rests on, for `replay`. It is recorded, and the worker can be shown the record.
    Export(DiscloseArgs),
    /// Set what a programme may cost for applications of some days.
    SetBudget(BudgetArgs),
    /// List budgets.
    Budgets(BudgetsArgs),
}

#[derive(Args, Debug)]
pub(in crate::cli) struct ApplyArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Name of the programme.
    programme: String,
    /// YAML file with the facts, `name: value` each, or `name: {value: VALUE, basis: credential, reference: ENTRY_ID}` for what rests on
    /// something; `-` for standard input.
    facts: PathBuf,
    /// The caller's reference to the worker it is about.
    #[arg(long, default_value = "")]
    worker: String,
    /// The employer's registration number.
    #[arg(long, default_value = "")]
    employer: String,
    /// GB/T 2260 code of the division, or an ISO 3166-2 code.
    #[arg(long)]
    division: Option<String>,
    /// Makes it safe to repeat.
    #[arg(long, default_value = "")]
    request_id: String,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct EvidenceArgs {
    #[command(flatten)]
    named: NamedArgs,
    /// YAML file with the facts, `name: value` each, or `name: {value: VALUE, basis: credential, reference: ENTRY_ID}` for what rests on
    /// something; `-` for standard input.
    facts: PathBuf,
}

/// An application or a decision, and how a step of it is taken.
#[derive(Args, Debug)]
pub(in crate::cli) struct NamedArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Its id.
    id: String,
    /// As it was read; whatever it is now when left out.
    #[arg(long)]
    etag: Option<String>,
    /// Makes it safe to repeat.
    #[arg(long, default_value = "")]
    request_id: String,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct WordsArgs {
    #[command(flatten)]
    named: NamedArgs,
    /// On what grounds; nothing about the person.
    words: String,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct ListArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Of one programme.
    #[arg(long, default_value = "")]
    programme: String,
    /// Only those that a credential's end has opened again.
    #[arg(long)]
    reopened: bool,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct WatchArgs {
    #[command(flatten)]
    client: ClientArgs,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct RequestArgs {
    #[command(flatten)]
    named: NamedArgs,
    /// Name of a fact. May be given several times.
    #[arg(long = "fact", required = true)]
    facts: Vec<String>,
    /// Until which day, YYYY-MM-DD.
    #[arg(long)]
    by: String,
    /// What is wanted; nothing about the person.
    #[arg(long, default_value = "")]
    remark: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Outcomes {
    Grant,
    Refuse,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct DecideArgs {
    #[command(flatten)]
    named: NamedArgs,
    /// What is decided.
    outcome: Outcomes,
    /// What is granted, in minor units; the determined amount when left out.
    #[arg(long)]
    amount: Option<i64>,
    /// Why, in English, for the person concerned.
    #[arg(long)]
    because: String,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct PayArgs {
    #[command(flatten)]
    named: NamedArgs,
    /// The bureau's own number of the payment.
    reference: String,
    /// When, YYYY-MM-DD.
    #[arg(long)]
    on: String,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct ClawBackArgs {
    #[command(flatten)]
    named: NamedArgs,
    /// How much, in minor units; what the programme says when left out.
    #[arg(long)]
    amount: Option<i64>,
    /// Why; nothing about the person.
    #[arg(long)]
    because: String,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct DiscloseArgs {
    #[command(flatten)]
    named: NamedArgs,
    /// What for, as the worker will read it.
    #[arg(long)]
    purpose: String,
    /// By which law, to the article.
    #[arg(long)]
    law: String,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct BudgetArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Name of the programme.
    programme: String,
    /// First day of filing, YYYY-MM-DD.
    #[arg(long)]
    from: String,
    /// Last day of filing.
    #[arg(long)]
    to: String,
    /// The cap, in minor units.
    #[arg(long)]
    cap: i64,
    /// Makes it safe to repeat.
    #[arg(long, default_value = "")]
    request_id: String,
}

#[derive(Args, Debug)]
pub(in crate::cli) struct BudgetsArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Of one programme.
    #[arg(long, default_value = "")]
    programme: String,
}

/// Calls and prints the answer.
macro_rules! print {
    ($client:expr, $call:ident, $answer:literal, $request:expr) => {{
        let answer = $client.$call($request).await.map_err(ClientError::from)?.into_inner();
        said(concat!("peshub.subsidies.v1.", $answer), &answer)
    }};
}

/// Runs a command.
pub(super) async fn run(command: ApplicationsCommand) -> Outcome {
    match command {
        ApplicationsCommand::Apply(args) => apply(args).await,
        ApplicationsCommand::Evidence(args) => {
            let facts = facts(&args.facts)?;
            let (mut client, application_id, etag, request_id) = opened(args.named).await?;
            let request = pb::ProvideEvidenceRequest { application_id, etag, facts, request_id };
            print!(client, provide_evidence, "ProvideEvidenceResponse", request)
        }
        ApplicationsCommand::Withdraw(args) => {
            let (mut client, application_id, etag, request_id) = opened(args).await?;
            let request = pb::WithdrawApplicationRequest { application_id, etag, request_id };
            print!(client, withdraw_application, "WithdrawApplicationResponse", request)
        }
        ApplicationsCommand::Accept(args) => {
            let (mut client, application_id, etag, request_id) = opened(args).await?;
            let request = pb::AcceptOfferRequest { application_id, etag, request_id };
            print!(client, accept_offer, "AcceptOfferResponse", request)
        }
        ApplicationsCommand::Appeal(args) => {
            let grounds = args.words;
            let (mut client, application_id, etag, request_id) = opened(args.named).await?;
            let request = pb::AppealDecisionRequest { application_id, etag, grounds, request_id };
            print!(client, appeal_decision, "AppealDecisionResponse", request)
        }
        ApplicationsCommand::Application(args) => {
            let mut client = args.client.connect().await?.applications();
            let request = pb::GetApplicationRequest { application_id: args.id };
            print!(client, get_application, "GetApplicationResponse", request)
        }
        ApplicationsCommand::Decision(args) => {
            let mut client = args.client.connect().await?.applications();
            let request = pb::GetDecisionRequest { decision_id: args.id };
            print!(client, get_decision, "GetDecisionResponse", request)
        }
        ApplicationsCommand::Applications(args) => list(args).await,
        ApplicationsCommand::WatchApplications(args) => watch(args).await,
        command => officer(command).await,
    }
}

/// Runs a command of a bureau.
async fn officer(command: ApplicationsCommand) -> Outcome {
    match command {
        ApplicationsCommand::RequestEvidence(args) => {
            let (facts, answer_by, remark) = (args.facts, args.by, args.remark);
            let (mut client, application_id, etag, request_id) = opened(args.named).await?;
            let request = pb::RequestEvidenceRequest {
                application_id,
                etag,
                facts,
                answer_by,
                remark,
                request_id,
            };
            print!(client, request_evidence, "RequestEvidenceResponse", request)
        }
        ApplicationsCommand::Hold(args) => hold(args, false).await,
        ApplicationsCommand::Resume(args) => hold(args, true).await,
        ApplicationsCommand::Decide(args) => decide(args).await,
        ApplicationsCommand::Pay(args) => {
            let (payment_reference, paid_on) = (args.reference, args.on);
            let (mut client, application_id, etag, request_id) = opened(args.named).await?;
            let request = pb::RecordPaymentRequest {
                application_id,
                etag,
                payment_reference,
                paid_on,
                request_id,
            };
            print!(client, record_payment, "RecordPaymentResponse", request)
        }
        ApplicationsCommand::ClawBack(args) => {
            let (amount, remark) = (args.amount, args.because);
            let (mut client, application_id, etag, request_id) = opened(args.named).await?;
            let request = pb::ClawBackRequest { application_id, etag, amount, remark, request_id };
            print!(client, claw_back, "ClawBackResponse", request)
        }
        ApplicationsCommand::Disclose(args) => {
            let (purpose, legal_basis) = (args.purpose, Some(law(args.law)));
            let mut client = args.named.client.connect().await?.applications();
            let application_id = args.named.id;
            let request = pb::DiscloseApplicationRequest { application_id, purpose, legal_basis };
            print!(client, disclose_application, "DiscloseApplicationResponse", request)
        }
        ApplicationsCommand::Export(args) => export(args).await,
        ApplicationsCommand::SetBudget(args) => {
            let mut client = args.client.connect().await?.applications();
            let (programme, from, to, cap, request_id) =
                (args.programme, args.from, args.to, args.cap, args.request_id);
            let request = pb::SetBudgetRequest { programme, from, to, cap, request_id };
            print!(client, set_budget, "SetBudgetResponse", request)
        }
        ApplicationsCommand::Budgets(args) => {
            let mut client = args.client.connect().await?.applications();
            let request = pb::ListBudgetsRequest { programme: args.programme };
            print!(client, list_budgets, "ListBudgetsResponse", request)
        }
        _ => Ok(()),
    }
}

async fn apply(args: ApplyArgs) -> Outcome {
    let request = pb::SubmitApplicationRequest {
        programme: args.programme,
        division: args.division.map(division),
        worker_reference: args.worker,
        employer: args.employer,
        facts: facts(&args.facts)?,
        request_id: args.request_id,
    };
    let mut client = args.client.connect().await?.applications();
    print!(client, submit_application, "SubmitApplicationResponse", request)
}

async fn hold(args: NamedArgs, resume: bool) -> Outcome {
    let (mut client, application_id, etag, request_id) = opened(args).await?;
    let remark = String::new();
    let request = pb::HoldApplicationRequest { application_id, etag, resume, remark, request_id };
    print!(client, hold_application, "HoldApplicationResponse", request)
}

async fn decide(args: DecideArgs) -> Outcome {
    let outcome = match args.outcome {
        Outcomes::Grant => pb::DecisionOutcome::Granted,
        Outcomes::Refuse => pb::DecisionOutcome::Refused,
    };
    let reasons = vec![pb::LocalisedText { language: "en".to_owned(), text: args.because }];
    let (mut client, application_id, etag, request_id) = opened(args.named).await?;
    let (outcome, amount) = (outcome.into(), args.amount);
    let request =
        pb::DecideApplicationRequest { application_id, etag, outcome, amount, reasons, request_id };
    print!(client, decide_application, "DecideApplicationResponse", request)
}

async fn export(args: DiscloseArgs) -> Outcome {
    let (purpose, legal_basis) = (args.purpose, Some(law(args.law)));
    let mut client = args.named.client.connect().await?.applications();
    let request = pb::ExportDecisionRequest { decision_id: args.named.id, purpose, legal_basis };
    let answer = client.export_decision(request).await.map_err(ClientError::from)?.into_inner();
    said("peshub.subsidies.v1.DecisionExport", &answer.export.unwrap_or_default())
}

async fn list(args: ListArgs) -> Outcome {
    let mut client = args.client.connect().await?.applications();
    let mut page_token = String::new();
    loop {
        let request = pb::ListApplicationsRequest {
            programme: args.programme.clone(),
            only_reopened: args.reopened,
            page_token,
            ..pb::ListApplicationsRequest::default()
        };
        let page = client.list_applications(request).await.map_err(ClientError::from)?.into_inner();
        for it in page.applications {
            if args.json {
                said("peshub.subsidies.v1.Application", &it)?;
                continue;
            }
            let state = it.state().as_str_name().trim_start_matches("APPLICATION_STATE_");
            let (id, programme, amount) = (&it.application_id, &it.programme, it.amount);
            output::line(&format!("{id} {state} {programme} {amount} {}", it.currency));
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(());
        }
    }
}

async fn watch(args: WatchArgs) -> Outcome {
    let mut client = args.client.connect().await?.applications();
    let request = pb::WatchApplicationsRequest::default();
    let answer = client.watch_applications(request).await.map_err(ClientError::from)?;
    let mut messages = answer.into_inner();
    while let Some(message) = messages.next().await {
        let message = message.map_err(ClientError::from)?.message;
        if let Some(pb::watch_applications_response::Message::Event(event)) = message {
            said("peshub.subsidies.v1.ApplicationEvent", &event)?;
        }
    }
    Ok(())
}

/// Connects, and reads the application's etag unless it is given.
async fn opened(named: NamedArgs) -> Result<(Client, String, String, String), Error> {
    let mut client = named.client.connect().await?.applications();
    let etag = match named.etag {
        Some(etag) => etag,
        None => {
            let request = pb::GetApplicationRequest { application_id: named.id.clone() };
            let answer = client.get_application(request).await.map_err(ClientError::from)?;
            answer.into_inner().application.unwrap_or_default().etag
        }
    };
    Ok((client, named.id, etag, named.request_id))
}

fn law(reference: String) -> LegalBasis {
    LegalBasis { kind: LegalBasisKind::Law.into(), reference }
}

/// Returns the division of a code.
pub(super) fn division(code: String) -> Division {
    let is_gbt = code.len() == 6 && code.bytes().all(|it| it.is_ascii_digit());
    let scheme = if is_gbt { DivisionScheme::Gbt2260 } else { DivisionScheme::Iso31662 };
    Division { scheme: scheme.into(), code, name: String::new() }
}

/// Reads facts from a file.
pub(super) fn facts(path: &std::path::Path) -> Result<Vec<pb::Fact>, Error> {
    // What the reader says about a mistake would repeat the line, which is about a person.
    let none = |_| format!("{} is no list of facts; see --help", path.display());
    Ok(file::read_values(&text(path)?).map_err(none)?)
}

/// Reads a file; `-` is standard input.
pub(super) fn text(path: &std::path::Path) -> Result<String, Error> {
    let failed = |error| format!("{} cannot be read: {error}", path.display());
    let read = if path.as_os_str() == "-" {
        std::io::read_to_string(std::io::stdin()).map_err(failed)
    } else {
        std::fs::read_to_string(path).map_err(failed)
    };
    Ok(read?)
}

fn said(name: &str, message: &impl prost::Message) -> Outcome {
    output::json(&json::of_message(name, message)?);
    Ok(())
}
