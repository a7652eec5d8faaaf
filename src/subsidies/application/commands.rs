//! What applicants do: one function, one use case, one transaction.

use futures_util::future::BoxFuture;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::kernel::fault::Fault;
use crate::kernel::ids;
use crate::pb::peshub::subsidies::v1 as pb;
use crate::platform::audit::receipt::Accepted;
use crate::platform::db::{Record, WriteTx};
use crate::platform::mutation::{RequestKey, once};
use crate::platform::permit::Permit;
use crate::subsidies::application::ApplicationId;
use crate::subsidies::application::desk::Desk;
use crate::subsidies::application::evidence;
use crate::subsidies::application::filed::{self, New};
use crate::subsidies::application::held::Held;
use crate::subsidies::application::machine::{State, Step};
use crate::subsidies::application::record;
use crate::subsidies::application::sealed;
use crate::subsidies::application::takes;
use crate::subsidies::error::SubsidyError;
use crate::subsidies::store::application::Row;
use crate::subsidies::store::reference;
use crate::subsidies::wire::application as wire;

/// A call that changes something.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// Who may.
    pub permit: &'a Permit,
    /// Makes it safe to repeat.
    pub key: &'a RequestKey,
    /// When.
    pub now: OffsetDateTime,
}

/// A step that is being taken: what it brings, and the record of it.
pub type Stepping<'a, B> = BoxFuture<'a, Result<(B, Record), SubsidyError>>;

/// As whom a step is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Who has filed it, or may accept it.
    Applicant,
    /// Who decides it.
    Officer,
}

/// Takes a step of an application once: takes hold of it, sees that the caller may, and answers with the application as it is then and
/// with what the step brought.
///
/// # Errors
///
/// `APPLICATION_NOT_FOUND`, `REQUEST_ID_REUSED`, what `work` returns, or the database fails.
pub async fn step<A, B, W>(
    desk: &Desk,
    change: Change<'_>,
    (side, id): (Side, String),
    work: W,
    answer: fn(Option<pb::Application>, B) -> A,
) -> Result<A, Fault>
where
    A: prost::Message + Default + 'static,
    B: Send + 'static,
    W: for<'a, 'b> FnOnce(&'a mut Held<'b>) -> Stepping<'a, B> + Send + 'static,
{
    let (own, now) = (desk.clone(), change.now);
    once(&desk.db, change.permit, change.key, now, move |tx| {
        Box::pin(async move {
            let mut held = Held::open(&own, tx, &id, now).await?;
            match side {
                Side::Applicant => held.as_applicant()?,
                Side::Officer => held.as_officer()?,
            }
            let (brought, record) = work(&mut held).await?;
            Ok((answer(Some(held.shown().await?), brought), record))
        })
    })
    .await
}

/// Files an application.
///
/// # Errors
///
/// See the contract's `SubmitApplication`.
pub async fn submit(
    desk: &Desk,
    change: Change<'_>,
    request: pb::SubmitApplicationRequest,
) -> Result<pb::SubmitApplicationResponse, Fault> {
    let (permit, now) = (change.permit, change.now);
    let request_id = request.request_id.clone();
    let own = desk.clone();
    once(&desk.db, permit, change.key, now, move |tx| {
        Box::pin(async move {
            let id = ApplicationId(ids::time_ordered(now));
            let (row, reference) = file(&own, tx, (id, request), now).await?;
            let record = Record::new(now, subject(id), "application.submitted");
            let accepted = Accepted { request_id: &request_id, ..Accepted::default() };
            let receipt = record::receipt(&own.receipts, tx.permit(), &record, &accepted);
            let application = Some(wire::application(&row, reference));
            Ok((pb::SubmitApplicationResponse { application, receipt: Some(receipt) }, record))
        })
    })
    .await
}

/// Determines what is filed, takes what it claims, and stores it. Returns it with the caller's reference to the worker.
async fn file(
    desk: &Desk,
    tx: &mut WriteTx,
    (id, request): (ApplicationId, pb::SubmitApplicationRequest),
    now: OffsetDateTime,
) -> Result<(Row, Option<Uuid>), SubsidyError> {
    let answering = desk.answering(&request.programme)?;
    let place = takes::division(request.division.as_ref())?;
    let employer = takes::employer(&desk.blind, &request.employer)?;
    let (worker, reference) = match request.worker_reference.as_str() {
        "" => (None, None),
        text => {
            let unknown = || SubsidyError::WorkerNotFound { reference: text.to_owned() };
            let named = Uuid::try_parse(text).map_err(|_| unknown())?;
            let found = reference::find(tx, named).await?.ok_or_else(unknown)?;
            (Some(found), Some(named))
        }
    };
    let worker_id = worker.as_ref().map(|it| it.worker_id);
    let keyed = worker.as_ref().map(|it| (it.worker_id, it.key.as_ref()));
    let key = sealed::key((desk.vault.as_ref(), &desk.blind), id, keyed).await?;
    let rested = evidence::verified(tx, &answering, (&request.facts, worker_id)).await?;
    let about = takes::About { division: place, worker_id, employer };
    takes::see_stated(answering.book.catalogue(), &request.facts)?;
    let found = takes::determine((&answering, &desk.blind), &request.facts, &about, now.date())?;
    let state = found.takes.state();
    let new = New {
        id,
        answering: &answering,
        about: &about,
        found: &found,
        state,
        answer_by: None,
        now,
    };
    let mut row = filed::row(tx, &key, new).await?;
    filed::begin(tx, &mut row, &found.takes, pb::ApplicationStep::Submitted).await?;
    evidence::note(tx, id, &found.content.facts, &rested).await?;
    Ok((row, reference))
}

/// Takes facts in and determines again.
///
/// # Errors
///
/// See the contract's `ProvideEvidence`.
pub async fn provide(
    desk: &Desk,
    change: Change<'_>,
    request: pb::ProvideEvidenceRequest,
) -> Result<pb::ProvideEvidenceResponse, Fault> {
    let (id, own) = (request.application_id, desk.clone());
    step(
        desk,
        change,
        (Side::Applicant, id),
        move |held| {
            Box::pin(async move {
                let state = held.next(Step::Provide, &request.etag)?;
                let answering = own.answering(&held.row.programme)?;
                let stated = (request.facts.as_slice(), held.row.worker_id);
                let rested = evidence::verified(held.tx(), &answering, stated).await?;
                held.determine_again(request.facts.clone()).await?;
                let id = held.id();
                evidence::note(held.tx(), id, &request.facts, &rested).await?;
                held.row.reopened = evidence::is_shaken(held.tx(), id).await?;
                if state == State::Submitted {
                    held.row.answer_by = None;
                    held.row.asked = Vec::new();
                }
                held.save(state, pb::ApplicationStep::EvidenceProvided).await?;
                Ok(((), held.record("application.evidence_provided")))
            })
        },
        |application, ()| pb::ProvideEvidenceResponse { application },
    )
    .await
}

/// Takes an application back.
///
/// # Errors
///
/// See the contract's `WithdrawApplication`.
pub async fn withdraw(
    desk: &Desk,
    change: Change<'_>,
    request: pb::WithdrawApplicationRequest,
) -> Result<pb::WithdrawApplicationResponse, Fault> {
    let id = request.application_id;
    step(
        desk,
        change,
        (Side::Applicant, id),
        move |held| {
            Box::pin(async move {
                let state = held.next(Step::Withdraw, &request.etag)?;
                held.become_applicant();
                held.save(state, pb::ApplicationStep::Withdrawn).await?;
                Ok(((), held.record("application.withdrawn")))
            })
        },
        |application, ()| pb::WithdrawApplicationResponse { application },
    )
    .await
}

/// Accepts an offer: it is granted.
///
/// # Errors
///
/// See the contract's `AcceptOffer`.
pub async fn accept(
    desk: &Desk,
    change: Change<'_>,
    request: pb::AcceptOfferRequest,
) -> Result<pb::AcceptOfferResponse, Fault> {
    let id = request.application_id;
    step(
        desk,
        change,
        (Side::Applicant, id),
        move |held| {
            Box::pin(async move {
                let state = held.next(Step::Accept, &request.etag)?;
                held.become_applicant();
                let reasons = vec![pb::LocalisedText {
                    language: "en".to_owned(),
                    text: "The bureau offered it, and the offer was accepted.".to_owned(),
                }];
                let granted = (pb::DecisionOutcome::Granted, held.row.amount);
                let decided = held.decide(granted, reasons, "offer.accepted").await?;
                held.save(state, pb::ApplicationStep::Granted).await?;
                Ok(decided)
            })
        },
        |application, it| pb::AcceptOfferResponse { application, decision: Some(it) },
    )
    .await
}

/// Appeals.
///
/// # Errors
///
/// See the contract's `AppealDecision`.
pub async fn appeal(
    desk: &Desk,
    change: Change<'_>,
    request: pb::AppealDecisionRequest,
) -> Result<pb::AppealDecisionResponse, Fault> {
    let id = request.application_id;
    step(
        desk,
        change,
        (Side::Applicant, id),
        move |held| {
            Box::pin(async move {
                let grounds = wire::words("grounds", &request.grounds)?;
                let state = held.next(Step::Appeal, &request.etag)?;
                held.row.remark = grounds;
                held.save(state, pb::ApplicationStep::Appealed).await?;
                Ok(((), held.record("application.appealed")))
            })
        },
        |application, ()| pb::AppealDecisionResponse { application },
    )
    .await
}

/// Returns how an application is called in the audit trail.
#[must_use]
pub fn subject(id: ApplicationId) -> String {
    format!("applications/{id}")
}
