//! The registered systems: what proves who somebody is, looked up.

use time::OffsetDateTime;

use crate::kernel::fault::{Fault, Kind, Reason};
use crate::kernel::ids::{ParticipantId, SystemId};
use crate::pb::peshub::common::v1::{QuotaClass, Role};
use crate::platform::db::{Db, DbError};
use crate::platform::identity::signed::expired;
use crate::platform::permit::{Environment, ParticipantKind, Permit, Standing};

/// How a caller proves who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// What a client certificate (without an issuer) or a signed token names.
    Named {
        /// The `iss` of the token; empty for a certificate.
        issuer: String,
        /// The `sub` of the token, or the URI name of the certificate.
        subject: String,
    },
    /// SHA-256 of a token that the hub made.
    Token(Vec<u8>),
}

/// What a proof leads to: the standing of a system, or why none counts.
pub type Found = Result<Standing, Fault>;

/// Looks up who is registered.
#[derive(Clone, Debug)]
pub struct Directory {
    db: Db,
    environment: Environment,
}

/// A registered system, and all that decides whether it counts now.
#[derive(Debug)]
struct Row {
    /// Which of the proofs led to it.
    place: i64,
    valid_from: Option<OffsetDateTime>,
    valid_until: Option<OffsetDateTime>,
    is_token: bool,
    environment: i16,
    is_disabled: bool,
    participant_id: i64,
    name: String,
    kind: i16,
    system_id: i64,
    system_name: String,
    divisions: Vec<String>,
    roles: Vec<i16>,
    quotas: Vec<i16>,
    most: Vec<i64>,
}

impl Directory {
    /// Returns a directory over the participants in the database, for a hub of some environment.
    #[must_use]
    pub const fn new(db: Db, environment: Environment) -> Self {
        Self { db, environment }
    }

    /// Looks up proofs, all at once. The answers are in their order.
    ///
    /// # Errors
    ///
    /// The database fails.
    pub async fn look_up(
        &self,
        proofs: &[&Proof],
        now: OffsetDateTime,
    ) -> Result<Vec<Found>, DbError> {
        let mut found: Vec<Found> = proofs.iter().map(|proof| Err(unknown(proof))).collect();
        for row in self.rows(proofs).await? {
            let place = usize::try_from(row.place).ok().and_then(|place| found.get_mut(place));
            if let Some(place) = place {
                *place = self.standing(row, now);
            }
        }
        Ok(found)
    }

    async fn rows(&self, proofs: &[&Proof]) -> Result<Vec<Row>, DbError> {
        let (mut places, mut issuers, mut subjects) = (Vec::new(), Vec::new(), Vec::new());
        let (mut token_places, mut digests) = (Vec::new(), Vec::new());
        for (place, proof) in (0_i64..).zip(proofs) {
            match proof {
                Proof::Named { issuer, subject } => {
                    places.push(place);
                    issuers.push(issuer.clone());
                    subjects.push(subject.clone());
                }
                Proof::Token(digest) => {
                    token_places.push(place);
                    digests.push(digest.clone());
                }
            }
        }
        let mut tx = self.db.read(&Permit::of_hub()).await?;
        let rows = sqlx::query_as!(
            Row,
            r#"SELECT w.place AS "place!", w.valid_from, w.valid_until, w.is_token AS "is_token!", s.environment,
                      (p.disabled_at IS NOT NULL OR s.disabled_at IS NOT NULL) AS "is_disabled!",
                      p.participant_id, p.name, p.kind, s.system_id, s.name AS system_name,
                      ARRAY(SELECT d.token FROM participant_division d
                            WHERE d.participant_id = p.participant_id ORDER BY d.token) AS "divisions!",
                      ARRAY(SELECT r.role FROM system_role r
                            WHERE r.system_id = s.system_id ORDER BY r.role) AS "roles!",
                      ARRAY(SELECT q.quota FROM participant_quota q
                            WHERE q.participant_id = p.participant_id ORDER BY q.quota) AS "quotas!",
                      ARRAY(SELECT q.most FROM participant_quota q
                            WHERE q.participant_id = p.participant_id ORDER BY q.quota) AS "most!"
               FROM (SELECT n.place, i.system_id, i.valid_from, i.valid_until, false AS is_token
                     FROM unnest($1::bigint[], $2::text[], $3::text[]) AS n(place, issuer, subject)
                     JOIN system_identity i ON i.issuer = n.issuer AND i.subject = n.subject
                     UNION ALL
                     SELECT n.place, t.system_id, t.created_at, t.expires_at, true
                     FROM unnest($4::bigint[], $5::bytea[]) AS n(place, digest)
                     JOIN system_token t ON t.token_sha256 = n.digest) w
               JOIN participant_system s ON s.system_id = w.system_id
               JOIN participant p ON p.participant_id = s.participant_id"#,
            &places,
            &issuers,
            &subjects,
            &token_places,
            &digests,
        )
        .fetch_all(tx.connection())
        .await?;
        Ok(rows)
    }

    fn standing(&self, row: Row, now: OffsetDateTime) -> Found {
        if row.valid_until.is_some_and(|until| until <= now) {
            return Err(if row.is_token {
                expired("the token has expired")
            } else {
                nobody("the registration of this name has ended")
            });
        }
        // Tokens count from when they are made; the clocks of two replicas may differ.
        if !row.is_token && row.valid_from.is_some_and(|from| from > now) {
            return Err(nobody("the registration of this name has not begun"));
        }
        if row.environment != self.environment.number() {
            return Err(nobody("the system is registered for another environment than this hub's"));
        }
        if row.is_disabled {
            let message = format!("{} ({}) is locked out", row.name, row.system_name);
            return Err(Fault::new(Kind::PermissionDenied, Reason::CallerDisabled, message));
        }
        let kind = ParticipantKind::of_number(row.kind);
        let roles = row.roles.into_iter().filter_map(|role| Role::try_from(i32::from(role)).ok());
        let quotas =
            row.quotas.into_iter().zip(row.most).filter_map(|(quota, most)| {
                Some((QuotaClass::try_from(i32::from(quota)).ok()?, most))
            });
        Ok(Standing {
            participant: ParticipantId(row.participant_id),
            participant_name: row.name,
            kind: kind.ok_or_else(|| nobody("the organisation is of no kind that is known"))?,
            system: SystemId(row.system_id),
            system_name: row.system_name,
            roles: roles.collect(),
            quotas: quotas.collect(),
            division_tokens: row.divisions,
        })
    }
}

fn nobody(message: &str) -> Fault {
    Fault::new(Kind::Unauthenticated, Reason::CallerUnknown, message)
}

/// Returns the fault of a proof that is registered with nobody.
fn unknown(proof: &Proof) -> Fault {
    match proof {
        Proof::Named { issuer, .. } if issuer.is_empty() => {
            nobody("the name of the client certificate is registered with nobody")
        }
        Proof::Named { .. } => nobody("the subject of the token is registered with nobody"),
        Proof::Token(_) => {
            let message = "this hub did not make the bearer token";
            Fault::new(Kind::Unauthenticated, Reason::TokenInvalid, message)
        }
    }
}
