//! Streams of checks.

use peshub::client::error::Refusal;
use peshub::pb::peshub::subsidies::v1 as pb;
use peshub::pb::peshub::subsidies::v1::check_subjects_request::Message;
use tokio_stream::iter;

use crate::support::eligibility::{
    GRANT, check, dividing, furnish, grant, number, terms, told, truth,
};
use crate::support::story;

fn asking(message: Message) -> pb::CheckSubjectsRequest {
    pb::CheckSubjectsRequest { message: Some(message) }
}

fn batch(number: i64, subjects: Vec<Vec<pb::Fact>>) -> pb::CheckSubjectsRequest {
    let subjects = subjects
        .into_iter()
        .map(|facts| pb::CheckSubject { facts, ..Default::default() })
        .collect();
    asking(Message::Batch(pb::SubjectBatch { number, subjects }))
}

#[test]
fn a_stream_answers_each_subject_as_a_call_would_in_the_order_of_the_batches() {
    story(async |world| {
        let hub = world.hub().await;
        furnish(&hub, vec![grant(3)]).await;
        let connection = hub.connect("platform-north").await;
        let facts = |age: i64| {
            vec![
                number("worker.age", age),
                number("worker.months", age % 7),
                truth("worker.trained", age % 3 == 0),
            ]
        };
        let batches = (0..5).map(|of| batch(of, (0..40).map(|it| facts(of * 10 + it)).collect()));
        let open = asking(Message::Open(terms(&[])));
        let sent: Vec<_> = std::iter::once(open).chain(batches).collect();
        let answers = connection.eligibility().check_subjects(iter(sent)).await.unwrap();
        let mut answers = answers.into_inner();
        let mut single = connection.eligibility();
        for of in 0..5 {
            let answer = answers.message().await.unwrap().unwrap();
            assert_eq!((answer.number, answer.results.len()), (of, 40));
            for (index, result) in (0..).zip(answer.results) {
                let request = check(facts(of * 10 + index), &[]);
                let expected = single.check_eligibility(request).await.unwrap().into_inner();
                assert_eq!(result.determinations, expected.determinations);
            }
        }
        assert!(answers.message().await.unwrap().is_none());
    });
}

#[test]
fn a_subject_that_cannot_be_checked_stops_nobody_else() {
    story(async |world| {
        let hub = world.hub().await;
        furnish(&hub, vec![grant(3), dividing()]).await;
        let subjects = vec![
            vec![number("worker.height", 1)],
            vec![number("worker.age", 20), number("worker.divisor", 0)],
            vec![number("worker.age", 20), number("worker.divisor", 4)],
        ];
        let sent = vec![asking(Message::Open(terms(&["test.dividing"]))), batch(1, subjects)];
        let mut client = hub.connect("platform-north").await.eligibility();
        let mut answers = client.check_subjects(iter(sent)).await.unwrap().into_inner();
        let results = answers.message().await.unwrap().unwrap().results;
        let reasons: Vec<_> = results.iter().map(|it| it.reason.as_str()).collect();
        assert_eq!(reasons, ["FACT_UNKNOWN", "EVALUATION_FAILED", ""]);
        assert!(results[1].determinations.is_empty(), "an error is no verdict");
        assert_eq!(told(&results[2].determinations[0]), "test.dividing ELIGIBLE 250");
    });
}

#[test]
fn a_stream_that_is_out_of_step_ends_with_the_reason() {
    story(async |world| {
        let hub = world.hub().await;
        furnish(&hub, vec![grant(3)]).await;
        let open = || asking(Message::Open(terms(&[GRANT])));
        let nobody = || batch(1, vec![vec![]]);
        let rows = [
            (vec![nobody()], "STREAM_OUT_OF_STEP"),
            (vec![open(), open()], "STREAM_OUT_OF_STEP"),
            (vec![pb::CheckSubjectsRequest::default()], "STREAM_OUT_OF_STEP"),
            (vec![asking(Message::Open(terms(&["test.nowhere"])))], "PROGRAMME_NOT_FOUND"),
            (vec![asking(Message::Open(pb::CheckTerms::default()))], "FIELDS_INVALID"),
            (vec![open(), batch(1, vec![])], "FIELDS_INVALID"),
            (vec![open(), batch(1, vec![vec![]; 1_001])], "FIELDS_INVALID"),
        ];
        let mut client = hub.connect("platform-north").await.eligibility();
        for (sent, reason) in rows {
            let mut answers = client.check_subjects(iter(sent)).await.unwrap().into_inner();
            let refusal = Refusal::of(&answers.message().await.unwrap_err());
            assert_eq!(refusal.reason, reason, "{refusal}");
        }
    });
}
