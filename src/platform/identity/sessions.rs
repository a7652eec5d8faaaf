//! Who is calling now: what was found out about each pair of certificate and token, for a second, and for as long as a stream of
//! theirs is open.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::kernel::fault::Reason;
use crate::platform::identity::IdentityFault;
use crate::platform::identity::directory::Proof;
use crate::platform::identity::signed::Claims;
use crate::platform::permit::{Caller, Standing};
use crate::platform::trust::certificate::PeerCertificate;

/// How long what was found out is trusted: a change counts after this.
const TRUSTED: Duration = Duration::from_secs(1);
/// Most sessions that nobody uses and that are remembered all the same.
const IDLE_MAX: usize = 10_000;

/// What a session is known by: the SHA-256 of its certificate and of its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Of the certificate.
    pub certificate: Option<[u8; 32]>,
    /// Of the token.
    pub token: Option<[u8; 32]>,
}

/// What a caller has shown.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Its certificate.
    pub certificate: Option<Arc<PeerCertificate>>,
    /// Its token, if that is a signed one: it is verified again when trust changes.
    pub signed: Option<(Arc<str>, Claims)>,
    /// What is looked up.
    pub proofs: Vec<Proof>,
}

impl Shown {
    /// Returns whether it has a token that the hub made.
    #[must_use]
    pub fn has_hub_token(&self) -> bool {
        self.proofs.iter().any(|proof| matches!(proof, Proof::Token(_)))
    }
}

/// What was found out about a caller.
#[derive(Clone, Debug)]
pub struct Session {
    /// What it has shown.
    pub shown: Shown,
    /// Who it is, or why it does not count.
    pub outcome: Result<Caller, IdentityFault>,
    /// The trust that it was held against.
    pub epoch: u64,
    at: Instant,
}

impl Session {
    /// Returns what was found out just now, against some trust.
    #[must_use]
    pub fn new(shown: Shown, outcome: Result<Caller, IdentityFault>, epoch: u64) -> Self {
        Self { shown, outcome, epoch, at: Instant::now() }
    }

    /// Returns whether a stream or call of it is under way.
    fn is_held(&self) -> bool {
        self.outcome.as_ref().is_ok_and(Caller::is_held)
    }

    fn is_fresh(&self) -> bool {
        self.at.elapsed() < TRUSTED
    }
}

/// All sessions.
#[derive(Debug, Default)]
pub struct Sessions(Mutex<HashMap<Key, Session>>);

impl Sessions {
    /// Returns what was found out within the last second, against this trust.
    #[must_use]
    pub fn fresh(&self, key: &Key, epoch: u64) -> Option<Session> {
        let sessions = self.lock();
        sessions.get(key).filter(|it| it.is_fresh() && it.epoch == epoch).cloned()
    }

    /// Remembers what was found out, and returns the caller: the one that is known already if its standing is the same, so that
    /// its streams are ended with it.
    ///
    /// # Errors
    ///
    /// What was found, when that is a fault.
    pub fn remember(
        &self,
        key: Key,
        shown: Shown,
        found: Result<Standing, IdentityFault>,
        epoch: u64,
    ) -> Result<Caller, IdentityFault> {
        let mut sessions = self.lock();
        let known = sessions.get(&key).and_then(|known| known.outcome.clone().ok());
        let outcome = match (found, known) {
            (Ok(standing), Some(known)) if *known.standing() == standing => Ok(known),
            (found, known) => {
                if let Some(known) = known {
                    end(&known, found.as_ref().err());
                }
                found.map(Caller::new)
            }
        };
        if sessions.len() >= IDLE_MAX {
            sessions.retain(|_, session| session.is_held());
        }
        sessions.insert(key, Session::new(shown, outcome.clone(), epoch));
        outcome
    }

    /// Forgets what nobody uses, and returns the sessions that have streams or calls under way.
    pub fn held(&self) -> Vec<(Key, Session)> {
        let mut sessions = self.lock();
        sessions.retain(|_, session| session.is_held() || session.is_fresh());
        let held = sessions.iter().filter(|(_, session)| session.is_held());
        held.map(|(key, session)| (*key, session.clone())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the streams of a caller that is no longer who it was.
fn end(caller: &Caller, fault: Option<&IdentityFault>) {
    let (name, system) = (caller.name(), &caller.standing().system_name);
    match fault {
        Some(fault) => {
            tracing::info!("{name} ({system}) does not stand any more, its streams end: {fault}");
        }
        None => tracing::info!("{name} ({system}) may do other things now, its streams end"),
    }
    // Whoever may do other things now is told to come again, and then finds out.
    caller.ending().end(fault.map_or(Reason::ShuttingDown, IdentityFault::reason));
}
