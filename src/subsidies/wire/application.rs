//! Contract ⇄ applications.

use prost::Message as _;
use time::{Date, OffsetDateTime};
use uuid::Uuid;

use crate::kernel::ids::Revision;
use crate::pb::peshub::subsidies::v1 as pb;
use crate::pb::peshub::workers::v1 as workers;
use crate::platform::permit::owner_facet;
use crate::subsidies::application::{ApplicationId, DecisionId};
use crate::subsidies::domain::Day;
use crate::subsidies::error::SubsidyError;
use crate::subsidies::store::application::{Row, Told};
use crate::subsidies::store::budget::Budget;
use crate::subsidies::wire::{division_message, division_of_token, timestamp};

/// Reads the name of an application.
///
/// # Errors
///
/// `APPLICATION_NOT_FOUND` when it is none.
pub fn id(text: &str) -> Result<ApplicationId, SubsidyError> {
    let none = |_| SubsidyError::ApplicationNotFound { id: text.to_owned() };
    Uuid::try_parse(text).map(ApplicationId).map_err(none)
}

/// Reads the name of a decision.
///
/// # Errors
///
/// `DECISION_NOT_FOUND` when it is none.
pub fn decision_id(text: &str) -> Result<DecisionId, SubsidyError> {
    let none = |_| SubsidyError::DecisionNotFound { id: text.to_owned() };
    Uuid::try_parse(text).map(DecisionId).map_err(none)
}

/// Returns what names a state of an application.
#[must_use]
pub fn etag(revision: i64) -> String {
    format!("r{revision}")
}

/// Reads what names a state of an application.
///
/// # Errors
///
/// It is none.
pub fn expected(etag: &str) -> Result<Revision, SubsidyError> {
    let revision = etag.strip_prefix('r').and_then(|it| it.parse().ok()).map(Revision);
    revision
        .ok_or_else(|| SubsidyError::field("etag", "the etag of the application as it was read"))
}

/// Reads a day of a request.
///
/// # Errors
///
/// It is none.
pub fn day(field: &str, text: &str) -> Result<Date, SubsidyError> {
    let none = || SubsidyError::field(field, "a day YYYY-MM-DD of the years 1900 to 2200");
    Day::read(text).map(Day::date).ok_or_else(none)
}

/// Returns a day as the contract has it.
#[must_use]
pub fn day_text(day: Date) -> String {
    Day::of(day).to_string()
}

/// Reads words that are kept in clear.
///
/// # Errors
///
/// They have control characters.
pub fn words(field: &str, text: &str) -> Result<String, SubsidyError> {
    if text.chars().any(|it| it.is_control() && it != '\n') {
        return Err(SubsidyError::field(field, "words without control characters"));
    }
    Ok(text.trim().to_owned())
}

/// Reads by what right something is disclosed, in the words of the audit trail.
///
/// # Errors
///
/// It is not said.
pub fn legal_basis(basis: Option<&workers::LegalBasis>) -> Result<String, SubsidyError> {
    let basis = basis.cloned().unwrap_or_default();
    let kind = match basis.kind() {
        workers::LegalBasisKind::Unspecified => None,
        workers::LegalBasisKind::Law => Some("law"),
        workers::LegalBasisKind::Consent => Some("consent"),
    };
    let reference = words("legal_basis.reference", &basis.reference)?;
    match kind {
        Some(kind) if reference.chars().count() >= 3 => Ok(format!("{kind}: {reference}")),
        _ => Err(SubsidyError::field("legal_basis", "a law to the paragraph, or a consent")),
    }
}

/// Returns an application as the contract has it; `reference` is the caller's to the worker.
#[must_use]
pub fn application(row: &Row, reference: Option<Uuid>) -> pb::Application {
    let place = row.division.as_deref().and_then(division_of_token).map(division_message);
    pb::Application {
        application_id: row.application_id.to_string(),
        etag: etag(row.revision),
        state: i32::from(row.state),
        programme: row.programme.clone(),
        edition: row.edition,
        bureau: row.bureau.clone(),
        platform: row.platform.clone().unwrap_or_default(),
        division: place,
        worker_reference: reference.map_or_else(String::new, |it| it.to_string()),
        // It was encoded here.
        determination: pb::Determination::decode(row.determination.as_slice()).ok(),
        amount: row.amount,
        currency: row.currency.clone(),
        answer_by: row.answer_by.map_or_else(String::new, day_text),
        asked: row.asked.clone(),
        remark: row.remark.clone(),
        reopened: row.reopened,
        decision_ids: row.decisions.iter().map(Uuid::to_string).collect(),
        clawed_back: row.clawed_back,
        submitted_at: Some(timestamp(row.submitted_at)),
        changed_at: Some(timestamp(row.changed_at)),
        proactive: row.proactive,
    }
}

/// Returns the word of a step.
#[must_use]
pub fn step(step: pb::ApplicationStep) -> &'static str {
    let name = step.as_str_name();
    name.strip_prefix("APPLICATION_STEP_").unwrap_or(name)
}

/// Returns a step as the feed tells it: to the bureau, to who filed it, and of an offer that nobody has accepted to `platforms`.
#[must_use]
pub fn told(row: &Row, step: pb::ApplicationStep, at: OffsetDateTime, platforms: &[i64]) -> Told {
    let event = pb::ApplicationEvent {
        position: 0,
        cursor: bytes::Bytes::new(),
        step: step.into(),
        application: Some(application(row, None)),
        at: Some(timestamp(at)),
    };
    let concerned = [row.bureau_id].into_iter().chain(row.platform_id);
    let concerned = concerned.chain(platforms.iter().copied());
    let facets = concerned.map(|it| owner_facet(crate::kernel::ids::ParticipantId(it)));
    Told { header: event.encode_to_vec(), facets: facets.collect() }
}

/// Returns a budget as the contract has it.
#[must_use]
pub fn budget(it: Budget) -> pb::Budget {
    let last = it.until_day.previous_day().unwrap_or(it.until_day);
    pb::Budget {
        budget_id: it.budget_id,
        programme: it.programme,
        from: day_text(it.from_day),
        to: day_text(last),
        cap: it.cap,
        currency: it.currency,
        reserved: it.reserved,
        committed: it.committed,
        paid: it.paid,
        clawed_back: it.clawed_back,
        etag: etag(it.revision),
    }
}
