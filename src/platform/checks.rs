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

/// Returns the first setting under which an acknowledged change could be lost: its name, its value and what it must be.
///
/// # Errors
///
/// The database fails.
pub async fn unsafe_setting(
    connection: &mut PgConnection,
) -> Result<Option<(String, String, &'static str)>, DbError> {
    let rows = sqlx::query!(
        r#"SELECT name AS "name!", setting AS "setting!" FROM pg_settings
           WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') ORDER BY name"#
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().find(|row| row.setting == "off").map(|row| (row.name, row.setting, "on")))
}
