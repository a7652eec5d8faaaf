//! How fast a population is swept whose facts lie sealed in the database: people against all of the project's own programmes, made to
//! hold where they live. Everybody is given the facts of one case of each programme, so that every verdict occurs.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prost::Message as _;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::bench::eligibility::published;
use crate::bench::{BenchError, Report, rate};
use crate::dev::Database;
use crate::kernel::clock::{SharedClock, SystemClock};
use crate::kernel::ids::{self, PopulationId};
use crate::pb::peshub::subsidies::v1 as pb;
use crate::platform::audit::receipt::Receipts;
use crate::platform::db::Db;
use crate::platform::keys::Keys;
use crate::platform::keys::sealing::DataKey;
use crate::platform::keys::vault::{KeyVault, worker_context};
use crate::platform::permit::Permit;
use crate::platform::secrets::{self, SUBSIDIES};
use crate::platform::tasks::Tasks;
use crate::subsidies::blind::Blind;
use crate::subsidies::book::{Book, Programmes};
use crate::subsidies::domain::Day;
use crate::subsidies::population::body::{Body, Stated};
use crate::subsidies::population::commands::Keeper;
use crate::subsidies::population::sealed::{What, Whose};
use crate::subsidies::programme::canonical;
use crate::subsidies::sweep::runner::Runner;
use crate::subsidies::wire::fact;

/// People that are put into the database at once.
const STEP: usize = 5_000;
/// How often the sweep is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct SweepOptions {
    /// People.
    pub people: usize,
    /// Makes them; the same seed makes the same.
    pub seed: u64,
    /// When.
    pub now: OffsetDateTime,
}

/// Measures.
///
/// # Errors
///
/// The database fails, or the sweep does.
pub async fn run(
    data_dir: &Path,
    search_path: Option<std::ffi::OsString>,
    options: SweepOptions,
    report: &mut Report,
    progress: impl Fn(&str),
) -> Result<(), BenchError> {
    let data_dir = data_dir.join("sweep");
    let database = Database::open(None, &data_dir, search_path).await?;
    let db = Db::open(database.options.clone(), 10);
    db.migrate().await.map_err(wrong)?;
    let keys = Keys::open_or_create(&data_dir.join("keys")).map_err(wrong)?;
    publish(&db).await?;
    let secret = secrets::open(&db, keys.vault.as_ref(), SUBSIDIES, options.now).await;
    let keeper = Keeper {
        db: db.clone(),
        vault: Arc::clone(&keys.vault),
        blind: Blind::new(secret.map_err(wrong)?),
        programmes: Programmes::open(db.clone()).await.map_err(wrong)?,
    };
    progress("storing facts");
    store(&keeper, options, &progress).await?;
    let programmes = keeper.programmes.present().programmes().len();
    progress("sweeping");
    let (swept, took) =
        sweep(Arc::new(keeper), Receipts::new(Uuid::nil(), keys.signer), options).await?;
    let seen = usize::try_from(swept.seen).unwrap_or_default();
    if seen != options.people {
        return Err(BenchError::Wrong(format!("{seen} of {} people were swept", options.people)));
    }
    report.add("sweep_per_s", rate(seen, took));
    report.add("sweep_evaluations_per_s", rate(seen.saturating_mul(programmes), took));
    report.add("sweep_s", took.as_secs_f64());
    db.close().await;
    database.close().await?;
    Ok(())
}

fn wrong(error: impl std::fmt::Display) -> BenchError {
    BenchError::Wrong(error.to_string())
}

/// Makes a bureau whose programmes are published, and its population.
async fn publish(db: &Db) -> Result<(), BenchError> {
    let mut tx = db.read(&Permit::of_hub()).await?;
    let connection = tx.connection();
    sqlx::raw_sql(
        "INSERT INTO participant (name, display_name, kind, created_at) VALUES ('bench', 'Bench', 1, now());
         INSERT INTO participant_system (participant_id, name, environment, created_at)
         SELECT participant_id, system, 3, now() FROM participant, unnest(ARRAY['one', 'two']) AS system WHERE participant.name = 'bench';
         INSERT INTO population (participant_id, name, purpose, revision, created_at)
         SELECT participant_id, 'bench', 'measuring', 1, now() FROM participant WHERE name = 'bench'",
    )
    .execute(&mut *connection)
    .await?;
    let facts = published::facts()?;
    for fact in &facts {
        sqlx::query(
            "INSERT INTO fact (name, content, participant_id, defined_at, revision)
             SELECT $1, $2, participant_id, now(), 1 FROM participant WHERE name = 'bench'",
        )
        .bind(&fact.name)
        .bind(fact.encode_to_vec())
        .execute(&mut *connection)
        .await?;
    }
    for programme in published::everywhere()? {
        let name = programme.name.clone();
        let edition = pb::Edition { programme: Some(programme), facts: facts.clone() };
        let content = canonical::edition(&edition);
        let sha256 = canonical::sha256(&content).to_vec();
        sqlx::query(
            "WITH p AS (INSERT INTO programme (name, participant_id, created_at, edition)
                        SELECT $1, participant_id, now(), 1 FROM participant WHERE name = 'bench' RETURNING programme_id)
             INSERT INTO programme_edition (programme_id, number, content, sha256, division, drafted_by, published_by, published_at, revision)
             SELECT p.programme_id, 1, $2, $3, ARRAY['CN'], one.system_id, two.system_id, now(), 1
             FROM p, participant_system one, participant_system two WHERE one.name = 'one' AND two.name = 'two'",
        )
        .bind(name)
        .bind(content)
        .bind(sha256)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Puts people into the database, each with a key of its own.
async fn store(
    keeper: &Keeper,
    options: SweepOptions,
    progress: &impl Fn(&str),
) -> Result<(), BenchError> {
    let book = keeper.programmes.present();
    let cases = cases(&book)?;
    let mut rng = StdRng::seed_from_u64(options.seed);
    let population = PopulationId(1);
    for first in (0..options.people).step_by(STEP) {
        let count = STEP.min(options.people.saturating_sub(first));
        let mut rows = Rows::default();
        for _ in 0..count {
            let mut body = Body { moved_at: 1, facts: Vec::new() };
            for of in &cases {
                let stated = of.get(rng.random_range(0..of.len().max(1)));
                let stated = stated.map_or(&[][..], Vec::as_slice);
                body.take_in(stated, 1).map_err(|_| wrong("too many facts"))?;
            }
            rows.push(keeper.vault.as_ref(), (population, options.now), &body).await?;
        }
        rows.insert(&keeper.db).await?;
        if first % 100_000 == 0 {
            progress(&format!("{first} of {} people", options.people));
        }
    }
    let mut tx = keeper.db.read(&Permit::of_hub()).await?;
    sqlx::raw_sql("ANALYZE population_subject; ANALYZE worker_key")
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// Returns what the cases of each programme state, programme by programme.
fn cases(book: &Book) -> Result<Vec<Vec<Vec<Stated>>>, BenchError> {
    let stated = |case: &pb::GoldenCase| {
        let stated = case.facts.iter().filter_map(|sent| {
            let (fact, definition) = book.fact(&sent.name)?;
            let value = fact::value(sent.value.as_ref()?, definition).ok()??;
            (!definition.stated_by_hub).then_some(Stated {
                fact,
                established_on: Day(20_000),
                basis: 4,
                reference: Arc::default(),
                value: Some(value),
            })
        });
        stated.collect::<Vec<_>>()
    };
    let programmes = published::everywhere()?;
    Ok(programmes.iter().map(|it| it.cases.iter().map(stated).collect()).collect())
}

/// People, column by column.
#[derive(Default)]
struct Rows {
    workers: Vec<Uuid>,
    masters: Vec<String>,
    wrapped: Vec<Vec<u8>>,
    sealed: Vec<Vec<u8>>,
}

impl Rows {
    async fn push(
        &mut self,
        vault: &dyn KeyVault,
        (population, now): (PopulationId, OffsetDateTime),
        body: &Body,
    ) -> Result<(), BenchError> {
        let worker = ids::time_ordered(now);
        let key = DataKey::random().map_err(wrong)?;
        let wrapped = vault.wrap(&worker_context(worker), &key).await.map_err(wrong)?;
        let whose = Whose { population, worker: Some(worker), employer: None };
        let sealed = whose.seal(&key, What::Facts, &body.encoded()).map_err(wrong)?;
        self.workers.push(worker);
        self.masters.push(wrapped.master_key_id);
        self.wrapped.push(wrapped.bytes);
        self.sealed.push(sealed);
        Ok(())
    }

    async fn insert(self, db: &Db) -> Result<(), BenchError> {
        let mut tx = db.read(&Permit::of_hub()).await?;
        sqlx::query(
            "WITH w AS (INSERT INTO worker (worker_id, sealed, created_at) SELECT it, '', now() FROM unnest($1::uuid[]) AS it),
                  k AS (INSERT INTO worker_key SELECT * FROM unnest($1::uuid[], $2::text[], $3::bytea[]))
             INSERT INTO population_subject (population_id, worker_id, division, revision, sealed)
             SELECT 1, n.worker_id, '330106', 1, n.sealed FROM unnest($1::uuid[], $4::bytea[]) AS n(worker_id, sealed)",
        )
        .bind(self.workers)
        .bind(self.masters)
        .bind(self.wrapped)
        .bind(self.sealed)
        .execute(tx.connection())
        .await?;
        Ok(())
    }
}

/// Sweeps everybody, as a hub does.
async fn sweep(
    keeper: Arc<Keeper>,
    receipts: Receipts,
    options: SweepOptions,
) -> Result<(pb::Sweep, Duration), BenchError> {
    let day = Day::of(options.now.date());
    let programmes = keeper.programmes.present();
    let swept = programmes.programmes().iter().map(|it| pb::SweptProgramme {
        programme: it.name().to_string(),
        edition: it.edition,
        ..Default::default()
    });
    let id = ids::time_ordered(options.now);
    let sweep = pb::Sweep {
        sweep_id: id.to_string(),
        population: "bench".to_owned(),
        state: pb::SweepState::Running.into(),
        day: day.to_string(),
        full: true,
        programmes: swept.collect(),
        ..Default::default()
    };
    let clock: SharedClock = Arc::new(SystemClock);
    let (tasks, db) = (Tasks::default(), keeper.db.clone());
    let runner = tasks.spawn(Runner::new(keeper, receipts, clock).run(tasks.stopping()));
    let started = Instant::now();
    let mut tx = db.read(&Permit::of_hub()).await?;
    sqlx::query(
        "INSERT INTO sweep (sweep_id, population_id, state, content, to_revision, done_to, last_subject, started_at)
         SELECT $1, 1, 1, $2, 1, 0, max(subject_id), now() FROM population_subject",
    )
    .bind(id)
    .bind(sweep.encode_to_vec())
    .execute(tx.connection())
    .await?;
    let content = loop {
        tokio::time::sleep(LOOK).await;
        let (state, content): (i16, Vec<u8>) =
            sqlx::query_as("SELECT state, content FROM sweep").fetch_one(tx.connection()).await?;
        if state != 1 {
            break content;
        }
    };
    let took = started.elapsed();
    drop(tx);
    tasks.stop().await;
    runner.await.map_err(wrong)?;
    let swept = pb::Sweep::decode(content.as_slice()).map_err(wrong)?;
    if swept.state() == pb::SweepState::Done {
        return Ok((swept, took));
    }
    Err(BenchError::Wrong(format!("the sweep ended with {}", swept.reason)))
}
