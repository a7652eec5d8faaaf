//! The rows of the audit trail that close a write.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::platform::db::{DbError, Further, Record};
use crate::platform::permit::Permit;

/// Writes the row of a record, and those of its further disclosures.
///
/// # Errors
///
/// The database fails.
pub async fn write(
    connection: &mut PgConnection,
    permit: &Permit,
    record: &Record,
) -> Result<(), DbError> {
    let holder = permit.holder();
    let disclosure = record.disclosure.as_ref();
    sqlx::query!(
        "WITH entry AS (
             INSERT INTO audit (entry_id, at, participant_id, participant, system, action, subject, event, refusal,
                                times, body_sha256, worker_id, purpose, legal_basis)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, '', 1, $9, $10, $11, $12)
             RETURNING audit_id)
         INSERT INTO audit_pending (audit_id) SELECT audit_id FROM entry",
        record.entry_id,
        record.at,
        holder.map(|holder| holder.participant.0),
        holder.map_or("(hub)", |holder| holder.participant_name.as_str()),
        holder.map_or("", |holder| holder.system_name.as_str()),
        permit.action().word(),
        record.subject,
        record.event,
        record.body_sha256.as_deref(),
        disclosure.map(|it| it.worker_id),
        disclosure.map(|it| it.purpose.as_str()),
        disclosure.map(|it| it.legal_basis.as_str()),
    )
    .execute(&mut *connection)
    .await?;
    if record.further.is_empty() {
        return Ok(());
    }
    write_further(connection, permit, record).await
}

/// Writes the rows of further disclosures, all at once.
async fn write_further(
    connection: &mut PgConnection,
    permit: &Permit,
    record: &Record,
) -> Result<(), DbError> {
    let holder = permit.holder();
    let ids: Vec<Uuid> = record.further.iter().map(|it| it.entry_id).collect();
    let workers: Vec<Uuid> = record.further.iter().map(|it| it.disclosure.worker_id).collect();
    let texts = |text: fn(&Further) -> &String| -> Vec<String> {
        record.further.iter().map(|it| text(it).clone()).collect()
    };
    sqlx::query!(
        "WITH entry AS (
             INSERT INTO audit (entry_id, at, participant_id, participant, system, action, subject, event, refusal,
                                times, worker_id, purpose, legal_basis)
             SELECT f.entry_id, $1, $2, $3, $4, $5, f.subject, $6, '', 1, f.worker_id, f.purpose, f.legal_basis
             FROM unnest($7::uuid[], $8::text[], $9::uuid[], $10::text[], $11::text[])
                  AS f(entry_id, subject, worker_id, purpose, legal_basis)
             RETURNING audit_id)
         INSERT INTO audit_pending (audit_id) SELECT audit_id FROM entry",
        record.at,
        holder.map(|holder| holder.participant.0),
        holder.map_or("(hub)", |holder| holder.participant_name.as_str()),
        holder.map_or("", |holder| holder.system_name.as_str()),
        permit.action().word(),
        record.event,
        &ids,
        &texts(|it| &it.subject),
        &workers,
        &texts(|it| &it.disclosure.purpose),
        &texts(|it| &it.disclosure.legal_basis),
    )
    .execute(connection)
    .await?;
    Ok(())
}
