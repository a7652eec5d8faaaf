//! The SQL of applications.

use sqlx::PgConnection;
use time::{Date, OffsetDateTime};
use uuid::Uuid;

use crate::kernel::ids::ParticipantId;
use crate::platform::db::{DbError, ReadTx, WriteTx};
use crate::platform::feed::event::Topic;
use crate::subsidies::application::ApplicationId;

/// An application as it is stored.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its id.
    pub application_id: Uuid,
    /// Its number in the feed.
    pub number: i64,
    /// How often it has changed.
    pub revision: i64,
    /// Number of its state.
    pub state: i16,
    /// Name of the programme.
    pub programme: String,
    /// The edition by which it was determined last.
    pub edition: i64,
    /// Who decides.
    pub bureau_id: i64,
    /// Who filed it.
    pub platform_id: Option<i64>,
    /// Where: the token of the division.
    pub division: Option<String>,
    /// Pseudonym of the worker.
    pub worker_id: Option<Uuid>,
    /// Keyed digest of the employer.
    pub employer: Option<Uuid>,
    /// What it states and what was determined, sealed.
    pub sealed: Vec<u8>,
    /// What was determined, without values.
    pub determination: Vec<u8>,
    /// When it was determined.
    pub determined_on: Date,
    /// When it was filed.
    pub filed_on: Date,
    /// What is reserved, granted or paid.
    pub amount: i64,
    /// ISO 4217.
    pub currency: String,
    /// Of which budget.
    pub budget_id: Option<i64>,
    /// Number of the stage of that.
    pub stage: i16,
    /// What was claimed back.
    pub clawed_back: i64,
    /// Until when the applicant is to answer.
    pub answer_by: Option<Date>,
    /// Facts that are asked for.
    pub asked: Vec<String>,
    /// What the bureau said.
    pub remark: String,
    /// Whether a credential that it rests on does not stand any more.
    pub reopened: bool,
    /// Whether it began as an offer.
    pub proactive: bool,
    /// When it was decided last.
    pub decided_on: Option<Date>,
    /// When it was filed or offered.
    pub submitted_at: OffsetDateTime,
    /// When it changed last.
    pub changed_at: OffsetDateTime,
    /// Short name of the bureau.
    pub bureau: String,
    /// Short name of who filed it.
    pub platform: Option<String>,
    /// Ids of its decisions.
    pub decisions: Vec<Uuid>,
}

/// A step, as the feed tells it.
#[derive(Clone, Debug)]
pub struct Told {
    /// peshub.subsidies.v1.ApplicationEvent, encoded.
    pub header: Vec<u8>,
    /// Whom it concerns.
    pub facets: Vec<String>,
}

macro_rules! select_applications {
    ($rest:literal $(, $arg:expr)* $(,)?) => {
        sqlx::query_as!(
            Row,
            r#"SELECT a.application_id, a.number, a.revision, a.state, a.programme, a.edition, a.bureau_id, a.platform_id, a.division,
                      a.worker_id, a.employer, a.sealed, a.determination, a.determined_on, a.filed_on, a.amount, a.currency,
                      a.budget_id, a.stage, a.clawed_back, a.answer_by, a.asked, a.remark, a.reopened, a.proactive, a.decided_on,
                      a.submitted_at, a.changed_at, b.name AS bureau, p.name AS "platform?",
                      ARRAY(SELECT d.decision_id FROM decision d WHERE d.application_id = a.application_id ORDER BY d.number)
                      AS "decisions!"
               FROM application a JOIN participant b ON b.participant_id = a.bureau_id
               LEFT JOIN participant p ON p.participant_id = a.platform_id "#
                + $rest,
            $($arg),*
        )
    };
}

/// Stores a new application, and tells of it.
///
/// # Errors
///
/// The database fails.
pub async fn create(tx: &mut WriteTx, row: &Row, told: &Told) -> Result<(), DbError> {
    sqlx::query!(
        "WITH made AS (
             INSERT INTO application (application_id, state, programme, edition, bureau_id, platform_id, division, worker_id, employer,
                                      sealed, determination, determined_on, filed_on, amount, currency, budget_id, stage, answer_by,
                                      remark, proactive, submitted_at, changed_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $21)
             RETURNING number)
         INSERT INTO change_log (at, topic, entity_id, revision, header, facets)
         SELECT $21, $22, number, 1, $23, $24 FROM made",
        row.application_id,
        row.state,
        row.programme,
        row.edition,
        row.bureau_id,
        row.platform_id,
        row.division,
        row.worker_id,
        row.employer,
        row.sealed,
        row.determination,
        row.determined_on,
        row.filed_on,
        row.amount,
        row.currency,
        row.budget_id,
        row.stage,
        row.answer_by,
        row.remark,
        row.proactive,
        row.submitted_at,
        Topic::Application.number(),
        told.header,
        &told.facets,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Returns an application that the permit's holder has filed or decides, or that is offered to it, and keeps it as it is until the
/// transaction ends.
///
/// # Errors
///
/// The database fails.
pub async fn hold(tx: &mut WriteTx, id: ApplicationId) -> Result<Option<Row>, DbError> {
    let permit = tx.permit().clone();
    let locked = sqlx::query_scalar!(
        "SELECT number FROM application WHERE application_id = $1 FOR UPDATE",
        id as ApplicationId,
    )
    .fetch_optional(tx.connection())
    .await?;
    if locked.is_none() {
        return Ok(None);
    }
    find(tx.connection(), id, permit.participant().map(|it| it.0)).await
}

/// Returns an application that a participant has filed or decides, or that is offered to it; any application for the hub itself.
///
/// # Errors
///
/// The database fails.
pub async fn find(
    connection: &mut PgConnection,
    id: ApplicationId,
    participant: Option<i64>,
) -> Result<Option<Row>, DbError> {
    let row = select_applications!(
        "WHERE a.application_id = $1 AND ($2::bigint IS NULL OR $2 IN (a.bureau_id, a.platform_id) OR (
             a.state = 4 AND a.platform_id IS NULL AND EXISTS (
                 SELECT FROM worker_reference r WHERE r.worker_id = a.worker_id AND r.participant_id = $2)))",
        id as ApplicationId,
        participant,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row)
}

/// Returns the offer of a bureau's programme to somebody that waits to be accepted.
///
/// # Errors
///
/// The database fails.
pub async fn offered(
    connection: &mut PgConnection,
    (bureau, programme): (ParticipantId, &str),
    (worker, employer): (Option<Uuid>, Option<Uuid>),
) -> Result<Option<ApplicationId>, DbError> {
    let id = sqlx::query_scalar!(
        r#"SELECT application_id AS "id: ApplicationId" FROM application
           WHERE bureau_id = $1 AND programme = $2 AND state = 4
             AND worker_id IS NOT DISTINCT FROM $3 AND employer IS NOT DISTINCT FROM $4 LIMIT 1"#,
        bureau.0,
        programme,
        worker,
        employer,
    )
    .fetch_optional(connection)
    .await?;
    Ok(id)
}

/// Which applications are listed.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Of one programme; empty: of all.
    pub programme: String,
    /// Numbers of states; empty: all.
    pub states: Vec<i16>,
    /// Only those that were opened again.
    pub only_reopened: bool,
    /// Those after this number.
    pub after: i64,
    /// At most so many.
    pub limit: i64,
}

/// Returns applications of the permit's holder, the oldest first.
///
/// # Errors
///
/// The database fails.
pub async fn list(tx: &mut ReadTx, wanted: &Wanted) -> Result<Vec<Row>, DbError> {
    let participant = tx.permit().participant().map_or(0, |it| it.0);
    let rows = select_applications!(
        "WHERE a.number > $2 AND ($1 IN (a.bureau_id, a.platform_id) OR (
             a.state = 4 AND a.platform_id IS NULL AND EXISTS (
                 SELECT FROM worker_reference r WHERE r.worker_id = a.worker_id AND r.participant_id = $1)))
           AND ($3 = '' OR a.programme = $3) AND (cardinality($4::smallint[]) = 0 OR a.state = ANY ($4))
           AND (NOT $5 OR a.reopened)
         ORDER BY a.number LIMIT $6",
        participant,
        wanted.after,
        wanted.programme,
        &wanted.states,
        wanted.only_reopened,
        wanted.limit,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(rows)
}

/// Stores what a step has made of an application that is held, whose revision it has raised, and tells of it.
///
/// # Errors
///
/// The database fails.
pub async fn save(tx: &mut WriteTx, row: &Row, told: &Told) -> Result<(), DbError> {
    sqlx::query!(
        "WITH changed AS (
             UPDATE application SET state = $2, edition = $3, platform_id = $4, sealed = $5, determination = $6, determined_on = $7,
                    amount = $8, budget_id = $9, stage = $10, clawed_back = $11, answer_by = $12, asked = $13, remark = $14,
                    reopened = $15, decided_on = $16, changed_at = $17, revision = $18
             WHERE application_id = $1 AND revision = $18::bigint - 1 RETURNING number)
         INSERT INTO change_log (at, topic, entity_id, revision, header, facets)
         SELECT $17, $19, number, $18, $20, $21 FROM changed",
        row.application_id,
        row.state,
        row.edition,
        row.platform_id,
        row.sealed,
        row.determination,
        row.determined_on,
        row.amount,
        row.budget_id,
        row.stage,
        row.clawed_back,
        row.answer_by,
        &row.asked,
        row.remark,
        row.reopened,
        row.decided_on,
        row.changed_at,
        row.revision,
        Topic::Application.number(),
        told.header,
        &told.facets,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
