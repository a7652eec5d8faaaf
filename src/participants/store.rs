//! The SQL of participants and sources.

use time::OffsetDateTime;

use crate::kernel::ids::ParticipantId;
use crate::pb::peshub::common::v1::Role;
use crate::platform::db::{DbError, ReadTx, WriteTx};
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
    /// What its first system may do.
    pub roles: Vec<Role>,
    /// When it was registered.
    pub created_at: OffsetDateTime,
    /// Which installation its system is meant for.
    pub environment: Environment,
}

/// Registers an organisation, with a bearer token if its digest is given.
///
/// # Errors
///
/// `participant_name_unique`, `participant_certificate_pkey`, or the database fails.
pub async fn register(
    tx: &mut WriteTx,
    participant: &Participant,
    token_sha256: Option<&[u8]>,
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
    for division in &participant.divisions {
        sqlx::query!(
            "INSERT INTO participant_division (participant_id, scheme, code, token) VALUES ($1, $2, $3, $4)
             ON CONFLICT DO NOTHING",
            id,
            division.scheme,
            division.code,
            division.token,
        )
        .execute(tx.connection())
        .await?;
    }
    let system = sqlx::query_scalar!(
        "INSERT INTO participant_system (participant_id, name, environment, created_at) VALUES ($1, $2, $3, $4)
         RETURNING system_id",
        id,
        MAIN_SYSTEM,
        participant.environment.number(),
        participant.created_at,
    )
    .fetch_one(tx.connection())
    .await?;
    sqlx::query!(
        "INSERT INTO system_identity (issuer, subject, system_id, valid_from, created_at)
         SELECT '', uri, $1, $2, $2 FROM unnest($3::text[]) AS i(uri)",
        system,
        participant.created_at,
        &participant.certificate_uris,
    )
    .execute(tx.connection())
    .await?;
    let roles: Vec<i16> =
        participant.roles.iter().filter_map(|role| i16::try_from(i32::from(*role)).ok()).collect();
    sqlx::query!(
        "INSERT INTO system_role (system_id, role, granted_at, granted_by)
         SELECT $1, role, $2, $3 FROM unnest($4::smallint[]) AS i(role)",
        system,
        participant.created_at,
        tx.permit().holder().map(|holder| holder.system.0),
        &roles,
    )
    .execute(tx.connection())
    .await?;
    if let Some(digest) = token_sha256 {
        sqlx::query!(
            "INSERT INTO system_token (token_sha256, system_id, created_at) VALUES ($1, $2, $3)",
            digest,
            system,
            participant.created_at,
        )
        .execute(tx.connection())
        .await?;
    }
    Ok(ParticipantId(id))
}

/// Returns whether there is an operator.
///
/// # Errors
///
/// The database fails.
pub async fn has_operator(tx: &mut ReadTx) -> Result<bool, DbError> {
    let kind = ParticipantKind::Operator.number();
    let found = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM participant WHERE kind = $1) AS "found!""#,
        kind
    )
    .fetch_one(tx.connection())
    .await?;
    Ok(found)
}

/// Returns a page of organisations by name, after a name.
///
/// # Errors
///
/// The database fails.
pub async fn list(
    tx: &mut ReadTx,
    after: &str,
    only: Option<ParticipantId>,
    limit: i64,
) -> Result<Vec<Participant>, DbError> {
    let rows = sqlx::query!(
        r#"SELECT name, display_name, kind, created_at,
                  ARRAY(SELECT d.scheme || ' ' || d.code || ' ' || d.token FROM participant_division d
                        WHERE d.participant_id = p.participant_id ORDER BY d.token) AS "divisions!",
                  ARRAY(SELECT i.subject FROM system_identity i JOIN participant_system s USING (system_id)
                        WHERE s.participant_id = p.participant_id AND i.issuer = '' ORDER BY i.subject) AS "uris!"
           FROM participant p
           WHERE name > $1 AND ($2::bigint IS NULL OR participant_id = $2) ORDER BY name LIMIT $3"#,
        after,
        only.map(|id| id.0),
        limit,
    )
    .fetch_all(tx.connection())
    .await?;
    let participants = rows.into_iter().filter_map(|row| {
        Some(Participant {
            name: row.name,
            display_name: row.display_name,
            kind: ParticipantKind::of_number(row.kind)?,
            divisions: row.divisions.iter().filter_map(|text| jurisdiction(text)).collect(),
            certificate_uris: row.uris,
            roles: Vec::new(),
            created_at: row.created_at,
            environment: Environment::Production,
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
    .fetch_one(tx.connection())
    .await?;
    Ok(is_ours)
}

/// Returns the caller's sources by name.
///
/// # Errors
///
/// The database fails.
pub async fn sources(tx: &mut ReadTx) -> Result<Vec<Source>, DbError> {
    let owner = tx.permit().participant().map(|id| id.0);
    let rows = sqlx::query!(
        r#"SELECT s.name, s.created_at, l.name AS "lane?", l.last_batch_id AS "last_batch_id?", l.last_committed_at
           FROM source s LEFT JOIN sync_lane l ON l.source_id = s.source_id
           WHERE s.participant_id = $1 ORDER BY s.name, l.name"#,
        owner,
    )
    .fetch_all(tx.connection())
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
