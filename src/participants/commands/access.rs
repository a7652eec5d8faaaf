//! Decisions of security administrators: identities, tokens, roles, quotas, who is locked out.
//!
//! **Invariant:** nobody decides on its own system; that nobody has two administrative roles is a constraint of the database.

use time::OffsetDateTime;

use crate::kernel::fault::{Fault, Kind, Reason};
use crate::participants::commands::{find, system_of};
use crate::participants::store;
use crate::participants::store::systems::{self, Identity, System, Token};
use crate::platform::db::{DbError, Record, WriteTx};

/// Which system of which organisation.
#[derive(Clone, Debug)]
pub struct Named {
    /// The organisation.
    pub participant: String,
    /// Its system.
    pub system: String,
}

/// What becomes of a system.
#[derive(Clone, Debug)]
pub enum Decision {
    /// It proves who it is in one more way.
    AddIdentity(Identity),
    /// It does so no longer in this way: issuer and subject.
    RemoveIdentity(String, String),
    /// It has one more token.
    AddToken(Token),
    /// It has this token no longer: its id.
    RemoveToken(String),
    /// It may do more: numbers of roles.
    Grant(Vec<i16>),
    /// It may do less: numbers of roles.
    Withdraw(Vec<i16>),
}

/// Carries a decision out and returns the system as it is then.
///
/// # Errors
///
/// `PARTICIPANT_NOT_FOUND`, `IDENTITY_NOT_FOUND`, `ALREADY_EXISTS` when somebody has the identity, `DUTIES_CONFLICT`, or the
/// database fails.
pub async fn decide(
    tx: &mut WriteTx,
    named: &Named,
    decision: &Decision,
    now: OffsetDateTime,
) -> Result<(System, Record), Fault> {
    let participant = find(tx, &named.participant).await?;
    let system = system_of(tx, participant, &named.system).await?;
    not_its_own(tx, &system)?;
    let (what, event) = apply(tx, &system, decision, now).await?;
    let system = system_of(tx, participant, &named.system).await?;
    let subject = format!("participants/{}/systems/{}: {what}", named.participant, named.system);
    Ok((system, Record::new(now, subject, event)))
}

/// Carries a decision out; returns what the audit trail says of it.
async fn apply(
    tx: &mut WriteTx,
    system: &System,
    decision: &Decision,
    now: OffsetDateTime,
) -> Result<(String, &'static str), Fault> {
    let id = system.id;
    match decision {
        Decision::AddIdentity(identity) => {
            let added = systems::add_identity(tx, id, identity, now).await;
            added.map_err(|error| taken(error, &identity.subject))?;
            Ok((shown(&identity.issuer, &identity.subject), "identity.added"))
        }
        Decision::RemoveIdentity(issuer, subject) => {
            found(systems::remove_identity(tx, id, issuer, subject).await?, subject)?;
            Ok((shown(issuer, subject), "identity.removed"))
        }
        Decision::AddToken(token) => {
            systems::add_token(tx, id, token).await?;
            Ok((format!("token {}", token.id()), "token.issued"))
        }
        Decision::RemoveToken(token_id) => {
            found(systems::remove_token(tx, id, token_id).await?, token_id)?;
            Ok((format!("token {token_id}"), "token.revoked"))
        }
        Decision::Grant(roles) => {
            let granted = systems::grant_roles(tx, id, roles, now).await;
            granted.map_err(|error| two_duties(error, &system.name))?;
            Ok((format!("roles {roles:?}"), "roles.granted"))
        }
        Decision::Withdraw(roles) => {
            systems::withdraw_roles(tx, id, roles).await?;
            Ok((format!("roles {roles:?}"), "roles.withdrawn"))
        }
    }
}

/// Sets a quota of an organisation and returns all that differ from the hub's own.
///
/// # Errors
///
/// `PARTICIPANT_NOT_FOUND`, or the database fails.
pub async fn set_quota(
    tx: &mut WriteTx,
    name: &str,
    (quota, most): (i16, Option<i64>),
    now: OffsetDateTime,
) -> Result<(Vec<(i16, i64)>, Record), Fault> {
    let id = find(tx, name).await?;
    store::set_quota(tx, id, quota, most).await?;
    let most = most.map_or_else(|| "the hub's own".to_owned(), |most| most.to_string());
    let subject = format!("participants/{name}: quota {quota} {most}");
    let quotas = store::quotas(tx.connection(), id).await?;
    Ok((quotas, Record::new(now, subject, "quota.set")))
}

/// Locks an organisation or one of its systems (not empty) out, or lets it in again.
///
/// # Errors
///
/// `PARTICIPANT_NOT_FOUND`, `DUTIES_CONFLICT` when it is the caller's own, or the database fails.
pub async fn set_disabled(
    tx: &mut WriteTx,
    named: &Named,
    disabled_at: Option<OffsetDateTime>,
    now: OffsetDateTime,
) -> Result<Record, Fault> {
    let id = find(tx, &named.participant).await?;
    let subject = if named.system.is_empty() {
        if tx.permit().participant() == Some(id) {
            return Err(own());
        }
        store::set_disabled(tx, id, disabled_at).await?;
        format!("participants/{}", named.participant)
    } else {
        let system = system_of(tx, id, &named.system).await?;
        not_its_own(tx, &system)?;
        systems::set_disabled(tx, system.id, disabled_at).await?;
        format!("participants/{}/systems/{}", named.participant, named.system)
    };
    let event = if disabled_at.is_some() { "participant.disabled" } else { "participant.enabled" };
    Ok(Record::new(now, subject, event))
}

impl Token {
    /// Returns the name by which it is listed: the first 16 hexadecimal digits of its SHA-256.
    #[must_use]
    pub fn id(&self) -> String {
        let first = self.sha256.first_chunk::<8>().copied().unwrap_or_default();
        format!("{:016x}", u64::from_be_bytes(first))
    }
}

fn not_its_own(tx: &WriteTx, system: &System) -> Result<(), Fault> {
    let is_own = tx.permit().holder().is_some_and(|holder| holder.system == system.id);
    if is_own { Err(own()) } else { Ok(()) }
}

fn own() -> Fault {
    let message = "nobody decides on its own system; another security administrator does";
    Fault::new(Kind::FailedPrecondition, Reason::DutiesConflict, message)
}

fn two_duties(error: DbError, system: &str) -> Fault {
    match error {
        DbError::Constraint { .. } => {
            let message = format!("{system} would have two of the administrative roles");
            Fault::new(Kind::FailedPrecondition, Reason::DutiesConflict, message)
                .about("system", system)
        }
        error => error.into(),
    }
}

fn taken(error: DbError, subject: &str) -> Fault {
    match error {
        DbError::Constraint { .. } => {
            let message = format!("{subject} speaks for a system already");
            Fault::new(Kind::AlreadyExists, Reason::AlreadyExists, message)
                .about("identity", subject)
        }
        error => error.into(),
    }
}

fn found(was_there: bool, what: &str) -> Result<(), Fault> {
    if was_there {
        return Ok(());
    }
    let message = format!("the system has no {what}");
    Err(Fault::new(Kind::NotFound, Reason::IdentityNotFound, message).about("identity", what))
}

fn shown(issuer: &str, subject: &str) -> String {
    if issuer.is_empty() { subject.to_owned() } else { format!("{issuer} {subject}") }
}
