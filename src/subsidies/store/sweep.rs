//! The SQL of sweeps.

use prost::Message as _;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::kernel::ids::{ParticipantId, PopulationId, SubjectId};
use crate::pb::peshub::subsidies::v1 as pb;
use crate::platform::db::{DbError, WriteTx};
use crate::platform::keys::vault::Wrapped;
use crate::platform::permit::Permit;
use crate::subsidies::domain::Day;
use crate::subsidies::error::SubsidyError;
use crate::subsidies::population::sealed::Whose;
use crate::subsidies::sweep::plan::Before;

/// How many sweeps of a population are listed.
const LISTED: i64 = 100;

/// A sweep that begins.
#[derive(Debug)]
pub struct Fresh<'a> {
    /// Its name.
    pub id: Uuid,
    /// The population.
    pub population: PopulationId,
    /// As it stands.
    pub content: &'a pb::Sweep,
    /// Up to which revision it looks.
    pub to_revision: i64,
    /// The last subject.
    pub last_subject: i64,
}

/// Begins a sweep; `false` when another one of the population runs.
///
/// # Errors
///
/// The database fails.
pub async fn begin(
    tx: &mut WriteTx,
    sweep: &Fresh<'_>,
    now: OffsetDateTime,
) -> Result<bool, DbError> {
    let running = i16::try_from(i32::from(pb::SweepState::Running)).unwrap_or_default();
    let made = sqlx::query!(
        "INSERT INTO sweep (sweep_id, population_id, state, content, to_revision, done_to, last_subject, started_at)
         VALUES ($1, $2, $3, $4, $5, 0, $6, $7) ON CONFLICT (population_id) WHERE state = 1 DO NOTHING",
        sweep.id,
        sweep.population.0,
        running,
        sweep.content.encode_to_vec(),
        sweep.to_revision,
        sweep.last_subject,
        now,
    )
    .execute(tx.connection())
    .await?;
    Ok(made.rows_affected() == 1)
}

/// Returns the last subject of a population, and how many have changed after a revision.
///
/// # Errors
///
/// The database fails.
pub async fn extent(
    tx: &mut WriteTx,
    population: PopulationId,
    since: i64,
) -> Result<(i64, i64), DbError> {
    let row = sqlx::query!(
        r#"SELECT coalesce(max(subject_id), 0) AS "last!", count(*) AS "count!" FROM population_subject
           WHERE population_id = $1 AND revision > $2"#,
        population.0,
        since,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok((row.last, row.count))
}

/// Returns up to where programmes were swept in a population.
///
/// # Errors
///
/// The database fails.
pub async fn swept(
    connection: &mut PgConnection,
    population: PopulationId,
) -> Result<Vec<Before>, DbError> {
    let rows = sqlx::query!(
        "SELECT programme_id, edition, revision, swept_for, offers FROM population_swept WHERE population_id = $1",
        population.0,
    )
    .fetch_all(connection)
    .await?;
    let before = rows.into_iter().map(|row| Before {
        programme: row.programme_id,
        edition: row.edition,
        revision: row.revision,
        day: Day::of(row.swept_for),
        offers: row.offers,
    });
    Ok(before.collect())
}

/// Notes up to where programmes have been swept.
///
/// # Errors
///
/// The database fails.
pub async fn note_swept(
    tx: &mut WriteTx,
    population: PopulationId,
    swept: &[Before],
) -> Result<(), DbError> {
    for it in swept {
        sqlx::query!(
            "INSERT INTO population_swept (population_id, programme_id, edition, revision, swept_for, offers)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (population_id, programme_id)
             DO UPDATE SET edition = excluded.edition, revision = excluded.revision, swept_for = excluded.swept_for,
                           offers = excluded.offers",
            population.0,
            it.programme,
            it.edition,
            it.revision,
            it.day.date(),
            it.offers,
        )
        .execute(tx.connection())
        .await?;
    }
    Ok(())
}

/// Returns a sweep of the permit's holder as it stands.
///
/// # Errors
///
/// The database fails, or what is stored cannot be read.
pub async fn get(
    connection: &mut PgConnection,
    permit: &Permit,
    id: Uuid,
) -> Result<Option<pb::Sweep>, SubsidyError> {
    let content = sqlx::query_scalar!(
        "SELECT w.content FROM sweep w JOIN population p ON p.population_id = w.population_id
         WHERE w.sweep_id = $1 AND p.participant_id = $2",
        id,
        permit.participant().map_or(0, |id| id.0),
    )
    .fetch_optional(connection)
    .await
    .map_err(DbError::from)?;
    content.map(|it| read(&it)).transpose()
}

/// Returns the newest sweeps of a population.
///
/// # Errors
///
/// The database fails, or what is stored cannot be read.
pub async fn list(
    connection: &mut PgConnection,
    population: PopulationId,
) -> Result<Vec<pb::Sweep>, SubsidyError> {
    let rows = sqlx::query_scalar!(
        "SELECT content FROM sweep WHERE population_id = $1 ORDER BY started_at DESC LIMIT $2",
        population.0,
        LISTED,
    )
    .fetch_all(connection)
    .await
    .map_err(DbError::from)?;
    rows.iter().map(|it| read(it)).collect()
}

fn read(content: &[u8]) -> Result<pb::Sweep, SubsidyError> {
    pb::Sweep::decode(content).map_err(|_| SubsidyError::Corrupt { what: "sweep" })
}

/// Holds a sweep of the permit's holder, so that nobody brings it further meanwhile.
///
/// # Errors
///
/// The database fails, or what is stored cannot be read.
pub async fn hold(tx: &mut WriteTx, id: Uuid) -> Result<Option<pb::Sweep>, SubsidyError> {
    let participant = tx.permit().participant().map_or(0, |id| id.0);
    let content = sqlx::query_scalar!(
        "SELECT w.content FROM sweep w JOIN population p ON p.population_id = w.population_id
         WHERE w.sweep_id = $1 AND p.participant_id = $2 FOR UPDATE OF w",
        id,
        participant,
    )
    .fetch_optional(tx.connection())
    .await
    .map_err(DbError::from)?;
    content.map(|it| read(&it)).transpose()
}

/// Stores how a held sweep stands.
///
/// # Errors
///
/// The database fails.
pub async fn store(tx: &mut WriteTx, id: Uuid, sweep: &pb::Sweep) -> Result<(), DbError> {
    sqlx::query!(
        "UPDATE sweep SET state = $2, content = $3 WHERE sweep_id = $1",
        id,
        i16::try_from(sweep.state).unwrap_or_default(),
        sweep.encode_to_vec(),
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// A sweep that this hub brings further.
#[derive(Clone, Debug)]
pub struct Taken {
    /// Its name.
    pub id: Uuid,
    /// The population.
    pub population: PopulationId,
    /// Whose population.
    pub participant: ParticipantId,
    /// As it stands.
    pub content: pb::Sweep,
    /// Up to which revision it looks.
    pub to_revision: i64,
    /// The last subject that was looked at.
    pub done_to: i64,
    /// The last one to look at.
    pub last_subject: i64,
    /// Whether another hub had it before.
    pub was_held: bool,
}

/// A hub's hold on a sweep.
#[derive(Clone, Copy, Debug)]
pub struct Hold {
    /// Which hub.
    pub holder: Uuid,
    /// When it is.
    pub now: OffsetDateTime,
    /// Until when others keep away.
    pub until: OffsetDateTime,
}

/// Takes a running sweep that no hub has.
///
/// # Errors
///
/// The database fails, or what is stored cannot be read.
pub async fn take(
    connection: &mut PgConnection,
    hold: Hold,
) -> Result<Option<Taken>, SubsidyError> {
    let row = sqlx::query!(
        r#"WITH free AS (
               SELECT sweep_id, holder FROM sweep WHERE state = 1 AND (held_until IS NULL OR held_until < $2)
               ORDER BY started_at LIMIT 1 FOR UPDATE SKIP LOCKED)
           UPDATE sweep w SET holder = $1, held_until = $3 FROM free f, population p
           WHERE w.sweep_id = f.sweep_id AND p.population_id = w.population_id
           RETURNING w.sweep_id, w.population_id, p.participant_id, w.content, w.to_revision, w.done_to, w.last_subject,
                     f.holder IS NOT NULL AS "was_held!""#,
        hold.holder,
        hold.now,
        hold.until,
    )
    .fetch_optional(connection)
    .await
    .map_err(DbError::from)?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Taken {
        id: row.sweep_id,
        population: PopulationId(row.population_id),
        participant: ParticipantId(row.participant_id),
        content: read(&row.content)?,
        to_revision: row.to_revision,
        done_to: row.done_to,
        last_subject: row.last_subject,
        was_held: row.was_held,
    }))
}

/// Brings a sweep further, unless it is no longer this hub's or no longer runs.
///
/// # Errors
///
/// The database fails.
pub async fn advance(
    tx: &mut WriteTx,
    id: Uuid,
    (hold, done_to): (Hold, i64),
    content: &pb::Sweep,
) -> Result<bool, DbError> {
    let done = sqlx::query!(
        "UPDATE sweep SET held_until = $3, done_to = $4, state = $5, content = $6
         WHERE sweep_id = $1 AND holder = $2 AND state = 1",
        id,
        hold.holder,
        hold.until,
        done_to,
        i16::try_from(content.state).unwrap_or_default(),
        content.encode_to_vec(),
    )
    .execute(tx.connection())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Lets a sweep go, so that another hub can take it at once.
///
/// # Errors
///
/// The database fails.
pub async fn let_go(connection: &mut PgConnection, holder: Uuid) -> Result<(), DbError> {
    sqlx::query!("UPDATE sweep SET held_until = NULL WHERE holder = $1 AND state = 1", holder)
        .execute(connection)
        .await?;
    Ok(())
}

/// Which subjects are read.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Of this population.
    pub population: PopulationId,
    /// After this subject.
    pub after: i64,
    /// Up to this one.
    pub last: i64,
    /// Of whom something has changed after this revision.
    pub since: i64,
    /// At most so many.
    pub most: i64,
}

/// A subject that is swept.
#[derive(Debug)]
pub struct Row {
    /// Its number.
    pub id: SubjectId,
    /// Whose facts.
    pub whose: Whose,
    /// Token of its division.
    pub division: String,
    /// The population's revision at which its claims moved last; 0: never.
    pub touched: i64,
    /// Facts.
    pub facts: Vec<u8>,
    /// How it stood before.
    pub standing: Option<Vec<u8>>,
    /// The worker's key.
    pub key: Option<Wrapped>,
}

/// Returns subjects in order of their numbers.
///
/// # Errors
///
/// The database fails.
pub async fn rows(connection: &mut PgConnection, span: Span) -> Result<Vec<Row>, DbError> {
    let rows = sqlx::query!(
        r#"SELECT s.subject_id, s.worker_id, s.employer, s.division, s.touched, s.sealed, t.sealed AS "standing?",
                  k.master_key_id AS "master_key_id?", k.wrapped AS "wrapped?"
           FROM (SELECT subject_id, worker_id, employer, division, touched, sealed FROM population_subject
                 WHERE population_id = $1 AND subject_id > $2 AND subject_id <= $3 AND revision > $4
                 ORDER BY subject_id LIMIT $5) s
           LEFT JOIN subject_standing t ON t.subject_id = s.subject_id
           LEFT JOIN worker_key k ON k.worker_id = s.worker_id
           ORDER BY s.subject_id"#,
        span.population.0,
        span.after,
        span.last,
        span.since,
        span.most,
    )
    .fetch_all(connection)
    .await?;
    let row = rows.into_iter().map(|row| Row {
        id: SubjectId(row.subject_id),
        whose: Whose { population: span.population, worker: row.worker_id, employer: row.employer },
        division: row.division,
        touched: row.touched,
        facts: row.sealed,
        standing: row.standing,
        key: row
            .master_key_id
            .zip(row.wrapped)
            .map(|(master_key_id, bytes)| Wrapped { master_key_id, bytes }),
    });
    Ok(row.collect())
}

/// Stores how subjects stand that are still there.
///
/// # Errors
///
/// The database fails.
pub async fn stand(
    tx: &mut WriteTx,
    (subjects, sealed): (&[i64], &[Vec<u8>]),
) -> Result<(), DbError> {
    sqlx::query!(
        "INSERT INTO subject_standing (subject_id, sealed)
         SELECT n.subject_id, n.sealed FROM unnest($1::bigint[], $2::bytea[]) AS n(subject_id, sealed)
         JOIN population_subject s ON s.subject_id = n.subject_id
         ON CONFLICT (subject_id) DO UPDATE SET sealed = excluded.sealed",
        subjects,
        sealed,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
