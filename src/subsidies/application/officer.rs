//! What bureaus do with applications: one function, one use case, one transaction.

use prost::Message as _;
use time::Date;

use crate::kernel::fault::Fault;
use crate::pb::peshub::subsidies::v1 as pb;
use crate::platform::db::{DbError, Record};
use crate::platform::mutation::once;
use crate::subsidies::application::commands::{Change, Side, step};
use crate::subsidies::application::desk::Desk;
use crate::subsidies::application::held::Held;
use crate::subsidies::application::machine::{Stage, State, Step};
use crate::subsidies::application::takes;
use crate::subsidies::error::SubsidyError;
use crate::subsidies::store::budget;
use crate::subsidies::wire::application as wire;

/// Asks the applicant for evidence.
///
/// # Errors
///
/// See the contract's `RequestEvidence`.
pub async fn request_evidence(
    desk: &Desk,
    change: Change<'_>,
    request: pb::RequestEvidenceRequest,
) -> Result<pb::RequestEvidenceResponse, Fault> {
    let (id, own, now) = (request.application_id, desk.clone(), change.now);
    step(
        desk,
        change,
        (Side::Officer, id),
        move |held| {
            Box::pin(async move {
                let until = wire::day("answer_by", &request.answer_by)?;
                if until < now.date() {
                    return Err(SubsidyError::field("answer_by", "a day that is not over"));
                }
                let state = held.next(Step::RequestEvidence, &request.etag)?;
                let answering = own.answering(&held.row.programme)?;
                takes::see_facts(answering.book.catalogue(), &request.facts)?;
                held.row.remark = wire::words("remark", &request.remark)?;
                held.row.asked = request.facts;
                held.row.answer_by = Some(until);
                held.save(state, pb::ApplicationStep::EvidenceRequested).await?;
                Ok(((), held.record("application.evidence_requested")))
            })
        },
        |application, ()| pb::RequestEvidenceResponse { application },
    )
    .await
}

/// Sets an application aside, or takes it up again.
///
/// # Errors
///
/// See the contract's `HoldApplication`.
pub async fn hold(
    desk: &Desk,
    change: Change<'_>,
    request: pb::HoldApplicationRequest,
) -> Result<pb::HoldApplicationResponse, Fault> {
    let id = request.application_id;
    step(
        desk,
        change,
        (Side::Officer, id),
        move |held| {
            Box::pin(async move {
                let step = if request.resume { Step::Resume } else { Step::Hold };
                let state = held.next(step, &request.etag)?;
                held.row.remark = wire::words("remark", &request.remark)?;
                let (told, event) = if request.resume {
                    held.determine_again(Vec::new()).await?;
                    (pb::ApplicationStep::Resumed, "application.resumed")
                } else {
                    (pb::ApplicationStep::Held, "application.held")
                };
                held.save(state, told).await?;
                Ok(((), held.record(event)))
            })
        },
        |application, ()| pb::HoldApplicationResponse { application },
    )
    .await
}

/// Decides.
///
/// # Errors
///
/// See the contract's `DecideApplication`.
pub async fn decide(
    desk: &Desk,
    change: Change<'_>,
    request: pb::DecideApplicationRequest,
) -> Result<pb::DecideApplicationResponse, Fault> {
    let (id, own) = (request.application_id.clone(), desk.clone());
    step(
        desk,
        change,
        (Side::Officer, id),
        move |held| {
            Box::pin(async move {
                match request.outcome() {
                    pb::DecisionOutcome::Granted => grant(&own, held, request).await,
                    pb::DecisionOutcome::Refused | pb::DecisionOutcome::Unspecified => {
                        refuse(held, request).await
                    }
                }
            })
        },
        |application, it| pb::DecideApplicationResponse { application, decision: Some(it) },
    )
    .await
}

type Decided = (pb::Decision, Record);

async fn grant(
    desk: &Desk,
    held: &mut Held<'_>,
    request: pb::DecideApplicationRequest,
) -> Result<Decided, SubsidyError> {
    let state = held.next(Step::Grant, &request.etag)?;
    let amount = if held.stage() == Stage::Paid {
        // The appeal was against a clawback: it is lifted.
        let lifted = std::mem::take(&mut held.row.clawed_back);
        if let Some(budget) = held.row.budget_id {
            budget::claw_back(held.tx(), budget, lifted.saturating_neg()).await?;
        }
        held.row.amount
    } else {
        if held.state() == State::Appealed {
            held.determine_again(Vec::new()).await?;
        }
        grantable(desk, held, request.amount)?
    };
    let outcome = pb::DecisionOutcome::Granted;
    let event = "application.granted";
    let decided = held.decide((outcome, amount), reasons(request.reasons)?, event).await?;
    held.row.amount = amount;
    held.row.asked = Vec::new();
    held.row.answer_by = None;
    held.save(state, pb::ApplicationStep::Granted).await?;
    Ok(decided)
}

/// Returns the amount that can be granted: what was determined, or less of it where the programme leaves that to the bureau.
fn grantable(desk: &Desk, held: &Held<'_>, wanted: Option<i64>) -> Result<i64, SubsidyError> {
    let determination = pb::Determination::decode(held.row.determination.as_slice());
    let determination =
        determination.map_err(|_| SubsidyError::Corrupt { what: "determination" })?;
    let expected = "REFUSED, or a grant after the evidence: the verdict is not ELIGIBLE";
    if determination.verdict() != pb::Verdict::Eligible || held.row.reopened {
        return Err(SubsidyError::field("outcome", expected));
    }
    let determined = takes::amount(&determination).ok_or_else(|| {
        SubsidyError::field("outcome", "REFUSED, or a grant once the amount is known")
    })?;
    let amount = wanted.unwrap_or(determined);
    let is_free = desk.answering(&held.row.programme)?.is_discretionary();
    if amount == determined || (is_free && (1..determined).contains(&amount)) {
        return Ok(amount);
    }
    Err(SubsidyError::field("amount", "the determined amount; less only where the bureau is free"))
}

async fn refuse(
    held: &mut Held<'_>,
    request: pb::DecideApplicationRequest,
) -> Result<Decided, SubsidyError> {
    if request.amount.is_some() {
        return Err(SubsidyError::field("amount", "nothing with a refusal"));
    }
    let state = held.next(Step::Refuse, &request.etag)?;
    let outcome = pb::DecisionOutcome::Refused;
    let event = "application.refused";
    let decided = held.decide((outcome, 0), reasons(request.reasons)?, event).await?;
    held.row.asked = Vec::new();
    held.row.answer_by = None;
    held.save(state, pb::ApplicationStep::Refused).await?;
    Ok(decided)
}

fn reasons(said: Vec<pb::LocalisedText>) -> Result<Vec<pb::LocalisedText>, SubsidyError> {
    let read = |it: pb::LocalisedText| {
        let text = wire::words("reasons.text", &it.text)?;
        Ok(pb::LocalisedText { text, ..it })
    };
    said.into_iter().map(read).collect()
}

/// Notes a payment.
///
/// # Errors
///
/// See the contract's `RecordPayment`.
pub async fn pay(
    desk: &Desk,
    change: Change<'_>,
    request: pb::RecordPaymentRequest,
) -> Result<pb::RecordPaymentResponse, Fault> {
    let (id, now) = (request.application_id, change.now);
    step(
        desk,
        change,
        (Side::Officer, id),
        move |held| {
            Box::pin(async move {
                let paid_on = wire::day("paid_on", &request.paid_on)?;
                if paid_on > now.date() {
                    return Err(SubsidyError::field("paid_on", "a day that has come"));
                }
                let number = wire::words("payment_reference", &request.payment_reference)?;
                let state = held.next(Step::Pay, &request.etag)?;
                held.row.remark = format!("paid on {} by {number}", wire::day_text(paid_on));
                held.save(state, pb::ApplicationStep::Paid).await?;
                Ok(((), held.record("application.paid")))
            })
        },
        |application, ()| pb::RecordPaymentResponse { application },
    )
    .await
}

/// Claims back.
///
/// # Errors
///
/// See the contract's `ClawBack`.
pub async fn claw_back(
    desk: &Desk,
    change: Change<'_>,
    request: pb::ClawBackRequest,
) -> Result<pb::ClawBackResponse, Fault> {
    let (id, own, now) = (request.application_id, desk.clone(), change.now);
    step(
        desk,
        change,
        (Side::Officer, id),
        move |held| {
            Box::pin(async move {
                let remark = wire::words("remark", &request.remark)?;
                let state = held.next(Step::ClawBack, &request.etag)?;
                let left = held.row.amount.saturating_sub(held.row.clawed_back);
                let amount = match request.amount {
                    Some(amount) => amount,
                    None => computed(&own, held, left).await?,
                };
                if !(1..=left).contains(&amount) {
                    let expected = format!("1 to {left}: no more than was paid");
                    return Err(SubsidyError::field("amount", &expected));
                }
                held.row.clawed_back = held.row.clawed_back.saturating_add(amount);
                held.row.remark = remark;
                held.row.decided_on = Some(now.date());
                if let Some(budget) = held.row.budget_id {
                    budget::claw_back(held.tx(), budget, amount).await?;
                }
                held.save(state, pb::ApplicationStep::ClawedBack).await?;
                Ok(((), held.record("application.clawed_back")))
            })
        },
        |application, ()| pb::ClawBackResponse { application },
    )
    .await
}

/// Returns what the version says is to be given back, with the facts as they are; all that is left where it says nothing.
async fn computed(desk: &Desk, held: &mut Held<'_>, left: i64) -> Result<i64, SubsidyError> {
    let content = held.content().await?;
    let answering = desk.edition(&held.row.programme, held.row.edition).await?;
    let place = takes::division_of(held.row.division.as_deref());
    let said =
        takes::clawback((&answering, desk.programmes.present().catalogue()), &content, place)?;
    Ok(said.unwrap_or(left))
}

/// Sets a budget.
///
/// # Errors
///
/// See the contract's `SetBudget`.
pub async fn set_budget(
    desk: &Desk,
    change: Change<'_>,
    request: pb::SetBudgetRequest,
) -> Result<pb::SetBudgetResponse, Fault> {
    let (now, own) = (change.now, desk.clone());
    once(&desk.db, change.permit, change.key, now, move |tx| {
        Box::pin(async move {
            let answering = own.answering(&request.programme)?;
            if Some(answering.bureau()) != tx.permit().participant() {
                let name = request.programme;
                return Err(SubsidyError::ProgrammeNotFound { name }.into());
            }
            let from = wire::day("from", &request.from)?;
            let until = wire::day("to", &request.to)?.next_day().unwrap_or(Date::MAX);
            if until <= from {
                return Err(SubsidyError::field("to", "a day that is not before `from`").into());
            }
            let cap = (request.cap, answering.currency());
            let set = budget::set(tx, answering.name(), (from, until), cap).await;
            let set = set.map_err(|error| match error {
                DbError::Constraint { ref name, .. } if name == "budget_once" => {
                    let expected = "days that overlap no other budget of the programme";
                    SubsidyError::field("from", expected)
                }
                error => error.into(),
            })?;
            let set = set.ok_or(SubsidyError::BudgetExhausted)?;
            let subject = format!("budgets/{}", set.budget_id);
            let budget = Some(wire::budget(set));
            Ok((pb::SetBudgetResponse { budget }, Record::new(now, subject, "budget.set")))
        })
    })
    .await
}
