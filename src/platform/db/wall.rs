//! The second wall: what a transaction says so that row-level security counts for it, see the schema's step 0007.

use crate::platform::db::DbError;
use crate::platform::permit::Permit;

/// Returns what tells the database for whom a transaction is; `None` for the hub's own work, which no wall stands around.
///
/// # Errors
///
/// The permit's scope has tokens that cannot stand in a statement: a fault of the hub.
pub fn statement(permit: &Permit) -> Result<Option<String>, DbError> {
    let Some(holder) = permit.holder() else { return Ok(None) };
    let (actor, participant) = (holder.actor(), holder.participant);
    let tokens = permit.scope().tokens();
    if !tokens.iter().all(|token| is_plain(token)) {
        return Err(DbError::Refused(sqlx::Error::Configuration("a scope of odd tokens".into())));
    }
    let scope = tokens.join(",");
    Ok(Some(format!(
        "SET LOCAL ROLE peshub_participant; SET LOCAL peshub.actor = '{actor}'; \
         SET LOCAL peshub.participant = '{participant}'; SET LOCAL peshub.scope = '{{{scope}}}'"
    )))
}

/// Returns whether a scope's token can stand in a statement: what it is made of says that it can.
fn is_plain(token: &str) -> bool {
    token.chars().all(|letter| letter.is_ascii_alphanumeric() || ":-_.".contains(letter))
}
