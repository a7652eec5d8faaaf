//! What is claimed already is told in checks and sweeps: until when, to who has to do with the worker, and nothing else.

use peshub::client::connect::{Connection, Options};
use peshub::client::error::Refusal;
use peshub::pb::peshub::common::v1::Role;
use peshub::pb::peshub::participants::v1::ParticipantKind;
use peshub::pb::peshub::subsidies::v1::check_subjects_request::Message;
use peshub::pb::peshub::subsidies::v1::{self as pb, Verdict};
use peshub::pb::peshub::workers::v1::ListDisclosuresRequest;
use tokio_stream::iter;

use crate::permissions::register;
use crate::support::applications::{
    AMOUNT, ONCE, OTHER, asking, furnish, once, submit, withdraw, worker,
};
use crate::support::eligibility::{
    self, BUREAU, check, counts, facts_of, population, store, sweep, system, terms, truth,
};
use crate::support::{TestHub, story};

const NORTH: &str = "platform-north";
const SOUTH: &str = "platform-south";

/// Asks about a worker who is trained, or not, and returns what is said of each programme.
async fn asked(
    hub: &TestHub,
    participant: &str,
    worker: &str,
    trained: bool,
) -> Vec<(Verdict, String)> {
    let request = pb::CheckEligibilityRequest {
        worker_reference: worker.to_owned(),
        ..check(vec![truth("worker.trained", trained)], &[ONCE, OTHER])
    };
    let mut client = hub.connect(participant).await.eligibility();
    let answer = client.check_eligibility(request).await.unwrap().into_inner();
    answer.determinations.into_iter().map(|it| (it.verdict(), it.taken_until)).collect()
}

/// What the worker is shown of who was told of claims.
async fn disclosures(hub: &TestHub, number: u32) -> Vec<(String, String)> {
    let reference = worker(hub, BUREAU, number).await;
    let mut workers = hub.connect(BUREAU).await.workers();
    let request = ListDisclosuresRequest { reference, ..Default::default() };
    let told = workers.list_disclosures(request).await.unwrap().into_inner().disclosures;
    let told = told.into_iter();
    told.map(|it| (it.participant, it.legal_basis.unwrap_or_default().reference)).collect()
}

fn free() -> (Verdict, String) {
    (Verdict::Eligible, String::new())
}

fn taken() -> (Verdict, String) {
    (Verdict::ExcludedByClaim, "forever".to_owned())
}

#[test]
fn a_check_of_a_worker_tells_until_when_it_is_taken_and_leaves_a_record() {
    story(async |world| {
        let hub = world.hub().await;
        furnish(&hub).await;
        let (here, there) = (worker(&hub, NORTH, 1).await, worker(&hub, SOUTH, 1).await);
        let somebody = worker(&hub, SOUTH, 2).await;
        assert_eq!(asked(&hub, SOUTH, &there, true).await, [free(), free()]);
        let mut north = hub.connect(NORTH).await.applications();
        let first = submit(&mut north, asking(ONCE, &here, true)).await.unwrap();
        assert_eq!(disclosures(&hub, 1).await, [], "nothing was told until now");

        // What excludes it is in the way as well; to who claims it, too.
        assert_eq!(asked(&hub, SOUTH, &there, true).await, [taken(), taken()]);
        assert_eq!(asked(&hub, NORTH, &here, true).await, [taken(), taken()]);
        // Facts come first, and whoever is not named is somebody else.
        let refused = (Verdict::NotEligible, String::new());
        assert_eq!(asked(&hub, SOUTH, &there, false).await, [refused.clone(), refused]);
        assert_eq!(asked(&hub, SOUTH, &somebody, true).await, [free(), free()]);
        assert_eq!(asked(&hub, SOUTH, "", true).await, [free(), free()]);

        let shown = disclosures(&hub, 1).await;
        let both = format!("{ONCE}/1, {OTHER}/1");
        assert_eq!(shown, [(NORTH.to_owned(), both.clone()), (SOUTH.to_owned(), both)]);

        // What is not known yet is taken all the same, and nothing is asked for in vain.
        let request = pb::CheckEligibilityRequest {
            worker_reference: there.clone(),
            terms: Some(pb::CheckTerms { rank_questions: true, ..terms(&[ONCE]) }),
            ..check(vec![], &[])
        };
        let mut south = hub.connect(SOUTH).await.eligibility();
        let answer = south.check_eligibility(request).await.unwrap().into_inner();
        assert_eq!(answer.determinations[0].verdict(), Verdict::ExcludedByClaim);
        assert_eq!(answer.determinations[0].ask, []);
        assert_eq!(answer.questions, []);

        withdraw(&mut north, &first).await.unwrap();
        assert_eq!(asked(&hub, SOUTH, &there, true).await, [free(), free()]);
    });
}

#[test]
fn nobody_is_told_who_has_nothing_to_do_with_the_worker_or_could_not_apply() {
    story(async |world| {
        let hub = world.hub().await;
        furnish(&hub).await;
        let here = worker(&hub, NORTH, 1).await;
        let mut north = hub.connect(NORTH).await.applications();
        submit(&mut north, asking(ONCE, &here, true)).await.unwrap();
        let naming = |reference: &str| pb::CheckEligibilityRequest {
            worker_reference: reference.to_owned(),
            ..check(vec![truth("worker.trained", true)], &[ONCE])
        };
        // Another's reference is as unknown as one that nobody has.
        let mut south = hub.connect(SOUTH).await.eligibility();
        let unknown = uuid::Uuid::nil().to_string();
        for reference in [here.as_str(), &unknown, "else"] {
            let refusal = south.check_eligibility(naming(reference)).await.unwrap_err();
            assert_eq!(Refusal::of(&refusal).reason, "WORKER_NOT_FOUND", "{reference}");
        }
        let checker = checker(&hub).await;
        let mut checker = Connection::open(&checker).await.unwrap().eligibility();
        checker.check_eligibility(naming("")).await.unwrap();
        let refusal = checker.check_eligibility(naming(&here)).await.unwrap_err();
        assert_eq!(Refusal::of(&refusal).reason, "ACTION_NOT_GRANTED");
    });
}

/// How a system connects that may check and no more.
async fn checker(hub: &TestHub) -> Options {
    drop(register(hub, "only-checks", ParticipantKind::Platform).await);
    system(hub, ("only-checks", "checker"), Role::EligibilityChecker).await
}

#[test]
fn a_stream_tells_it_of_each_subject_and_one_that_is_unknown_stops_nobody() {
    story(async |world| {
        let hub = world.hub().await;
        furnish(&hub).await;
        let here = worker(&hub, NORTH, 1).await;
        let theirs = [worker(&hub, SOUTH, 1).await, worker(&hub, SOUTH, 2).await];
        let mut north = hub.connect(NORTH).await.applications();
        submit(&mut north, asking(ONCE, &here, true)).await.unwrap();
        let subject = |reference: &str| pb::CheckSubject {
            facts: vec![truth("worker.trained", true)],
            worker_reference: reference.to_owned(),
            ..Default::default()
        };
        let subjects = [theirs[1].as_str(), &here, &theirs[0], ""].map(subject).to_vec();
        let sent = [
            Message::Open(terms(&[OTHER])),
            Message::Batch(pb::SubjectBatch { number: 1, subjects }),
        ];
        let sent = sent.map(|it| pb::CheckSubjectsRequest { message: Some(it) });
        let mut south = hub.connect(SOUTH).await.eligibility();
        let mut answers = south.check_subjects(iter(sent)).await.unwrap().into_inner();
        let answer = answers.message().await.unwrap().unwrap();
        let said = answer.results.iter().map(|it| match it.determinations.first() {
            Some(it) => it.verdict().as_str_name(),
            None => it.reason.as_str(),
        });
        let expected = [
            "VERDICT_ELIGIBLE",
            "WORKER_NOT_FOUND",
            "VERDICT_EXCLUDED_BY_CLAIM",
            "VERDICT_ELIGIBLE",
        ];
        assert_eq!(said.collect::<Vec<_>>(), expected);
        assert_eq!(disclosures(&hub, 1).await.len(), 1);
        assert_eq!(disclosures(&hub, 2).await, []);
    });
}

#[test]
fn what_ends_is_told_with_its_day_and_an_employers_claims_to_the_deciding_bureau_alone() {
    story(async |world| {
        let hub = world.hub().await;
        let months = |key: &[&str], length| {
            vec![pb::OncePer {
                key: key.iter().map(|it| (*it).to_owned()).collect(),
                window: pb::ClaimWindow::Months.into(),
                length,
                ..Default::default()
            }]
        };
        let by_worker = pb::Programme { once_per: months(&["worker"], 12), ..once() };
        let by_employer = pb::Programme {
            name: "test.by-employer".to_owned(),
            once_per: months(&["employer"], 12),
            ..once()
        };
        eligibility::furnish(&hub, vec![by_worker, by_employer]).await;
        let mut north = hub.connect(NORTH).await.applications();
        let employer = "91330106MA2CHU0B7X";
        let (here, there) = (worker(&hub, NORTH, 1).await, worker(&hub, SOUTH, 1).await);
        for programme in [ONCE, "test.by-employer"] {
            let asking = pb::SubmitApplicationRequest {
                employer: employer.to_owned(),
                ..asking(programme, &here, true)
            };
            submit(&mut north, asking).await.unwrap();
        }
        let own = worker(&hub, BUREAU, 1).await;
        let ask = async |participant: &str, worker: &str| {
            let request = pb::CheckEligibilityRequest {
                worker_reference: worker.to_owned(),
                employer: employer.to_owned(),
                ..check(vec![truth("worker.trained", true)], &[ONCE, "test.by-employer"])
            };
            let mut client = hub.connect(participant).await.eligibility();
            let answer = client.check_eligibility(request).await.unwrap().into_inner();
            let told = answer.determinations.into_iter();
            told.map(|it| (it.verdict(), it.taken_until)).collect::<Vec<_>>()
        };
        let excluded = (Verdict::ExcludedByClaim, free_on(&hub, &there).await);
        assert_eq!(ask(SOUTH, &there).await, [excluded.clone(), free()]);
        assert_eq!(ask(SOUTH, "").await, [free(), free()], "a number is no relation");
        assert_eq!(ask(BUREAU, &own).await, [excluded.clone(), excluded]);
    });
}

/// The day that somebody is told who applies.
async fn free_on(hub: &TestHub, worker: &str) -> String {
    let mut client = hub.connect(SOUTH).await.applications();
    let refusal = submit(&mut client, asking(ONCE, worker, true)).await.unwrap_err();
    assert_eq!(refusal.reason, "CLAIM_TAKEN");
    let day = refusal.message.rsplit(' ').next().unwrap().to_owned();
    assert_eq!(day.len(), 10, "{day}");
    day
}

#[test]
fn a_sweep_finds_who_has_claimed_and_the_next_one_whose_claims_have_moved() {
    story(async |world| {
        let hub = world.hub().await;
        furnish(&hub).await;
        population(&hub, BUREAU, "north").await;
        let mut own = Vec::new();
        for number in 1..=3 {
            own.push(worker(&hub, BUREAU, number).await);
        }
        let trained = |it: &String| facts_of(it, vec![truth("worker.trained", true)]);
        store(&hub, "north", own.iter().map(trained).collect()).await;
        let here = worker(&hub, NORTH, 1).await;
        let mut north = hub.connect(NORTH).await.applications();
        let filed = submit(&mut north, asking(ONCE, &here, true)).await.unwrap();

        let swept = sweep(&hub, "north", |it| it).await;
        for programme in [ONCE, OTHER] {
            let found = [(Verdict::Eligible, 2, 2 * AMOUNT), (Verdict::ExcludedByClaim, 1, AMOUNT)];
            assert_eq!(counts(&swept, programme), found);
        }
        assert_eq!(excluded(&hub).await, [own[0].clone(), own[0].clone()]);

        // Nothing has moved but claims; and when nothing has, nobody is looked at.
        withdraw(&mut north, &filed).await.unwrap();
        let other = worker(&hub, NORTH, 2).await;
        submit(&mut north, asking(OTHER, &other, true)).await.unwrap();
        let swept = sweep(&hub, "north", |it| it).await;
        assert_eq!((swept.seen, swept.evaluations), (2, 4));
        let turned: Vec<_> = swept.programmes.iter().map(|it| (it.gained, it.lost)).collect();
        assert_eq!(turned, [(1, 1), (1, 1)]);
        assert_eq!(excluded(&hub).await, [own[1].clone(), own[1].clone()]);
        // What it found is what a check finds.
        assert_eq!(asked(&hub, BUREAU, &own[0], true).await, [free(), free()]);
        assert_eq!(asked(&hub, BUREAU, &own[1], true).await, [taken(), taken()]);
    });
}

/// The workers of whom something was found to be taken for good.
async fn excluded(hub: &TestHub) -> Vec<String> {
    let request = pb::ListFindingsRequest {
        population: "north".to_owned(),
        verdict: Verdict::ExcludedByClaim.into(),
        ..Default::default()
    };
    let mut client = hub.connect(BUREAU).await.populations();
    let found = client.list_findings(request).await.unwrap().into_inner().findings;
    assert!(found.iter().all(|it| it.taken_until == "forever"));
    found.into_iter().map(|it| it.worker_reference).collect()
}
