//! The SQL that reads the book.

use prost::Message as _;
use sqlx::PgConnection;

use crate::pb::peshub::subsidies::v1 as pb;
use crate::platform::db::DbError;
use crate::subsidies::book::Book;
use crate::subsidies::domain::Definition;
use crate::subsidies::error::SubsidyError;
use crate::subsidies::wire::fact;

/// Returns the book's revision.
///
/// # Errors
///
/// The database fails.
pub async fn revision(connection: &mut PgConnection) -> Result<i64, DbError> {
    Ok(sqlx::query_scalar!("SELECT revision FROM programme_epoch").fetch_one(connection).await?)
}

/// Reads the book in a transaction in which nothing changes meanwhile.
///
/// # Errors
///
/// The database fails, or what is stored cannot be read.
pub async fn book(connection: &mut PgConnection) -> Result<Book, SubsidyError> {
    let revision = revision(connection).await?;
    Ok(Book::new(revision, facts(connection).await?))
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
