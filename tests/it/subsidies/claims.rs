//! Nobody gets the same twice, whoever asks, on however many platforms, at whatever moment.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use peshub::client::connect::{Connection, Options};
use peshub::client::error::Refusal;
use peshub::dev::Credentials;
use peshub::pb::peshub::participants::v1::ParticipantKind;
use peshub::pb::peshub::subsidies::v1::{self as pb, ApplicationState as State};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use sqlx::PgPool;

use crate::kill::Serving;
use crate::permissions::register;
use crate::support::applications::{
    AMOUNT, Applications, ONCE, OTHER, asking, budget, furnish, get, reference, submit, withdraw,
    worker,
};
use crate::support::eligibility::BUREAU;
use crate::support::{TestHub, World, cluster, story, until};

const NORTH: &str = "platform-north";
const SOUTH: &str = "platform-south";
/// Platforms that claim at the same time.
const PLATFORMS: usize = 8;
/// People for whom all of them claim.
const PEOPLE: u32 = 40;
/// For how many of them the budget is enough.
const FUNDED: i64 = 25;

#[test]
fn a_second_platform_learns_until_when_it_is_taken_and_nothing_else() {
    story(async |world| {
        let hub = world.hub().await;
        furnish(&hub).await;
        let (here, there) = (worker(&hub, NORTH, 1).await, worker(&hub, SOUTH, 1).await);
        assert_ne!(here, there);
        let mut north = hub.connect(NORTH).await.applications();
        let mut south = hub.connect(SOUTH).await.applications();
        let first = submit(&mut north, asking(ONCE, &here, true)).await.unwrap();
        let refused = submit(&mut south, asking(ONCE, &there, true)).await.unwrap_err();
        assert_eq!(refused.reason, "CLAIM_TAKEN");
        let said =
            "this is claimed already, or something that excludes it; it is taken until forever";
        assert_eq!(refused.message, said);
        let hidden = get(&mut south, &first.application_id).await.unwrap_err();
        assert_eq!(hidden.reason, "APPLICATION_NOT_FOUND");
        // The other programme of the pair is in the way as well, on whichever platform.
        let refused = submit(&mut north, asking(OTHER, &here, true)).await.unwrap_err();
        assert_eq!(refused.reason, "CLAIM_TAKEN");
        // Somebody else is in nobody's way.
        let somebody = worker(&hub, SOUTH, 2).await;
        submit(&mut south, asking(OTHER, &somebody, true)).await.unwrap();
        // What is taken back is free.
        withdraw(&mut north, &first).await.unwrap();
        submit(&mut south, asking(OTHER, &there, true)).await.unwrap();
        let refused = submit(&mut north, asking(ONCE, &here, true)).await.unwrap_err();
        assert_eq!(refused.reason, "CLAIM_TAKEN", "the pair holds from both sides");
        // Nothing that is stored of a claim names anybody.
        let stored: Vec<String> =
            sqlx::query_scalar("SELECT c::text FROM claim c").fetch_all(&world.pool).await.unwrap();
        assert!(stored.iter().all(|it| !it.contains(&here) && !it.contains(&there)));
    });
}

#[test]
fn the_constraint_itself_refuses_what_the_program_would_let_through() {
    // Shows that the checks below would see an overlap: the database is asked without the program.
    story(async |world| {
        drop(world.hub().await);
        let insert = "INSERT INTO claim (application_id, participant_id, grp, subject, period, programme)
                      SELECT gen_random_uuid(), participant_id, $1::uuid, $1::uuid, daterange($2::date, NULL), $3
                      FROM participant LIMIT 1";
        let put = async |day: &str, programme: Option<&str>| {
            let id = "00000000-0000-0000-0000-000000000001";
            let query = sqlx::query(insert).bind(id).bind(day).bind(programme);
            query.execute(&world.pool).await.map(drop)
        };
        put("2026-01-01", None).await.unwrap();
        let error = put("2030-01-01", None).await.unwrap_err().to_string();
        assert!(error.contains("claim_once"), "{error}");
        put("2026-01-01", Some("a")).await.unwrap();
        put("2026-01-01", Some("a")).await.unwrap();
        let error = put("2026-01-01", Some("b")).await.unwrap_err().to_string();
        assert!(error.contains("claim_exclusive"), "{error}");
        sqlx::query("ALTER TABLE claim DROP CONSTRAINT claim_once")
            .execute(&world.pool)
            .await
            .unwrap();
        put("2030-01-01", None).await.unwrap();
        assert_eq!(overlaps(&world.pool).await, 1, "an overlap is seen");
    });
}

/// How many pairs of claims stand in each other's way.
async fn overlaps(pool: &PgPool) -> i64 {
    let query = "SELECT count(*) FROM claim a JOIN claim b
                 ON a.subject = b.subject AND a.grp = b.grp AND a.period && b.period AND a.ctid < b.ctid
                 WHERE (a.programme IS NULL AND b.programme IS NULL) OR a.programme <> b.programme";
    sqlx::query_scalar(query).fetch_one(pool).await.unwrap()
}

/// A platform, and its references to everybody.
struct Platform {
    options: Options,
    people: Vec<String>,
}

/// Registers the platforms, and the people with each of them.
async fn platforms(hub: &TestHub) -> Vec<Platform> {
    let mut platforms = Vec::new();
    for number in 0..PLATFORMS {
        let name = format!("storm-{number}");
        let token = register(hub, &name, ParticipantKind::Platform).await;
        let options = Options { identity: None, token: Some(token), ..hub.options("nobody") };
        let connection = Connection::open(&options).await.unwrap();
        let mut people = Vec::new();
        for person in 0..PEOPLE {
            people.push(reference(&mut connection.workers(), person).await);
        }
        platforms.push(Platform { options, people });
    }
    platforms
}

/// What a platform was told: what it has now, and how often it was refused and why.
#[derive(Default)]
struct Told {
    own: Vec<pb::Application>,
    filed: usize,
    refused: BTreeMap<String, usize>,
}

/// Asks until there is an answer, under the same request id, as a client does that has lost its connection.
async fn asked<T>(mut ask: impl AsyncFnMut() -> Result<T, Refusal>) -> Result<T, Refusal> {
    let begun = Instant::now();
    loop {
        match ask().await {
            Err(refusal)
                if refusal.is_transport
                    || ["STORE_UNAVAILABLE", "SHUTTING_DOWN", "CONTENDED", "OVERLOADED"]
                        .contains(&refusal.reason.as_str()) =>
            {
                assert!(begun.elapsed() < crate::support::DEADLINE, "{refusal}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            answer => return answer,
        }
    }
}

/// Files for a person.
async fn file(client: &mut Applications, person: &str, request_id: String, told: &mut Told) {
    let request = pb::SubmitApplicationRequest { request_id, ..asking(ONCE, person, true) };
    match asked(async || submit(client, request.clone()).await).await {
        Ok(filed) => {
            told.own.push(filed);
            told.filed += 1;
        }
        Err(refusal) => *told.refused.entry(refusal.reason).or_default() += 1,
    }
}

/// Files and takes back at random until told to stop, and then files for everybody.
async fn storm(platform: Platform, number: usize, seed: u64, stop: &AtomicBool) -> Told {
    let mut client = Connection::lazy(&platform.options).unwrap().applications();
    let mut rng = StdRng::seed_from_u64(seed.wrapping_add(number as u64));
    let mut told = Told::default();
    let mut count = 0;
    let mut id = || {
        count += 1;
        format!("{number}-{count}")
    };
    while !stop.load(Ordering::Relaxed) {
        if !told.own.is_empty() && rng.random_range(0..3) == 0 {
            let it = told.own.swap_remove(rng.random_range(0..told.own.len()));
            let request = pb::WithdrawApplicationRequest {
                application_id: it.application_id,
                etag: it.etag,
                request_id: id(),
            };
            let withdrawn = asked(async || {
                let answer = client.withdraw_application(request.clone()).await;
                answer.map_err(|status| Refusal::of(&status))
            });
            withdrawn.await.unwrap();
        } else {
            let person = &platform.people[rng.random_range(0..platform.people.len())];
            file(&mut client, person, id(), &mut told).await;
        }
    }
    for person in &platform.people {
        file(&mut client, person, id(), &mut told).await;
    }
    told
}

/// For how long: `PESHUB_CLAIMS_SECONDS`, or a few seconds.
fn duration() -> Duration {
    let given = std::env::var("PESHUB_CLAIMS_SECONDS").ok().and_then(|it| it.parse().ok());
    Duration::from_secs(given.unwrap_or(6))
}

/// Holds what the platforms were told against what is stored.
async fn compare(pool: &PgPool, told: &[Told]) {
    assert_eq!(overlaps(pool).await, 0);
    let live: Vec<(uuid::Uuid, i64, i16)> = sqlx::query_as(
        "SELECT application_id, amount, stage FROM application WHERE state = 1 ORDER BY application_id",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let mut own: Vec<String> =
        told.iter().flat_map(|it| it.own.iter().map(|it| it.application_id.clone())).collect();
    own.sort();
    let stored: Vec<String> = live.iter().map(|it| it.0.to_string()).collect();
    assert_eq!(own, stored, "what was acknowledged is there, and nothing else");
    assert!(live.iter().all(|it| (it.1, it.2) == (AMOUNT, 1)));
    let reserved: (i64, i64) =
        sqlx::query_as("SELECT (SELECT sum(reserved)::bigint FROM budget_share), cap FROM budget")
            .fetch_one(pool)
            .await
            .unwrap();
    assert_eq!(
        reserved,
        (FUNDED * AMOUNT, FUNDED * AMOUNT),
        "the budget is used to its cap exactly"
    );
    assert_eq!(live.len() as i64, FUNDED);
    // Each takes two things: once for itself, and its place in the pair. Nothing is left of those that were taken back.
    let claims: i64 =
        sqlx::query_scalar("SELECT count(*) FROM claim").fetch_one(pool).await.unwrap();
    assert_eq!(claims, 2 * FUNDED);
    let mut refused = BTreeMap::<&str, usize>::new();
    for (reason, count) in told.iter().flat_map(|it| &it.refused) {
        *refused.entry(reason).or_default() += count;
    }
    let filed: usize = told.iter().map(|it| it.filed).sum();
    eprintln!("{filed} filed, {} stand, refused: {refused:?}", live.len());
    let reasons: Vec<_> = refused.keys().copied().collect();
    assert_eq!(reasons, ["BUDGET_EXHAUSTED", "CLAIM_TAKEN"]);
}

/// The demo platforms, by their certificates, in turns: several systems of each claim at the same time.
async fn certified(hub: &TestHub) -> Vec<Platform> {
    let mut platforms = Vec::new();
    for (name, _) in peshub::dev::PLATFORMS.iter().cycle().take(PLATFORMS) {
        let options = hub.options(name);
        let connection = Connection::open(&options).await.unwrap();
        let mut people = Vec::new();
        for person in 0..PEOPLE {
            people.push(reference(&mut connection.workers(), person).await);
        }
        platforms.push(Platform { options, people });
    }
    platforms
}

async fn furnished(
    world: &World,
    hub: &TestHub,
    platforms: impl AsyncFnOnce(&TestHub) -> Vec<Platform>,
) -> Vec<Platform> {
    furnish(hub).await;
    let mut bureau = hub.connect(BUREAU).await.applications();
    budget(&mut bureau, ONCE, FUNDED * AMOUNT).await.unwrap();
    let platforms = platforms(hub).await;
    // Calls are counted a minute, and these are many.
    sqlx::query("INSERT INTO participant_quota SELECT participant_id, q, 1000000 FROM participant, unnest(ARRAY[1, 2]) AS q ON CONFLICT DO NOTHING")
        .execute(&world.pool)
        .await
        .unwrap();
    platforms
}

/// Lets all of them claim at the same time.
async fn storming(platforms: Vec<Platform>, stop: &AtomicBool) -> Vec<Told> {
    let seed = rand::rng().random();
    eprintln!("seed {seed}");
    let all = platforms.into_iter().enumerate();
    let all = all.map(|(number, it)| storm(it, number, seed, stop));
    futures_util::future::join_all(all).await
}

#[test]
fn eight_platforms_that_claim_for_the_same_people_and_budget_never_overlap() {
    story(async |world| {
        let hub = world.hub().await;
        let platforms = furnished(world, &hub, platforms).await;
        let stop = AtomicBool::new(false);
        let stopping = async {
            tokio::time::sleep(duration()).await;
            stop.store(true, Ordering::Relaxed);
        };
        let (told, ()) = tokio::join!(storming(platforms, &stop), stopping);
        compare(&world.pool, &told).await;
        let states: Vec<i16> =
            sqlx::query_scalar("SELECT DISTINCT state FROM application ORDER BY 1")
                .fetch_all(&world.pool)
                .await
                .unwrap();
        assert_eq!(states, [State::Submitted as i16, State::Withdrawn as i16]);
    });
}

#[test]
fn a_hub_that_is_killed_in_between_changes_nothing_of_it() {
    story(async |world| {
        let dir = cluster::directory("claims");
        let hub = world.hub_in(&dir).await;
        let mut platforms = furnished(world, &hub, certified).await;
        world.stop(&hub).await;
        let database = vec!["--database-url".to_owned(), cluster::url(&world.options)];
        let serving =
            Serving::new(&world.ca, database, Some(Credentials::in_data_dir(&dir).keys()));
        for it in &mut platforms {
            it.options.address = format!("https://{}", serving.address);
        }
        let mut program = serving.start();
        let stop = AtomicBool::new(false);
        let filed = async || -> i64 {
            let query = "SELECT count(*) FROM application";
            sqlx::query_scalar(query).fetch_one(&world.pool).await.unwrap()
        };
        let killing = async {
            for _ in 0..4 {
                let enough = filed().await + 20;
                until("applications", async || (filed().await >= enough).then_some(())).await;
                program.kill();
                program = serving.start();
            }
            stop.store(true, Ordering::Relaxed);
        };
        let (told, ()) = tokio::join!(storming(platforms, &stop), killing);
        compare(&world.pool, &told).await;
        drop(program);
    });
}
