//! The SQL of systems: how they prove who they are, and what they may do.

use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::kernel::ids::{ParticipantId, SystemId};
use crate::platform::db::{DbError, WriteTx};

/// A system of an organisation.
#[derive(Clone, Debug)]
pub struct System {
    /// Its number.
    pub id: SystemId,
    /// Its name.
    pub name: String,
    /// Number of its environment in the contract.
    pub environment: i16,
    /// Numbers of its roles in the contract, in order.
    pub roles: Vec<i16>,
    /// How it proves who it is.
    pub identities: Vec<Identity>,
    /// Its bearer tokens.
    pub tokens: Vec<Token>,
    /// Since when it is locked out.
    pub disabled_at: Option<OffsetDateTime>,
    /// When it was registered.
    pub created_at: OffsetDateTime,
}

/// A way in which a system proves who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Issuer of tokens; empty for certificates.
    pub issuer: String,
    /// Subject of tokens, or URI name of certificates.
    pub subject: String,
    /// From when it counts.
    pub valid_from: OffsetDateTime,
    /// Until when, exclusive.
    pub valid_until: Option<OffsetDateTime>,
}

/// A bearer token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// SHA-256 of the token.
    pub sha256: Vec<u8>,
    /// When it was issued.
    pub created_at: OffsetDateTime,
    /// Until when it counts, exclusive.
    pub expires_at: Option<OffsetDateTime>,
}

/// Returns the systems of an organisation by name, or the one of a name.
///
/// # Errors
///
/// The database fails.
pub async fn systems(
    connection: &mut PgConnection,
    participant: ParticipantId,
    only: Option<&str>,
) -> Result<Vec<System>, DbError> {
    let rows = sqlx::query!(
        r#"SELECT system_id, name, environment, disabled_at, created_at,
                  ARRAY(SELECT r.role FROM system_role r WHERE r.system_id = s.system_id ORDER BY r.role) AS "roles!"
           FROM participant_system s
           WHERE participant_id = $1 AND ($2::text IS NULL OR name = $2) ORDER BY name"#,
        participant.0,
        only,
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut systems = Vec::with_capacity(rows.len());
    for row in rows {
        let id = SystemId(row.system_id);
        systems.push(System {
            id,
            name: row.name,
            environment: row.environment,
            roles: row.roles,
            identities: identities(connection, id).await?,
            tokens: tokens(connection, id).await?,
            disabled_at: row.disabled_at,
            created_at: row.created_at,
        });
    }
    Ok(systems)
}

async fn identities(
    connection: &mut PgConnection,
    system: SystemId,
) -> Result<Vec<Identity>, DbError> {
    let query = sqlx::query_as!(
        Identity,
        "SELECT issuer, subject, valid_from, valid_until FROM system_identity
         WHERE system_id = $1 ORDER BY issuer, subject",
        system.0,
    );
    Ok(query.fetch_all(connection).await?)
}

async fn tokens(connection: &mut PgConnection, system: SystemId) -> Result<Vec<Token>, DbError> {
    let query = sqlx::query_as!(
        Token,
        "SELECT token_sha256 AS sha256, created_at, expires_at FROM system_token
         WHERE system_id = $1 ORDER BY created_at, token_sha256",
        system.0,
    );
    Ok(query.fetch_all(connection).await?)
}

/// Registers a system.
///
/// # Errors
///
/// `participant_system_name_unique`, or the database fails.
pub async fn register(
    tx: &mut WriteTx,
    participant: ParticipantId,
    (name, environment): (&str, i16),
    now: OffsetDateTime,
) -> Result<SystemId, DbError> {
    let id = sqlx::query_scalar!(
        "INSERT INTO participant_system (participant_id, name, environment, created_at) VALUES ($1, $2, $3, $4)
         RETURNING system_id",
        participant.0,
        name,
        environment,
        now,
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(SystemId(id))
}

/// Adds an identity.
///
/// # Errors
///
/// `system_identity_pkey` when somebody has it, or the database fails.
pub async fn add_identity(
    tx: &mut WriteTx,
    system: SystemId,
    identity: &Identity,
    now: OffsetDateTime,
) -> Result<(), DbError> {
    sqlx::query!(
        "INSERT INTO system_identity (issuer, subject, system_id, valid_from, valid_until, created_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
        identity.issuer,
        identity.subject,
        system.0,
        identity.valid_from,
        identity.valid_until,
        now,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Takes an identity away. Returns whether it was there.
///
/// # Errors
///
/// The database fails.
pub async fn remove_identity(
    tx: &mut WriteTx,
    system: SystemId,
    issuer: &str,
    subject: &str,
) -> Result<bool, DbError> {
    let done = sqlx::query!(
        "DELETE FROM system_identity WHERE system_id = $1 AND issuer = $2 AND subject = $3",
        system.0,
        issuer,
        subject,
    )
    .execute(tx.connection())
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Adds a bearer token.
///
/// # Errors
///
/// The database fails.
pub async fn add_token(tx: &mut WriteTx, system: SystemId, token: &Token) -> Result<(), DbError> {
    sqlx::query!(
        "INSERT INTO system_token (token_sha256, system_id, created_at, expires_at) VALUES ($1, $2, $3, $4)",
        token.sha256,
        system.0,
        token.created_at,
        token.expires_at,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Takes a bearer token away by the first bytes of its digest. Returns whether it was there.
///
/// # Errors
///
/// The database fails.
pub async fn remove_token(
    tx: &mut WriteTx,
    system: SystemId,
    token_id: &str,
) -> Result<bool, DbError> {
    let done = sqlx::query!(
        "DELETE FROM system_token WHERE system_id = $1 AND left(encode(token_sha256, 'hex'), 16) = $2",
        system.0,
        token_id,
    )
    .execute(tx.connection())
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Grants roles in the name of the permit's holder; those that are there stay.
///
/// # Errors
///
/// `system_role_one_duty` when it would hold two administrative roles, or the database fails.
pub async fn grant_roles(
    tx: &mut WriteTx,
    system: SystemId,
    roles: &[i16],
    now: OffsetDateTime,
) -> Result<(), DbError> {
    let granted_by = tx.permit().holder().map(|holder| holder.system.0);
    sqlx::query!(
        "INSERT INTO system_role (system_id, role, granted_at, granted_by)
         SELECT $1, role, $2, $3 FROM unnest($4::smallint[]) AS i(role)
         ON CONFLICT ON CONSTRAINT system_role_pkey DO NOTHING",
        system.0,
        now,
        granted_by,
        roles,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Withdraws roles.
///
/// # Errors
///
/// The database fails.
pub async fn withdraw_roles(
    tx: &mut WriteTx,
    system: SystemId,
    roles: &[i16],
) -> Result<(), DbError> {
    sqlx::query!(
        "DELETE FROM system_role WHERE system_id = $1 AND role = ANY($2)",
        system.0,
        roles
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Locks a system out, or lets it in again.
///
/// # Errors
///
/// The database fails.
pub async fn set_disabled(
    tx: &mut WriteTx,
    system: SystemId,
    disabled_at: Option<OffsetDateTime>,
) -> Result<(), DbError> {
    sqlx::query!(
        "UPDATE participant_system SET disabled_at = $2 WHERE system_id = $1",
        system.0,
        disabled_at,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}
