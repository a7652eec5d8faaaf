//! The story of a subsidy: a bureau publishes a programme, a platform asks what is missing and applies for a worker, another platform comes
//! second, the bureau grants and pays, and the decision is reproduced without the hub.

use std::time::Duration;

use serde::Serialize;
use tonic::Status;

use crate::client::connect::{Connection, Options};
use crate::client::error::{ClientError, Refusal};
use crate::demo::DemoError;
use crate::json::programme as file;
use crate::pb::peshub::common::v1::{Division, DivisionScheme, Role};
use crate::pb::peshub::participants::v1 as participants;
use crate::pb::peshub::subsidies::v1 as pb;
use crate::pb::peshub::workers::v1 as workers;
use crate::subsidies::application::replay;

/// The programme and its facts.
const PROGRAMME: &str = include_str!("../../samples/programmes/training-bonus.yaml");
const FACTS: &str = include_str!("../../samples/programmes/catalogue.yaml");
/// Where the worker lives.
const NANSHAN: &str = "440305";
/// The bureau's second system, which publishes.
const SECOND: &str = "second-eyes";
/// Longest wait for anything that must come, and how often it is looked for.
const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(50);

/// Who plays.
#[derive(Clone, Debug)]
pub struct Cast {
    /// The bureau.
    pub bureau: Options,
    /// Its short name.
    pub bureau_name: String,
    /// Who registers systems, and who grants roles.
    pub operator: Options,
    /// Who grants roles.
    pub security: Options,
    /// The platform that applies first.
    pub first: Options,
    /// The one that comes second.
    pub second: Options,
}

/// How the story went. The names of the fields are a promise to scripts.
#[derive(Clone, Debug, Serialize)]
pub struct SubsidyStory {
    /// Name of the programme.
    pub programme: String,
    /// Facts that were asked for when nothing was known.
    pub asked: Vec<String>,
    /// The verdict once they were: `ELIGIBLE`.
    pub verdict: String,
    /// What was granted, in minor units.
    pub granted: i64,
    /// What the second platform was told: `CLAIM_TAKEN`.
    pub second: String,
    /// Where the application ended: `PAID`.
    pub state: String,
    /// What the budget has paid.
    pub paid: i64,
    /// Whether the decision was reproduced bit for bit.
    pub replayed: bool,
}

impl SubsidyStory {
    /// Returns whether everything went as it ought to.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.asked == ["training.hours", "worker.age_years"]
            && self.verdict == "ELIGIBLE"
            && self.second == "CLAIM_TAKEN"
            && self.state == "PAID"
            && self.granted > 0
            && self.paid == self.granted
            && self.replayed
    }

    /// Returns the story in lines for people.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let asked = self.asked.join(", ");
        let replayed = if self.replayed { "reproduced bit for bit" } else { "NOT reproduced" };
        vec![
            format!(
                "{}: asked for {asked}; {}; {} fen granted; a second platform: {}",
                self.programme, self.verdict, self.granted, self.second,
            ),
            format!(
                "the application is {}; the decision was {replayed} without the hub",
                self.state
            ),
        ]
    }
}

/// Plays the story.
///
/// # Errors
///
/// The hub refuses, or something does not come.
pub async fn tell(cast: &Cast) -> Result<SubsidyStory, DemoError> {
    let open = async |who: &'static str, options: &Options| {
        Connection::open(options).await.map_err(DemoError::of(who))
    };
    let bureau = open("the bureau", &cast.bureau).await?;
    let first = open("the platform", &cast.first).await?;
    let second = open("the other platform", &cast.second).await?;
    let programme = publish(cast, &bureau).await?;
    let cap = 100 * 1_000_000;
    budget(&bureau, &programme, cap).await?;
    let unknown = check(&first, &programme, &[]).await?;
    let known = facts()?;
    let answer = check(&first, &programme, &known).await?;
    let filed = apply(&first, &programme, &known).await?;
    let late = match apply(&second, &programme, &known).await {
        Ok(_) => "FILED".to_owned(),
        Err(DemoError::Client { source: ClientError::Refused(refusal), .. }) => refusal.reason,
        Err(error) => return Err(error),
    };
    let (granted, decision_id) = grant(&bureau, &filed).await?;
    let paid = pay(&bureau, &granted).await?;
    let export = export(&bureau, decision_id).await?;
    let replayed = replay::replay(&export, None).map_err(DemoError::part)?;
    let request = pb::ListBudgetsRequest { programme: programme.clone() };
    let budgets = bureau.applications().list_budgets(request).await;
    let budgets = budgets.map_err(refused("the bureau"))?.into_inner().budgets;
    Ok(SubsidyStory {
        programme,
        asked: unknown.ask.iter().map(|it| it.name.clone()).collect(),
        verdict: answer.verdict().as_str_name().trim_start_matches("VERDICT_").to_owned(),
        granted: granted.amount,
        second: late,
        state: paid.state().as_str_name().trim_start_matches("APPLICATION_STATE_").to_owned(),
        paid: budgets.first().map_or(0, |it| it.paid),
        replayed: replayed.is_same,
    })
}

fn refused(who: &str) -> impl FnOnce(Status) -> DemoError + '_ {
    move |status| DemoError::Client { who: who.to_owned(), source: ClientError::from(status) }
}

fn given<T>(what: &str, it: Option<T>) -> Result<T, DemoError> {
    it.ok_or_else(|| DemoError::Missing { what: what.to_owned() })
}

/// The bureau defines the facts and drafts; its second system publishes. Returns the programme's name.
async fn publish(cast: &Cast, bureau: &Connection) -> Result<String, DemoError> {
    let programme = file::read(PROGRAMME).map_err(DemoError::part)?;
    let name = programme.name.clone();
    let facts = file::read_facts(FACTS).map_err(DemoError::part)?;
    let mut author = bureau.programmes();
    let define = pb::DefineFactsRequest { facts, request_id: String::new() };
    author.define_facts(define).await.map_err(refused("the bureau"))?;
    let draft = pb::DraftProgrammeRequest { programme: Some(programme), request_id: String::new() };
    let drafted = author.draft_programme(draft).await.map_err(refused("the bureau"))?.into_inner();
    let publish = pb::PublishProgrammeRequest {
        name: name.clone(),
        draft_sha256: given("a draft", drafted.draft)?.draft_sha256,
        request_id: String::new(),
    };
    let publisher = Connection::open(&second_system(cast).await?).await;
    let publisher = publisher.map_err(DemoError::of("the bureau's second system"))?;
    let answer = publisher.programmes().publish_programme(publish).await;
    answer.map_err(refused("the bureau's second system"))?;
    Ok(name)
}

/// Gives the bureau a second system that publishes.
async fn second_system(cast: &Cast) -> Result<Options, DemoError> {
    let (participant, system) = (cast.bureau_name.clone(), SECOND.to_owned());
    let open = async |options: &Options| {
        Connection::open(options).await.map_err(DemoError::of("the operator"))
    };
    let mut operator = open(&cast.operator).await?.participants();
    let register = participants::RegisterSystemRequest {
        participant: participant.clone(),
        system: system.clone(),
        ..participants::RegisterSystemRequest::default()
    };
    operator.register_system(register).await.map_err(refused("the operator"))?;
    let mut security = open(&cast.security).await?.participants();
    let grant = participants::GrantRolesRequest {
        participant: participant.clone(),
        system: system.clone(),
        roles: vec![Role::ProgrammePublisher.into()],
        ..participants::GrantRolesRequest::default()
    };
    security.grant_roles(grant).await.map_err(refused("the operator"))?;
    let issue = participants::IssueTokenRequest {
        participant,
        system,
        ..participants::IssueTokenRequest::default()
    };
    let token = security.issue_token(issue).await.map_err(refused("the operator"))?;
    let token = Some(token.into_inner().token);
    Ok(Options { identity: None, token, ..cast.bureau.clone() })
}

async fn budget(bureau: &Connection, programme: &str, cap: i64) -> Result<(), DemoError> {
    let request = pb::SetBudgetRequest {
        programme: programme.to_owned(),
        from: "2020-01-01".to_owned(),
        to: "2199-12-31".to_owned(),
        cap,
        request_id: String::new(),
    };
    let begun = tokio::time::Instant::now();
    // What was published is in force a moment later.
    loop {
        match bureau.applications().set_budget(request.clone()).await {
            Ok(_) => return Ok(()),
            Err(status)
                if Refusal::of(&status).reason == "PROGRAMME_NOT_FOUND"
                    && begun.elapsed() < PATIENCE =>
            {
                tokio::time::sleep(PAUSE).await;
            }
            Err(status) => return Err(refused("the bureau")(status)),
        }
    }
}

/// What is known of the worker.
fn facts() -> Result<Vec<pb::Fact>, DemoError> {
    file::read_values("{worker.age_years: 34, training.hours: 240}").map_err(DemoError::part)
}

fn place() -> Division {
    let scheme = DivisionScheme::Gbt2260.into();
    Division { scheme, code: NANSHAN.to_owned(), name: String::new() }
}

async fn check(
    platform: &Connection,
    programme: &str,
    facts: &[pb::Fact],
) -> Result<pb::Determination, DemoError> {
    let choice = pb::ProgrammeChoice { name: programme.to_owned(), edition: 0 };
    let terms = pb::CheckTerms {
        division: Some(place()),
        programmes: vec![choice],
        ..pb::CheckTerms::default()
    };
    let request = pb::CheckEligibilityRequest {
        terms: Some(terms),
        facts: facts.to_vec(),
        ..Default::default()
    };
    let answer = platform.eligibility().check_eligibility(request).await;
    let answer = answer.map_err(refused("the platform"))?.into_inner();
    given("a determination", answer.determinations.into_iter().next())
}

async fn apply(
    platform: &Connection,
    programme: &str,
    facts: &[pb::Fact],
) -> Result<pb::Application, DemoError> {
    // Somebody who does not exist.
    let number = workers::NationalId {
        scheme: workers::NationalIdScheme::Gb11643.into(),
        number: "11010519491231002X".to_owned(),
        country: String::new(),
    };
    let register = workers::RegisterWorkerRequest {
        national_id: Some(number),
        ..workers::RegisterWorkerRequest::default()
    };
    let registered = platform.workers().register_worker(register).await;
    let request = pb::SubmitApplicationRequest {
        programme: programme.to_owned(),
        division: Some(place()),
        worker_reference: registered.map_err(refused("the platform"))?.into_inner().reference,
        facts: facts.to_vec(),
        ..pb::SubmitApplicationRequest::default()
    };
    let answer = platform.applications().submit_application(request).await;
    given("an application", answer.map_err(refused("the platform"))?.into_inner().application)
}

async fn grant(
    bureau: &Connection,
    it: &pb::Application,
) -> Result<(pb::Application, String), DemoError> {
    let text = "The training is complete.".to_owned();
    let request = pb::DecideApplicationRequest {
        application_id: it.application_id.clone(),
        etag: it.etag.clone(),
        outcome: pb::DecisionOutcome::Granted.into(),
        reasons: vec![pb::LocalisedText { language: "en".to_owned(), text }],
        ..pb::DecideApplicationRequest::default()
    };
    let answer = bureau.applications().decide_application(request).await;
    let answer = answer.map_err(refused("the bureau"))?.into_inner();
    let record = answer.decision.and_then(|it| it.record);
    Ok((given("an application", answer.application)?, given("a decision", record)?.decision_id))
}

async fn pay(bureau: &Connection, it: &pb::Application) -> Result<pb::Application, DemoError> {
    let request = pb::RecordPaymentRequest {
        application_id: it.application_id.clone(),
        etag: it.etag.clone(),
        payment_reference: "demo-1".to_owned(),
        paid_on: "2025-01-05".to_owned(),
        request_id: String::new(),
    };
    let answer = bureau.applications().record_payment(request).await;
    given("an application", answer.map_err(refused("the bureau"))?.into_inner().application)
}

async fn export(bureau: &Connection, decision_id: String) -> Result<pb::DecisionExport, DemoError> {
    let request = pb::ExportDecisionRequest {
        decision_id,
        purpose: "showing that it can be reproduced".to_owned(),
        legal_basis: Some(workers::LegalBasis {
            kind: workers::LegalBasisKind::Law.into(),
            reference: "Rules of the demonstration, 1".to_owned(),
        }),
    };
    let answer = bureau.applications().export_decision(request).await;
    given("an export", answer.map_err(refused("the bureau"))?.into_inner().export)
}
