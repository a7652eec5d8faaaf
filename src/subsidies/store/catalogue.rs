//! The SQL of the catalogue of facts. A definition is ended, never changed.

use prost::Message as _;
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::kernel::ids::ParticipantId;
use crate::pb::peshub::subsidies::v1::FactDefinition;
use crate::platform::db::{DbError, WriteTx};
use crate::subsidies::error::SubsidyError;

/// A fact as it stands in the catalogue.
#[derive(Clone, Debug)]
pub struct Fact {
    /// Number of the row.
    pub id: i64,
    /// What it is.
    pub definition: FactDefinition,
    /// Who defined it.
    pub participant: ParticipantId,
    /// Short name of who defined it.
    pub bureau: String,
    /// When.
    pub defined_at: OffsetDateTime,
    /// When it was retired.
    pub retired_at: Option<OffsetDateTime>,
}

/// A row of the catalogue.
struct Row {
    fact_id: i64,
    content: Vec<u8>,
    participant_id: i64,
    bureau: String,
    defined_at: OffsetDateTime,
    retired_at: Option<OffsetDateTime>,
}

impl Row {
    fn read(self) -> Result<Fact, SubsidyError> {
        let unreadable = |_| SubsidyError::Corrupt { what: "fact" };
        Ok(Fact {
            id: self.fact_id,
            definition: FactDefinition::decode(self.content.as_slice()).map_err(unreadable)?,
            participant: ParticipantId(self.participant_id),
            bureau: self.bureau,
            defined_at: self.defined_at,
            retired_at: self.retired_at,
        })
    }
}

/// Begins a change of the catalogue or of the book: from here to the commit nobody else changes them. Returns the revision that they
/// get by it.
///
/// # Errors
///
/// The database fails.
pub async fn begin(tx: &mut WriteTx) -> Result<i64, DbError> {
    let raise = sqlx::query_scalar!(
        "UPDATE programme_epoch SET revision = revision + 1 RETURNING revision"
    );
    Ok(raise.fetch_one(tx.connection()).await?)
}

/// Returns every fact that is not retired, by name.
///
/// # Errors
///
/// The database fails, or what is stored cannot be read.
pub async fn active(connection: &mut PgConnection) -> Result<Vec<Fact>, SubsidyError> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT f.fact_id, f.content, f.participant_id, p.name AS bureau, f.defined_at, f.retired_at
           FROM fact f JOIN participant p ON p.participant_id = f.participant_id
           WHERE f.retired_at IS NULL ORDER BY f.name"#,
    );
    let rows = rows.fetch_all(connection).await.map_err(DbError::from)?;
    rows.into_iter().map(Row::read).collect()
}

/// Returns the newest definition of each name that is there, retired or not.
///
/// # Errors
///
/// The database fails, or what is stored cannot be read.
pub async fn newest(
    connection: &mut PgConnection,
    names: &[String],
) -> Result<Vec<Fact>, SubsidyError> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT DISTINCT ON (f.name) f.fact_id, f.content, f.participant_id, p.name AS bureau, f.defined_at, f.retired_at
           FROM fact f JOIN participant p ON p.participant_id = f.participant_id
           WHERE f.name = ANY ($1) ORDER BY f.name, f.fact_id DESC"#,
        names,
    );
    let rows = rows.fetch_all(connection).await.map_err(DbError::from)?;
    rows.into_iter().map(Row::read).collect()
}

/// Which facts a page has.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// What their names begin with.
    pub prefix: &'a str,
    /// Whether those that were retired are of it.
    pub with_retired: bool,
    /// Number of the fact after which it begins.
    pub after: Option<i64>,
    /// Most facts.
    pub limit: i64,
}

/// Returns a page of facts, by name.
///
/// # Errors
///
/// The database fails, or what is stored cannot be read.
pub async fn page(
    connection: &mut PgConnection,
    page: Page<'_>,
) -> Result<Vec<Fact>, SubsidyError> {
    let rows = sqlx::query_as!(
        Row,
        r#"SELECT f.fact_id, f.content, f.participant_id, p.name AS bureau, f.defined_at, f.retired_at
           FROM fact f JOIN participant p ON p.participant_id = f.participant_id
           WHERE starts_with(f.name, $1) AND ($2 OR f.retired_at IS NULL)
             AND ($3::bigint IS NULL OR (f.name, f.fact_id) > (SELECT l.name, l.fact_id FROM fact l WHERE l.fact_id = $3))
           ORDER BY f.name, f.fact_id LIMIT $4"#,
        page.prefix,
        page.with_retired,
        page.after,
        page.limit,
    );
    let rows = rows.fetch_all(connection).await.map_err(DbError::from)?;
    rows.into_iter().map(Row::read).collect()
}

/// Adds a definition.
///
/// # Errors
///
/// `fact_name_unique`, or the database fails.
pub async fn define(
    tx: &mut WriteTx,
    definition: &FactDefinition,
    (participant, revision): (ParticipantId, i64),
    now: OffsetDateTime,
) -> Result<i64, DbError> {
    let add = sqlx::query_scalar!(
        "INSERT INTO fact (name, content, participant_id, defined_at, revision) VALUES ($1, $2, $3, $4, $5) RETURNING fact_id",
        definition.name,
        definition.encode_to_vec(),
        participant.0,
        now,
        revision,
    );
    Ok(add.fetch_one(tx.connection()).await?)
}

/// Retires a fact; one that is retired stays as it is.
///
/// # Errors
///
/// The database fails.
pub async fn retire(tx: &mut WriteTx, id: i64, now: OffsetDateTime) -> Result<(), DbError> {
    sqlx::query!(
        "UPDATE fact SET retired_at = $2 WHERE fact_id = $1 AND retired_at IS NULL",
        id,
        now
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
