//! Sweeps of populations.

use peshub::client::connect::Connection;
use peshub::client::error::Refusal;
use peshub::pb::peshub::subsidies::v1 as pb;

use crate::kill::Serving;
use crate::support::eligibility::{
    BUREAU, GRANT, TRAINING, check, counts, dividing, division, ended, facts_of, facts_of_employer,
    furnish, grant, in_force, number, people, population, publish, start, store, sweep, training,
    truth,
};
use crate::support::{TestHub, cluster, story, until};

/// What is known of somebody who is made from a number: of every kind of person there are some, and of many something is unknown.
fn somebody(number_of: u64) -> Vec<pb::Fact> {
    let signed = number_of as i64;
    let age = (!number_of.is_multiple_of(5)).then(|| number("worker.age", 10 + signed % 40));
    let months = (!number_of.is_multiple_of(3)).then(|| number("worker.months", signed % 9));
    let trained = (!number_of.is_multiple_of(4)).then(|| truth("worker.trained", signed % 8 < 3));
    [age, months, trained].into_iter().flatten().collect()
}

fn everybody(count: u64) -> Vec<pb::SubjectFacts> {
    (0..count).map(|it| facts_of_employer(it, somebody(it))).collect()
}

/// How many of those who are made from numbers have each verdict, asked one by one.
async fn asked(hub: &TestHub, count: u64, programme: &str) -> Vec<(pb::Verdict, i64, i64)> {
    let mut client = hub.connect("platform-north").await.eligibility();
    let mut counts = std::collections::BTreeMap::<i32, (i64, i64)>::new();
    for it in 0..count {
        let request = check(somebody(it), &[programme]);
        let answer = client.check_eligibility(request).await.unwrap().into_inner();
        let determination = &answer.determinations[0];
        let entry = counts.entry(determination.verdict).or_default();
        entry.0 += 1;
        entry.1 += determination.amount.as_ref().map_or(0, |it| it.least);
    }
    let verdict = |it: i32| pb::Verdict::try_from(it).unwrap();
    counts.into_iter().map(|(it, (count, sum))| (verdict(it), count, sum)).collect()
}

#[test]
fn a_sweep_finds_of_everybody_what_a_check_of_each_finds() {
    story(async |world| {
        let hub = world.hub().await;
        furnish(&hub, vec![grant(3), training()]).await;
        population(&hub, BUREAU, "north").await;
        let count = 240;
        assert_eq!(store(&hub, "north", everybody(count)).await.created, count as i32);
        let swept = sweep(&hub, "north", |it| it).await;
        assert_eq!((swept.state(), swept.seen, swept.subjects), (pb::SweepState::Done, 240, 240));
        assert_eq!((swept.evaluations, swept.spared), (480, 0));
        for programme in [GRANT, TRAINING] {
            assert_eq!(counts(&swept, programme), asked(&hub, count, programme).await);
        }
        let eligible = counts(&swept, GRANT)[0];
        assert_eq!(eligible.0, pb::Verdict::Eligible);
        assert_eq!(swept.programmes[0].gained, eligible.1);

        // Found again page by page.
        let mut client = hub.connect(BUREAU).await.populations();
        let (mut token, mut found) = (String::new(), 0);
        loop {
            let request = pb::ListFindingsRequest {
                population: "north".to_owned(),
                programme: GRANT.to_owned(),
                verdict: pb::Verdict::Eligible.into(),
                page_size: 50,
                page_token: token,
            };
            let page = client.list_findings(request).await.unwrap().into_inner();
            found += page.findings.len();
            assert!(page.findings.iter().all(|it| it.least > 0 && it.edition == 1));
            token = page.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        assert_eq!(found as i64, eligible.1);
    });
}

#[test]
fn a_later_sweep_evaluates_only_what_reads_something_that_has_changed() {
    story(async |world| {
        let hub = world.hub().await;
        let publisher = furnish(&hub, vec![grant(3), training()]).await;
        population(&hub, BUREAU, "north").await;
        store(&hub, "north", everybody(60)).await;
        let known = |months: i64, trained: bool| {
            vec![
                number("worker.age", 30),
                number("worker.months", months),
                truth("worker.trained", trained),
            ]
        };
        store(
            &hub,
            "north",
            vec![facts_of_employer(7, known(9, true)), facts_of_employer(8, known(0, false))],
        )
        .await;
        sweep(&hub, "north", |it| it).await;
        let idle = sweep(&hub, "north", |it| it).await;
        assert_eq!((idle.subjects, idle.seen, idle.evaluations), (0, 0, 0));

        // Months are read by one programme, and by the other not.
        store(&hub, "north", vec![facts_of_employer(7, vec![number("worker.months", 5)])]).await;
        let swept = sweep(&hub, "north", |it| it).await;
        assert_eq!((swept.seen, swept.evaluations, swept.spared), (1, 1, 1));
        assert_eq!((swept.programmes[0].gained, swept.programmes[0].lost), (0, 0));

        // One wins by it, another loses.
        let trained =
            |number, trained| facts_of_employer(number, vec![truth("worker.trained", trained)]);
        store(&hub, "north", vec![trained(7, false), trained(8, true)]).await;
        let swept = sweep(&hub, "north", |it| it).await;
        assert_eq!((swept.seen, swept.evaluations), (2, 4));
        let turned: Vec<_> =
            swept.programmes.iter().map(|it| (it.programme.as_str(), it.gained, it.lost)).collect();
        assert_eq!(turned, [(GRANT, 1, 0), (TRAINING, 1, 1)]);

        // Who moves away is no longer concerned.
        let mut moved = facts_of_employer(8, vec![]);
        moved.division = Some(division("330106"));
        store(&hub, "north", vec![moved]).await;
        let swept = sweep(&hub, "north", |it| it).await;
        let turned: Vec<_> = swept.programmes.iter().map(|it| (it.gained, it.lost)).collect();
        assert_eq!((swept.evaluations, turned), (0, vec![(0, 1), (0, 1)]));

        // Another edition is held against everybody, the other programme against nobody.
        publish(&hub, &publisher, grant(12)).await;
        in_force(&hub, GRANT, 2).await;
        let swept = sweep(&hub, "north", |it| it).await;
        assert_eq!((swept.seen, swept.evaluations, swept.spared), (60, 59, 59));
        assert_eq!(swept.programmes[0].edition, 2);
        let again = sweep(&hub, "north", |it| pb::StartSweepRequest { full: true, ..it }).await;
        assert_eq!((again.evaluations, again.spared, again.programmes[0].gained), (118, 0, 0));
    });
}

#[test]
fn an_error_of_an_expression_is_no_verdict_and_stops_nobody_else() {
    story(async |world| {
        let hub = world.hub().await;
        furnish(&hub, vec![dividing()]).await;
        population(&hub, BUREAU, "north").await;
        let of = |it: u64, divisor| {
            facts_of_employer(it, vec![number("worker.age", 30), number("worker.divisor", divisor)])
        };
        store(&hub, "north", vec![of(1, 0), of(2, 4), of(3, 5)]).await;
        let swept = sweep(&hub, "north", |it| it).await;
        assert_eq!(swept.state(), pb::SweepState::Done);
        assert_eq!(swept.programmes[0].failed, 1);
        assert_eq!(counts(&swept, "test.dividing"), [(pb::Verdict::Eligible, 2, 450)]);
        let request =
            pb::ListFindingsRequest { population: "north".to_owned(), ..Default::default() };
        let mut client = hub.connect(BUREAU).await.populations();
        assert_eq!(client.list_findings(request).await.unwrap().into_inner().findings.len(), 2);
    });
}

#[test]
fn a_population_is_swept_once_at_a_time_and_a_sweep_can_be_stopped() {
    story(async |world| {
        let hub = world.hub().await;
        furnish(&hub, vec![grant(3)]).await;
        population(&hub, BUREAU, "north").await;
        store(&hub, "north", everybody(9_000)).await;
        let begun = start(&hub, "north", |it| it).await;
        let mut client = hub.connect(BUREAU).await.populations();
        let named = |request_id: &str| pb::StartSweepRequest {
            population: "north".to_owned(),
            request_id: request_id.to_owned(),
            ..Default::default()
        };
        let refusal = Refusal::of(&client.start_sweep(named("")).await.unwrap_err());
        assert_eq!(refusal.reason, "ALREADY_EXISTS");
        let request =
            pb::CancelSweepRequest { sweep_id: begun.sweep_id.clone(), request_id: String::new() };
        let stopped = client.cancel_sweep(request).await.unwrap().into_inner().sweep.unwrap();
        let over = ended(&hub, &begun.sweep_id).await;
        assert_eq!(over.state(), stopped.state());
        if stopped.state() == pb::SweepState::Cancelled {
            assert!(over.seen < 9_000);
        }
        // What a sweep that was stopped left out the next one finds.
        let next = sweep(&hub, "north", |it| it).await;
        assert_eq!(next.state(), pb::SweepState::Done);
        let request = pb::ListSweepsRequest { population: "north".to_owned() };
        let sweeps = client.list_sweeps(request).await.unwrap().into_inner().sweeps;
        let ids: Vec<_> = sweeps.iter().map(|it| it.sweep_id.as_str()).collect();
        assert_eq!(ids, [next.sweep_id.as_str(), begun.sweep_id.as_str()]);
        let refusal = Refusal::of(
            &client
                .start_sweep(pb::StartSweepRequest {
                    programmes: vec!["test.nowhere".to_owned()],
                    ..named("")
                })
                .await
                .unwrap_err(),
        );
        assert_eq!(refusal.reason, "PROGRAMME_NOT_FOUND");
    });
}

#[test]
fn findings_name_workers_by_the_callers_own_references() {
    story(async |world| {
        let hub = world.hub().await;
        furnish(&hub, vec![training()]).await;
        population(&hub, BUREAU, "north").await;
        let people = people(&hub, BUREAU, 3).await;
        let trained = [true, false, true];
        let facts = people
            .iter()
            .zip(trained)
            .map(|(it, trained)| facts_of(it, vec![truth("worker.trained", trained)]));
        store(&hub, "north", facts.collect()).await;
        sweep(&hub, "north", |it| it).await;
        let request = pb::ListFindingsRequest {
            population: "north".to_owned(),
            verdict: pb::Verdict::Eligible.into(),
            ..Default::default()
        };
        let mut client = hub.connect(BUREAU).await.populations();
        let found = client.list_findings(request).await.unwrap().into_inner().findings;
        let references: Vec<_> = found.iter().map(|it| it.worker_reference.clone()).collect();
        assert_eq!(references, [people[0].clone(), people[2].clone()]);
        assert!(found.iter().all(|it| it.least == 5_000));
    });
}

#[test]
fn a_sweep_goes_on_where_it_was_when_its_hub_is_killed_and_counts_nobody_twice() {
    story(async |world| {
        let dir = cluster::directory("sweep");
        let hub = world.hub_in(&dir).await;
        furnish(&hub, vec![grant(3), training()]).await;
        population(&hub, BUREAU, "north").await;
        let count = 20_000;
        store(&hub, "north", everybody(count)).await;
        let expected = sweep(&hub, "north", |it| it).await;
        world.stop(&hub).await;

        let database = vec!["--database-url".to_owned(), cluster::url(&world.options)];
        let serving = Serving::new(&hub.ca, database, Some(dir.join("dev/keys")));
        let program =
            TestHub { address: serving.address, public: serving.address, ca: hub.ca.clone() };
        let mut running = serving.start();
        let mut client = until("a hub", async || {
            Connection::open(&program.options(BUREAU)).await.ok().map(|it| it.populations())
        })
        .await;
        let request = pb::StartSweepRequest {
            population: "north".to_owned(),
            full: true,
            ..Default::default()
        };
        let begun = client.start_sweep(request).await.unwrap().into_inner().sweep.unwrap();
        let request = || pb::GetSweepRequest { sweep_id: begun.sweep_id.clone() };
        let seen = until("some progress", async || {
            let sweep = client.get_sweep(request()).await.ok()?.into_inner().sweep?;
            (sweep.seen > 0).then_some(sweep.seen)
        })
        .await;
        running.kill();
        assert!(seen < count as i64, "it was over before it was killed");
        running = serving.start();
        let over = until("the end of the sweep", async || {
            let connection = Connection::open(&program.options(BUREAU)).await.ok()?;
            let sweep =
                connection.populations().get_sweep(request()).await.ok()?.into_inner().sweep?;
            (sweep.state() != pb::SweepState::Running).then_some(sweep)
        })
        .await;
        running.kill();
        assert_eq!((over.state(), over.seen, over.resumed), (pb::SweepState::Done, 20_000, 1));
        for programme in [GRANT, TRAINING] {
            assert_eq!(counts(&over, programme), counts(&expected, programme));
        }
        assert_eq!(over.evaluations, expected.evaluations);
    });
}

#[test]
fn who_is_eligible_gets_an_offer_once_and_accepts_it_with_one_call() {
    story(async |world| {
        let hub = world.hub().await;
        furnish(&hub, vec![grant(3), training()]).await;
        population(&hub, BUREAU, "north").await;
        let (own, theirs) =
            (people(&hub, BUREAU, 2).await, people(&hub, "platform-north", 2).await);
        assert_ne!(own, theirs, "the same people by other references");
        let known = |trained| {
            vec![
                number("worker.age", 30),
                number("worker.months", 9),
                truth("worker.trained", trained),
            ]
        };
        store(&hub, "north", vec![facts_of(&own[0], known(true)), facts_of(&own[1], known(false))])
            .await;
        let offering = |it| pb::StartSweepRequest { offers: true, answer_days: 30, ..it };
        let swept = sweep(&hub, "north", offering).await;
        let offers: Vec<_> =
            swept.programmes.iter().map(|it| (it.programme.as_str(), it.offers)).collect();
        // Of the other programme nobody gets an offer: its bureau waits for applications.
        assert_eq!(offers, [(GRANT, 0), (TRAINING, 1)]);

        let mut north = hub.connect("platform-north").await.applications();
        let listed = north.list_applications(pb::ListApplicationsRequest::default()).await;
        let listed = listed.unwrap().into_inner().applications;
        assert_eq!(listed.len(), 1);
        let offer = &listed[0];
        assert_eq!(
            (offer.programme.as_str(), offer.state()),
            (TRAINING, pb::ApplicationState::Offered)
        );
        let request = pb::AcceptOfferRequest {
            application_id: offer.application_id.clone(),
            etag: offer.etag.clone(),
            request_id: String::new(),
        };
        let accepted = north.accept_offer(request).await.unwrap().into_inner();
        assert_eq!(accepted.application.unwrap().state(), pb::ApplicationState::Granted);

        let again =
            sweep(&hub, "north", |it| pb::StartSweepRequest { full: true, ..offering(it) }).await;
        assert!(again.programmes.iter().all(|it| it.offers == 0), "nobody is offered it twice");
        // Who becomes eligible later gets one then.
        store(&hub, "north", vec![facts_of(&own[1], vec![truth("worker.trained", true)])]).await;
        let later = sweep(&hub, "north", offering).await;
        assert_eq!((later.seen, later.programmes[1].offers), (1, 1));
    });
}
