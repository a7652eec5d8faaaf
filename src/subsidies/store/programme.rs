//! The SQL of programmes: drafts, and the editions that were published. An edition is ended, never changed.

use prost::Message as _;
use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::kernel::ids::{ParticipantId, SystemId};
use crate::pb::peshub::subsidies::v1 as pb;
use crate::platform::db::{DbError, WriteTx};
use crate::subsidies::error::SubsidyError;

/// A programme's name, and whose it is.
#[derive(Clone, Debug)]
pub struct Named {
    /// Number of the row.
    pub id: i64,
    /// The bureau whose it is.
    pub participant: ParticipantId,
    /// Number of the newest edition; 0 before the first.
    pub edition: i64,
}

/// A draft.
#[derive(Clone, Debug)]
pub struct Draft {
    /// What it says.
    pub programme: pb::Programme,
    /// SHA-256 of its bytes.
    pub sha256: Vec<u8>,
    /// Who drafted it.
    pub drafted_by: SystemId,
    /// The name of who drafted it.
    pub drafter: String,
    /// When.
    pub drafted_at: OffsetDateTime,
    /// Short name of the bureau.
    pub bureau: String,
}

/// An edition.
#[derive(Clone, Debug)]
pub struct Edition {
    /// Number of the programme's row.
    pub programme: i64,
    /// The programme's name.
    pub name: String,
    /// Which edition.
    pub number: i64,
    /// `peshub.subsidies.v1.Edition`, encoded.
    pub content: Vec<u8>,
    /// SHA-256 of `content`.
    pub sha256: Vec<u8>,
    /// Short name of the bureau.
    pub bureau: String,
    /// Name of the system that drafted it.
    pub drafted_by: String,
    /// Name of the system that published it.
    pub published_by: String,
    /// When.
    pub published_at: OffsetDateTime,
    /// When the programme was retired with it.
    pub retired_at: Option<OffsetDateTime>,
    /// Number of the programme's newest edition.
    pub newest: i64,
}

/// Returns the revision of the catalogue and the book.
///
/// # Errors
///
/// The database fails.
pub async fn revision(connection: &mut PgConnection) -> Result<i64, DbError> {
    Ok(sqlx::query_scalar!("SELECT revision FROM programme_epoch").fetch_one(connection).await?)
}

/// Returns a programme by its name.
///
/// # Errors
///
/// The database fails.
pub async fn named(connection: &mut PgConnection, name: &str) -> Result<Option<Named>, DbError> {
    let row = sqlx::query!(
        "SELECT programme_id, participant_id, edition FROM programme WHERE name = $1",
        name,
    );
    let row = row.fetch_optional(connection).await?;
    Ok(row.map(|row| Named {
        id: row.programme_id,
        participant: ParticipantId(row.participant_id),
        edition: row.edition,
    }))
}

/// Makes a name a bureau's.
///
/// # Errors
///
/// `programme_name_unique`, or the database fails.
pub async fn create(
    tx: &mut WriteTx,
    name: &str,
    participant: ParticipantId,
    now: OffsetDateTime,
) -> Result<Named, DbError> {
    let add = sqlx::query_scalar!(
        "INSERT INTO programme (name, participant_id, created_at) VALUES ($1, $2, $3) RETURNING programme_id",
        name,
        participant.0,
        now,
    );
    let id = add.fetch_one(tx.connection()).await?;
    Ok(Named { id, participant, edition: 0 })
}

/// Stores a draft in the place of the one before.
///
/// # Errors
///
/// The database fails.
pub async fn save_draft(
    tx: &mut WriteTx,
    programme: i64,
    (content, sha256): (&[u8], &[u8]),
    drafted_by: SystemId,
    now: OffsetDateTime,
) -> Result<(), DbError> {
    sqlx::query!(
        "INSERT INTO programme_draft (programme_id, content, sha256, drafted_by, drafted_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (programme_id) DO UPDATE
         SET content = EXCLUDED.content, sha256 = EXCLUDED.sha256, drafted_by = EXCLUDED.drafted_by, drafted_at = EXCLUDED.drafted_at",
        programme,
        content,
        sha256,
        drafted_by.0,
        now,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Returns a programme's draft.
///
/// # Errors
///
/// The database fails, or what is stored cannot be read.
pub async fn draft(
    connection: &mut PgConnection,
    programme: i64,
) -> Result<Option<Draft>, SubsidyError> {
    let row = sqlx::query!(
        "SELECT d.content, d.sha256, d.drafted_by, s.name AS drafter, d.drafted_at, b.name AS bureau
         FROM programme_draft d JOIN participant_system s ON s.system_id = d.drafted_by
         JOIN participant b ON b.participant_id = s.participant_id
         WHERE d.programme_id = $1",
        programme,
    );
    let Some(row) = row.fetch_optional(connection).await.map_err(DbError::from)? else {
        return Ok(None);
    };
    let unreadable = |_| SubsidyError::Corrupt { what: "draft" };
    Ok(Some(Draft {
        programme: pb::Programme::decode(row.content.as_slice()).map_err(unreadable)?,
        sha256: row.sha256,
        drafted_by: SystemId(row.drafted_by),
        drafter: row.drafter,
        drafted_at: row.drafted_at,
        bureau: row.bureau,
    }))
}

/// Takes a draft away.
///
/// # Errors
///
/// The database fails.
pub async fn drop_draft(tx: &mut WriteTx, programme: i64) -> Result<(), DbError> {
    sqlx::query!("DELETE FROM programme_draft WHERE programme_id = $1", programme)
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// An edition to be.
#[derive(Clone, Copy, Debug)]
pub struct NewEdition<'a> {
    /// Number of the programme's row.
    pub programme: i64,
    /// Which edition.
    pub number: i64,
    /// What it says, and the SHA-256 of it.
    pub content: (&'a [u8], &'a [u8]),
    /// Who drafted it, and who publishes it.
    pub systems: (SystemId, SystemId),
    /// Tokens of the divisions where it holds.
    pub divisions: &'a [String],
}

/// Adds an edition, which is the newest from then on.
///
/// # Errors
///
/// The database fails.
pub async fn publish(
    tx: &mut WriteTx,
    new: NewEdition<'_>,
    revision: i64,
    now: OffsetDateTime,
) -> Result<(), DbError> {
    sqlx::query!(
        "INSERT INTO programme_edition (programme_id, number, content, sha256, drafted_by, published_by, published_at, division, revision)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        new.programme,
        new.number,
        new.content.0,
        new.content.1,
        new.systems.0.0,
        new.systems.1.0,
        now,
        new.divisions,
        revision,
    )
    .execute(tx.connection())
    .await?;
    sqlx::query!(
        "UPDATE programme SET edition = $2 WHERE programme_id = $1",
        new.programme,
        new.number,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Retires a programme with its newest edition; one that is retired stays as it is.
///
/// # Errors
///
/// The database fails.
pub async fn retire(
    tx: &mut WriteTx,
    (programme, number): (i64, i64),
    system: SystemId,
    because: &str,
    now: OffsetDateTime,
) -> Result<(), DbError> {
    sqlx::query!(
        "UPDATE programme_edition SET retired_at = $3, retired_by = $4, retired_because = $5
         WHERE programme_id = $1 AND number = $2 AND retired_at IS NULL",
        programme,
        number,
        now,
        system.0,
        because,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Returns an edition.
///
/// # Errors
///
/// The database fails.
pub async fn edition(
    connection: &mut PgConnection,
    programme: i64,
    number: i64,
) -> Result<Option<Edition>, DbError> {
    let row = sqlx::query_as!(
        Edition,
        r#"SELECT e.programme_id AS programme, p.name, e.number, e.content, e.sha256, b.name AS bureau, d.name AS drafted_by,
                  s.name AS published_by, e.published_at, e.retired_at, p.edition AS newest
           FROM programme_edition e JOIN programme p ON p.programme_id = e.programme_id
           JOIN participant b ON b.participant_id = p.participant_id
           JOIN participant_system d ON d.system_id = e.drafted_by
           JOIN participant_system s ON s.system_id = e.published_by
           WHERE e.programme_id = $1 AND e.number = $2"#,
        programme,
        number,
    );
    Ok(row.fetch_optional(connection).await?)
}

/// Which programmes a page has.
#[derive(Clone, Debug)]
pub struct Page<'a> {
    /// Tokens of a division and of all it is part of: those that hold there. Empty: all.
    pub path: &'a [String],
    /// Short name of their bureau; empty: all.
    pub bureau: &'a str,
    /// Whether those that were retired are of it.
    pub with_retired: bool,
    /// Number of the programme's row after which it begins.
    pub after: Option<i64>,
    /// Most programmes.
    pub limit: i64,
}

/// Returns the newest editions of a page of programmes, by name.
///
/// # Errors
///
/// The database fails.
pub async fn page(connection: &mut PgConnection, page: Page<'_>) -> Result<Vec<Edition>, DbError> {
    let rows = sqlx::query_as!(
        Edition,
        r#"SELECT e.programme_id AS programme, p.name, e.number, e.content, e.sha256, b.name AS bureau, d.name AS drafted_by,
                  s.name AS published_by, e.published_at, e.retired_at, p.edition AS newest
           FROM programme p JOIN programme_edition e ON e.programme_id = p.programme_id AND e.number = p.edition
           JOIN participant b ON b.participant_id = p.participant_id
           JOIN participant_system d ON d.system_id = e.drafted_by
           JOIN participant_system s ON s.system_id = e.published_by
           WHERE (cardinality($1::text[]) = 0 OR e.division && $1) AND ($2 = '' OR b.name = $2) AND ($3 OR e.retired_at IS NULL)
             AND ($4::bigint IS NULL OR p.name > (SELECT l.name FROM programme l WHERE l.programme_id = $4))
           ORDER BY p.name LIMIT $5"#,
        page.path,
        page.bureau,
        page.with_retired,
        page.after,
        page.limit,
    );
    Ok(rows.fetch_all(connection).await?)
}
