//! What bureaus keep of people.

use peshub::client::error::Refusal;
use peshub::pb::peshub::subsidies::v1 as pb;
use peshub::pb::peshub::subsidies::v1::store_facts_request::Message;
use peshub::pb::peshub::workers::v1::EraseWorkerRequest;
use sqlx::AssertSqlSafe;
use tokio_stream::iter;

use crate::support::eligibility::{
    BUREAU, division, facts_of, furnish, grant, number, people, population, store, sweep, truth,
};
use crate::support::{World, story};
use crate::workers::people::{let_erase, workers};

fn outcome(answer: &pb::StoreFactsResponse) -> (i32, i32, i32, i32) {
    (answer.created, answer.changed, answer.unchanged, answer.removed)
}

#[test]
fn facts_are_taken_in_once_and_only_what_is_other_than_before_is_a_change() {
    story(async |world| {
        let hub = world.hub().await;
        furnish(&hub, vec![grant(3)]).await;
        population(&hub, BUREAU, "north").await;
        let people = people(&hub, BUREAU, 3).await;
        let of = |index: usize, facts| facts_of(&people[index], facts);
        let all = || {
            vec![
                of(0, vec![number("worker.age", 20)]),
                of(1, vec![number("worker.age", 30), truth("worker.trained", true)]),
                of(2, vec![]),
            ]
        };
        assert_eq!(outcome(&store(&hub, "north", all()).await), (3, 0, 0, 0));
        assert_eq!(outcome(&store(&hub, "north", all()).await), (0, 0, 3, 0));
        let mut forgetting = of(1, vec![]);
        forgetting.unknown = vec!["worker.trained".to_owned()];
        let mut leaving = of(2, vec![]);
        leaving.remove = true;
        let mut moving = of(0, vec![]);
        moving.division = Some(division("440304"));
        let changes = vec![forgetting.clone(), leaving.clone(), moving];
        assert_eq!(outcome(&store(&hub, "north", changes).await), (0, 2, 0, 1));
        assert_eq!(outcome(&store(&hub, "north", vec![forgetting, leaving]).await), (0, 0, 1, 0));
        let mut client = hub.connect(BUREAU).await.populations();
        let request = pb::ListPopulationsRequest {};
        let found = client.list_populations(request).await.unwrap().into_inner().populations;
        assert_eq!((found[0].name.as_str(), found[0].subjects), ("north", 2));
        assert_eq!(found[0].revision, 2, "what changes nothing is no revision");
    });
}

#[test]
fn who_cannot_be_stored_is_named_with_the_reason_and_the_others_are_stored() {
    story(async |world| {
        let hub = world.hub().await;
        furnish(&hub, vec![grant(3)]).await;
        population(&hub, BUREAU, "north").await;
        let people = people(&hub, BUREAU, 2).await;
        let theirs = crate::support::eligibility::people(&hub, "platform-north", 1).await;
        let nowhere = pb::SubjectFacts { division: None, ..facts_of(&people[0], vec![]) };
        let nobody =
            pb::SubjectFacts { subject: Some(pb::SubjectKey::default()), ..facts_of("", vec![]) };
        let rows = vec![
            facts_of(&theirs[0], vec![]),
            facts_of(&people[0], vec![number("worker.height", 3)]),
            facts_of(&people[0], vec![number("worker.age", 1), number("worker.age", 2)]),
            nowhere,
            nobody,
            facts_of("me", vec![]),
            facts_of(&people[1], vec![number("worker.age", 3)]),
        ];
        let answer = store(&hub, "north", rows).await;
        assert_eq!(outcome(&answer), (1, 0, 0, 0));
        let rejects: Vec<_> =
            answer.rejects.iter().map(|it| (it.index, it.reason.as_str())).collect();
        let expected = [
            (0, "WORKER_NOT_FOUND"),
            (1, "FACT_UNKNOWN"),
            (2, "FIELDS_INVALID"),
            (3, "FIELDS_INVALID"),
            (4, "FIELDS_INVALID"),
            (5, "FIELDS_INVALID"),
        ];
        assert_eq!(rejects, expected);

        let mut client = hub.connect(BUREAU).await.populations();
        let open = |name: &str| Message::Open(pb::OpenStore { population: name.to_owned() });
        let batch = || {
            Message::Batch(pb::FactBatch {
                number: 1,
                subjects: vec![facts_of(&people[0], vec![])],
            })
        };
        for (messages, reason) in [
            (vec![open("south")], "POPULATION_NOT_FOUND"),
            (vec![batch()], "STREAM_OUT_OF_STEP"),
            (vec![open("north"), open("north")], "STREAM_OUT_OF_STEP"),
        ] {
            let sent: Vec<_> = messages
                .into_iter()
                .map(|it| pb::StoreFactsRequest { message: Some(it) })
                .collect();
            let mut answers = client.store_facts(iter(sent)).await.unwrap().into_inner();
            let refusal = Refusal::of(&answers.message().await.unwrap_err());
            assert_eq!(refusal.reason, reason, "{refusal}");
        }
    });
}

#[test]
fn a_population_is_its_bureaus_alone_and_goes_with_all_that_is_kept() {
    story(async |world| {
        let hub = world.hub().await;
        furnish(&hub, vec![grant(3)]).await;
        population(&hub, BUREAU, "north").await;
        let people = people(&hub, BUREAU, 2).await;
        let facts = people.iter().map(|it| facts_of(it, vec![number("worker.age", 30)]));
        store(&hub, "north", facts.collect()).await;
        let swept = sweep(&hub, "north", |it| it).await;
        let mut other = hub.connect("bureau-zhejiang").await.populations();
        assert_eq!(
            other
                .list_populations(pb::ListPopulationsRequest {})
                .await
                .unwrap()
                .into_inner()
                .populations,
            []
        );
        let request = pb::GetSweepRequest { sweep_id: swept.sweep_id.clone() };
        let refusal = Refusal::of(&other.get_sweep(request).await.unwrap_err());
        assert_eq!(refusal.reason, "SWEEP_NOT_FOUND");
        let named =
            || pb::ListFindingsRequest { population: "north".to_owned(), ..Default::default() };
        let refusal = Refusal::of(&other.list_findings(named()).await.unwrap_err());
        assert_eq!(refusal.reason, "POPULATION_NOT_FOUND");

        let mut own = hub.connect(BUREAU).await.populations();
        let again = pb::CreatePopulationRequest {
            name: "north".to_owned(),
            purpose: "A test".to_owned(),
            ..Default::default()
        };
        let refusal = Refusal::of(&own.create_population(again).await.unwrap_err());
        assert_eq!(refusal.reason, "ALREADY_EXISTS");
        assert_eq!(own.list_findings(named()).await.unwrap().into_inner().findings.len(), 2);
        let request =
            pb::DeletePopulationRequest { population: "north".to_owned(), ..Default::default() };
        assert_eq!(own.delete_population(request).await.unwrap().into_inner().subjects, 2);
        for table in
            ["population", "population_subject", "subject_standing", "sweep", "population_swept"]
        {
            assert_eq!(count(world, table, "true").await, 0, "{table}");
        }
    });
}

async fn count(world: &World, table: &str, condition: &str) -> i64 {
    let query = format!("SELECT count(*) FROM {table} WHERE {condition}");
    sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&world.pool).await.unwrap()
}

/// Everything that the database holds of subjects, as text.
async fn dump(world: &World) -> Vec<Vec<u8>> {
    let facts: Vec<Vec<u8>> = sqlx::query_scalar("SELECT sealed FROM population_subject")
        .fetch_all(&world.pool)
        .await
        .unwrap();
    let standings: Vec<Vec<u8>> = sqlx::query_scalar("SELECT sealed FROM subject_standing")
        .fetch_all(&world.pool)
        .await
        .unwrap();
    [facts, standings].concat()
}

#[test]
fn nothing_can_be_read_in_the_database_and_erasing_a_worker_takes_all_of_it_away() {
    story(async |world| {
        let hub = world.hub().await;
        furnish(&hub, vec![grant(3)]).await;
        population(&hub, BUREAU, "north").await;
        let people = people(&hub, BUREAU, 2).await;
        let planted = |it: &String| pb::SubjectFacts {
            facts: vec![pb::Fact {
                provenance: Some(pb::Provenance {
                    reference: "zhrau-qelv-record".to_owned(),
                    ..Default::default()
                }),
                ..number("worker.age", 30)
            }],
            ..facts_of(it, vec![])
        };
        let alone = pb::SubjectFacts {
            subject: Some(pb::SubjectKey {
                employer: "91330106MA2CHU0B7X".to_owned(),
                ..Default::default()
            }),
            ..planted(&people[0])
        };
        let facts: Vec<_> = people.iter().map(planted).chain([alone]).collect();
        assert_eq!(store(&hub, "north", facts).await.created, 3);
        sweep(&hub, "north", |it| it).await;
        let kept = dump(world).await;
        assert_eq!(kept.len(), 6);
        for sealed in &kept {
            let found = |words: &[u8]| sealed.windows(words.len()).any(|it| it == words);
            assert!(!found(b"zhrau-qelv") && !found(b"91330106"), "something is not sealed");
        }
        let worker: uuid::Uuid = people[0].parse().unwrap();
        let of = format!(
            "worker_id = (SELECT worker_id FROM worker_reference WHERE reference = '{worker}')"
        );
        assert_eq!(count(world, "population_subject", &of).await, 1);

        // Whoever knows the worker may erase: it reaches what others keep.
        let mut eraser = workers(&hub, BUREAU).await;
        let_erase(&world.pool, &eraser, BUREAU).await;
        let request =
            EraseWorkerRequest { reference: people[0].clone(), request_id: String::new() };
        eraser.erase_worker(request).await.unwrap();
        assert_eq!(count(world, "population_subject", &of).await, 0);
        assert_eq!(
            (
                count(world, "population_subject", "true").await,
                count(world, "subject_standing", "true").await
            ),
            (2, 2)
        );
        let answer = store(&hub, "north", vec![facts_of(&people[0], vec![])]).await;
        assert_eq!(answer.rejects[0].reason, "WORKER_ERASED");
        let swept = sweep(&hub, "north", |it| pb::StartSweepRequest { full: true, ..it }).await;
        assert_eq!(swept.seen, 2);
    });
}

#[test]
fn what_is_sealed_for_one_subject_opens_for_no_other() {
    story(async |world| {
        let hub = world.hub().await;
        furnish(&hub, vec![grant(3)]).await;
        population(&hub, BUREAU, "north").await;
        let people = people(&hub, BUREAU, 2).await;
        let facts = people.iter().map(|it| facts_of(it, vec![number("worker.age", 30)]));
        store(&hub, "north", facts.collect()).await;
        // Somebody with the database in hand gives one what is another's.
        let swap = "UPDATE population_subject SET sealed = (SELECT sealed FROM population_subject ORDER BY subject_id LIMIT 1)";
        sqlx::query(swap).execute(&world.pool).await.unwrap();
        let swept = sweep(&hub, "north", |it| it).await;
        assert_eq!((swept.state(), swept.reason.as_str()), (pb::SweepState::Failed, "INTERNAL"));
    });
}
