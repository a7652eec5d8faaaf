//! The SQL that reads the book.

use std::sync::Arc;

use prost::Message as _;
use sqlx::PgConnection;

use crate::kernel::ids::ParticipantId;
use crate::pb::peshub::subsidies::v1 as pb;
use crate::platform::db::DbError;
use crate::subsidies::book::{Book, Published};
use crate::subsidies::domain::Definition;
use crate::subsidies::error::SubsidyError;
use crate::subsidies::programme::CompiledProgramme;
use crate::subsidies::wire::fact;

/// Returns the book's revision.
///
/// # Errors
///
/// The database fails.
pub async fn revision(connection: &mut PgConnection) -> Result<i64, DbError> {
    Ok(sqlx::query_scalar!("SELECT revision FROM programme_epoch").fetch_one(connection).await?)
}

/// Reads the book in a transaction in which nothing changes meanwhile. What cannot change is taken from `known`.
///
/// # Errors
///
/// The database fails, or what is stored cannot be read.
pub async fn book(connection: &mut PgConnection, known: &Book) -> Result<Book, SubsidyError> {
    let revision = revision(connection).await?;
    let facts = facts(connection).await?;
    let rows = sqlx::query_as!(
        Row,
        "SELECT p.programme_id, p.participant_id, e.number, e.sha256, e.content
         FROM programme p JOIN programme_edition e ON e.programme_id = p.programme_id AND e.number = p.edition
         WHERE e.retired_at IS NULL",
    )
    .fetch_all(connection)
    .await
    .map_err(DbError::from)?;
    let mut programmes = Vec::with_capacity(rows.len());
    for row in rows {
        // Compiling takes longer than everything else here.
        let is_same =
            |it: &&Arc<Published>| (it.programme, it.edition) == (row.programme_id, row.number);
        match known.programmes().iter().find(is_same) {
            Some(same) => programmes.push(Arc::clone(same)),
            None => programmes.push(Arc::new(row.compiled()?)),
        }
    }
    Ok(Book::new(revision, facts, programmes))
}

/// Reads an edition.
///
/// # Errors
///
/// The database fails, or what is stored cannot be read.
pub async fn edition(
    connection: &mut PgConnection,
    name: &str,
    number: i64,
) -> Result<Option<Published>, SubsidyError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT p.programme_id, p.participant_id, e.number, e.sha256, e.content
         FROM programme p JOIN programme_edition e ON e.programme_id = p.programme_id
         WHERE p.name = $1 AND e.number = $2",
        name,
        number,
    )
    .fetch_optional(connection)
    .await
    .map_err(DbError::from)?;
    row.map(Row::compiled).transpose()
}

struct Row {
    programme_id: i64,
    participant_id: i64,
    number: i64,
    sha256: Vec<u8>,
    content: Vec<u8>,
}

impl Row {
    fn compiled(self) -> Result<Published, SubsidyError> {
        let unreadable = || SubsidyError::Corrupt { what: "edition of a programme" };
        let edition = pb::Edition::decode(self.content.as_slice()).map_err(|_| unreadable())?;
        let catalogue = fact::catalogue(&edition.facts);
        let programme = edition.programme.unwrap_or_default();
        let compiled = CompiledProgramme::compile(&programme, &catalogue);
        Ok(Published {
            programme: self.programme_id,
            edition: self.number,
            sha256: self.sha256.as_slice().try_into().map_err(|_| unreadable())?,
            owner: ParticipantId(self.participant_id),
            compiled: compiled.map_err(|_| unreadable())?.shown_by(&edition.facts),
        })
    }
}

async fn facts(connection: &mut PgConnection) -> Result<Vec<(i64, Definition)>, SubsidyError> {
    let rows = sqlx::query!("SELECT fact_id, content FROM fact WHERE retired_at IS NULL")
        .fetch_all(connection)
        .await
        .map_err(DbError::from)?;
    let read = rows.into_iter().map(|row| {
        let sent = pb::FactDefinition::decode(row.content.as_slice()).ok();
        let read = sent.and_then(|it| fact::definition(&it, "").ok());
        let unreadable = SubsidyError::Corrupt { what: "fact of the catalogue" };
        read.map(|it| (row.fact_id, it)).ok_or(unreadable)
    });
    read.collect()
}
