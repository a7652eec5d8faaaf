//! What a programme would change that is not published.

use peshub::client::error::Refusal;
use peshub::pb::peshub::subsidies::v1 as pb;

use crate::support::eligibility::{
    BUREAU, division, facts_of_employer, furnish, grant, number, population, store, training, truth,
};
use crate::support::story;

fn of(it: u64, months: i64, trained: Option<bool>, code: &str) -> pb::SubjectFacts {
    let trained = trained.map(|it| truth("worker.trained", it));
    let facts =
        [number("worker.age", 30), number("worker.months", months)].into_iter().chain(trained);
    pb::SubjectFacts { division: Some(division(code)), ..facts_of_employer(it, facts.collect()) }
}

#[test]
fn a_bureau_sees_who_would_gain_and_lose_and_what_it_would_cost_by_division() {
    story(async |world| {
        let hub = world.hub().await;
        furnish(&hub, vec![grant(3)]).await;
        population(&hub, BUREAU, "north").await;
        let subjects = vec![
            // In Nanshan: one has five months, one is trained, of one it is not known.
            of(1, 5, Some(false), "440305"),
            of(2, 0, Some(true), "440305"),
            of(3, 5, None, "440305"),
            // In Futian: one has twelve months.
            of(4, 12, Some(false), "440304"),
            // Where the programme does not hold.
            of(5, 12, Some(true), "330106"),
        ];
        store(&hub, "north", subjects).await;
        let mut draft = grant(6);
        draft.versions[0].amount = "2000 + worker.months * 50".to_owned();
        let request = |programme: pb::Programme| pb::SimulateProgrammeRequest {
            population: "north".to_owned(),
            programme: Some(programme),
            day: String::new(),
        };
        let mut client = hub.connect(BUREAU).await.populations();
        let mut told = client.simulate_programme(request(draft)).await.unwrap().into_inner();
        let mut last = pb::SimulateProgrammeResponse::default();
        while let Some(message) = told.message().await.unwrap() {
            assert!(!last.done && message.seen >= last.seen);
            last = message;
        }
        assert!(last.done);
        assert_eq!((last.seen, last.compared_with, last.currency.as_str()), (5, 1, "CNY"));
        let effect = |it: &pb::DivisionEffect| {
            let code = it.division.as_ref().map_or("", |it| it.code.as_str()).to_owned();
            (
                code,
                [
                    it.subjects,
                    it.eligible_before,
                    it.eligible_after,
                    it.winners,
                    it.losers,
                    it.cost_before,
                    it.cost_after,
                    it.needs_facts_after,
                ],
            )
        };
        let effects: Vec<_> = last.divisions.iter().map(effect).collect();
        let expected = [
            ("330106".to_owned(), [1, 0, 0, 0, 0, 0, 0, 0]),
            ("440304".to_owned(), [1, 1, 1, 1, 0, 2_200, 2_600, 0]),
            ("440305".to_owned(), [3, 3, 1, 1, 2, 1_500 + 1_000 + 1_500, 2_000, 1]),
        ];
        assert_eq!(effects, expected);
        assert_eq!(effect(last.total.as_ref().unwrap()).1, [5, 4, 2, 2, 2, 6_200, 4_600, 1]);

        // A programme that is new wins for everybody whom it concerns.
        let mut told = client.simulate_programme(request(training())).await.unwrap().into_inner();
        while let Some(message) = told.message().await.unwrap() {
            last = message;
        }
        let total = last.total.unwrap();
        assert_eq!(
            (last.compared_with, total.winners, total.losers, total.cost_after),
            (0, 1, 0, 5_000)
        );

        let mut wrong = grant(3);
        wrong.versions[0].criteria[1].expression = "worker.height > 3".to_owned();
        let mut told = client.simulate_programme(request(wrong)).await.unwrap().into_inner();
        let refusal = Refusal::of(&told.message().await.unwrap_err());
        assert_eq!(refusal.reason, "PROGRAMME_REFUSED");
        assert_eq!(refusal.violations[0].field, "programme.versions[0].criteria[1].expression");
    });
}
