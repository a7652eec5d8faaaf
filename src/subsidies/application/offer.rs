//! Offers: what a bureau gives without an application. A sweep makes them, and the payee accepts with one call.

use time::{Date, OffsetDateTime};
use uuid::Uuid;

use crate::codes::divisions::Division;
use crate::kernel::ids;
use crate::pb::peshub::subsidies::v1 as pb;
use crate::platform::db::WriteTx;
use crate::subsidies::application::desk::{Answering, Desk};
use crate::subsidies::application::evidence;
use crate::subsidies::application::filed::{self, New};
use crate::subsidies::application::held::Held;
use crate::subsidies::application::machine::{State, Step};
use crate::subsidies::application::sealed;
use crate::subsidies::application::takes::{self, About};
use crate::subsidies::application::{ApplicationId, TakenUntil};
use crate::subsidies::error::SubsidyError;
use crate::subsidies::store::{application as store, claim, reference};

/// What is offered to whom.
#[derive(Clone, Debug)]
pub struct Offer {
    /// Pseudonym of the worker; absent: an employer alone.
    pub worker_id: Option<Uuid>,
    /// Keyed digest of the employer.
    pub employer: Option<Uuid>,
    /// Where.
    pub division: Option<&'static Division>,
    /// What is known, with where it comes from.
    pub facts: Vec<pb::Fact>,
    /// Until when it can be accepted, inclusive; absent: it is not limited.
    pub answer_by: Option<Date>,
}

/// What became of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offered {
    /// It is made.
    Made(ApplicationId),
    /// It is claimed already, or something that excludes it, until then.
    Taken(TakenUntil),
    /// The budget has not enough left.
    Exhausted,
    /// It is determined anew, and the verdict is not ELIGIBLE, or the worker was erased.
    NotEligible,
}

/// Makes an offer in a transaction of the programme's bureau: it is determined by the edition in force, claims, and reserves what it costs.
/// Where it is not made, nothing of it stays, and the transaction can go on with the next one. The caller commits.
///
/// Make offers in the order of their workers: two transactions that claim the same in different orders wait for each other crosswise.
///
/// # Errors
///
/// `FACT_UNKNOWN`, `EVALUATION_FAILED`, `KEY_UNAVAILABLE`, or the database fails.
pub async fn offer(
    desk: &Desk,
    tx: &mut WriteTx,
    (answering, offer): (&Answering, Offer),
    now: OffsetDateTime,
) -> Result<Offered, SubsidyError> {
    let about =
        About { division: offer.division, worker_id: offer.worker_id, employer: offer.employer };
    let by = (answering, &desk.blind);
    let found = takes::determine(by, &offer.facts, &about, now.date())?;
    let verdict = found.content.determination.as_ref().map(pb::Determination::verdict);
    if verdict != Some(pb::Verdict::Eligible) {
        return Ok(Offered::NotEligible);
    }
    let id = ApplicationId(ids::time_ordered(now));
    let wrapped = match offer.worker_id {
        Some(worker) => match reference::key_of(tx, worker).await? {
            Some(wrapped) => Some(wrapped),
            None => return Ok(Offered::NotEligible),
        },
        None => None,
    };
    let worker = offer.worker_id.map(|it| (it, wrapped.as_ref()));
    let key = sealed::key((desk.vault.as_ref(), &desk.blind), id, worker).await?;
    let state = State::Offered;
    let answer_by = offer.answer_by;
    let new = New { id, answering, about: &about, found: &found, state, answer_by, now };
    let mut row = filed::row(tx, &key, new).await?;
    claim::savepoint(tx).await?;
    let made = filed::begin(tx, &mut row, &found.takes, pb::ApplicationStep::Offered).await;
    let outcome = match made {
        Ok(()) => {
            let rested = evidence::followed(tx, answering, (&offer.facts, offer.worker_id)).await?;
            evidence::note(tx, id, &offer.facts, &rested).await?;
            return Ok(Offered::Made(id));
        }
        Err(SubsidyError::ClaimTaken { until }) => Offered::Taken(until),
        Err(SubsidyError::BudgetExhausted) => Offered::Exhausted,
        Err(error) => return Err(error),
    };
    claim::roll_back(tx).await?;
    Ok(outcome)
}

/// Takes an offer back that stands, since whoever it was made to is no longer eligible by what is known now; returns whether there was one.
/// What it had taken is free again, and whoever was told of the offer is told of its end, with the determination that ended it.
///
/// # Errors
///
/// `KEY_UNAVAILABLE`, or the database fails.
pub async fn lapse(
    desk: &Desk,
    tx: &mut WriteTx,
    (answering, offer): (&Answering, Offer),
    now: OffsetDateTime,
) -> Result<bool, SubsidyError> {
    let whose = (offer.worker_id, offer.employer);
    let of = (answering.bureau(), answering.name());
    let Some(id) = store::offered(tx.connection(), of, whose).await? else { return Ok(false) };
    let mut held = Held::open(desk, tx, &id.to_string(), now).await?;
    // It was accepted a moment ago.
    let Ok(state) = held.leads(Step::Lapse, None) else { return Ok(false) };
    let about =
        About { division: offer.division, worker_id: offer.worker_id, employer: offer.employer };
    let by = (answering, &desk.blind);
    match takes::determine(by, &offer.facts, &about, now.date()) {
        Ok(found) => held.determined(answering, &found).await?,
        // What it was offered by stays as it was.
        Err(SubsidyError::EvaluationFailed { .. } | SubsidyError::Invalid(_)) => {}
        Err(error) => return Err(error),
    }
    held.save(state, pb::ApplicationStep::Lapsed).await?;
    Ok(true)
}
