//! Two bureaus' programmes, published as bureaus do it, and what is known of somebody.

use peshub::client::connect::{Connection, Options};
use peshub::pb::peshub::common::v1::{Division, DivisionScheme, Role};
use peshub::pb::peshub::participants::v1::{
    GrantRolesRequest, IssueTokenRequest, RegisterSystemRequest,
};
use peshub::pb::peshub::subsidies::v1 as pb;
use peshub::pb::peshub::subsidies::v1::fact_value::Value;
use peshub::pb::peshub::subsidies::v1::store_facts_request::Message;

use crate::support::{TestHub, until, within};
use crate::workers::people::{Invented, register, workers};

/// Whose programmes they are, and where: Nanshan in Shenzhen.
pub(crate) const BUREAU: &str = "bureau-shenzhen";
pub(crate) const NANSHAN: &str = "440305";
/// Pays who is grown up and insured or trained.
pub(crate) const GRANT: &str = "test.grant";
/// Pays who is trained; made without being asked for.
pub(crate) const TRAINING: &str = "test.training";

pub(crate) fn division(code: &str) -> Division {
    Division { scheme: DivisionScheme::Gbt2260.into(), code: code.to_owned(), name: String::new() }
}

pub(crate) fn number(name: &str, number: i64) -> pb::Fact {
    fact(name, Value::Number(number))
}

pub(crate) fn truth(name: &str, truth: bool) -> pb::Fact {
    fact(name, Value::Truth(truth))
}

fn fact(name: &str, value: Value) -> pb::Fact {
    let value = Some(pb::FactValue { value: Some(value) });
    pb::Fact { name: name.to_owned(), value, provenance: None }
}

fn definition(name: &str, kind: pb::FactKind) -> pb::FactDefinition {
    pb::FactDefinition {
        name: name.to_owned(),
        kind: kind.into(),
        meaning: "Something that a test knows".to_owned(),
        evidence: vec!["test-paper".to_owned()],
        lawful_source: "An article".to_owned(),
        about_worker: true,
        ..Default::default()
    }
}

/// The catalogue.
pub(crate) fn facts() -> Vec<pb::FactDefinition> {
    let greatest = |most| move |it| pb::FactDefinition { greatest: Some(most), ..it };
    vec![
        greatest(150)(definition("worker.age", pb::FactKind::Int)),
        greatest(1_000_000)(definition("worker.months", pb::FactKind::Int)),
        greatest(1_000)(definition("worker.divisor", pb::FactKind::Int)),
        definition("worker.trained", pb::FactKind::Bool),
        pb::FactDefinition { stated_by_hub: true, ..definition("claim.date", pb::FactKind::Date) },
    ]
}

fn text(text: &str) -> Vec<pb::LocalisedText> {
    vec![pb::LocalisedText { language: "en".to_owned(), text: text.to_owned() }]
}

fn criterion(id: &str, expression: &str) -> pb::Criterion {
    pb::Criterion {
        id: id.to_owned(),
        expression: expression.to_owned(),
        texts: text(id),
        legal_source: "An article".to_owned(),
        evidence: Vec::new(),
    }
}

fn case(id: &str, facts: Vec<pb::Fact>, failed: &[&str], amount: i64) -> pb::GoldenCase {
    let is_eligible = failed.is_empty();
    let verdict = if is_eligible { pb::Verdict::Eligible } else { pb::Verdict::NotEligible };
    let day = fact("claim.date", Value::Date("2026-01-01".to_owned()));
    pb::GoldenCase {
        id: id.to_owned(),
        facts: facts.into_iter().chain([day]).collect(),
        verdict: verdict.into(),
        version: "1".to_owned(),
        amount: is_eligible.then_some(amount),
        failed: failed.iter().map(|it| (*it).to_owned()).collect(),
        ..Default::default()
    }
}

/// A programme of one version that is in force for good.
fn programme(
    name: &str,
    criteria: Vec<pb::Criterion>,
    amount: &str,
    cases: Vec<pb::GoldenCase>,
) -> pb::Programme {
    let version = pb::Version {
        name: "1".to_owned(),
        from: "2020-01-01".to_owned(),
        to: "2199-12-31".to_owned(),
        legal_source: "An article".to_owned(),
        criteria,
        amount: amount.to_owned(),
        ..Default::default()
    };
    pb::Programme {
        name: name.to_owned(),
        titles: text(name),
        payee: pb::Payee::Worker.into(),
        unit: "per_person".to_owned(),
        currency: "CNY".to_owned(),
        divisions: vec![division("440300")],
        select: "claim.date".to_owned(),
        versions: vec![version],
        cases,
        ..Default::default()
    }
}

/// Who is grown up, and insured for some months or trained: a month brings 100, and everybody 1,000.
pub(crate) fn grant(months: i64) -> pb::Programme {
    let somebody = |age, months, trained| {
        vec![
            number("worker.age", age),
            number("worker.months", months),
            truth("worker.trained", trained),
        ]
    };
    let criteria = vec![
        criterion("adult", "worker.age >= 18"),
        criterion("covered", &format!("worker.months >= {months} || worker.trained")),
    ];
    let cases = vec![
        case("insured", somebody(18, months, false), &[], 1_000 + 100 * months),
        case("trained", somebody(40, 0, true), &[], 1_000),
        case("child", somebody(17, months, false), &["adult"], 0),
        case("neither", somebody(18, months - 1, false), &["covered"], 0),
        case("nothing", somebody(1, 0, false), &["adult", "covered"], 0),
    ];
    programme(GRANT, criteria, "1000 + worker.months * 100", cases)
}

/// Who is trained gets 5,000.
pub(crate) fn training() -> pb::Programme {
    let somebody = |age, trained| vec![number("worker.age", age), truth("worker.trained", trained)];
    let cases = vec![
        case("one", somebody(18, true), &[], 5_000),
        case("two", somebody(30, true), &[], 5_000),
        case("three", somebody(99, true), &[], 5_000),
        case("four", somebody(18, false), &["trained"], 0),
        case("five", somebody(99, false), &["trained"], 0),
    ];
    let criteria = vec![criterion("trained", "worker.trained")];
    pb::Programme { proactive: true, ..programme(TRAINING, criteria, "5000", cases) }
}

/// A programme whose amount divides by a fact, which can be 0.
pub(crate) fn dividing() -> pb::Programme {
    let somebody =
        |age, divisor| vec![number("worker.age", age), number("worker.divisor", divisor)];
    let cases = vec![
        case("one", somebody(18, 1), &[], 1_000),
        case("two", somebody(18, 2), &[], 500),
        case("three", somebody(18, 3), &[], 333),
        case("four", somebody(17, 1), &["adult"], 0),
        case("five", somebody(16, 1), &["adult"], 0),
    ];
    let criteria = vec![criterion("adult", "worker.age >= 18")];
    programme("test.dividing", criteria, "1000 / worker.divisor", cases)
}

/// How a system of the bureau connects that drafts nothing: it publishes.
pub(crate) async fn publisher(hub: &TestHub) -> Options {
    system(hub, (BUREAU, "publisher"), Role::ProgrammePublisher).await
}

/// How a new system of a participant connects that has one role and no more.
pub(crate) async fn system(
    hub: &TestHub,
    (participant, system): (&str, &str),
    role: Role,
) -> Options {
    let mut operator = hub.connect("operator").await.participants();
    let (participant, system) = (participant.to_owned(), system.to_owned());
    let request = RegisterSystemRequest {
        participant: participant.clone(),
        system: system.clone(),
        ..Default::default()
    };
    operator.register_system(request).await.unwrap();
    let request = IssueTokenRequest {
        participant: participant.clone(),
        system: system.clone(),
        valid_days: 1,
        ..Default::default()
    };
    let mut security = hub.connect("security").await.participants();
    let token = security.issue_token(request).await.unwrap().into_inner().token;
    let request = GrantRolesRequest {
        participant,
        system,
        roles: vec![role.into()],
        request_id: String::new(),
    };
    security.grant_roles(request).await.unwrap();
    Options { identity: None, token: Some(token), ..hub.options("nobody") }
}

/// Drafts a programme and publishes it.
pub(crate) async fn publish(hub: &TestHub, publisher: &Options, programme: pb::Programme) {
    let name = programme.name.clone();
    let mut author = hub.connect(BUREAU).await.programmes();
    let request =
        pb::DraftProgrammeRequest { programme: Some(programme), request_id: String::new() };
    let drafted = author.draft_programme(request).await.unwrap().into_inner();
    assert_eq!(drafted.findings, []);
    let request = pb::PublishProgrammeRequest {
        name,
        draft_sha256: drafted.draft.unwrap().draft_sha256,
        request_id: String::new(),
    };
    let mut publisher = Connection::open(publisher).await.unwrap().programmes();
    publisher.publish_programme(request).await.unwrap();
}

/// Defines the facts and publishes the programmes; returns how the publisher connects.
pub(crate) async fn furnish(hub: &TestHub, programmes: Vec<pb::Programme>) -> Options {
    let mut author = hub.connect(BUREAU).await.programmes();
    let request = pb::DefineFactsRequest { facts: facts(), request_id: String::new() };
    author.define_facts(request).await.unwrap();
    let publisher = publisher(hub).await;
    let names: Vec<_> = programmes.iter().map(|it| it.name.clone()).collect();
    for programme in programmes {
        publish(hub, &publisher, programme).await;
    }
    for name in names {
        in_force(hub, &name, 1).await;
    }
    publisher
}

/// Waits until a hub answers by an edition.
pub(crate) async fn in_force(hub: &TestHub, name: &str, edition: i64) {
    let mut client = hub.connect(BUREAU).await.eligibility();
    until("an edition", async || {
        let answer = client.check_eligibility(check(vec![], &[name])).await.ok()?.into_inner();
        (answer.determinations[0].edition == edition).then_some(())
    })
    .await;
}

/// Asks about somebody in Nanshan.
pub(crate) fn check(facts: Vec<pb::Fact>, programmes: &[&str]) -> pb::CheckEligibilityRequest {
    pb::CheckEligibilityRequest { terms: Some(terms(programmes)), facts, ..Default::default() }
}

pub(crate) fn terms(programmes: &[&str]) -> pb::CheckTerms {
    let choice = |name: &&str| pb::ProgrammeChoice { name: (*name).to_owned(), edition: 0 };
    pb::CheckTerms {
        division: Some(division(NANSHAN)),
        programmes: programmes.iter().map(choice).collect(),
        ..Default::default()
    }
}

/// What a determination comes to, in a line.
pub(crate) fn told(determination: &pb::Determination) -> String {
    let verdict = determination.verdict().as_str_name().trim_start_matches("VERDICT_");
    let amount = determination.amount.as_ref().map_or_else(String::new, |it| {
        if it.least == it.greatest {
            format!(" {}", it.least)
        } else {
            format!(" {}..{}", it.least, it.greatest)
        }
    });
    let failed = determination.criteria.iter();
    let failed = failed.filter(|it| it.state() == pb::CriterionState::NotMet);
    let failed: Vec<_> = failed.map(|it| it.id.as_str()).collect();
    let ask: Vec<_> = determination.ask.iter().map(|it| it.name.as_str()).collect();
    let mut told = format!("{} {verdict}{amount}", determination.programme);
    if !failed.is_empty() {
        told += " failed ";
        told += &failed.join(",");
    }
    if !ask.is_empty() {
        told += " ask ";
        told += &ask.join(",");
    }
    told
}

/// Makes a population.
pub(crate) async fn population(hub: &TestHub, bureau: &str, name: &str) {
    let request = pb::CreatePopulationRequest {
        name: name.to_owned(),
        purpose: "An article of a law".to_owned(),
        request_id: String::new(),
    };
    let mut client = hub.connect(bureau).await.populations();
    client.create_population(request).await.unwrap();
}

/// Registers people and returns a participant's references to them.
pub(crate) async fn people(hub: &TestHub, participant: &str, count: u64) -> Vec<String> {
    let mut client = workers(hub, participant).await;
    let mut references = Vec::new();
    for seed in 0..count {
        references.push(register(&mut client, &Invented::new(seed + 1)).await);
    }
    references
}

/// What is known of a worker in Nanshan.
pub(crate) fn facts_of(reference: &str, facts: Vec<pb::Fact>) -> pb::SubjectFacts {
    let key = pb::SubjectKey { worker_reference: reference.to_owned(), employer: String::new() };
    pb::SubjectFacts {
        subject: Some(key),
        division: Some(division(NANSHAN)),
        facts,
        ..Default::default()
    }
}

/// What is known of an employer in Nanshan: of as many as there are numbers.
pub(crate) fn facts_of_employer(number: u64, facts: Vec<pb::Fact>) -> pb::SubjectFacts {
    let key =
        pb::SubjectKey { worker_reference: String::new(), employer: format!("E{number:012}") };
    pb::SubjectFacts { subject: Some(key), ..facts_of("", facts) }
}

/// Stores facts in batches and returns what became of all of them.
pub(crate) async fn store(
    hub: &TestHub,
    population: &str,
    subjects: Vec<pb::SubjectFacts>,
) -> pb::StoreFactsResponse {
    let open = Message::Open(pb::OpenStore { population: population.to_owned() });
    let batches = subjects.chunks(1_000).zip(1..).map(|(subjects, number)| {
        Message::Batch(pb::FactBatch { number, subjects: subjects.to_vec() })
    });
    let messages = std::iter::once(open).chain(batches);
    let sent: Vec<_> = messages.map(|it| pb::StoreFactsRequest { message: Some(it) }).collect();
    let mut client = hub.connect(BUREAU).await.populations();
    let mut answers = client.store_facts(tokio_stream::iter(sent)).await.unwrap().into_inner();
    let mut all = pb::StoreFactsResponse::default();
    while let Some(answer) = answers.message().await.unwrap() {
        assert_eq!(answer.number, all.number + 1);
        all.number = answer.number;
        all.created += answer.created;
        all.changed += answer.changed;
        all.unchanged += answer.unchanged;
        all.removed += answer.removed;
        all.rejects.extend(answer.rejects);
    }
    all
}

/// Begins a sweep.
pub(crate) async fn start(
    hub: &TestHub,
    population: &str,
    with: impl FnOnce(pb::StartSweepRequest) -> pb::StartSweepRequest,
) -> pb::Sweep {
    let request = pb::StartSweepRequest { population: population.to_owned(), ..Default::default() };
    let mut client = hub.connect(BUREAU).await.populations();
    client.start_sweep(with(request)).await.unwrap().into_inner().sweep.unwrap()
}

/// Sweeps a population and returns how it went.
pub(crate) async fn sweep(
    hub: &TestHub,
    population: &str,
    with: impl FnOnce(pb::StartSweepRequest) -> pb::StartSweepRequest,
) -> pb::Sweep {
    let begun = start(hub, population, with).await;
    ended(hub, &begun.sweep_id).await
}

/// Watches a sweep to its end.
pub(crate) async fn ended(hub: &TestHub, sweep_id: &str) -> pb::Sweep {
    let mut client = hub.connect(BUREAU).await.populations();
    let request = pb::WatchSweepRequest { sweep_id: sweep_id.to_owned() };
    let mut watch = client.watch_sweep(request).await.unwrap().into_inner();
    let mut last = pb::Sweep::default();
    while let Some(told) = within("the sweep's end", watch.message()).await.unwrap() {
        let now = told.sweep.unwrap();
        assert!(now.seen >= last.seen, "a sweep never goes back");
        last = now;
    }
    assert_ne!(last.state(), pb::SweepState::Running);
    last
}

/// Returns how many subjects have each verdict of a programme.
pub(crate) fn counts(sweep: &pb::Sweep, programme: &str) -> Vec<(pb::Verdict, i64, i64)> {
    let swept = sweep.programmes.iter().find(|it| it.programme == programme).unwrap();
    swept.counts.iter().map(|it| (it.verdict(), it.subjects, it.least)).collect()
}
