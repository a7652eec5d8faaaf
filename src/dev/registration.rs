//! The demo participants in the database.

use crate::codes::divisions;
use crate::dev::{ADMINISTRATORS, BUREAUS, DevError, ISSUERS, PLATFORMS};
use crate::kernel::fault::{Fault, Reason};
use crate::kernel::ids::ParticipantId;
use crate::participants::commands;
use crate::participants::store::{Jurisdiction, Participant};
use crate::participants::wire::usual_roles;
use crate::platform::action::role_number;
use crate::platform::db::Db;
use crate::platform::permit::{Environment, ParticipantKind, Permit};
use crate::platform::pki::participant_uri;

/// Registers every demo participant that is not there yet.
///
/// # Errors
///
/// The database fails.
pub(crate) async fn register_all(db: &Db, now: time::OffsetDateTime) -> Result<(), DevError> {
    let bureaus = BUREAUS.iter().map(|(name, display_name, division)| {
        let scheme = match division.parse::<u32>() {
            Ok(_) => divisions::Scheme::GbT2260,
            Err(_) => divisions::Scheme::Iso3166_2,
        };
        let token = divisions::lookup(scheme, division).map_or(*division, |found| found.token());
        let jurisdiction = Jurisdiction {
            scheme: if scheme == divisions::Scheme::GbT2260 { 1 } else { 2 },
            code: (*division).to_owned(),
            token: token.to_owned(),
        };
        (*name, *display_name, ParticipantKind::Bureau, vec![jurisdiction], vec![])
    });
    let platforms = PLATFORMS
        .iter()
        .map(|(name, display)| (*name, *display, ParticipantKind::Platform, vec![], vec![]));
    let issuers = ISSUERS
        .iter()
        .map(|(name, display)| (*name, *display, ParticipantKind::Issuer, vec![], vec![]));
    let administrators = ADMINISTRATORS.iter().map(|(name, display, role)| {
        (*name, *display, ParticipantKind::Operator, vec![], vec![*role])
    });
    let all = bureaus.chain(platforms).chain(issuers).chain(administrators);
    for (name, display_name, kind, divisions, roles) in all {
        let roles = usual_roles(kind).iter().chain(&roles).map(|role| role_number(*role)).collect();
        let participant = Participant {
            id: ParticipantId(0),
            name: name.to_owned(),
            display_name: display_name.to_owned(),
            kind,
            divisions,
            certificate_uris: vec![participant_uri(name)],
            roles,
            environment: Environment::Development,
            disabled_at: None,
            created_at: now,
        };
        let mut tx = db.write(&Permit::of_hub()).await.map_err(Fault::from)?;
        match commands::register(&mut tx, &participant, None).await {
            Ok(record) => tx.commit(record).await.map_err(Fault::from)?,
            Err(fault) if fault.reason == Reason::AlreadyExists => {}
            Err(fault) => return Err(fault.into()),
        }
    }
    Ok(())
}
