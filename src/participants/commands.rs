//! Writes: one function, one use case, one transaction.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use time::OffsetDateTime;

use crate::kernel::fault::{Fault, Kind, Reason};
use crate::participants::store;
use crate::pb::peshub::common::v1::Role;
use crate::platform::db::{Db, DbError, Record};
use crate::platform::identity;
use crate::platform::permit::{Environment, ParticipantKind, Permit};

/// Registers an organisation.
///
/// # Errors
///
/// `ALREADY_EXISTS` when its name or one of its certificates is taken, or the database fails.
pub async fn register(
    db: &Db,
    permit: &Permit,
    participant: &store::Participant,
    token: Option<&str>,
) -> Result<(), Fault> {
    let digest = token.map(identity::token_sha256);
    let mut tx = db.write(permit).await?;
    match store::register(&mut tx, participant, digest.as_deref()).await {
        Ok(_) => {}
        Err(DbError::Constraint { .. }) => {
            let message = format!("{} or one of its certificates is registered", participant.name);
            return Err(Fault::new(Kind::AlreadyExists, Reason::AlreadyExists, message));
        }
        Err(error) => return Err(error.into()),
    }
    let subject = format!("participants/{}", participant.name);
    let at = participant.created_at;
    tx.commit(Record::new(at, subject, "participant.registered")).await?;
    Ok(())
}

/// Registers the first operator of a new hub, in the hub's own name.
///
/// # Errors
///
/// `ALREADY_EXISTS` when there is an operator, or the database fails.
pub async fn register_first_operator(
    db: &Db,
    name: &str,
    certificate_uri: Option<String>,
    token: Option<&str>,
    now: OffsetDateTime,
) -> Result<(), Fault> {
    let permit = Permit::of_hub();
    let mut tx = db.read(&permit).await?;
    if store::has_operator(&mut tx).await? {
        let message = "this hub has an operator, who registers others";
        return Err(Fault::new(Kind::AlreadyExists, Reason::AlreadyExists, message));
    }
    drop(tx);
    let operator = store::Participant {
        name: name.to_owned(),
        display_name: name.to_owned(),
        kind: ParticipantKind::Operator,
        divisions: Vec::new(),
        certificate_uris: certificate_uri.into_iter().collect(),
        roles: vec![Role::SystemAdministrator],
        environment: Environment::Production,
        created_at: now,
    };
    register(db, &permit, &operator, token).await
}

/// Creates a source of the permit's holder; the one that is there if it is there already.
///
/// # Errors
///
/// `ALREADY_EXISTS` when the name is another participant's, or the database fails.
pub async fn create_source(
    db: &Db,
    permit: &Permit,
    name: &str,
    at: OffsetDateTime,
) -> Result<(), Fault> {
    let mut tx = db.write(permit).await?;
    if !store::create_source(&mut tx, name, at).await? {
        let message = format!("the name {name} is taken by another participant");
        return Err(Fault::new(Kind::AlreadyExists, Reason::AlreadyExists, message));
    }
    let subject = format!("sources/{name}");
    tx.commit(Record::new(at, subject, "source.created")).await?;
    Ok(())
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
