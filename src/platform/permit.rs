//! Who may do what: a caller, and the permit that opens a transaction.

use std::sync::{Arc, OnceLock};

use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::kernel::fault::{Fault, Kind, Reason};
use crate::kernel::ids::{ParticipantId, SystemId};
use crate::pb::peshub::common::v1::{QuotaClass, Role};
use crate::platform::action::Action;

/// What an organisation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ParticipantKind {
    /// A public employment service.
    Bureau,
    /// A job platform.
    Platform,
    /// An issuer of credentials.
    Issuer,
    /// Who runs the hub.
    Operator,
}

impl ParticipantKind {
    /// Returns the number that stands in the database and in the contract.
    #[must_use]
    pub const fn number(self) -> i16 {
        match self {
            Self::Bureau => 1,
            Self::Platform => 2,
            Self::Issuer => 3,
            Self::Operator => 4,
        }
    }

    /// Returns the kind with a number, or `None`.
    #[must_use]
    pub const fn of_number(number: i16) -> Option<Self> {
        match number {
            1 => Some(Self::Bureau),
            2 => Some(Self::Platform),
            3 => Some(Self::Issuer),
            4 => Some(Self::Operator),
            _ => None,
        }
    }
}

/// Which installation of the hub something is meant for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// Production.
    Production,
    /// Tests and acceptance.
    Test,
    /// Development.
    Development,
}

impl Environment {
    /// Returns the number that stands in the database and in the contract.
    #[must_use]
    pub const fn number(self) -> i16 {
        match self {
            Self::Production => 1,
            Self::Test => 2,
            Self::Development => 3,
        }
    }
}

/// Which entities a permit reaches: those that have one of these facet tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope(Arc<[String]>);

impl Scope {
    /// Returns the tokens; none reaches nothing.
    #[must_use]
    pub fn tokens(&self) -> &[String] {
        &self.0
    }
}

/// Who a participant is, as far as calls go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The organisation.
    pub participant: ParticipantId,
    /// Its short name.
    pub participant_name: String,
    /// What it is.
    pub kind: ParticipantKind,
    /// Which of its systems calls.
    pub system: SystemId,
    /// The system's name.
    pub system_name: String,
    /// What the system may do.
    pub roles: Vec<Role>,
    /// Limits that differ from the hub's own.
    pub quotas: Vec<(QuotaClass, i64)>,
    /// A bureau's divisions, as tokens.
    pub division_tokens: Vec<String>,
}

impl Standing {
    /// Returns what the row-level security of the schema is told of the caller.
    #[must_use]
    pub fn actor(&self) -> &'static str {
        let has = |role| self.roles.contains(&role);
        if has(Role::SystemAdministrator) || has(Role::SecurityAdministrator) {
            "administrator"
        } else if has(Role::Auditor) {
            "auditor"
        } else {
            "participant"
        }
    }
}

/// The signal that a caller is no longer who it was, and why; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Ending(Arc<EndingState>);

#[derive(Debug, Default)]
struct EndingState {
    signal: CancellationToken,
    reason: OnceLock<Reason>,
}

impl Ending {
    /// Ends the caller: `CALLER_DISABLED`, `CERTIFICATE_REVOKED` or `TOKEN_EXPIRED`. The first reason counts.
    pub fn end(&self, reason: Reason) {
        self.0.reason.get_or_init(|| reason);
        self.0.signal.cancel();
    }

    /// Returns why it has ended; `None` while it has not.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        self.0.reason.get().copied()
    }

    /// Waits for the end.
    pub fn ended(&self) -> WaitForCancellationFutureOwned {
        self.0.signal.clone().cancelled_owned()
    }
}

/// An authenticated system of a participant.
#[derive(Clone, Debug)]
pub struct Caller {
    standing: Arc<Standing>,
    scope: Scope,
    ending: Ending,
}

impl Caller {
    /// Returns the caller with some standing. A bureau reaches its divisions and what it owns, everybody else what they own.
    #[must_use]
    pub fn new(standing: Standing) -> Self {
        let divisions = standing.division_tokens.iter().map(|token| division_facet(token));
        let scope = divisions.chain([owner_facet(standing.participant)]).collect();
        Self { standing: Arc::new(standing), scope: Scope(scope), ending: Ending::default() }
    }

    /// Returns its participant's id.
    #[must_use]
    pub fn id(&self) -> ParticipantId {
        self.standing.participant
    }

    /// Returns its participant's short name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.standing.participant_name
    }

    /// Returns its standing.
    #[must_use]
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Returns whether a call or a permit has this caller besides whoever asks.
    #[must_use]
    pub fn is_held(&self) -> bool {
        Arc::strong_count(&self.standing) > 1
    }

    /// Returns the signal that the caller is no longer who it was: locked out, revoked, or its token's time is over.
    #[must_use]
    pub const fn ending(&self) -> &Ending {
        &self.ending
    }

    /// Returns the permit for an action.
    ///
    /// # Errors
    ///
    /// `ACTION_NOT_GRANTED` when none of the system's roles may.
    pub fn permit(&self, action: Action) -> Result<Permit, Fault> {
        if action.is_granted_to(&self.standing.roles) {
            let holder = Some(Arc::clone(&self.standing));
            return Ok(Permit { holder, action, scope: self.scope.clone() });
        }
        let message = format!("{} may not call {}", self.name(), action.name());
        Err(Fault::new(Kind::PermissionDenied, Reason::ActionNotGranted, message))
    }
}

/// Proof that somebody may do something; opens transactions.
#[derive(Clone, Debug)]
pub struct Permit {
    holder: Option<Arc<Standing>>,
    action: Action,
    scope: Scope,
}

impl Permit {
    /// Returns the hub's own permit, which reaches no participant's entities by scope.
    #[must_use]
    pub fn of_hub() -> Self {
        Self { holder: None, action: Action::RunHub, scope: Scope(Arc::new([])) }
    }

    /// Returns who holds it; `None` for the hub.
    #[must_use]
    pub fn participant(&self) -> Option<ParticipantId> {
        self.holder.as_ref().map(|holder| holder.participant)
    }

    /// Returns the standing of who holds it; `None` for the hub.
    #[must_use]
    pub fn holder(&self) -> Option<&Standing> {
        self.holder.as_deref()
    }

    /// Returns what it is for.
    #[must_use]
    pub const fn action(&self) -> Action {
        self.action
    }

    /// Returns which entities it reaches.
    #[must_use]
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }
}

/// Returns the facet token of a division and all below it.
#[must_use]
pub fn division_facet(token: &str) -> String {
    format!("d:{token}")
}

/// Returns the facet token of everything that a participant owns.
#[must_use]
pub fn owner_facet(id: ParticipantId) -> String {
    format!("p:{id}")
}
