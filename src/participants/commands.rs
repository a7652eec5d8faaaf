//! Writes: one function, one use case. Each is handed its transaction and returns the answer with the record that closes it.

pub mod access;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use time::OffsetDateTime;

use crate::kernel::fault::{Fault, Kind, Reason};
use crate::kernel::ids::ParticipantId;
use crate::participants::store::systems::{self, Identity, System, Token};
use crate::participants::store::{self, Jurisdiction, Participant};
use crate::pb::peshub::common::v1::Role;
use crate::platform::action::role_number;
use crate::platform::db::{Db, DbError, Record, WriteTx};
use crate::platform::identity;
use crate::platform::permit::{Environment, ParticipantKind, Permit};

/// How long a bearer token counts when nobody says, in days.
pub const TOKEN_DAYS: i64 = 365;

/// Registers an organisation.
///
/// # Errors
///
/// `ALREADY_EXISTS` when its name or one of its certificates is taken, or the database fails.
pub async fn register(
    tx: &mut WriteTx,
    participant: &Participant,
    token: Option<&Token>,
) -> Result<Record, Fault> {
    match store::register(tx, participant, token).await {
        Ok(_) => {}
        Err(DbError::Constraint { .. }) => {
            let message = format!("{} or one of its certificates is registered", participant.name);
            return Err(Fault::new(Kind::AlreadyExists, Reason::AlreadyExists, message)
                .about("participant", &participant.name));
        }
        Err(error) => return Err(error.into()),
    }
    let subject = format!("participants/{}", participant.name);
    Ok(Record::new(participant.created_at, subject, "participant.registered"))
}

/// What of an organisation is changed.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Its name for people.
    pub display_name: Option<String>,
    /// Its divisions.
    pub divisions: Option<Vec<Jurisdiction>>,
}

/// Changes an organisation.
///
/// # Errors
///
/// `PARTICIPANT_NOT_FOUND`, or the database fails.
pub async fn update(
    tx: &mut WriteTx,
    name: &str,
    changes: &Changes,
    now: OffsetDateTime,
) -> Result<(Participant, Record), Fault> {
    let id = find(tx, name).await?;
    let mut what = Vec::new();
    if let Some(display_name) = &changes.display_name {
        store::set_display_name(tx, id, display_name).await?;
        what.push("name".to_owned());
    }
    if let Some(divisions) = &changes.divisions {
        store::set_divisions(tx, id, divisions).await?;
        let codes: Vec<_> = divisions.iter().map(|division| division.code.as_str()).collect();
        what.push(format!("divisions {}", codes.join(" ")));
    }
    let subject = format!("participants/{name}: {}", what.join(", "));
    let found = store::list(tx.connection(), "", Some(name), 1).await?.pop();
    let participant = found.ok_or_else(|| not_found(name))?;
    Ok((participant, Record::new(now, subject, "participant.updated")))
}

/// Registers a system of an organisation.
///
/// # Errors
///
/// `PARTICIPANT_NOT_FOUND`, `ALREADY_EXISTS`, or the database fails.
pub async fn register_system(
    tx: &mut WriteTx,
    participant: &str,
    (name, environment): (&str, Environment),
    now: OffsetDateTime,
) -> Result<(System, Record), Fault> {
    let id = find(tx, participant).await?;
    if let Err(error) = systems::register(tx, id, (name, environment.number()), now).await {
        return Err(match error {
            DbError::Constraint { .. } => {
                let message = format!("{participant} has a system {name}");
                Fault::new(Kind::AlreadyExists, Reason::AlreadyExists, message)
                    .about("system", name)
            }
            error => error.into(),
        });
    }
    let system = system_of(tx, id, name).await?;
    let subject = format!("participants/{participant}/systems/{name}");
    Ok((system, Record::new(now, subject, "system.registered")))
}

/// Creates a source of the permit's holder; the one that is there if it is there already.
///
/// # Errors
///
/// `ALREADY_EXISTS` when the name is another participant's, or the database fails.
pub async fn create_source(
    tx: &mut WriteTx,
    name: &str,
    at: OffsetDateTime,
) -> Result<Record, Fault> {
    if !store::create_source(tx, name, at).await? {
        let message = format!("the name {name} is taken by another participant");
        return Err(
            Fault::new(Kind::AlreadyExists, Reason::AlreadyExists, message).about("source", name)
        );
    }
    Ok(Record::new(at, format!("sources/{name}"), "source.created"))
}

/// Registers the operator of a new hub in the hub's own name: three systems, one for each administrative duty, with a client
/// certificate's name or a bearer token each.
///
/// # Errors
///
/// `ALREADY_EXISTS` when somebody is system administrator, or the database fails.
pub async fn bootstrap(
    db: &Db,
    name: &str,
    environment: Environment,
    duties: &[Duty],
    now: OffsetDateTime,
) -> Result<(), Fault> {
    let operator = Participant {
        id: ParticipantId(0),
        name: name.to_owned(),
        display_name: name.to_owned(),
        kind: ParticipantKind::Operator,
        divisions: Vec::new(),
        certificate_uris: Vec::new(),
        roles: Vec::new(),
        environment,
        disabled_at: None,
        created_at: now,
    };
    let mut tx = db.write(&Permit::of_hub()).await?;
    let administrator = role_number(Role::SystemAdministrator);
    if store::is_held(tx.connection(), administrator).await? {
        let message = "this hub has an operator, who registers others";
        return Err(Fault::new(Kind::AlreadyExists, Reason::AlreadyExists, message));
    }
    let record = register(&mut tx, &operator, None).await?;
    let id = find(&mut tx, name).await?;
    for duty in duties {
        let system = (duty.system, environment.number());
        let system = systems::register(&mut tx, id, system, now).await?;
        systems::grant_roles(&mut tx, system, &[duty.role], now).await?;
        match &duty.proof {
            Proof::Certificate(uri) => {
                let identity = Identity {
                    issuer: String::new(),
                    subject: uri.clone(),
                    valid_from: now,
                    valid_until: None,
                };
                systems::add_identity(&mut tx, system, &identity, now).await?;
            }
            Proof::Token(token) => systems::add_token(&mut tx, system, token).await?,
        }
    }
    tx.commit(record).await?;
    Ok(())
}

/// An administrative duty and who has it.
#[derive(Clone, Debug)]
pub struct Duty {
    /// Name of the system.
    pub system: &'static str,
    /// Number of the role.
    pub role: i16,
    /// How the system proves who it is.
    pub proof: Proof,
}

/// How a system proves who it is.
#[derive(Clone, Debug)]
pub enum Proof {
    /// URI name of its client certificate.
    Certificate(String),
    /// A bearer token.
    Token(Token),
}

/// Finds an organisation and keeps others from changing it.
async fn find(tx: &mut WriteTx, name: &str) -> Result<ParticipantId, Fault> {
    store::lock(tx, name).await?.ok_or_else(|| not_found(name))
}

async fn system_of(tx: &mut WriteTx, id: ParticipantId, name: &str) -> Result<System, Fault> {
    let found = systems::systems(tx.connection(), id, Some(name)).await?.pop();
    found.ok_or_else(|| not_found(name))
}

/// Returns the fault of an organisation or system that is not there.
#[must_use]
pub fn not_found(name: &str) -> Fault {
    let message = format!("there is no organisation or system {name}");
    Fault::new(Kind::NotFound, Reason::ParticipantNotFound, message).about("participant", name)
}

/// Returns what is kept of a bearer token that counts for some days from `now`.
#[must_use]
pub fn issued(token: &str, now: OffsetDateTime, days: i64) -> Token {
    let expires_at = now.checked_add(time::Duration::days(days));
    Token { sha256: identity::token_sha256(token), created_at: now, expires_at }
}

/// Makes a bearer token: 32 random bytes.
///
/// # Errors
///
/// The machine has no randomness.
pub fn fresh_token() -> Result<String, Fault> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Fault::internal("no randomness"))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
