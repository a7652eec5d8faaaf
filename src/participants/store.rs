//! The SQL of participants and sources.

pub mod systems;

use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::kernel::ids::ParticipantId;
use crate::participants::store::systems::{Identity, Token};
use crate::platform::db::{DbError, WriteTx};
use crate::platform::permit::{Environment, ParticipantKind};

/// Name of the system that every organisation begins with.
pub const MAIN_SYSTEM: &str = "main";

/// A division of a bureau's jurisdiction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jurisdiction {
    /// Number of the scheme in the contract.
    pub scheme: i16,
    /// Its code.
    pub code: String,
    /// Its stable token.
    pub token: String,
}

/// An organisation.
#[derive(Clone, Debug)]
pub struct Participant {
    /// Its number; any before it is registered.
    pub id: ParticipantId,
    /// Short name.
    pub name: String,
    /// Name for people.
    pub display_name: String,
    /// What it is.
    pub kind: ParticipantKind,
    /// A bureau's jurisdiction.
    pub divisions: Vec<Jurisdiction>,
    /// URI names of its client certificates.
    pub certificate_uris: Vec<String>,
    /// Numbers of the roles that its first system begins with.
    pub roles: Vec<i16>,
    /// Which installation its first system is meant for.
    pub environment: Environment,
    /// Since when it is locked out.
    pub disabled_at: Option<OffsetDateTime>,
    /// When it was registered.
    pub created_at: OffsetDateTime,
}

/// Registers an organisation, with a bearer token if one is given.
///
/// # Errors
///
/// `participant_name_unique`, `system_identity_pkey`, or the database fails.
pub async fn register(
    tx: &mut WriteTx,
    participant: &Participant,
    token: Option<&Token>,
) -> Result<ParticipantId, DbError> {
    let id = sqlx::query_scalar!(
        "INSERT INTO participant (name, display_name, kind, created_at) VALUES ($1, $2, $3, $4)
         RETURNING participant_id",
        participant.name,
        participant.display_name,
        participant.kind.number(),
        participant.created_at,
    )
    .fetch_one(tx.connection())
    .await?;
    let (id, now) = (ParticipantId(id), participant.created_at);
    set_divisions(tx, id, &participant.divisions).await?;
    let main = (MAIN_SYSTEM, participant.environment.number());
    let system = systems::register(tx, id, main, now).await?;
    for uri in &participant.certificate_uris {
        let identity = Identity {
            issuer: String::new(),
            subject: uri.clone(),
            valid_from: now,
            valid_until: None,
        };
        systems::add_identity(tx, system, &identity, now).await?;
    }
    systems::grant_roles(tx, system, &participant.roles, now).await?;
    if let Some(token) = token {
        systems::add_token(tx, system, token).await?;
    }
    Ok(id)
}

/// Replaces an organisation's divisions.
///
/// # Errors
///
/// The database fails.
pub async fn set_divisions(
    tx: &mut WriteTx,
    id: ParticipantId,
    divisions: &[Jurisdiction],
) -> Result<(), DbError> {
    sqlx::query!("DELETE FROM participant_division WHERE participant_id = $1", id.0)
        .execute(tx.connection())
        .await?;
    for division in divisions {
        sqlx::query!(
            "INSERT INTO participant_division (participant_id, scheme, code, token) VALUES ($1, $2, $3, $4)
             ON CONFLICT DO NOTHING",
            id.0,
            division.scheme,
            division.code,
            division.token,
        )
        .execute(tx.connection())
        .await?;
    }
    Ok(())
}

/// Changes the name for people.
///
/// # Errors
///
/// The database fails.
pub async fn set_display_name(
    tx: &mut WriteTx,
    id: ParticipantId,
    display_name: &str,
) -> Result<(), DbError> {
    sqlx::query!(
        "UPDATE participant SET display_name = $2 WHERE participant_id = $1",
        id.0,
        display_name,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Locks an organisation out, or lets it in again.
///
/// # Errors
///
/// The database fails.
pub async fn set_disabled(
    tx: &mut WriteTx,
    id: ParticipantId,
    disabled_at: Option<OffsetDateTime>,
) -> Result<(), DbError> {
    sqlx::query!(
        "UPDATE participant SET disabled_at = $2 WHERE participant_id = $1",
        id.0,
        disabled_at,
    )
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Finds an organisation by its short name and, within a write, keeps others from changing it meanwhile.
///
/// # Errors
///
/// The database fails.
pub async fn lock(tx: &mut WriteTx, name: &str) -> Result<Option<ParticipantId>, DbError> {
    let id = sqlx::query_scalar!(
        "SELECT participant_id FROM participant WHERE name = $1 FOR UPDATE",
        name
    )
    .fetch_optional(tx.connection())
    .await?;
    Ok(id.map(ParticipantId))
}

/// Sets a quota, or takes it away.
///
/// # Errors
///
/// The database fails.
pub async fn set_quota(
    tx: &mut WriteTx,
    id: ParticipantId,
    quota: i16,
    most: Option<i64>,
) -> Result<(), DbError> {
    sqlx::query!(
        "DELETE FROM participant_quota WHERE participant_id = $1 AND quota = $2",
        id.0,
        quota,
    )
    .execute(tx.connection())
    .await?;
    if let Some(most) = most {
        sqlx::query!(
            "INSERT INTO participant_quota (participant_id, quota, most) VALUES ($1, $2, $3)",
            id.0,
            quota,
            most,
        )
        .execute(tx.connection())
        .await?;
    }
    Ok(())
}

/// Returns the quotas of an organisation that differ from the hub's own.
///
/// # Errors
///
/// The database fails.
pub async fn quotas(
    connection: &mut PgConnection,
    id: ParticipantId,
) -> Result<Vec<(i16, i64)>, DbError> {
    let rows = sqlx::query!(
        "SELECT quota, most FROM participant_quota WHERE participant_id = $1 ORDER BY quota",
        id.0,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.quota, row.most)).collect())
}

/// Returns whether anybody holds a role.
///
/// # Errors
///
/// The database fails.
pub async fn is_held(connection: &mut PgConnection, role: i16) -> Result<bool, DbError> {
    let found = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM system_role WHERE role = $1) AS "found!""#,
        role
    )
    .fetch_one(connection)
    .await?;
    Ok(found)
}

/// Returns a page of organisations by name, after a name.
///
/// # Errors
///
/// The database fails.
pub async fn list(
    connection: &mut PgConnection,
    after: &str,
    only: Option<&str>,
    limit: i64,
) -> Result<Vec<Participant>, DbError> {
    let rows = sqlx::query!(
        r#"SELECT participant_id, name, display_name, kind, created_at, disabled_at,
                  ARRAY(SELECT d.scheme || ' ' || d.code || ' ' || d.token FROM participant_division d
                        WHERE d.participant_id = p.participant_id ORDER BY d.token) AS "divisions!",
                  ARRAY(SELECT i.subject FROM system_identity i JOIN participant_system s USING (system_id)
                        WHERE s.participant_id = p.participant_id AND i.issuer = '' ORDER BY i.subject) AS "uris!"
           FROM participant p
           WHERE name > $1 AND ($2::text IS NULL OR name = $2) ORDER BY name LIMIT $3"#,
        after,
        only,
        limit,
    )
    .fetch_all(connection)
    .await?;
    let participants = rows.into_iter().filter_map(|row| {
        Some(Participant {
            id: ParticipantId(row.participant_id),
            name: row.name,
            display_name: row.display_name,
            kind: ParticipantKind::of_number(row.kind)?,
            divisions: row.divisions.iter().filter_map(|text| jurisdiction(text)).collect(),
            certificate_uris: row.uris,
            roles: Vec::new(),
            environment: Environment::Production,
            disabled_at: row.disabled_at,
            created_at: row.created_at,
        })
    });
    Ok(participants.collect())
}

fn jurisdiction(text: &str) -> Option<Jurisdiction> {
    let mut parts = text.splitn(3, ' ');
    Some(Jurisdiction {
        scheme: parts.next()?.parse().ok()?,
        code: parts.next()?.to_owned(),
        token: parts.next()?.to_owned(),
    })
}

/// A source with its lanes.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// When it was created.
    pub created_at: OffsetDateTime,
    /// Name, last batch and time of its lanes.
    pub lanes: Vec<(String, i64, Option<OffsetDateTime>)>,
}

/// Creates a source of the caller, or leaves the one that is there.
///
/// # Errors
///
/// `source_name_unique` cannot be: a name that somebody else has is reported as `false`. The database fails.
pub async fn create_source(
    tx: &mut WriteTx,
    name: &str,
    now: OffsetDateTime,
) -> Result<bool, DbError> {
    let owner = tx.permit().participant().map(|id| id.0);
    sqlx::query!(
        "INSERT INTO source (participant_id, name, created_at) VALUES ($1, $2, $3)
         ON CONFLICT ON CONSTRAINT source_name_unique DO NOTHING",
        owner,
        name,
        now,
    )
    .execute(tx.connection())
    .await?;
    let is_ours = sqlx::query_scalar!(
        r#"SELECT participant_id IS NOT DISTINCT FROM $1 AS "is_ours!" FROM source WHERE name = $2"#,
        owner,
        name,
    )
    .fetch_optional(tx.connection())
    .await?;
    // The second wall hides another's source.
    Ok(is_ours.unwrap_or_default())
}

/// Returns the sources of an organisation by name.
///
/// # Errors
///
/// The database fails.
pub async fn sources(
    connection: &mut PgConnection,
    owner: Option<ParticipantId>,
) -> Result<Vec<Source>, DbError> {
    let rows = sqlx::query!(
        r#"SELECT s.name, s.created_at, l.name AS "lane?", l.last_batch_id AS "last_batch_id?", l.last_committed_at
           FROM source s LEFT JOIN sync_lane l ON l.source_id = s.source_id
           WHERE s.participant_id = $1 ORDER BY s.name, l.name"#,
        owner.map(|id| id.0),
    )
    .fetch_all(connection)
    .await?;
    let mut sources: Vec<Source> = Vec::new();
    for row in rows {
        if sources.last().is_none_or(|last| last.name != row.name) {
            let (name, created_at) = (row.name.clone(), row.created_at);
            sources.push(Source { name, created_at, lanes: Vec::new() });
        }
        if let (Some(last), Some(lane), Some(batch)) =
            (sources.last_mut(), row.lane, row.last_batch_id)
        {
            last.lanes.push((lane, batch, row.last_committed_at));
        }
    }
    Ok(sources)
}
