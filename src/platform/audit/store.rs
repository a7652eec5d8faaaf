//! The SQL of the trail's tables.

use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::kernel::ids::ParticipantId;
use crate::platform::audit::entry::Row;
use crate::platform::audit::hash::Hex;
use crate::platform::audit::statement::PublicKey;
use crate::platform::db::DbError;
use crate::platform::feed::store::shared_secret;
use crate::platform::keys::signing::Signer;

/// Selects entries with their places, as [`Row`].
macro_rules! select_entries {
    ($tail:literal $(, $value:expr)* $(,)?) => {
        sqlx::query_as!(
            Row,
            "SELECT a.audit_id, a.entry_id, a.at, a.participant, a.system, a.action, a.subject, a.event, a.refusal,
                    a.times, a.body_sha256, a.worker_id, a.purpose, a.legal_basis,
                    l.seq AS \"seq?\", l.chain AS \"chain?\"
             FROM audit a LEFT JOIN audit_link l ON l.audit_id = a.audit_id " + $tail
            $(, $value)*
        )
    };
}

/// A checkpoint as the table has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Rises by one from 1.
    pub number: i64,
    /// First row.
    pub first_seq: i64,
    /// Last row.
    pub last_seq: i64,
    /// The statement as it was signed.
    pub statement: String,
    /// Which key.
    pub key_id: String,
    /// The signature.
    pub signature: Vec<u8>,
}

/// Places of rows in the chain, column by column.
#[derive(Debug, Default)]
pub struct Links {
    /// Places.
    pub seqs: Vec<i64>,
    /// Rows.
    pub audit_ids: Vec<i64>,
    /// The chain's hash after each.
    pub chains: Vec<Vec<u8>>,
}

/// Waits until no other sealer is at work, and keeps others out until the transaction ends.
///
/// # Errors
///
/// The database fails.
pub async fn lock(connection: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended('audit', 7307))")
        .execute(connection)
        .await?;
    Ok(())
}

/// Returns whether some row has no place yet.
///
/// # Errors
///
/// The database fails.
pub async fn has_pending(connection: &mut PgConnection) -> Result<bool, DbError> {
    let has = sqlx::query_scalar!(r#"SELECT EXISTS (SELECT 1 FROM audit_pending) AS "has!""#)
        .fetch_one(connection)
        .await?;
    Ok(has)
}

/// Returns the oldest rows that have no place yet.
///
/// # Errors
///
/// The database fails.
pub async fn pending(connection: &mut PgConnection, limit: i64) -> Result<Vec<Row>, DbError> {
    let rows = select_entries!(
        "WHERE a.audit_id IN (SELECT p.audit_id FROM audit_pending p ORDER BY p.audit_id LIMIT $1)
         ORDER BY a.audit_id",
        limit,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// Returns the rows between two places, both included, in their order.
///
/// # Errors
///
/// The database fails.
pub async fn between(
    connection: &mut PgConnection,
    first_seq: i64,
    last_seq: i64,
) -> Result<Vec<Row>, DbError> {
    let rows = select_entries!("WHERE l.seq BETWEEN $1 AND $2 ORDER BY l.seq", first_seq, last_seq)
        .fetch_all(connection)
        .await?;
    Ok(rows)
}

/// Returns the row with some name: anybody's, or only a participant's.
///
/// # Errors
///
/// The database fails.
pub async fn entry(
    connection: &mut PgConnection,
    entry_id: Uuid,
    of: Option<ParticipantId>,
) -> Result<Option<Row>, DbError> {
    let of = of.map(|participant| participant.0);
    let row = select_entries!(
        "WHERE a.entry_id = $1 AND ($2::bigint IS NULL OR a.participant_id = $2)",
        entry_id,
        of,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row)
}

/// Returns the disclosures of what is known of a worker, newest first, from before a row if one is named.
///
/// # Errors
///
/// The database fails.
pub async fn disclosures_of(
    connection: &mut PgConnection,
    worker_id: Uuid,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Row>, DbError> {
    let rows = select_entries!(
        "WHERE a.worker_id = $1 AND ($2::bigint IS NULL OR a.audit_id < $2) ORDER BY a.audit_id DESC LIMIT $3",
        worker_id,
        before,
        limit,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// Gives rows their places and writes the checkpoint over them.
///
/// # Errors
///
/// The database fails.
pub async fn seal(
    connection: &mut PgConnection,
    links: &Links,
    sealed: &Sealed,
) -> Result<(), DbError> {
    sqlx::query!(
        "INSERT INTO audit_link (seq, audit_id, chain) SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[])",
        &links.seqs,
        &links.audit_ids,
        &links.chains,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!("DELETE FROM audit_pending WHERE audit_id = ANY ($1)", &links.audit_ids)
        .execute(&mut *connection)
        .await?;
    sqlx::query!(
        "INSERT INTO audit_checkpoint (number, first_seq, last_seq, statement, key_id, signature)
         VALUES ($1, $2, $3, $4, $5, $6)",
        sealed.number,
        sealed.first_seq,
        sealed.last_seq,
        sealed.statement,
        sealed.key_id,
        sealed.signature,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Returns the newest checkpoint.
///
/// # Errors
///
/// The database fails.
pub async fn latest(connection: &mut PgConnection) -> Result<Option<Sealed>, DbError> {
    let query = sqlx::query_as!(
        Sealed,
        "SELECT number, first_seq, last_seq, statement, key_id, signature FROM audit_checkpoint
         ORDER BY number DESC LIMIT 1"
    );
    Ok(query.fetch_optional(connection).await?)
}

/// Returns the first checkpoint that ends at or after a place: the one over it, unless that was taken away.
///
/// # Errors
///
/// The database fails.
pub async fn over(connection: &mut PgConnection, seq: i64) -> Result<Option<Sealed>, DbError> {
    let query = sqlx::query_as!(
        Sealed,
        "SELECT number, first_seq, last_seq, statement, key_id, signature FROM audit_checkpoint
         WHERE last_seq >= $1 ORDER BY last_seq LIMIT 1",
        seq,
    );
    Ok(query.fetch_optional(connection).await?)
}

/// Returns the checkpoints from a number on, in their order.
///
/// # Errors
///
/// The database fails.
pub async fn checkpoints(
    connection: &mut PgConnection,
    from: i64,
    limit: i64,
) -> Result<Vec<Sealed>, DbError> {
    let query = sqlx::query_as!(
        Sealed,
        "SELECT number, first_seq, last_seq, statement, key_id, signature FROM audit_checkpoint
         WHERE number >= $1 ORDER BY number LIMIT $2",
        from,
        limit,
    );
    Ok(query.fetch_all(connection).await?)
}

/// One kind of refusal within a second, ready to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Names the row.
    pub entry_id: Uuid,
    /// Who, if the hub knows.
    pub participant_id: Option<i64>,
    /// Its name.
    pub participant: String,
    /// Which of its systems.
    pub system: String,
    /// What was called.
    pub action: String,
    /// Which thing, or the peer's address.
    pub subject: String,
    /// Why not.
    pub refusal: String,
    /// How often.
    pub times: i64,
}

/// Writes refusals as rows.
///
/// # Errors
///
/// The database fails.
pub async fn write_refusals(
    connection: &mut PgConnection,
    refused: &[Refused],
    at: OffsetDateTime,
) -> Result<(), DbError> {
    let texts = |field: fn(&Refused) -> &String| -> Vec<String> {
        refused.iter().map(|it| field(it).clone()).collect()
    };
    let entry_ids: Vec<Uuid> = refused.iter().map(|it| it.entry_id).collect();
    let ids: Vec<Option<i64>> = refused.iter().map(|it| it.participant_id).collect();
    let times: Vec<i64> = refused.iter().map(|it| it.times).collect();
    // A second try of what was written after all changes nothing.
    sqlx::query!(
        r#"WITH entry AS (
               INSERT INTO audit (entry_id, at, participant_id, participant, system, action, subject, event, refusal, times)
               SELECT r.entry_id, $1, r.participant_id, r.participant, r.system, r.action, r.subject, 'call.refused',
                      r.refusal, r.times
               FROM unnest($2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bigint[])
                    AS r(entry_id, participant_id, participant, system, action, subject, refusal, times)
               ON CONFLICT ON CONSTRAINT audit_entry_id_unique DO NOTHING
               RETURNING audit_id)
           INSERT INTO audit_pending (audit_id) SELECT audit_id FROM entry"#,
        at,
        &entry_ids,
        &ids as &[Option<i64>],
        &texts(|it| &it.participant),
        &texts(|it| &it.system),
        &texts(|it| &it.action),
        &texts(|it| &it.subject),
        &texts(|it| &it.refusal),
        &times,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Returns the hub's name in everything that it signs, and makes it if there is none yet.
///
/// # Errors
///
/// The database fails.
pub async fn hub_id(
    connection: &mut PgConnection,
    fresh: [u8; 16],
    now: OffsetDateTime,
) -> Result<Uuid, DbError> {
    let fresh = uuid::Builder::from_random_bytes(fresh).into_uuid();
    let stored = shared_secret(connection, "hub", fresh.as_bytes(), now).await?;
    Ok(Uuid::from_slice(&stored).unwrap_or_default())
}

/// Remembers the public half of a key, for whoever verifies later.
///
/// # Errors
///
/// The database fails.
pub async fn remember_key(
    connection: &mut PgConnection,
    signer: &dyn Signer,
    now: OffsetDateTime,
) -> Result<(), DbError> {
    sqlx::query!(
        "INSERT INTO signing_key (key_id, algorithm, public_key, first_used_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT DO NOTHING",
        signer.key_id(),
        signer.algorithm(),
        signer.public_key(),
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Returns every key that the hub has signed with, and since when, in that order.
///
/// # Errors
///
/// The database fails.
pub async fn keys(
    connection: &mut PgConnection,
) -> Result<Vec<(PublicKey, OffsetDateTime)>, DbError> {
    let rows = sqlx::query!(
        "SELECT key_id, algorithm, public_key, first_used_at FROM signing_key ORDER BY first_used_at, key_id"
    )
    .fetch_all(connection)
    .await?;
    let key = |key_id, algorithm, public_key| PublicKey {
        key_id,
        algorithm,
        public_key: Hex(public_key),
    };
    let keys = rows
        .into_iter()
        .map(|row| (key(row.key_id, row.algorithm, row.public_key), row.first_used_at));
    Ok(keys.collect())
}
