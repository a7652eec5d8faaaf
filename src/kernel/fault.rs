//! How a failure looks from outside: its kind, its reason, a message; and its cause, which stays inside.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::kernel::fields::Violation;

/// The class of a failure; decides the gRPC code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request is wrong whenever it is sent.
    InvalidArgument,
    /// The hub is in no state for the request.
    FailedPrecondition,
    /// A position lies outside what is kept.
    OutOfRange,
    /// The caller is not known.
    Unauthenticated,
    /// The caller is known and may not.
    PermissionDenied,
    /// It does not exist for this caller.
    NotFound,
    /// It exists already.
    AlreadyExists,
    /// Another writer came first; the whole step may be tried again.
    Aborted,
    /// A limit is reached.
    ResourceExhausted,
    /// Time ran out.
    DeadlineExceeded,
    /// Try again later.
    Unavailable,
    /// The hub has no such RPC.
    Unimplemented,
    /// The hub's own fault.
    Internal,
}

/// Why; the Rust form of `peshub.common.v1.ErrorReason`, which says what each means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "documented in proto/peshub/common/v1/error_reason.proto")]
pub enum Reason {
    CallerUnknown,
    ActionNotGranted,
    FieldsInvalid,
    SourceNotFound,
    PostingNotFound,
    BatchOutOfOrder,
    BatchIdReused,
    RequestIdReused,
    BatchTooLarge,
    StreamOutOfStep,
    CursorInvalid,
    CursorExpired,
    FeedRewound,
    PageTokenInvalid,
    StoreUnavailable,
    Internal,
    ShuttingDown,
    AlreadyExists,
    Contended,
    LaneTakenOver,
    DeadlineExceeded,
    TokenInvalid,
    TokenExpired,
    TokenAudienceWrong,
    TokenBindingWrong,
    CertificateRevoked,
    CallerDisabled,
    QuotaExceeded,
    Overloaded,
    MethodUnknown,
    ParticipantNotFound,
    DutiesConflict,
    IdentityNotFound,
    AuditEntryNotFound,
    AuditEntryNotSealed,
    WorkerNotFound,
    WorkerErased,
    KeyUnavailable,
    IssuerNotFound,
    IssuerKeyNotFound,
    IssuerKeyEnded,
    IssuerNotAccredited,
    AccreditationNotFound,
    CredentialTypeNotFound,
    CredentialNotFound,
    CredentialStatusFinal,
    CredentialRefused,
    ConsentNotFound,
    ConsentNotGiven,
    ClaimsBeyondConsent,
    FactUnknown,
    ProgrammeNotFound,
    ProgrammeEditionNotFound,
    ProgrammeRefused,
    FourEyesRequired,
    EvaluationFailed,
    ApplicationNotFound,
    ApplicationMoved,
    ClaimTaken,
    BudgetExhausted,
    PopulationNotFound,
    SweepNotFound,
    DecisionNotFound,
}

impl Reason {
    /// Every reason, in the order of the contract.
    pub const ALL: [Self; 63] = [
        Self::CallerUnknown,
        Self::ActionNotGranted,
        Self::FieldsInvalid,
        Self::SourceNotFound,
        Self::PostingNotFound,
        Self::BatchOutOfOrder,
        Self::BatchIdReused,
        Self::RequestIdReused,
        Self::BatchTooLarge,
        Self::StreamOutOfStep,
        Self::CursorInvalid,
        Self::CursorExpired,
        Self::FeedRewound,
        Self::PageTokenInvalid,
        Self::StoreUnavailable,
        Self::Internal,
        Self::ShuttingDown,
        Self::AlreadyExists,
        Self::Contended,
        Self::LaneTakenOver,
        Self::DeadlineExceeded,
        Self::TokenInvalid,
        Self::TokenExpired,
        Self::TokenAudienceWrong,
        Self::TokenBindingWrong,
        Self::CertificateRevoked,
        Self::CallerDisabled,
        Self::QuotaExceeded,
        Self::Overloaded,
        Self::MethodUnknown,
        Self::ParticipantNotFound,
        Self::DutiesConflict,
        Self::IdentityNotFound,
        Self::AuditEntryNotFound,
        Self::AuditEntryNotSealed,
        Self::WorkerNotFound,
        Self::WorkerErased,
        Self::KeyUnavailable,
        Self::IssuerNotFound,
        Self::IssuerKeyNotFound,
        Self::IssuerKeyEnded,
        Self::IssuerNotAccredited,
        Self::AccreditationNotFound,
        Self::CredentialTypeNotFound,
        Self::CredentialNotFound,
        Self::CredentialStatusFinal,
        Self::CredentialRefused,
        Self::ConsentNotFound,
        Self::ConsentNotGiven,
        Self::ClaimsBeyondConsent,
        Self::FactUnknown,
        Self::ProgrammeNotFound,
        Self::ProgrammeEditionNotFound,
        Self::ProgrammeRefused,
        Self::FourEyesRequired,
        Self::EvaluationFailed,
        Self::ApplicationNotFound,
        Self::ApplicationMoved,
        Self::ClaimTaken,
        Self::BudgetExhausted,
        Self::PopulationNotFound,
        Self::SweepNotFound,
        Self::DecisionNotFound,
    ];

    /// Returns the name in `google.rpc.ErrorInfo.reason`: the contract's, without `ERROR_REASON_`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CallerUnknown => "CALLER_UNKNOWN",
            Self::ActionNotGranted => "ACTION_NOT_GRANTED",
            Self::FieldsInvalid => "FIELDS_INVALID",
            Self::SourceNotFound => "SOURCE_NOT_FOUND",
            Self::PostingNotFound => "POSTING_NOT_FOUND",
            Self::BatchOutOfOrder => "BATCH_OUT_OF_ORDER",
            Self::BatchIdReused => "BATCH_ID_REUSED",
            Self::RequestIdReused => "REQUEST_ID_REUSED",
            Self::BatchTooLarge => "BATCH_TOO_LARGE",
            Self::StreamOutOfStep => "STREAM_OUT_OF_STEP",
            Self::CursorInvalid => "CURSOR_INVALID",
            Self::CursorExpired => "CURSOR_EXPIRED",
            Self::FeedRewound => "FEED_REWOUND",
            Self::PageTokenInvalid => "PAGE_TOKEN_INVALID",
            Self::StoreUnavailable => "STORE_UNAVAILABLE",
            Self::Internal => "INTERNAL",
            Self::ShuttingDown => "SHUTTING_DOWN",
            Self::AlreadyExists => "ALREADY_EXISTS",
            Self::Contended => "CONTENDED",
            Self::LaneTakenOver => "LANE_TAKEN_OVER",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::TokenInvalid => "TOKEN_INVALID",
            Self::TokenExpired => "TOKEN_EXPIRED",
            Self::TokenAudienceWrong => "TOKEN_AUDIENCE_WRONG",
            Self::TokenBindingWrong => "TOKEN_BINDING_WRONG",
            Self::CertificateRevoked => "CERTIFICATE_REVOKED",
            Self::CallerDisabled => "CALLER_DISABLED",
            Self::QuotaExceeded => "QUOTA_EXCEEDED",
            Self::Overloaded => "OVERLOADED",
            Self::MethodUnknown => "METHOD_UNKNOWN",
            Self::ParticipantNotFound => "PARTICIPANT_NOT_FOUND",
            Self::DutiesConflict => "DUTIES_CONFLICT",
            Self::IdentityNotFound => "IDENTITY_NOT_FOUND",
            Self::AuditEntryNotFound => "AUDIT_ENTRY_NOT_FOUND",
            Self::AuditEntryNotSealed => "AUDIT_ENTRY_NOT_SEALED",
            Self::WorkerNotFound => "WORKER_NOT_FOUND",
            Self::WorkerErased => "WORKER_ERASED",
            Self::KeyUnavailable => "KEY_UNAVAILABLE",
            Self::IssuerNotFound => "ISSUER_NOT_FOUND",
            Self::IssuerKeyNotFound => "ISSUER_KEY_NOT_FOUND",
            Self::IssuerKeyEnded => "ISSUER_KEY_ENDED",
            Self::IssuerNotAccredited => "ISSUER_NOT_ACCREDITED",
            Self::AccreditationNotFound => "ACCREDITATION_NOT_FOUND",
            Self::CredentialTypeNotFound => "CREDENTIAL_TYPE_NOT_FOUND",
            Self::CredentialNotFound => "CREDENTIAL_NOT_FOUND",
            Self::CredentialStatusFinal => "CREDENTIAL_STATUS_FINAL",
            Self::CredentialRefused => "CREDENTIAL_REFUSED",
            Self::ConsentNotFound => "CONSENT_NOT_FOUND",
            Self::ConsentNotGiven => "CONSENT_NOT_GIVEN",
            Self::ClaimsBeyondConsent => "CLAIMS_BEYOND_CONSENT",
            Self::FactUnknown => "FACT_UNKNOWN",
            Self::ProgrammeNotFound => "PROGRAMME_NOT_FOUND",
            Self::ProgrammeEditionNotFound => "PROGRAMME_EDITION_NOT_FOUND",
            Self::ProgrammeRefused => "PROGRAMME_REFUSED",
            Self::FourEyesRequired => "FOUR_EYES_REQUIRED",
            Self::EvaluationFailed => "EVALUATION_FAILED",
            Self::ApplicationNotFound => "APPLICATION_NOT_FOUND",
            Self::ApplicationMoved => "APPLICATION_MOVED",
            Self::ClaimTaken => "CLAIM_TAKEN",
            Self::BudgetExhausted => "BUDGET_EXHAUSTED",
            Self::PopulationNotFound => "POPULATION_NOT_FOUND",
            Self::SweepNotFound => "SWEEP_NOT_FOUND",
            Self::DecisionNotFound => "DECISION_NOT_FOUND",
        }
    }
}

/// The thing that a failure is about: `google.rpc.ResourceInfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// What it is, for example `posting`.
    pub kind: &'static str,
    /// Its name as the caller gave it.
    pub name: String,
}

/// A quota that is used up: `google.rpc.QuotaFailure`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Whose.
    pub subject: String,
    /// What the limit is, for a person.
    pub limit: String,
}

/// A failure as the caller is told it, with its cause for the log.
#[derive(Debug)]
pub struct Fault {
    /// The class.
    pub kind: Kind,
    /// The reason.
    pub reason: Reason,
    /// A sentence for a person; no personal data, no text of a driver.
    pub message: String,
    /// Every violated field.
    pub violations: Vec<Violation>,
    /// When trying again can help.
    pub retry_after: Option<Duration>,
    /// Which thing it is about, where it is about one.
    pub resource: Option<Box<Resource>>,
    /// Which quota is used up.
    pub quota: Option<Box<Quota>>,
    /// What lay behind it; goes to the log only.
    pub cause: Option<Box<dyn Error + Send + Sync>>,
}

impl Fault {
    /// Returns a fault without details.
    #[must_use]
    pub fn new(kind: Kind, reason: Reason, message: impl Into<String>) -> Self {
        Self {
            kind,
            reason,
            message: message.into(),
            violations: Vec::new(),
            retry_after: None,
            resource: None,
            quota: None,
            cause: None,
        }
    }

    /// Returns the fault of a request whose fields break rules.
    #[must_use]
    pub fn fields(violations: Vec<Violation>) -> Self {
        let message = match violations.as_slice() {
            [one] => format!("{}: {}", one.field, one.expected),
            many => format!("{} fields are not valid", many.len()),
        };
        Self { violations, ..Self::new(Kind::InvalidArgument, Reason::FieldsInvalid, message) }
    }

    /// Returns a fault of the hub itself.
    #[must_use]
    pub fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(Kind::Internal, Reason::Internal, "the hub failed; its log says why")
            .because(cause)
    }

    /// Returns the fault with its cause.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Returns the fault with the thing that it is about.
    #[must_use]
    pub fn about(mut self, kind: &'static str, name: impl Into<String>) -> Self {
        self.resource = Some(Box::new(Resource { kind, name: name.into() }));
        self
    }

    /// Returns the fault with the quota that is used up.
    #[must_use]
    pub fn over_quota(mut self, subject: impl Into<String>, limit: impl Into<String>) -> Self {
        self.quota = Some(Box::new(Quota { subject: subject.into(), limit: limit.into() }));
        self
    }

    /// Returns the fault with a time after which trying again can help.
    #[must_use]
    pub const fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason.name(), self.message)
    }
}

impl Error for Fault {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn Error + 'static))
    }
}
