//! Who may do what: a caller, the actions, and the permit that opens a transaction.

use std::sync::Arc;

use crate::kernel::fault::{Fault, Kind, Reason};
use crate::kernel::ids::ParticipantId;

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

/// One per RPC, and one for the hub's own work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the RPC of the same name")]
pub enum Action {
    SyncPostings,
    BatchUpsertPostings,
    GetPosting,
    BatchGetPostings,
    ListPostings,
    WatchPostings,
    AcknowledgeWatch,
    ListHeldCloses,
    ResolveHeldCloses,
    GetCaller,
    RegisterParticipant,
    ListParticipants,
    CreateSource,
    ListSources,
    /// What the hub does by itself: positions, partitions, retention.
    RunHub,
}

impl Action {
    /// Every action that is an RPC.
    pub const RPCS: [Self; 14] = [
        Self::SyncPostings,
        Self::BatchUpsertPostings,
        Self::GetPosting,
        Self::BatchGetPostings,
        Self::ListPostings,
        Self::WatchPostings,
        Self::AcknowledgeWatch,
        Self::ListHeldCloses,
        Self::ResolveHeldCloses,
        Self::GetCaller,
        Self::RegisterParticipant,
        Self::ListParticipants,
        Self::CreateSource,
        Self::ListSources,
    ];

    /// Returns the full name of the RPC, `package.Service/Method`; `hub` for the hub's own work.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SyncPostings => "peshub.postings.v1.PostingService/SyncPostings",
            Self::BatchUpsertPostings => "peshub.postings.v1.PostingService/BatchUpsertPostings",
            Self::GetPosting => "peshub.postings.v1.PostingService/GetPosting",
            Self::BatchGetPostings => "peshub.postings.v1.PostingService/BatchGetPostings",
            Self::ListPostings => "peshub.postings.v1.PostingService/ListPostings",
            Self::WatchPostings => "peshub.postings.v1.PostingService/WatchPostings",
            Self::AcknowledgeWatch => "peshub.postings.v1.PostingService/AcknowledgeWatch",
            Self::ListHeldCloses => "peshub.postings.v1.PostingService/ListHeldCloses",
            Self::ResolveHeldCloses => "peshub.postings.v1.PostingService/ResolveHeldCloses",
            Self::GetCaller => "peshub.participants.v1.ParticipantService/GetCaller",
            Self::RegisterParticipant => {
                "peshub.participants.v1.ParticipantService/RegisterParticipant"
            }
            Self::ListParticipants => "peshub.participants.v1.ParticipantService/ListParticipants",
            Self::CreateSource => "peshub.participants.v1.ParticipantService/CreateSource",
            Self::ListSources => "peshub.participants.v1.ParticipantService/ListSources",
            Self::RunHub => "hub",
        }
    }

    /// Returns whether participants of a kind may do this. What is not listed is refused.
    #[must_use]
    pub const fn is_granted_to(self, kind: ParticipantKind) -> bool {
        match self {
            Self::SyncPostings
            | Self::BatchUpsertPostings
            | Self::GetPosting
            | Self::BatchGetPostings
            | Self::ListPostings
            | Self::WatchPostings
            | Self::AcknowledgeWatch
            | Self::ListHeldCloses
            | Self::ResolveHeldCloses
            | Self::CreateSource
            | Self::ListSources => {
                matches!(kind, ParticipantKind::Bureau | ParticipantKind::Platform)
            }
            Self::GetCaller => true,
            Self::RegisterParticipant | Self::ListParticipants => {
                matches!(kind, ParticipantKind::Operator)
            }
            Self::RunHub => false,
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

/// An authenticated participant.
#[derive(Clone, Debug)]
pub struct Caller {
    id: ParticipantId,
    name: Arc<str>,
    kind: ParticipantKind,
    scope: Scope,
}

impl Caller {
    /// Returns the caller for a registered participant. A bureau reaches its divisions and what it owns, everybody
    /// else what they own.
    #[must_use]
    pub fn new(
        id: ParticipantId,
        name: &str,
        kind: ParticipantKind,
        division_tokens: &[String],
    ) -> Self {
        let divisions = division_tokens.iter().map(|token| division_facet(token));
        let scope = divisions.chain([owner_facet(id)]).collect();
        Self { id, name: name.into(), kind, scope: Scope(scope) }
    }

    /// Returns its id.
    #[must_use]
    pub const fn id(&self) -> ParticipantId {
        self.id
    }

    /// Returns its short name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns what it is.
    #[must_use]
    pub const fn kind(&self) -> ParticipantKind {
        self.kind
    }

    /// Returns the permit for an action.
    ///
    /// # Errors
    ///
    /// `ACTION_NOT_GRANTED` when participants of this kind may not.
    pub fn permit(&self, action: Action) -> Result<Permit, Fault> {
        if action.is_granted_to(self.kind) {
            return Ok(Permit { participant: Some(self.id), action, scope: self.scope.clone() });
        }
        let message = format!("{} may not call {}", self.name, action.name());
        Err(Fault::new(Kind::PermissionDenied, Reason::ActionNotGranted, message))
    }
}

/// Proof that somebody may do something; opens transactions.
#[derive(Clone, Debug)]
pub struct Permit {
    participant: Option<ParticipantId>,
    action: Action,
    scope: Scope,
}

impl Permit {
    /// Returns the hub's own permit, which reaches no participant's entities by scope.
    #[must_use]
    pub fn of_hub() -> Self {
        Self { participant: None, action: Action::RunHub, scope: Scope(Arc::new([])) }
    }

    /// Returns who holds it; `None` for the hub.
    #[must_use]
    pub const fn participant(&self) -> Option<ParticipantId> {
        self.participant
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
