//! A new application, or a new offer.

use time::{Date, OffsetDateTime};

use crate::pb::peshub::subsidies::v1 as pb;
use crate::platform::db::WriteTx;
use crate::platform::keys::sealing::DataKey;
use crate::subsidies::application::ApplicationId;
use crate::subsidies::application::desk::Answering;
use crate::subsidies::application::held;
use crate::subsidies::application::machine::{Stage, State};
use crate::subsidies::application::sealed;
use crate::subsidies::application::takes::{About, Found, Takes};
use crate::subsidies::error::SubsidyError;
use crate::subsidies::store::application::{self as store, Row};
use crate::subsidies::store::reference;

/// What is filed or offered.
#[derive(Clone, Copy, Debug)]
pub struct New<'a> {
    /// Its name.
    pub id: ApplicationId,
    /// By which edition.
    pub answering: &'a Answering,
    /// Whom and what it is about.
    pub about: &'a About,
    /// What was determined.
    pub found: &'a Found,
    /// Where it begins.
    pub state: State,
    /// Until when it is to be accepted.
    pub answer_by: Option<Date>,
    /// When.
    pub now: OffsetDateTime,
}

/// Returns what is stored of a new application, which has taken nothing yet. What is filed is the permit's holder's; an offer is nobody's.
///
/// # Errors
///
/// The machine gives no randomness, or the database fails.
pub async fn row(tx: &mut WriteTx, key: &DataKey, new: New<'_>) -> Result<Row, SubsidyError> {
    let (now, answering) = (new.now, new.answering);
    let is_offer = new.state == State::Offered;
    let holder = tx.permit().holder().filter(|_| !is_offer);
    let platform = holder.map(|it| (it.participant.0, it.participant_name.clone()));
    let bureau_id = answering.bureau().0;
    Ok(Row {
        application_id: new.id.0,
        number: 0,
        revision: 1,
        state: new.state.number(),
        programme: answering.name().to_owned(),
        edition: answering.number(),
        bureau_id,
        platform_id: platform.as_ref().map(|it| it.0),
        division: new.about.division.map(|it| it.token().to_owned()),
        worker_id: new.about.worker_id,
        employer: new.about.employer,
        sealed: sealed::seal(key, new.id, &new.found.content)?,
        determination: new.found.shown(),
        determined_on: now.date(),
        filed_on: now.date(),
        amount: 0,
        currency: answering.currency().to_owned(),
        budget_id: None,
        stage: Stage::Nothing.number(),
        clawed_back: 0,
        answer_by: new.answer_by,
        asked: Vec::new(),
        remark: String::new(),
        reopened: false,
        proactive: is_offer,
        decided_on: None,
        submitted_at: now,
        changed_at: now,
        bureau: reference::participant_name(tx, bureau_id).await?,
        platform: platform.map(|it| it.1),
        decisions: Vec::new(),
    })
}

/// Takes what a new application claims, stores it and tells of it; last of all what it costs is reserved, since everybody who files for the
/// programme waits for that.
///
/// # Errors
///
/// `CLAIM_TAKEN`, `BUDGET_EXHAUSTED`, or the database fails.
pub async fn begin(
    tx: &mut WriteTx,
    row: &mut Row,
    takes: &Takes,
    step: pb::ApplicationStep,
) -> Result<(), SubsidyError> {
    held::claim(tx, ApplicationId(row.application_id), takes).await?;
    held::fund(tx, row, takes).await?;
    let told = held::told(tx, row, step).await?;
    store::create(tx, row, &told).await?;
    held::reserve(tx, row).await
}
