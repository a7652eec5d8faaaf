//! The SQL of consents and of nonces that were given out.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::credentials::domain::ConsentId;
use crate::kernel::ids::ParticipantId;
use crate::platform::db::{DbError, ReadTx, WriteTx};
use crate::platform::permit::Permit;

/// A consent as the table has it, for somebody who may see it.
#[derive(Clone, Debug)]
pub struct Row {
    /// Which.
    pub consent_id: Uuid,
    /// Who may see the data.
    pub recipient_id: i64,
    /// Short name of who recorded it.
    pub recorded_by: String,
    /// Whose data it is about.
    pub worker_id: Option<Uuid>,
    /// The caller's reference to the worker.
    pub reference: Option<Uuid>,
    /// The terms, encoded.
    pub terms: Vec<u8>,
    /// The evidence, encoded.
    pub evidence: Vec<u8>,
    /// When it was recorded.
    pub recorded_at: OffsetDateTime,
    /// Since when it holds.
    pub given_at: Option<OffsetDateTime>,
    /// Thumbprint of the holder's key that signed the terms.
    pub holder_key: Option<Vec<u8>>,
    /// When it was withdrawn; erasing the worker withdraws it, too.
    pub withdrawn_at: Option<OffsetDateTime>,
}

/// Selects consents as [`Row`]; `$1` is the participant who asks.
macro_rules! select_consents {
    ($tail:literal $(, $value:expr)* $(,)?) => {
        sqlx::query_as!(
            Row,
            r#"SELECT c.consent_id, c.recipient_id, p.name AS recorded_by, c.worker_id, r.reference AS "reference?",
                      c.terms, c.evidence, c.recorded_at, c.given_at, c.holder_key,
                      LEAST(c.withdrawn_at, w.erased_at) AS withdrawn_at
               FROM consent c
               JOIN participant p ON p.participant_id = c.recorded_by
               LEFT JOIN worker w ON w.worker_id = c.worker_id
               LEFT JOIN worker_reference r ON r.worker_id = c.worker_id AND r.participant_id = $1 "# + $tail
            $(, $value)*
        )
    };
}

fn holder(permit: &Permit) -> i64 {
    permit.participant().map_or(0, |id| id.0)
}

/// What is written when a consent is recorded.
#[derive(Clone, Debug)]
pub struct New {
    /// Which.
    pub id: ConsentId,
    /// Who may see the data.
    pub recipient: ParticipantId,
    /// Whose data it is about.
    pub worker_id: Option<Uuid>,
    /// The terms, encoded.
    pub terms: Vec<u8>,
    /// The evidence, encoded.
    pub evidence: Vec<u8>,
    /// Until when it holds.
    pub until: OffsetDateTime,
    /// Since when it holds; absent while it waits for the holder's signature.
    pub given_at: Option<OffsetDateTime>,
}

/// Records a consent.
///
/// # Errors
///
/// The database fails.
pub async fn insert(tx: &mut WriteTx, new: &New, now: OffsetDateTime) -> Result<(), DbError> {
    let recorded_by = holder(tx.permit());
    sqlx::query!(
        "INSERT INTO consent (consent_id, recipient_id, recorded_by, worker_id, terms, evidence, until, recorded_at, given_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        new.id.0,
        new.recipient.0,
        recorded_by,
        new.worker_id,
        new.terms,
        new.evidence,
        new.until,
        now,
        new.given_at,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Returns a consent that the permit's holder recorded or received.
///
/// # Errors
///
/// The database fails.
pub async fn own(
    connection: &mut PgConnection,
    permit: &Permit,
    id: ConsentId,
) -> Result<Option<Row>, DbError> {
    let row = select_consents!(
        "WHERE c.consent_id = $2 AND $1 IN (c.recipient_id, c.recorded_by)",
        holder(permit),
        id.0,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row)
}

/// Returns a consent of which the permit's holder is the recipient.
///
/// # Errors
///
/// The database fails.
pub async fn received(
    connection: &mut PgConnection,
    permit: &Permit,
    id: ConsentId,
) -> Result<Option<Row>, DbError> {
    let row =
        select_consents!("WHERE c.consent_id = $2 AND c.recipient_id = $1", holder(permit), id.0,)
            .fetch_optional(connection)
            .await?;
    Ok(row)
}

/// Returns a consent of which the permit's holder is the recipient, and keeps it as it is until the transaction ends: who withdraws it
/// waits, and whoever asks after that finds it withdrawn.
///
/// # Errors
///
/// The database fails.
pub async fn hold_received(tx: &mut WriteTx, id: ConsentId) -> Result<Option<Row>, DbError> {
    let holder = holder(tx.permit());
    let row = select_consents!(
        "WHERE c.consent_id = $2 AND c.recipient_id = $1 FOR SHARE OF c",
        holder,
        id.0,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row)
}

/// Returns consents, the newest first: those that the permit's holder recorded or received, of a worker if one is named; with
/// `everybodys`, all that are about the worker.
///
/// # Errors
///
/// The database fails.
pub async fn list(
    tx: &mut ReadTx,
    (worker_id, everybodys): (Option<Uuid>, bool),
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Row>, DbError> {
    let holder = holder(tx.permit());
    let rows = select_consents!(
        "WHERE ($2::uuid IS NULL OR c.worker_id = $2)
           AND ($1 IN (c.recipient_id, c.recorded_by) OR ($3 AND c.worker_id = $2))
           AND ($4::uuid IS NULL OR c.consent_id < $4)
         ORDER BY c.consent_id DESC LIMIT $5",
        holder,
        worker_id,
        everybodys,
        before,
        limit,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(rows)
}

/// Returns the worker whom a consent is about, if a participant has a reference to that worker. Asked by the hub.
///
/// # Errors
///
/// The database fails.
pub async fn worker_known_to(
    connection: &mut PgConnection,
    id: ConsentId,
    participant: ParticipantId,
) -> Result<Option<Uuid>, DbError> {
    let worker = sqlx::query_scalar!(
        "SELECT r.worker_id FROM consent c
         JOIN worker_reference r ON r.worker_id = c.worker_id AND r.participant_id = $2
         WHERE c.consent_id = $1",
        id.0,
        participant.0,
    )
    .fetch_optional(connection)
    .await?;
    Ok(worker)
}

/// Withdraws a consent that the permit's holder recorded or received, or that is about a worker; a second time changes nothing. Returns
/// it, or `None` if there is none.
///
/// # Errors
///
/// The database fails.
pub async fn withdraw(
    tx: &mut WriteTx,
    id: ConsentId,
    about: Option<Uuid>,
    now: OffsetDateTime,
) -> Result<Option<Row>, DbError> {
    let holder = holder(tx.permit());
    sqlx::query!(
        "UPDATE consent SET withdrawn_at = $4
         WHERE consent_id = $2 AND withdrawn_at IS NULL AND ($1 IN (recipient_id, recorded_by) OR worker_id = $3)",
        holder,
        id.0,
        about,
        now,
    )
    .execute(tx.connection())
    .await?;
    let row = select_consents!(
        "WHERE c.consent_id = $2 AND ($1 IN (c.recipient_id, c.recorded_by) OR c.worker_id = $3)",
        holder,
        id.0,
        about,
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(row)
}

/// Notes that a consent holds from now on, by the signature of a holder's key. Returns false if it was given before.
///
/// # Errors
///
/// The database fails.
pub async fn give(
    tx: &mut WriteTx,
    id: ConsentId,
    holder_key: [u8; 32],
    now: OffsetDateTime,
) -> Result<bool, DbError> {
    let holder = holder(tx.permit());
    let done = sqlx::query!(
        "UPDATE consent SET given_at = $4, holder_key = $3 WHERE consent_id = $2 AND recipient_id = $1 AND given_at IS NULL",
        holder,
        id.0,
        holder_key.as_slice(),
        now,
    )
    .execute(tx.connection())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Returns the id of an organisation that takes part.
///
/// # Errors
///
/// The database fails.
pub async fn participant(
    connection: &mut PgConnection,
    name: &str,
) -> Result<Option<ParticipantId>, DbError> {
    let id = sqlx::query_scalar!(
        "SELECT participant_id FROM participant WHERE name = $1 AND disabled_at IS NULL",
        name,
    )
    .fetch_optional(connection)
    .await?;
    Ok(id.map(ParticipantId))
}

/// Notes a nonce that is given out, and forgets the holder's that are long past their time.
///
/// # Errors
///
/// The database fails.
pub async fn give_out(
    tx: &mut WriteTx,
    nonce_sha256: [u8; 32],
    id: ConsentId,
    (expires_at, forgotten_before): (OffsetDateTime, OffsetDateTime),
) -> Result<(), DbError> {
    let holder = holder(tx.permit());
    sqlx::query!(
        "WITH past AS (DELETE FROM presentation_request WHERE participant_id = $2 AND expires_at < $5)
         INSERT INTO presentation_request (nonce_sha256, participant_id, consent_id, expires_at) VALUES ($1, $2, $3, $4)",
        nonce_sha256.as_slice(),
        holder,
        id.0,
        expires_at,
        forgotten_before,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// A nonce that was given out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenOut {
    /// Its SHA-256.
    pub nonce_sha256: Vec<u8>,
    /// For which consent.
    pub consent_id: Uuid,
    /// Until when it is good.
    pub expires_at: OffsetDateTime,
    /// When it was used.
    pub used_at: Option<OffsetDateTime>,
}

/// Returns those of some nonces that were given to the permit's holder.
///
/// # Errors
///
/// The database fails.
pub async fn nonces(
    connection: &mut PgConnection,
    permit: &Permit,
    nonces_sha256: &[Vec<u8>],
) -> Result<Vec<GivenOut>, DbError> {
    let rows = sqlx::query_as!(
        GivenOut,
        "SELECT nonce_sha256, consent_id, expires_at, used_at FROM presentation_request
         WHERE nonce_sha256 = ANY ($1) AND participant_id = $2 ORDER BY nonce_sha256",
        nonces_sha256,
        holder(permit),
    )
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// Returns those of some nonces that were given to the permit's holder. Who comes second with the same waits until the transaction ends.
///
/// # Errors
///
/// The database fails.
pub async fn hold_nonces(
    tx: &mut WriteTx,
    nonces_sha256: &[Vec<u8>],
) -> Result<Vec<GivenOut>, DbError> {
    let holder = holder(tx.permit());
    let rows = sqlx::query_as!(
        GivenOut,
        "SELECT nonce_sha256, consent_id, expires_at, used_at FROM presentation_request
         WHERE nonce_sha256 = ANY ($1) AND participant_id = $2 ORDER BY nonce_sha256 FOR UPDATE",
        nonces_sha256,
        holder,
    )
    .fetch_all(tx.connection())
    .await?;
    Ok(rows)
}

/// Notes that nonces are used.
///
/// # Errors
///
/// The database fails.
pub async fn spend_nonces(
    tx: &mut WriteTx,
    nonces_sha256: &[Vec<u8>],
    now: OffsetDateTime,
) -> Result<(), DbError> {
    let holder = holder(tx.permit());
    sqlx::query!(
        "UPDATE presentation_request SET used_at = $3
         WHERE nonce_sha256 = ANY ($1) AND participant_id = $2 AND used_at IS NULL",
        nonces_sha256,
        holder,
        now,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
