//! How many claims a second the database takes when eight platforms claim for the same people and one budget. Each is a transaction of
//! its own, durable when it is counted: first with the claim and its part of the budget alone, then as a whole application is filed, with
//! its event and its audit row.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::bench::{BenchError, Report, rate};
use crate::dev::Database;
use crate::kernel::ids;
use crate::platform::db::{Db, DbError, Record};
use crate::platform::permit::Permit;
use crate::platform::tasks::Tasks;
use crate::subsidies::application::ApplicationId;
use crate::subsidies::application::machine::{Stage, State};
use crate::subsidies::store::application::{self, Row, Told};
use crate::subsidies::store::budget;
use crate::subsidies::store::claim::{self, Claims};

/// Who claims at the same time.
const WRITERS: usize = 8;
/// What each claim costs.
const AMOUNT: i64 = 5_000;
/// The programme.
const PROGRAMME: &str = "bench.claims";

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct ClaimOptions {
    /// For how long.
    pub seconds: u32,
    /// Of how many people one is claimed for each time.
    pub people: u32,
    /// When.
    pub now: OffsetDateTime,
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// A claim and its part of the budget.
    Claim,
    /// All that filing an application writes.
    Application,
}

/// What the writers share.
#[derive(Debug)]
struct Shared {
    db: Db,
    what: What,
    participant: i64,
    budget: i64,
    options: ClaimOptions,
    until: Instant,
    tried: AtomicUsize,
    taken: AtomicUsize,
}

/// Measures.
///
/// # Errors
///
/// The database fails, or two claims overlap.
pub async fn run(
    data_dir: &Path,
    search_path: Option<std::ffi::OsString>,
    options: ClaimOptions,
    report: &mut Report,
) -> Result<(), BenchError> {
    let database = Database::open(None, &data_dir.join("claims"), search_path).await?;
    let db = Db::open(database.options.clone(), 10);
    let migrated = db.migrate().await;
    migrated.map_err(|error| BenchError::Wrong(error.to_string()))?;
    let prepared = prepare(&db).await?;
    let claims = written(&db.clone().without_audit(), What::Claim, prepared, options).await?;
    let filed = written(&db, What::Application, prepared, options).await?;
    check(&db, claims.taken.saturating_add(filed.taken)).await?;
    report.add("claims_per_s", rate(claims.taken, claims.took));
    report.add("claim_attempts_per_s", rate(claims.tried, claims.took));
    report.add("applications_filed_per_s", rate(filed.taken, filed.took));
    db.close().await;
    database.close().await?;
    Ok(())
}

/// What came of writing for some time.
#[derive(Clone, Copy, Debug)]
struct Written {
    tried: usize,
    taken: usize,
    took: Duration,
}

/// Lets the writers write.
async fn written(
    db: &Db,
    what: What,
    (participant, budget): (i64, i64),
    options: ClaimOptions,
) -> Result<Written, BenchError> {
    let start = Instant::now();
    let until = start + Duration::from_secs(u64::from(options.seconds.max(1)));
    let shared = Arc::new(Shared {
        db: db.clone(),
        what,
        participant,
        budget,
        options,
        until,
        tried: AtomicUsize::new(0),
        taken: AtomicUsize::new(0),
    });
    let tasks = Tasks::default();
    let mut writers = Vec::new();
    for index in 0..WRITERS {
        writers.push(tasks.spawn(write(Arc::clone(&shared), index)));
    }
    for writer in writers {
        writer.await.map_err(|error| BenchError::Wrong(error.to_string()))??;
    }
    let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
    let (tried, taken) = (count(&shared.tried), count(&shared.taken));
    Ok(Written { tried, taken, took: start.elapsed() })
}

/// Makes a bureau with a budget that is never used up.
async fn prepare(db: &Db) -> Result<(i64, i64), BenchError> {
    let mut tx = db.read(&Permit::of_hub()).await?;
    let participant: i64 = sqlx::query_scalar(
        "INSERT INTO participant (name, display_name, kind, created_at) VALUES ('bench', 'Bench', 1, now())
         RETURNING participant_id",
    )
    .fetch_one(tx.connection())
    .await?;
    let budget: i64 = sqlx::query_scalar(
        "INSERT INTO budget (bureau_id, programme, filed_on, currency, cap)
         VALUES ($1, 'bench.claims', daterange(NULL, NULL), 'CNY', 1000000000000000) RETURNING budget_id",
    )
    .bind(participant)
    .fetch_one(tx.connection())
    .await?;
    Ok((participant, budget))
}

async fn write(shared: Arc<Shared>, index: usize) -> Result<(), BenchError> {
    let mut rng = StdRng::seed_from_u64(u64::try_from(index).unwrap_or_default());
    while Instant::now() < shared.until {
        let person = rng.random_range(0..shared.options.people.max(1));
        shared.tried.fetch_add(1, Ordering::Relaxed);
        if claim_once(&shared, person).await? {
            shared.taken.fetch_add(1, Ordering::Relaxed);
        }
    }
    Ok(())
}

/// Claims for a person; false when somebody has.
async fn claim_once(shared: &Shared, person: u32) -> Result<bool, DbError> {
    let now = shared.options.now;
    let id = ApplicationId(ids::time_ordered(now));
    let claims = Claims {
        groups: vec![Uuid::from_u128(1)],
        // Keyed digests are spread like this.
        subjects: vec![Uuid::from_u128(
            u128::from(person).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835),
        )],
        from: vec![time::macros::date!(1900 - 01 - 01)],
        until: vec![None],
        programmes: vec![String::new()],
    };
    let mut tx = shared.db.write(&Permit::of_hub()).await?;
    if !claim::take(&mut tx, id, &claims).await? {
        return Ok(false);
    }
    if shared.what == What::Application {
        let row = row(shared, id, now);
        let told = Told { header: vec![0; 400], facets: vec![format!("p:{}", shared.participant)] };
        application::create(&mut tx, &row, &told).await?;
    }
    let reserved = (Stage::Reserved, AMOUNT);
    budget::move_part(&mut tx, shared.budget, id.0, (Stage::Nothing, 0), reserved).await?;
    tx.commit(Record::new(now, format!("applications/{id}"), "application.submitted")).await?;
    Ok(true)
}

fn row(shared: &Shared, id: ApplicationId, now: OffsetDateTime) -> Row {
    Row {
        application_id: id.0,
        number: 0,
        revision: 1,
        state: State::Submitted.number(),
        programme: PROGRAMME.to_owned(),
        edition: 1,
        bureau_id: shared.participant,
        platform_id: Some(shared.participant),
        division: None,
        worker_id: Some(id.0),
        employer: None,
        sealed: vec![0; 600],
        determination: vec![0; 300],
        determined_on: now.date(),
        filed_on: now.date(),
        amount: AMOUNT,
        currency: "CNY".to_owned(),
        budget_id: Some(shared.budget),
        stage: Stage::Reserved.number(),
        clawed_back: 0,
        answer_by: None,
        asked: Vec::new(),
        remark: String::new(),
        reopened: false,
        proactive: false,
        decided_on: None,
        submitted_at: now,
        changed_at: now,
        bureau: String::new(),
        platform: None,
        decisions: Vec::new(),
    }
}

/// Sees that nothing overlaps, and that the budget has what the claims cost.
async fn check(db: &Db, taken: usize) -> Result<(), BenchError> {
    let taken = i64::try_from(taken).unwrap_or(i64::MAX);
    let mut tx = db.read(&Permit::of_hub()).await?;
    let found: (i64, i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM claim), (SELECT count(*) FROM claim a JOIN claim b ON a.subject = b.subject AND a.grp = b.grp
                 AND a.period && b.period AND a.ctid < b.ctid), (SELECT sum(reserved)::bigint FROM budget_share)",
    )
    .fetch_one(tx.connection())
    .await?;
    let expected = (taken, 0, taken.saturating_mul(AMOUNT));
    if found == expected {
        return Ok(());
    }
    Err(BenchError::Wrong(format!("claims, overlaps, reserved: {found:?} and not {expected:?}")))
}
