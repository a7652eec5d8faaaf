//! Checks of one subject.

use peshub::client::error::Refusal;
use peshub::pb::peshub::subsidies::v1 as pb;

use crate::support::eligibility::{
    BUREAU, GRANT, TRAINING, check, dividing, furnish, grant, in_force, number, publish, told,
    training, truth,
};
use crate::support::story;

#[test]
fn somebody_is_told_what_there_is_how_much_why_and_what_is_missing() {
    story(async |world| {
        let hub = world.hub().await;
        furnish(&hub, vec![training(), grant(3)]).await;
        let mut client = hub.connect("platform-north").await.eligibility();
        let rows = [
            (
                vec![
                    number("worker.age", 30),
                    number("worker.months", 7),
                    truth("worker.trained", false),
                ],
                ["test.grant ELIGIBLE 1700", "test.training NOT_ELIGIBLE failed trained"],
            ),
            // What is not known is not false, and only what can still change something is asked for.
            (
                vec![number("worker.age", 30)],
                [
                    "test.grant NEEDS_FACTS 1000..100001000 ask worker.months,worker.trained",
                    "test.training NEEDS_FACTS 5000 ask worker.trained",
                ],
            ),
            (
                vec![number("worker.age", 17)],
                [
                    "test.grant NOT_ELIGIBLE failed adult",
                    "test.training NEEDS_FACTS 5000 ask worker.trained",
                ],
            ),
            (
                vec![number("worker.age", 30), number("worker.months", 1)],
                [
                    "test.grant NEEDS_FACTS 1100 ask worker.trained",
                    "test.training NEEDS_FACTS 5000 ask worker.trained",
                ],
            ),
        ];
        for (facts, expected) in rows {
            let answer = client.check_eligibility(check(facts, &[])).await.unwrap().into_inner();
            let told: Vec<_> = answer.determinations.iter().map(told).collect();
            assert_eq!(told, expected);
            for determination in &answer.determinations {
                assert_eq!(determination.edition_sha256.len(), 32);
                assert!(determination.ask.iter().all(|it| it.evidence == ["test-paper"]));
            }
        }
    });
}

#[test]
fn nothing_is_answered_for_what_is_not_asked_rightly() {
    story(async |world| {
        let hub = world.hub().await;
        furnish(&hub, vec![grant(3), dividing()]).await;
        let mut client = hub.connect("platform-north").await.eligibility();
        let mut elsewhere = check(vec![], &[]);
        elsewhere.terms.as_mut().unwrap().division.as_mut().unwrap().code = "999999".to_owned();
        let mut past = check(vec![], &[GRANT]);
        past.terms.as_mut().unwrap().programmes[0].edition = 7;
        let mut day = check(vec![], &[]);
        day.terms.as_mut().unwrap().day = "2026-02-30".to_owned();
        let unknown = number("worker.height", 3);
        let stated = pb::Fact { name: "claim.date".to_owned(), ..number("", 1) };
        let rows = [
            (check(vec![unknown], &[]), "FACT_UNKNOWN", "facts[0].name"),
            (check(vec![truth("worker.age", true)], &[]), "FACT_UNKNOWN", "facts[0].value"),
            (check(vec![number("worker.age", 151)], &[]), "FACT_UNKNOWN", "facts[0].value"),
            (check(vec![stated], &[]), "FACT_UNKNOWN", "facts[0].name"),
            (check(vec![], &["test.nowhere"]), "PROGRAMME_NOT_FOUND", ""),
            (past, "PROGRAMME_EDITION_NOT_FOUND", ""),
            (elsewhere, "FIELDS_INVALID", "terms.division.code"),
            (day, "FIELDS_INVALID", "terms.day"),
            (
                check(
                    vec![number("worker.age", 20), number("worker.divisor", 0)],
                    &["test.dividing"],
                ),
                "EVALUATION_FAILED",
                "",
            ),
        ];
        for (request, reason, field) in rows {
            let refusal = Refusal::of(&client.check_eligibility(request).await.unwrap_err());
            assert_eq!(refusal.reason, reason, "{refusal}");
            let found = refusal.violations.first().map_or("", |it| it.field.as_str());
            assert_eq!(found, field, "{refusal}");
            assert!(!refusal.to_string().contains("151"), "values are personal: {refusal}");
        }
        // With a criterion that fails, nobody divides.
        let young =
            check(vec![number("worker.age", 17), number("worker.divisor", 0)], &["test.dividing"]);
        let answer = client.check_eligibility(young).await.unwrap().into_inner();
        assert_eq!(told(&answer.determinations[0]), "test.dividing NOT_ELIGIBLE failed adult");
    });
}

#[test]
fn an_earlier_edition_still_answers_as_it_did_and_the_newest_answers_otherwise() {
    story(async |world| {
        let hub = world.hub().await;
        let publisher = furnish(&hub, vec![grant(3)]).await;
        publish(&hub, &publisher, grant(12)).await;
        in_force(&hub, GRANT, 2).await;
        let mut client = hub.connect(BUREAU).await.eligibility();
        let facts = || {
            vec![
                number("worker.age", 30),
                number("worker.months", 5),
                truth("worker.trained", false),
            ]
        };
        let mut request = check(facts(), &[GRANT, GRANT]);
        request.terms.as_mut().unwrap().programmes[1].edition = 1;
        let answer = client.check_eligibility(request).await.unwrap().into_inner();
        let told: Vec<_> = answer.determinations.iter().map(told).collect();
        assert_eq!(told, ["test.grant NOT_ELIGIBLE failed covered", "test.grant ELIGIBLE 1500"]);
        assert_eq!(answer.determinations[1].edition, 1);
    });
}

#[test]
fn an_answer_says_as_much_as_is_asked_for_and_costs_the_same() {
    story(async |world| {
        let hub = world.hub().await;
        furnish(&hub, vec![training(), grant(3)]).await;
        let mut client = hub.connect("platform-north").await.eligibility();
        let facts = || {
            vec![
                number("worker.age", 30),
                number("worker.months", 7),
                truth("worker.trained", false),
            ]
        };
        let mut answers = Vec::new();
        for detail in
            [pb::CheckDetail::Verdict, pb::CheckDetail::Criteria, pb::CheckDetail::Derivation]
        {
            let mut request = check(facts(), &[GRANT]);
            request.terms.as_mut().unwrap().detail = detail.into();
            let answer = client.check_eligibility(request).await.unwrap().into_inner();
            answers.push(answer.determinations.into_iter().next().unwrap());
        }
        assert!(answers.iter().all(|it| it.cost == answers[0].cost && it.cost > 0));
        assert!(answers[0].criteria.is_empty() && !answers[1].criteria.is_empty());
        assert_eq!(answers[2].criteria[1].facts_read, ["worker.months"]);
        let derivation = |it: &pb::Determination| it.amount.clone().unwrap().derivation;
        assert!(derivation(&answers[1]).is_empty());
        assert_eq!(derivation(&answers[2]).last().unwrap().value, "1700");

        // The next best question is the one that can bring more.
        let mut request = check(vec![number("worker.age", 30)], &[]);
        request.terms.as_mut().unwrap().rank_questions = true;
        request.terms.as_mut().unwrap().look_ahead = true;
        let answer = client.check_eligibility(request).await.unwrap().into_inner();
        let questions: Vec<_> = answer
            .questions
            .iter()
            .map(|it| {
                (
                    it.fact.as_ref().unwrap().name.as_str(),
                    it.unlocks[0].greatest,
                    it.programmes.len(),
                )
            })
            .collect();
        assert_eq!(
            questions,
            [("worker.trained", 100_006_000, 2), ("worker.months", 100_001_000, 1)]
        );
        assert_eq!(answer.determinations[0].programme, GRANT);
        assert_eq!(answer.determinations[1].programme, TRAINING);
    });
}

#[test]
fn a_check_can_be_as_of_another_day() {
    story(async |world| {
        let hub = world.hub().await;
        furnish(&hub, vec![grant(3)]).await;
        let mut client = hub.connect("platform-north").await.eligibility();
        let mut request =
            check(vec![number("worker.age", 30), number("worker.months", 7)], &[GRANT]);
        request.terms.as_mut().unwrap().day = "2019-12-31".to_owned();
        request.terms.as_mut().unwrap().look_ahead = true;
        let answer = client.check_eligibility(request).await.unwrap().into_inner();
        assert_eq!(told(&answer.determinations[0]), "test.grant NO_VERSION");
        assert_eq!(answer.determinations[0].turns_on, "2020-01-01");
        assert_eq!(answer.determinations[0].selected_on, "2019-12-31");
    });
}
