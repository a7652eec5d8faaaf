//! The SQL of searching the trail. A list with optional criteria is assembled; every value is bound.

use sqlx::{Postgres, QueryBuilder};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::kernel::ids::ParticipantId;
use crate::platform::audit::entry::Row;
use crate::platform::db::{DbError, ReadTx};

/// Which entries.
#[derive(Clone, Debug, Default)]
pub struct Criteria {
    /// Only this participant's; everybody's when absent.
    pub reach: Option<ParticipantId>,
    /// Of the participant with this name.
    pub participant: String,
    /// Of this system.
    pub system: String,
    /// Of this action.
    pub action: String,
    /// About things whose name begins so.
    pub subject_prefix: String,
    /// Of this event.
    pub event: String,
    /// Only what was refused.
    pub refusals_only: bool,
    /// Only disclosures of this worker's data.
    pub worker_id: Option<Uuid>,
    /// From this time on.
    pub from: Option<OffsetDateTime>,
    /// Before this time.
    pub until: Option<OffsetDateTime>,
    /// Oldest first instead of newest first.
    pub oldest_first: bool,
    /// The row after which the page begins.
    pub after: Option<i64>,
    /// Most entries.
    pub limit: i64,
}

/// Returns the entries that match.
///
/// # Errors
///
/// The database fails.
pub async fn search(tx: &mut ReadTx, criteria: &Criteria) -> Result<Vec<Row>, DbError> {
    let mut query = QueryBuilder::<Postgres>::new(
        "SELECT a.audit_id, a.entry_id, a.at, a.participant, a.system, a.action, a.subject, a.event, a.refusal,
                a.times, a.body_sha256, a.worker_id, a.purpose, a.legal_basis, l.seq, l.chain
         FROM audit a LEFT JOIN audit_link l ON l.audit_id = a.audit_id WHERE true",
    );
    if let Some(reach) = criteria.reach {
        query.push(" AND a.participant_id = ").push_bind(reach.0);
    }
    let texts = [
        (" AND a.participant = ", &criteria.participant),
        (" AND a.system = ", &criteria.system),
        (" AND a.action = ", &criteria.action),
        (" AND a.event = ", &criteria.event),
    ];
    for (column, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
        query.push(column).push_bind(text.clone());
    }
    if !criteria.subject_prefix.is_empty() {
        query.push(" AND starts_with(a.subject, ").push_bind(&criteria.subject_prefix).push(")");
    }
    if criteria.refusals_only {
        query.push(" AND a.refusal <> ''");
    }
    if let Some(worker_id) = criteria.worker_id {
        query.push(" AND a.worker_id = ").push_bind(worker_id);
    }
    if let Some(from) = criteria.from {
        query.push(" AND a.at >= ").push_bind(from);
    }
    if let Some(until) = criteria.until {
        query.push(" AND a.at < ").push_bind(until);
    }
    let (beyond, order) = if criteria.oldest_first { (">", "") } else { ("<", " DESC") };
    if let Some(after) = criteria.after {
        query.push(format_args!(" AND a.audit_id {beyond} ")).push_bind(after);
    }
    query.push(format_args!(" ORDER BY a.audit_id{order} LIMIT ")).push_bind(criteria.limit);
    Ok(query.build_query_as::<Row>().fetch_all(tx.connection()).await?)
}
