//! What must be true of a database before acknowledged changes are entrusted to it.

use sqlx::PgConnection;

use crate::platform::db::DbError;

/// Returns the name of the role that the hub connects as if it cannot work behind the second wall: it must own the tables, and
/// be a member of the role that participants' transactions run as.
///
/// # Errors
///
/// The database fails.
pub async fn role_without_wall(connection: &mut PgConnection) -> Result<Option<String>, DbError> {
    let name = sqlx::query_scalar!(
        r#"SELECT current_user::text AS "name!" WHERE NOT (
               pg_has_role(current_user, 'peshub_participant', 'MEMBER')
               AND (SELECT pg_has_role(current_user, relowner, 'USAGE') FROM pg_class
                    WHERE oid = to_regclass('posting')))"#
    )
    .fetch_optional(connection)
    .await?;
    Ok(name)
}

/// A setting under which an acknowledged change could be lost.
#[derive(Clone, Debug)]
pub struct Unsafe {
    /// Its name.
    pub name: String,
    /// What it is.
    pub value: String,
    /// What it must be.
    pub wanted: &'static str,
    /// Where PostgreSQL has it from, in its own word: `configuration file`, `database`, `user`.
    pub source: String,
}

/// Returns the settings under which an acknowledged change could be lost, as this session has them.
///
/// # Errors
///
/// The database fails.
pub async fn unsafe_settings(connection: &mut PgConnection) -> Result<Vec<Unsafe>, DbError> {
    let rows = sqlx::query!(
        r#"SELECT name AS "name!", setting AS "setting!", source AS "source!" FROM pg_settings
           WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND setting = 'off' ORDER BY name"#
    )
    .fetch_all(connection)
    .await?;
    let found = rows.into_iter().map(|row| Unsafe {
        name: row.name,
        value: row.setting,
        wanted: "on",
        source: row.source,
    });
    Ok(found.collect())
}
